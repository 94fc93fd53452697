//! Waiting for another process: look, pause briefly, look again, and give up loudly at a deadline.
//!
//! This is not sleeping for time to pass: the wait ends as soon as the other side is ready, and a slow machine only makes
//! it longer.

use std::{
    thread,
    time::{Duration, Instant},
};

/// How long the kit waits for anything unless a test says otherwise: generous, since it is only ever used up by a failure.
pub const PATIENCE: Duration = Duration::from_secs(40);

/// The pause between two looks.
pub const PAUSE: Duration = Duration::from_millis(25);

/// Blocks until `look` returns something.
///
/// # Panics
/// When [`PATIENCE`] is used up; the message says what was waited for.
pub fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited {} s in vain for {what}", PATIENCE.as_secs());
        thread::sleep(PAUSE);
    }
}

/// As [`until`], for a look that is asynchronous.
///
/// # Panics
/// When `patience` is used up; the message says what was waited for, and what `look` saw last.
pub async fn until_async<T, F>(what: &str, patience: Duration, mut look: impl FnMut() -> F) -> T
where
    F: Future<Output = Result<T, String>>,
{
    let deadline = Instant::now() + patience;
    loop {
        let saw = match look().await {
            Ok(found) => return found,
            Err(saw) => saw,
        };
        assert!(Instant::now() < deadline, "waited {} s in vain for {what}; saw {saw}", patience.as_secs());
        tokio::time::sleep(PAUSE).await;
    }
}
