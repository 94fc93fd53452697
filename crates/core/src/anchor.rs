//! When a record's tokens end and are due, on the clock that nobody sets.
//!
//! A record tells wall-clock instants, because it outlives processes. They are turned into instants of [`crate::parts::Clock::elapsed`]
//! once, when this process first sees the generation; from then on the wall clock may be set as anybody likes.

use std::time::Duration;

use pilotlight_oauth::Timestamp;
use pilotlight_vault::{Generation, GrantId};

use crate::record::GrantRecord;

/// However long a token lives, it is refreshed this long before its end.
const LONGEST_LEAD: Duration = Duration::from_secs(300);
/// A token that lives shorter is fetched when somebody asks for it, and otherwise only this often.
const SHORTEST_LIFE: Duration = Duration::from_secs(2);
const PAUSE_WITHOUT_LIFE: Duration = Duration::from_secs(60);
/// A record from further in the future than this was written under another clock.
const TOLERANCE: Duration = Duration::from_secs(60);
/// A token is not lent when less of its life than this is left, or than a tenth of it.
const LONGEST_MARGIN: Duration = Duration::from_secs(10);
/// Who asks for more than a token's whole life gets one that is at most this old.
const FRESH: Duration = Duration::from_secs(30);

/// The instants of one generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Anchor {
    pub(crate) generation: Generation,
    /// When the access token ends, where known.
    pub(crate) expires: Option<Duration>,
    /// When the tokens should be refreshed; `None` where nothing can be planned.
    pub(crate) due: Option<Duration>,
    /// The person's wish that `due` was worked out by.
    pub(crate) leeway: Option<Duration>,
    margin: Duration,
    life: Option<Duration>,
    /// Until then the access token has just been obtained.
    fresh_until: Duration,
}

impl Anchor {
    /// For a record seen at `now` on the wall clock and `elapsed` on the other.
    pub(crate) fn new(
        id: GrantId,
        generation: Generation,
        record: &GrantRecord,
        leeway: Option<Duration>,
        now: Timestamp,
        elapsed: Duration,
    ) -> Self {
        let life = life(record);
        // A record from the future was written before the clock was set back: how old it is cannot be told, so it is due.
        let unknown = record.refreshed_at.since(now) > TOLERANCE;
        let age = if unknown { Duration::MAX } else { now.since(record.refreshed_at) };
        let after = |offset: Duration| elapsed.saturating_add(offset.saturating_sub(age));
        Self {
            generation,
            expires: life.map(after),
            due: due_after(id, record, leeway).map(after),
            leeway,
            margin: life.map_or(Duration::ZERO, |life| (life / 10).min(LONGEST_MARGIN)),
            life,
            fresh_until: after(FRESH),
        }
    }

    /// Whether the access token lives longer than `min_ttl`, and a little more, so that it does not die on its way. A token
    /// whose life is not known is taken as alive; a 401 tells otherwise. More than a token's whole life cannot be had: there a
    /// fresh one does.
    pub(crate) fn outlives(&self, elapsed: Duration, min_ttl: Duration) -> bool {
        let Some(left) = self.expires.map(|expires| expires.saturating_sub(elapsed)) else { return true };
        let too_much = self.life.is_some_and(|life| min_ttl >= life);
        left > if too_much && elapsed < self.fresh_until { self.margin } else { min_ttl.max(self.margin) }
    }

    /// Whether the access token is known to live at all.
    pub(crate) fn is_alive(&self, elapsed: Duration) -> bool {
        self.expires.is_some_and(|expires| expires > elapsed)
    }
}

/// How long the access token lives from its receipt, where known.
fn life(record: &GrantRecord) -> Option<Duration> {
    record.access.as_ref()?.expires_at.map(|end| end.since(record.refreshed_at))
}

/// How long after their receipt the tokens should be refreshed.
///
/// A quarter of the access token's life before its end, at most five minutes, or what the person wishes, at most half of that
/// life; less up to a quarter of that: the jitter keeps
/// many grants from falling due in one instant, and is derived from grant and generation so that planning twice gives the
/// same answer. Earlier where the server asks for it, and never later than half of the refresh token's own life, so that a
/// grant in use does not lapse.
fn due_after(id: GrantId, record: &GrantRecord, leeway: Option<Duration>) -> Option<Duration> {
    record.refresh_token.as_ref()?;
    if record.access.is_none() {
        // An imported refresh token is rotated at once. Later on, the access token was too long to be kept (record.rs).
        return Some(if record.refreshes == 0 { Duration::ZERO } else { PAUSE_WITHOUT_LIFE });
    }
    let by_access = life(record).map(|life| {
        if life < SHORTEST_LIFE {
            // Of no use to anybody ahead of time; refreshing after each would only load the service.
            return PAUSE_WITHOUT_LIFE;
        }
        let lead = leeway.map_or((life / 4).min(LONGEST_LEAD), |wish| wish.min(life / 2));
        life - lead - lead.mul_f64(0.25 * share(id, record.refreshes))
    });
    let by_refresh = record.refresh_expires_at.map(|end| end.since(record.refreshed_at) / 2);
    let by_wish = record.refresh_in.map(|wish| wish.max(SHORTEST_LIFE));
    [by_access, by_refresh, by_wish].into_iter().flatten().min()
}

