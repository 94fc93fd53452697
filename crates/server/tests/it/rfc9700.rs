//! RFC 9700, best current practice; with RFC 8252 for native apps.

use std::time::Duration;

use pilotlight_server::client::Client;

use crate::kit::{World, cookie_of, request};

#[tokio::test]
async fn section_4_1_3_a_redirect_uri_matches_exactly_but_for_the_port_of_a_loopback_address() {
    let world = World::new();
    for good in ["http://127.0.0.1:1/callback", "http://[::1]:65535/callback", "http://127.0.0.1/callback"] {
        assert_eq!(world.fetch(&request(&[("redirect_uri", good)])).await.status, 200, "{good}");
    }
}

#[tokio::test]
async fn section_4_11_an_unregistered_redirect_gets_a_page_and_never_a_redirect() {
    let world = World::new();
    for bad in [
        "https://evil.example/callback",
        "http://localhost:5000/callback",
        "http://127.0.0.1:5000/callback/../evil",
        "http://127.0.0.1:5000@evil.example/callback",
        "javascript:alert(1)",
        "",
    ] {
        let answer = world.fetch(&request(&[("redirect_uri", bad), ("response_type", "token")])).await;
        assert_eq!((answer.status.as_u16(), answer.header("location")), (400, ""), "{bad}");
        assert!(answer.body.contains("role=\"alert\""));
        assert!(bad.is_empty() || !answer.body.contains(bad), "the page repeats nothing: {}", answer.body);
    }
    for path in [request(&[("client_id", "nobody")]), format!("{}&client_id=x", request(&[])), "/authorize".to_owned()]
    {
        let answer = world.fetch(&path).await;
        assert_eq!((answer.status.as_u16(), answer.header("location")), (400, ""));
    }
}

#[tokio::test]
async fn section_2_1_2_there_is_no_implicit_grant() {
    let world = World::new();
    for kind in ["token", "id_token", "code token"] {
        let answer = world.fetch(&request(&[("response_type", kind)])).await;
        assert_eq!(answer.sent("error").as_deref(), Some("unsupported_response_type"));
        assert!(!answer.header("location").contains('#'));
    }
}

#[tokio::test]
async fn section_4_12_a_form_with_a_password_is_answered_with_303() {
    let world = World::new();
    let answer = world.authorize(&request(&[])).await;
    assert_eq!(answer.status, 303);
    assert!(answer.header("location").starts_with("http://127.0.0.1:5000/callback?code="));
}

#[tokio::test]
async fn section_4_2_4_our_addresses_are_told_to_nobody() {
    let world = World::new();
    for answer in [world.fetch(&request(&[])).await, world.authorize(&request(&[])).await] {
        assert_eq!(answer.header("referrer-policy"), "no-referrer");
        assert_eq!(answer.header("cache-control"), "no-store");
    }
}

#[tokio::test]
async fn section_4_14_2_reuse_of_an_old_refresh_token_ends_the_newest_one_too() {
    let world = World::new();
    let old = world.refresh_token().await;
    let new = world.refresh(&old).await;
    let newer = world.refresh(&new.text("refresh_token")).await;
    let answer = world.refresh(&old).await;
    answer.assert_error(400, "invalid_grant");
    assert_eq!(answer.text("reason"), "reused");
    let answer = world.refresh(&newer.text("refresh_token")).await;
    answer.assert_error(400, "invalid_grant");
    assert_eq!(answer.text("reason"), "revoked");
    assert_eq!(world.userinfo(&newer.text("access_token")).await.status, 401);
    assert_eq!(world.server.stats().reused, 1);
}

#[tokio::test]
async fn section_4_14_2_an_altered_grant_id_is_refused_and_harms_no_other_grant() {
    let world = World::new();
    let (mine, theirs) = (world.refresh_token().await, world.refresh_token().await);
    // The other grant's id and generation with the MAC of mine: base64url of 18 bytes ends on a whole character.
    let spliced = format!("{}{}", &theirs[..5 + 24], &mine[5 + 24..]);
    let answer = world.refresh(&spliced).await;
    assert_eq!(answer.text("reason"), "unknown");
    assert_eq!(world.refresh(&theirs).await.status, 200);
    assert_eq!(world.refresh(&mine).await.status, 200);
}

#[tokio::test]
async fn section_4_14_2_a_refresh_token_ends_after_inactivity_and_not_before() {
    let world = World::new();
    let mut token = world.refresh_token().await;
    for _ in 0..4 {
        world.pass(Duration::from_secs(29 * 24 * 3600));
        token = world.refresh(&token).await.text("refresh_token");
    }
    world.pass(Duration::from_secs(30 * 24 * 3600));
    let answer = world.refresh(&token).await;
    assert_eq!(answer.text("reason"), "expired");
}

#[tokio::test]
async fn section_2_4_the_password_grant_can_be_switched_off() {
    let mut config = pilotlight_server::Config::new(crate::kit::ISSUER);
    config.password_sign_in = false;
    let world = World::with(config, std::sync::Arc::new(pilotlight_server::MemoryStore::new()));
    let pairs = [("grant_type", "password"), ("username", "demo"), ("password", "demo")];
    world.form("/token", &pairs).await.assert_error(400, "unsupported_grant_type");
    assert_eq!(world.post_json("/login", &[], &serde_json::json!({})).await.status, 404);
    assert!(!world.fetch("/.well-known/openid-configuration").await.body.contains("password"));
    let code = world.code().await;
    assert_eq!(world.exchange(&code, &[]).await.status, 200, "the pages are not touched by it");
}

#[tokio::test]
async fn rfc8252_section_8_4_a_private_scheme_matches_exactly() {
    let world = World::new();
    let client = Client::public("app", vec!["com.example.app:/done".to_owned()]).unwrap();
    world.store.add_client(&client).unwrap();
    let with = |uri: &'static str| request(&[("client_id", "app"), ("redirect_uri", uri)]);
    assert_eq!(world.authorize(&with("com.example.app:/done")).await.status, 303);
    assert_eq!(world.fetch(&with("com.example.app:/done2")).await.status, 400);
}

#[tokio::test]
async fn rfc8252_section_8_6_there_is_no_consent_without_the_person() {
    let world = World::new();
    world.authorize(&request(&[])).await;
    let again = world.fetch(&request(&[])).await;
    assert_eq!(again.status, 200, "a second request asks again");
    let page = world.submit(&cookie_of(&again), &again.ticket(), &[("username", "demo"), ("password", "demo")]).await;
    assert!(page.body.contains("id=\"allow\"") && page.body.contains("id=\"deny\""));
}
