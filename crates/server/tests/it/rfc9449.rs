//! RFC 9449, DPoP: tokens that are of no use without a key.

use std::sync::Arc;
use std::time::Duration;

use axum::http::Method;
use pilotlight_oauth::Scope;
use pilotlight_server::client::{Client, Setting};
use pilotlight_server::{Config, MemoryStore};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use crate::device_key::DeviceKey;
use crate::kit::{Answer, ISSUER, REDIRECT, World, claims, encode, request};

const DEMO: [(&str, &str); 4] =
    [("grant_type", "password"), ("client_id", "pilotlight"), ("username", "demo"), ("password", "demo")];

/// Signs the demo person in with that proof.
async fn tokens(world: &World, proof: &str) -> Answer {
    world.form_with("/token", &[("dpop", proof)], &DEMO).await
}

async fn bound(world: &World, key: &DeviceKey) -> Answer {
    let answer = tokens(world, &key.proof(world)).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer
}

async fn refresh(world: &World, token: &str, key: &DeviceKey, idempotency_key: &str) -> Answer {
    let headers = [("dpop", &*key.proof(world)), ("idempotency-key", idempotency_key)];
    world.refresh_with(token, &headers, &[]).await
}

async fn userinfo(world: &World, scheme: &str, token: &str, proof: Option<&str>) -> Answer {
    let authorization = format!("{scheme} {token}");
    let mut headers = vec![("authorization", &*authorization)];
    headers.extend(proof.map(|proof| ("dpop", proof)));
    world.send(Method::GET, "/userinfo", &headers, "").await
}

/// A confidential client that may introspect everything, and its secret.
fn with_secret(world: &World, id: &str) -> String {
    let mut client = Client::public(id, vec![REDIRECT.to_owned()]).unwrap();
    let secret = client.make_secret().unwrap();
    client.allow_own_scope(Scope::parse("reports")).unwrap();
    client.set(Setting::IntrospectAny).unwrap();
    world.store.add_client(&client).unwrap();
    secret.expose_secret().to_owned()
}

async fn introspect(world: &World, secret: &str, token: &str) -> Value {
    world.form("/introspect", &[("client_id", "api"), ("client_secret", secret), ("token", token)]).await.json()
}

#[tokio::test]
async fn section_5_a_proof_at_the_token_endpoint_gives_bound_tokens() {
    let (world, key) = (World::new(), DeviceKey::make());
    let answer = bound(&world, &key).await;
    assert_eq!(answer.text("token_type"), "DPoP");
    assert_eq!(claims(&answer.text("access_token"))["cnf"], json!({"jkt": key.thumbprint()}));
    assert_eq!(world.tokens().await.text("token_type"), "Bearer", "without a proof all is as before");
}

#[tokio::test]
async fn section_4_3_a_proof_that_proves_nothing_is_refused() {
    let (world, key) = (World::new(), DeviceKey::make());
    let wrong = [
        json!({"htm": "GET"}),
        json!({"htu": format!("{ISSUER}/par")}),
        json!({"htu": "http://127.0.0.1:4401/token"}),
        json!({"jti": null}),
        json!({"iat": null}),
    ];
    for changes in wrong {
        let answer = tokens(&world, &key.proof_with(&world, "POST", "/token", changes.clone())).await;
        answer.assert_error(400, "invalid_dpop_proof");
    }
    tokens(&world, "nonsense").await.assert_error(400, "invalid_dpop_proof");
    let (one, two) = (key.proof(&world), key.proof(&world));
    let twice = world.form_with("/token", &[("dpop", &one), ("dpop", &two)], &DEMO).await;
    twice.assert_error(400, "invalid_dpop_proof");
}