/// A number from 0 to 1 that belongs to this grant and generation (FNV-1a; it only has to be spread out).
pub(crate) fn share(id: GrantId, refreshes: u64) -> f64 {
    let bytes = id.as_bytes().iter().copied().chain(refreshes.to_le_bytes());
    let hash =
        bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    f64::from(u32::try_from(hash >> 32).unwrap_or(0)) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::simulation::record;

    const AT: Timestamp = Timestamp::from_secs(1_000_000);
    const ID: GrantId = GrantId::from_bytes([1; 16]);

    fn anchor(record: &GrantRecord, now: Timestamp) -> Anchor {
        Anchor::new(ID, 1, record, None, now, Duration::from_secs(50))
    }

    proptest! {
        #[test]
        fn a_refresh_is_due_well_before_expiry_and_after_receipt(life in 2_u64..10_000_000, id in any::<[u8; 16]>(), refreshes in any::<u64>()) {
            let mut record = record(AT, Duration::from_secs(life));
            record.refreshes = refreshes;
            let life = Duration::from_secs(life);
            let due = due_after(GrantId::from_bytes(id), &record, None).unwrap();
            prop_assert!(due >= life.mul_f64(0.68));
            prop_assert!(life - due >= (life / 4).min(LONGEST_LEAD));
            prop_assert!(life - due <= LONGEST_LEAD * 5 / 4);
        }

        #[test]
        fn wherever_the_wall_clock_stands_a_token_never_seems_to_live_longer_than_it_does(off in -10_000_000_i64..10_000_000) {
            let record = record(AT, Duration::from_secs(900));
            let now = Timestamp::from_millis(AT.as_millis() + off);
            let anchor = anchor(&record, now);
            prop_assert!(anchor.expires.unwrap() <= Duration::from_secs(50 + 900));
        }
    }

    #[test]
    fn a_record_from_the_future_is_due_at_once_and_a_slightly_slow_clock_is_forgiven() {
        let record = record(AT, Duration::from_secs(900));
        let back = anchor(&record, AT.minus(Duration::from_secs(7200)));
        assert!(!back.is_alive(Duration::from_secs(50)));
        assert_eq!(back.due, Some(Duration::from_secs(50)));
        assert!(anchor(&record, AT.minus(Duration::from_secs(30))).is_alive(Duration::from_secs(50)));
    }

    #[test]
    fn a_grant_in_use_never_lapses_because_its_access_tokens_live_longer_than_its_refresh_token() {
        let mut record = record(AT, Duration::from_secs(3600));
        record.refresh_expires_at = Some(AT.plus(Duration::from_secs(600)));
        assert_eq!(due_after(ID, &record, None), Some(Duration::from_secs(300)));
    }

    #[test]
    fn the_servers_wish_for_an_earlier_refresh_is_followed() {
        let mut record = record(AT, Duration::from_secs(3600));
        record.refresh_in = Some(Duration::from_secs(120));
        assert_eq!(due_after(ID, &record, None), Some(Duration::from_secs(120)));
    }

    #[test]
    fn a_person_may_wish_for_more_or_less_leeway_and_half_of_a_tokens_life_is_the_most() {
        let record = record(AT, Duration::from_secs(3600));
        let lead = |wish| Duration::from_secs(3600) - due_after(ID, &record, Some(Duration::from_secs(wish))).unwrap();
        assert!((10..=13).contains(&lead(10).as_secs()), "{:?}", lead(10));
        assert!((900..=1125).contains(&lead(900).as_secs()), "{:?}", lead(900));
        assert!((1800..=2250).contains(&lead(3600).as_secs()), "{:?}", lead(3600));
    }

    #[test]
    fn tokens_that_are_dead_on_arrival_do_not_make_it_spin() {
        assert_eq!(due_after(ID, &record(AT, Duration::ZERO), None), Some(Duration::from_secs(60)));
    }

    #[test]
    fn without_a_refresh_token_nothing_is_planned() {
        let mut record = record(AT, Duration::from_secs(3600));
        record.refresh_token = None;
        assert_eq!(due_after(ID, &record, None), None);
    }
}
