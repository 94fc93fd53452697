//! The OS keystore, behind one worker thread with deadlines.

#[cfg(feature = "os-keystore")]
mod os;
#[cfg(feature = "os-keystore")]
mod platform;
#[cfg(all(feature = "os-keystore", target_os = "linux"))]
mod secret_service;
mod state;
#[cfg(feature = "os-keystore")]
mod worker;

#[cfg(any(test, feature = "testing"))]
mod faulty;

#[cfg(any(test, feature = "testing"))]
pub use faulty::{FaultyKeystore, Gate, MemoryKeystore};
#[cfg(feature = "os-keystore")]
pub use os::OsKeystore;
pub use state::{Check, Origin, Persistence, State, probe};

use std::time::Duration;

use zeroize::Zeroizing;

use crate::KeystoreError;

/// A text secret kept by the keystore.
pub type KeystoreSecret = Zeroizing<String>;

/// How long a person who is asked to unlock the keystore may take.
pub const UNLOCKING: Duration = Duration::from_secs(60);

/// Where the vault's key is kept. Calls block, up to the deadline of the implementation.
pub trait Keystore: Send + Sync {
    /// Which keystore this is, for people and for the record of what was used: `secret-service`, `credential-manager`, `keychain`,
    /// `android-keystore`, `memory`.
    fn kind(&self) -> &'static str;

    /// The secret under `name`. `None` only where the keystore answered, unlocked, that it has none.
    fn read(&self, name: &str) -> Result<Option<KeystoreSecret>, KeystoreError>;

    /// Keeps `secret` under `name`, replacing what was there, and reads it back.
    fn write(&self, name: &str, secret: &str) -> Result<(), KeystoreError>;

    /// Forgets `name`. Forgetting what is not there is fine.
    fn delete(&self, name: &str) -> Result<(), KeystoreError>;

    /// Every secret under `name`: in a Secret Service any program may add another entry of our name, and the vault finds
    /// its own by trying them. Empty where [`Self::read`] says `None`.
    fn read_all(&self, name: &str) -> Result<Vec<KeystoreSecret>, KeystoreError> {
        Ok(self.read(name)?.into_iter().collect())
    }

    /// Who keeps, where it is there and unlocked, found out without a prompt and without touching an entry;
    /// [`KeystoreError::Locked`] where it waits for the person. By default whatever is there counts as unlocked.
    fn look(&self) -> Result<Origin, KeystoreError> {
        Ok(Origin::of(self.kind()))
    }

    /// Asks the person to unlock it and waits at most `patience`, e.g. [`UNLOCKING`]; [`KeystoreError::Locked`] where the
    /// prompt is dismissed or not answered. Asks once per call: whoever calls it again does so at the person's wish.
    fn unlock(&self, _patience: Duration) -> Result<(), KeystoreError> {
        self.look().map(drop)
    }

    /// Waits at most `patience` until somebody unlocks it, without asking anybody: what a program does that is started
    /// with the desktop. [`KeystoreError::Locked`] where nobody did.
    fn await_unlocked(&self, _patience: Duration) -> Result<(), KeystoreError> {
        self.look().map(drop)
    }

    /// Waits until a keystore that has only just started may have loaded its entries; called once between two looks for
    /// a key that must be there. Waits two seconds for the platform's keystore, and not at all by default.
    fn settle(&self) {}
}
