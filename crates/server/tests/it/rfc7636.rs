//! RFC 7636, Proof Key for Code Exchange; and RFC 8252 where it asks for it.

use crate::kit::{World, challenge, request};

#[tokio::test]
async fn section_4_1_a_verifier_has_43_to_128_unreserved_characters() {
    let world = World::new();
    for bad in ["a".repeat(42), "a".repeat(129), format!("{}+", "a".repeat(43)), format!("{}ä", "a".repeat(43))] {
        let code = world.code().await;
        world.exchange(&code, &[("code_verifier", &bad)]).await.assert_error(400, "invalid_request");
    }
    for good in ["a".repeat(43), format!("{}-._~", "Z9".repeat(62))] {
        let answer = world.authorize(&request(&[("code_challenge", &challenge(&good))])).await;
        let code = answer.sent("code").unwrap();
        assert_eq!(world.exchange(&code, &[("code_verifier", &good)]).await.status, 200);
    }
}

#[tokio::test]
async fn section_4_4_1_and_rfc8252_section_8_1_a_request_without_s256_challenge_is_refused() {
    let world = World::new();
    let changes = [
        [("code_challenge", ""), ("code_challenge_method", "S256")],
        [("code_challenge", "short"), ("code_challenge_method", "S256")],
        [("code_challenge", "a-verifier-of-at-least-forty-three-characters"), ("code_challenge_method", "plain")],
    ];
    for change in changes {
        assert_eq!(world.fetch(&request(&change)).await.sent("error").as_deref(), Some("invalid_request"));
    }
}

#[tokio::test]
async fn section_4_3_an_absent_method_would_mean_plain_and_is_refused() {
    let answer = World::new().fetch(&request(&[("code_challenge_method", "")])).await;
    assert_eq!(answer.sent("error").as_deref(), Some("invalid_request"));
}

#[tokio::test]
async fn section_4_6_a_wrong_verifier_spends_the_code() {
    let world = World::new();
    let code = world.code().await;
    world.exchange(&code, &[("code_verifier", &"b".repeat(43))]).await.assert_error(400, "invalid_grant");
    world.exchange(&code, &[]).await.assert_error(400, "invalid_grant");
}

#[tokio::test]
async fn rfc9700_section_2_1_1_the_verifier_is_required() {
    let world = World::new();
    let code = world.code().await;
    world.exchange(&code, &[("code_verifier", "")]).await.assert_error(400, "invalid_request");
}