#[tokio::test]
async fn section_5_a_refresh_token_of_a_public_client_is_worth_nothing_without_its_key_and_nothing_is_lost() {
    let (world, key, thief) = (World::strict(), DeviceKey::make(), DeviceKey::make());
    let first = bound(&world, &key).await.text("refresh_token");
    world.refresh(&first).await.assert_error(400, "invalid_dpop_proof");
    refresh(&world, &first, &thief, "a").await.assert_error(400, "invalid_dpop_proof");
    let second = refresh(&world, &first, &key, "b").await;
    assert_eq!((second.status.as_u16(), &*second.text("token_type")), (200, "DPoP"));
    // The old one, from somebody without the key: no reuse, for it can do no harm.
    world.refresh_keyed(&first, "c").await.assert_error(400, "invalid_dpop_proof");
    refresh(&world, &first, &thief, "d").await.assert_error(400, "invalid_dpop_proof");
    assert_eq!(refresh(&world, &second.text("refresh_token"), &key, "e").await.status, 200, "the grant lives on");
    // With the key it is reuse as ever.
    refresh(&world, &first, &key, "f").await.assert_error(400, "invalid_grant");
}

#[tokio::test]
async fn section_5_a_repeat_with_a_fresh_proof_gets_the_same_successor() {
    let (world, key) = (World::strict(), DeviceKey::make());
    let first = bound(&world, &key).await.text("refresh_token");
    let second = refresh(&world, &first, &key, "one attempt").await.text("refresh_token");
    for _ in 0..3 {
        assert_eq!(refresh(&world, &first, &key, "one attempt").await.text("refresh_token"), second);
    }
    assert_eq!(refresh(&world, &second, &key, "the next").await.status, 200);
}

#[tokio::test]
async fn section_5_a_grant_without_a_key_is_bound_by_the_first_refresh_with_one() {
    let (world, key) = (World::new(), DeviceKey::make());
    let first = world.refresh_token().await;
    let second = refresh(&world, &first, &key, "a").await;
    assert_eq!(second.text("token_type"), "DPoP");
    world.refresh(&second.text("refresh_token")).await.assert_error(400, "invalid_dpop_proof");
    assert_eq!(refresh(&world, &second.text("refresh_token"), &key, "b").await.status, 200);
}

#[tokio::test]
async fn section_5_the_refresh_tokens_of_a_confidential_client_are_bound_to_its_secret_alone() {
    let (world, one, two) = (World::new(), DeviceKey::make(), DeviceKey::make());
    let secret = with_secret(&world, "api");
    let as_api = [("client_id", "api"), ("client_secret", &*secret), ("username", "demo"), ("password", "demo")];
    let pairs = [&[("grant_type", "password")][..], &as_api].concat();
    let answer = world.form_with("/token", &[("dpop", &one.proof(&world))], &pairs).await;
    assert_eq!(answer.text("token_type"), "DPoP");
    let more = [("client_id", "api"), ("client_secret", &*secret)];
    let other_key = world.refresh_with(&answer.text("refresh_token"), &[("dpop", &two.proof(&world))], &more).await;
    assert_eq!(claims(&other_key.text("access_token"))["cnf"]["jkt"], two.thumbprint());
    let no_key = world.refresh_with(&other_key.text("refresh_token"), &[], &more).await;
    assert_eq!(no_key.text("token_type"), "Bearer");
}

#[tokio::test]
async fn section_5_tokens_of_a_client_in_its_own_name_can_be_bound_too() {
    let (world, key) = (World::new(), DeviceKey::make());
    let secret = with_secret(&world, "api");
    let pairs = [("grant_type", "client_credentials"), ("client_id", "api"), ("client_secret", &*secret)];
    let answer = world.form_with("/token", &[("dpop", &key.proof(&world))], &pairs).await;
    assert_eq!(answer.text("token_type"), "DPoP");
    assert_eq!(introspect(&world, &secret, &answer.text("access_token")).await["cnf"]["jkt"], key.thumbprint());
}

