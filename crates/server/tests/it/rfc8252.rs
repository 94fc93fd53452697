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
