//! Vaults a vault by the name of its strategy.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use secrecy::SecretString;

#[cfg(all(feature = "tpm", unix))]
use crate::TpmDevice;
use crate::{
    EncryptedFileVault, Keystore, KeystoreVault, MemoryVault, Opening, PlainFileVault, PlainSqliteVault, PrefsVault,
    SqlcipherVault, SqliteVault, Strategy, Vault, VaultError,
};
#[cfg(feature = "redis")]
use crate::{RedisKey, RedisVault};

/// What the one vault that hosts share is called at their Redis.
#[cfg(feature = "redis")]
const SHARED: &str = "pilotlight";

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
    /// The machine's TPM, where it is another device than the usual one.
    pub tpm: Option<PathBuf>,
    /// Now, in milliseconds since the Unix epoch: dates new keys.
    pub now_ms: i64,
}

impl Vaults {
    /// Opens the vault of this strategy, or makes one where there is none. Never a new key over an existing vault (P4).
    /// [`VaultError::Unavailable`] where the strategy was not compiled in, or what it stands on is missing.
    pub fn open(&self, strategy: Strategy) -> Result<Arc<dyn Vault>, VaultError> {
        Ok(match strategy {
            Strategy::Memory => Arc::new(MemoryVault::default()),
            Strategy::PlainFile => Arc::new(PlainFileVault::open(&self.home)?),
            Strategy::SqliteAead => {
                let opening = if self.exists(strategy)? { self.opening() } else { self.by_keystore() };
                Arc::new(SqliteVault::open_with(&self.file(strategy), &opening)?)
            }
            Strategy::EncryptedFile => {
                Arc::new(EncryptedFileVault::open(&self.home, &self.app, self.known_passphrase()?)?)
            }
            Strategy::KeystoreOnly => Arc::new(KeystoreVault::open(&self.home, &self.app, Arc::clone(&self.keystore))?),
            Strategy::EncryptedPrefs => Arc::new(PrefsVault::open(&self.home, &self.app, &*self.keystore)?),
            Strategy::PlainSqlite => Arc::new(PlainSqliteVault::open(&self.home, &self.app)?),
            Strategy::SqlCipher => Arc::new(SqlcipherVault::open(&self.home, &self.app, Arc::clone(&self.keystore))?),
            #[cfg(all(feature = "tpm", unix))]
            Strategy::Hardware => {
                let new = Self { passphrase: None, ..self.clone() };
                let opening = if self.exists(strategy)? { self.by_tpm() } else { new.by_tpm() };
                Arc::new(SqliteVault::open_with(&self.file(strategy), &opening)?)
            }
            #[cfg(feature = "redis")]
            Strategy::Redis => {
                let key = RedisKey::Passphrase(self.known_passphrase()?);
                Arc::new(RedisVault::open(self.known_redis()?, SHARED, &self.app, &key)?)
            }
            #[cfg(not(all(feature = "tpm", feature = "redis", unix)))]
            other => return Err(not_built_in(other)),
        })
    }

    /// Whether there is a vault of this strategy, usable or not.
    pub fn exists(&self, strategy: Strategy) -> Result<bool, VaultError> {
        Ok(match strategy {
            Strategy::Memory => false,
            Strategy::KeystoreOnly => KeystoreVault::exists(&self.home)?,
            Strategy::EncryptedPrefs => PrefsVault::exists(&self.home)?,
            #[cfg(feature = "redis")]
            Strategy::Redis => match &self.redis {
                Some(address) => RedisVault::exists(address, SHARED)?,
                None => false,
            },
            other => other.file_name().is_some() && self.file(other).symlink_metadata().is_ok(),
        })
    }

