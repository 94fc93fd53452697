//! What is to be sent, and what came back: plain data, so that any HTTP client can carry it.

use std::time::Duration;

use secrecy::{SecretSlice, SecretString};
use url::Url;

use crate::Timestamp;

/// The two methods OAuth needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Discovery, userinfo.
    Get,
    /// Everything that carries a secret.
    Post,
}

/// A request that somebody else sends.
#[derive(Debug)]
pub struct HttpRequest {
    /// The method.
    pub method: Method,
    /// Where to. Never holds a secret.
    pub url: Url,
    /// `Content-Type` of the body.
    pub content_type: Option<&'static str>,
    /// The whole `Authorization` header, where there is one.
    pub authorization: Option<SecretString>,
    /// `Idempotency-Key`, design promise P9.
    pub idempotency_key: Option<String>,
    /// The body, which usually carries secrets.
    pub body: Option<SecretString>,
}

/// What came back, as far as OAuth looks at it.
#[derive(Debug)]
pub struct HttpResponse {
    /// The status code.
    pub status: u16,
    /// `Content-Type`, as sent.
    pub content_type: Option<String>,
    /// `Retry-After`, already turned into a duration from now and capped by the transport's caller.
    pub retry_after: Option<Duration>,
    /// `Date`: the server's clock when it answered.
    pub date: Option<Timestamp>,
    /// The body. The transport caps its size (1 MiB).
    pub body: SecretSlice<u8>,
}
