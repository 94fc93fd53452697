//! RFC 7662, token introspection.

use std::time::Duration;

use axum::http::Method;
use pilotlight_oauth::Scope;
use pilotlight_server::client::{Client, Setting};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use crate::kit::{Answer, World, claims};

/// Adds a confidential client; gives its secret.
fn add(world: &World, id: &str, settings: &[Setting]) -> String {
    let mut client = Client::public(id, Vec::new()).unwrap();
    let secret = client.make_secret().unwrap().expose_secret().to_owned();
    client.allow_own_scope(Scope::parse("reports.read")).unwrap();
    settings.iter().for_each(|setting| client.set(*setting).unwrap());
    assert!(world.store.add_client(&client).unwrap());
    secret
}

struct Api<'a> {
    world: &'a World,
    id: &'static str,
    secret: String,
}

impl Api<'_> {
    async fn introspect(&self, token: &str) -> Value {
        let pairs = [("token", token), ("client_id", self.id), ("client_secret", &self.secret)];
        let answer = self.world.form("/introspect", &pairs).await;
        assert_eq!((answer.status.as_u16(), answer.header("cache-control")), (200, "no-store"), "{answer:?}");
        answer.json()
    }

    async fn assert_dead(&self, token: &str) {
        assert_eq!(self.introspect(token).await, json!({"active": false}), "and nothing else");
    }

    /// Signs the demo person in to this client.
    async fn tokens(&self) -> Answer {
        let pairs = [
            ("grant_type", "password"),
            ("username", "demo"),
            ("password", "demo"),
            ("client_id", self.id),
            ("client_secret", &self.secret),
        ];
        self.world.form("/token", &pairs).await
    }
}

/// A resource server, which may ask about everybody's access tokens.
fn api(world: &World) -> Api<'_> {
    Api { world, id: "api", secret: add(world, "api", &[Setting::IntrospectAny]) }
}

#[tokio::test]
async fn section_2_1_the_caller_proves_who_it_is_by_post() {
    let world = World::new();
    let api = api(&world);
    let token = world.tokens().await.text("access_token");
    assert_eq!(world.send(Method::GET, "/introspect?token=x", &[], "").await.status, 405);
    for who in [vec![], vec![("client_id", "pilotlight")], vec![("client_id", "api"), ("client_secret", "wrong")]] {
        let mut pairs = vec![("token", token.as_str())];
        pairs.extend(who);
        let answer = world.form("/introspect", &pairs).await;
        answer.assert_error(401, "invalid_client");
        assert!(!answer.body.contains("active"));
    }
    let own = [("client_id", "api"), ("client_secret", &*api.secret)];
    world.form("/introspect", &own).await.assert_error(400, "invalid_request");
}

#[tokio::test]
async fn section_2_2_a_living_access_token_is_described() {
    let world = World::new();
    let api = api(&world);
    let token = world.tokens().await.text("access_token");
    let claims = claims(&token);
    let described = api.introspect(&token).await;
    assert_eq!(described["active"], true);
    for member in ["iss", "sub", "aud", "client_id", "iat", "exp", "jti", "scope", "auth_time"] {
        assert_eq!(described[member], claims[member], "{member}");
    }
    assert_eq!((&described["token_type"], &described["username"]), (&json!("Bearer"), &json!("demo")));
    assert!(described.get("gid").is_none());
}

#[tokio::test]
async fn section_2_2_a_token_that_may_not_see_the_name_does_not_tell_it() {
    let world = World::new();
    let api = api(&world);
    let token = world.refresh_with(&world.refresh_token().await, &[], &[("scope", "openid")]).await;
    let described = api.introspect(&token.text("access_token")).await;
    assert_eq!((&described["active"], described.get("username")), (&json!(true), None));
}

