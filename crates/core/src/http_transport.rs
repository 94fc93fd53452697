//! Carries requests to authorization servers, over reqwest and rustls.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use pilotlight_oauth::{ExposeSecret, HttpRequest, HttpResponse, Method, http_date, retry_after};
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, DATE, HeaderValue, RETRY_AFTER};
use zeroize::Zeroizing;

use crate::parts::{Answer, Clock, Transport, TransportError};

/// No answer of an authorization server is longer than this; what is longer is not read.
const LONGEST_ANSWER: usize = 1024 * 1024;
/// From the first byte sent to the last byte read.
const DEADLINE: Duration = Duration::from_secs(15);
const CONNECT_DEADLINE: Duration = Duration::from_secs(5);

/// HTTP over reqwest and rustls.
pub struct HttpTransport {
    clock: Arc<dyn Clock>,
    // Made when first used: reading the system's certificates takes longer than all else that a short command does.
    outside: OnceLock<reqwest::Client>,
    loopback: OnceLock<reqwest::Client>,
}

impl HttpTransport {
    /// A transport with its connection pools.
    #[must_use]
    pub const fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, outside: OnceLock::new(), loopback: OnceLock::new() }
    }

    /// The client for `url`. A proxy has no way to this machine's own loopback.
    fn client_for(&self, url: &url::Url) -> Result<&reqwest::Client, TransportError> {
        let loopback = is_loopback(url);
        let slot = if loopback { &self.loopback } else { &self.outside };
        match slot.get() {
            Some(client) => Ok(client),
            None => {
                let made = client(loopback, DEADLINE).map_err(|error| TransportError::NotSent(reason(&error)))?;
                Ok(slot.get_or_init(|| made))
            }
        }
    }

    async fn exchange(&self, request: HttpRequest) -> Result<HttpResponse, TransportError> {
        let client = self.client_for(&request.url)?;
        let answer = client.execute(build(client, request)?).await.map_err(|error| sort(&error))?;
        let status = answer.status().as_u16();
        let text = |name| answer.headers().get(name).and_then(|value: &HeaderValue| value.to_str().ok());
        let content_type = text(CONTENT_TYPE).map(ToOwned::to_owned);
        let date = text(DATE).and_then(http_date);
        // A date in `Retry-After` is one of the server's clock, too.
        let retry_after =
            text(RETRY_AFTER).and_then(|value| retry_after(value, date.unwrap_or_else(|| self.clock.now())));
        let body = read(answer).await?;
        Ok(HttpResponse { status, content_type, retry_after, date, body: body.into() })
    }
}

impl Transport for HttpTransport {
    fn send(&self, request: HttpRequest) -> Answer<'_> {
        Box::pin(self.exchange(request))
    }
}

/// A reqwest client with Pilotlight's TLS, time-outs and no redirects.
pub(crate) fn client(loopback: bool, deadline: Duration) -> reqwest::Result<reqwest::Client> {
    // Another part of the program may have chosen a provider already; any is fine.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let builder = reqwest::Client::builder()
        .user_agent(concat!("Pilotlight/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(CONNECT_DEADLINE)
        .timeout(deadline);
    let builder = if loopback { builder.no_proxy() } else { builder };
    builder.build()
}

/// Whether an address is on this machine: a loopback address, or `localhost`.
pub(crate) fn is_loopback(url: &url::Url) -> bool {
    match url.host() {
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

fn build(client: &reqwest::Client, request: HttpRequest) -> Result<reqwest::Request, TransportError> {
    let method = match request.method {
        Method::Get => reqwest::Method::GET,
        Method::Post => reqwest::Method::POST,
    };
    let mut builder = client.request(method, request.url).header(ACCEPT, "application/json");
    if let Some(kind) = request.content_type {
        builder = builder.header(CONTENT_TYPE, kind);
    }
    if let Some(authorization) = &request.authorization {
        let mut value = HeaderValue::from_str(authorization.expose_secret())
            .map_err(|_| TransportError::NotSent("the credentials hold characters that no header may have".into()))?;
        value.set_sensitive(true);
        builder = builder.header(AUTHORIZATION, value);
    }
    if let Some(key) = &request.idempotency_key {
        builder = builder.header("Idempotency-Key", key);
    }
    if let Some(body) = &request.body {
        builder = builder.body(body.expose_secret().to_owned());
    }
    builder.build().map_err(|error| TransportError::NotSent(reason(&error)))
}

async fn read(mut answer: reqwest::Response) -> Result<Vec<u8>, TransportError> {
    let mut body = Zeroizing::new(Vec::with_capacity(8 * 1024));
    while let Some(chunk) = answer.chunk().await.map_err(|error| TransportError::Lost(reason(&error)))? {
        if body.len() + chunk.len() > LONGEST_ANSWER {
            return Err(TransportError::Lost("the answer is too long".into()));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(std::mem::take(&mut *body))
}

/// Only what failed before the request left is known to have changed nothing.
pub(crate) fn sort(error: &reqwest::Error) -> TransportError {
    if error.is_connect() || error.is_builder() {
        TransportError::NotSent(reason(error))
    } else {
        TransportError::Lost(reason(error))
    }
}

/// The innermost cause, which names the trouble and no address with its query.
fn reason(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "it took too long".into();
    }
    let mut cause: &dyn std::error::Error = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}
