//! One refresh, in its order: in-process flight → file lock → read again → note the attempt → send → commit → publish.
//! The decisions are [`crate::grant`]'s; this file carries them out.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use pilotlight_oauth::{Refusal, Tokens, Verdict};
use pilotlight_vault::Attempt;
use tokio::sync::watch;

use crate::grant::{self, Attempts, Effect, EndReason, Event, State};
use crate::journal::EventKind;
use crate::lifecycle::{Pilotlight, blocking};
use crate::page::Held;
use crate::parts::Lock;
use crate::record::{Ended, GrantRecord};
use crate::{Error, ErrorCode, ErrorKind, random};

/// So long a lease must still hold when a token is spent: the transport's deadline, and some time to commit.
const EXCHANGE: Duration = Duration::from_secs(20);

/// A refresh under way in this process; everybody who wants one waits for its outcome.
pub(crate) type Flight = watch::Receiver<Option<Result<Held, Error>>>;
type Landing = watch::Sender<Option<Result<Held, Error>>>;

impl Pilotlight {
    /// A generation newer than `seen`: of the flight under way, or of a new one. `force` also flies while a pause is on.
    pub(crate) async fn refreshed(&self, seen: &Held, force: bool) -> Result<Held, Error> {
        let waiting = self.page(seen.id, |page| match (&page.problem, page.retry_at) {
            (Some(problem), Some(at)) if page.flight.is_none() && !force && at > self.elapsed() => {
                Some(problem.clone())
            }
            _ => None,
        });
        if let Some(problem) = waiting {
            return Err(problem);
        }
        let mut flight = self.take_off(seen, force);
        let landed = flight.wait_for(Option::is_some).await;
        match landed.as_deref() {
            Ok(Some(outcome)) => outcome.clone(),
            _ => Err(Error::new(ErrorCode::Internal, "The refresh ended without a result.")),
        }
    }

    /// Joins the flight under way, or starts one. It is detached: a caller who goes away cannot tear it in half.
    pub(crate) fn take_off(&self, seen: &Held, force: bool) -> Flight {
        self.page(seen.id, |page| {
            if let Some(flight) = &page.flight {
                return flight.clone();
            }
            let (landing, flight) = watch::channel(None);
            page.flight = Some(flight.clone());
            if force {
                page.retry_at = None;
            }
            self.0.flights.launch(self.clone().fly(seen.clone(), landing));
            flight
        })
    }

    /// Ends when no refresh of this process is in the air: before a program exits, so that none is torn in half.
    pub async fn land(&self) {
        self.0.flights.landed().await;
        self.0.config.locks.settled().await;
    }

    async fn fly(self, seen: Held, landing: Landing) {
        let guard = Landed { pilotlight: self.clone(), id: seen.id };
        self.announce();
        let outcome = self.refresh_under_lock(&seen, &landing).await;
        if let Err(error) = &outcome {
            self.pause_after(&seen, error);
        }
        // The page must be free before the waiters go on, or the next of them would join this very flight.
        drop(guard);
        landing.send_replace(Some(outcome));
    }

    async fn refresh_under_lock(&self, seen: &Held, landing: &Landing) -> Result<Held, Error> {
        let id = seen.id;
        let lock = self.lock_to_change(&id.to_string()).await?;
        let Some(held) = self.load(id).await? else {
            return Err(Error::new(ErrorCode::NoSuchAccount, "This account was signed out meanwhile."));
        };
        if let Some(ended) = &held.record.ended {
            return Err(ended.problem());
        }
        if held.generation != seen.generation {
            // Somebody else refreshed. Generations decide that, never the clock (P3).
            self.settle(&held, State::Resting, None);
            return Ok(held);
        }
        if held.record.refresh_token.is_none() {
            return Err(Error::new(ErrorCode::NoRefreshToken, "The service gave no refresh token for this account."));
        }
        let state = self.page(id, |page| match page.state {
            // What is remembered of an older generation says nothing about this one.
            State::Waiting(_) | State::Ended(_) if page.generation == held.generation => page.state,
            _ => State::Resting,
        });
        let (key, tokens, offset, refusal, problem) = (None, None, None, None, None);
        Refresh { core: self, landing, lock, held, state, key, tokens, offset, refusal, problem }.run().await
    }

