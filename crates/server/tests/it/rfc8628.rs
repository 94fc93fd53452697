//! RFC 8628, the device authorization grant.

use std::time::Duration;

use pilotlight_server::client::Client;

use crate::kit::{Answer, ISSUER, World, cookie_of};

const GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";

async fn begin(world: &World) -> Answer {
    let answer = world.form("/device_authorization", &[("client_id", "pilotlight"), ("scope", "openid profile")]).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer
}

async fn poll(world: &World, device_code: &str) -> Answer {
    let pairs = [("grant_type", GRANT), ("client_id", "pilotlight"), ("device_code", device_code)];
    world.form("/token", &pairs).await
}

/// Signs in on a fresh page, and types a code; gives the cookie and the answer.
async fn type_code(world: &World, user_code: &str, password: &str) -> (String, Answer) {
    let page = world.fetch("/device").await;
    assert_eq!(page.status, 200, "{page:?}");
    let cookie = cookie_of(&page);
    let pairs = [("username", "demo"), ("password", password)];
    let page = world.submit_to("/sign-in", &cookie, &page.ticket(), &pairs).await;
    if page.status != 200 {
        return (cookie, page);
    }
    let answer = world.submit_to("/device", &cookie, &page.ticket(), &[("user_code", user_code)]).await;
    (cookie, answer)
}

async fn decide(world: &World, user_code: &str, decision: &str) -> Answer {
    let (cookie, consent) = type_code(world, user_code, "demo").await;
    assert_eq!(consent.status, 200, "{consent:?}");
    world.submit_to("/device", &cookie, &consent.ticket(), &[("decision", decision)]).await
}

#[tokio::test]
async fn section_3_1_only_clients_that_the_operator_allows_may_begin() {
    let world = World::new();
    world.store.add_client(&Client::public("other", Vec::new()).unwrap()).unwrap();
    let asked = [("client_id", "other")];
    world.form("/device_authorization", &asked).await.assert_error(400, "unauthorized_client");
    world.form("/device_authorization", &[("client_id", "nobody")]).await.assert_error(401, "invalid_client");
    world.form("/device_authorization", &[]).await.assert_error(400, "invalid_request");
    assert_eq!(world.fetch("/device_authorization").await.status, 405);
}

#[tokio::test]
async fn section_3_2_the_answer_has_both_codes_and_where_to_go() {
    let answer = begin(&World::new()).await;
    let user_code = answer.text("user_code");
    assert_eq!(answer.text("verification_uri"), format!("{ISSUER}/device"));
    assert_eq!(answer.text("verification_uri_complete"), format!("{ISSUER}/device?user_code={user_code}"));
    assert_eq!((answer.json()["expires_in"].as_u64(), answer.json()["interval"].as_u64()), (Some(600), Some(5)));
    assert_eq!(answer.header("cache-control"), "no-store");
    assert!(user_code.len() == 9 && user_code.chars().all(|c| "BCDFGHJKLMNPQRSTVWXZ-".contains(c)), "{user_code}");
    assert!(answer.text("device_code").len() >= 48);
}

#[tokio::test]
async fn section_3_3_a_person_types_the_code_and_the_device_is_signed_in() {
    let world = World::new();
    let begun = begin(&world).await;
    let (device_code, user_code) = (begun.text("device_code"), begun.text("user_code"));
    poll(&world, &device_code).await.assert_error(400, "authorization_pending");
    let typed = user_code.to_lowercase().replace('-', " ");
    let done = decide(&world, &typed, "allow").await;
    assert!(done.status == 200 && done.body.contains("being signed in"), "{done:?}");
    let tokens = poll(&world, &device_code).await;
    assert_eq!(tokens.status, 200, "{tokens:?}");
    assert_eq!(tokens.text("scope"), "openid profile");
    assert_eq!(world.userinfo(&tokens.text("access_token")).await.text("name"), "demo");
    assert_eq!(world.refresh(&tokens.text("refresh_token")).await.status, 200);
    assert!(!tokens.text("id_token").is_empty());
}

#[tokio::test]
async fn section_3_3_1_the_complete_address_fills_the_code_in_and_escapes_the_rest() {
    let world = World::new();
    let user_code = begin(&world).await.text("user_code");
    let page = world.fetch(&format!("/device?user_code={user_code}")).await;
    let signs_in = [("username", "demo"), ("password", "demo")];
    let page = world.submit_to("/sign-in", &cookie_of(&page), &page.ticket(), &signs_in).await;
    assert!(page.body.contains(&format!("value=\"{user_code}\"")), "{}", page.body);
    let page = world.fetch("/device?user_code=%22%3E%3Cscript%3E").await;
    assert!(page.status == 200 && !page.body.contains("script"), "what is no code is not shown");
}

#[tokio::test]
async fn section_5_4_before_the_consent_the_person_sees_app_and_code() {
    let world = World::new();
    let user_code = begin(&world).await.text("user_code");
    let (_, consent) = type_code(&world, &user_code, "demo").await;
    for part in ["<strong>Pilotlight</strong>", &user_code, "see your name", "If somebody sent you the code, deny it"] {
        assert!(consent.body.contains(part), "{part}: {}", consent.body);
    }
    assert!(!consent.body.contains("stay signed in"), "it was not asked for");
}