#[tokio::test]
async fn section_5_2_a_client_that_must_prove_a_key_gets_no_tokens_without() {
    let (world, key) = (World::new(), DeviceKey::make());
    let mut client = Client::public("strict", vec![REDIRECT.to_owned()]).unwrap();
    client.set(Setting::DpopRequired).unwrap();
    world.store.add_client(&client).unwrap();
    let mut pairs = DEMO;
    pairs[1].1 = "strict";
    world.form("/token", &pairs).await.assert_error(400, "invalid_dpop_proof");
    let answer = world.form_with("/token", &[("dpop", &key.proof(&world))], &pairs).await;
    assert_eq!(answer.text("token_type"), "DPoP");
}

#[tokio::test]
async fn section_6_2_introspection_tells_the_key_of_a_token() {
    let (world, key) = (World::new(), DeviceKey::make());
    let secret = with_secret(&world, "api");
    let answer = bound(&world, &key).await;
    let described = introspect(&world, &secret, &answer.text("access_token")).await;
    assert_eq!((&described["token_type"], &described["cnf"]["jkt"]), (&json!("DPoP"), &json!(key.thumbprint())));
    let unbound = introspect(&world, &secret, &world.tokens().await.text("access_token")).await;
    assert_eq!((&unbound["token_type"], &unbound["cnf"]), (&json!("Bearer"), &Value::Null));
}

#[tokio::test]
async fn section_7_userinfo_wants_a_proof_of_the_tokens_own_key_with_its_hash() {
    let (world, key, thief) = (World::new(), DeviceKey::make(), DeviceKey::make());
    let token = bound(&world, &key).await.text("access_token");
    let good = key.proof_for(&world, &token);
    assert_eq!(userinfo(&world, "DPoP", &token, Some(&good)).await.text("name"), "demo");
    for (proof, error) in [
        (None, "invalid_dpop_proof"),
        (Some(good), "invalid_dpop_proof"),
        (Some(key.proof_with(&world, "GET", "/userinfo", json!({}))), "invalid_dpop_proof"),
        (Some(key.proof_for(&world, "another token")), "invalid_dpop_proof"),
        (Some(thief.proof_for(&world, &token)), "invalid_token"),
    ] {
        let answer = userinfo(&world, "DPoP", &token, proof.as_deref()).await;
        assert_eq!(answer.status, 401, "{answer:?}");
        let challenge = answer.header("www-authenticate");
        assert!(challenge.starts_with("DPoP ") && challenge.contains(&format!("error=\"{error}\"")), "{challenge}");
        assert!(challenge.contains("algs=\"ES256 EdDSA Ed25519 RS256\""), "{challenge}");
    }
}

#[tokio::test]
async fn section_7_2_a_bound_token_is_no_bearer_token_and_the_other_way_round() {
    let (world, key) = (World::new(), DeviceKey::make());
    let bound = bound(&world, &key).await.text("access_token");
    let unbound = world.tokens().await.text("access_token");
    for (scheme, token) in [("Bearer", bound), ("DPoP", unbound)] {
        let answer = userinfo(&world, scheme, &token, Some(&key.proof_for(&world, &token))).await;
        assert_eq!(answer.status, 401);
        assert!(answer.header("www-authenticate").contains("invalid_token"), "{answer:?}");
    }
    let none = world.fetch("/userinfo").await;
    let offered: Vec<_> =
        none.headers.get_all("www-authenticate").iter().map(|value| value.to_str().unwrap()).collect();
    assert!(offered.len() == 2 && offered[0].starts_with("Bearer") && offered[1].starts_with("DPoP"), "{offered:?}");
}

