//! Strategies that keep all records in one document, which is read whole and replaced whole: a file, or a few entries of
//! the keystore. Right for a handful of grants, and the honest way to store where there is no database.

use std::collections::BTreeMap;

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
