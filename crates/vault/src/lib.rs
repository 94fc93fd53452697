//! The encrypted vault of grants, and the OS keystore that holds its key.
//!
//! ```text
//!   OS keystore                          vault.db (SQLite, 0600 in a 0700 folder)
//!   ┌──────────────────────┐             ┌──────────────────────────────────────────────┐
//!   │ kek-<vault>-<gen> ───┼── wraps ──▶ │ dek_slot: the DEK, sealed                    │
//!   │                      │             │ token:    one row per grant, sealed under    │
//!   │ anchor-<vault> ◀─────┼─ follows ── │           HKDF(DEK, record)                  │
//!   │  epoch, digest       │             │ vault:    epoch and sum of all rows,         │
//!   └──────────────────────┘             │           sealed                             │
//!                                        └──────────────────────────────────────────────┘
//! ```
//!
//! The vault does not look inside what it keeps. Every method of [`Vault`] is one durable step, and every way in which
//! a vault can be unreadable is an error of its own: "cannot read" is never "there is none".
//!
//! ```
//! use pilotlight_vault::{GrantId, MemoryVault, Vault, VaultError};
//!
//! let vault = MemoryVault::default();
//! let id = GrantId::from_bytes([7; 16]);
//! let generation = vault.create(&id, b"a refresh token and what belongs to it")?;
//! assert_eq!(generation, 1);
//!
//! // Whoever refreshed generation 1 first wins; everybody else learns where the record is now.
//! assert_eq!(vault.commit(&id, 1, b"its successor")?, 2);
//! assert!(matches!(vault.commit(&id, 1, b"another successor"), Err(VaultError::Conflict { actual: Some(2) })));
//! # Ok::<(), VaultError>(())
//! ```
//!
//! What this defends against, on Linux and Windows: a stolen disk, another user of the machine, a leaked backup, and
//! somebody who alters the files. It does not defend against another program of the same user: that one may ask the
//! keystore too.

mod base32;
mod columns;
mod document;
mod envelope;
mod error;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
mod grant_id;
pub mod keystore;
#[cfg(all(target_os = "linux", any(test, feature = "testing")))]
pub mod leftovers;
mod locked;
mod memory;
#[cfg(test)]
mod model;
#[cfg(test)]
mod other_process;
mod passphrase;
mod place;
pub mod process;
mod random;
#[cfg(feature = "redis")]
mod redis;
mod sqlite;
mod strategy;
#[cfg(any(test, feature = "testing"))]
pub mod suite;
#[cfg(all(any(test, feature = "testing"), any(feature = "redis", all(feature = "tpm", unix))))]
pub mod testing;
#[cfg(all(feature = "tpm", unix))]
mod tpm;
mod vaults;
mod ways;
#[cfg(test)]
mod wycheproof;

pub use columns::{CipherReport, PlainSqliteVault, SqlcipherVault};
pub use document::{EncryptedFileVault, KeystoreVault, PlainFileVault, PrefsVault};
pub use envelope::{Aead, Means, RecoveryCode};
pub use error::{KeystoreError, VaultError};
pub use grant_id::GrantId;
pub use keystore::Keystore;
#[cfg(feature = "os-keystore")]
pub use keystore::OsKeystore;
pub use memory::MemoryVault;
#[cfg(feature = "redis")]
pub use redis::{RedisKey, RedisVault};
pub use sqlite::{Opening, SlotInfo, SqliteVault};
pub use strategy::{Exposure, Exposures, Need, NoSuchStrategy, Strategy};
#[cfg(all(feature = "tpm", unix))]
pub use tpm::TpmDevice;
pub use vaults::Vaults;

use std::fmt;
use std::sync::Arc;

use zeroize::Zeroizing;

/// How often a record was committed; 1 when it is created. Decides whether somebody else refreshed (P3), never the clock.
pub type Generation = u64;

/// What a grant's owner wrote, opened. The vault does not look inside.
pub type Payload = Zeroizing<Vec<u8>>;

/// A refresh that was begun and whose outcome is not known yet (P9).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// Random; sent as `Idempotency-Key` with every repeat of this attempt.
    pub idempotency_key: [u8; 16],
    /// When it was begun, in milliseconds since the Unix epoch.
    pub started_at_ms: i64,
}

/// The longest payload a record holds, in bytes.
pub const MAX_PAYLOAD: usize = 64 * 1024;

/// One record, opened.
pub struct Record {
    /// Whose it is.
    pub id: GrantId,
    /// How often it was committed.
    pub generation: Generation,
    /// What was sealed.
    pub payload: Payload,
    /// The open attempt of this generation, if one was begun.
    pub attempt: Option<Attempt>,
}

/// Without the payload.
impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Record")
            .field("id", &self.id)
            .field("generation", &self.generation)
            .field("attempt", &self.attempt)
            .finish_non_exhaustive()
    }
}

/// One entry of [`Vault::list`]: a damaged record does not hide the others.
#[derive(Debug)]
pub enum Listed {
    /// It opened.
    Record(Record),
    /// It did not: tampered with or damaged. It stays where it is, for inspection.
    Damaged {
        /// Whose it is.
        id: GrantId,
    },
}

