//! RFC 8252, native apps. What concerns redirect URIs is tested beside the code.

use crate::kit::{World, request};

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
