//! The public key in a proof: RFC 7517, RFC 7518 section 6, RFC 8037 section 2; its thumbprint, RFC 7638.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey,
};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::grant::Thumbprint;

/// Members that only a private or a symmetric key has.
const PRIVATE: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];
/// Larger RSA keys are not taken: a check would cost more than it is worth.
const LARGEST_RSA: usize = 512;

/// A key that can verify, and what it is named by.
pub(super) enum Jwk<'a> {
    Es256 { x: &'a str, y: &'a str, point: Vec<u8> },
    Ed25519 { x: &'a str, key: Vec<u8> },
    Rs256 { n: &'a str, e: &'a str, modulus: Vec<u8>, exponent: Vec<u8> },
}

impl<'a> Jwk<'a> {
    /// The key, where it is public, and of the kind that `alg` wants: what a key may be used for is not the sender's to
    /// choose (RFC 8725 section 3.1).
    pub(super) fn read(jwk: &'a Map<String, Value>, alg: &str) -> Result<Self, &'static str> {
        const UNFIT: &str = "The jwk of the DPoP proof is no key for its alg.";
        if PRIVATE.iter().any(|member| jwk.contains_key(*member)) {
            return Err("The jwk of the DPoP proof has private parts. Make a new key.");
        }
        let text = |member: &str| jwk.get(member).and_then(Value::as_str).ok_or(UNFIT);
        let bytes = |text: &str| URL_SAFE_NO_PAD.decode(text).map_err(|_| UNFIT);
        match (alg, text("kty")?) {
            ("ES256", "EC") if text("crv")? == "P-256" => {
                let (x, y) = (text("x")?, text("y")?);
                let (left, right) = (bytes(x)?, bytes(y)?);
                if (left.len(), right.len()) != (32, 32) {
                    return Err(UNFIT);
                }
                Ok(Self::Es256 { x, y, point: [&[4], &*left, &*right].concat() })
            }
            ("EdDSA" | "Ed25519", "OKP") if text("crv")? == "Ed25519" => {
                let x = text("x")?;
                Ok(Self::Ed25519 { x, key: bytes(x)? })
            }
            ("RS256", "RSA") => {
                let (n, e) = (text("n")?, text("e")?);
                let (modulus, exponent) = (bytes(n)?, bytes(e)?);
                if modulus.len() > LARGEST_RSA {
                    return Err(UNFIT);
                }
                Ok(Self::Rs256 { n, e, modulus, exponent })
            }
            ("ES256" | "EdDSA" | "Ed25519" | "RS256", _) => Err(UNFIT),
            _ => Err("The DPoP proof is signed with an algorithm that is not taken here."),
        }
    }

    pub(super) fn verifies(&self, signed: &[u8], signature: &[u8]) -> bool {
        match self {
            Self::Es256 { point, .. } => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(signed, signature).is_ok()
            }
            Self::Ed25519 { key, .. } => UnparsedPublicKey::new(&ED25519, key).verify(signed, signature).is_ok(),
            Self::Rs256 { modulus: n, exponent: e, .. } => {
                RsaPublicKeyComponents { n, e }.verify(&RSA_PKCS1_2048_8192_SHA256, signed, signature).is_ok()
            }
        }
    }

    /// RFC 7638 section 3: the members it needs in alphabetical order, no white space. They are base64url, of which nothing
    /// has to be escaped, and which has one form only.
    pub(super) fn thumbprint(&self) -> Thumbprint {
        let members = match self {
            Self::Es256 { x, y, .. } => format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#),
            Self::Ed25519 { x, .. } => format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#),
            Self::Rs256 { n, e, .. } => format!(r#"{{"e":"{e}","kty":"RSA","n":"{n}"}}"#),
        };
        Sha256::digest(members).into()
    }
}
