//! Time, handed in: the wall clock, and a clock that counts sleep and that nobody sets.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use pilotlight_oauth::Timestamp;

/// Ends at an instant.
pub type Sleep<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// Tells the time, twice.
pub trait Clock: Send + Sync {
    /// The wall clock. People and networks set it, so it is written down and shown, and little else.
    fn now(&self) -> Timestamp;

    /// Time since some instant, the machine's sleep included. Nobody sets it; it decides what has expired and what is due.
    fn elapsed(&self) -> Duration;

    /// Ends when [`Self::elapsed`] has reached `elapsed`; at once where that is past. If the machine sleeps over it, it ends
    /// at the wake-up.
    fn sleep_until(&self, elapsed: Duration) -> Sleep<'_>;
}

/// The system's clocks.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the system's clock")]
    fn now(&self) -> Timestamp {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }

    fn elapsed(&self) -> Duration {
        system::elapsed()
    }

    fn sleep_until(&self, elapsed: Duration) -> Sleep<'_> {
        Box::pin(system::sleep_until(elapsed))
    }
}

#[cfg(target_os = "linux")]
mod system {
    use std::time::Duration;

    use rustix::time::{
        ClockId, Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, clock_gettime, timerfd_create,
        timerfd_settime,
    };
    use tokio::io::unix::AsyncFd;

    /// `CLOCK_BOOTTIME` goes on while the machine sleeps; `CLOCK_MONOTONIC`, and Tokio's timer with it, does not.
    pub(super) fn elapsed() -> Duration {
        let now = clock_gettime(ClockId::Boottime);
        Duration::new(u64::try_from(now.tv_sec).unwrap_or(0), u32::try_from(now.tv_nsec).unwrap_or(0))
    }

    /// A timer of the kernel on that clock: no wake-up before its time, and one right after a sleep that went over it.
    pub(super) async fn sleep_until(at: Duration) {
        if at <= elapsed() {
            return;
        }
        if wait(at).await.is_err() {
            // No timer to be had: Tokio's does, and a sleep of the machine makes it late.
            tokio::time::sleep(at.saturating_sub(elapsed())).await;
        }
    }

    #[expect(
        deprecated,
        reason = "`register` asks for unsafe code to promise what an `OwnedFd` keeps by itself: it stays open and the same"
    )]
    async fn wait(at: Duration) -> std::io::Result<()> {
        let timer = timerfd_create(TimerfdClockId::Boottime, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
        let value =
            Timespec { tv_sec: i64::try_from(at.as_secs()).unwrap_or(i64::MAX), tv_nsec: at.subsec_nanos().into() };
        let once = Itimerspec { it_interval: Timespec { tv_sec: 0, tv_nsec: 0 }, it_value: value };
        timerfd_settime(&timer, TimerfdTimerFlags::ABSTIME, &once)?;
        AsyncFd::new(timer)?.readable().await?.retain_ready();
        Ok(())
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    use std::time::Duration;

    /// Longer pauses are taken in pieces, since the timer below may stand still while the machine sleeps.
    const PIECE: Duration = Duration::from_secs(60);

    #[cfg(unix)]
    pub(super) fn elapsed() -> Duration {
        // On macOS and the BSDs this clock goes on while the machine sleeps; the standard library's does not.
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
        Duration::new(u64::try_from(now.tv_sec).unwrap_or(0), u32::try_from(now.tv_nsec).unwrap_or(0))
    }

    /// Windows' performance counter goes on while the machine sleeps.
    #[cfg(not(unix))]
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the system's clock")]
    pub(super) fn elapsed() -> Duration {
        static START: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
        START.get_or_init(std::time::Instant::now).elapsed()
    }

    pub(super) async fn sleep_until(at: Duration) {
        while elapsed() < at {
            tokio::time::sleep(at.saturating_sub(elapsed()).min(PIECE)).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_systems_timer_ends_at_its_instant_and_not_before() {
        let clock = SystemClock;
        let at = clock.elapsed() + Duration::from_millis(20);
        clock.sleep_until(at).await;
        assert!(clock.elapsed() >= at);
        clock.sleep_until(Duration::ZERO).await;
    }
}
