//! OpenID Connect Core 1.0 section 3.1.2: who is asked for what, once there is a session.

use std::time::Duration;

use pilotlight_server::client::Client;

use crate::kit::{Answer, REDIRECT, VERIFIER, World, claims, cookie_of, request};

/// A confidential client `site`; gives its secret.
fn confidential(world: &World) -> String {
    let mut client = Client::public("site", vec![REDIRECT.to_owned()]).unwrap();
    let secret = client.make_secret().unwrap();
    world.store.add_client(&client).unwrap();
    secrecy::ExposeSecret::expose_secret(&secret).to_owned()
}

async fn exchange_as_site(world: &World, secret: &str, code: &str) -> Answer {
    let pairs = [
        ("grant_type", "authorization_code"),
        ("client_id", "site"),
        ("client_secret", secret),
        ("code", code),
        ("redirect_uri", REDIRECT),
        ("code_verifier", VERIFIER),
    ];
    world.form("/token", &pairs).await
}

fn asks_to_sign_in(page: &Answer) -> bool {
    page.status == 200 && page.body.contains("id=\"sign-in\"")
}

fn asks_for_consent(page: &Answer) -> bool {
    page.status == 200 && page.body.contains("id=\"allow\"")
}

#[tokio::test]
async fn section_3_1_2_3_who_signed_in_once_is_asked_for_consent_alone() {
    let world = World::new();
    let (cookie, _) = world.signed_in().await;
    world.pass(Duration::from_secs(600));
    let consent = world.visit(&cookie, &request(&[])).await;
    assert!(asks_for_consent(&consent), "{consent:?}");
    let code = world.submit(&cookie, &consent.ticket(), &[("decision", "allow")]).await.sent("code").unwrap();
    let tokens = world.exchange(&code, &[]).await;
    let id_token = claims(&tokens.text("id_token"));
    assert_eq!(id_token["iat"].as_i64().unwrap() - id_token["auth_time"].as_i64().unwrap(), 600, "the session's");
    assert_eq!(id_token["sid"], claims(&tokens.text("access_token"))["gid"]);
}

#[tokio::test]
async fn section_3_1_2_1_prompt_none_is_answered_without_a_page() {
    let world = World::new();
    let quiet = request(&[("prompt", "none")]);
    let nobody = world.fetch(&quiet).await;
    assert_eq!(nobody.sent("error").as_deref(), Some("login_required"), "{nobody:?}");
    let (cookie, _) = world.signed_in().await;
    let public = world.visit(&cookie, &quiet).await;
    assert_eq!(public.sent("error").as_deref(), Some("consent_required"), "{public:?}");
    for answer in [nobody, public] {
        assert_eq!(answer.sent("iss").as_deref(), Some(crate::kit::ISSUER));
        assert_eq!(answer.sent("state").as_deref(), Some("a state"));
    }
}

#[tokio::test]
async fn section_3_1_2_4_a_confidential_client_is_allowed_again_what_it_was_allowed_before() {
    let world = World::new();
    let secret = confidential(&world);
    let (cookie, _) = world.signed_in().await;
    let site = ("client_id", "site");
    let first = world.visit(&cookie, &request(&[site, ("prompt", "none")])).await;
    assert_eq!(first.sent("error").as_deref(), Some("consent_required"));
    let consent = world.visit(&cookie, &request(&[site])).await;
    let code = world.submit(&cookie, &consent.ticket(), &[("decision", "allow")]).await.sent("code").unwrap();
    let tokens = exchange_as_site(&world, &secret, &code).await;
    assert_eq!(tokens.status, 200, "{tokens:?}");
    for more in [("prompt", "none"), ("prompt", "")] {
        let again = world.visit(&cookie, &request(&[site, more])).await;
        assert!(again.sent("code").is_some(), "{again:?}");
    }
    let wider = request(&[site, ("prompt", "none"), ("scope", "openid devices")]);
    assert_eq!(world.visit(&cookie, &wider).await.sent("error").as_deref(), Some("consent_required"));
    assert!(asks_for_consent(&world.visit(&cookie, &request(&[site, ("prompt", "consent")])).await));
    let revoked = [("token", &*tokens.text("refresh_token")), ("client_id", "site"), ("client_secret", &secret)];
    assert_eq!(world.form("/revoke", &revoked).await.status, 200);
    assert!(asks_for_consent(&world.visit(&cookie, &request(&[site])).await), "a grant that ended allows nothing");
}

#[tokio::test]
async fn section_3_1_2_1_prompt_login_wants_the_password_again() {
    let world = World::new();
    let (cookie, _) = world.signed_in().await;
    for prompt in ["login", "select_account", "login consent"] {
        world.pass(Duration::from_secs(5));
        let page = world.visit(&cookie, &request(&[("prompt", prompt)])).await;
        assert!(asks_to_sign_in(&page), "{prompt}: {page:?}");
        let consent = world.submit(&cookie, &page.ticket(), &[("username", "demo"), ("password", "demo")]).await;
        assert!(asks_for_consent(&consent), "{prompt}: {consent:?}");
        let code = world.submit(&cookie, &consent.ticket(), &[("decision", "allow")]).await.sent("code").unwrap();
        let id_token = claims(&world.exchange(&code, &[]).await.text("id_token"));
        assert_eq!(id_token["auth_time"], id_token["iat"]);
    }
}

