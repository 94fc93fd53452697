//! How fast one service is asked by the background: a few refreshes at a time, and none while it says that it has trouble.
//! Callers are not held up; they have their own pauses.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// So many background refreshes of one service at a time. After a sleep a hundred accounts fall due at once.
const AT_A_TIME: usize = 4;

/// The paces of all services.
#[derive(Default)]
pub(crate) struct Paces(Mutex<HashMap<String, Arc<Pace>>>);

/// The pace of one service.
pub(crate) struct Pace {
    turns: Arc<Semaphore>,
    not_before: Mutex<Duration>,
}

impl Paces {
    /// The pace of the service of that identifier.
    pub(crate) fn of(&self, service: &str) -> Arc<Pace> {
        let mut paces = lock(&self.0);
        if let Some(pace) = paces.get(service) {
            return Arc::clone(pace);
        }
        let pace = Arc::new(Pace { turns: Arc::new(Semaphore::new(AT_A_TIME)), not_before: Mutex::default() });
        paces.insert(service.to_owned(), Arc::clone(&pace));
        pace
    }
}

impl Pace {
    /// Waits for a turn; it lasts until it is dropped. `None` never happens while the program runs.
    pub(crate) async fn turn(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.turns).acquire_owned().await.ok()
    }

    /// The service asked everybody to come back no sooner than `elapsed`.
    pub(crate) fn hold_until(&self, elapsed: Duration) {
        let mut not_before = lock(&self.not_before);
        *not_before = (*not_before).max(elapsed);
    }

    /// When the service may be asked, where that lies ahead of `elapsed`.
    pub(crate) fn held_until(&self, elapsed: Duration) -> Option<Duration> {
        Some(*lock(&self.not_before)).filter(|at| *at > elapsed)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
