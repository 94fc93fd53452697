//! What an answer of a token endpoint proves, promise P1: only a well-formed refusal ends a grant.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use crate::json::{self, Field};
use crate::{HttpResponse, Scope, Timestamp, jwt_expiry, words};

/// A token set, as answered (RFC 6749 section 5.1).
#[derive(Debug)]
pub struct Tokens {
    /// `access_token`.
    pub access_token: SecretString,
    /// `token_type`, as sent; `Bearer` where the dialect has none.
    pub token_type: String,
    /// On our clock: from `expires_in` counted from receipt, or else from the JWT's `exp` and the server's `Date`, or unknown.
    pub access_expires_at: Option<Timestamp>,
    /// `refresh_in`: how soon after receipt the server would like the next refresh (Microsoft's servers say so).
    pub refresh_in: Option<Duration>,
    /// `refresh_token`; absent means: keep the old one (section 6).
    pub refresh_token: Option<SecretString>,
    /// From `refresh_expires_in` (or Keycloak's spelling of it) where the server tells.
    pub refresh_expires_at: Option<Timestamp>,
    /// `scope`, where it differs from what was asked for.
    pub scope: Option<Scope>,
    /// `id_token`, unread.
    pub id_token: Option<SecretString>,
}

/// An error answer in the form of RFC 6749 section 5.2 (or the dialect's).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// `error`, e.g. `invalid_grant`, as registered.
    pub error: String,
    /// `error_description` (in the plain JSON dialect also `reason` and `message`), cut to 300 characters, stripped of
    /// control characters, and with everything that could be a token masked: the server's words, not ours.
    pub description: Option<String>,
}

/// What may be concluded from an answer.
#[derive(Debug)]
pub enum Verdict {
    /// Tokens were granted.
    Granted(Box<Tokens>),
    /// A well-formed `invalid_grant` with status 400 or 401: the only verdict that can end a grant. In the plain JSON
    /// dialect: 401 with a JSON object, or 400 with one of the `error`s that name a dead refresh token.
    InvalidGrant(Refusal),
    /// Another well-formed OAuth error (`invalid_client`, `invalid_scope`, …): the person or developer must act, the grant stays.
    /// Also any error a server sends with a status RFC 6749 section 5.2 does not give it: 200 (GitHub's
    /// `bad_refresh_token`), 403 (`invalid_grant` of some).
    Refused(Refusal),
    /// 408, 425, 429, 5xx, or `temporarily_unavailable`: try again, not before `after` where the server named it.
    Unavailable {
        /// The status.
        status: u16,
        /// `Retry-After`.
        after: Option<Duration>,
    },
    /// HTML, a captive portal, a redirect, malformed JSON, a success without an access token: says nothing about the grant.
    Misbehaved {
        /// The status.
        status: u16,
        /// What was wrong, without any of the body's text.
        why: &'static str,
    },
}

/// Which rules an answer is read by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// RFC 6749 section 5.
    OAuth,
    /// [`crate::PlainJson`].
    PlainJson,
}

/// Errors that say "not now", whatever 4xx they come with: RFC 6749 section 4.1.2.1, RFC 8628 section 3.5.
const NOT_NOW: [&str; 3] = ["temporarily_unavailable", "server_error", "slow_down"];
/// What home-made services call a dead refresh token when they answer 400.
const DEAD_TOKEN: [&str; 3] = ["invalid_grant", "token_expired", "token_reused"];
/// Errors that are about the request or the client, so that even a 401 with them proves nothing about the grant.
const NOT_THE_GRANT: [&str; 5] =
    ["invalid_client", "invalid_request", "invalid_scope", "unauthorized_client", "unsupported_grant_type"];
/// Ten years, in seconds. Servers that send an instant for a duration, or "for ever", mean no more than this.
const LONGEST_LIFE: f64 = 315_360_000.0;

/// Request time-out, too early, too many requests, and everything the server blames on itself.
pub(crate) fn is_transient(status: u16) -> bool {
    matches!(status, 408 | 425 | 429 | 500..=599)
}

pub(crate) fn classify(dialect: Dialect, response: &HttpResponse, received_at: Timestamp) -> Verdict {
    let status = response.status;
    let misbehaved = |why| Verdict::Misbehaved { status, why };
    if is_transient(status) {
        return Verdict::Unavailable { status, after: response.retry_after };
    }
    if (300..400).contains(&status) {
        return misbehaved("a redirect");
    }
    if !json::may_be_json(response) {
        return misbehaved("the content type is not JSON");
    }
    let Some(answer) = json::object::<Answer<'_>>(response.body.expose_secret()) else {
        return misbehaved("the body is not a well-formed JSON object");
    };
    match (status, dialect) {
        // Frameworks for home-made services answer any POST with 201 unless told otherwise.
        (200, _) | (201, Dialect::PlainJson) => answer.success(response, received_at),
        (400..=499, Dialect::OAuth) => answer.oauth_error(response),
        (400..=499, Dialect::PlainJson) => answer.plain_error(response),
        _ => misbehaved("the status is neither success nor error"),
    }
}