#[tokio::test]
async fn section_3_1_2_1_max_age_wants_it_again_after_that_time() {
    let world = World::new();
    let (cookie, _) = world.signed_in().await;
    world.pass(Duration::from_secs(60));
    assert!(asks_for_consent(&world.visit(&cookie, &request(&[("max_age", "60")])).await));
    assert!(asks_to_sign_in(&world.visit(&cookie, &request(&[("max_age", "59")])).await));
    let quiet = world.visit(&cookie, &request(&[("max_age", "59"), ("prompt", "none")])).await;
    assert_eq!(quiet.sent("error").as_deref(), Some("login_required"));
    for wrong in [("max_age", "-1"), ("max_age", "x"), ("prompt", "none login"), ("prompt", "nonsense")] {
        let refused = world.visit(&cookie, &request(&[wrong])).await;
        assert_eq!(refused.sent("error").as_deref(), Some("invalid_request"), "{wrong:?}");
    }
}

#[tokio::test]
async fn section_3_1_2_1_an_id_token_hint_says_who_it_has_to_be() {
    let world = World::new();
    pilotlight_server::add_user(&*world.store, "ada", &secrecy::SecretString::from("countess")).unwrap();
    let (cookie, _) = world.signed_in().await;
    let mine = world.exchange(&world.code().await, &[]).await.text("id_token");
    let pairs = [
        ("grant_type", "password"),
        ("client_id", "pilotlight"),
        ("username", "ada"),
        ("password", "countess"),
        ("scope", "openid"),
    ];
    let hers = world.form("/token", &pairs).await.text("id_token");
    assert!(asks_for_consent(&world.visit(&cookie, &request(&[("id_token_hint", &mine)])).await));
    assert!(asks_to_sign_in(&world.visit(&cookie, &request(&[("id_token_hint", &hers)])).await));
    let quiet = world.visit(&cookie, &request(&[("id_token_hint", &hers), ("prompt", "none")])).await;
    assert_eq!(quiet.sent("error").as_deref(), Some("login_required"));
    let wrong = world.visit(&cookie, &request(&[("id_token_hint", "x.y.z")])).await;
    assert_eq!(wrong.sent("error").as_deref(), Some("invalid_request"));
}

#[tokio::test]
async fn section_3_1_2_1_a_login_hint_fills_the_name_in() {
    let world = World::new();
    let page = world.fetch(&request(&[("login_hint", "ada\"><script>")])).await;
    assert!(page.body.contains("value=\"ada&#34;"), "{}", page.body);
    assert!(!page.body.contains("<script>"));
    let focused = page.body.split("<input").find(|input| input.contains("autofocus")).unwrap();
    assert!(focused.contains("name=\"password\""));
}

#[tokio::test]
async fn a_request_that_fits_into_no_address_is_refused_at_once() {
    let world = World::new();
    let page = world.fetch(&request(&[("state", &"s".repeat(4000))])).await;
    let consent = world.submit(&cookie_of(&page), &page.ticket(), &[("username", "demo"), ("password", "demo")]).await;
    assert!(asks_for_consent(&consent), "{consent:?}");
    let refused = world.fetch(&request(&[("state", &"s".repeat(6000))])).await;
    assert_eq!(refused.sent("error").as_deref(), Some("invalid_request"));
}

#[tokio::test]
async fn another_person_can_sign_in_from_the_consent_page() {
    let world = World::new();
    pilotlight_server::add_user(&*world.store, "ada", &secrecy::SecretString::from("countess")).unwrap();
    let (cookie, _) = world.signed_in().await;
    world.pass(Duration::from_secs(1));
    let consent = world.visit(&cookie, &request(&[])).await;
    let link = consent.body.split_once("id=\"another\" href=\"").unwrap().1.split_once('"').unwrap().0;
    let page = world.visit(&cookie, &format!("/{}", link.replace("&#38;", "&"))).await;
    assert!(asks_to_sign_in(&page), "{page:?}");
    let consent = world.submit(&cookie, &page.ticket(), &[("username", "ada"), ("password", "countess")]).await;
    assert!(consent.body.contains("<strong>ada</strong>"), "{consent:?}");
}

#[tokio::test]
async fn consent_given_after_the_session_ended_gives_nothing() {
    let world = World::new();
    let (cookie, account) = world.signed_in().await;
    let consent = world.visit(&cookie, &request(&[])).await;
    world.submit_to("/account", &cookie, &account.ticket(), &[("end", "all")]).await;
    let answer = world.submit(&cookie, &consent.ticket(), &[("decision", "allow")]).await;
    assert!(asks_to_sign_in(&answer), "{answer:?}");
}

#[tokio::test]
async fn a_page_from_before_a_rotation_of_the_keys_or_of_another_kind_opens_nothing_else() {
    let world = World::new();
    let page = world.fetch(&request(&[])).await;
    let cookie = cookie_of(&page);
    for decision in ["allow", "deny", ""] {
        let answer = world.submit_to("/authorize", &cookie, &page.ticket(), &[("decision", decision)]).await;
        assert_eq!(answer.status, 400, "the ticket of the sign-in page is none of the consent page");
    }
    let stranger = cookie_of(&world.fetch("/account").await);
    let link = page.body.split_once("id=\"language\" href=\"").unwrap().1.split_once('"').unwrap().0;
    let path = format!("/{}", link.replace("&#38;", "&"));
    assert!(asks_to_sign_in(&world.visit(&cookie, &path).await));
    assert_eq!(world.visit(&stranger, &path).await.status, 400, "an address with a ticket is of no use elsewhere");
}
