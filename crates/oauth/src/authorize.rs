//! The authorization request and its answer: RFC 6749 section 4.1, RFC 7636, RFC 8252, RFC 9207.

use std::borrow::Cow;

use secrecy::SecretString;
use subtle::ConstantTimeEq;
use url::{Url, form_urlencoded};
use zeroize::Zeroizing;

use crate::{Client, Issuer, Metadata, Scope, words};

/// One pending authorization request.
#[derive(Debug)]
pub struct AuthorizationRequest<'a> {
    /// Who is asked.
    pub metadata: &'a Metadata,
    /// Who asks.
    pub client: &'a Client,
    /// What for. `openid` in it adds a nonce.
    pub scope: &'a Scope,
    /// Our loopback address, RFC 8252 section 7.3.
    pub redirect_uri: &'a str,
    /// Binds the answer to this request.
    pub state: &'a str,
    /// Binds the id_token to this request.
    pub nonce: &'a str,
    /// RFC 7636 `code_challenge`, S256.
    pub code_challenge: &'a str,
}

impl AuthorizationRequest<'_> {
    /// The address to open in the person's browser (RFC 6749 section 4.1.1, RFC 7636 section 4.3); `None` where the
    /// server has no authorization endpoint.
    ///
    /// `openid` with `offline_access` adds `prompt=consent`: without it, servers that keep to OpenID Connect Core
    /// section 11 leave the refresh token out.
    #[must_use]
    pub fn url(&self) -> Option<Url> {
        let mut url = self.metadata.authorization_endpoint.clone()?;
        let openid = self.scope.contains("openid");
        {
            let mut query = url.query_pairs_mut();
            query.append_pair("response_type", "code");
            query.append_pair("client_id", &self.client.id);
            query.append_pair("redirect_uri", self.redirect_uri);
            if !self.scope.is_empty() {
                query.append_pair("scope", &self.scope.to_string());
            }
            query.append_pair("state", self.state);
            if openid {
                query.append_pair("nonce", self.nonce);
            }
            if openid && self.scope.contains("offline_access") {
                query.append_pair("prompt", "consent");
            }
            query.append_pair("code_challenge", self.code_challenge);
            query.append_pair("code_challenge_method", "S256");
        }
        Some(url)
    }
}

/// Why an answer at the loopback address is not the one we wait for.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum CallbackError {
    /// `state` is missing or another one: somebody else's answer. Ignore it and go on waiting.
    #[error("the answer belongs to another request")]
    WrongState,
    /// `iss` is missing although promised, or names another server (RFC 9207 section 2.4).
    #[error("the answer comes from another issuer")]
    WrongIssuer,
    /// The server answered with an error; `access_denied` when the person said no.
    #[error("the service answered: {error}")]
    Denied {
        /// `error`.
        error: String,
        /// `error_description`, cleaned as in [`crate::Refusal`].
        description: Option<String>,
    },
    /// Neither code nor error, or a parameter twice.
    #[error("the answer is malformed")]
    Malformed,
}

/// Reads the query of the redirect, RFC 6749 section 4.1.2 and RFC 9207 section 2.4, and gives the code.
///
/// `state` is compared in constant time, and before anything else: whoever does not know it learns nothing and ends
/// nothing. Then come repeats, the issuer, the error, the code. Empty parameters count as absent.
///
/// # Errors
///
/// See [`CallbackError`].
pub fn parse_callback(
    query: &str,
    state: &str,
    issuer: &Issuer,
    iss_promised: bool,
) -> Result<SecretString, CallbackError> {
    let answer = Answer::read(query, state);
    if !answer.is_ours {
        return Err(CallbackError::WrongState);
    }
    if answer.has_repeats {
        return Err(CallbackError::Malformed);
    }
    match answer.iss {
        Some(iss) if *iss != *issuer.as_str() => return Err(CallbackError::WrongIssuer),
        None if iss_promised => return Err(CallbackError::WrongIssuer),
        _ => {}
    }
    if let Some(error) = answer.error {
        let error =
            if words::is_error_code(&error) { error.into_owned() } else { return Err(CallbackError::Malformed) };
        let description = answer.error_description.and_then(|text| words::description(&text));
        return Err(CallbackError::Denied { error, description });
    }
    match answer.code {
        Some(Cow::Borrowed(code)) => Ok(code.into()),
        // A code with escapes was put together in a growing buffer; the last state of it is wiped here.
        Some(Cow::Owned(code)) => Ok(Zeroizing::new(code).as_str().into()),
        None => Err(CallbackError::Malformed),
    }
}

/// The parameters we know.
#[derive(Default)]
struct Answer<'q> {
    is_ours: bool,
    has_repeats: bool,
    state: Option<Cow<'q, str>>,
    iss: Option<Cow<'q, str>>,
    error: Option<Cow<'q, str>>,
    error_description: Option<Cow<'q, str>>,
    code: Option<Cow<'q, str>>,
}

impl<'q> Answer<'q> {
    fn read(query: &'q str, state: &str) -> Self {
        let mut answer = Self::default();
        let query = query.strip_prefix('?').unwrap_or(query);
        for (name, value) in form_urlencoded::parse(query.as_bytes()).filter(|(_, value)| !value.is_empty()) {
            let known = match name.as_ref() {
                "state" => {
                    answer.is_ours |= bool::from(value.as_bytes().ct_eq(state.as_bytes()));
                    &mut answer.state
                }
                "iss" => &mut answer.iss,
                "error" => &mut answer.error,
                "error_description" => &mut answer.error_description,
                "code" => &mut answer.code,
                _ => continue,
            };
            answer.has_repeats |= known.replace(value).is_some();
        }
        answer
    }
}
