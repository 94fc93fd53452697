//! What every request of a route passes: the limits, the address of the far end, a name of its own; and on the way back the
//! safe headers, the figures and one line in the log. The line has the route, never the address that was asked for: that may
//! have a code or a name in it.

use std::convert::Infallible;
use std::fmt;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Instant;

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use axum::response::{IntoResponse, Response};
use tower::{Layer, Service};
use tracing::Instrument as _;

use super::forwarded::far_end;
use super::metrics::RouteCounts;
use crate::app::App;
use crate::problem::Problem;
use crate::system::{NoEntropy, make_random, stopwatch};

/// No address of ours is longer; an authorization request with everything in it has a quarter of it.
const LONGEST_URI: usize = 8 * 1024;
/// A year, in seconds (RFC 6797 section 6.1.1).
const STRICT_TRANSPORT: &str = "max-age=31536000";

/// The address of the far end: before the gate that of the connection, behind it as it may be counted and shown.
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

/// Stands before a route. A service of its own and no function of axum's, which would box the route and the answer once more for
/// each request.
#[derive(Clone)]
pub(crate) struct Gated<S> {
    gate: Arc<Gate>,
    route: S,
}

/// Puts a gate before a route.
#[derive(Clone)]
pub(crate) struct GateLayer(pub(crate) Arc<Gate>);

impl<S> Layer<S> for GateLayer {
    type Service = Gated<S>;

    fn layer(&self, route: S) -> Gated<S> {
        Gated { gate: self.0.clone(), route }
    }
}

impl<S> Service<Request> for Gated<S>
where
    S: Service<Request, Response = Response, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.route.poll_ready(context)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let (gate, id) = (self.gate.clone(), self.gate.app.request_ids.make());
        let span = tracing::info_span!("request", %id);
        let (method, began) = (word_of(request.method()), stopwatch());
        // Nothing is done before it is waited for.
        let answer = gate.let_in(request).map(|request| self.route.call(request));
        let passing = async move {
            let mut passage = Passage { gate: &gate, method, began, status: None };
            let mut response = match answer {
                Ok(answer) => gate.answer(answer).await,
                Err(problem) => problem.into_response(),
            };
            make_safe(response.headers_mut(), gate.app.config.issuer.starts_with("https:"));
            if let Ok(id) = HeaderValue::try_from(id.to_string()) {
                response.headers_mut().insert(HeaderName::from_static("x-request-id"), id);
            }
            passage.status = Some(response.status().as_u16());
            Ok(response)
        };
        Box::pin(passing.instrument(span))
    }
}

impl Gate {
    /// What can be said without work; notes who is at the far end.
    fn let_in(&self, mut request: Request) -> Result<Request, Problem> {
        if request.uri().path_and_query().is_some_and(|uri| uri.as_str().len() > LONGEST_URI) {
            return Err(Problem::LongAddress);
        }
        if let Some(FarEnd(near)) = request.extensions().get().copied() {
            let (address, in_clear) = far_end(&self.app.config.trusted_proxies, near, request.headers());
            // What was sent so far was readable on its way; served, nobody would notice (RFC 6749 section 3.2).
            if in_clear == Some(true) && self.app.config.issuer.starts_with("https:") {
                return Err(Problem::InClear);
            }
            if address != near {
                request.extensions_mut().insert(FarEnd(address));
            }
        }
        Ok(request)
    }

    async fn answer(&self, answer: impl Future<Output = Result<Response, Infallible>>) -> Response {
        let limits = &self.app.config.limits;
        let Some(_held) = self.app.metrics.admit(self.most) else {
            tracing::warn!("too many requests at once; answering 503");
            return Problem::Busy.into_response();
        };
        let Ok(Ok(answer)) = tokio::time::timeout(limits.request_time, answer).await else {
            tracing::error!("the answer took too long; answering 503");
            return Problem::Unavailable.into_response();
        };
        answer
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