    /// Removes the vault of this strategy with its keys, whole: after its grants were moved, never before.
    pub fn remove(&self, strategy: Strategy) -> Result<(), VaultError> {
        match strategy {
            Strategy::Memory => Ok(()),
            Strategy::PlainFile => PlainFileVault::remove_whole(&self.home),
            Strategy::EncryptedFile => EncryptedFileVault::remove_whole(&self.home),
            Strategy::KeystoreOnly => KeystoreVault::remove_whole(&self.home, Arc::clone(&self.keystore)),
            Strategy::SqliteAead => SqliteVault::remove_whole(&self.file(strategy), &self.opening()),
            Strategy::EncryptedPrefs => PrefsVault::remove_whole(&self.home, &*self.keystore),
            Strategy::PlainSqlite => PlainSqliteVault::remove_whole(&self.home),
            Strategy::SqlCipher => SqlcipherVault::remove_whole(&self.home, &*self.keystore),
            #[cfg(all(feature = "tpm", unix))]
            Strategy::Hardware => SqliteVault::remove_whole(&self.file(strategy), &self.by_tpm()),
            #[cfg(feature = "redis")]
            Strategy::Redis => RedisVault::remove_all(self.known_redis()?, SHARED),
            #[cfg(not(all(feature = "tpm", feature = "redis", unix)))]
            other => Err(not_built_in(other)),
        }
    }

    /// Sets an unusable vault aside so that a new one can be made: only ever on the person's word. Returns the new name.
    /// [`VaultError::NotFound`] where there is nothing to set aside.
    pub fn set_aside(&self, strategy: Strategy) -> Result<PathBuf, VaultError> {
        match strategy {
            Strategy::PlainFile => PlainFileVault::set_aside(&self.home, self.now_ms),
            Strategy::EncryptedFile => EncryptedFileVault::set_aside(&self.home, self.now_ms),
            Strategy::KeystoreOnly => KeystoreVault::set_aside(&self.home, self.now_ms),
            Strategy::Hardware | Strategy::SqliteAead => SqliteVault::set_aside(&self.file(strategy), self.now_ms),
            Strategy::EncryptedPrefs => PrefsVault::set_aside(&self.home, self.now_ms),
            Strategy::PlainSqlite => PlainSqliteVault::set_aside(&self.home, self.now_ms),
            Strategy::SqlCipher => SqlcipherVault::set_aside(&self.home, self.now_ms),
            #[cfg(feature = "redis")]
            Strategy::Redis => RedisVault::set_aside(self.known_redis()?, SHARED, self.now_ms).map(PathBuf::from),
            _ => Err(VaultError::NotFound),
        }
    }

    #[cfg(all(feature = "tpm", unix))]
    pub(crate) fn by_tpm(&self) -> Opening {
        let opening = Opening::new(self.now_ms).app(&self.app).hardware(self.device());
        self.typed().into_iter().fold(opening, Opening::means)
    }

    #[cfg(all(feature = "tpm", unix))]
    pub(crate) fn device(&self) -> TpmDevice {
        self.tpm.as_deref().map_or_else(TpmDevice::default, TpmDevice::at)
    }

    #[cfg(feature = "redis")]
    fn known_redis(&self) -> Result<&SecretString, VaultError> {
        self.redis.as_ref().ok_or_else(|| VaultError::Unavailable("the address of the Redis is not given".to_owned()))
    }

    fn known_passphrase(&self) -> Result<&SecretString, VaultError> {
        self.passphrase.as_ref().ok_or(VaultError::PassphraseNeeded)
    }

    fn by_keystore(&self) -> Opening {
        Opening::new(self.now_ms).app(&self.app).keystore(Arc::clone(&self.keystore))
    }

    /// How the default strategy is opened: by the keystore, and by what a person typed.
    pub(crate) fn opening(&self) -> Opening {
        self.typed().into_iter().fold(self.by_keystore(), Opening::means)
    }

    pub(crate) fn file(&self, strategy: Strategy) -> PathBuf {
        self.home.join(strategy.file_name().map_or(Path::new(""), Path::new))
    }
}

#[cfg(not(all(feature = "tpm", feature = "redis", unix)))]
fn not_built_in(strategy: Strategy) -> VaultError {
    VaultError::Unavailable(format!("the strategy {strategy} is not built in"))
}
