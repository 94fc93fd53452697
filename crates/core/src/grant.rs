//! The life of a grant as a pure state machine: `(state, event) -> (state, effects)`. No I/O, no clock, no tokens.
//!
//! ```text
//!            Wanted            AttemptNoted            Granted            Saved
//!  Resting ─────────▶ Noting ───────────────▶ Sending ─────────▶ Saving ─────────▶ Resting
//!     ▲                 │ NotNoted               │  ▲               │ NotSaved
//!     │                 ▼                        │  │ Wanted        └──▶ Saving (kept in memory, tried again)
//!     └─────────────  (told) ◀── transient ── Waiting
//!                                                │ invalid_grant
//!                                                ▼
//!                                           Confirming ── still the newest? ──▶ Ended
//! ```
//!
//! Only two arrows lead to [`State::Ended`] and [`State::SignedOut`]: a well-formed `invalid_grant` that still holds after
//! the vault was read again, and the person's own word (P1).

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Why a grant ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum EndReason {
    /// The service refused the token although no earlier attempt could have spent it: revoked, expired, or used by a copy.
    Refused,
    /// The service refused a repeat of an attempt whose first answer never arrived.
    LostAnswer,
    /// The access token has expired, and the service never gave anything to refresh it with.
    NothingToRefreshWith,
}

/// Where a grant stands. What waits for whom is in the variant, so that no flag can contradict another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum State {
    /// Nothing to do.
    #[default]
    Resting,
    /// The attempt is being written down.
    Noting(Attempts),
    /// The request is under way.
    Sending(Attempts),
    /// New tokens are in memory and not yet durable.
    Saving {
        /// How often saving failed.
        failures: u32,
    },
    /// The service refused; the vault is read once more before that is believed.
    Confirming(Attempts),
    /// Tried without success; the grant is kept.
    Waiting(Attempts),
    /// Ended, on proof. Its token is never spent again.
    Ended(EndReason),
    /// The person signed out.
    SignedOut,
}

/// What is known of the attempts at the present generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Attempts {
    /// How often it failed in a row.
    pub failures: u32,
    /// Whether an earlier request may have reached the server, so that a refusal may stem from our own lost answer.
    pub maybe_spent: bool,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A refresh is wanted, the lock is held, and the record was read again: nobody refreshed meanwhile.
    /// `resumed` tells that the record holds an open attempt, of a crash or of another process.
    Wanted {
        /// An open attempt was found.
        resumed: bool,
    },
    /// The attempt is durable.
    AttemptNoted,
    /// The attempt could not be written: nothing was spent.
    AttemptNotNoted,
    /// The request did not leave.
    NotSent,
    /// The request may have arrived; the answer did not.
    AnswerLost,
    /// 5xx, 429 and their like. A server may say so after it rotated, so the token may be spent.
    Unavailable {
        /// `Retry-After`.
        after: Option<Duration>,
    },
    /// HTML, malformed JSON, a portal's redirect.
    Misbehaved,
    /// A well-formed error other than `invalid_grant`.
    Refused,
    /// A well-formed `invalid_grant`.
    InvalidGrant,
    /// The vault was read again after `invalid_grant`: the refused token is still the newest.
    Confirmed,
    /// The vault was read again: somebody else holds a newer generation.
    Superseded,
    /// New tokens came.
    Granted,
    /// They are durable.
    Saved,
    /// They could not be saved.
    NotSaved,
    /// The person signs out.
    SignOut,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Durably note the attempt: the open one's key where there is one, or else a new random key.
    NoteAttempt,
    /// Forget the noted attempt: it is certain that the token was not spent.
    ForgetAttempt,
    /// Send the refresh request with the noted key.
    Send,
    /// Read the record again.
    ReadAgain,
    /// Commit the new tokens over the generation they were obtained from.
    Save,
    /// Let callers see the new access token.
    Publish,
    /// Take over what somebody else committed.
    Adopt,
    /// Try again after this time or later.
    RetryAfter(Duration),
    /// Commit the record as ended and keep it for inspection.
    Quarantine(EndReason),
    /// Remove the record.
    Erase,
}

/// The first and the longest pause between attempts.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(300);
const SHORTEST_PAUSE: Duration = Duration::from_millis(100);
/// A `Retry-After` beyond this is not believed.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(3600);

