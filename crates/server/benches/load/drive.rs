//! People who refresh: each has grants of their own, spends the refresh token of one, and uses the one that came with the answer
//! the next time round. One thread, connections that stay open, and the processor's time of the server's processes from outside.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::{Request, header};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::task::LocalSet;

use crate::Failure;

#[derive(clap::Args)]
pub(crate) struct Drive {
    /// `127.0.0.1:PORT`
    address: String,
    /// How many people at once
    #[arg(long)]
    users: usize,
    /// How long, in milliseconds
    #[arg(long)]
    millis: u64,
    /// How long before that, unmeasured
    #[arg(long)]
    warm_up: u64,
    /// Refresh tokens, one a line; written back as they are at the end
    #[arg(long)]
    tokens: PathBuf,
    /// Send an Idempotency-Key with each
    #[arg(long)]
    keyed: bool,
    /// Whose processor time is told, in this order
    #[arg(long)]
    pid: Vec<u32>,
}

/// What the people share.
struct Shared {
    address: String,
    keyed: bool,
    measured_from: Instant,
    end: Instant,
    tally: RefCell<Tally>,
}

#[derive(Default)]
struct Tally {
    /// Nanoseconds of each refresh that was answered in the measured time, from the first time it was asked for.
    took: Vec<u32>,
    /// What was said instead of tokens, and how often.
    refused: BTreeMap<String, u64>,
    /// Grants that are over by such an answer.
    signed_out: u64,
}

/// Says something else than tokens.
enum Refused {
    /// Come again.
    ForNow(String),
    /// RFC 6749 section 5.2: `invalid_grant`.
    ForGood(String),
}

impl Tally {
    /// Whether the token is worth another attempt.
    fn refused(&mut self, refused: Refused) -> bool {
        let (said, for_good) = match refused {
            Refused::ForNow(said) => (said, false),
            Refused::ForGood(said) => (said, true),
        };
        *self.refused.entry(said).or_default() += 1;
        self.signed_out += u64::from(for_good);
        !for_good
    }
}

impl Drive {
    pub(crate) fn run(self) -> Result<(), Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let line = LocalSet::new().block_on(&runtime, self.drive())?;
        println!("{line}");
        Ok(())
    }

    async fn drive(self) -> Result<Value, Failure> {
        let text = std::fs::read_to_string(&self.tokens)?;
        let mut sessions: Vec<Vec<String>> = vec![Vec::new(); self.users];
        for (n, token) in text.lines().enumerate() {
            sessions[n % self.users].push(token.to_owned());
        }
        let begun = now();
        let measured_from = begun + Duration::from_millis(self.warm_up);
        let end = measured_from + Duration::from_millis(self.millis);
        let shared =
            Shared { address: self.address.clone(), keyed: self.keyed, measured_from, end, tally: RefCell::default() };
        let shared = Rc::new(shared);
        let people: Vec<_> = sessions
            .into_iter()
            .map(|tokens| tokio::task::spawn_local(refresh_in_turn(shared.clone(), tokens)))
            .collect();
        tokio::time::sleep_until(measured_from.into()).await;
        let before = self.cpu()?;
        tokio::time::sleep_until(end.into()).await;
        let after = self.cpu()?;
        let seconds = measured_from.elapsed().as_secs_f64();
        let mut all = Vec::new();
        for person in people {
            all.extend(person.await??);
        }
        std::fs::write(&self.tokens, all.join("\n"))?;
        let cpu: Vec<f64> = before.iter().zip(&after).map(|(before, after)| after - before).collect();
        let mut tally = shared.tally.take();
        tally.took.sort_unstable();
        let at = |part: f64| {
            let place = (tally.took.len() as f64 * part) as usize;
            tally.took.get(place.min(tally.took.len().saturating_sub(1))).map(|nanos| f64::from(*nanos) / 1e6)
        };
        let thousands = tally.took.len() as f64 / 1000.0;
        Ok(json!({
            "refreshes": tally.took.len(),
            "per_second": tally.took.len() as f64 / seconds,
            "p50_ms": at(0.5), "p95_ms": at(0.95), "p99_ms": at(0.99), "longest_ms": at(1.0),
            "cpu_per_1000": cpu.iter().map(|seconds| seconds / thousands).collect::<Vec<_>>(),
            "refused": tally.refused,
            "signed_out": tally.signed_out,
        }))
    }

    /// Seconds of the processor that each process took so far.
    fn cpu(&self) -> Result<Vec<f64>, Failure> {
        self.pid.iter().map(|pid| cpu_of(*pid)).collect()
    }
}

