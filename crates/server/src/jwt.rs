//! JSON Web Tokens signed with ES256 (RFC 7515, RFC 7518 section 3.4). One algorithm, fixed by the key (RFC 8725 section 3.1).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, UnparsedPublicKey,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::keys::KeySet;
use crate::system::NoEntropy;

/// `typ` of an access token, RFC 9068 section 2.1.
pub(crate) const ACCESS_TOKEN: &str = "at+jwt";
/// `typ` of an ID token.
pub(crate) const ID_TOKEN: &str = "JWT";

/// Signs, and verifies what it signed.
pub(crate) struct Signer {
    key: EcdsaKeyPair,
    random: SystemRandom,
    kid: String,
}

#[derive(Serialize, Deserialize)]
struct Header<'a> {
    #[serde(borrow)]
    typ: std::borrow::Cow<'a, str>,
    #[serde(borrow)]
    alg: std::borrow::Cow<'a, str>,
    #[serde(borrow)]
    kid: std::borrow::Cow<'a, str>,
}

/// The signing key cannot be used.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the signing key is damaged")]
pub(crate) struct DamagedKey;

impl Signer {
    pub(crate) fn new(pkcs8: &[u8]) -> Result<Self, DamagedKey> {
        let random = SystemRandom::new();
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8, &random).map_err(|_| DamagedKey)?;
        let (x, y) = coordinates(&key);
        // RFC 7638: the members in alphabetical order, no white space.
        let thumbprint = Sha256::digest(format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#));
        Ok(Self { key, random, kid: URL_SAFE_NO_PAD.encode(thumbprint) })
    }

    /// The compact serialisation of `claims`.
    pub(crate) fn sign(&self, typ: &str, claims: &impl Serialize) -> Result<String, NoEntropy> {
        let header = Header { typ: typ.into(), alg: "ES256".into(), kid: self.kid.as_str().into() };
        // Claims are our own structs with string keys: serialising them cannot fail.
        let part = |bytes: Result<Vec<u8>, _>| bytes.map(|b| URL_SAFE_NO_PAD.encode(b)).map_err(|_| NoEntropy);
        let mut token = part(serde_json::to_vec(&header))?;
        token.push('.');
        token.push_str(&part(serde_json::to_vec(claims))?);
        let signature = self.key.sign(&self.random, token.as_bytes()).map_err(|_| NoEntropy)?;
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        Ok(token)
    }

    /// The claims, when the token was signed by this key and is of that type. Times are the caller's to check.
    fn verify<T: DeserializeOwned>(&self, token: &Compact<'_>) -> Option<T> {
        let signature = URL_SAFE_NO_PAD.decode(token.signature).ok()?;
        let public = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, self.key.public_key());
        public.verify(token.signed.as_bytes(), &signature).ok()?;
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.claims).ok()?).ok()
    }

    /// RFC 7638.
    pub(crate) fn kid(&self) -> &str {
        &self.kid
    }

    /// The public key as a JWK, RFC 7517 section 4.
    pub(crate) fn jwk(&self) -> Value {
        let (x, y) = coordinates(&self.key);
        json!({"kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": self.kid, "x": x, "y": y})
    }
}

/// The parts of a compact serialisation, RFC 7515 section 7.1.
struct Compact<'a> {
    signed: &'a str,
    claims: &'a str,
    signature: &'a str,
}

/// The claims of a token that one of our keys signed, and that is of that type. Times are the caller's to check.
pub(crate) fn verify<T: DeserializeOwned>(keys: &KeySet, typ: &str, token: &str) -> Option<T> {
    let (signed, signature) = token.rsplit_once('.')?;
    let (header, claims) = signed.split_once('.')?;
    let header = URL_SAFE_NO_PAD.decode(header).ok()?;
    let header: Header<'_> = serde_json::from_slice(&header).ok()?;
    if header.alg != "ES256" || header.typ != typ {
        return None;
    }
    keys.signer_of(&header.kid)?.verify(&Compact { signed, claims, signature })
}

fn coordinates(key: &EcdsaKeyPair) -> (String, String) {
    // Uncompressed point, SEC 1 section 2.3.3: 0x04 ‖ x ‖ y.
    let (x, y) = key.public_key().as_ref()[1..].split_at(32);
    (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y))
}