    /// Whatever a flight failed of, even a lock file that cannot be made: the next one waits, or the planner would spin.
    fn pause_after(&self, seen: &Held, error: &Error) {
        let now = self.elapsed();
        self.page(seen.id, |page| {
            let planned = page.retry_at.is_some_and(|at| at > now);
            if planned || matches!(page.state, State::Ended(_)) || error.kind() == ErrorKind::NeedsSignIn {
                return;
            }
            let before = match page.state {
                State::Waiting(attempts) if page.generation == seen.generation => attempts,
                _ => Attempts::default(),
            };
            let attempts = Attempts { failures: before.failures.saturating_add(1), ..before };
            page.generation = seen.generation;
            page.state = State::Waiting(attempts);
            page.problem = Some(error.clone());
            page.retry_at = Some(now + grant::pause(attempts.failures, u32::MAX / 2));
        });
        self.replan(seen);
    }

    /// Writes down where the grant stands in this process.
    pub(crate) fn settle(&self, held: &Held, state: State, problem: Option<Error>) {
        self.page(held.id, |page| {
            page.generation = held.generation;
            page.state = state;
            page.retry_at = None;
            page.problem = problem;
        });
        self.replan(held);
    }
}

/// Frees the page when the flight is over, whatever ended it.
struct Landed {
    pilotlight: Pilotlight,
    id: pilotlight_vault::GrantId,
}

impl Drop for Landed {
    fn drop(&mut self) {
        self.pilotlight.page(self.id, |page| page.flight = None);
        self.pilotlight.announce();
    }
}

/// One refresh while the lock is held.
struct Refresh<'a> {
    core: &'a Pilotlight,
    landing: &'a Landing,
    lock: Lock,
    held: Held,
    state: State,
    key: Option<[u8; 16]>,
    tokens: Option<Tokens>,
    /// Of the server's clock, by the answer that brought the tokens.
    offset: Option<i64>,
    refusal: Option<Refusal>,
    problem: Option<Error>,
}

/// What carrying out an effect led to.
enum Then {
    Event(Event),
    Go,
    End(Result<Held, Error>),
}

