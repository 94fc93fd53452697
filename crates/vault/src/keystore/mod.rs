//! The OS keystore, behind one worker thread with deadlines.

mod os;
mod platform;
mod worker;

#[cfg(any(test, feature = "testing"))]
mod faulty;

#[cfg(any(test, feature = "testing"))]
pub use faulty::{FaultyKeystore, Gate, MemoryKeystore};
pub use os::OsKeystore;

use zeroize::Zeroizing;

use crate::KeystoreError;

/// A text secret kept by the keystore.
pub type KeystoreSecret = Zeroizing<String>;

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

    /// Waits until a keystore that has only just started may have loaded its entries; called once between two looks for
    /// a key that must be there. Waits two seconds for the platform's keystore, and not at all by default.
    fn settle(&self) {}
}