#[tokio::test]
async fn section_8_with_nonces_on_a_proof_needs_one_of_ours_and_is_told_which() {
    let config = Config { dpop_nonce: true, ..Config::new(ISSUER) };
    let (world, key) = (World::with(config, Arc::new(MemoryStore::new())), DeviceKey::make());
    let asked = tokens(&world, &key.proof(&world)).await;
    asked.assert_error(400, "use_dpop_nonce");
    let nonce = asked.header("dpop-nonce").to_owned();
    let with = |nonce: &str| key.proof_with(&world, "POST", "/token", json!({"nonce": nonce}));
    tokens(&world, &with("made-up")).await.assert_error(400, "use_dpop_nonce");
    let answer = tokens(&world, &with(&nonce)).await;
    assert_eq!((answer.status.as_u16(), answer.header("dpop-nonce")), (200, &*nonce), "and the next one beside it");
    world.pass(Duration::from_secs(60));
    assert_eq!(tokens(&world, &with(&nonce)).await.status, 200, "in the next minute too");
    world.pass(Duration::from_secs(60));
    tokens(&world, &with(&nonce)).await.assert_error(400, "use_dpop_nonce");
}

#[tokio::test]
async fn section_9_userinfo_asks_for_a_nonce_in_its_challenge() {
    let config = Config { dpop_nonce: true, ..Config::new(ISSUER) };
    let (world, key) = (World::with(config, Arc::new(MemoryStore::new())), DeviceKey::make());
    let nonce = tokens(&world, &key.proof(&world)).await.header("dpop-nonce").to_owned();
    let first = tokens(&world, &key.proof_with(&world, "POST", "/token", json!({"nonce": nonce}))).await;
    let token = first.text("access_token");
    let answer = userinfo(&world, "DPoP", &token, Some(&key.proof_for(&world, &token))).await;
    assert_eq!((answer.status.as_u16(), answer.header("dpop-nonce")), (401, &*nonce));
    assert!(answer.header("www-authenticate").contains("error=\"use_dpop_nonce\""), "{answer:?}");
}

#[tokio::test]
async fn section_11_1_a_clock_that_is_wrong_is_given_a_nonce_and_locks_nobody_out() {
    let (world, key) = (World::new(), DeviceKey::make());
    let first = bound(&world, &key).await.text("refresh_token");
    for iat in [0, 1_799_999_939, 1_800_000_061, 4_000_000_000_u64] {
        let late = key.proof_with(&world, "POST", "/token", json!({"iat": iat}));
        let answer = world.refresh_with(&first, &[("dpop", &late), ("idempotency-key", "k")], &[]).await;
        answer.assert_error(400, "use_dpop_nonce");
        let nonce = answer.header("dpop-nonce");
        let with_nonce = key.proof_with(&world, "POST", "/token", json!({"iat": iat, "nonce": nonce}));
        let answer = world.refresh_with(&first, &[("dpop", &with_nonce), ("idempotency-key", "k")], &[]).await;
        assert_eq!(answer.status, 200, "{iat}: {answer:?}");
    }
}

#[tokio::test]
async fn section_11_1_a_proof_is_taken_once_and_by_a_request_that_succeeds_or_not() {
    let (world, key) = (World::new(), DeviceKey::make());
    let proof = key.proof(&world);
    assert_eq!(tokens(&world, &proof).await.status, 200);
    tokens(&world, &proof).await.assert_error(400, "invalid_dpop_proof");
    let other = DeviceKey::make();
    let same_jti = |key: &DeviceKey| key.proof_with(&world, "POST", "/token", json!({"jti": "the same"}));
    assert_eq!(tokens(&world, &same_jti(&key)).await.status, 200);
    assert_eq!(tokens(&world, &same_jti(&other)).await.status, 200, "another key may have used the same jti");
    tokens(&world, &same_jti(&key)).await.assert_error(400, "invalid_dpop_proof");
}