impl Refresh<'_> {
    async fn run(mut self) -> Result<Held, Error> {
        let resumed = self.held.attempt.is_some();
        if resumed {
            self.note(
                EventKind::Resumed,
                "An earlier refresh had an unknown outcome; it is repeated with the same key.",
            )
            .await;
        }
        let mut effects = VecDeque::new();
        let mut event = Some(Event::Wanted { resumed });
        loop {
            if let Some(event) = event.take() {
                let jitter = u32::from_le_bytes(random::make_bytes(&*self.core.0.config.random)?);
                let (state, next) = grant::step(self.state, event, jitter);
                self.state = state;
                effects.extend(next);
            }
            let Some(effect) = effects.pop_front() else {
                return Err(Error::new(ErrorCode::Internal, "The refresh came to a stop."));
            };
            match self.carry_out(effect).await {
                Then::Event(next) => event = Some(next),
                Then::Go => {}
                Then::End(outcome) => return outcome,
            }
        }
    }

    async fn carry_out(&mut self, effect: Effect) -> Then {
        match effect {
            Effect::NoteAttempt => Then::Event(self.note_attempt().await),
            Effect::ForgetAttempt => {
                self.forget_attempt().await;
                Then::Go
            }
            Effect::Send => Then::Event(self.send().await),
            Effect::ReadAgain => Then::Event(self.read_again().await),
            Effect::Save => Then::Event(self.save().await),
            Effect::Publish => Then::End(self.publish().await),
            Effect::Adopt => Then::End(self.adopt().await),
            Effect::RetryAfter(after) => self.retry_after(after).await,
            Effect::Quarantine(reason) => Then::End(self.quarantine(reason).await),
            Effect::Erase => Then::End(Err(Error::new(ErrorCode::NoSuchAccount, "This account was signed out."))),
        }
    }

    async fn note_attempt(&mut self) -> Event {
        if !self.lock.holds_for(self.core.elapsed(), EXCHANGE) {
            // Whoever holds the lease now may be about to read: nothing of ours should come between.
            return self.failed(lease_ran_out(), Event::AttemptNotNoted);
        }
        let fresh = random::make_bytes(&*self.core.0.config.random);
        let key = match (self.held.attempt.as_ref(), fresh) {
            (Some(open), _) => open.idempotency_key,
            (None, Ok(key)) => key,
            (None, Err(error)) => return self.failed(error, Event::AttemptNotNoted),
        };
        self.key = Some(key);
        let attempt = Attempt { idempotency_key: key, started_at_ms: self.core.now().as_millis() };
        let (id, generation, saw) = (self.held.id, self.held.generation, self.held.attempt.take());
        self.held.attempt = Some(attempt.clone());
        let noted =
            self.core.with_vault_do(move |vault| vault.begin_attempt(&id, generation, saw.as_ref(), &attempt)).await;
        match noted {
            Ok(()) => Event::AttemptNoted,
            Err(error) => self.failed(error, Event::AttemptNotNoted),
        }
    }

    /// Should it fail, the attempt stays open: the next one is then taken for a repeat, which is harmless.
    async fn forget_attempt(&mut self) {
        let Some(attempt) = self.held.attempt.clone() else { return };
        let (id, generation) = (self.held.id, self.held.generation);
        match self.core.with_vault_do(move |vault| vault.end_attempt(&id, generation, &attempt)).await {
            Ok(()) => self.held.attempt = None,
            Err(error) => tracing::info!(%error, grant_id = %id, "an attempt that was not sent could not be forgotten"),
        }
    }

    async fn send(&mut self) -> Event {
        let record = &self.held.record;
        let (Some(token), Some(key)) = (&record.refresh_token, &self.key) else {
            let error = Error::new(ErrorCode::Internal, "There is nothing to send.");
            return self.failed(error, Event::NotSent);
        };
        if !self.lock.holds_for(self.core.elapsed(), EXCHANGE) {
            // The machine slept while we held a lease: somebody else may be spending this very token, with the attempt
            // that stands in the vault. It is not ours to forget.
            return self.failed(lease_ran_out(), Event::AnswerLost);
        }
        let request = record.service.refresh_request(&record.client, token, &hex(key));
        let answer = match self.core.0.config.transport.send(request).await {
            Ok(answer) => answer,
            Err(error @ crate::parts::TransportError::NotSent(_)) => return self.failed(error.into(), Event::NotSent),
            Err(error) => return self.failed(error.into(), Event::AnswerLost),
        };
        self.offset = self.core.hear_clock(&answer);
        match record.service.classify(&answer, self.core.now()) {
            Verdict::Granted(tokens) => {
                self.tokens = Some(*tokens);
                Event::Granted
            }
            Verdict::InvalidGrant(refusal) => {
                self.refusal = Some(refusal);
                Event::InvalidGrant
            }
            Verdict::Refused(refusal) => self.failed(refused(&refusal), Event::Refused),
            Verdict::Unavailable { status, after } => {
                if let Some(after) = after {
                    self.core.0.paces.of(&record.service.identifier()).hold_until(self.core.elapsed() + after);
                }
                self.failed(unavailable(status), Event::Unavailable { after })
            }
            Verdict::Misbehaved { status, why } => self.failed(misbehaved(status, why), Event::Misbehaved),
        }
    }

    async fn read_again(&mut self) -> Event {
        match self.core.load(self.held.id).await {
            Ok(Some(now)) if now.generation == self.held.generation => Event::Confirmed,
            Ok(_) => Event::Superseded,
            Err(error) => self.failed(error, Event::AttemptNotNoted),
        }
    }

    async fn save(&mut self) -> Event {
        if let Some(tokens) = self.tokens.take() {
            let mut record = (*self.held.record).clone();
            record.take(tokens, self.core.now());
            record.clock_offset_ms = self.offset;
            record.refreshes += 1;
            self.held.record = Arc::new(record);
        }
        match self.commit(&self.held.record).await {
            Ok(generation) => {
                self.held.generation = generation;
                self.held.attempt = None;
                Event::Saved
            }
            Err(error) if matches!(error.code(), ErrorCode::GrantBusy | ErrorCode::NoSuchAccount) => Event::Superseded,
            Err(error) => {
                let text = format!("New tokens could not be saved and are kept in memory: {error}");
                self.note(EventKind::SaveFailed, &text).await;
                self.failed(error, Event::NotSaved)
            }
        }
    }

    async fn commit(&self, record: &Arc<GrantRecord>) -> Result<u64, Error> {
        let (id, generation, record) = (self.held.id, self.held.generation, Arc::clone(record));
        let payload = blocking(move || record.to_payload()).await?;
        self.core.with_vault_do(move |vault| vault.commit(&id, generation, &payload)).await
    }

    async fn publish(&mut self) -> Result<Held, Error> {
        self.core.rotated(self.held.id);
        self.core.settle(&self.held, self.state, None);
        self.note(EventKind::Refreshed, "The tokens were refreshed.").await;
        Ok(self.held.clone())
    }

    async fn adopt(&mut self) -> Result<Held, Error> {
        let newer = self.core.load(self.held.id).await?;
        let newer =
            newer.ok_or_else(|| Error::new(ErrorCode::NoSuchAccount, "This account was signed out meanwhile."))?;
        self.core.settle(&newer, State::Resting, None);
        newer.record.ended.as_ref().map_or(Ok(newer.clone()), |ended| Err(ended.problem()))
    }

    async fn retry_after(&mut self, after: Duration) -> Then {
        let problem = self.problem.clone().unwrap_or_else(|| unavailable(0));
        let at = self.core.elapsed() + after;
        self.core.page(self.held.id, |page| {
            page.generation = self.held.generation;
            page.state = self.state;
            page.problem = Some(problem.clone());
            page.retry_at = Some(at);
        });
        self.core.replan(&self.held);
        if matches!(self.state, State::Saving { .. }) {
            // Callers are told at once; the tokens, and the lock with them, are held until they are durable (P2).
            self.landing.send_replace(Some(Err(problem)));
            self.core.announce();
            tokio::time::sleep(after).await;
            return Then::Go;
        }
        self.note(
            EventKind::RefreshFailed,
            &format!("A refresh did not succeed; the account stays signed in: {problem}"),
        )
        .await;
        Then::End(Err(problem))
    }

    async fn quarantine(&mut self, reason: EndReason) -> Result<Held, Error> {
        let words = self.refusal.take().and_then(|refusal| refusal.description.or(Some(refusal.error)));
        let ended = Ended { reason, at: self.core.now(), words };
        let problem = ended.problem();
        let mut record = (*self.held.record).clone();
        record.ended = Some(ended);
        let record = Arc::new(record);
        let mut marked = self.commit(&record).await;
        self.core.settle(&self.held, self.state, Some(problem.clone()));
        self.note(EventKind::Ended, problem.message()).await;
        let mut failures = 0;
        while let Err(error) = marked {
            if matches!(error.code(), ErrorCode::GrantBusy | ErrorCode::NoSuchAccount) {
                break;
            }
            // Callers are told at once. The lock is held until the end is durable: who came next would spend the token again.
            failures += 1;
            tracing::warn!(%error, grant_id = %self.held.id, "a refused grant could not be marked as ended yet");
            self.landing.send_replace(Some(Err(problem.clone())));
            self.core.announce();
            let jitter = u32::from_le_bytes(random::make_bytes(&*self.core.0.config.random)?);
            tokio::time::sleep(grant::pause(failures, jitter)).await;
            marked = self.commit(&record).await;
        }
        Err(problem)
    }

    fn failed(&mut self, error: Error, event: Event) -> Event {
        tracing::info!(grant_id = %self.held.id, code = error.code().as_str(), ?event, "a refresh step did not succeed");
        self.problem = Some(error);
        event
    }

    async fn note(&self, kind: EventKind, text: &str) {
        self.core.note(&self.held.record.name, kind, text).await;
    }
}

fn lease_ran_out() -> Error {
    Error::new(ErrorCode::GrantBusy, "The lease ran out before the refresh was sent.")
}

fn hex(key: &[u8; 16]) -> String {
    key.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A well-formed error other than `invalid_grant`, in the service's words.
pub(crate) fn refused(refusal: &Refusal) -> Error {
    let answered = format!("The service answered {}", refusal.error);
    Error::new(ErrorCode::ClientRefused, in_its_words(&answered, refusal.description.as_deref()))
}

/// One sentence with the service's words behind it, which may be sentences of their own.
pub(crate) fn in_its_words(sentence: &str, words: Option<&str>) -> String {
    words.map_or_else(|| format!("{sentence}."), |words| format!("{sentence}: {}.", words.trim_end_matches('.')))
}

pub(crate) fn unavailable(status: u16) -> Error {
    Error::new(ErrorCode::ServerUnavailable, format!("The service cannot answer now (status {status})."))
}

pub(crate) fn misbehaved(status: u16, why: &str) -> Error {
    Error::new(
        ErrorCode::ServerMisbehaved,
        format!("The answer is not one of an authorization server: {why} (status {status})."),
    )
}

#[cfg(test)]
#[path = "refresh_tests.rs"]
mod tests;
