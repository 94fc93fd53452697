//! The background task: refreshes every grant ahead of its expiry. One timer for all of them, no ticking.

use std::sync::Arc;
use std::time::Duration;

use pilotlight_vault::{GrantId, Listed};
use tokio::sync::mpsc;

use crate::anchor::share;
use crate::grant::{EndReason, State, pause};
use crate::journal::EventKind;
use crate::lifecycle::Pilotlight;
use crate::outside::{self, News};
use crate::page::Held;
use crate::record::{Ended, GrantRecord};
use crate::{Error, ErrorCode};

/// While nothing is planned, the task waits for news.
const FOR_EVER: Duration = Duration::from_secs(365 * 24 * 3600);
/// After a wake-up, and when the network is back, those who waited for it come back spread over this time.
const SPREAD: Duration = Duration::from_secs(5);
/// A refresh that broke off by a fault of ours is tried again after this.
const AFTER_A_FAULT: Duration = Duration::from_secs(60);
/// When a service that held everybody back is asked again, its accounts come back spread over this time.
const SPREAD_AFTER_HOLD: Duration = Duration::from_secs(10);

impl Pilotlight {
    /// The background task: refreshes every grant ahead of its expiry (P7), for as long as it is polled.
    ///
    /// It wakes when a refresh is due, after a sleep of the machine that went over one, when the network comes back, when
    /// another process wrote to the vault, and for nothing else. While the vault cannot be opened it tries again, ever more
    /// rarely, and asks nobody anything.
    pub async fn keep_fresh(self) {
        let (_watch, mut news) = outside::watch(&self.0.config);
        let mut failures = 0;
        let (mut reread, mut awaited, mut locked) = (true, false, false);
        loop {
            if reread {
                match self.read_plan().await {
                    Ok(()) => (failures, reread, awaited, locked) = (0, false, false, false),
                    Err(error) => {
                        failures += 1;
                        // Unlocking tells; there is nothing to look for until then.
                        locked = error.code() == ErrorCode::Locked;
                        // Started with the desktop, before the keystore is unlocked: the person's unlocking wakes us, and
                        // nobody is asked. Once for each time that it was open.
                        if error.code() == ErrorCode::KeystoreLocked && !std::mem::replace(&mut awaited, true) {
                            self.reread_once_unlocked();
                        }
                        tracing::info!(code = error.code().as_str(), "the vault cannot be used yet");
                    }
                }
            }
            let next = match (reread, locked) {
                (false, _) => self.start_what_is_due(),
                (true, false) => self.elapsed() + pause(failures, u32::MAX / 2),
                (true, true) => self.elapsed() + FOR_EVER,
            };
            tokio::select! {
                () = self.0.config.clock.sleep_until(next) => {}
                () = self.0.replanned.notified() => {}
                () = self.0.reread.notified() => reread = true,
                Some(heard) = news.recv() => reread |= self.hear(heard).await,
            }
            self.0.wake_ups.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        }
    }

    /// Has the vault read again as soon as somebody unlocks the keystore.
    fn reread_once_unlocked(&self) {
        let (keystore, inner) = (Arc::clone(&self.0.config.keystore), Arc::downgrade(&self.0));
        // A thread of its own, which nobody waits for at the end: it may wait for days.
        let waiting = std::thread::Builder::new().name("pilotlight-unlocked".to_owned()).spawn(move || {
            if keystore.await_unlocked(FOR_EVER).is_ok()
                && let Some(inner) = inner.upgrade()
            {
                inner.reread.notify_one();
            }
        });
        if let Err(error) = waiting {
            tracing::debug!(%error, "the keystore is asked again now and then instead");
        }
    }

    /// Plans every grant of the vault.
    async fn read_plan(&self) -> Result<(), Error> {
        let listed = self.with_vault_do(|vault| vault.list()).await?;
        self.plan(crate::plan::Plan::clear);
        for entry in listed {
            if let Listed::Record(record) = entry
                && let Ok(held) = Held::read(record)
            {
                self.place(&held);
            }
        }
        self.announce();
        Ok(())
    }

    /// Puts a grant where it now belongs on the plan: at its pause's end, at its tokens' due time, or nowhere.
    pub(crate) fn replan(&self, held: &Held) {
        if self.place(held) {
            self.0.replanned.notify_one();
        }
    }

    /// Whether the plan's first instant has changed with it.
    fn place(&self, held: &Held) -> bool {
        let anchor = self.anchor(held);
        let due = self.page(held.id, |page| match (page.state, page.retry_at) {
            (State::Ended(_) | State::SignedOut | State::Saving { .. }, _) => None,
            (_, Some(retry_at)) => Some(retry_at),
            // An attempt of an earlier run: its outcome is unknown, and finding out cannot wait.
            _ if held.attempt.is_some() && held.record.refresh_token.is_some() => Some(self.elapsed()),
            _ if held.record.refresh_token.is_some() && self.is_to_rotate(held.id) => Some(self.elapsed()),
            // It lapses with its access token, and that is to be noticed and told.
            _ if held.record.refresh_token.is_none() => anchor.expires,
            _ => anchor.due,
        });
        let due = due.filter(|_| held.record.ended.is_none());
        self.plan(|plan| {
            let before = plan.next();
            plan.set(held.id, due);
            plan.next() != before
        })
    }

