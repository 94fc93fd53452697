//! Everything that can go wrong with a request, and how it is told: once as RFC 6749 wants it, once in the plain JSON dialect.

use std::time::Duration;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::app::RETRY_AFTER;
use crate::dpop::{DPOP_NONCE, Nonce};
use crate::system::NoEntropy;

/// Why a grant was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    WrongCredentials,
    /// Name and password are right, and the person has a second factor.
    TotpRequired,
    /// Wrong, or used before.
    WrongTotp,
    Unknown,
    Expired,
    Reused,
    Revoked,
    Late,
}

impl Refused {
    fn reason(self) -> &'static str {
        match self {
            Self::WrongCredentials => "wrong_credentials",
            Self::TotpRequired => "totp_required",
            Self::WrongTotp => "wrong_totp",
            Self::Unknown => "unknown",
            Self::Expired => "expired",
            Self::Reused => "reused",
            Self::Revoked => "revoked",
            Self::Late => "late_repeat",
        }
    }

    pub(crate) fn message(self) -> &'static str {
        match self {
            Self::WrongCredentials => "That name and password do not match.",
            Self::TotpRequired => "This person has a second factor. Send its code as totp.",
            Self::WrongTotp => "This code is wrong, or was used before.",
            Self::Unknown => "This token is not known here.",
            Self::Expired => "This token has expired. Sign in again.",
            Self::Reused => "This token was used before. To be safe, its grant has been revoked. Sign in again.",
            Self::Revoked => "This grant was revoked. Sign in again.",
            Self::Late => "This retry came after its successor was used. Go on with the successor.",
        }
    }
}

