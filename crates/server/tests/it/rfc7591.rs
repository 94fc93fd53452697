//! RFC 7591, dynamic client registration.

use std::sync::Arc;

use pilotlight_server::{Config, MemoryStore, Registration, client::Setting};
use serde_json::{Value, json};

use crate::kit::{Answer, ISSUER, REDIRECT, World, encode, request};

fn world(registration: Registration) -> World {
    World::with(Config { registration, ..Config::new(ISSUER) }, Arc::new(MemoryStore::new()))
}

async fn register(world: &World, metadata: &Value) -> Answer {
    // Nobody is slowed down here: the limit has a test of its own.
    world.pass(std::time::Duration::from_secs(60));
    world.post_json("/register", &[], metadata).await
}

#[tokio::test]
async fn section_3_registration_is_off_unless_it_is_wanted() {
    let closed = World::new();
    assert_eq!(register(&closed, &json!({"redirect_uris": [REDIRECT]})).await.status, 404);
    let metadata = |world: World| async move { world.fetch("/.well-known/oauth-authorization-server").await.json() };
    assert_eq!(metadata(closed).await.get("registration_endpoint"), None);
    assert_eq!(metadata(world(Registration::Open)).await["registration_endpoint"], format!("{ISSUER}/register"));
}

#[tokio::test]
async fn section_3_2_1_a_public_client_registers_and_people_sign_in_to_it() {
    let world = world(Registration::Open);
    let metadata = json!({
        "redirect_uris": ["http://127.0.0.1/callback"],
        "token_endpoint_auth_method": "none",
        "client_name": "Ada's app",
        "unknown_member": {"is": "ignored"},
    });
    let answer = register(&world, &metadata).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    assert_eq!(answer.header("cache-control"), "no-store");
    let id = answer.text("client_id");
    assert_eq!(answer.json()["client_id_issued_at"], 1_800_000_060);
    assert_eq!(answer.json().get("client_secret"), None);
    assert_eq!(answer.json()["grant_types"], json!(["authorization_code", "refresh_token"]));
    let redirect = world.authorize(&request(&[("client_id", &id)])).await;
    let tokens = world.exchange(&redirect.sent("code").unwrap(), &[("client_id", &id)]).await;
    assert_eq!(tokens.status, 200, "{tokens:?}");
    let refreshed = world.refresh_with(&tokens.text("refresh_token"), &[], &[("client_id", &id)]).await;
    assert_eq!(refreshed.status, 200);
}

#[tokio::test]
async fn section_2_a_sign_out_goes_to_the_address_that_the_client_registered_for_it() {
    let world = world(Registration::Open);
    let bye = "https://app.example/bye";
    let mut metadata = json!({
        "redirect_uris": [REDIRECT],
        "token_endpoint_auth_method": "none",
        "post_logout_redirect_uris": [bye],
    });
    let answer = register(&world, &metadata).await;
    assert_eq!(answer.json()["post_logout_redirect_uris"], json!([bye]));
    let sign_out = |uri: &str| {
        let asked = [("client_id", &*answer.text("client_id")), ("post_logout_redirect_uri", uri), ("state", "s")];
        format!("/sign-out?{}", encode(&asked))
    };
    assert_eq!(world.fetch(&sign_out(bye)).await.header("location"), "https://app.example/bye?state=s");
    assert_eq!(world.fetch(&sign_out("https://evil.example/")).await.status, 400);
    metadata["post_logout_redirect_uris"] = json!(["http://evil.example/"]);
    register(&world, &metadata).await.assert_error(400, "invalid_redirect_uri");
}

#[tokio::test]
async fn section_5_people_are_told_that_nobody_has_checked_a_client_that_registered_itself() {
    let world = world(Registration::Open);
    let (cookie, _) = world.signed_in().await;
    let metadata = json!({
        "redirect_uris": ["https://app.example/cb"],
        "token_endpoint_auth_method": "none",
        "client_name": "Pilotlight",
    });
    let id = register(&world, &metadata).await.text("client_id");
    let asked = [("client_id", &*id), ("redirect_uri", "https://app.example/cb")];
    for (language, words) in [("en", "Unverified: this app registered itself."), ("zh", "未经验证")] {
        let page = world.visit(&cookie, &request(&[&asked[..], &[("ui_locales", language)]].concat())).await;
        assert!(page.body.contains("id=\"unverified\"") && page.body.contains(words), "{page:?}");
    }
    let known = world.visit(&cookie, &request(&[])).await;
    assert!(known.body.contains("id=\"allow\"") && !known.body.contains("unverified"), "{known:?}");
}

#[tokio::test]
async fn section_2_without_a_method_a_client_is_confidential_and_its_secret_is_told_once() {
    let world = world(Registration::Open);
    let answer = register(&world, &json!({"redirect_uris": [REDIRECT]})).await;
    assert_eq!(answer.json()["client_secret_expires_at"], 0);
    let (id, secret) = (answer.text("client_id"), answer.text("client_secret"));
    assert_eq!(
        world.form("/introspect", &[("token", "x"), ("client_id", &id), ("client_secret", &secret)]).await.status,
        200
    );
    world.form("/introspect", &[("token", "x"), ("client_id", &id)]).await.assert_error(401, "invalid_client");
}

