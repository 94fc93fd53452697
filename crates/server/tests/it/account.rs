//! What a person sees of their sign-ins, and what they can do about them.

use std::sync::Arc;
use std::time::Duration;

use axum::http::Method;
use pilotlight_server::grant::GrantId;
use pilotlight_server::{Config, MemoryStore, add_user};
use secrecy::SecretString;

use crate::kit::{Answer, World, claims, cookie_of, request};

const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";

fn id_of(tokens: &Answer) -> String {
    claims(&tokens.text("access_token"))["gid"].as_str().unwrap().to_owned()
}

/// Tokens of the demo person that may see and end their sign-ins.
async fn with_devices(world: &World) -> Answer {
    let code = world.authorize(&request(&[("scope", "openid devices")])).await.sent("code").unwrap();
    world.exchange(&code, &[]).await
}

async fn list(world: &World, token: &str) -> Answer {
    world.send(Method::GET, "/account/devices", &[("authorization", &format!("Bearer {token}"))], "").await
}

#[tokio::test]
async fn the_account_page_lists_where_and_when_and_marks_this_browser() {
    let world = World::new();
    let tokens = world.tokens().await;
    world.pass(Duration::from_secs(7200));
    world.refresh(&tokens.text("refresh_token")).await;
    let page = world.send(Method::GET, "/account", &[("user-agent", FIREFOX)], "").await;
    let cookie = cookie_of(&page);
    let pairs = [("ticket", &*page.ticket()), ("username", "demo"), ("password", "demo")];
    let headers = [("cookie", &*cookie), ("user-agent", FIREFOX)];
    let answer = world.form_with("/sign-in", &headers, &pairs).await;
    assert_eq!((answer.status.as_u16(), answer.header("location")), (303, "account"));
    let page = world.visit(&cookie, "/account").await;
    for part in ["<strong>Pilotlight</strong>", "This browser", "Firefox on Linux", "2 hours ago", "up to 15 minutes"] {
        assert!(page.body.contains(part), "{part}: {}", page.body);
    }
    assert!(page.body.contains(&id_of(&tokens)), "with a button that ends it");
}

#[tokio::test]
async fn who_opens_the_issuer_in_a_browser_comes_to_the_account_page() {
    let answer = World::new().send(Method::GET, "/", &[], "").await;
    assert_eq!((answer.status.as_u16(), answer.header("location")), (303, "account"));
}

#[tokio::test]
async fn ending_a_sign_in_is_at_once_for_refresh_and_introspection() {
    let world = World::new();
    let (one, two) = (world.tokens().await, world.tokens().await);
    let (cookie, page) = world.signed_in().await;
    let end = [("end", &*id_of(&one))];
    let done = world.submit_to("/account", &cookie, &page.ticket(), &end).await;
    assert!(done.body.contains("That sign-in has ended."), "{done:?}");
    assert!(!done.body.contains(&id_of(&one)) && done.body.contains(&id_of(&two)), "{}", done.body);
    assert_eq!(world.refresh(&one.text("refresh_token")).await.text("reason"), "revoked");
    assert_eq!(world.userinfo(&one.text("access_token")).await.status, 401);
    assert_eq!(world.refresh(&two.text("refresh_token")).await.status, 200, "and the other goes on");
}

#[tokio::test]
async fn all_others_leaves_this_browser_and_all_leaves_nothing() {
    let world = World::new();
    let tokens = world.tokens().await;
    let (other, _) = world.signed_in().await;
    let (cookie, page) = world.signed_in().await;
    let done = world.submit_to("/account", &cookie, &page.ticket(), &[("end", "others")]).await;
    assert!(done.body.contains("signed out everywhere else"), "{done:?}");
    assert_eq!(world.refresh(&tokens.text("refresh_token")).await.text("reason"), "revoked");
    assert!(world.visit(&other, "/account").await.body.contains("id=\"password\" name"), "the other browser is asked");
    let tokens = world.tokens().await;
    let done = world.submit_to("/account", &cookie, &done.ticket(), &[("end", "all")]).await;
    assert!(done.body.contains("You are signed out"), "{done:?}");
    assert_eq!(world.refresh(&tokens.text("refresh_token")).await.text("reason"), "revoked");
    assert!(world.visit(&cookie, "/account").await.body.contains("to see your account"));
}

