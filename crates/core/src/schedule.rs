//! When the next silent refresh is due, and the task that waits for it: one timer for all grants, no ticking.

use std::time::Duration;

use pilotlight_oauth::Timestamp;
use pilotlight_vault::GrantId;

use crate::grant::pause;
use crate::lifecycle::Pilotlight;
use crate::record::GrantRecord;
use crate::{Account, Status};

/// However long a token lives, it is refreshed this long before its end.
const LONGEST_LEAD: Duration = Duration::from_secs(300);
/// A token that lives shorter is fetched when somebody asks for it, and otherwise only this often.
const SHORTEST_LIFE: Duration = Duration::from_secs(2);
const PAUSE_WITHOUT_LIFE: Duration = Duration::from_secs(60);
/// While there is nothing to wait for, the task waits for a change.
const FOR_EVER: Duration = Duration::from_secs(365 * 24 * 3600);

/// When a record's tokens should be refreshed; `None` where nothing can be planned.
///
/// A quarter of the access token's life before its end, at most five minutes, less up to a quarter of that: the jitter keeps
/// many grants from falling due in one instant, and is derived from grant and generation so that planning twice gives the
/// same answer. Never later than half of the refresh token's own life, so that a grant in use does not lapse.
pub(crate) fn due_at(id: GrantId, record: &GrantRecord) -> Option<Timestamp> {
    record.refresh_token.as_ref()?;
    let since = record.refreshed_at;
    let by_access = match &record.access {
        None => Some(since),
        Some(access) => access.expires_at.map(|end| {
            let life = end.since(since);
            if life < SHORTEST_LIFE {
                // Of no use to anybody ahead of time; refreshing after each would only load the service.
                return since.plus(PAUSE_WITHOUT_LIFE);
            }
            let lead = (life / 4).min(LONGEST_LEAD);
            end.minus(lead).minus(lead.mul_f64(0.25 * share(id, record.refreshes)))
        }),
    };
    let by_refresh = record.refresh_expires_at.map(|end| since.plus(end.since(since) / 2));
    by_access.into_iter().chain(by_refresh).min()
}

/// A number from 0 to 1 that belongs to this grant and generation (FNV-1a; it only has to be spread out).
fn share(id: GrantId, refreshes: u64) -> f64 {
    let bytes = id.as_bytes().iter().copied().chain(refreshes.to_le_bytes());
    let hash =
        bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    f64::from(u32::try_from(hash >> 32).unwrap_or(0)) / f64::from(u32::MAX)
}

impl Pilotlight {
    /// The background task: refreshes every grant ahead of its expiry (P7), for as long as it is polled.
    ///
    /// While the vault cannot be opened it tries again, ever more rarely, and asks nobody anything.
    pub async fn keep_fresh(self) {
        let mut changed = self.subscribe();
        let mut failures = 0;
        loop {
            changed.mark_unchanged();
            let wait = match self.refresh_what_is_due().await {
                Ok(next) => {
                    failures = 0;
                    next.map_or(FOR_EVER, |next| next.since(self.now()))
                }
                Err(error) => {
                    failures += 1;
                    tracing::info!(code = error.code().as_str(), "the vault cannot be used yet");
                    pause(failures, u32::MAX / 2)
                }
            };
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                // The sender lives in `self`, so this only ever reports a change.
                _ = changed.changed() => {}
            }
        }
    }

    /// Starts what is due and tells when the next one is.
    async fn refresh_what_is_due(&self) -> Result<Option<Timestamp>, crate::Error> {
        let accounts = self.accounts().await?.accounts;
        let now = self.now();
        let mut next: Option<Timestamp> = None;
        for account in accounts {
            match planned(&account) {
                Some(due) if due <= now => self.refresh_in_background(&account).await,
                Some(due) => next = Some(next.map_or(due, |next| next.min(due))),
                None => {}
            }
        }
        Ok(next)
    }

    /// Joins or starts the flight; its end is announced, which brings the planner back.
    async fn refresh_in_background(&self, account: &Account) {
        if let Ok(Some(held)) = self.load(account.id).await {
            self.take_off(&held, false);
        }
    }
}

fn planned(account: &Account) -> Option<Timestamp> {
    match account.status {
        Status::SignedIn | Status::Waiting { .. } => account.refresh_due_at,
        Status::Refreshing | Status::Ended { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::record;

    proptest! {
        #[test]
        fn a_refresh_is_due_well_before_expiry_and_after_receipt(life in 2_u64..10_000_000, id in any::<[u8; 16]>(), refreshes in any::<u64>()) {
            let mut record = record(Timestamp::from_secs(1000), Duration::from_secs(life));
            record.refreshes = refreshes;
            let due = due_at(GrantId::from_bytes(id), &record).unwrap();
            let end = Timestamp::from_secs(1000).plus(Duration::from_secs(life));
            prop_assert!(due >= Timestamp::from_secs(1000).plus(Duration::from_secs(life).mul_f64(0.68)).minus(Duration::from_millis(2)));
            prop_assert!(end.since(due) >= (Duration::from_secs(life) / 4).min(LONGEST_LEAD));
            prop_assert!(end.since(due) <= LONGEST_LEAD * 5 / 4 + Duration::from_millis(2));
        }
    }

    #[test]
    fn a_grant_in_use_never_lapses_because_its_access_tokens_live_longer_than_its_refresh_token() {
        let mut record = record(Timestamp::from_secs(0), Duration::from_secs(3600));
        record.refresh_expires_at = Some(Timestamp::from_secs(600));
        assert_eq!(due_at(GrantId::from_bytes([1; 16]), &record), Some(Timestamp::from_secs(300)));
    }

    #[test]
    fn tokens_that_are_dead_on_arrival_do_not_make_it_spin() {
        let record = record(Timestamp::from_secs(0), Duration::ZERO);
        assert_eq!(due_at(GrantId::from_bytes([1; 16]), &record), Some(Timestamp::from_secs(60)));
    }

    #[test]
    fn without_a_refresh_token_nothing_is_planned() {
        let mut record = record(Timestamp::from_secs(0), Duration::from_secs(3600));
        record.refresh_token = None;
        assert_eq!(due_at(GrantId::from_bytes([1; 16]), &record), None);
    }
}
