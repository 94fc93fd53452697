//! Requests to services that take tokens.

use pilotlight::{Error, ErrorCode, Pilotlight};
use url::Url;
use zeroize::Zeroizing;

use crate::failure::Failure;

/// A client of HTTP/1.1 by the proxy and the certificates of the settings, which follows no redirects. Its requests may last as
/// long as they like.
pub(super) fn client(pilotlight: &Pilotlight, to: &Url) -> Result<reqwest::Client, Failure> {
    pilotlight.client_builder_for(to)?.http1_only().build().map_err(|error| {
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
