//! A clock that moves with Tokio's paused time.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use pilotlight_oauth::Timestamp;

use crate::parts::{Clock, Sleep};

/// Starts at a fixed instant and moves with Tokio's clock, so that one `tokio::time::advance` moves wall clock, timers and
/// expiry together. Its wall clock can be set wrong, and the machine can sleep, over which Tokio's timers stand still.
pub struct SimulatedClock {
    base: tokio::time::Instant,
    wrong_by_ms: AtomicI64,
    slept_ms: AtomicU64,
    woke: tokio::sync::Notify,
}

impl SimulatedClock {
    /// 2026-01-01T00:00:00Z, at Tokio's present instant.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the simulated clock is made of Tokio's, which tests pause")]
    pub fn start() -> Self {
        let base = tokio::time::Instant::now();
        Self { base, wrong_by_ms: 0.into(), slept_ms: 0.into(), woke: tokio::sync::Notify::new() }
    }

    /// Sets the wall clock off by `millis` from the truth.
    pub fn set_wrong_by(&self, millis: i64) {
        self.wrong_by_ms.store(millis, Ordering::SeqCst);
    }

    /// The machine sleeps for `time`, and wakes.
    pub fn sleep_machine(&self, time: Duration) {
        self.slept_ms.fetch_add(u64::try_from(time.as_millis()).unwrap_or(u64::MAX), Ordering::SeqCst);
        self.woke.notify_waiters();
    }

    /// The true time, which servers have.
    #[must_use]
    pub fn truth(&self) -> Timestamp {
        Timestamp::from_millis(1_767_225_600_000).plus(self.elapsed())
    }
}

impl Clock for SimulatedClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.truth().as_millis() + self.wrong_by_ms.load(Ordering::SeqCst))
    }

    fn elapsed(&self) -> Duration {
        self.base.elapsed() + Duration::from_millis(self.slept_ms.load(Ordering::SeqCst))
    }

    fn sleep_until(&self, elapsed: Duration) -> Sleep<'_> {
        Box::pin(async move {
            loop {
                let woke = self.woke.notified();
                let left = elapsed.saturating_sub(self.elapsed());
                if left.is_zero() {
                    return;
                }
                tokio::select! {
                    () = tokio::time::sleep(left) => {}
                    () = woke => {}
                }
            }
        })
    }
}
