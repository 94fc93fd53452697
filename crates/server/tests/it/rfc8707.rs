//! RFC 8707, resource indicators: tokens that one resource server alone takes.

use std::sync::Arc;

use axum::http::Method;
use pilotlight_oauth::Scope;
use pilotlight_server::client::Client;
use pilotlight_server::{Config, MemoryStore};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use crate::kit::{Answer, ISSUER, REDIRECT, World, claims, encode, request};

const MAIL: &str = "https://mail.example/v1";
const FILES: &str = "https://files.example";

/// A world whose client `app` may have tokens for both.
fn world() -> World {
    let world = World::with(Config::new(ISSUER), Arc::new(MemoryStore::new()));
    let mut client = Client::public("app", vec![REDIRECT.to_owned()]).unwrap();
    client.allow_resources(vec![MAIL.to_owned(), FILES.to_owned()]).unwrap();
    client.set(pilotlight_server::client::Setting::Device).unwrap();
    world.store.add_client(&client).unwrap();
    world
}

/// A good request of `app`, with these resources.
fn asks(resources: &[&str]) -> String {
    let pairs: Vec<_> = resources.iter().map(|resource| ("resource", *resource)).collect();
    format!("{}&{}", request(&[("client_id", "app")]), encode(&pairs))
}

async fn exchange(world: &World, begin: &str, resources: &[&str]) -> Answer {
    let code = world.authorize(begin).await.sent("code").unwrap();
    let mut pairs = vec![
        ("grant_type", "authorization_code"),
        ("client_id", "app"),
        ("code", &*code),
        ("redirect_uri", REDIRECT),
        ("code_verifier", crate::kit::VERIFIER),
    ];
    pairs.extend(resources.iter().map(|resource| ("resource", *resource)));
    world.form("/token", &pairs).await
}

async fn refresh(world: &World, token: &str, resources: &[&str]) -> Answer {
    let mut pairs = vec![("grant_type", "refresh_token"), ("client_id", "app"), ("refresh_token", token)];
    pairs.extend(resources.iter().map(|resource| ("resource", *resource)));
    world.form_with("/token", &[("idempotency-key", &format!("{resources:?}"))], &pairs).await
}

fn audience(answer: &Answer) -> Value {
    claims(&answer.text("access_token"))["aud"].clone()
}

#[tokio::test]
async fn section_2_the_token_is_for_what_was_asked_and_for_this_server_where_nothing_was() {
    let world = world();
    assert_eq!(audience(&exchange(&world, &asks(&[]), &[]).await), json!(ISSUER));
    assert_eq!(audience(&exchange(&world, &asks(&[MAIL]), &[]).await), json!(MAIL));
    assert_eq!(audience(&exchange(&world, &asks(&[MAIL, FILES, MAIL]), &[]).await), json!([MAIL, FILES]));
    assert_eq!(audience(&exchange(&world, &asks(&[MAIL, ISSUER]), &[]).await), json!([MAIL, ISSUER]));
}

#[tokio::test]
async fn section_2_a_resource_that_is_not_the_clients_is_refused_at_every_endpoint() {
    let world = world();
    for wrong in ["https://other.example", "https://mail.example/v1#x", "/v1", "https://mail.example/v1/"] {
        let refused = world.fetch(&asks(&[MAIL, wrong])).await;
        assert_eq!(refused.sent("error").as_deref(), Some("invalid_target"), "{wrong}");
        let form = [("content-type", "application/x-www-form-urlencoded")];
        let body = asks(&[wrong]);
        let pushed = world.send(Method::POST, "/par", &form, body.split_once('?').unwrap().1).await;
        pushed.assert_error(400, "invalid_target");
        let device = world.form("/device_authorization", &[("client_id", "app"), ("resource", wrong)]).await;
        device.assert_error(400, "invalid_target");
        exchange(&world, &asks(&[]), &[wrong]).await.assert_error(400, "invalid_target");
    }
    let demo = world.fetch(&format!("{}&resource={MAIL}", request(&[]))).await;
    assert_eq!(demo.sent("error").as_deref(), Some("invalid_target"), "of a client that has none");
}

#[tokio::test]
async fn section_2_a_pushed_request_keeps_all_its_resources() {
    let world = world();
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let pushed = world.send(Method::POST, "/par", &form, asks(&[MAIL, FILES]).split_once('?').unwrap().1).await;
    let uri = pushed.text("request_uri");
    let begin = format!("/authorize?{}", encode(&[("client_id", "app"), ("request_uri", &uri)]));
    assert_eq!(audience(&exchange(&world, &begin, &[]).await), json!([MAIL, FILES]));
}

