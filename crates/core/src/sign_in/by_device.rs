//! A code shown here and typed into a browser elsewhere, RFC 8628: for terminals over SSH and machines without a browser.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use pilotlight_oauth::{
    Client, DeviceCode, DeviceVerdict, Scope, Service, Timestamp, Tokens, Verdict, parse_device_code,
};
use url::Url;

use super::Obtained;
use crate::lifecycle::Pilotlight;
use crate::refresh::{misbehaved, refused, unavailable};
use crate::{Error, ErrorCode};

/// By how much longer each pause becomes when the service says `slow_down` (RFC 8628 section 3.5).
const SLOWER: Duration = Duration::from_secs(5);
/// Pauses that double while there is no network stop growing here, so that its return is noticed.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// What a person has to be shown. Its code is for whoever looks at this screen, and for no log.
#[derive(Clone)]
pub struct DeviceInvitation {
    /// What to type: one line, nothing invisible in it.
    pub user_code: String,
    /// Where to type it.
    pub verification_uri: Url,
    /// The same with the code in it, for a QR code, where the service has one.
    pub verification_uri_complete: Option<Url>,
    /// Until when, on the wall clock.
    pub expires_at: Timestamp,
    /// How long that is from now.
    pub expires_in: Duration,
}

impl fmt::Debug for DeviceInvitation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeviceInvitation").field("expires_in", &self.expires_in).finish_non_exhaustive()
    }
}

/// How a sign-in by device code stands.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum DeviceProgress {
    /// Show this. Comes once, and first.
    Invited(DeviceInvitation),
    /// The service was asked, and nobody has decided yet.
    Waiting {
        /// So long is left.
        left: Duration,
    },
    /// The service could not be asked or had nothing to say; it is asked again.
    Trouble {
        /// What is in the way.
        problem: Error,
        /// So long is left.
        left: Duration,
    },
}

/// Hears how a sign-in by device code stands. It is called between two questions and should return at once.
#[derive(Clone)]
pub struct DeviceWatcher(Arc<dyn Fn(DeviceProgress) + Send + Sync>);

impl DeviceWatcher {
    /// A watcher that calls `told` with each step.
    pub fn new(told: impl Fn(DeviceProgress) + Send + Sync + 'static) -> Self {
        Self(Arc::new(told))
    }

    fn tell(&self, progress: DeviceProgress) {
        (self.0)(progress);
    }
}

impl fmt::Debug for DeviceWatcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DeviceWatcher")
    }
}

/// How long the next pause is.
struct Pauses {
    interval: Duration,
    without_answer: u32,
    asked_for: Duration,
}

impl Pauses {
    const fn of(interval: Duration) -> Self {
        Self { interval, without_answer: 0, asked_for: Duration::ZERO }
    }

    /// RFC 8628 section 3.5: what was not answered doubles the pause; an answer ends that.
    fn next(&self) -> Duration {
        let doubled = self.interval.saturating_mul(1 << self.without_answer.min(6));
        doubled.min(LONGEST_PAUSE).max(self.interval).max(self.asked_for)
    }

    fn heard(&mut self, verdict: &DeviceVerdict) {
        let (without_answer, asked_for) = match verdict {
            DeviceVerdict::Nothing { after } => (self.without_answer.saturating_add(1), after.unwrap_or_default()),
            _ => (0, Duration::ZERO),
        };
        (self.without_answer, self.asked_for) = (without_answer, asked_for);
        if matches!(verdict, DeviceVerdict::SlowDown) {
            self.interval = self.interval.saturating_add(SLOWER);
        }
    }
}

