//! All [`parts`](crate::parts) simulated, so that a test of your app needs no network, no keystore and no waiting.
//!
//! | What | Stands for | What a test does with it |
//! |---|---|---|
//! | [`config`] | [`Config::system`] | puts the parts below together; every field can be replaced |
//! | [`SimulatedClock`] | the wall clock, timers, the machine's sleep | `tokio::time::advance`, [`SimulatedClock::sleep_machine`], [`SimulatedClock::set_wrong_by`] |
//! | [`FakeServer`] | the network, and an authorization server at `https://as.test` | [`FakeServer::fail_next`] for single requests, [`FakeServer::set_weather`] until told otherwise, [`FakeServer::revoke`]; then asks what it saw |
//! | [`sign_in()`], [`registration()`], [`password()`] | the person | signs `ada` in at the fake server |
//! | [`SimulatedKeystore`] | the system's keystore | locks it, takes it away, lets it hang, gives it another key |
//! | [`CrashingVault`] | a vault, and the end of the process within a refresh | ends it at each [`CrashPoint`] |
//! | [`RecordingBrowser`] | the person's browser | asks which addresses were opened |
//! | [`SeededRandom`] | the system's randomness | chooses the seed |
//! | [`kill()`] | the end of the process | calls it, and starts a second [`Pilotlight`](crate::Pilotlight) from the same [`Config`] |
//! | [`Life`], [`scale()`] | months of a person's days; very many grants | runs them against changes to this crate |
//!
//! The server knows the password `demo`, takes every client, rotates each refresh token and ends a grant whose consumed token
//! comes back. Tokio's time should be paused: then an hour takes no time, and each run is like the last.
//!
//! ```
//! use std::{sync::Arc, time::Duration};
//! use pilotlight::simulation::{FakeServer, SimulatedClock, Weather, config, sign_in};
//! use pilotlight::{Home, Pilotlight, Status};
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let home = Home::at(folder.path().join("home"))?;
//! let hour = Duration::from_secs(3600);
//! let clock = Arc::new(SimulatedClock::start());
//! let server = Arc::new(FakeServer::new(clock.clone(), hour));
//! let pilotlight = Pilotlight::new(config(home, clock.clone(), server.clone()));
//! sign_in(&pilotlight, "work").await?;
//!
//! // The lid is closed for a night, and opened where there is no network.
//! clock.sleep_machine(8 * hour);
//! server.set_weather(Weather::Offline);
//! assert!(pilotlight.access_token("work", Duration::ZERO).await.is_err());
//!
//! // The network comes back. Nobody has to sign in again.
//! server.set_weather(Weather::Fine);
//! tokio::time::advance(hour).await;
//! pilotlight.access_token("work", Duration::ZERO).await?;
//! assert_eq!(pilotlight.account("work").await?.status, Status::SignedIn);
//! assert_eq!((server.refreshes(), server.reuses()), (1, 0));
//! # Ok(())
//! # }
//! ```

mod clock;
mod crash;
mod exchange;
mod keystore;
mod kill;
mod life;
mod person;
mod scale;

pub use clock::SimulatedClock;
pub use crash::{CrashPoint, CrashingVault};
pub use keystore::{KeystoreState, SimulatedKeystore};
pub use kill::kill;
pub use life::{Life, Outcome};
pub use person::{password, registration, sign_in};
pub use scale::{Scale, scale};

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pilotlight_oauth::{ExposeSecret as _, HttpRequest, HttpResponse};
use pilotlight_vault::keystore::MemoryKeystore;
use tokio::sync::watch;
use url::Url;

use crate::parts::{Answer, Browser, Clock, FileLocks, Random, Transport, TransportError};
use crate::{Config, Error, Home};

/// Reproducible bytes (SplitMix64). Never for keys that matter.
pub struct SeededRandom(AtomicU64);

impl SeededRandom {
    /// The same seed gives the same bytes.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }
}

impl Random for SeededRandom {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), Error> {
        for chunk in bytes.chunks_mut(8) {
            let mut z = self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::SeqCst);
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            chunk.copy_from_slice(&(z ^ (z >> 31)).to_le_bytes()[..chunk.len()]);
        }
        Ok(())
    }
}

