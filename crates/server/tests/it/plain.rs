//! The plain JSON dialect.

use std::sync::Arc;
use std::time::Duration;

use axum::http::Method;
use pilotlight_server::{Config, MemoryStore};
use serde_json::{Value, json};

use crate::kit::{Answer, ISSUER, World};

async fn login(world: &World) -> Answer {
    world.post_json("/login", &[], &json!({"username": "demo", "password": "demo"})).await
}

async fn refresh(world: &World, token: &str, key: Option<&str>) -> Answer {
    let headers: Vec<(&str, &str)> = key.map(|key| ("Idempotency-Key", key)).into_iter().collect();
    world.post_json("/token/refresh", &headers, &json!({"refresh_token": token})).await
}

fn assert_refused(answer: &Answer, reason: &str) {
    answer.assert_error(401, "invalid_grant");
    assert_eq!(answer.text("reason"), reason);
    assert!(!answer.text("message").is_empty());
}

#[tokio::test]
async fn login_answers_with_both_tokens_and_their_lives() {
    let world = World::new();
    let answer = login(&world).await;
    assert_eq!(answer.status, 200);
    let body = answer.json();
    assert_eq!((&body["token_type"], &body["expires_in"]), (&json!("Bearer"), &json!(900)));
    assert_eq!(body["refresh_expires_in"], 2_592_000);
    assert_eq!(world.userinfo(&answer.text("access_token")).await.status, 200);
}

#[tokio::test]
async fn each_refresh_gives_a_new_pair() {
    let world = World::new();
    let first = login(&world).await;
    let second = refresh(&world, &first.text("refresh_token"), None).await;
    assert_eq!(second.status, 200);
    assert_ne!(second.text("refresh_token"), first.text("refresh_token"));
    assert_ne!(second.text("access_token"), first.text("access_token"));
    assert_eq!(refresh(&world, &second.text("refresh_token"), None).await.status, 200);
}

#[tokio::test]
async fn a_missing_token_or_bad_json_is_400() {
    let world = World::new();
    let bodies =
        ["", "{}", "[]", "null", "{\"refresh_token\":7}", "{\"refresh_token\":\"\"}", "{\"refresh_token\"", "\u{0}"];
    for body in bodies {
        for path in ["/token/refresh", "/login"] {
            let answer = world.send(Method::POST, path, &[], body).await;
            answer.assert_error(400, "invalid_request");
        }
    }
    for half in [json!({"username": "demo"}), json!({"username": "", "password": "demo"}), json!({"password": "demo"})]
    {
        world.post_json("/login", &[], &half).await.assert_error(400, "invalid_request");
    }
}

#[tokio::test]
async fn a_refused_token_is_401_with_its_reason() {
    let world = World::strict();
    assert_refused(&refresh(&world, "nonsense", None).await, "unknown");
    let expired = login(&world).await.text("refresh_token");
    world.pass(Duration::from_secs(30 * 24 * 3600));
    assert_refused(&refresh(&world, &expired, None).await, "expired");
    let old = login(&world).await.text("refresh_token");
    let new = refresh(&world, &old, None).await.text("refresh_token");
    assert_refused(&refresh(&world, &old, None).await, "reused");
    assert_refused(&refresh(&world, &new, None).await, "revoked");
}

#[tokio::test]
async fn a_late_repeat_is_refused_and_ends_nothing() {
    let world = World::new();
    let one = login(&world).await.text("refresh_token");
    let two = refresh(&world, &one, Some("k1")).await.text("refresh_token");
    let three = refresh(&world, &two, Some("k2")).await.text("refresh_token");
    assert_refused(&refresh(&world, &one, Some("k1")).await, "late_repeat");
    assert_eq!(refresh(&world, &three, Some("k3")).await.status, 200);
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_person_are_told_apart_by_nothing() {
    let world = World::new();
    let wrong = world.post_json("/login", &[], &json!({"username": "demo", "password": "x"})).await;
    let unknown = world.post_json("/login", &[], &json!({"username": "nobody", "password": "x"})).await;
    assert_refused(&wrong, "wrong_credentials");
    assert_eq!((wrong.status, wrong.body), (unknown.status, unknown.body));
    let long: Value = json!({"username": "demo", "password": "x".repeat(2000)});
    assert_refused(&world.post_json("/login", &[], &long).await, "wrong_credentials");
}

#[tokio::test]
async fn rfc6749_section_2_3_1_guessing_is_slowed_down_with_429_whatever_a_proxy_header_says() {
    let world = World::new();
    let guess = json!({"username": "demo", "password": "x"});
    for n in 0..10 {
        let from = format!("192.0.2.{n}");
        let answer = world.post_json("/login", &[("X-Forwarded-For", &from)], &guess).await;
        assert_eq!(answer.status, 401);
    }
    let answer = login(&world).await;
    answer.assert_error(429, "temporarily_unavailable");
    assert_eq!(answer.header("retry-after"), "60");
    world.pass(Duration::from_secs(60));
    assert_eq!(login(&world).await.status, 200);
}

#[tokio::test]
async fn a_token_of_an_oauth_client_is_not_taken_here() {
    let world = World::new();
    let token = world.refresh_token().await;
    assert_refused(&refresh(&world, &token, None).await, "unknown");
    assert_eq!(world.refresh(&token).await.status, 200);
}

#[tokio::test]
async fn a_malformed_idempotency_key_spends_nothing() {
    let world = World::strict();
    let token = login(&world).await.text("refresh_token");
    refresh(&world, &token, Some(&"k".repeat(256))).await.assert_error(400, "invalid_request");
    let twice = [("Idempotency-Key", "a"), ("Idempotency-Key", "b")];
    let answer = world.post_json("/token/refresh", &twice, &json!({"refresh_token": token})).await;
    answer.assert_error(400, "invalid_request");
    assert_eq!(refresh(&world, &token, Some("")).await.status, 200);
    assert_refused(&refresh(&world, &token, Some("")).await, "reused");
}

#[tokio::test]
async fn the_dialect_and_signing_in_by_password_can_be_turned_off_each_by_itself() {
    let world = |plain_json, password_sign_in| {
        World::with(Config { plain_json, password_sign_in, ..Config::new(ISSUER) }, Arc::new(MemoryStore::new()))
    };
    let person = json!({"username": "demo", "password": "demo"});
    let password =
        [("grant_type", "password"), ("client_id", "pilotlight"), ("username", "demo"), ("password", "demo")];
    for (plain, by_password) in [(true, true), (true, false), (false, true), (false, false)] {
        let world = world(plain, by_password);
        let refresh = world.post_json("/token/refresh", &[], &json!({"refresh_token": "x"})).await;
        assert_eq!(refresh.status, if plain { 401 } else { 404 });
        let login = world.post_json("/login", &[], &person).await;
        assert_eq!(login.status, if plain && by_password { 200 } else { 404 });
        let granted = world.form("/token", &password).await;
        assert_eq!(granted.status, if by_password { 200 } else { 400 });
        let code = world.code().await;
        assert_eq!(world.exchange(&code, &[]).await.status, 200, "the code flow is always there");
    }
}