impl Pilotlight {
    pub(super) async fn by_device(
        &self,
        service: &Service,
        client: &Client,
        scope: &Scope,
        watcher: &DeviceWatcher,
    ) -> Result<Obtained, Error> {
        let request = service.device_request(client, scope).ok_or_else(unsupported)?;
        let answer = self.0.config.transport.send(request).await?;
        let mut clock_offset_ms = self.hear_clock(&answer);
        let code = parse_device_code(&answer).map_err(not_invited)?;
        let end = self.0.config.clock.elapsed().saturating_add(code.expires_in);
        watcher.tell(DeviceProgress::Invited(invitation(&code, self.now())));
        let tokens = self.wait_for_decision(service, client, &code, end, watcher, &mut clock_offset_ms).await?;
        let mut obtained = self.whose(service, client, scope, tokens, None, None).await?;
        obtained.clock_offset_ms = clock_offset_ms;
        Ok(obtained)
    }

    /// Asks until there is an answer or the code has expired. The clock counts the machine's sleep.
    async fn wait_for_decision(
        &self,
        service: &Service,
        client: &Client,
        code: &DeviceCode,
        end: Duration,
        watcher: &DeviceWatcher,
        clock_offset_ms: &mut Option<i64>,
    ) -> Result<Tokens, Error> {
        let clock = &self.0.config.clock;
        let mut pauses = Pauses::of(code.interval);
        loop {
            let next = clock.elapsed().saturating_add(pauses.next());
            clock.sleep_until(next.min(end)).await;
            if clock.elapsed() >= end {
                return Err(timed_out());
            }
            let request = service.device_token_request(client, &code.device_code).ok_or_else(unsupported)?;
            let sent = self.0.config.transport.send(request).await;
            let left = end.saturating_sub(clock.elapsed());
            let (verdict, problem) = match sent {
                Ok(answer) => {
                    *clock_offset_ms = self.hear_clock(&answer);
                    (service.classify_device(&answer, self.now()), trouble(answer.status))
                }
                Err(error) => (DeviceVerdict::Nothing { after: None }, error.into()),
            };
            pauses.heard(&verdict);
            match verdict {
                DeviceVerdict::Granted(tokens) => return Ok(*tokens),
                DeviceVerdict::Denied => return Err(denied()),
                DeviceVerdict::Expired => return Err(timed_out()),
                DeviceVerdict::Refused(refusal) => return Err(refused(&refusal)),
                DeviceVerdict::Pending | DeviceVerdict::SlowDown => watcher.tell(DeviceProgress::Waiting { left }),
                DeviceVerdict::Nothing { .. } => watcher.tell(DeviceProgress::Trouble { problem, left }),
            }
        }
    }
}

fn invitation(code: &DeviceCode, now: Timestamp) -> DeviceInvitation {
    DeviceInvitation {
        user_code: code.user_code.clone(),
        verification_uri: code.verification_uri.clone(),
        verification_uri_complete: code.verification_uri_complete.clone(),
        expires_at: now.plus(code.expires_in),
        expires_in: code.expires_in,
    }
}

fn not_invited(verdict: Verdict) -> Error {
    match verdict {
        Verdict::Refused(refusal) if refusal.error == "unsupported_grant_type" => unsupported(),
        Verdict::Refused(refusal) | Verdict::InvalidGrant(refusal) => refused(&refusal),
        Verdict::Unavailable { status, .. } => unavailable(status),
        Verdict::Misbehaved { status, why } => misbehaved(status, why),
        Verdict::Granted(_) => misbehaved(200, "tokens where a device code was asked for"),
    }
}

/// What an answer that says nothing is called.
fn trouble(status: u16) -> Error {
    if matches!(status, 408 | 425 | 429 | 500..) {
        unavailable(status)
    } else {
        misbehaved(status, "it is not an answer to the question")
    }
}

fn denied() -> Error {
    Error::new(ErrorCode::SignInDenied, "The sign-in was declined.")
}

fn timed_out() -> Error {
    Error::new(ErrorCode::SignInTimedOut, "The code was not used before it expired.")
}

fn unsupported() -> Error {
    Error::new(ErrorCode::FlowUnsupported, "The service has no sign-in by a code for another device.")
}