/// Remembers what it was asked to open.
#[derive(Default)]
pub struct RecordingBrowser(Mutex<Vec<Url>>);

impl RecordingBrowser {
    /// The addresses so far.
    #[must_use]
    pub fn opened(&self) -> Vec<Url> {
        lock(&self.0).clone()
    }
}

impl Browser for RecordingBrowser {
    fn open(&self, url: &Url) -> Result<(), Error> {
        lock(&self.0).push(url.clone());
        Ok(())
    }
}

/// What the fake server does with one request instead of answering it well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The connection is refused.
    Refuse,
    /// It does its work, and the answer is lost.
    LoseAnswer,
    /// This status with this content type and body, and no work done.
    Answer(u16, &'static str, &'static str),
    /// This status with `Retry-After`, in seconds.
    TryLater(u16, u64),
}

/// What the way to the server is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Weather {
    /// All is well.
    #[default]
    Fine,
    /// No network.
    Offline,
    /// A hotel's sign-in page answers in the server's place.
    Portal,
    /// The server restarts, and says so.
    Down,
    /// Every second answer is lost on its way back.
    Lossy,
}

/// An authorization server in memory at `https://as.test`: rotation, strict reuse detection, and the rule of P9 where it is
/// told to know the key.
pub struct FakeServer {
    clock: Arc<dyn Clock>,
    access_ttl: Duration,
    knows_keys: bool,
    latency: Duration,
    held: watch::Sender<bool>,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    grants: HashMap<u64, FakeGrant>,
    faults: VecDeque<Fault>,
    weather: Weather,
    at_once: u64,
    most_at_once: u64,
    refreshes: u64,
    requests: u64,
    reuses: u64,
}

#[derive(Default)]
struct FakeGrant {
    generation: u64,
    last_key: Option<String>,
    revoked: bool,
    /// The next answers leave the refresh token out and keep it valid.
    sticky: bool,
}