#[tokio::test]
async fn section_10_a_code_is_bound_to_the_key_that_the_request_named() {
    let (world, key, thief) = (World::new(), DeviceKey::make(), DeviceKey::make());
    let jkt = key.thumbprint();
    let code = world.authorize(&request(&[("dpop_jkt", &jkt)])).await.sent("code").unwrap();
    let exchange = async |proof: Option<String>| {
        let pairs = [
            ("grant_type", "authorization_code"),
            ("client_id", "pilotlight"),
            ("code", &code),
            ("redirect_uri", REDIRECT),
            ("code_verifier", crate::kit::VERIFIER),
        ];
        let headers: Vec<_> = proof.iter().map(|proof| ("dpop", &**proof)).collect();
        world.form_with("/token", &headers, &pairs).await
    };
    exchange(None).await.assert_error(400, "invalid_dpop_proof");
    exchange(Some(thief.proof(&world))).await.assert_error(400, "invalid_dpop_proof");
    let answer = exchange(Some(key.proof(&world))).await;
    assert_eq!(answer.text("token_type"), "DPoP", "nothing was spent");
    for wrong in ["x", "not base64url of 32 bytes 0000000000000000!"] {
        let refused = world.fetch(&request(&[("dpop_jkt", wrong)])).await;
        assert_eq!(refused.sent("error").as_deref(), Some("invalid_request"));
    }
}

#[tokio::test]
async fn section_10_1_a_pushed_request_is_bound_by_its_proof() {
    let (world, key, thief) = (World::new(), DeviceKey::make(), DeviceKey::make());
    let push = async |jkt: &str, proof: &str| {
        let query = request(&[("dpop_jkt", jkt)]);
        let headers = [("content-type", "application/x-www-form-urlencoded"), ("dpop", proof)];
        world.send(Method::POST, "/par", &headers, query.split_once('?').unwrap().1).await
    };
    let proof = || key.proof_with(&world, "POST", "/par", json!({}));
    push(&thief.thumbprint(), &proof()).await.assert_error(400, "invalid_dpop_proof");
    push("", &key.proof(&world)).await.assert_error(400, "invalid_dpop_proof");
    for jkt in [String::new(), key.thumbprint()] {
        let uri = push(&jkt, &proof()).await.text("request_uri");
        let begin = format!("/authorize?{}", encode(&[("client_id", "pilotlight"), ("request_uri", &uri)]));
        let code = world.authorize(&begin).await.sent("code").unwrap();
        world.exchange(&code, &[]).await.assert_error(400, "invalid_dpop_proof");
    }
}

#[tokio::test]
async fn section_5_1_the_metadata_tell_which_algorithms_are_taken() {
    let metadata = World::new().fetch("/.well-known/oauth-authorization-server").await.json();
    assert_eq!(metadata["dpop_signing_alg_values_supported"], json!(["ES256", "EdDSA", "Ed25519", "RS256"]));
}

#[tokio::test]
async fn a_devices_tokens_are_bound_to_the_key_it_asks_with() {
    let (world, key) = (World::new(), DeviceKey::make());
    let begun = world.form("/device_authorization", &[("client_id", "pilotlight")]).await;
    world.allow_device(&begun.text("user_code")).await;
    let pairs = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:device_code"),
        ("client_id", "pilotlight"),
        ("device_code", &begun.text("device_code")),
    ];
    let answer = world.form_with("/token", &[("dpop", &key.proof(&world))], &pairs).await;
    assert_eq!(answer.text("token_type"), "DPoP");
    world.refresh(&answer.text("refresh_token")).await.assert_error(400, "invalid_dpop_proof");
}

#[tokio::test]
async fn the_plain_dialect_takes_proofs_as_well() {
    let (world, key) = (World::new(), DeviceKey::make());
    let at = |path: &str| key.proof_with(&world, "POST", path, json!({}));
    let demo = json!({"username": "demo", "password": "demo"});
    let answer = world.post_json("/login", &[("dpop", &at("/login"))], &demo).await;
    assert_eq!(answer.text("token_type"), "DPoP");
    let body = json!({"refresh_token": answer.text("refresh_token")});
    world.post_json("/token/refresh", &[], &body).await.assert_error(400, "invalid_dpop_proof");
    let answer = world.post_json("/token/refresh", &[("dpop", &at("/token/refresh"))], &body).await;
    assert_eq!(answer.text("token_type"), "DPoP");
}
