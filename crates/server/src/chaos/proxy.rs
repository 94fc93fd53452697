//! The proxy: reads a request, asks the plan, and carries the fault out.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::fault::{BodyKind, Fault, MadeAnswer};
use super::plan::Plan;
use super::upstream::{BadUpstream, Upstream};
use super::wire::{self, Answer, Request, Serialized, Unreadable};
use super::{date, revocation};

/// How long a client may take over its request.
const PATIENCE: Duration = Duration::from_secs(30);

/// A proxy that makes trouble by plan.
pub struct Chaos {
    upstream: Upstream,
    plan: Plan,
    revocation: String,
    watch: Box<dyn Fn(&Passage) + Send + Sync>,
    count: AtomicU64,
}

/// One request, as the watcher is told of it: what happened, and nothing of what was said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Passage {
    /// Counted from 0 over the requests that the plan concerns; absent for others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub number: Option<u64>,
    /// Without the query.
    pub path: String,
    /// What happened to it.
    #[serde(serialize_with = "as_text")]
    pub fault: Fault,
    /// What the upstream answered; `None` where it was not asked, or did not answer.
    pub upstream_status: Option<u16>,
    /// What the upstream answered to the revocation, where there was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revocation_status: Option<u16>,
    /// Why the upstream did not answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

fn as_text<S: serde::Serializer>(fault: &Fault, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(fault)
}

impl Chaos {
    /// In front of `upstream`, `http://HOST:PORT` on this machine. It is not asked before the first request comes.
    ///
    /// # Errors
    /// Where `upstream` is something else.
    pub fn new(upstream: &str, plan: Plan) -> Result<Self, BadUpstream> {
        Ok(Self {
            upstream: Upstream::parse(upstream)?,
            plan,
            revocation: "/revoke".to_owned(),
            watch: Box::new(|_| {}),
            count: AtomicU64::new(0),
        })
    }

    /// Tells `watch` of every request, before the client sees anything of the answer.
    #[must_use]
    pub fn watched(mut self, watch: impl Fn(&Passage) + Send + Sync + 'static) -> Self {
        self.watch = Box::new(watch);
        self
    }

    /// The path of the upstream's revocation endpoint, where it is not `/revoke`.
    ///
    /// # Errors
    /// Where it does not begin with a slash, or holds what no path may.
    pub fn revoking_at(mut self, path: &str) -> Result<Self, BadUpstream> {
        if !path.starts_with('/') || !path.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(BadUpstream::Path(path.to_owned()));
        }
        path.clone_into(&mut self.revocation);
        Ok(self)
    }

    /// Serves until `shutdown` is ready; then every open connection breaks off.
    ///
    /// # Errors
    /// Where the listener fails.
    pub async fn run(self, listener: TcpListener, shutdown: impl Future<Output = ()> + Send) -> io::Result<()> {
        let chaos = Arc::new(self);
        // Dropped with this function, and every client that still hangs with it.
        let mut clients = JoinSet::new();
        let mut shutdown = std::pin::pin!(shutdown);
        loop {
            tokio::select! {
                () = &mut shutdown => return Ok(()),
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) => {
                        let chaos = Arc::clone(&chaos);
                        clients.spawn(async move { chaos.attend(stream).await });
                    }
                    Err(error) if is_of_one_client(&error) => {}
                    Err(error) => return Err(error),
                },
                Some(_) = clients.join_next() => {}
            }
        }
    }

    async fn attend(&self, mut stream: TcpStream) {
        match tokio::time::timeout(PATIENCE, wire::read(&mut stream)).await {
            Ok(Ok(request)) => self.serve(stream, &request).await,
            Ok(Err(Unreadable::Wrong(status))) => {
                let answer = Answer::new(status, "text/plain", "the chaos proxy cannot pass this request on\n");
                wire::refuse(stream, &Serialized::new(&answer, &axum::http::Method::GET).bytes).await;
            }
            Ok(Err(Unreadable::Gone)) | Err(_) => {}
        }
    }

    async fn serve(&self, stream: TcpStream, request: &Request) {
        let path = request.path();
        let number = self.plan.concerns(path).then(|| self.count.fetch_add(1, Ordering::Relaxed));
        let fault = number.map_or(Fault::Pass, |number| self.plan.fault(number, path));
        let revocation_status = if fault == Fault::RevokeThenForward { self.revoke(request).await } else { None };
        let answer = if fault.forwards() { Some(self.upstream.send(request).await) } else { None };
        let (upstream_status, error) = match &answer {
            Some(Ok(answer)) => (Some(answer.status.as_u16()), None),
            Some(Err(error)) => (None, Some(error.to_string())),
            None => (None, None),
        };
        (self.watch)(&Passage { number, path: path.to_owned(), fault, upstream_status, revocation_status, error });
        let answer = match answer {
            Some(Ok(answer)) => answer,
            Some(Err(error)) => bad_gateway(&error.to_string()),
            None => bad_gateway("the upstream was not asked"),
        };
        carry_out(fault, stream, answer, request).await;
    }

    async fn revoke(&self, request: &Request) -> Option<u16> {
        let revocation = revocation::of(request, &self.revocation)?;
        self.upstream.send(&revocation).await.ok().map(|answer| answer.status.as_u16())
    }
}

