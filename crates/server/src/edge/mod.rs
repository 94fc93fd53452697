//! What stands between the sockets and the routes: limits, TLS, proxies, the line in the log, the figures.
//!
//! ```text
//!  socket ─▶ listen ─▶ connection ─▶ gate ───────────────▶ route
//!            how many  how long      how many at once, how long, whose address; counts and logs the answer
//! ```
//! Nothing waits in a queue without end: what is too much is told 503 and `Retry-After` at once.

mod connection;
mod figures;
mod forwarded;
mod gate;
mod listen;
mod metrics;
mod refuse;
mod tls;

use std::time::Duration;

pub use self::forwarded::{BadProxy, TrustedProxy};
pub(crate) use self::gate::{FarEnd, Gate, GateLayer, RequestIds};
pub(crate) use self::listen::{Door, serve};
pub(crate) use self::metrics::{Metrics, Refusal};
pub use self::tls::{Tls, TlsError};

/// How much is served at once, and how long anything may take.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Requests in work at once. One more is told 503.
    pub requests: usize,
    /// Connections at once. One more is told 503 and closed.
    pub connections: usize,
    /// Passwords hashed at once: each takes tens of milliseconds of a core.
    pub password_checks: usize,
    /// How long a new connection may take until its first request's head is here, the TLS handshake included.
    pub head_time: Duration,
    /// How long a body may take.
    pub body_time: Duration,
    /// How long a connection may rest between two requests.
    pub idle_time: Duration,
    /// How long a request may take in all.
    pub request_time: Duration,
    /// How long requests may go on after the shutdown has begun.
    pub farewell: Duration,
}

impl Default for Limits {
    /// 1024 requests, 4096 connections, half the cores for passwords; 10 seconds for a head and a body each, 60 seconds of
    /// rest, 30 seconds in all, 5 seconds to say farewell.
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            requests: 1024,
            connections: 4096,
            password_checks: (cores / 2).max(1),
            head_time: Duration::from_secs(10),
            body_time: Duration::from_secs(10),
            idle_time: Duration::from_secs(60),
            request_time: Duration::from_secs(30),
            farewell: Duration::from_secs(5),
        }
    }
}