    /// Starts what is due and tells when the next one is.
    fn start_what_is_due(&self) -> Duration {
        let elapsed = self.elapsed();
        let (due, next) = self.plan(|plan| (plan.take_due(elapsed), plan.next()));
        for id in due {
            tokio::spawn(self.clone().refresh_in_turn(id));
        }
        next.unwrap_or(elapsed + FOR_EVER)
    }

    /// One refresh of the background's, at its service's pace. Should a caller be quicker, the generation tells and nothing is sent.
    async fn refresh_in_turn(self, id: GrantId) {
        let held = match self.load(id).await {
            Ok(Some(held)) => held,
            Ok(None) => return self.forget(id),
            Err(error) => {
                let again = self.elapsed() + pause(3, u32::MAX / 2);
                tracing::info!(code = error.code().as_str(), grant_id = %id, "a record cannot be read yet");
                self.plan(|plan| plan.set(id, Some(again)));
                return self.0.replanned.notify_one();
            }
        };
        if held.record.refresh_token.is_none() {
            return self.lapse(&held).await;
        }
        let pace = self.0.paces.of(&held.record.service.identifier());
        let Some(_turn) = pace.turn().await else { return };
        if let Some(until) = pace.held_until(self.elapsed()) {
            let spread = SPREAD_AFTER_HOLD.mul_f64(share(id, held.generation));
            self.plan(|plan| plan.set(id, Some(until + spread)));
            return self.0.replanned.notify_one();
        }
        let mut flight = self.take_off(&held, false);
        // Its outcome is written down by the flight itself; where it broke off without one, it is tried again later.
        if flight.wait_for(Option::is_some).await.is_err() {
            let again = self.elapsed() + AFTER_A_FAULT;
            self.plan(|plan| plan.set(id, Some(again)));
            self.0.replanned.notify_one();
        }
    }

    /// An account without a refresh token ends with its access token; whoever notices first writes it down.
    async fn lapse(&self, held: &Held) {
        let Some(end) = self.anchor(held).expires.filter(|end| *end <= self.elapsed()) else {
            return self.replan(held);
        };
        let ended = Ended { reason: EndReason::NothingToRefreshWith, at: self.shown(end), words: None };
        let problem = ended.problem();
        let record = GrantRecord { ended: Some(ended), ..(*held.record).clone() };
        let (id, generation) = (held.id, held.generation);
        let mark = async {
            let payload = record.to_payload()?;
            let _lock = self.lock_to_change(&id.to_string()).await?;
            self.with_vault_do(move |vault| vault.commit(&id, generation, &payload)).await
        };
        let marked = mark.await;
        match marked {
            Ok(_) => {
                self.note(&record.name, EventKind::Ended, problem.message()).await;
                self.announce();
            }
            Err(error) if matches!(error.code(), ErrorCode::GrantBusy | ErrorCode::NoSuchAccount) => {
                self.0.reread.notify_one();
            }
            Err(error) => {
                tracing::info!(code = error.code().as_str(), grant_id = %id, "a lapsed account cannot be marked yet");
                let again = self.elapsed() + AFTER_A_FAULT;
                self.plan(|plan| plan.set(id, Some(again)));
                self.0.replanned.notify_one();
            }
        }
    }

    /// What happened outside; whether the vault has to be read again.
    async fn hear(&self, news: News) -> bool {
        match news {
            News::VaultWritten => self.with_vault_do(|vault| vault.changed_elsewhere()).await.unwrap_or(true),
            // When something is due may depend on them, and so may what is shown.
            News::SettingsWritten => {
                self.announce();
                true
            }
            News::Woke | News::Online => {
                tracing::info!(?news, "those who wait for the network may try again");
                self.try_waiting_again();
                self.announce();
                false
            }
        }
    }

    /// Shortens the pauses of those who wait for the network, spread out so that they do not all come at once.
    pub(crate) fn try_waiting_again(&self) {
        let elapsed = self.elapsed();
        let shortened = self.pages(|id, page| {
            let waits =
                matches!(page.state, State::Waiting(_)) && page.problem.as_ref().is_some_and(|p| is_network(p.code()));
            let soon = elapsed + SPREAD.mul_f64(share(id, page.generation));
            (waits && page.retry_at.is_some_and(|at| at > soon)).then(|| {
                page.retry_at = Some(soon);
                (id, soon)
            })
        });
        self.plan(|plan| shortened.into_iter().for_each(|(id, soon)| plan.set(id, Some(soon))));
        self.0.replanned.notify_one();
    }
}

fn is_network(code: ErrorCode) -> bool {
    matches!(code, ErrorCode::Offline | ErrorCode::NoAnswer | ErrorCode::ServerMisbehaved)
}

/// What the task hears from outside.
pub(crate) type NewsReceiver = mpsc::UnboundedReceiver<News>;

#[cfg(test)]
#[path = "schedule_tests.rs"]
mod tests;
