//! How requests reach authorization servers.

use std::future::Future;
use std::pin::Pin;

use pilotlight_oauth::{HttpRequest, HttpResponse};

use crate::{Error, ErrorCode};

/// Why there is no answer. The difference decides whether a refresh token may have been spent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TransportError {
    /// The request did not leave: no network, no such host, connection refused, TLS failed.
    NotSent(String),
    /// It may have arrived; the answer did not.
    Lost(String),
}

impl From<TransportError> for Error {
    fn from(error: TransportError) -> Self {
        match error {
            TransportError::NotSent(why) => {
                Self::new(ErrorCode::Offline, format!("The service cannot be reached: {why}."))
            }
            TransportError::Lost(why) => Self::new(ErrorCode::NoAnswer, format!("The answer did not arrive: {why}.")),
        }
    }
}

/// The answer to come.
pub type Answer<'a> = Pin<Box<dyn Future<Output = Result<HttpResponse, TransportError>> + Send + 'a>>;

/// Sends one request and brings its answer. Follows no redirect: a token request has no business elsewhere.
pub trait Transport: Send + Sync {
    /// Sends `request`, within a deadline of its own.
    fn send(&self, request: HttpRequest) -> Answer<'_>;
}
