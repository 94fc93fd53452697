//! RFC 8693, token exchange: a client's own access token for one that may do less.

use std::sync::Arc;
use std::time::Duration;

use axum::http::Method;
use pilotlight_server::client::{Client, Setting};
use pilotlight_server::{Config, MemoryStore};
use serde_json::json;

use crate::device_key::DeviceKey;
use crate::kit::{Answer, ISSUER, REDIRECT, World, claims};

const MAIL: &str = "https://mail.example/v1";
const FILES: &str = "https://files.example";
const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS: &str = "urn:ietf:params:oauth:token-type:access_token";

/// A world in which `agent` may exchange, and `app` may not; both may have tokens for mail and files.
fn world() -> World {
    let world = World::with(Config::new(ISSUER), Arc::new(MemoryStore::new()));
    for id in ["agent", "other", "app"] {
        let mut client = Client::public(id, vec![REDIRECT.to_owned()]).unwrap();
        client.allow_resources(vec![MAIL.to_owned(), FILES.to_owned()]).unwrap();
        if id != "app" {
            client.set(Setting::Exchange).unwrap();
        }
        world.store.add_client(&client).unwrap();
    }
    world
}

/// Signs the demo person in to `client`, for mail, files and this server.
async fn signed_in(world: &World, client: &str, headers: &[(&str, &str)]) -> Answer {
    let pairs = [
        ("grant_type", "password"),
        ("client_id", client),
        ("username", "demo"),
        ("password", "demo"),
        ("scope", "openid profile offline_access"),
        ("resource", MAIL),
        ("resource", FILES),
        ("resource", ISSUER),
    ];
    let answer = world.form_with("/token", headers, &pairs).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer
}

/// Exchanges a token of `agent`, changed here and there: an empty value leaves a parameter out.
async fn exchange_with(world: &World, token: &str, headers: &[(&str, &str)], changes: &[(&str, &str)]) -> Answer {
    let mut pairs = vec![
        ("grant_type", EXCHANGE),
        ("client_id", "agent"),
        ("subject_token", token),
        ("subject_token_type", ACCESS),
        ("requested_token_type", ACCESS),
    ];
    for (name, value) in changes {
        pairs.retain(|(known, _)| known != name || *known == "resource");
        pairs.push((name, value));
    }
    world.form_with("/token", headers, &pairs).await
}

async fn exchange(world: &World, token: &str, changes: &[(&str, &str)]) -> Answer {
    exchange_with(world, token, &[], changes).await
}

async fn access_token(world: &World) -> String {
    signed_in(world, "agent", &[]).await.text("access_token")
}

#[tokio::test]
async fn section_2_2_1_a_token_is_exchanged_for_a_narrower_one_without_a_refresh_token() {
    let world = world();
    let whole = access_token(&world).await;
    let answer = exchange(&world, &whole, &[("scope", "profile"), ("audience", MAIL)]).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!((answer.text("issued_token_type"), answer.text("token_type")), (ACCESS.to_owned(), "Bearer".to_owned()));
    assert_eq!(answer.text("scope"), "profile");
    assert!(answer.json().get("refresh_token").is_none() && answer.json().get("id_token").is_none(), "{answer:?}");
    let (before, after) = (claims(&whole), claims(&answer.text("access_token")));
    assert_eq!((&after["aud"], &after["scope"]), (&json!(MAIL), &json!("profile")));
    for same in ["iss", "sub", "client_id", "gid", "auth_time"] {
        assert_eq!(before[same], after[same], "{same}");
    }
    assert_ne!(before["jti"], after["jti"]);
}

#[tokio::test]
async fn section_2_1_what_is_not_asked_for_stays_as_it_was() {
    let world = world();
    let whole = access_token(&world).await;
    let answer = exchange(&world, &whole, &[("requested_token_type", "")]).await;
    let (before, after) = (claims(&whole), claims(&answer.text("access_token")));
    assert_eq!((&before["aud"], &before["scope"]), (&after["aud"], &after["scope"]));
    let two = exchange(&world, &whole, &[("resource", FILES), ("audience", ISSUER)]).await;
    assert_eq!(claims(&two.text("access_token"))["aud"], json!([FILES, ISSUER]));
    assert_eq!(world.userinfo(&two.text("access_token")).await.status, 200);
}

#[tokio::test]
async fn section_5_a_narrow_token_never_becomes_a_wider_one() {
    let world = world();
    let whole = access_token(&world).await;
    exchange(&world, &whole, &[("scope", "profile devices")]).await.assert_error(400, "invalid_scope");
    exchange(&world, &whole, &[("audience", "https://elsewhere.example")]).await.assert_error(400, "invalid_target");
    let narrow = exchange(&world, &whole, &[("scope", "profile"), ("audience", MAIL)]).await.text("access_token");
    exchange(&world, &narrow, &[("scope", "openid")]).await.assert_error(400, "invalid_scope");
    for wide in [("resource", FILES), ("audience", FILES), ("resource", ISSUER), ("audience", ISSUER)] {
        exchange(&world, &narrow, &[wide]).await.assert_error(400, "invalid_target");
    }
    assert_eq!(claims(&exchange(&world, &narrow, &[]).await.text("access_token"))["aud"], json!(MAIL));
    assert_eq!(world.userinfo(&narrow).await.status, 401, "it is not for this server");
}

