//! Proof of possession, RFC 9449: the check of one proof, pure. What it takes a memory for is in [`seen`], what it takes a
//! key of ours for is in [`nonce`].
//!
//! ```text
//!  DPoP: header.claims.signature
//!        typ dpop+jwt     jti  each once
//!        alg ─┐           htm, htu  this very request
//!        jwk ─┴▶ key      iat  just now, or nonce of ours
//!                         ath  hash of the access token, where one comes with it
//! ```

mod jwk;
mod nonce;
mod seen;

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use pilotlight_oauth::Timestamp;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use url::Url;

use self::jwk::Jwk;
pub(crate) use self::nonce::{DPOP_NONCE, Nonce, is_nonce, make_nonce};
pub(crate) use self::seen::{Seen, Sight};
use crate::grant::Thumbprint;

/// What proofs may be signed with, the first being best. `Ed25519` is the name that RFC 9864 gives to `EdDSA` with that curve.
pub(crate) const ALGORITHMS: [&str; 4] = ["ES256", "EdDSA", "Ed25519", "RS256"];
/// How far `iat` may be from our clock. Whose clock is further off gets a nonce instead.
const TOLERANCE: Duration = Duration::from_secs(60);
/// For how long a proof may be taken, and so how long it is remembered: from `TOLERANCE` before its `iat` to `TOLERANCE` after it,
/// and no longer by a nonce.
pub(crate) const LIFE: Duration = Duration::from_secs(130);
/// No honest proof is longer; a key of RSA with 8192 bits takes 3 KiB.
const LONGEST: usize = 8 * 1024;
const LONGEST_JTI: usize = 256;

/// The request that a proof has to be for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Request<'a> {
    pub(crate) method: &'a str,
    /// As clients know it: the address of our endpoint, without query.
    pub(crate) url: &'a str,
    /// The access token that comes with it.
    pub(crate) access_token: Option<&'a str>,
}

/// What a good proof says. Whether it came before is not known yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Proof {
    /// The key that signed it.
    pub(crate) key: Thumbprint,
    /// Tells it from every other: half a hash of key and `jti`.
    pub(crate) name: [u8; 16],
    pub(crate) nonce: Option<String>,
    pub(crate) issued_at: Timestamp,
}

#[derive(Deserialize)]
struct Header {
    typ: String,
    alg: String,
    jwk: serde_json::Map<String, serde_json::Value>,
    /// Extensions that must be understood, RFC 7515 section 4.1.11. There are none.
    crit: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct Claims {
    jti: String,
    htm: String,
    htu: String,
    iat: f64,
    ath: Option<String>,
    nonce: Option<String>,
}

/// What is wrong with a proof, in a sentence for developers; the order of RFC 9449 section 4.3.
pub(crate) fn check(proof: &str, request: &Request<'_>) -> Result<Proof, &'static str> {
    const SHAPE: &str = "The DPoP proof is no JWT of type dpop+jwt with jti, htm, htu and iat.";
    if proof.len() > LONGEST {
        return Err(SHAPE);
    }
    let (signed, signature) = proof.rsplit_once('.').ok_or(SHAPE)?;
    let (header, claims) = signed.split_once('.').ok_or(SHAPE)?;
    let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| SHAPE);
    let header: Header = serde_json::from_slice(&decode(header)?).map_err(|_| SHAPE)?;
    if header.typ != "dpop+jwt" || header.crit.is_some() {
        return Err(SHAPE);
    }
    let key = Jwk::read(&header.jwk, &header.alg)?;
    if !key.verifies(signed.as_bytes(), &decode(signature)?) {
        return Err("The signature of the DPoP proof is not of the key in it.");
    }
    let claims: Claims = serde_json::from_slice(&decode(claims)?).map_err(|_| SHAPE)?;
    if claims.jti.is_empty() || claims.jti.len() > LONGEST_JTI {
        return Err("jti of the DPoP proof has 1 to 256 bytes.");
    }
    if claims.htm != request.method || normal(&claims.htu).is_none_or(|url| normal(request.url) != Some(url)) {
        return Err("htm and htu of the DPoP proof are those of another request.");
    }
    if let Some(token) = request.access_token {
        let expected = URL_SAFE_NO_PAD.encode(Sha256::digest(token));
        if !claims.ath.is_some_and(|ath| bool::from(ath.as_bytes().ct_eq(expected.as_bytes()))) {
            return Err("ath of the DPoP proof is not the hash of the access token.");
        }
    }
    let key = key.thumbprint();
    let mut name = [0; 16];
    name.copy_from_slice(&Sha256::new().chain_update(key).chain_update(&claims.jti).finalize()[..16]);
    Ok(Proof { key, name, nonce: claims.nonce, issued_at: instant(claims.iat) })
}

impl Proof {
    /// Whether it was made just now, as far as clocks can tell.
    pub(crate) fn is_fresh(&self, now: Timestamp) -> bool {
        now.minus(TOLERANCE) <= self.issued_at && self.issued_at <= now.plus(TOLERANCE)
    }
}

/// A NumericDate may have a fraction (RFC 7519 section 2). What is absurd ends at an end of time, and is not fresh.
#[expect(clippy::cast_possible_truncation, reason = "a cast of a float saturates")]
fn instant(seconds: f64) -> Timestamp {
    Timestamp::from_secs(seconds.clamp(0.0, 1e11) as i64)
}

/// An address as RFC 3986 section 6.2 compares it, without query and fragment: RFC 9449 section 4.3, item 9.
fn normal(url: &str) -> Option<(String, String)> {
    let url = Url::parse(url).ok().filter(Url::has_host)?;
    Some((url.origin().ascii_serialization(), unescape(url.path())))
}

/// Percent-encodings that need not be are undone, the others written in upper case (RFC 3986 section 6.2.2).
fn unescape(path: &str) -> String {
    let mut normal = String::with_capacity(path.len());
    let mut rest = path;
    while let Some((before, after)) = rest.split_once('%') {
        normal.push_str(before);
        let byte = after.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match byte.map(char::from) {
            Some(plain) if plain.is_ascii_alphanumeric() || "-._~".contains(plain) => normal.push(plain),
            Some(_) => {
                normal.push('%');
                normal.push_str(&after[..2].to_ascii_uppercase());
            }
            None => normal.push('%'),
        }
        rest = if byte.is_some() { &after[2..] } else { after };
    }
    normal + rest
}

/// `dpop_jkt` of an authorization request, section 10.
pub(crate) fn read_thumbprint(text: &str) -> Option<Thumbprint> {
    URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()
}

/// `jkt`, section 6.1.
pub(crate) fn show_thumbprint(key: &Thumbprint) -> String {
    URL_SAFE_NO_PAD.encode(key)
}

#[cfg(test)]
#[path = "../dpop_tests.rs"]
mod tests;