impl FakeServer {
    /// A server whose access tokens live for `access_ttl`.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>, access_ttl: Duration) -> Self {
        let latency = Duration::from_millis(20);
        Self { clock, access_ttl, knows_keys: true, latency, held: watch::Sender::new(false), inner: Mutex::default() }
    }

    /// The same, with strict reuse detection and no knowledge of `Idempotency-Key`.
    #[must_use]
    pub fn strict(mut self) -> Self {
        self.knows_keys = false;
        self
    }

    /// The same, taking `latency` for every answer.
    #[must_use]
    pub const fn slow(mut self, latency: Duration) -> Self {
        self.latency = latency;
        self
    }

    /// Keeps every answer back from now on, as a server that hangs, or lets them go.
    pub fn hold(&self, held: bool) {
        self.held.send_replace(held);
    }

    /// What happens to the next token requests, one each.
    pub fn fail_next(&self, faults: impl IntoIterator<Item = Fault>) {
        lock(&self.inner).faults.extend(faults);
    }

    /// The most requests that were under way together.
    #[must_use]
    pub fn most_at_once(&self) -> u64 {
        lock(&self.inner).most_at_once
    }

    /// Begins a grant without a sign-in and gives its refresh token.
    #[must_use]
    pub fn grant(&self) -> String {
        let mut inner = lock(&self.inner);
        let id = inner.grants.len() as u64 + 1;
        inner.grants.insert(id, FakeGrant::default());
        format!("rt.{id}.0")
    }

    /// Changes the weather.
    pub fn set_weather(&self, weather: Weather) {
        lock(&self.inner).weather = weather;
    }

    /// The present weather.
    #[must_use]
    pub fn weather(&self) -> Weather {
        lock(&self.inner).weather
    }

    /// Rotations done.
    #[must_use]
    pub fn refreshes(&self) -> u64 {
        lock(&self.inner).refreshes
    }

    /// Token requests seen, failed ones included.
    #[must_use]
    pub fn requests(&self) -> u64 {
        lock(&self.inner).requests
    }

    /// Consumed tokens that were presented again.
    #[must_use]
    pub fn reuses(&self) -> u64 {
        lock(&self.inner).reuses
    }

    /// Whether a grant is alive.
    #[must_use]
    pub fn is_alive(&self, grant: u64) -> bool {
        lock(&self.inner).grants.get(&grant).is_some_and(|grant| !grant.revoked)
    }

    /// Ends a grant.
    pub fn revoke(&self, grant: u64) {
        if let Some(grant) = lock(&self.inner).grants.get_mut(&grant) {
            grant.revoked = true;
        }
    }

    /// From now on this grant's refresh token is not rotated, and answers leave it out.
    pub fn stop_rotating(&self, grant: u64) {
        if let Some(grant) = lock(&self.inner).grants.get_mut(&grant) {
            grant.sticky = true;
        }
    }

    fn handle(&self, request: &HttpRequest) -> Result<HttpResponse, TransportError> {
        if request.url.path().starts_with("/.well-known/") {
            return Ok(json(200, METADATA));
        }
        let body = request.body.as_ref().map(|body| body.expose_secret().to_owned()).unwrap_or_default();
        let form: HashMap<String, String> = url::form_urlencoded::parse(body.as_bytes()).into_owned().collect();
        let mut inner = lock(&self.inner);
        match request.url.path() {
            "/token" => {
                inner.requests += 1;
                let fault = inner.faults.pop_front().or(match inner.weather {
                    Weather::Fine => None,
                    Weather::Offline => Some(Fault::Refuse),
                    Weather::Portal => Some(Fault::Answer(200, "text/html", "<html>Room number?</html>")),
                    Weather::Down => Some(Fault::Answer(503, "text/plain", "restarting")),
                    Weather::Lossy => inner.requests.is_multiple_of(2).then_some(Fault::LoseAnswer),
                });
                match fault {
                    Some(Fault::Refuse) => return Err(TransportError::NotSent("connection refused".into())),
                    Some(Fault::Answer(status, kind, text)) => return Ok(answer(status, kind, text)),
                    Some(Fault::TryLater(status, seconds)) => {
                        let retry_after = Some(Duration::from_secs(seconds));
                        return Ok(HttpResponse { retry_after, ..answer(status, "text/plain", "") });
                    }
                    Some(Fault::LoseAnswer) | None => {}
                }
                let answered = self.token(&mut inner, &form, request.idempotency_key.as_deref());
                if fault.is_some() { Err(TransportError::Lost("connection reset".into())) } else { Ok(answered) }
            }
            "/revoke" => {
                if let Some(grant) =
                    form.get("token").and_then(|token| parse(token)).and_then(|(id, _)| inner.grants.get_mut(&id))
                {
                    grant.revoked = true;
                }
                Ok(json(200, "{}"))
            }
            _ => Ok(answer(404, "text/html", "<h1>Not found</h1>")),
        }
    }

    fn token(&self, inner: &mut Inner, form: &HashMap<String, String>, key: Option<&str>) -> HttpResponse {
        match form.get("grant_type").map(String::as_str) {
            Some("password") if form.get("password").is_some_and(|password| password == "demo") => {
                let id = inner.grants.len() as u64 + 1;
                inner.grants.insert(id, FakeGrant::default());
                self.granted(id, 0, true)
            }
            Some("refresh_token") => self.refresh(inner, form.get("refresh_token").map_or("", String::as_str), key),
            Some(exchange::GRANT_TYPE) => self.exchange(inner, form),
            _ => json(400, r#"{"error":"invalid_grant"}"#),
        }
    }

    fn refresh(&self, inner: &mut Inner, token: &str, key: Option<&str>) -> HttpResponse {
        let refuse = || json(400, r#"{"error":"invalid_grant","error_description":"the grant was revoked"}"#);
        let Some((id, generation)) = parse(token) else { return refuse() };
        let Some(grant) = inner.grants.get_mut(&id) else { return refuse() };
        if grant.revoked {
            return refuse();
        }
        if grant.sticky {
            inner.refreshes += 1;
            return self.granted(id, grant.generation, false);
        }
        if generation == grant.generation {
            grant.generation += 1;
            grant.last_key = key.map(ToOwned::to_owned);
            inner.refreshes += 1;
            return self.granted(id, grant.generation, true);
        }
        let repeat =
            self.knows_keys && generation + 1 == grant.generation && key.is_some() && grant.last_key.as_deref() == key;
        if repeat {
            return self.granted(id, grant.generation, true);
        }
        grant.revoked = true;
        inner.reuses += 1;
        refuse()
    }

    fn granted(&self, id: u64, generation: u64, with_refresh_token: bool) -> HttpResponse {
        let refresh =
            if with_refresh_token { format!(r#","refresh_token":"rt.{id}.{generation}""#) } else { String::new() };
        let now = self.clock.now().as_millis();
        let (ttl, token) = (self.access_ttl.as_secs(), format!("at.{id}.{generation}.{now}"));
        json(200, &format!(r#"{{"access_token":"{token}","token_type":"Bearer","expires_in":{ttl}{refresh}}}"#))
    }
}

const METADATA: &str = r#"{"issuer":"https://as.test","token_endpoint":"https://as.test/token",
  "authorization_endpoint":"https://as.test/authorize","revocation_endpoint":"https://as.test/revoke"}"#;

impl Transport for FakeServer {
    fn send(&self, request: HttpRequest) -> Answer<'_> {
        Box::pin(async move {
            let _under_way = UnderWay::begin(self);
            let answered = self.handle(&request);
            tokio::time::sleep(self.latency).await;
            // The sender lives as long as this server.
            let _ = self.held.subscribe().wait_for(|held| !held).await;
            answered
        })
    }
}

/// Counts a request while it is under way, also where its sender goes away.
struct UnderWay<'a>(&'a FakeServer);

impl<'a> UnderWay<'a> {
    fn begin(server: &'a FakeServer) -> Self {
        let mut inner = lock(&server.inner);
        inner.at_once += 1;
        inner.most_at_once = inner.most_at_once.max(inner.at_once);
        Self(server)
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        lock(&self.0.inner).at_once -= 1;
    }
}

fn parse(token: &str) -> Option<(u64, u64)> {
    let (id, generation) = token.strip_prefix("rt.")?.split_once('.')?;
    Some((id.parse().ok()?, generation.parse().ok()?))
}

fn json(status: u16, text: &str) -> HttpResponse {
    answer(status, "application/json", text)
}

fn answer(status: u16, kind: &str, text: &str) -> HttpResponse {
    let body = text.as_bytes().to_vec().into();
    HttpResponse { status, content_type: Some(kind.into()), retry_after: None, date: None, body }
}

/// A config of simulated parts around `transport`, with a keystore in memory.
#[must_use]
pub fn config(home: Home, clock: Arc<dyn Clock>, transport: Arc<dyn Transport>) -> Config {
    Config {
        locks: Arc::new(FileLocks::new(&home)),
        home,
        clock,
        random: Arc::new(SeededRandom::new(1)),
        transport,
        keystore: Arc::new(MemoryKeystore::default()),
        browser: Arc::new(RecordingBrowser::default()),
        redis: None,
        tpm: None,
        redirect_scheme: Some(crate::redirect::SCHEME.to_owned()),
        watch: false,
    }
}

/// A record of a token that lives for `life` from `at`.
#[cfg(test)]
pub(crate) fn record(at: pilotlight_oauth::Timestamp, life: Duration) -> crate::record::GrantRecord {
    use pilotlight_oauth::{Client, Person, Scope, Service};
    crate::record::GrantRecord {
        name: "work".into(),
        service: Service::TokenEndpoint { url: "https://as.test/token".parse().unwrap() },
        client: Client { id: "pilotlight".into(), secret: None },
        scope: Scope::default(),
        granted: None,
        person: Person::default(),
        signed_in_at: at,
        refreshed_at: at,
        refreshes: 0,
        access: Some(crate::AccessToken {
            token: "at".into(),
            token_type: "Bearer".into(),
            expires_at: Some(at.plus(life)),
        }),
        refresh_token: Some("rt".into()),
        refresh_expires_at: None,
        first_life: None,
        refresh_in: None,
        clock_offset_ms: None,
        redirect: crate::redirect::Redirect::default(),
        ended: None,
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