#[tokio::test]
async fn section_2_2_2_what_is_no_living_access_token_of_the_clients_own_is_refused() {
    let world = world();
    let answer = signed_in(&world, "agent", &[]).await;
    let (whole, refresh) = (answer.text("access_token"), answer.text("refresh_token"));
    let foreign = signed_in(&world, "other", &[]).await.text("access_token");
    for wrong in [&*foreign, &*refresh, &answer.text("id_token"), "nonsense", "", &whole[..whole.len() - 2]] {
        exchange(&world, wrong, &[]).await.assert_error(400, "invalid_request");
    }
    let kinds = ["urn:ietf:params:oauth:token-type:refresh_token", "urn:ietf:params:oauth:token-type:jwt", "x"];
    for kind in kinds {
        exchange(&world, &whole, &[("subject_token_type", kind)]).await.assert_error(400, "invalid_request");
        exchange(&world, &whole, &[("requested_token_type", kind)]).await.assert_error(400, "invalid_request");
    }
    for wrong in [("subject_token_type", ""), ("actor_token", &*whole), ("actor_token_type", ACCESS)] {
        exchange(&world, &whole, &[wrong]).await.assert_error(400, "invalid_request");
    }
    assert_eq!(exchange(&world, &whole, &[]).await.status, 200);
}

#[tokio::test]
async fn section_2_1_only_a_client_that_was_allowed_to_may_exchange() {
    let world = world();
    let token = signed_in(&world, "app", &[]).await.text("access_token");
    exchange(&world, &token, &[("client_id", "app")]).await.assert_error(400, "unauthorized_client");
    let none = exchange(&world, &token, &[("client_id", "")]).await;
    none.assert_error(400, "invalid_request");
}

#[tokio::test]
async fn section_2_2_1_the_new_token_ends_with_the_old_one_at_the_latest() {
    let world = world();
    let whole = access_token(&world).await;
    world.pass(Duration::from_secs(60));
    let later = exchange(&world, &whole, &[]).await;
    let narrow = later.text("access_token");
    assert_eq!(claims(&narrow)["exp"], claims(&whole)["exp"]);
    let left = claims(&whole)["exp"].as_i64().unwrap() - claims(&narrow)["iat"].as_i64().unwrap();
    assert_eq!(later.json()["expires_in"], json!(left));
    world.pass(Duration::from_secs(u64::try_from(left).unwrap()));
    exchange(&world, &whole, &[]).await.assert_error(400, "invalid_request");
}

#[tokio::test]
async fn section_5_a_revoked_grant_takes_its_exchanged_tokens_along() {
    let world = world();
    let answer = signed_in(&world, "agent", &[]).await;
    let whole = answer.text("access_token");
    let narrow = exchange(&world, &whole, &[("audience", ISSUER)]).await.text("access_token");
    assert_eq!(world.userinfo(&narrow).await.status, 200);
    world.form("/revoke", &[("client_id", "agent"), ("token", &answer.text("refresh_token"))]).await;
    assert_eq!(world.userinfo(&narrow).await.status, 401);
    for token in [whole, narrow] {
        exchange(&world, &token, &[]).await.assert_error(400, "invalid_request");
    }
}

#[tokio::test]
async fn rfc9449_section_5_a_bound_token_is_exchanged_with_a_proof_of_its_key_alone() {
    let (world, key, thief) = (world(), DeviceKey::make(), DeviceKey::make());
    let whole = signed_in(&world, "agent", &[("dpop", &key.proof(&world))]).await.text("access_token");
    exchange(&world, &whole, &[]).await.assert_error(400, "invalid_dpop_proof");
    let stolen = exchange_with(&world, &whole, &[("dpop", &thief.proof(&world))], &[]).await;
    stolen.assert_error(400, "invalid_dpop_proof");
    let proof = key.proof(&world);
    let answer = exchange_with(&world, &whole, &[("dpop", &proof)], &[("audience", ISSUER)]).await;
    assert_eq!(answer.text("token_type"), "DPoP");
    let narrow = answer.text("access_token");
    assert_eq!(claims(&narrow)["cnf"], json!({"jkt": key.thumbprint()}));
    assert_eq!(
        world.send(Method::GET, "/userinfo", &[("authorization", &format!("Bearer {narrow}"))], "").await.status,
        401
    );
    let again = exchange_with(&world, &whole, &[("dpop", &proof)], &[]).await;
    again.assert_error(400, "invalid_dpop_proof");
}
