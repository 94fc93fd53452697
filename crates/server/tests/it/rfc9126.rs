//! RFC 9126, pushed authorization requests.

use std::sync::Arc;
use std::time::Duration;

use axum::http::Method;
use pilotlight_server::client::{Client, Setting};
use pilotlight_server::{Config, MemoryStore};
use secrecy::ExposeSecret as _;

use crate::kit::{Answer, ISSUER, REDIRECT, World, encode, request};

/// Pushes the good authorization request, changed here and there.
async fn push(world: &World, changes: &[(&str, &str)]) -> Answer {
    let query = request(changes);
    let body = query.split_once('?').unwrap().1;
    world.send(Method::POST, "/par", &[("content-type", "application/x-www-form-urlencoded")], body).await
}

fn named(client: &str, request_uri: &str) -> String {
    format!("/authorize?{}", encode(&[("client_id", client), ("request_uri", request_uri)]))
}

#[tokio::test]
async fn section_2_2_a_pushed_request_leads_to_a_code() {
    let world = World::new();
    let pushed = push(&world, &[]).await;
    assert_eq!((pushed.status.as_u16(), pushed.header("cache-control")), (201, "no-store"), "{pushed:?}");
    assert_eq!(pushed.json()["expires_in"], 60);
    let uri = pushed.text("request_uri");
    assert!(uri.starts_with("urn:ietf:params:oauth:request_uri:") && uri.len() >= 34 + 43, "{uri}");
    let answer = world.authorize(&named("pilotlight", &uri)).await;
    assert_eq!((answer.sent("state").as_deref(), answer.sent("iss").as_deref()), (Some("a state"), Some(ISSUER)));
    assert_eq!(world.exchange(&answer.sent("code").unwrap(), &[]).await.status, 200);
}

#[tokio::test]
async fn section_2_1_the_client_authenticates_as_at_the_token_endpoint() {
    let world = World::new();
    let mut client = Client::public("site", vec![REDIRECT.to_owned()]).unwrap();
    let secret = client.make_secret().unwrap();
    world.store.add_client(&client).unwrap();
    push(&world, &[("client_id", "nobody")]).await.assert_error(401, "invalid_client");
    push(&world, &[("client_id", "")]).await.assert_error(400, "invalid_request");
    push(&world, &[("client_id", "site")]).await.assert_error(401, "invalid_client");
    let pushed = push(&world, &[("client_id", "site"), ("client_secret", secret.expose_secret())]).await;
    assert_eq!(pushed.status, 201);
    let kept = world.authorize(&named("site", &pushed.text("request_uri"))).await;
    assert!(kept.sent("code").is_some(), "{kept:?}");
}

#[tokio::test]
async fn section_2_1_a_request_that_would_be_refused_is_refused_at_once() {
    let world = World::new();
    for (name, value, error) in [
        ("request_uri", "urn:ietf:params:oauth:request_uri:x", "invalid_request"),
        ("redirect_uri", "https://evil.example/", "invalid_request"),
        ("redirect_uri", "", "invalid_request"),
        ("code_challenge", "short", "invalid_request"),
        ("code_challenge_method", "plain", "invalid_request"),
        ("response_type", "token", "unsupported_response_type"),
        ("scope", "root", "invalid_scope"),
    ] {
        push(&world, &[(name, value)]).await.assert_error(400, error);
    }
}

#[tokio::test]
async fn section_2_3_get_and_large_requests_are_refused() {
    let world = World::new();
    assert_eq!(world.fetch("/par").await.status, 405);
    push(&world, &[("state", &"x".repeat(70_000))]).await.assert_error(413, "invalid_request");
}

#[tokio::test]
async fn section_4_a_request_uri_is_used_once_in_time_and_by_its_client() {
    let world = World::new();
    world.store.add_client(&Client::public("other", vec![REDIRECT.to_owned()]).unwrap()).unwrap();
    let used = push(&world, &[]).await.text("request_uri");
    assert_eq!(world.fetch(&named("pilotlight", &used)).await.status, 200);
    let foreign = push(&world, &[]).await.text("request_uri");
    let late = push(&world, &[]).await.text("request_uri");
    let refused = [
        world.fetch(&named("pilotlight", &used)).await,
        world.fetch(&named("other", &foreign)).await,
        world.fetch(&named("pilotlight", "urn:ietf:params:oauth:request_uri:made-up")).await,
        {
            world.pass(Duration::from_secs(60));
            world.fetch(&named("pilotlight", &late)).await
        },
    ];
    for answer in refused {
        assert_eq!((answer.status.as_u16(), answer.header("location")), (400, ""), "{answer:?}");
        assert!(answer.body.contains("start again"));
    }
}

#[tokio::test]
async fn section_4_what_was_pushed_counts_and_not_what_the_browser_says() {
    let world = World::new();
    let uri = push(&world, &[("scope", "openid")]).await.text("request_uri");
    let more = encode(&[
        ("scope", "openid profile offline_access"),
        ("state", "another"),
        ("redirect_uri", "https://evil.example/"),
    ]);
    let answer = world.authorize(&format!("{}&{more}", named("pilotlight", &uri))).await;
    assert_eq!(answer.sent("state").as_deref(), Some("a state"));
    let tokens = world.exchange(&answer.sent("code").unwrap(), &[]).await;
    assert_eq!(tokens.text("scope"), "openid");
}

#[tokio::test]
async fn section_6_a_client_that_must_push_cannot_do_without() {
    let world = World::new();
    let mut client = Client::public("careful", vec![REDIRECT.to_owned()]).unwrap();
    client.set(Setting::PushedOnly).unwrap();
    world.store.add_client(&client).unwrap();
    let answer = world.fetch(&request(&[("client_id", "careful")])).await;
    assert_eq!(answer.sent("error").as_deref(), Some("invalid_request"), "{answer:?}");
    let uri = push(&world, &[("client_id", "careful")]).await.text("request_uri");
    assert!(world.authorize(&named("careful", &uri)).await.sent("code").is_some());
}

#[tokio::test]
async fn section_5_metadata_names_the_endpoint() {
    let metadata = World::new().fetch("/.well-known/oauth-authorization-server").await;
    assert_eq!(metadata.text("pushed_authorization_request_endpoint"), format!("{ISSUER}/par"));
    assert_eq!(metadata.json()["require_pushed_authorization_requests"], false);
}

#[tokio::test]
async fn section_5_where_all_clients_must_push_a_request_that_was_not_is_refused_and_the_metadata_say_so() {
    let config = Config { require_par: true, ..Config::new(ISSUER) };
    let world = World::with(config, Arc::new(MemoryStore::new()));
    let metadata = world.fetch("/.well-known/oauth-authorization-server").await.json();
    assert_eq!(metadata["require_pushed_authorization_requests"], true);
    let refused = world.fetch(&request(&[])).await;
    assert_eq!(refused.sent("error").as_deref(), Some("invalid_request"));
    let uri = push(&world, &[]).await.text("request_uri");
    assert!(world.authorize(&named("pilotlight", &uri)).await.sent("code").is_some());
    let by_default = World::new().fetch("/.well-known/oauth-authorization-server").await.json();
    assert_eq!(by_default["require_pushed_authorization_requests"], false);
}
