//! Keys that sign tokens: ES256 and RS256 (RFC 7518 sections 3.4 and 3.3), EdDSA with Ed25519 (RFC 8037). What a key is used
//! with follows from the key (RFC 8725 section 3.1).

use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::rand::SystemRandom;
use ring::rsa::PublicKeyComponents;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ED25519, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _,
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RsaKeyPair, UnparsedPublicKey, VerificationAlgorithm,
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::system::NoEntropy;

/// What tokens are signed with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SigningAlgorithm {
    /// ECDSA with P-256 and SHA-256: what most clients know, and small.
    #[default]
    Es256,
    /// Ed25519.
    EdDsa,
    /// RSA with PKCS #1 v1.5 and SHA-256: for clients that know nothing else. It costs thirty times as much.
    Rs256,
}

impl SigningAlgorithm {
    /// `alg`, RFC 7518 section 3.1 and RFC 8037 section 3.1.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
            Self::Rs256 => "RS256",
        }
    }
}

impl FromStr for SigningAlgorithm {
    type Err = UnknownAlgorithm;

    fn from_str(text: &str) -> Result<Self, UnknownAlgorithm> {
        let known = [Self::Es256, Self::EdDsa, Self::Rs256];
        known.into_iter().find(|alg| alg.as_str().eq_ignore_ascii_case(text)).ok_or(UnknownAlgorithm)
    }
}

/// The text names no algorithm that is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("write es256, eddsa or rs256")]
pub struct UnknownAlgorithm;

/// The signing key cannot be used.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the signing key is damaged")]
pub(crate) struct DamagedKey;

/// Signs, and verifies what it signed.
pub(crate) struct Signer {
    key: Key,
    random: SystemRandom,
    kid: String,
}

enum Key {
    Es256(EcdsaKeyPair),
    EdDsa(Ed25519KeyPair),
    Rs256(Box<RsaKeyPair>),
}

impl Signer {
    pub(crate) fn new(alg: SigningAlgorithm, pkcs8: &[u8]) -> Result<Self, DamagedKey> {
        let random = SystemRandom::new();
        let key = match alg {
            SigningAlgorithm::Es256 => {
                EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8, &random).map(Key::Es256)
            }
            // Other programs write it without the public half.
            SigningAlgorithm::EdDsa => Ed25519KeyPair::from_pkcs8_maybe_unchecked(pkcs8).map(Key::EdDsa),
            SigningAlgorithm::Rs256 => RsaKeyPair::from_pkcs8(pkcs8).map(|key| Key::Rs256(Box::new(key))),
        };
        let key = key.map_err(|_| DamagedKey)?;
        // RFC 7638: the members in alphabetical order, which is that of the JSON object, no white space.
        let thumbprint = Sha256::digest(key.members().to_string());
        Ok(Self { key, random, kid: URL_SAFE_NO_PAD.encode(thumbprint) })
    }

    pub(crate) fn alg(&self) -> SigningAlgorithm {
        match self.key {
            Key::Es256(_) => SigningAlgorithm::Es256,
            Key::EdDsa(_) => SigningAlgorithm::EdDsa,
            Key::Rs256(_) => SigningAlgorithm::Rs256,
        }
    }

    /// The bytes of a signature.
    pub(crate) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, NoEntropy> {
        match &self.key {
            Key::Es256(key) => key.sign(&self.random, message).map(|signature| signature.as_ref().to_vec()),
            Key::EdDsa(key) => Ok(key.sign(message).as_ref().to_vec()),
            Key::Rs256(key) => {
                let mut signature = vec![0; key.public().modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &self.random, message, &mut signature).map(|()| signature)
            }
        }
        .map_err(|_| NoEntropy)
    }

    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        let (algorithm, public): (&dyn VerificationAlgorithm, &[u8]) = match &self.key {
            Key::Es256(key) => (&ECDSA_P256_SHA256_FIXED, key.public_key().as_ref()),
            Key::EdDsa(key) => (&ED25519, key.public_key().as_ref()),
            Key::Rs256(key) => (&RSA_PKCS1_2048_8192_SHA256, key.public_key().as_ref()),
        };
        UnparsedPublicKey::new(algorithm, public).verify(message, signature).is_ok()
    }

    /// RFC 7638.
    pub(crate) fn kid(&self) -> &str {
        &self.kid
    }

    /// The public key as a JWK, RFC 7517 section 4.
    pub(crate) fn jwk(&self) -> Value {
        let mut jwk = self.key.members();
        if let Some(members) = jwk.as_object_mut() {
            let more = [("use", "sig"), ("alg", self.alg().as_str()), ("kid", &self.kid)];
            members.extend(more.map(|(name, value)| (name.to_owned(), value.into())));
        }
        jwk
    }
}

impl Key {
    /// What makes the public key: RFC 7518 section 6, RFC 8037 section 2.
    fn members(&self) -> Value {
        match self {
            Self::Es256(key) => {
                // Uncompressed point, SEC 1 section 2.3.3: 0x04 ‖ x ‖ y.
                let (x, y) = key.public_key().as_ref()[1..].split_at(32);
                json!({"crv": "P-256", "kty": "EC", "x": URL_SAFE_NO_PAD.encode(x), "y": URL_SAFE_NO_PAD.encode(y)})
            }
            Self::EdDsa(key) => json!({"crv": "Ed25519", "kty": "OKP", "x": URL_SAFE_NO_PAD.encode(key.public_key())}),
            Self::Rs256(key) => {
                let PublicKeyComponents { n, e } = PublicKeyComponents::<Vec<u8>>::from(key.public());
                json!({"e": URL_SAFE_NO_PAD.encode(e), "kty": "RSA", "n": URL_SAFE_NO_PAD.encode(n)})
            }
        }
    }
}

/// A new key, PKCS #8; `None` for RSA, of which none is made here.
pub(crate) fn make_signing_key(alg: SigningAlgorithm) -> Result<Option<Zeroizing<Vec<u8>>>, NoEntropy> {
    let random = SystemRandom::new();
    let key = match alg {
        SigningAlgorithm::Es256 => EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random),
        SigningAlgorithm::EdDsa => Ed25519KeyPair::generate_pkcs8(&random),
        SigningAlgorithm::Rs256 => return Ok(None),
    };
    Ok(Some(Zeroizing::new(key.map_err(|_| NoEntropy)?.as_ref().to_vec())))
}

/// A key that another program made: PKCS #8, in PEM (RFC 7468 section 10) or DER; and what it is for.
pub(crate) fn read_signing_key(bytes: &[u8]) -> Option<(SigningAlgorithm, Zeroizing<Vec<u8>>)> {
    let pem = std::str::from_utf8(bytes).ok().and_then(|text| {
        let base64 = text.split_once("-----BEGIN PRIVATE KEY-----")?.1.split_once("-----END PRIVATE KEY-----")?.0;
        let base64: Zeroizing<Vec<u8>> = Zeroizing::new(base64.bytes().filter(|b| !b.is_ascii_whitespace()).collect());
        STANDARD.decode(&*base64).ok().map(Zeroizing::new)
    });
    let pkcs8 = pem.unwrap_or_else(|| Zeroizing::new(bytes.to_vec()));
    let algorithms = [SigningAlgorithm::Es256, SigningAlgorithm::EdDsa, SigningAlgorithm::Rs256];
    let alg = algorithms.into_iter().find(|alg| Signer::new(*alg, &pkcs8).is_ok())?;
    Some((alg, pkcs8))
}