#[tokio::test]
async fn nobody_ends_what_is_somebody_elses() {
    let world = World::new();
    add_user(&*world.store, "ada", &SecretString::from("countess")).unwrap();
    let pairs =
        [("grant_type", "password"), ("client_id", "pilotlight"), ("username", "ada"), ("password", "countess")];
    let hers = world.form("/token", &pairs).await;
    let (cookie, page) = world.signed_in().await;
    for end in [&*id_of(&hers), "00000000000000000000000000000000"] {
        world.submit_to("/account", &cookie, &page.ticket(), &[("end", end)]).await;
    }
    let devices = with_devices(&world).await.text("access_token");
    let bearer = format!("Bearer {devices}");
    let path = format!("/account/devices/{}", id_of(&hers));
    assert_eq!(world.send(Method::DELETE, &path, &[("authorization", &bearer)], "").await.status, 404);
    assert_eq!(world.refresh(&hers.text("refresh_token")).await.status, 200);
}

#[tokio::test]
async fn a_form_of_another_browser_session_or_page_does_nothing() {
    let world = World::new();
    let tokens = world.tokens().await;
    let (cookie, page) = world.signed_in().await;
    let (stranger, strangers) = world.signed_in().await;
    let end = ("end", "all");
    for (cookie, ticket) in [(&*stranger, page.ticket()), (&cookie, strangers.ticket()), ("", page.ticket())] {
        let answer = world.form_with("/account", &[("cookie", cookie)], &[("ticket", &*ticket), end]).await;
        assert_eq!(answer.status, 400, "{answer:?}");
    }
    assert_eq!(world.form_with("/account", &[("cookie", &cookie)], &[end]).await.status, 400, "without a ticket");
    let sign_in = world.fetch("/device").await;
    let other_page = world.submit_to("/account", &cookie_of(&sign_in), &sign_in.ticket(), &[end]).await;
    assert_eq!(other_page.status, 400, "the ticket of another page");
    let again = world.submit_to("/account", &cookie, &page.ticket(), &[("end", "nonsense")]).await;
    assert_eq!(again.status, 400, "{again:?}");
    assert_eq!(world.refresh(&tokens.text("refresh_token")).await.status, 200);
}

#[tokio::test]
async fn a_session_ends_by_itself_and_where_it_is_ended() {
    let world = World::new();
    let (cookie, _) = world.signed_in().await;
    world.pass(Duration::from_secs(12 * 3600 - 1));
    assert!(world.visit(&cookie, "/account").await.body.contains("Your account"));
    world.pass(Duration::from_secs(1));
    assert!(world.visit(&cookie, "/account").await.body.contains("to see your account"));
    let (cookie, page) = world.signed_in().await;
    let devices = with_devices(&world).await.text("access_token");
    let listed = list(&world, &devices).await.json();
    let browsers = listed["devices"].as_array().unwrap().iter().filter(|device| device["kind"] == "browser");
    for id in browsers.map(|device| device["id"].as_str().unwrap().parse::<GrantId>().unwrap()) {
        world
            .store
            .revoke(id, pilotlight_server::grant::Reason::Operator, pilotlight_server::Clock::now(&*world.clock))
            .unwrap();
    }
    assert!(world.visit(&cookie, "/account").await.body.contains("to see your account"), "at once");
    let stale = world.submit_to("/account", &cookie, &page.ticket(), &[("end", "all")]).await;
    assert_eq!(stale.status, 400);
}

