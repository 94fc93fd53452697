//! A keystore in whichever state a test wants it.

use std::sync::{Arc, Mutex};

use pilotlight_vault::KeystoreError;
use pilotlight_vault::keystore::{KeystoreSecret, MemoryKeystore, Origin};

use super::lock;
use crate::parts::Keystore;

/// How a [`SimulatedKeystore`] stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum KeystoreState {
    /// It gives and keeps what it is asked to.
    #[default]
    Unlocked,
    /// It waits for the person's password, and nobody types it.
    Locked,
    /// There is none: no session bus, or nobody who answers on it.
    Absent,
    /// It does not answer before the deadline that the real one is given.
    Hanging,
    /// It was set up anew: it answers, and has never heard of the vault.
    Emptied,
    /// It answers with a key that is well formed and not this vault's, as after a backup of the one was restored without the other.
    OtherKey,
}

/// A keystore in memory for [`Config::keystore`](crate::Config): its clones share what it keeps and how it stands. A vault that is
/// open keeps its key, as with a real one; what a state does is seen by the next process.
///
/// ```
/// use std::{sync::Arc, time::Duration};
/// use pilotlight::simulation::{FakeServer, KeystoreState, SimulatedClock, SimulatedKeystore, config, sign_in};
/// use pilotlight::{ErrorCode, Home, Pilotlight};
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// # let home = Home::at(folder.path().join("home"))?;
/// let clock = Arc::new(SimulatedClock::start());
/// let server = Arc::new(FakeServer::new(clock.clone(), Duration::from_secs(900)));
/// let keystore = SimulatedKeystore::default();
/// let mut config = config(home, clock, server);
/// config.keystore = Arc::new(keystore.clone());
/// sign_in(&Pilotlight::new(config.clone()), "work").await?;
///
/// for (state, code) in [
///     (KeystoreState::Locked, ErrorCode::KeystoreLocked),
///     (KeystoreState::Absent, ErrorCode::KeystoreAbsent),
///     (KeystoreState::Hanging, ErrorCode::KeystoreTimeout),
///     (KeystoreState::Emptied, ErrorCode::KeyLost),
///     (KeystoreState::OtherKey, ErrorCode::WrongKey),
/// ] {
///     keystore.set(state);
///     let next_process = Pilotlight::new(config.clone());
///     let told = next_process.access_token("work", Duration::ZERO).await.unwrap_err();
///     assert_eq!(told.code(), code);
/// }
///
/// // Nothing was lost by it.
/// keystore.set(KeystoreState::Unlocked);
/// Pilotlight::new(config).access_token("work", Duration::ZERO).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Default)]
pub struct SimulatedKeystore {
    inner: MemoryKeystore,
    state: Arc<Mutex<KeystoreState>>,
}

/// A key of no vault: a key's text is its kind, its generation and 32 bytes.
const NOBODYS: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

impl SimulatedKeystore {
    /// From now on it stands like this.
    pub fn set(&self, state: KeystoreState) {
        *lock(&self.state) = state;
    }

    /// How it stands.
    #[must_use]
    pub fn state(&self) -> KeystoreState {
        *lock(&self.state)
    }

    /// The names of what it keeps, in order, whatever its state.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.inner.names()
    }

    fn answer(&self) -> Result<KeystoreState, KeystoreError> {
        match self.state() {
            KeystoreState::Locked => Err(KeystoreError::Locked),
            KeystoreState::Absent => Err(KeystoreError::Absent("no session bus".to_owned())),
            KeystoreState::Hanging => Err(KeystoreError::TimedOut),
            answers => Ok(answers),
        }
    }
}

impl Keystore for SimulatedKeystore {
    fn kind(&self) -> &'static str {
        self.inner.kind()
    }

    fn read(&self, name: &str) -> Result<Option<KeystoreSecret>, KeystoreError> {
        Ok(self.read_all(name)?.pop())
    }

    fn read_all(&self, name: &str) -> Result<Vec<KeystoreSecret>, KeystoreError> {
        let state = self.answer()?;
        let mut secrets = self.inner.read_all(name)?;
        match state {
            KeystoreState::Emptied => secrets.clear(),
            KeystoreState::OtherKey if name.starts_with("kek-") => secrets.iter_mut().for_each(make_nobodys),
            _ => {}
        }
        Ok(secrets)
    }

    fn write(&self, name: &str, secret: &str) -> Result<(), KeystoreError> {
        self.answer()?;
        self.inner.write(name, secret)
    }

    fn delete(&self, name: &str) -> Result<(), KeystoreError> {
        self.answer()?;
        self.inner.delete(name)
    }

    fn look(&self) -> Result<Origin, KeystoreError> {
        self.answer()?;
        self.inner.look()
    }
}

/// Leaves what stands before the key's own bytes.
fn make_nobodys(secret: &mut KeystoreSecret) {
    let kept = secret.len().saturating_sub(NOBODYS.len());
    secret.truncate(kept);
    secret.push_str(NOBODYS);
}
