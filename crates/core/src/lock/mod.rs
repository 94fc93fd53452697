//! One refresh at a time over everybody who shares a vault (P3).
//!
//! On one machine that is an OS file lock, which dies with its process. For a vault that several hosts share it is a lease in
//! Redis: it can end while its holder sleeps, so a holder looks at the clock before it spends a token, and the generation in
//! the record fences the commit.

mod file;
#[cfg(all(feature = "http", feature = "keystore"))]
mod of_home;
#[cfg(feature = "redis")]
mod redis;

use std::any::Any;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

pub use file::FileLocks;
#[cfg(all(feature = "http", feature = "keystore"))]
pub(crate) use of_home::of_home;
#[cfg(feature = "redis")]
pub use redis::RedisLocks;

use crate::{Error, ErrorCode};

/// The lock to come.
pub type Locking<'a> = Pin<Box<dyn Future<Output = Result<Lock, Error>> + Send + 'a>>;

/// Gives locks by name.
pub trait Locks: Send + Sync {
    /// Takes the lock called `name`: 1 to 64 characters of letters, digits, dots and dashes. Waits while another has it;
    /// [`ErrorCode::GrantBusy`] where that takes too long.
    fn lock<'a>(&'a self, name: &'a str) -> Locking<'a>;

    /// Ends when what was let go of is given back: before a program exits, since a lease that is not lasts on without it.
    fn settled(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(std::future::ready(()))
    }
}

/// A lock, held until it is dropped.
pub struct Lock {
    _held: Box<dyn Any + Send + Sync>,
    /// When it ends by itself, on [`crate::parts::Clock::elapsed`]; never, for an OS lock.
    ends: Option<Duration>,
}

impl Lock {
    /// A lock that lasts as long as `held` is not dropped.
    pub fn until_dropped(held: impl Any + Send + Sync) -> Self {
        Self { _held: Box::new(held), ends: None }
    }

    /// A lock that also ends by itself.
    pub fn lease(held: impl Any + Send + Sync, ends: Duration) -> Self {
        Self { _held: Box::new(held), ends: Some(ends) }
    }

    /// Whether it holds for `needed` more from `elapsed` on.
    #[must_use]
    pub fn holds_for(&self, elapsed: Duration, needed: Duration) -> bool {
        self.ends.is_none_or(|ends| ends.saturating_sub(elapsed) >= needed)
    }
}

fn busy() -> Error {
    Error::new(ErrorCode::GrantBusy, "Another process has been refreshing this account for too long.")
}