/// What is wrong with a request. Texts are generic: none repeats what was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Problem {
    /// Malformed. The sentence tells the developer what to change.
    InvalidRequest(&'static str),
    /// Client authentication failed; whether HTTP Basic was tried.
    InvalidClient {
        basic: bool,
    },
    InvalidGrant(Refused),
    /// A pushed authorization request is wrong, RFC 9126 section 2.3: the authorization endpoint's word for it.
    Pushed(&'static str),
    UnsupportedGrantType,
    /// The client may not do this.
    UnauthorizedClient,
    InvalidScope,
    /// RFC 8707 section 2: a resource that the client may not ask for, or that was not granted.
    InvalidTarget,
    /// RFC 9449 section 5: no proof of the key, or one that proves nothing. Nothing was decided about the grant.
    InvalidProof(&'static str),
    /// RFC 9449 section 8: the next proof has to have this nonce.
    UseNonce(Nonce),
    /// RFC 8628 section 3.5: the person has not answered yet.
    AuthorizationPending,
    /// The same, and the device asked too soon.
    SlowDown,
    /// The person said no.
    AccessDenied,
    /// The device code's time is over.
    ExpiredToken,
    TooLarge,
    /// The address of the request is longer than any of ours.
    LongAddress,
    /// The body did not come in time.
    TooSlow,
    /// It came to the proxy without TLS, though our issuer is https.
    InClear,
    /// There is no such address.
    NotFound,
    /// Too many failures: wait so long.
    TooMany(Duration),
    /// Our trouble, not the client's: nothing was decided about its grant.
    Unavailable,
    /// More is asked at once than is served at once: nothing was begun.
    Busy,
}

impl From<NoEntropy> for Problem {
    fn from(error: NoEntropy) -> Self {
        tracing::error!(%error, "answering 503");
        Self::Unavailable
    }
}

impl Problem {
    /// `error`.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::InvalidRequest(_) | Self::TooLarge | Self::LongAddress | Self::TooSlow | Self::InClear => {
                "invalid_request"
            }
            Self::NotFound => "not_found",
            Self::InvalidClient { .. } => "invalid_client",
            Self::InvalidGrant(_) => "invalid_grant",
            Self::Pushed(word) => word,
            Self::UnsupportedGrantType => "unsupported_grant_type",
            Self::UnauthorizedClient => "unauthorized_client",
            Self::InvalidScope => "invalid_scope",
            Self::InvalidTarget => "invalid_target",
            Self::InvalidProof(_) => "invalid_dpop_proof",
            Self::UseNonce(_) => "use_dpop_nonce",
            Self::AuthorizationPending => "authorization_pending",
            Self::SlowDown => "slow_down",
            Self::AccessDenied => "access_denied",
            Self::ExpiredToken => "expired_token",
            Self::TooMany(_) | Self::Unavailable | Self::Busy => "temporarily_unavailable",
        }
    }

    pub(crate) fn message(self) -> &'static str {
        match self {
            Self::InvalidRequest(message) | Self::InvalidProof(message) => message,
            Self::InvalidClient { .. } => "This client is not known here, or its secret is wrong.",
            Self::InvalidGrant(refused) => refused.message(),
            Self::Pushed(_) => "This authorization request would be refused.",
            Self::UnsupportedGrantType => "This grant type is not served here.",
            Self::UnauthorizedClient => "This client may not do this here.",
            Self::AuthorizationPending => "Nobody has answered yet. Ask again after the interval.",
            Self::SlowDown => "Asked too soon. Wait five seconds longer from now on.",
            Self::AccessDenied => "The person said no.",
            Self::ExpiredToken => "Nobody answered in time. Begin anew.",
            Self::InvalidScope => "This scope is not known here, or is more than was granted.",
            Self::UseNonce(_) => "The DPoP proof needs the nonce of this answer. Make another one with it.",
            Self::InvalidTarget => "This resource is not known here, or was not granted.",
            Self::TooLarge => "The request is too large.",
            Self::LongAddress => "The address is too long. Send the parameters in the body.",
            Self::TooSlow => "The body did not arrive in time.",
            Self::InClear => {
                "This came without TLS. Use the https address; what was sent may have been read on its way."
            }
            Self::NotFound => "There is nothing at this address.",
            Self::TooMany(_) => "Too many failed attempts. Wait a little, then try again.",
            Self::Unavailable => "The server cannot answer now. Nothing was changed by this answer; try again shortly.",
            Self::Busy => "The server is busy. Nothing was begun; try again shortly.",
        }
    }

    /// RFC 6749 section 5.2: 400, except where HTTP has a truer status.
    pub(crate) fn status(self) -> StatusCode {
        match self {
            Self::InvalidClient { .. } => StatusCode::UNAUTHORIZED,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::LongAddress => StatusCode::URI_TOO_LONG,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::TooMany(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::Unavailable | Self::Busy => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::BAD_REQUEST,
        }
    }

    /// The answer of the plain JSON dialect: a refused token or password is 401 there.
    pub(crate) fn plain(self) -> Response {
        let refused = match self {
            Self::InvalidGrant(refused) => refused,
            _ => return self.finish(self.status(), Json(json!({"error": self.code(), "message": self.message()}))),
        };
        let body = json!({"error": self.code(), "reason": refused.reason(), "message": refused.message()});
        self.finish(StatusCode::UNAUTHORIZED, Json(body))
    }

    /// Adds the headers that tell a client when to come back, or how to authenticate.
    pub(crate) fn finish(self, status: StatusCode, body: impl IntoResponse) -> Response {
        let mut response = (status, body).into_response();
        let headers = response.headers_mut();
        match self {
            Self::TooMany(wait) => {
                // Rounded up: a client that waits as told is not turned away again.
                let secs = wait.as_millis().div_ceil(1000).max(1);
                headers.insert(header::RETRY_AFTER, HeaderValue::from(u64::try_from(secs).unwrap_or(u64::MAX)));
            }
            Self::Unavailable | Self::Busy => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from(RETRY_AFTER.as_secs()));
            }
            Self::UseNonce(nonce) => drop(headers.insert(DPOP_NONCE, nonce.header())),
            Self::InvalidClient { basic: true } => {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"pilotlight\""));
            }
            _ => {}
        }
        response
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut body = json!({"error": self.code(), "error_description": self.message()});
        if let (Self::InvalidGrant(refused), Some(members)) = (self, body.as_object_mut()) {
            members.insert("reason".to_owned(), refused.reason().into());
        }
        self.finish(self.status(), Json(body))
    }
}
