//! Pushed authorization requests, RFC 9126: the client hands its request in by itself, and the browser carries only a name.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use pilotlight_oauth::Timestamp;
use sha2::{Digest, Sha256};

use crate::system::{NoEntropy, make_random};

/// How long a browser has to come with it: it is opened at once (RFC 9126 section 2.2 suggests 5 to 600 seconds).
pub(crate) const LIFE: Duration = Duration::from_secs(60);

const PREFIX: &str = "urn:ietf:params:oauth:request_uri:";

/// A request that a client has pushed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pushed {
    /// SHA-256 of its `request_uri`.
    pub hash: [u8; 32],
    /// The client that pushed it.
    pub client: String,
    /// The request, form-encoded, without what authenticated the client.
    pub request: String,
    /// The end of its life.
    pub expires_at: Timestamp,
}

/// A new `request_uri`.
pub(crate) fn make_request_uri() -> Result<String, NoEntropy> {
    Ok(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(make_random::<32>()?)))
}

/// Whether a `request_uri` is one of ours, and not the address of a request somewhere else.
pub(crate) fn is_pushed(request_uri: &str) -> bool {
    request_uri.starts_with(PREFIX)
}

/// The name under which a store has the request of that `request_uri`.
pub(crate) fn hash_request_uri(request_uri: &str) -> [u8; 32] {
    Sha256::digest(request_uri).into()
}
