//! What every request of a route passes: the limits, the address of the far end, a name of its own; and on the way back the
//! safe headers, the figures and one line in the log. The line has the route, never the address that was asked for: that may
//! have a code or a name in it.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tracing::Instrument as _;

use super::connection::Remote;
use super::forwarded::far_end;
use super::metrics::RouteCounts;
use crate::app::App;
use crate::problem::Problem;
use crate::system::{NoEntropy, make_random, stopwatch};

/// No address of ours is longer; an authorization request with everything in it has a quarter of it.
const LONGEST_URI: usize = 8 * 1024;
/// A year, in seconds (RFC 6797 section 6.1.1).
const STRICT_TRANSPORT: &str = "max-age=31536000";

/// The address of the far end, as it may be counted and shown.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FarEnd(pub(crate) IpAddr);

/// One route's gate.
pub(crate) struct Gate {
    pub(crate) app: Arc<App>,
    pub(crate) counts: Arc<RouteCounts>,
    /// The most requests in work at once that it lets in.
    pub(crate) most: usize,
}

/// Names requests: the same beginning for one process, and a number.
pub(crate) struct RequestIds {
    process: u32,
    next: AtomicU64,
}

impl RequestIds {
    pub(crate) fn new() -> Result<Self, NoEntropy> {
        Ok(Self { process: u32::from_ne_bytes(make_random()?), next: AtomicU64::new(1) })
    }

    fn make(&self) -> RequestId {
        RequestId { process: self.process, number: self.next.fetch_add(1, Ordering::Relaxed) }
    }
}

#[derive(Clone, Copy)]
struct RequestId {
    process: u32,
    number: u64,
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}-{:x}", self.process, self.number)
    }
}

/// A request on its way, counted and logged when it ends, however that comes.
struct Passage<'a> {
    gate: &'a Gate,
    method: &'static str,
    began: Instant,
    status: Option<u16>,
}

impl Drop for Passage<'_> {
    fn drop(&mut self) {
        let took = self.began.elapsed();
        self.gate.counts.count(self.status, took);
        let (route, micros) = (self.gate.counts.route, u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
        match self.status {
            Some(status) => tracing::info!(method = %self.method, route, status, micros, "answered"),
            None => tracing::info!(method = %self.method, route, micros, "the client hung up"),
        }
    }
}

/// The middleware.
pub(crate) async fn gate(State(gate): State<Arc<Gate>>, request: Request, next: Next) -> Response {
    let id = gate.app.request_ids.make();
    let span = tracing::info_span!("request", %id);
    async {
        let method = word_of(request.method());
        let mut passage = Passage { gate: &gate, method, began: stopwatch(), status: None };
        let mut response = match gate.let_in(request) {
            Ok(request) => gate.answer(request, next).await,
            Err(problem) => problem.into_response(),
        };
        make_safe(response.headers_mut(), gate.app.config.issuer.starts_with("https:"));
        if let Ok(id) = HeaderValue::try_from(id.to_string()) {
            response.headers_mut().insert(HeaderName::from_static("x-request-id"), id);
        }
        passage.status = Some(response.status().as_u16());
        response
    }
    .instrument(span)
    .await
}

impl Gate {
    /// What can be said without work; notes who is at the far end.
    fn let_in(&self, mut request: Request) -> Result<Request, Problem> {
        if request.uri().path_and_query().is_some_and(|uri| uri.as_str().len() > LONGEST_URI) {
            return Err(Problem::LongAddress);
        }
        if let Some(remote) = request.extensions().get::<Remote>().copied() {
            let (address, in_clear) = far_end(&self.app.config.trusted_proxies, remote.0, request.headers());
            // What was sent so far was readable on its way; served, nobody would notice (RFC 6749 section 3.2).
            if in_clear == Some(true) && self.app.config.issuer.starts_with("https:") {
                return Err(Problem::InClear);
            }
            request.extensions_mut().insert(FarEnd(address));
        }
        Ok(request)
    }

    async fn answer(&self, request: Request, next: Next) -> Response {
        let limits = &self.app.config.limits;
        let Some(_held) = self.app.metrics.admit(self.most) else {
            tracing::warn!("too many requests at once; answering 503");
            return Problem::Busy.into_response();
        };
        let answer = tokio::time::timeout(limits.request_time, next.run(request)).await;
        answer.unwrap_or_else(|_| {
            tracing::error!("the answer took too long; answering 503");
            Problem::Unavailable.into_response()
        })
    }
}

/// For the log: a method that nobody knows may be any text.
fn word_of(method: &Method) -> &'static str {
    let known = ["GET", "POST", "HEAD", "OPTIONS", "PUT", "DELETE", "PATCH"];
    known.into_iter().find(|known| method == known).unwrap_or("other")
}

/// Headers for every answer that did not choose its own: not stored (RFC 6749 section 5.1), not framed (section 10.13),
/// not guessed at, and no address of ours in anybody's `Referer` (RFC 9700 section 4.2.4).
fn make_safe(headers: &mut HeaderMap, with_tls: bool) {
    let safe: [(HeaderName, &'static str); 6] = [
        (header::CACHE_CONTROL, "no-store"),
        (header::PRAGMA, "no-cache"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    headers.reserve(safe.len() + 2);
    let public = headers.get(header::CACHE_CONTROL).is_some_and(|value| value.as_bytes().starts_with(b"public"));
    for (name, value) in safe {
        if !(public && name == header::PRAGMA) {
            headers.entry(name).or_insert(HeaderValue::from_static(value));
        }
    }
    if with_tls {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static(STRICT_TRANSPORT));
    }
}