/// Storage of grants, in whole transitions: every method is one atomic durable step, or an error that changed nothing.
/// All methods block; call them off the async threads.
pub trait Vault: Send + Sync {
    /// The strategy's name, e.g. `sqlite-aead`.
    fn strategy(&self) -> &'static str;

    /// The record of one grant; `None` where there is none (which is proof: errors say "cannot read" instead, P4).
    fn load(&self, id: &GrantId) -> Result<Option<Record>, VaultError>;

    /// Every record, ordered by id.
    fn list(&self) -> Result<Vec<Listed>, VaultError>;

    /// Creates a record at generation 1. [`VaultError::Conflict`] where the id exists; [`VaultError::TooLarge`] above
    /// [`MAX_PAYLOAD`].
    fn create(&self, id: &GrantId, payload: &[u8]) -> Result<Generation, VaultError>;

    /// Creates many records, with the attempts that they carry, at generation 1: in one durable step where the strategy
    /// can, so that a move takes seconds where single steps would take minutes. Otherwise one after the other, and what
    /// was created before an error stays. Fails as [`Vault::create`] does.
    fn create_all(&self, records: &[Record]) -> Result<(), VaultError> {
        for record in records {
            let generation = self.create(&record.id, &record.payload)?;
            if let Some(attempt) = &record.attempt {
                self.begin_attempt(&record.id, generation, None, attempt)?;
            }
        }
        Ok(())
    }

    /// Durably notes that a refresh of `generation` is about to be sent: the proof needed after a crash, and the
    /// canary that shows a full or read-only disk before anything is spent. It takes the place of the attempt that the
    /// caller `saw` when it read the record, and of no other: somebody else's may be under way.
    /// [`VaultError::Conflict`] where the record is not at `generation` or holds another attempt than `saw`;
    /// [`VaultError::NotFound`] where there is none.
    fn begin_attempt(
        &self,
        id: &GrantId,
        generation: Generation,
        saw: Option<&Attempt>,
        attempt: &Attempt,
    ) -> Result<(), VaultError>;

    /// Forgets this attempt at `generation`: it is certain that nothing was spent, since the request never left. Forgetting
    /// what is not there is fine. [`VaultError::Conflict`] where the record is not at `generation` or holds another attempt;
    /// [`VaultError::NotFound`] where there is none.
    fn end_attempt(&self, id: &GrantId, generation: Generation, attempt: &Attempt) -> Result<(), VaultError>;

    /// Replaces the record of `expected` by `payload` at `expected + 1` and clears the attempt.
    /// [`VaultError::Conflict`] where the record is not at `expected`; [`VaultError::NotFound`] where there is none;
    /// [`VaultError::TooLarge`] above [`MAX_PAYLOAD`].
    fn commit(&self, id: &GrantId, expected: Generation, payload: &[u8]) -> Result<Generation, VaultError>;

    /// Whether somebody else, another process for instance, wrote since this was last asked. Its own writes do not count.
    fn changed_elsewhere(&self) -> Result<bool, VaultError> {
        Ok(false)
    }

    /// For a doctor: looks at everything anew, whatever was verified before, which takes as long as the vault is large. An
    /// error says what is wrong with it as a whole; otherwise what is worth knowing of where it stands. Says nothing of
    /// single records, which [`Vault::list`] opens one by one.
    fn examine(&self) -> Result<Vec<&'static str>, VaultError> {
        Ok(Vec::new())
    }

    /// Removes a record and its attempt. Removing what is not there is fine.
    fn remove(&self, id: &GrantId) -> Result<(), VaultError>;
}

impl<V: Vault + ?Sized> Vault for Arc<V> {
    fn strategy(&self) -> &'static str {
        (**self).strategy()
    }
    fn load(&self, id: &GrantId) -> Result<Option<Record>, VaultError> {
        (**self).load(id)
    }
    fn list(&self) -> Result<Vec<Listed>, VaultError> {
        (**self).list()
    }
    fn create(&self, id: &GrantId, payload: &[u8]) -> Result<Generation, VaultError> {
        (**self).create(id, payload)
    }
    fn create_all(&self, records: &[Record]) -> Result<(), VaultError> {
        (**self).create_all(records)
    }
    fn begin_attempt(
        &self,
        id: &GrantId,
        generation: Generation,
        saw: Option<&Attempt>,
        attempt: &Attempt,
    ) -> Result<(), VaultError> {
        (**self).begin_attempt(id, generation, saw, attempt)
    }
    fn end_attempt(&self, id: &GrantId, generation: Generation, attempt: &Attempt) -> Result<(), VaultError> {
        (**self).end_attempt(id, generation, attempt)
    }
    fn commit(&self, id: &GrantId, expected: Generation, payload: &[u8]) -> Result<Generation, VaultError> {
        (**self).commit(id, expected, payload)
    }
    fn changed_elsewhere(&self) -> Result<bool, VaultError> {
        (**self).changed_elsewhere()
    }
    fn examine(&self) -> Result<Vec<&'static str>, VaultError> {
        (**self).examine()
    }
    fn remove(&self, id: &GrantId) -> Result<(), VaultError> {
        (**self).remove(id)
    }
}
