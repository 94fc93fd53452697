//! The points of a refresh at which a process can end and something must be found again.

use std::sync::{Arc, Mutex};

use pilotlight_vault::{Attempt, Generation, GrantId, Listed, MemoryVault, Record, VaultError};

use super::lock;
use crate::storage::Vault;

/// Where a program ends within a refresh, in the order in which it gets there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CrashPoint {
    /// Before the attempt was noted: nothing has happened.
    BeforeAttempt,
    /// The attempt is noted, and nothing was sent.
    AfterAttempt,
    /// The service has rotated the refresh token, and the new one is not saved: the worst moment.
    BeforeCommit,
    /// The new tokens are saved, and nobody was given them.
    AfterCommit,
}

impl CrashPoint {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::BeforeAttempt, Self::AfterAttempt, Self::BeforeCommit, Self::AfterCommit];
}

/// A vault in memory that outlives the process which uses it, and at which that process ends where it is told to. From there on it
/// takes nothing more of the old process, which [`kill()`](super::kill()) then ends, until [`Self::restart`].
///
/// ```
/// use std::{sync::Arc, time::Duration};
/// use pilotlight::simulation::{CrashPoint, CrashingVault, FakeServer, SimulatedClock, config, kill, sign_in};
/// use pilotlight::{Home, Pilotlight};
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// for point in CrashPoint::ALL {
///     # let folder = tempfile::tempdir()?;
///     # let home = Home::at(folder.path().join("home"))?;
///     let clock = Arc::new(SimulatedClock::start());
///     let server = Arc::new(FakeServer::new(clock.clone(), Duration::from_secs(900)));
///     let config = config(home, clock, server.clone());
///     let vault = CrashingVault::in_memory();
///     let first = Pilotlight::with_vault(config.clone(), vault.clone());
///     sign_in(&first, "work").await?;
///
///     vault.crash_at(point);
///     assert!(first.refresh("work").await.is_err());
///     kill(first).await;
///     vault.restart();
///
///     let second = Pilotlight::with_vault(config, vault);
///     second.refresh("work").await?;
///     assert_eq!(server.reuses(), 0, "{point:?} looks like theft");
/// }
/// # Ok(())
/// # }
/// ```
pub struct CrashingVault {
    inner: MemoryVault,
    now: Mutex<Now>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Now {
    Alive,
    Until(CrashPoint),
    Dead,
}

impl CrashingVault {
    /// An empty one.
    #[must_use]
    pub fn in_memory() -> Arc<Self> {
        Arc::new(Self { inner: MemoryVault::default(), now: Mutex::new(Now::Alive) })
    }

    /// The process ends when it gets there next.
    pub fn crash_at(&self, point: CrashPoint) {
        *lock(&self.now) = Now::Until(point);
    }

    /// Whether it got there.
    #[must_use]
    pub fn has_crashed(&self) -> bool {
        *lock(&self.now) == Now::Dead
    }

    /// The next process begins.
    pub fn restart(&self) {
        *lock(&self.now) = Now::Alive;
    }

    fn alive(&self) -> Result<&MemoryVault, VaultError> {
        if self.has_crashed() { Err(ended()) } else { Ok(&self.inner) }
    }

    fn pass(&self, point: CrashPoint) -> Result<(), VaultError> {
        let mut now = lock(&self.now);
        if *now == Now::Until(point) {
            *now = Now::Dead;
            return Err(ended());
        }
        Ok(())
    }
}

fn ended() -> VaultError {
    VaultError::Io("the process has ended here".to_owned())
}

impl Vault for CrashingVault {
    fn strategy(&self) -> &'static str {
        self.inner.strategy()
    }

    fn load(&self, id: &GrantId) -> Result<Option<Record>, VaultError> {
        self.alive()?.load(id)
    }

    fn list(&self) -> Result<Vec<Listed>, VaultError> {
        self.alive()?.list()
    }

    fn create(&self, id: &GrantId, payload: &[u8]) -> Result<Generation, VaultError> {
        self.alive()?.create(id, payload)
    }

    fn begin_attempt(
        &self,
        id: &GrantId,
        generation: Generation,
        saw: Option<&Attempt>,
        attempt: &Attempt,
    ) -> Result<(), VaultError> {
        self.pass(CrashPoint::BeforeAttempt)?;
        self.alive()?.begin_attempt(id, generation, saw, attempt)?;
        self.pass(CrashPoint::AfterAttempt)
    }

    fn end_attempt(&self, id: &GrantId, generation: Generation, attempt: &Attempt) -> Result<(), VaultError> {
        self.alive()?.end_attempt(id, generation, attempt)
    }

    fn commit(&self, id: &GrantId, expected: Generation, payload: &[u8]) -> Result<Generation, VaultError> {
        self.pass(CrashPoint::BeforeCommit)?;
        let generation = self.alive()?.commit(id, expected, payload)?;
        self.pass(CrashPoint::AfterCommit).map(|()| generation)
    }

    fn remove(&self, id: &GrantId) -> Result<(), VaultError> {
        self.alive()?.remove(id)
    }
}
