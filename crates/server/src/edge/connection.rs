//! One connection: HTTP/1.1, or HTTP/2 where TLS agreed on it; ended when it rests too long, and gently when the server stops.

use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulConnection;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tower::Service as _;

use super::{FarEnd, Limits};

/// The most that a head may have.
const LONGEST_HEAD: usize = 16 * 1024;
/// The same in HTTP/2.
const LONGEST_HEADERS: u32 = 16 * 1024;
/// What is read ahead.
const READ_AHEAD: usize = 32 * 1024;
/// Requests of one HTTP/2 connection at once.
const STREAMS: u32 = 64;
/// How long a connection without a request is kept once the server stops: its first request may be on the wire.
const LAST_REQUEST: Duration = Duration::from_millis(300);

/// How many requests began and ended on a connection.
#[derive(Default)]
struct Activity {
    begun: AtomicU64,
    ended: AtomicU64,
}

impl Activity {
    fn begun(&self) -> u64 {
        self.begun.load(Ordering::Relaxed)
    }

    fn rests(&self) -> bool {
        self.begun() == self.ended.load(Ordering::Relaxed)
    }
}

/// A request, from its head to its answer or to its being dropped.
struct Underway(Arc<Activity>);

impl Drop for Underway {
    fn drop(&mut self) {
        self.0.ended.fetch_add(1, Ordering::Relaxed);
    }
}

/// What a connection is served with.
#[derive(Clone)]
pub(super) struct Manner {
    pub(super) router: Router,
    pub(super) limits: Limits,
    /// Turns true when the server stops.
    pub(super) closing: watch::Receiver<bool>,
}

/// Waits until the server stops, or is gone.
pub(super) async fn closed(closing: &mut watch::Receiver<bool>) {
    drop(closing.wait_for(|closing| *closing).await);
}

/// Serves a connection to its end. `second` is HTTP/2.
pub(super) async fn converse<S>(manner: Manner, socket: S, remote: IpAddr, second: bool)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let activity = Arc::new(Activity::default());
    let (router, active) = (manner.router.clone(), activity.clone());
    let service = service_fn(move |mut request: axum::http::Request<Incoming>| {
        active.begun.fetch_add(1, Ordering::Relaxed);
        let underway = Underway(active.clone());
        request.extensions_mut().insert(FarEnd(remote));
        let answer = router.clone().call(request);
        async move {
            let answer: Result<Response, _> = answer.await;
            drop(underway);
            answer
        }
    });
    if second {
        let mut http = http2::Builder::new(TokioExecutor::new());
        http.timer(TokioTimer::new()).max_concurrent_streams(STREAMS).max_header_list_size(LONGEST_HEADERS);
        attend(http.serve_connection(TokioIo::new(socket), service), &activity, manner).await;
    } else {
        let mut http = http1::Builder::new();
        http.max_header_size(LONGEST_HEAD).max_buf_size(READ_AHEAD).header_read_timeout(None);
        attend(http.serve_connection(TokioIo::new(socket), service), &activity, manner).await;
    }
}

/// One timer for each connection instead of one for each request, looked at when it is over: a connection that rests is
/// noticed between one and two times its idle time.
async fn attend<C: GracefulConnection>(connection: C, activity: &Activity, manner: Manner) {
    let Manner { limits, mut closing, .. } = manner;
    let mut connection = pin!(connection);
    let mut timer = pin!(tokio::time::sleep(limits.head_time));
    let (mut seen, mut leaving) = (0, false);
    loop {
        tokio::select! {
            // First, so that what is here already is read before anything is ended.
            biased;
            _ = connection.as_mut() => return,
            () = timer.as_mut() => {
                let rests = activity.rests() && activity.begun() == seen;
                if rests && (leaving || seen == 0) {
                    return;
                }
                if rests {
                    connection.as_mut().graceful_shutdown();
                    leaving = true;
                }
                seen = activity.begun();
                let next = if leaving { LAST_REQUEST } else { limits.idle_time };
                timer.set(tokio::time::sleep(next));
            }
            () = closed(&mut closing), if !leaving => {
                connection.as_mut().graceful_shutdown();
                (leaving, seen) = (true, activity.begun());
                timer.set(tokio::time::sleep(LAST_REQUEST));
            }
        }
    }
}
