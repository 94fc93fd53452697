//! A key of a client, and its proofs (RFC 9449 section 4).

use std::sync::atomic::{AtomicU32, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use pilotlight_server::Clock as _;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::kit::{ISSUER, World};

pub(crate) struct DeviceKey {
    key: EcdsaKeyPair,
    made: AtomicU32,
}

impl DeviceKey {
    pub(crate) fn make() -> Self {
        let random = SystemRandom::new();
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref(), &random).unwrap();
        Self { key, made: AtomicU32::new(0) }
    }

    fn coordinates(&self) -> (String, String) {
        let (x, y) = self.key.public_key().as_ref()[1..].split_at(32);
        (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y))
    }

    /// `jkt`.
    pub(crate) fn thumbprint(&self) -> String {
        let (x, y) = self.coordinates();
        URL_SAFE_NO_PAD.encode(Sha256::digest(format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#)))
    }

    /// A proof for a request to one of our endpoints, with these claims instead of the good ones; null leaves one out.
    pub(crate) fn proof_with(&self, world: &World, method: &str, path: &str, changes: Value) -> String {
        let (x, y) = self.coordinates();
        let jwk = json!({"kty": "EC", "crv": "P-256", "x": x, "y": y});
        let header = json!({"typ": "dpop+jwt", "alg": "ES256", "jwk": jwk});
        let jti = format!("{}-{}", self.thumbprint(), self.made.fetch_add(1, Ordering::Relaxed));
        let iat = world.clock.now().as_secs();
        let mut claims = json!({"jti": jti, "htm": method, "htu": format!("{ISSUER}{path}"), "iat": iat});
        for (name, value) in changes.as_object().unwrap() {
            claims[name] = value.clone();
        }
        claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        let part = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
        let signed = format!("{}.{}", part(&header), part(&claims));
        let signature = self.key.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    /// A good proof for the token endpoint.
    pub(crate) fn proof(&self, world: &World) -> String {
        self.proof_with(world, "POST", "/token", json!({}))
    }

    /// A good proof for `/userinfo` with that access token.
    pub(crate) fn proof_for(&self, world: &World, token: &str) -> String {
        let ath = URL_SAFE_NO_PAD.encode(Sha256::digest(token));
        self.proof_with(world, "GET", "/userinfo", json!({"ath": ath}))
    }
}
