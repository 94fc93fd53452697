//! Vaults a vault by the name of its strategy.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use secrecy::SecretString;

use crate::{Keystore, MemoryVault, SqliteVault, Strategy, Vault, VaultError};

/// What vaults of one home are opened with; a strategy takes what it needs of it.
#[derive(Clone)]
pub struct Vaults {
    /// The folder of all its files: absolute, made where it is missing, and closed to others.
    pub home: PathBuf,
    /// Whose vaults these are, e.g. `dev.pilotlight`: bound into everything that is sealed.
    pub app: String,
    /// Where keys are kept.
    pub keystore: Arc<dyn Keystore>,
    /// What a person typed, where a strategy asks for it ([`VaultError::PassphraseNeeded`]).
    pub passphrase: Option<SecretString>,
    /// The address of the Redis to share a vault by, `redis://HOST:PORT/NUMBER`; may hold a password.
    pub redis: Option<SecretString>,
    /// Now, in milliseconds since the Unix epoch: dates new keys.
    pub now_ms: i64,
}

impl Vaults {
    /// Opens the vault of this strategy, or makes one where there is none. Never a new key over an existing vault (P4).
    /// [`VaultError::Unavailable`] where the strategy was not compiled in, or what it stands on is missing.
    pub fn open(&self, strategy: Strategy) -> Result<Arc<dyn Vault>, VaultError> {
        Ok(match strategy {
            Strategy::Memory => Arc::new(MemoryVault::default()),
            Strategy::SqliteAead => Arc::new(SqliteVault::open_for(
                &self.app,
                &self.file(strategy),
                Arc::clone(&self.keystore),
                self.now_ms,
            )?),
            other => return Err(VaultError::Unavailable(format!("the strategy {other} is not built in"))),
        })
    }

    /// Whether there is a vault of this strategy.
    pub fn exists(&self, strategy: Strategy) -> Result<bool, VaultError> {
        Ok(match strategy {
            Strategy::Memory => false,
            other => other.file_name().is_some() && self.file(other).symlink_metadata().is_ok(),
        })
    }

    /// Removes the vault of this strategy with its keys, whole: after its grants were moved, never before.
    pub fn remove(&self, strategy: Strategy) -> Result<(), VaultError> {
        match strategy {
            Strategy::Memory => Ok(()),
            other => Err(VaultError::Unavailable(format!("the strategy {other} is not built in"))),
        }
    }

    /// Sets an unusable vault aside so that a new one can be made: only ever on the person's word. Returns the new name.
    /// [`VaultError::NotFound`] where there is nothing to set aside.
    pub fn set_aside(&self, strategy: Strategy) -> Result<PathBuf, VaultError> {
        match strategy {
            Strategy::SqliteAead => SqliteVault::set_aside(&self.file(strategy), self.now_ms),
            _ => Err(VaultError::NotFound),
        }
    }

    fn file(&self, strategy: Strategy) -> PathBuf {
        self.home.join(strategy.file_name().map_or(Path::new(""), Path::new))
    }
}