/// One step. An event that does not fit the state changes nothing and asks for nothing: late answers are harmless.
/// `jitter` is a random number of the caller's, uniform over all of `u32`.
#[must_use]
pub fn step(state: State, event: Event, jitter: u32) -> (State, Vec<Effect>) {
    match (state, event) {
        (State::Ended(_) | State::SignedOut, Event::SignOut) => (State::SignedOut, vec![Effect::Erase]),
        (State::Ended(_) | State::SignedOut, _) => (state, vec![]),
        (_, Event::SignOut) => (State::SignedOut, vec![Effect::Erase]),
        (State::Resting, Event::Wanted { resumed }) => note(Attempts { failures: 0, maybe_spent: resumed }),
        (State::Waiting(a), Event::Wanted { resumed }) => note(Attempts { maybe_spent: a.maybe_spent || resumed, ..a }),
        (State::Noting(a), Event::AttemptNoted) => (State::Sending(a), vec![Effect::Send]),
        (State::Noting(a), Event::AttemptNotNoted) => wait(a, None, jitter),
        (State::Sending(_), Event::Granted) => (State::Saving { failures: 0 }, vec![Effect::Save]),
        (State::Sending(a), Event::InvalidGrant) => (State::Confirming(a), vec![Effect::ReadAgain]),
        (State::Sending(a), _) => unanswered(a, event, jitter),
        (State::Confirming(a), Event::Confirmed) => {
            let reason = if a.maybe_spent { EndReason::LostAnswer } else { EndReason::Refused };
            (State::Ended(reason), vec![Effect::Quarantine(reason)])
        }
        (State::Confirming(_), Event::Superseded) => (State::Resting, vec![Effect::Adopt]),
        (State::Confirming(a), Event::AttemptNotNoted) => wait(a, None, jitter),
        (State::Saving { .. }, Event::Saved) => (State::Resting, vec![Effect::Publish]),
        (State::Saving { .. }, Event::Superseded) => (State::Resting, vec![Effect::Adopt]),
        (State::Saving { failures }, Event::NotSaved) => {
            let failures = failures.saturating_add(1);
            (State::Saving { failures }, vec![Effect::RetryAfter(pause(failures, jitter)), Effect::Save])
        }
        (_, _) => (state, vec![]),
    }
}

fn note(attempts: Attempts) -> (State, Vec<Effect>) {
    (State::Noting(attempts), vec![Effect::NoteAttempt])
}

/// After a request that brought no verdict.
fn unanswered(attempts: Attempts, event: Event, jitter: u32) -> (State, Vec<Effect>) {
    let spent = Attempts { maybe_spent: true, ..attempts };
    match event {
        Event::NotSent => unspent(attempts, None, jitter),
        Event::AnswerLost | Event::Misbehaved => wait(spent, None, jitter),
        Event::Unavailable { after } => wait(spent, after, jitter),
        // A refused client or scope does not mend itself by haste.
        Event::Refused => unspent(attempts, Some(LONGEST_PAUSE), jitter),
        _ => (State::Sending(attempts), vec![]),
    }
}

/// After a request that certainly spent nothing; an earlier one may have, and then its attempt stays open.
fn unspent(attempts: Attempts, at_least: Option<Duration>, jitter: u32) -> (State, Vec<Effect>) {
    let (state, mut effects) = wait(attempts, at_least, jitter);
    if !attempts.maybe_spent {
        effects.insert(0, Effect::ForgetAttempt);
    }
    (state, effects)
}

fn wait(attempts: Attempts, at_least: Option<Duration>, jitter: u32) -> (State, Vec<Effect>) {
    let failures = attempts.failures.saturating_add(1);
    let at_least = at_least.unwrap_or_default().min(LONGEST_RETRY_AFTER);
    // Jitter goes on top of what the server asked for, so that not everybody returns in the same instant.
    let after = at_least + pause(failures, jitter);
    (State::Waiting(Attempts { failures, ..attempts }), vec![Effect::RetryAfter(after)])
}

/// Exponential, with full jitter: anything up to 1 s, then up to 2 s, … up to 300 s, and never less than a tenth of a second,
/// so that nobody spins.
#[must_use]
pub fn pause(failures: u32, jitter: u32) -> Duration {
    let longest = FIRST_PAUSE.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(LONGEST_PAUSE);
    longest.mul_f64(f64::from(jitter) / f64::from(u32::MAX)).max(SHORTEST_PAUSE)
}

#[cfg(test)]
#[path = "grant_tests.rs"]
mod tests;