/// User and system time of a process, by the scheduler's own clock of each of its threads. In hundredths of a second, as the
/// process's whole time is told, a short measurement on a busy machine is a few of them. Our servers end no thread meanwhile but
/// those that had nothing to do for ten seconds.
fn cpu_of(pid: u32) -> Result<f64, Failure> {
    let mut nanos = 0_u64;
    for thread in std::fs::read_dir(format!("/proc/{pid}/task"))? {
        // One that ended since the list was made.
        let Ok(text) = std::fs::read_to_string(thread?.path().join("schedstat")) else { continue };
        let ran = text.split_ascii_whitespace().next().and_then(|ran| ran.parse::<u64>().ok());
        nanos += ran.ok_or("schedstat is not understood")?;
    }
    Ok(nanos as f64 / 1e9)
}

async fn connect(address: &str) -> Result<SendRequest<Body>, Failure> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (sender, connection) = handshake(TokioIo::new(stream)).await?;
    tokio::task::spawn_local(async move { drop(connection.await) });
    Ok(sender)
}

/// One person, until the time is up; gives back the tokens that are good then. Who is told to come again does so at once, with
/// the same token and the same key.
async fn refresh_in_turn(shared: Rc<Shared>, mut tokens: Vec<String>) -> Result<Vec<String>, Failure> {
    let mut connection = connect(&shared.address).await?;
    let (mut turn, mut asked_since) = (0_usize, None);
    loop {
        let now = now();
        if now >= shared.end || tokens.is_empty() {
            return Ok(tokens);
        }
        let begun = *asked_since.get_or_insert(now);
        let place = turn % tokens.len();
        let request = shared.request(&tokens[place], turn)?;
        let answer = read(connection.send_request(request).await?).await?;
        let took = u32::try_from(begun.elapsed().as_nanos()).unwrap_or(u32::MAX);
        match answer {
            Ok(next) => {
                tokens[place] = next;
                (turn, asked_since) = (turn + 1, None);
                shared.tally.borrow_mut().took.extend((begun >= shared.measured_from).then_some(took));
            }
            Err(refused) => {
                if !shared.tally.borrow_mut().refused(refused) {
                    tokens.swap_remove(place);
                    asked_since = None;
                }
            }
        }
        if !connection.is_ready() && connection.ready().await.is_err() {
            connection = connect(&shared.address).await?;
        }
    }
}

impl Shared {
    fn request(&self, token: &str, turn: usize) -> Result<Request<Body>, Failure> {
        let mut request = Request::post("/token")
            .header(header::HOST, &self.address)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        if self.keyed {
            request = request.header("idempotency-key", format!("{turn:032x}"));
        }
        let form = format!("grant_type=refresh_token&client_id=desktop&refresh_token={token}");
        Ok(request.body(Body::from(form))?)
    }
}

/// The refresh token of an answer, or what it says instead: its status and, where it has one, its `error`.
async fn read(response: axum::http::Response<Incoming>) -> Result<Result<String, Refused>, Failure> {
    let status = response.status();
    let bytes = axum::body::to_bytes(Body::new(response.into_body()), usize::MAX).await?;
    let answer: Answer = serde_json::from_slice(&bytes).unwrap_or_default();
    Ok(match (answer.refresh_token, answer.error) {
        (Some(token), _) if status.is_success() => Ok(token),
        (_, Some(error)) if error == "invalid_grant" => Err(Refused::ForGood(format!("{status}: {error}"))),
        (_, error) => {
            Err(Refused::ForNow(error.map_or_else(|| status.to_string(), |error| format!("{status}: {error}"))))
        }
    })
}

#[derive(Default, serde::Deserialize)]
struct Answer {
    refresh_token: Option<String>,
    error: Option<String>,
}

#[expect(clippy::disallowed_methods, reason = "what is measured is true time")]
fn now() -> Instant {
    Instant::now()
}
