//! What every route shares.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use pilotlight_oauth::Timestamp;
use tokio::sync::oneshot;

use crate::clients::RecentClients;
use crate::config::Config;
use crate::dpop::Seen;
use crate::grant::{Outcome, Redemption};
use crate::keys::LiveKeys;
use crate::limit::Limiter;
use crate::password::Checker;
use crate::problem::Problem;
use crate::store::{Store, StoreError};
use crate::system::Clock;

pub(crate) struct App {
    pub(crate) config: Config,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) keys: Arc<LiveKeys>,
    pub(crate) passwords: Checker,
    pub(crate) limiter: Limiter,
    pub(crate) clients: RecentClients,
    pub(crate) counts: Counts,
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

#[derive(Default)]
pub(crate) struct Counts {
    rotated: AtomicU64,
    repeated: AtomicU64,
    reused: AtomicU64,
    healed: AtomicU64,
    refused: AtomicU64,
}

impl Counts {
    pub(crate) fn count(&self, outcome: &Outcome) {
        let add = |counter: &AtomicU64| counter.fetch_add(1, Ordering::Relaxed);
        match outcome {
            Outcome::Rotated(_) => add(&self.rotated),
            Outcome::Healed(_) => {
                add(&self.healed);
                add(&self.rotated)
            }
            Outcome::Repeated(_) => add(&self.repeated),
            Outcome::Reused => add(&self.reused),
            _ => add(&self.refused),
        };
    }

    pub(crate) fn read(&self) -> Stats {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Stats {
            rotated: of(&self.rotated),
            repeated: of(&self.repeated),
            reused: of(&self.reused),
            healed: of(&self.healed),
            refused: of(&self.refused),
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
        if self.store.is_prompt() {
            return work(&*self.store).map_err(|error| unavailable(&error));
        }
        self.ask_at_leisure(work).await
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
        let (reply, answer) = oneshot::channel();
        // It fails only where the caller hung up, and then nobody is left to tell.
        self.store.redeem_then(presented, Box::new(move |outcome| drop(reply.send(outcome))));
        answer.await.unwrap_or(Err(StoreError::NotDurable)).map_err(|error| unavailable(&error))
    }

    /// Takes the keys that the key file has now; see [`LiveKeys::read_again`]. Where it cannot be read, those from before stay in use.
    pub(crate) async fn read_keys_again(&self, at: Option<Timestamp>) {
        let (keys, store) = (self.keys.clone(), self.store.clone());
        match tokio::task::spawn_blocking(move || keys.read_again(&*store, at)).await {
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
