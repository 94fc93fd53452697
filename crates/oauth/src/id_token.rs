//! Who signed in: OpenID Connect Core sections 2, 3.1.3.7, 5.3, and the `exp` of JWT access tokens.

use std::time::Duration;

use base64::{
    Engine,
    alphabet::URL_SAFE,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::json::{self, Field};
use crate::{HttpResponse, Issuer, Timestamp, words};

/// How wrong a clock may be before an id_token counts as expired.
const LEEWAY: Duration = Duration::from_secs(300);
/// A token beyond this size fits in no header; it is not worth decoding.
const LONGEST_TOKEN: usize = 64 * 1024;
/// Instants behind this one (the year 5138) are not seconds but milliseconds, or nonsense.
const LAST_SECOND: f64 = 1e11;
/// RFC 7515 section 2 wants no padding; some servers send it.
const BASE64_URL: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// Who signed in, for showing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Person {
    /// `sub`.
    pub subject: Option<String>,
    /// `preferred_username`, or else `email`, or else `name`, cleaned for showing and cut to 120 characters.
    pub label: Option<String>,
}

/// Why an id_token is refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum IdTokenError {
    /// Not a JWT with JSON claims, or without `sub` or `exp`.
    #[error("the id_token is malformed")]
    Malformed,
    /// `iss` is not the issuer.
    #[error("the id_token is of another issuer")]
    WrongIssuer,
    /// `aud` (or `azp`) is not our client.
    #[error("the id_token is for another client")]
    WrongAudience,
    /// `nonce` is missing or another one.
    #[error("the id_token belongs to another request")]
    WrongNonce,
    /// `exp` lies more than five minutes in the past.
    #[error("the id_token has expired")]
    Expired,
}

/// Checks and reads an id_token that came straight from the token endpoint; its signature may then be left to TLS
/// (OpenID Connect Core section 3.1.3.7, point 6). `nonce` is checked where one was sent.
///
/// # Errors
///
/// See [`IdTokenError`].
pub fn read_id_token(
    token: &SecretString,
    issuer: &Issuer,
    client_id: &str,
    nonce: Option<&str>,
    now: Timestamp,
) -> Result<Person, IdTokenError> {
    let claims = decoded_claims(token.expose_secret()).ok_or(IdTokenError::Malformed)?;
    let claims: Claims<'_> = json::object(&claims).ok_or(IdTokenError::Malformed)?;
    if claims.iss.text() != Some(issuer.as_str()) {
        return Err(IdTokenError::WrongIssuer);
    }
    if !claims.is_for(client_id) {
        return Err(IdTokenError::WrongAudience);
    }
    if nonce.is_some_and(|sent| claims.nonce.text() != Some(sent)) {
        return Err(IdTokenError::WrongNonce);
    }
    let expires_at = claims.expiry().ok_or(IdTokenError::Malformed)?;
    if now > expires_at.plus(LEEWAY) {
        return Err(IdTokenError::Expired);
    }
    let person = claims.person();
    if person.subject.is_none() { Err(IdTokenError::Malformed) } else { Ok(person) }
}

/// Reads a userinfo answer; `None` where it is not a JSON object with `sub`.
///
/// The caller holds its `sub` against the id_token's (OpenID Connect Core section 5.3.2).
#[must_use]
pub fn parse_userinfo(response: &HttpResponse) -> Option<Person> {
    if response.status != 200 || !json::may_be_json(response) {
        return None;
    }
    let claims: Claims<'_> = json::object(response.body.expose_secret())?;
    Some(claims.person()).filter(|person| person.subject.is_some())
}

/// The `exp` of a JWT, unverified: used only to plan a refresh where the server sends no `expires_in`. `None` for
/// opaque tokens.
#[must_use]
pub fn jwt_expiry(token: &SecretString) -> Option<Timestamp> {
    let claims = decoded_claims(token.expose_secret())?;
    json::object::<Claims<'_>>(&claims)?.expiry()
}

/// The second of the three parts of a JWS, RFC 7515 section 7.1.
fn decoded_claims(token: &str) -> Option<Zeroizing<Vec<u8>>> {
    if token.len() > LONGEST_TOKEN {
        return None;
    }
    let mut parts = token.split('.');
    let (Some(_header), Some(claims), Some(_signature), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return None;
    };
    BASE64_URL.decode(claims).ok().map(Zeroizing::new)
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Claims<'a> {
    #[serde(borrow)]
    iss: Field<'a>,
    #[serde(borrow)]
    sub: Field<'a>,
    #[serde(borrow)]
    aud: Field<'a>,
    #[serde(borrow)]
    azp: Field<'a>,
    #[serde(borrow)]
    nonce: Field<'a>,
    #[serde(borrow)]
    exp: Field<'a>,
    #[serde(borrow)]
    preferred_username: Field<'a>,
    #[serde(borrow)]
    email: Field<'a>,
    #[serde(borrow)]
    name: Field<'a>,
}

impl Claims<'_> {
    /// OpenID Connect Core section 3.1.3.7, points 3 to 5: `aud` holds us; `azp`, where it is there, is us; and where
    /// `aud` holds others too, `azp` must be there.
    fn is_for(&self, client_id: &str) -> bool {
        let audiences = self.aud.texts();
        let ours = audiences.contains(&client_id);
        let others = audiences.iter().any(|audience| *audience != client_id);
        match &self.azp {
            Field::Absent => ours && !others,
            azp => ours && azp.text() == Some(client_id),
        }
    }

    fn expiry(&self) -> Option<Timestamp> {
        let seconds = self.exp.number().filter(|seconds| *seconds > 0.0 && *seconds < LAST_SECOND)?;
        Some(Timestamp::from_millis((seconds * 1000.0) as i64))
    }

    fn person(&self) -> Person {
        let label = [&self.preferred_username, &self.email, &self.name]
            .into_iter()
            .find_map(|field| words::shown(field.text()?, words::LABEL));
        Person { subject: self.sub.text().map(str::to_owned), label }
    }
}
