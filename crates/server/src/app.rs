//! What every route shares.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use pilotlight_oauth::Timestamp;
use tokio::sync::oneshot;

use crate::clients::RecentClients;
use crate::config::Config;
use crate::dpop::Seen;
use crate::edge::{Metrics, RequestIds};
use crate::grant::{Outcome, Redemption};
use crate::keys::LiveKeys;
use crate::limit::Limiter;
use crate::password::Checker;
use crate::problem::Problem;
use crate::store::{Store, StoreError};
use crate::system::{Clock, stopwatch};

pub(crate) struct App {
    pub(crate) config: Config,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) keys: Arc<LiveKeys>,
    pub(crate) passwords: Checker,
    pub(crate) limiter: Limiter,
    pub(crate) clients: RecentClients,
    pub(crate) counts: Counts,
    pub(crate) metrics: Metrics,
    pub(crate) request_ids: RequestIds,
    /// Whether the key file could be used when it was read last.
    pub(crate) keys_readable: AtomicBool,
    /// The document about all this, once somebody asked for it.
    pub(crate) openapi: OnceLock<Vec<u8>>,
    pub(crate) seen_proofs: Seen,
}

/// How many refresh tokens were presented since the start, by what came of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Rotations, healed ones included.
    pub rotated: u64,
    /// Retries answered with the successor that was given before.
    pub repeated: u64,
    /// Grants revoked because a consumed token came again.
    pub reused: u64,
    /// Rotations of a token newer than the store.
    pub healed: u64,
    /// Everything else that was refused.
    pub refused: u64,
}

/// Words for what became of a refresh token, each with its place in [`Counts`].
const OUTCOMES: [&str; 11] = [
    "rotated",
    "healed",
    "repeated",
    "reused",
    "late",
    "expired",
    "revoked",
    "too_wide",
    "wrong_target",
    "wrong_key",
    "unknown",
];

#[derive(Default)]
pub(crate) struct Counts([AtomicU64; OUTCOMES.len()]);

impl Counts {
    pub(crate) fn count(&self, outcome: &Outcome) {
        let place = match outcome {
            Outcome::Rotated(_) => 0,
            Outcome::Healed(_) => 1,
            Outcome::Repeated(_) => 2,
            Outcome::Reused => 3,
            Outcome::Late => 4,
            Outcome::Expired => 5,
            Outcome::Revoked(_) => 6,
            Outcome::TooWide => 7,
            Outcome::WrongTarget => 8,
            Outcome::WrongKey => 9,
            Outcome::Unknown => 10,
        };
        self.0[place].fetch_add(1, Ordering::Relaxed);
    }

    /// Each with its word.
    pub(crate) fn each(&self, mut tell: impl FnMut(&'static str, u64)) {
        OUTCOMES.iter().zip(&self.0).for_each(|(word, count)| tell(word, count.load(Ordering::Relaxed)));
    }

    pub(crate) fn read(&self) -> Stats {
        let of = |place: usize| self.0[place].load(Ordering::Relaxed);
        Stats {
            rotated: of(0) + of(1),
            repeated: of(2),
            reused: of(3),
            healed: of(1),
            refused: (4..OUTCOMES.len()).map(of).sum(),
        }
    }
}

impl App {
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Asks the store, off the async threads where it may wait. The work goes on to its end even when the caller hangs up: a rotation is
    /// never torn in half.
    pub(crate) async fn ask<T: Send + 'static>(
        &self,
        work: impl FnOnce(&dyn Store) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, Problem> {
        let began = stopwatch();
        let answer = if self.store.is_prompt() {
            work(&*self.store).map_err(|error| unavailable(&error))
        } else {
            self.ask_at_leisure(work).await
        };
        self.metrics.store(began.elapsed(), answer.is_err());
        answer
    }

    /// The same for work that takes long in every store.
    pub(crate) async fn ask_at_leisure<T: Send + 'static>(
        &self,
        work: impl FnOnce(&dyn Store) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, Problem> {
        let store = self.store.clone();
        match tokio::task::spawn_blocking(move || work(&*store)).await {
            Ok(answer) => answer.map_err(|error| unavailable(&error)),
            Err(error) => {
                tracing::error!(%error, "work on the store broke off; answering 503");
                Err(Problem::Unavailable)
            }
        }
    }

    /// Spends a refresh token: what nearly all requests ask for, so no thread waits for it where that can be helped.
    pub(crate) async fn redeem(&self, presented: Redemption) -> Result<Outcome, Problem> {
        if !self.store.queues() {
            return self.ask(move |store| store.redeem(&presented)).await;
        }
        let began = stopwatch();
        let (reply, answer) = oneshot::channel();
        // It fails only where the caller hung up, and then nobody is left to tell.
        self.store.redeem_then(presented, Box::new(move |outcome| drop(reply.send(outcome))));
        let answer = answer.await.unwrap_or(Err(StoreError::NotDurable)).map_err(|error| unavailable(&error));
        self.metrics.store(began.elapsed(), answer.is_err());
        answer
    }

    /// Takes the keys that the key file has now; see [`LiveKeys::read_again`]. Where it cannot be read, those from before stay in use.
    pub(crate) async fn read_keys_again(&self, at: Option<Timestamp>) {
        let (keys, store) = (self.keys.clone(), self.store.clone());
        let read = tokio::task::spawn_blocking(move || keys.read_again(&*store, at)).await;
        self.keys_readable.store(matches!(read, Ok(Ok(()))), Ordering::Relaxed);
        match read {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(%error, "the keys were not read again"),
            Err(error) => tracing::error!(%error, "reading the keys again broke off"),
        }
    }

    /// Where a new grant ends at the latest.
    pub(crate) fn grant_ends_at(&self, now: Timestamp) -> Option<Timestamp> {
        self.config.grant_ttl.map(|ttl| now.plus(ttl))
    }

    /// The address of one of our endpoints.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.config.issuer.trim_end_matches('/'))
    }
}

fn unavailable(error: &StoreError) -> Problem {
    tracing::error!(%error, "the store failed; answering 503");
    Problem::Unavailable
}

/// How long a client should wait before it asks again, when the store has trouble.
pub(crate) const RETRY_AFTER: Duration = Duration::from_secs(1);
