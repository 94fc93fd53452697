//! RFC 8252, native apps. What concerns redirect URIs is tested beside the code.

use std::sync::Arc;

use pilotlight_server::{Config, MemoryStore, Registration};
use serde_json::json;

use crate::kit::{ISSUER, World, request};

#[tokio::test]
async fn section_8_6_a_public_client_never_gets_a_code_without_the_persons_consent() {
    let world = World::new();
    let (cookie, _) = world.signed_in().await;
    let consent = world.visit(&cookie, &request(&[])).await;
    let code = world.submit(&cookie, &consent.ticket(), &[("decision", "allow")]).await.sent("code").unwrap();
    assert_eq!(world.exchange(&code, &[]).await.status, 200);
    let again = world.visit(&cookie, &request(&[])).await;
    assert!(again.sent("code").is_none() && again.body.contains("id=\"allow\""), "asked again: {again:?}");
    let quiet = world.visit(&cookie, &request(&[("prompt", "none")])).await;
    assert_eq!((quiet.sent("code"), quiet.sent("error").as_deref()), (None, Some("consent_required")));
}

#[tokio::test]
async fn section_8_5_a_public_client_that_shows_a_secret_is_refused_and_not_taken_at_its_word() {
    let world = World::new();
    let code = world.code().await;
    world.exchange(&code, &[("client_secret", "shipped-with-the-app")]).await.assert_error(401, "invalid_client");
    assert_eq!(world.exchange(&code, &[]).await.status, 200, "the code is not spent");
}

#[tokio::test]
async fn section_7_1_a_client_that_registers_a_private_scheme_is_answered_by_it_and_at_no_other_address() {
    let config = Config { registration: Registration::Open, ..Config::new(ISSUER) };
    let world = World::with(config, Arc::new(MemoryStore::new()));
    let scheme = "dev.pilotlight:/callback";
    let metadata = json!({ "redirect_uris": [scheme], "token_endpoint_auth_method": "none" });
    let registered = world.post_json("/register", &[], &metadata).await;
    assert_eq!((registered.status.as_u16(), &registered.json()["redirect_uris"]), (201, &json!([scheme])));
    let id = registered.text("client_id");
    let asked = |uri: &str| request(&[("client_id", &id), ("redirect_uri", uri)]);

    let page = world.fetch(&asked(scheme)).await;
    assert!(page.header("content-security-policy").contains("form-action 'self' dev.pilotlight:;"), "{page:?}");
    let answer = world.authorize(&asked(scheme)).await;
    assert!(answer.header("location").starts_with("dev.pilotlight:/callback?"), "{answer:?}");
    assert_eq!((answer.sent("state").as_deref(), answer.sent("iss").as_deref()), (Some("a state"), Some(ISSUER)));
    let code = answer.sent("code").unwrap();
    let tokens = world.exchange(&code, &[("client_id", &id), ("redirect_uri", scheme)]).await;
    assert_eq!(tokens.status, 200, "{tokens:?}");

    for other in ["http://127.0.0.1/callback", "dev.pilotlight:/callback2", "dev.pilotlight.evil:/callback"] {
        let page = world.fetch(&asked(other)).await;
        assert_eq!((page.status.as_u16(), page.header("location")), (400, ""), "{other}");
    }
    let vague = json!({ "redirect_uris": ["pilotlight:/callback"], "token_endpoint_auth_method": "none" });
    world.pass(std::time::Duration::from_secs(60));
    world.post_json("/register", &[], &vague).await.assert_error(400, "invalid_redirect_uri");
}