#[tokio::test]
async fn cookies_are_strict_and_under_https_no_one_elses() {
    let world = World::with(Config::new("https://auth.example"), Arc::new(MemoryStore::new()));
    let page = world.fetch("/account").await;
    let pairs = [("ticket", &*page.ticket()), ("username", "demo"), ("password", "demo")];
    let answer = world.form_with("/sign-in", &[("cookie", &cookie_of(&page))], &pairs).await;
    for (answer, name) in [(&page, "__Host-pilotlight_form="), (&answer, "__Host-pilotlight_session=")] {
        let cookie = answer.header("set-cookie");
        assert!(cookie.starts_with(name), "{cookie}");
        for flag in ["; HttpOnly", "; SameSite=Lax", "; Path=/", "; Secure"] {
            assert!(cookie.contains(flag), "{flag}: {cookie}");
        }
        assert!(!cookie.contains("Domain"), "{cookie}");
    }
    assert!(!answer.header("set-cookie").contains("demo"), "it says nothing of the person");
    let (_, plain) = World::new().signed_in().await;
    assert!(!plain.header("set-cookie").contains("Secure"), "a loopback server is reached by http");
}

#[tokio::test]
async fn rfc9700_section_4_14_2_a_password_is_changed_by_who_knows_the_old_one_and_ends_the_other_sign_ins_where_asked()
{
    let world = World::new();
    let tokens = world.tokens().await;
    let (cookie, _) = world.signed_in().await;
    let page = world.visit(&cookie, "/account/password").await;
    let change = async |old: &str, new: &str, again: &str, others: &str| {
        let pairs = [("old", old), ("new", new), ("again", again), ("end_others", others)];
        world.submit_to("/account/password", &cookie, &page.ticket(), &pairs).await
    };
    let refused = [
        (change("wrong", "long enough", "long enough", "").await, "not your password"),
        (change("demo", "long enough", "long enouhg", "").await, "two different ways"),
        (change("demo", "short", "short", "").await, "8 to 1024"),
        (change("demo", &"x".repeat(1025), &"x".repeat(1025), "").await, "8 to 1024"),
    ];
    for (answer, part) in refused {
        assert!(answer.status == 400 && answer.body.contains(part), "{part}: {answer:?}");
        assert!(!answer.body.contains("long enough"), "no password is shown");
    }
    assert!(change("demo", "long enough", "long enough", "").await.body.contains("Your password is changed."));
    assert_eq!(world.refresh(&tokens.text("refresh_token")).await.status, 200, "not asked for");
    assert!(change("long enough", "longer still", "longer still", "yes").await.body.contains("is changed"));
    assert_eq!(world.refresh(&tokens.text("refresh_token")).await.text("reason"), "revoked");
    assert!(world.visit(&cookie, "/account").await.body.contains("Your account"), "this browser stays");
    let (old, new) = (("password", "demo"), ("password", "longer still"));
    for (password, status) in [(old, 400), (new, 200)] {
        let pairs = [("grant_type", "password"), ("client_id", "pilotlight"), ("username", "demo"), password];
        assert_eq!(world.form("/token", &pairs).await.status, status);
    }
}

#[tokio::test]
async fn unknown_names_and_wrong_passwords_are_answered_alike() {
    let world = World::new();
    let page = world.fetch("/account").await;
    let mut answers = Vec::new();
    for name in ["demo", "nobody"] {
        let pairs = [("username", name), ("password", "wrong")];
        let answer = world.submit(&cookie_of(&page), &page.ticket(), &pairs).await;
        let (before, after) = answer.body.split_once("name=\"ticket\" value=\"").unwrap();
        let after = after.split_once('"').unwrap().1.replace(name, "NAME");
        answers.push((answer.status, before.replace(name, "NAME"), after));
    }
    assert_eq!(answers[0], answers[1]);
}

