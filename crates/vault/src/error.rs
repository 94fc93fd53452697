//! What can go wrong, told apart (P4): "cannot read" is never "there is none".

use crate::{Generation, GrantId};

/// Why the OS keystore did not do what was asked. Never holds what it was asked to keep.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeystoreError {
    /// There is no keystore at all: no session bus, no Secret Service, no default collection.
    #[error("there is no keystore: {0}")]
    Absent(String),
    /// It is there and locked, or the person dismissed the prompt.
    #[error("the keystore is locked")]
    Locked,
    /// It did not answer before the deadline. At most one call is left hanging.
    #[error("the keystore does not answer")]
    TimedOut,
    /// More than one entry answers to our name.
    #[error("the keystore holds {0} entries of this name")]
    Ambiguous(usize),
    /// It keeps secrets only until the next reboot, or cannot keep ours.
    #[error("the keystore cannot keep this: {0}")]
    Unsuitable(String),
    /// Anything else, in words free of secrets.
    #[error("the keystore failed: {0}")]
    Failed(String),
}

/// Why the vault did not do what was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VaultError {
    /// The keystore could not be asked.
    #[error(transparent)]
    Keystore(#[from] KeystoreError),
    /// The keystore answers and has no key for this vault although the vault was made with one.
    #[error("the vault's key is gone from the keystore")]
    KeyLost,
    /// The keystore's entry is not a key.
    #[error("the vault's key in the keystore is damaged")]
    KeyCorrupt,
    /// The keystore's key is well formed and not this vault's.
    #[error("the key at hand is another one than this vault's")]
    WrongKey,
    /// The vault is opened by a passphrase, and none was given.
    #[error("the vault needs its passphrase")]
    PassphraseNeeded,
    /// The passphrase is not the vault's.
    #[error("the passphrase is wrong")]
    WrongPassphrase,
    /// The recovery code is well formed and not the vault's.
    #[error("the recovery code is another vault's")]
    WrongRecoveryCode,
    /// This strategy cannot work here: it was not compiled in, or what it stands on is missing.
    #[error("{0}")]
    Unavailable(String),
    /// The TPM answers and cannot unseal this vault's key: it was cleared, or is another one.
    #[error("the TPM cannot unseal the vault's key: {0}")]
    TpmLost(String),
    /// The keystore's anchor says that this vault's grants were moved to another strategy.
    #[error("the grants of this vault were moved to the strategy {0}")]
    Moved(String),
    /// One record does not open although the key is right.
    #[error("record {0} was damaged or tampered with")]
    Tampered(GrantId),
    /// The file is not a vault, or not a whole one.
    #[error("the vault file is damaged: {0}")]
    Damaged(String),
    /// The file is an older copy than the one last written (P6 of the design, storage anchor).
    #[error("the vault file is an older copy: epoch {found}, last written {expected}")]
    RolledBack {
        /// The file's epoch.
        found: u64,
        /// The anchor's epoch.
        expected: u64,
    },
    /// A later Pilotlight wrote it.
    #[error("the vault has format {0}, made by a newer version")]
    NewerFormat(u32),
    /// The record is at another generation than expected: somebody else committed.
    #[error("the record is at generation {actual:?}")]
    Conflict {
        /// Where it is; `None` where it exists although it should not.
        actual: Option<Generation>,
    },
    /// There is no such record.
    #[error("there is no such record")]
    NotFound,
    /// The folder or file is not safe to use: a symbolic link, somebody else's, open to others.
    #[error("{0}")]
    UnsafePath(String),
    /// The disk is full, read-only, or failing.
    #[error("the vault file cannot be written or read: {0}")]
    Io(String),
    /// Another process held the database for longer than five seconds.
    #[error("the vault is busy")]
    Busy,
    /// The payload is longer than [`MAX_PAYLOAD`](crate::MAX_PAYLOAD).
    #[error("the record is too large: {0} bytes")]
    TooLarge(usize),
    /// Not a grant id.
    #[error("not a grant id")]
    NotAGrantId,
}

/// The vault is not as this code left it.
pub(crate) fn damaged(why: &str) -> VaultError {
    VaultError::Damaged(why.to_owned())
}

/// The file system did not do what was asked.
pub(crate) fn io(what: &str, error: &std::io::Error) -> VaultError {
    VaultError::Io(format!("{what}: {}", error.kind()))
}
