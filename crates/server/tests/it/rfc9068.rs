//! RFC 9068, JWT access tokens; RFC 8725, their best practice; RFC 6750, their use; and ID tokens.

use std::time::Duration;

use axum::http::Method;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use serde_json::{Value, json};

use crate::kit::{ISSUER, World, claims};

fn header(token: &str) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').next().unwrap()).unwrap()).unwrap()
}

/// Checks a signature with the published key, as a stranger would.
fn assert_signed(token: &str, keys: &Value) {
    let key = &keys["keys"][0];
    let coordinate = |name: &str| URL_SAFE_NO_PAD.decode(key[name].as_str().unwrap()).unwrap();
    let point = [vec![4], coordinate("x"), coordinate("y")].concat();
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(signed.as_bytes(), &signature).unwrap();
    assert_eq!(header(token)["kid"], key["kid"]);
}

#[tokio::test]
async fn section_2_an_access_token_says_what_it_is_and_whose() {
    let world = World::new();
    let tokens = world.tokens().await;
    let token = tokens.text("access_token");
    assert_signed(&token, &world.fetch("/jwks").await.json());
    assert_eq!((&header(&token)["typ"], &header(&token)["alg"]), (&json!("at+jwt"), &json!("ES256")));
    let claims = claims(&token);
    assert_eq!((&claims["iss"], &claims["aud"]), (&json!(ISSUER), &json!(ISSUER)));
    assert_eq!(
        (&claims["client_id"], &claims["scope"]),
        (&json!("pilotlight"), &json!("openid profile offline_access"))
    );
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 900);
    assert_ne!(claims["jti"], self::claims(&world.tokens().await.text("access_token"))["jti"]);
}

#[tokio::test]
async fn oidc_core_section_2_an_id_token_carries_nonce_and_name() {
    let world = World::new();
    let code = world.code().await;
    let tokens = world.exchange(&code, &[]).await;
    let token = tokens.text("id_token");
    assert_signed(&token, &world.fetch("/jwks").await.json());
    let claims = claims(&token);
    assert_eq!((&claims["aud"], &claims["nonce"]), (&json!("pilotlight"), &json!("a nonce")));
    assert_eq!((&claims["iss"], &claims["preferred_username"]), (&json!(ISSUER), &json!("demo")));
    assert_eq!(claims["sub"], self::claims(&tokens.text("access_token"))["sub"]);
    assert_ne!(claims["sub"], "demo", "the subject is not the name, so that no name can pass for a subject");
}

#[tokio::test]
async fn rfc8725_section_3_1_no_other_algorithm_or_type_is_accepted() {
    let world = World::new();
    let tokens = world.tokens().await;
    let token = tokens.text("access_token");
    let parts: Vec<&str> = token.split('.').collect();
    let with = |header: Value| URL_SAFE_NO_PAD.encode(header.to_string());
    let kid = &header(&token)["kid"];
    let forged = [
        format!("{}.{}.", with(json!({"typ": "at+jwt", "alg": "none", "kid": kid})), parts[1]),
        format!("{}.{}.{}", with(json!({"typ": "at+jwt", "alg": "HS256", "kid": kid})), parts[1], parts[2]),
        format!(
            "{}.{}.{}",
            parts[0],
            URL_SAFE_NO_PAD.encode(claims(&token).to_string().replace("openid", "opened")),
            parts[2]
        ),
        format!("{token}A"),
        tokens.text("id_token"),
        tokens.text("refresh_token"),
        "..".to_owned(),
    ];
    for token in forged {
        let answer = world.userinfo(&token).await;
        assert_eq!(answer.status, 401, "{token}");
        assert!(answer.header("www-authenticate").contains("error=\"invalid_token\""));
    }
}

#[tokio::test]
async fn rfc6750_section_3_a_missing_token_is_challenged_without_an_error_code() {
    let answer = World::new().fetch("/userinfo").await;
    assert_eq!((answer.status.as_u16(), answer.header("www-authenticate")), (401, "Bearer realm=\"pilotlight\""));
}

#[tokio::test]
async fn rfc6750_section_3_1_an_expired_token_is_invalid_to_the_second() {
    let world = World::new();
    let token = world.tokens().await.text("access_token");
    world.pass(Duration::from_millis(899_999));
    let answer = world.userinfo(&token).await;
    assert_eq!((answer.status.as_u16(), answer.text("preferred_username").as_str()), (200, "demo"));
    world.pass(Duration::from_millis(1));
    assert_eq!(world.userinfo(&token).await.status, 401);
}

#[tokio::test]
async fn rfc6750_section_3_1_a_token_without_openid_is_too_narrow_for_userinfo() {
    let world = World::new();
    let token = world.refresh_token().await;
    let narrow = world.refresh_with(&token, &[], &[("scope", "offline_access")]).await.text("access_token");
    let answer = world.userinfo(&narrow).await;
    assert_eq!(answer.status, 403);
    assert!(answer.header("www-authenticate").contains("insufficient_scope"));
}

#[tokio::test]
async fn oidc_core_section_5_3_1_userinfo_answers_get_and_post() {
    let world = World::new();
    let token = world.tokens().await.text("access_token");
    for method in [Method::GET, Method::POST] {
        let answer = world.send(method, "/userinfo", &[("authorization", &format!("bearer {token}"))], "").await;
        assert_eq!(answer.text("sub"), claims(&token)["sub"].as_str().unwrap());
    }
}