#[tokio::test]
async fn an_app_sees_the_same_list_and_ends_what_is_on_it() {
    let world = World::new();
    let other = world.tokens().await;
    let (cookie, _) = world.signed_in().await;
    let tokens = with_devices(&world).await;
    let token = tokens.text("access_token");
    let listed = list(&world, &token).await.json();
    let devices = listed["devices"].as_array().unwrap();
    assert_eq!((devices.len(), &listed["access_token_ttl"]), (4, &900.into()), "two apps and two browsers: {listed}");
    let this: Vec<_> = devices.iter().filter(|device| device["this"] == true).collect();
    assert_eq!((this.len(), this[0]["id"].as_str()), (1, Some(&*id_of(&tokens))));
    assert_eq!(this[0]["client_name"], "Pilotlight");
    let bearer = ("authorization", &*format!("Bearer {token}"));
    let one = format!("/account/devices/{}", id_of(&other));
    assert_eq!(world.send(Method::DELETE, &one, &[bearer], "").await.status, 204);
    assert_eq!(world.send(Method::DELETE, &one, &[bearer], "").await.status, 404, "it has ended already");
    assert_eq!(world.send(Method::DELETE, "/account/devices/x", &[bearer], "").await.status, 404);
    assert_eq!(world.refresh(&other.text("refresh_token")).await.text("reason"), "revoked");
    let ended = world.form_with("/account/devices", &[bearer], &[("end", "others")]).await;
    assert_eq!(ended.json()["ended"], 2, "{ended:?}");
    assert!(world.visit(&cookie, "/account").await.body.contains("to see your account"));
    world.form_with("/account/devices", &[bearer], &[("end", "x")]).await.assert_error(400, "invalid_request");
    assert_eq!(world.form_with("/account/devices", &[bearer], &[("end", "all")]).await.json()["ended"], 1);
    assert_eq!(list(&world, &token).await.status, 401, "its own grant is over too");
}

#[tokio::test]
async fn rfc6750_section_3_1_the_list_needs_a_token_that_was_given_the_scope() {
    let world = World::new();
    let narrow = world.tokens().await;
    assert!(!narrow.text("scope").contains("devices"), "who asks for nothing does not get it");
    let answer = list(&world, &narrow.text("access_token")).await;
    assert_eq!(answer.status, 403);
    assert!(answer.header("www-authenticate").contains(r#"error="insufficient_scope", scope="devices""#), "{answer:?}");
    assert_eq!(world.fetch("/account/devices").await.status, 401);
    let page = world.fetch(&request(&[("scope", "openid devices")])).await;
    let consent = world.submit(&cookie_of(&page), &page.ticket(), &[("username", "demo"), ("password", "demo")]).await;
    assert!(consent.body.contains("sign you out there"), "the person is told: {}", consent.body);
}

#[tokio::test]
async fn a_language_that_was_chosen_stays_and_goes_along_to_other_browsers() {
    let world = World::new();
    let accept = [("accept-language", "zh-CN,zh;q=0.9,en;q=0.8")];
    let page = world.send(Method::GET, "/account", &accept, "").await;
    assert!(page.body.contains("<html lang=\"zh-Hans\">") && page.body.contains("登录"), "{}", page.body);
    let asked = world.fetch(&request(&[("ui_locales", "fr zh")])).await;
    assert!(asked.body.contains("以继续使用"), "{}", asked.body);
    let (cookie, page) = world.signed_in().await;
    assert!(page.body.contains("href=\"account?lang=zh\""), "{}", page.body);
    assert!(world.visit(&cookie, "/account?lang=zh").await.body.contains("您的账户"));
    assert!(world.visit(&cookie, "/account/password").await.body.contains("更改密码"), "it stays");
    let elsewhere = world.fetch("/account").await;
    let other = cookie_of(&elsewhere);
    let pairs = [("username", "demo"), ("password", "demo")];
    let page = world.submit(&other, &elsewhere.ticket(), &pairs).await;
    assert!(page.body.contains("您的账户"), "{}", page.body);
}