#[tokio::test]
async fn section_3_5_a_device_that_asks_too_soon_slows_down_for_good() {
    let world = World::new();
    let code = begin(&world).await.text("device_code");
    for (wait, error) in
        [(0, "authorization_pending"), (5, "authorization_pending"), (4, "slow_down"), (5, "slow_down")]
    {
        world.pass(Duration::from_secs(wait));
        poll(&world, &code).await.assert_error(400, error);
    }
    world.pass(Duration::from_secs(15));
    poll(&world, &code).await.assert_error(400, "authorization_pending");
}

#[tokio::test]
async fn section_3_5_a_denied_device_gets_access_denied() {
    let world = World::new();
    let begun = begin(&world).await;
    let done = decide(&world, &begun.text("user_code"), "deny").await;
    assert!(done.body.contains("Denied"));
    poll(&world, &begun.text("device_code")).await.assert_error(400, "access_denied");
}

#[tokio::test]
async fn section_3_5_after_ten_minutes_the_codes_are_over() {
    let world = World::new();
    let begun = begin(&world).await;
    world.pass(Duration::from_secs(600));
    poll(&world, &begun.text("device_code")).await.assert_error(400, "expired_token");
    let (_, answer) = type_code(&world, &begun.text("user_code"), "demo").await;
    assert!(answer.status == 400 && answer.body.contains("its time is over"), "{answer:?}");
}

#[tokio::test]
async fn section_3_4_a_device_code_is_its_clients_alone_and_works_once() {
    let world = World::new();
    let mut other = Client::public("other", Vec::new()).unwrap();
    other.set(pilotlight_server::client::Setting::Device).unwrap();
    world.store.add_client(&other).unwrap();
    let begun = begin(&world).await;
    let code = begun.text("device_code");
    decide(&world, &begun.text("user_code"), "allow").await;
    let foreign = [("grant_type", GRANT), ("client_id", "other"), ("device_code", &*code)];
    world.form("/token", &foreign).await.assert_error(400, "invalid_grant");
    for wrong in ["x", "pldc_", &format!("{}x", &code), &code[..code.len() - 1]] {
        poll(&world, wrong).await.assert_error(400, "invalid_grant");
    }
    let tokens = poll(&world, &code).await;
    assert_eq!(tokens.status, 200, "{tokens:?}");
    poll(&world, &code).await.assert_error(400, "invalid_grant");
    let answer = world.refresh(&tokens.text("refresh_token")).await;
    assert_eq!(answer.text("reason"), "revoked", "who had the code twice may have had it from somebody");
    let (_, again) = type_code(&world, &begun.text("user_code"), "demo").await;
    assert_eq!(again.status, 400, "the user's code is over too");
}

#[tokio::test]
async fn section_5_1_guessing_codes_needs_an_account_and_is_slowed_down() {
    let world = World::new();
    let user_code = begin(&world).await.text("user_code");
    let (_, wrong) = type_code(&world, &user_code, "wrong").await;
    assert!(wrong.status == 400 && wrong.body.contains("do not match"), "{wrong:?}");
    assert!(!wrong.body.contains("Pilotlight</strong>"), "nothing is told before the password is right");
    let (_, none) = type_code(&world, "AEIOU", "demo").await;
    assert!(none.status == 400 && none.body.contains("eight letters"), "{none:?}");
    for _ in 0..10 {
        assert_eq!(type_code(&world, "BBBB-BBBB", "demo").await.1.status, 400);
    }
    let (_, slowed) = type_code(&world, &user_code, "demo").await;
    assert_eq!((slowed.status.as_u16(), slowed.header("retry-after")), (429, "60"), "{slowed:?}");
    world.pass(Duration::from_secs(60));
    assert_eq!(type_code(&world, &user_code, "demo").await.1.status, 200);
}

#[tokio::test]
async fn section_5_4_a_form_of_another_browser_or_page_decides_nothing() {
    let world = World::new();
    let begun = begin(&world).await;
    let (_, consent) = type_code(&world, &begun.text("user_code"), "demo").await;
    let ticket = consent.ticket();
    let pairs = [("ticket", &*ticket), ("decision", "allow")];
    assert_eq!(world.form("/device", &pairs).await.status, 400, "no cookie");
    let stranger = cookie_of(&world.fetch("/device").await);
    assert_eq!(world.form_with("/device", &[("cookie", &stranger)], &pairs).await.status, 400);
    let page = world.fetch("/device").await;
    let asked = [("ticket", &*page.ticket()), ("decision", "allow")];
    let answer = world.form_with("/device", &[("cookie", &cookie_of(&page))], &asked).await;
    assert_eq!(answer.status, 400, "nobody has signed in on that page");
    poll(&world, &begun.text("device_code")).await.assert_error(400, "authorization_pending");
}
