//! Requests to services that take tokens.

use std::time::Duration;

use pilotlight::{Error, ErrorCode};
use url::Url;
use zeroize::Zeroizing;

use crate::failure::Failure;

const CONNECT_DEADLINE: Duration = Duration::from_secs(10);

/// A client of HTTP/1.1 with Pilotlight's TLS that follows no redirects. Its requests may last as long as they like.
pub(super) fn client(to: &Url) -> Result<reqwest::Client, Failure> {
    // Another part of the program may have chosen a provider already; any is fine.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let builder = reqwest::Client::builder()
        .http1_only()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(CONNECT_DEADLINE);
    // A proxy of the system's has no way to this machine's own loopback.
    let builder = if super::is_loopback(to) { builder.no_proxy() } else { builder };
    builder.build().map_err(|error| {
        let why = format!("Requests over TLS cannot be made: {}.", cause(&error));
        Error::new(ErrorCode::Internal, why).into()
    })
}

/// The innermost cause, which names the trouble and no address with its query.
pub(super) fn cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    if error.is_timeout() { "it took too long".to_owned() } else { cause.to_string() }
}

/// The body of an answer, or why there is none. What is longer than `most` bytes is not read.
pub(super) async fn read(mut answer: reqwest::Response, most: usize) -> Result<Zeroizing<Vec<u8>>, String> {
    let mut body = Zeroizing::new(Vec::with_capacity(most));
    while let Some(chunk) = answer.chunk().await.map_err(|error| cause(&error))? {
        if body.len() + chunk.len() > most {
            return Err("it is too long".to_owned());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}
