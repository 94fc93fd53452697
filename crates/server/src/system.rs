//! The one file that asks the operating system for the time and for randomness.
#![expect(clippy::disallowed_methods, reason = "this is the boundary: everything else is handed a clock and bytes")]

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use pilotlight_oauth::Timestamp;

/// Tells the server what time it is. Tests hand in one that they can turn.
pub trait Clock: Send + Sync + 'static {
    /// The instant, on the wall clock.
    fn now(&self) -> Timestamp;
}

/// The clock of the machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let millis = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
        Timestamp::from_millis(i64::try_from(millis).unwrap_or(i64::MAX))
    }
}

/// The operating system gave no random bytes.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the operating system gives no random bytes")]
pub struct NoEntropy;

/// `N` bytes from the operating system's generator.
pub(crate) fn make_random<const N: usize>() -> Result<[u8; N], NoEntropy> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|_| NoEntropy)?;
    Ok(bytes)
}

/// To measure how long something takes; says nothing about the time of day.
pub(crate) fn stopwatch() -> Instant {
    Instant::now()
}
