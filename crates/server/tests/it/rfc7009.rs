//! RFC 7009, token revocation.

use axum::http::Method;
use pilotlight_server::client::Client;

use crate::kit::World;

async fn revoke(world: &World, token: &str, more: &[(&str, &str)]) -> u16 {
    let mut pairs = vec![("token", token), ("client_id", "pilotlight")];
    for (name, value) in more {
        pairs.retain(|(known, _)| known != name);
        pairs.push((name, value));
    }
    world.form("/revoke", &pairs).await.status.as_u16()
}

#[tokio::test]
async fn section_2_1_revocation_takes_post_only_and_wants_a_token() {
    let world = World::new();
    assert_eq!(world.send(Method::GET, "/revoke?token=x", &[], "").await.status, 405);
    world.form("/revoke", &[("client_id", "pilotlight")]).await.assert_error(400, "invalid_request");
    world.form("/revoke", &[("client_id", "nobody"), ("token", "x")]).await.assert_error(401, "invalid_client");
}

#[tokio::test]
async fn section_2_1_revoking_a_refresh_token_ends_its_access_tokens_at_once() {
    let world = World::new();
    let tokens = world.tokens().await;
    assert_eq!(world.userinfo(&tokens.text("access_token")).await.status, 200);
    assert_eq!(revoke(&world, &tokens.text("refresh_token"), &[]).await, 200);
    let answer = world.refresh(&tokens.text("refresh_token")).await;
    answer.assert_error(400, "invalid_grant");
    assert_eq!(answer.text("reason"), "revoked");
    let answer = world.userinfo(&tokens.text("access_token")).await;
    assert_eq!(answer.status, 401);
    assert!(answer.header("www-authenticate").contains("error=\"invalid_token\""));
}

#[tokio::test]
async fn section_2_1_revoking_an_access_token_ends_its_grant() {
    let world = World::new();
    let tokens = world.tokens().await;
    assert_eq!(revoke(&world, &tokens.text("access_token"), &[]).await, 200);
    world.refresh(&tokens.text("refresh_token")).await.assert_error(400, "invalid_grant");
}

#[tokio::test]
async fn section_2_1_another_clients_token_is_not_revoked() {
    let world = World::new();
    world.store.add_client(&Client::public("other", Vec::new()).unwrap()).unwrap();
    let tokens = world.tokens().await;
    for token in [tokens.text("refresh_token"), tokens.text("access_token")] {
        assert_eq!(revoke(&world, &token, &[("client_id", "other")]).await, 200, "and it is not told so");
    }
    assert_eq!(world.refresh(&tokens.text("refresh_token")).await.status, 200);
}

#[tokio::test]
async fn section_2_1_a_wrong_hint_still_finds_the_token() {
    let world = World::new();
    for (member, hint) in [("refresh_token", "access_token"), ("access_token", "refresh_token"), ("access_token", "x")]
    {
        let tokens = world.tokens().await;
        assert_eq!(revoke(&world, &tokens.text(member), &[("token_type_hint", hint)]).await, 200);
        world.refresh(&tokens.text("refresh_token")).await.assert_error(400, "invalid_grant");
    }
}

#[tokio::test]
async fn section_2_2_an_unknown_or_dead_token_is_answered_like_a_live_one() {
    let world = World::new();
    let token = world.refresh_token().await;
    for token in ["x", "plrt_AAAA", "a.b.c", &token, &token] {
        assert_eq!(revoke(&world, token, &[]).await, 200);
    }
}

#[tokio::test]
async fn signing_out_on_one_device_leaves_the_other_signed_in() {
    let world = World::new();
    let (one, two) = (world.refresh_token().await, world.refresh_token().await);
    revoke(&world, &one, &[]).await;
    assert_eq!(world.refresh(&two).await.status, 200);
}

#[tokio::test]
async fn an_older_token_of_the_grant_revokes_it_too() {
    let world = World::new();
    let old = world.refresh_token().await;
    let new = world.refresh(&old).await.text("refresh_token");
    revoke(&world, &old, &[]).await;
    let answer = world.refresh(&new).await;
    assert_eq!(answer.text("reason"), "revoked", "signed out, and not taken for a theft");
}