/// Whether the next client may fare better.
fn is_of_one_client(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

/// `answer` is what the upstream said; a fault that asks no upstream does not look at it.
async fn carry_out(fault: Fault, stream: TcpStream, mut answer: Answer, request: &Request) {
    match fault {
        Fault::RefuseConnection | Fault::Reset => return wire::reset(stream),
        Fault::DropBeforeForwarding | Fault::DropAfterCommit => return wire::close(stream).await,
        Fault::Hang => return wire::outlast(stream).await,
        Fault::HalfAnswer => {
            let whole = Serialized::new(&answer, &request.method);
            return wire::write(stream, whole.half()).await;
        }
        Fault::Pass | Fault::RevokeThenForward => {}
        Fault::Delay(millis) => tokio::time::sleep(Duration::from_millis(millis)).await,
        Fault::Answer(made) => answer = make(made),
        Fault::ShiftDate(seconds) => shift_date(&mut answer, seconds),
    }
    wire::write(stream, &Serialized::new(&answer, &request.method).bytes).await;
}

fn bad_gateway(why: &str) -> Answer {
    Answer::new(StatusCode::BAD_GATEWAY, "text/plain", format!("{why}\n"))
}

fn make(made: MadeAnswer) -> Answer {
    let status = StatusCode::from_u16(made.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut answer = match made.body {
        BodyKind::Html => Answer::new(status, "text/html; charset=utf-8", PAGE),
        BodyKind::MalformedJson => Answer::new(status, "application/json", r#"{"access_token":"at","token_type":"Bea"#),
        BodyKind::Json => {
            Answer::new(status, "application/json", format!(r#"{{"error":"{}"}}"#, error_of(made.status)))
        }
        BodyKind::Empty => Answer { status, headers: axum::http::HeaderMap::new(), body: axum::body::Bytes::new() },
    };
    if let Some(seconds) = made.retry_after {
        answer.headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    answer
}

const PAGE: &str = "<!doctype html>\n<title>Welcome to the guest network</title>\n<p>Please accept our terms.</p>\n";

/// Of RFC 6749 section 5.2 and 4.1.2.1, but never `invalid_grant`: that one speaks of a grant, and only its server may.
const fn error_of(status: u16) -> &'static str {
    match status {
        401 => "invalid_client",
        429 | 503 => "temporarily_unavailable",
        500.. => "server_error",
        _ => "invalid_request",
    }
}

/// Leaves a date that it cannot read.
fn shift_date(answer: &mut Answer, seconds: i64) {
    let shifted = answer.headers.get(header::DATE).and_then(|value| date::shifted(value.to_str().ok()?, seconds));
    if let Some(value) = shifted.and_then(|text| HeaderValue::try_from(text).ok()) {
        answer.headers.insert(header::DATE, value);
    }
}
