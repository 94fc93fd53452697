//! The tasks in the air: refreshes, and leases on their way back. They belong to nobody who waits for them, so a caller who
//! goes away tears none in half.

use std::future::Future;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::task::JoinSet;

/// All tasks of one kind that have not landed yet.
#[derive(Default)]
pub(crate) struct Flights(Mutex<JoinSet<()>>);

impl Flights {
    /// Starts one.
    pub(crate) fn launch(&self, flight: impl Future<Output = ()> + Send + 'static) {
        let mut flights = self.lock();
        while flights.try_join_next().is_some() {}
        flights.spawn(flight);
    }

    /// Ends when all of them have landed.
    pub(crate) async fn landed(&self) {
        let mut flights = std::mem::take(&mut *self.lock());
        while flights.join_next().await.is_some() {}
    }

    /// Ends all of them where they are, as a crash would.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn crash(&self) {
        self.lock().abort_all();
    }

    fn lock(&self) -> MutexGuard<'_, JoinSet<()>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