#[tokio::test]
async fn section_2_2_expired_revoked_and_unknown_tokens_look_the_same() {
    let world = World::new();
    let api = api(&world);
    let tokens = world.tokens().await;
    let (access, refresh) = (tokens.text("access_token"), tokens.text("refresh_token"));
    let mut altered = access.clone().into_bytes();
    let last = altered.len() - 3;
    altered[last] = if altered[last] == b'A' { b'B' } else { b'A' };
    for token in
        ["x", "a.b.c", "plrt_AAAA", "pldc_AAAA", &tokens.text("id_token"), &String::from_utf8(altered).unwrap()]
    {
        api.assert_dead(token).await;
    }
    world.form("/revoke", &[("token", &refresh), ("client_id", "pilotlight")]).await;
    api.assert_dead(&access).await;
    let token = world.tokens().await.text("access_token");
    world.pass(Duration::from_secs(15 * 60 - 1));
    assert_eq!(api.introspect(&token).await["active"], true);
    world.pass(Duration::from_secs(1));
    api.assert_dead(&token).await;
}

#[tokio::test]
async fn section_2_2_a_client_learns_nothing_of_another_clients_tokens() {
    let world = World::new();
    let site = Api { world: &world, id: "site", secret: add(&world, "site", &[]) };
    let foreign = world.tokens().await;
    for member in ["access_token", "refresh_token"] {
        site.assert_dead(&foreign.text(member)).await;
        api_may_ask(&world, &foreign.text(member), member).await;
    }
    assert_eq!(site.introspect(&site.tokens().await.text("access_token")).await["active"], true);
}

/// A resource server is told of access tokens; a refresh token is nobody's but its client's.
async fn api_may_ask(world: &World, token: &str, member: &str) {
    let mut client = Client::public(&format!("api-{member}"), Vec::new()).unwrap();
    let secret = client.make_secret().unwrap();
    client.set(Setting::IntrospectAny).unwrap();
    world.store.add_client(&client).unwrap();
    let pairs = [("token", token), ("client_id", &*client.id), ("client_secret", secret.expose_secret())];
    let answer = world.form("/introspect", &pairs).await;
    assert_eq!(answer.json()["active"], member == "access_token", "{answer:?}");
}

#[tokio::test]
async fn section_2_2_a_refresh_token_is_alive_until_it_is_rotated_away_or_over() {
    let world = World::new();
    let site = Api { world: &world, id: "site", secret: add(&world, "site", &[]) };
    let old = site.tokens().await.text("refresh_token");
    let described = site.introspect(&old).await;
    assert_eq!((&described["active"], &described["client_id"]), (&json!(true), &json!("site")));
    assert_eq!(described["exp"].as_i64().unwrap() - described["iat"].as_i64().unwrap(), 30 * 24 * 3600);
    let more = [("client_id", "site"), ("client_secret", &*site.secret)];
    let new = world.refresh_with(&old, &[], &more).await.text("refresh_token");
    site.assert_dead(&old).await;
    assert_eq!(site.introspect(&new).await["active"], true, "asking spends nothing");
    assert_eq!(site.introspect(&new).await["active"], true);
    world.pass(Duration::from_secs(30 * 24 * 3600));
    site.assert_dead(&new).await;
}

#[tokio::test]
async fn section_2_2_another_servers_token_is_unknown() {
    let world = World::new();
    let api = api(&world);
    let other = World::new().tokens().await;
    for member in ["access_token", "refresh_token"] {
        api.assert_dead(&other.text(member)).await;
    }
}

#[tokio::test]
async fn section_2_2_a_clients_own_token_is_described_without_a_person() {
    let world = World::new();
    let api = api(&world);
    let own = [("grant_type", "client_credentials"), ("client_id", "api"), ("client_secret", &*api.secret)];
    let token = world.form("/token", &own).await.text("access_token");
    let described = api.introspect(&token).await;
    assert_eq!((&described["active"], &described["sub"]), (&json!(true), &json!("api")));
    assert_eq!((&described["scope"], described.get("username")), (&json!("reports.read"), None));
}
