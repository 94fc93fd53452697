//! JSON Web Tokens in compact serialisation, RFC 7515 and RFC 7519. One algorithm, fixed by the key (RFC 8725 section 3.1).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::keys::KeySet;
use crate::signer::Signer;
use crate::system::NoEntropy;

/// `typ` of an access token, RFC 9068 section 2.1.
pub(crate) const ACCESS_TOKEN: &str = "at+jwt";
/// `typ` of an ID token.
pub(crate) const ID_TOKEN: &str = "JWT";

/// Longer than nearly all tokens, in bytes.
const USUAL: usize = 1024;

#[derive(Serialize, Deserialize)]
struct Header<'a> {
    #[serde(borrow)]
    typ: std::borrow::Cow<'a, str>,
    #[serde(borrow)]
    alg: std::borrow::Cow<'a, str>,
    #[serde(borrow)]
    kid: std::borrow::Cow<'a, str>,
}

/// The compact serialisation of `claims`, signed.
pub(crate) fn sign(signer: &Signer, typ: &str, claims: &impl Serialize) -> Result<String, NoEntropy> {
    let header = Header { typ: typ.into(), alg: signer.alg().as_str().into(), kid: signer.kid().into() };
    let mut token = String::with_capacity(USUAL);
    let mut json = Vec::with_capacity(USUAL);
    // Claims are our own structs with string keys: serialising them cannot fail.
    serde_json::to_writer(&mut json, &header).map_err(|_| NoEntropy)?;
    URL_SAFE_NO_PAD.encode_string(&json, &mut token);
    token.push('.');
    json.clear();
    serde_json::to_writer(&mut json, claims).map_err(|_| NoEntropy)?;
    URL_SAFE_NO_PAD.encode_string(&json, &mut token);
    let signature = signer.sign(token.as_bytes())?;
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(signature, &mut token);
    Ok(token)
}

/// The claims of a token that one of our keys signed, and that is of that type. Times are the caller's to check.
pub(crate) fn verify<T: DeserializeOwned>(keys: &KeySet, typ: &str, token: &str) -> Option<T> {
    let (signed, signature) = token.rsplit_once('.')?;
    let (header, claims) = signed.split_once('.')?;
    let header = URL_SAFE_NO_PAD.decode(header).ok()?;
    let header: Header<'_> = serde_json::from_slice(&header).ok()?;
    let signer = keys.signer_of(&header.kid)?;
    let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
    let genuine = header.alg == signer.alg().as_str() && header.typ == typ;
    if !genuine || !signer.verifies(signed.as_bytes(), &signature) {
        return None;
    }
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).ok()?).ok()
}
