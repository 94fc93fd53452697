//! Strategies that keep all records in one document, which is read whole and replaced whole: a file, or a few entries of
//! the keystore. Right for a handful of grants, and the honest way to store where there is no database.
//!
//! ```text
//!   DocumentVault ── steps ──▶ Document ── Format ──▶ bytes ── Backing ──▶ a file, or entries of the keystore
//! ```

mod body;
mod entries;
mod file;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod keystore;
mod plain;
pub(crate) mod prefs;
mod sealed;
mod sealed_header;
mod steps;
mod vault;

use std::collections::BTreeMap;
use std::fs::File;

pub(crate) use file::{FileBacking, document_in_home};
pub use keystore::KeystoreVault;
pub use plain::PlainFileVault;
pub use prefs::PrefsVault;
pub use sealed::EncryptedFileVault;
pub(crate) use vault::{DocumentVault, vault_by_document};

use crate::place::{FolderLock, Hold};
use crate::{Attempt, Generation, GrantId, Payload, VaultError};

/// Everything such a vault keeps, opened.
#[derive(Default)]
pub(crate) struct Document {
    /// How often it was written: tells a handle that somebody else wrote, and shows an older copy where an anchor exists.
    pub(crate) epoch: u64,
    /// The records, by grant.
    pub(crate) entries: BTreeMap<GrantId, Entry>,
}

/// One record of a [`Document`].
pub(crate) struct Entry {
    pub(crate) generation: Generation,
    pub(crate) payload: Payload,
    pub(crate) attempt: Option<Attempt>,
}

/// How a [`Document`] stands in its bytes. Sealing, where there is any, is the format's.
pub(crate) trait Format: Send + Sync {
    /// The strategy's name.
    fn strategy(&self) -> &'static str;

    /// The bytes to keep. They are wiped after they are written.
    fn encode(&self, document: &Document) -> Result<Payload, VaultError>;

    /// Reads [`Self::encode`]. Anything else is an error ([`VaultError::Damaged`] and its like), never an empty document.
    fn decode(&self, bytes: &[u8]) -> Result<Document, VaultError>;
}

/// Where the bytes of a document lie. What is read and replaced is whole, and a crash leaves the old bytes or the new ones.
pub(crate) trait Backing: Send + Sync {
    /// Waits for the lock over all processes: shared to read, alone to write. [`VaultError::Busy`] after five seconds.
    fn lock(&self, hold: Hold) -> Result<FolderLock, VaultError>;

    /// What is kept, under either lock; `None` where nothing was ever kept.
    fn read(&self) -> Result<Option<(Payload, Mark)>, VaultError>;

    /// Puts `bytes` in the place of what is kept, durably, or changes nothing; under the lock alone. `epoch` is the
    /// document's.
    fn replace(&self, bytes: &[u8], epoch: u64) -> Result<Mark, VaultError>;

    /// What would be read now, without reading it; needs no lock.
    fn mark(&self) -> Result<Mark, VaultError>;
}

/// Tells one state of what is kept from every other.
#[derive(Default)]
pub(crate) struct Mark {
    /// Equal for equal states.
    id: Vec<u8>,
    /// Held open, so that no later file is given this one's number.
    _held: Option<File>,
}

impl Mark {
    pub(crate) fn of(id: Vec<u8>, held: Option<File>) -> Self {
        Self { id, _held: held }
    }
}

impl PartialEq for Mark {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

#[cfg(test)]
mod tests;
