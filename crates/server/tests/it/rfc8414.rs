//! RFC 8414 and OpenID Connect Discovery; RFC 9207, `iss` in authorization answers; RFC 7517, keys.

use axum::http::Method;
use serde_json::json;

use crate::kit::{ISSUER, World, cookie_of, request};

const WELL_KNOWN: [&str; 2] = ["/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"];

#[tokio::test]
async fn section_3_3_the_issuer_is_the_one_that_was_asked_for() {
    let world = World::new();
    for path in WELL_KNOWN {
        let answer = world.fetch(path).await;
        assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, "application/json"));
        assert_eq!(answer.text("issuer"), ISSUER);
    }
}

#[tokio::test]
async fn section_2_every_advertised_endpoint_answers() {
    let world = World::new();
    let metadata = world.fetch(WELL_KNOWN[0]).await.json();
    let endpoints =
        metadata.as_object().unwrap().iter().filter(|(name, _)| name.contains("_endpoint") || *name == "jwks_uri");
    let addresses: Vec<&str> = endpoints.filter_map(|(_, value)| value.as_str()).collect();
    assert_eq!(addresses.len(), 10, "{addresses:?}");
    for address in addresses {
        let path = address.strip_prefix(ISSUER).unwrap();
        let statuses = [world.fetch(path).await.status, world.send(Method::POST, path, &[], "").await.status];
        assert!(statuses.iter().any(|status| *status != 404 && *status != 405), "{address}: {statuses:?}");
    }
    let device = "urn:ietf:params:oauth:grant-type:device_code";
    let exchange = "urn:ietf:params:oauth:grant-type:token-exchange";
    let grants = json!(["authorization_code", "refresh_token", "client_credentials", device, exchange, "password"]);
    assert_eq!(metadata["grant_types_supported"], grants);
}

#[tokio::test]
async fn rfc9700_section_2_1_1_metadata_offers_s256_and_not_plain() {
    let metadata = World::new().fetch(WELL_KNOWN[0]).await.json();
    assert_eq!(metadata["code_challenge_methods_supported"], json!(["S256"]));
    assert_eq!(metadata["response_types_supported"], json!(["code"]));
}

#[tokio::test]
async fn rfc7517_the_published_keys_have_ids_and_no_private_part() {
    let keys = World::new().fetch("/jwks").await.json();
    let [key] = keys["keys"].as_array().unwrap().as_slice() else { panic!("one key: {keys}") };
    assert_eq!((&key["kty"], &key["crv"], &key["alg"]), (&json!("EC"), &json!("P-256"), &json!("ES256")));
    assert_eq!(key["kid"].as_str().unwrap().len(), 43);
    assert!(key.get("d").is_none() && key.get("k").is_none(), "{key}");
}

#[tokio::test]
async fn rfc9207_section_2_iss_stands_in_every_authorization_answer() {
    let world = World::new();
    let metadata = world.fetch(WELL_KNOWN[0]).await.json();
    assert_eq!(metadata["authorization_response_iss_parameter_supported"], true);
    let page = world.fetch(&request(&[])).await;
    let answers = [
        world.authorize(&request(&[])).await,
        world.submit_to("/sign-in", &cookie_of(&page), &page.ticket(), &[("decision", "deny")]).await,
        world.fetch(&request(&[("response_type", "token")])).await,
        world.fetch(&request(&[("scope", "root")])).await,
        world.fetch(&request(&[("prompt", "none")])).await,
    ];
    let errors =
        [None, Some("access_denied"), Some("unsupported_response_type"), Some("invalid_scope"), Some("login_required")];
    for (answer, error) in answers.iter().zip(errors) {
        assert_eq!(answer.sent("iss").as_deref(), Some(ISSUER), "{answer:?}");
        assert_eq!(answer.sent("state").as_deref(), Some("a state"));
        assert_eq!(answer.sent("error").as_deref(), error);
        assert_eq!(answer.status, 303);
    }
}