/// The members we know, of successes and errors alike.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Answer<'a> {
    #[serde(borrow)]
    access_token: Field<'a>,
    #[serde(borrow)]
    token_type: Field<'a>,
    #[serde(borrow)]
    expires_in: Field<'a>,
    #[serde(borrow)]
    refresh_in: Field<'a>,
    #[serde(borrow)]
    refresh_token: Field<'a>,
    #[serde(borrow)]
    refresh_expires_in: Field<'a>,
    #[serde(borrow)]
    refresh_token_expires_in: Field<'a>,
    #[serde(borrow)]
    scope: Field<'a>,
    #[serde(borrow)]
    id_token: Field<'a>,
    #[serde(borrow)]
    error: Field<'a>,
    #[serde(borrow)]
    error_description: Field<'a>,
    #[serde(borrow)]
    reason: Field<'a>,
    #[serde(borrow)]
    message: Field<'a>,
}

impl Answer<'_> {
    /// An access token decides: unknown members beside it are ignored (RFC 6749 section 5.1), and tokens once issued
    /// must not be lost.
    fn success(&self, response: &HttpResponse, received_at: Timestamp) -> Verdict {
        let status = response.status;
        match (self.access_token.text(), self.error_code()) {
            (Some(token), _) if token.bytes().all(|b| matches!(b, 0x20..=0x7e)) => {
                Verdict::Granted(Box::new(self.tokens(token, response.date, received_at)))
            }
            (Some(_), _) => Verdict::Misbehaved { status, why: "the access token has characters no token may have" },
            (None, Some(code)) => Verdict::Refused(self.refusal(code)),
            (None, None) => Verdict::Misbehaved { status, why: "a success without an access token" },
        }
    }

    fn tokens(&self, access_token: &str, date: Option<Timestamp>, received_at: Timestamp) -> Tokens {
        // `exp` speaks of the server's clock, which may not be ours.
        let on_our_clock = |exp: Timestamp| received_at.plus(exp.since(date.unwrap_or(received_at)));
        let access_token = SecretString::from(access_token);
        let expires_in = self.expires_in.number();
        let refresh_expires_in = self.refresh_expires_in.number().or_else(|| self.refresh_token_expires_in.number());
        let scope = self.scope.texts().join(" ");
        Tokens {
            access_expires_at: expires_in
                .map(|seconds| received_at.plus(lifetime(seconds)))
                .or_else(|| jwt_expiry(&access_token).map(on_our_clock)),
            refresh_in: self.refresh_in.number().filter(|seconds| *seconds > 0.0).map(lifetime),
            access_token,
            token_type: self.token_type.text().filter(|text| is_scheme(text)).unwrap_or("Bearer").to_owned(),
            refresh_token: self.refresh_token.secret(),
            // Keycloak sends 0 for offline tokens, which live until they are idle for too long: unknown.
            refresh_expires_at: refresh_expires_in
                .filter(|seconds| *seconds > 0.0)
                .map(|seconds| received_at.plus(lifetime(seconds))),
            scope: Some(Scope::parse(&scope)).filter(|scope| !scope.is_empty()),
            id_token: self.id_token.secret(),
        }
    }

    /// RFC 6749 section 5.2.
    fn oauth_error(&self, response: &HttpResponse) -> Verdict {
        let status = response.status;
        match self.error_code() {
            Some(code) if NOT_NOW.contains(&code) => Verdict::Unavailable { status, after: response.retry_after },
            Some("invalid_grant") if is_refusal(status) => Verdict::InvalidGrant(self.refusal("invalid_grant")),
            Some(code) => Verdict::Refused(self.refusal(code)),
            None => Verdict::Misbehaved { status, why: "an error answer without a usable error code" },
        }
    }

    /// The dialect has no list of errors, so the status decides where the code does not speak against it.
    fn plain_error(&self, response: &HttpResponse) -> Verdict {
        let status = response.status;
        match (status, self.error_code()) {
            (_, Some(code)) if NOT_NOW.contains(&code) => Verdict::Unavailable { status, after: response.retry_after },
            (_, Some(code)) if NOT_THE_GRANT.contains(&code) => Verdict::Refused(self.refusal(code)),
            (401, code) => Verdict::InvalidGrant(self.refusal(code.unwrap_or("invalid_grant"))),
            (400, Some(code)) if DEAD_TOKEN.contains(&code) => Verdict::InvalidGrant(self.refusal(code)),
            (_, Some(code)) => Verdict::Refused(self.refusal(code)),
            (400, None) => Verdict::Refused(self.refusal("invalid_request")),
            (_, None) => Verdict::Misbehaved { status, why: "an error answer without a usable error code" },
        }
    }

    fn error_code(&self) -> Option<&str> {
        self.error.text().filter(|text| words::is_error_code(text))
    }

    fn refusal(&self, error: &str) -> Refusal {
        let sentence = self.error_description.text().or_else(|| self.message.text());
        let description = match (self.reason.text(), sentence) {
            (Some(reason), Some(sentence)) => words::description(&format!("{reason}: {sentence}")),
            (reason, sentence) => reason.or(sentence).and_then(words::description),
        };
        Refusal { error: error.to_owned(), description }
    }
}

/// The statuses RFC 6749 section 5.2 gives to errors.
fn is_refusal(status: u16) -> bool {
    matches!(status, 400 | 401)
}

/// Seconds on the wire as a duration: below zero is zero, and nothing lives for ever.
fn lifetime(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds.clamp(0.0, LONGEST_LIFE))
}

/// Whether a token type can stand in an `Authorization` header (RFC 9110 sections 5.6.2 and 11.1).
fn is_scheme(text: &str) -> bool {
    text.len() <= 32 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}