#[tokio::test]
async fn section_5_what_registers_itself_can_do_nothing_in_its_own_name() {
    let world = world(Registration::Open);
    let greedy = json!({
        "redirect_uris": [REDIRECT],
        "client_id": "pilotlight",
        "scope": "reports.read",
        "own_scope": "reports.read",
        "settings": ["introspect_any", "device"],
        "introspect_any": true,
        "grant_types": ["authorization_code", "client_credentials", "password", "urn:ietf:params:oauth:grant-type:device_code"],
    });
    let answer = register(&world, &greedy).await;
    assert_eq!(answer.status, 201);
    let (id, secret) = (answer.text("client_id"), answer.text("client_secret"));
    assert!(id.starts_with("reg."), "nobody chooses an id: {id}");
    let client = world.store.client(&id).unwrap().unwrap();
    assert_eq!((client.own_scope, client.settings), (None, vec![Setting::Registered]));
    let who = [("client_id", id.as_str()), ("client_secret", secret.as_str())];
    let ask = async |pairs: &[(&str, &str)]| world.form("/token", &[&who, pairs].concat()).await;
    ask(&[("grant_type", "client_credentials")]).await.assert_error(400, "unauthorized_client");
    let password = [("grant_type", "password"), ("username", "demo"), ("password", "demo")];
    ask(&password).await.assert_error(400, "unauthorized_client");
    world.form("/device_authorization", &who).await.assert_error(400, "unauthorized_client");
    let token = world.tokens().await.text("access_token");
    let seen = world.form("/introspect", &[&who, &[("token", token.as_str())][..]].concat()).await;
    assert_eq!(seen.json(), json!({"active": false}), "of another client");
}

#[tokio::test]
async fn section_3_2_2_what_cannot_be_registered_is_refused_by_its_name() {
    let world = world(Registration::Open);
    let uri = "https://a.example/cb";
    let cases = [
        (json!({}), "invalid_client_metadata"),
        (json!([]), "invalid_client_metadata"),
        (json!({"redirect_uris": []}), "invalid_client_metadata"),
        (json!({"redirect_uris": vec![uri; 11]}), "invalid_client_metadata"),
        (json!({"redirect_uris": "https://a.example"}), "invalid_client_metadata"),
        (json!({"redirect_uris": [uri, "http://evil.example/"]}), "invalid_redirect_uri"),
        (json!({"redirect_uris": ["https://a.example/#x"]}), "invalid_redirect_uri"),
        (json!({"redirect_uris": ["javascript:alert(1)"]}), "invalid_redirect_uri"),
        (json!({"redirect_uris": [uri], "token_endpoint_auth_method": "private_key_jwt"}), "invalid_client_metadata"),
        (json!({"redirect_uris": [uri], "grant_types": ["client_credentials"]}), "invalid_client_metadata"),
        (json!({"redirect_uris": [uri], "response_types": ["token"]}), "invalid_client_metadata"),
        (json!({"redirect_uris": [uri], "client_name": "x".repeat(61)}), "invalid_client_metadata"),
        (json!({"redirect_uris": [uri], "client_name": "a\u{202e}b"}), "invalid_client_metadata"),
        (json!({"redirect_uris": [uri], "software_statement": "e30.e30."}), "unapproved_software_statement"),
    ];
    for (metadata, error) in cases {
        register(&world, &metadata).await.assert_error(400, error);
    }
    assert_eq!(world.store.registered_clients().unwrap(), 0);
}

#[tokio::test]
async fn section_3_with_an_initial_access_token_nobody_else_registers() {
    let token = "an initial access token";
    let world = world(Registration::WithToken(token.into()));
    let metadata = json!({"redirect_uris": [REDIRECT]});
    for wrong in ["", "Bearer", "Bearer x", "Basic an initial access token", "Bearer an initial access toke"] {
        let answer = world.post_json("/register", &[("authorization", wrong)], &metadata).await;
        assert_eq!((answer.status.as_u16(), answer.header("www-authenticate")), (401, "Bearer realm=\"registration\""));
    }
    let bearer = format!("Bearer {token}");
    assert_eq!(world.post_json("/register", &[("authorization", &bearer)], &metadata).await.status, 201);
}

#[tokio::test]
async fn section_5_registrations_are_limited_in_rate_and_in_number() {
    let config = Config { registration: Registration::Open, most_registered: 7, ..Config::new(ISSUER) };
    let world = World::with(config, Arc::new(MemoryStore::new()));
    let metadata = json!({"redirect_uris": [REDIRECT]});
    for _ in 0..5 {
        assert_eq!(world.post_json("/register", &[], &metadata).await.status, 201);
    }
    let answer = world.post_json("/register", &[], &metadata).await;
    assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (429, "60"));
    assert_eq!(register(&world, &metadata).await.status, 201);
    assert_eq!(register(&world, &metadata).await.status, 201);
    assert_eq!(register(&world, &metadata).await.status, 503, "seven are there");
    assert_eq!(world.store.registered_clients().unwrap(), 7);
}