#[tokio::test]
async fn section_2_2_a_token_request_may_ask_for_some_of_what_was_granted_and_not_for_more() {
    let world = world();
    let answer = exchange(&world, &asks(&[MAIL, FILES]), &[FILES]).await;
    assert_eq!(audience(&answer), json!(FILES));
    let first = answer.text("refresh_token");
    refresh(&world, &first, &[ISSUER]).await.assert_error(400, "invalid_target");
    let second = refresh(&world, &first, &[MAIL]).await;
    assert_eq!(audience(&second), json!(MAIL), "nothing was spent");
    let all = refresh(&world, &second.text("refresh_token"), &[]).await;
    assert_eq!(audience(&all), json!([MAIL, FILES]), "the grant keeps them all");
    exchange(&world, &asks(&[MAIL]), &[MAIL, FILES]).await.assert_error(400, "invalid_target");
    exchange(&world, &asks(&[]), &[MAIL]).await.assert_error(400, "invalid_target");
    assert_eq!(audience(&exchange(&world, &asks(&[]), &[ISSUER]).await), json!(ISSUER));
}

#[tokio::test]
async fn section_2_2_a_repeat_may_ask_for_other_resources_and_gets_the_same_successor() {
    let world = world();
    let first = exchange(&world, &asks(&[MAIL, FILES]), &[]).await.text("refresh_token");
    let ask = async |resource: &str| {
        let pairs =
            [("grant_type", "refresh_token"), ("client_id", "app"), ("refresh_token", &*first), ("resource", resource)];
        world.form_with("/token", &[("idempotency-key", "k")], &pairs).await
    };
    let (one, two) = (ask(MAIL).await, ask(FILES).await);
    assert_eq!(one.text("refresh_token"), two.text("refresh_token"));
    assert_eq!((audience(&one), audience(&two)), (json!(MAIL), json!(FILES)));
}

#[tokio::test]
async fn section_2_a_devices_tokens_are_for_what_it_asked_and_a_poll_may_ask_for_some_of_it() {
    let world = world();
    let begun =
        world.form("/device_authorization", &[("client_id", "app"), ("resource", MAIL), ("resource", FILES)]).await;
    world.allow_device(&begun.text("user_code")).await;
    let device_code = begun.text("device_code");
    let poll = async |resource: &str| {
        let grant_type = "urn:ietf:params:oauth:grant-type:device_code";
        let pairs = [("grant_type", grant_type), ("client_id", "app"), ("device_code", &*device_code)];
        world.form("/token", &[&pairs[..], &[("resource", resource)]].concat()).await
    };
    poll(ISSUER).await.assert_error(400, "invalid_target");
    let answer = poll(FILES).await;
    assert_eq!(audience(&answer), json!(FILES));
    assert_eq!(audience(&refresh(&world, &answer.text("refresh_token"), &[]).await), json!([MAIL, FILES]));
}

#[tokio::test]
async fn a_token_for_somebody_else_does_not_open_userinfo() {
    let world = world();
    let elsewhere = exchange(&world, &asks(&[MAIL]), &[]).await.text("access_token");
    assert_eq!(world.userinfo(&elsewhere).await.status, 401);
    let both = exchange(&world, &asks(&[MAIL, ISSUER]), &[]).await.text("access_token");
    assert_eq!(world.userinfo(&both).await.status, 200);
}

#[tokio::test]
async fn a_client_in_its_own_name_asks_for_its_resources_too() {
    let world = world();
    let mut client = Client::public("job", Vec::new()).unwrap();
    let secret = client.make_secret().unwrap();
    client.allow_own_scope(Scope::parse("send")).unwrap();
    client.allow_resources(vec![MAIL.to_owned()]).unwrap();
    world.store.add_client(&client).unwrap();
    let ask = async |resource: &str| {
        let secret = secret.expose_secret();
        let pairs = [("grant_type", "client_credentials"), ("client_id", "job"), ("client_secret", secret)];
        world.form("/token", &[&pairs[..], &[("resource", resource)]].concat()).await
    };
    assert_eq!(audience(&ask(MAIL).await), json!(MAIL));
    assert_eq!(audience(&ask("").await), json!(ISSUER));
    ask(FILES).await.assert_error(400, "invalid_target");
}
