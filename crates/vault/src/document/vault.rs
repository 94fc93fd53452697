//! A vault over a document: lock, read, change, replace.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::steps::Step;
use super::{Backing, Document, Format, Mark};
use crate::error::damaged;
use crate::place::Hold;
use crate::{Attempt, Generation, GrantId, Listed, Payload, Record, VaultError};

/// A vault whose records stand in one document. Every step reads what all processes left, under the lock that they share.
pub(crate) struct DocumentVault<F, B> {
    pub(super) format: F,
    pub(super) backing: B,
    seen: Mutex<Seen>,
}

/// What this handle knows of the document.
struct Seen {
    /// The furthest epoch: a document that goes back while it is open was put back.
    epoch: u64,
    /// What was kept when somebody last asked for changes, or after this handle's own last write.
    mark: Mark,
    /// Somebody else wrote before this handle's own last write, and nobody has asked since.
    elsewhere: bool,
}

fn not_before(found: u64, seen: u64) -> Result<u64, VaultError> {
    if found < seen { Err(VaultError::RolledBack { found, expected: seen }) } else { Ok(found) }
}

impl<F: Format, B: Backing> DocumentVault<F, B> {
    /// Opens what `backing` keeps, or keeps an empty document there if nothing was ever kept.
    pub(crate) fn open(format: F, backing: B) -> Result<Self, VaultError> {
        let (epoch, mark) = match Self::first_look(&format, &backing, Hold::Shared)? {
            Some(found) => found,
            None => Self::make(&format, &backing)?,
        };
        Ok(Self { format, backing, seen: Mutex::new(Seen { epoch, mark, elsewhere: false }) })
    }

    fn first_look(format: &F, backing: &B, hold: Hold) -> Result<Option<(u64, Mark)>, VaultError> {
        let _lock = backing.lock(hold)?;
        let Some((bytes, mark)) = backing.read()? else { return Ok(None) };
        Ok(Some((format.decode(&bytes)?.epoch, mark)))
    }

    fn make(format: &F, backing: &B) -> Result<(u64, Mark), VaultError> {
        let _lock = backing.lock(Hold::Alone)?;
        // Another process may have made it while this one waited.
        if let Some((bytes, mark)) = backing.read()? {
            return Ok((format.decode(&bytes)?.epoch, mark));
        }
        let first = Document { epoch: 1, ..Document::default() };
        Ok((first.epoch, backing.replace(&format.encode(&first)?, first.epoch)?))
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        // What it guards is replaced whole, so a poisoned lock guards something whole.
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn kept(&self) -> Result<(Payload, Mark), VaultError> {
        // It was there when the handle was opened: that it is gone proves nothing about the records.
        self.backing.read()?.ok_or_else(|| VaultError::Io("it was moved away while it was open".to_owned()))
    }

    fn read(&self) -> Result<Document, VaultError> {
        let mut seen = self.seen();
        let lock = self.backing.lock(Hold::Shared)?;
        let (bytes, _) = self.kept()?;
        drop(lock);
        let document = self.format.decode(&bytes)?;
        seen.epoch = not_before(document.epoch, seen.epoch)?;
        Ok(document)
    }

    fn write<T>(&self, step: impl FnOnce(&mut Document) -> Result<Step<T>, VaultError>) -> Result<T, VaultError> {
        self.write_with(step, |document| self.format.encode(document), || ())
    }

    /// Writes what `step` makes of the document in the bytes that `encode` makes of that. Nobody uses this handle between
    /// that and `kept`.
    pub(super) fn write_with<T>(
        &self,
        step: impl FnOnce(&mut Document) -> Result<Step<T>, VaultError>,
        encode: impl FnOnce(&Document) -> Result<Payload, VaultError>,
        kept: impl FnOnce(),
    ) -> Result<T, VaultError> {
        let mut seen = self.seen();
        let _lock = self.backing.lock(Hold::Alone)?;
        let (bytes, before) = self.kept()?;
        let mut document = self.format.decode(&bytes)?;
        seen.epoch = not_before(document.epoch, seen.epoch)?;
        let outcome = match step(&mut document)? {
            Step::Unchanged(outcome) => return Ok(outcome),
            Step::Changed(outcome) => outcome,
        };
        document.epoch = document.epoch.checked_add(1).ok_or_else(|| damaged("its epoch is the last one"))?;
        let bytes = encode(&document)?;
        let mark = self.backing.replace(&bytes, document.epoch)?;
        kept();
        let elsewhere = seen.elsewhere || before != seen.mark;
        *seen = Seen { epoch: document.epoch, mark, elsewhere };
        Ok(outcome)
    }

    pub(super) fn strategy(&self) -> &'static str {
        self.format.strategy()
    }

    pub(super) fn load(&self, id: &GrantId) -> Result<Option<Record>, VaultError> {
        Ok(self.read()?.entries.remove(id).map(|entry| entry.into_record(*id)))
    }

    pub(super) fn list(&self) -> Result<Vec<Listed>, VaultError> {
        let entries = self.read()?.entries;
        Ok(entries.into_iter().map(|(id, entry)| Listed::Record(entry.into_record(id))).collect())
    }

    pub(super) fn create(&self, id: &GrantId, payload: &[u8]) -> Result<Generation, VaultError> {
        self.write(|document| document.create(id, payload))
    }

    pub(super) fn create_all(&self, records: &[Record]) -> Result<(), VaultError> {
        self.write(|document| {
            for record in records {
                document.create(&record.id, &record.payload)?;
                if let Some(attempt) = &record.attempt {
                    document.begin_attempt(&record.id, 1, None, attempt)?;
                }
            }
            Ok(Step::Changed(()))
        })
    }

    pub(super) fn begin_attempt(
        &self,
        id: &GrantId,
        generation: Generation,
        saw: Option<&Attempt>,
        attempt: &Attempt,
    ) -> Result<(), VaultError> {
        self.write(|document| document.begin_attempt(id, generation, saw, attempt))
    }

    pub(super) fn end_attempt(
        &self,
        id: &GrantId,
        generation: Generation,
        attempt: &Attempt,
    ) -> Result<(), VaultError> {
        self.write(|document| document.end_attempt(id, generation, attempt))
    }

    pub(super) fn commit(&self, id: &GrantId, expected: Generation, payload: &[u8]) -> Result<Generation, VaultError> {
        self.write(|document| document.commit(id, expected, payload))
    }

    pub(super) fn changed_elsewhere(&self) -> Result<bool, VaultError> {
        let mut seen = self.seen();
        let mark = self.backing.mark()?;
        let elsewhere = seen.elsewhere || mark != seen.mark;
        seen.elsewhere = false;
        seen.mark = mark;
        Ok(elsewhere)
    }

    pub(super) fn remove(&self, id: &GrantId) -> Result<(), VaultError> {
        self.write(|document| Ok(document.remove(id)))
    }
}

/// Without the document.
impl<F: Format, B> fmt::Debug for DocumentVault<F, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DocumentVault").field("strategy", &self.format.strategy()).finish_non_exhaustive()
    }
}

/// Makes a strategy of a type whose field `document` is a [`DocumentVault`].
macro_rules! vault_by_document {
    ($vault:ty) => {
        impl $crate::Vault for $vault {
            fn strategy(&self) -> &'static str {
                self.document.strategy()
            }
            fn load(&self, id: &$crate::GrantId) -> Result<Option<$crate::Record>, $crate::VaultError> {
                self.document.load(id)
            }
            fn list(&self) -> Result<Vec<$crate::Listed>, $crate::VaultError> {
                self.document.list()
            }
            fn create(&self, id: &$crate::GrantId, payload: &[u8]) -> Result<$crate::Generation, $crate::VaultError> {
                self.document.create(id, payload)
            }
            fn create_all(&self, records: &[$crate::Record]) -> Result<(), $crate::VaultError> {
                self.document.create_all(records)
            }
            fn begin_attempt(
                &self,
                id: &$crate::GrantId,
                generation: $crate::Generation,
                saw: Option<&$crate::Attempt>,
                attempt: &$crate::Attempt,
            ) -> Result<(), $crate::VaultError> {
                self.document.begin_attempt(id, generation, saw, attempt)
            }
            fn end_attempt(
                &self,
                id: &$crate::GrantId,
                generation: $crate::Generation,
                attempt: &$crate::Attempt,
            ) -> Result<(), $crate::VaultError> {
                self.document.end_attempt(id, generation, attempt)
            }
            fn commit(
                &self,
                id: &$crate::GrantId,
                expected: $crate::Generation,
                payload: &[u8],
            ) -> Result<$crate::Generation, $crate::VaultError> {
                self.document.commit(id, expected, payload)
            }
            fn changed_elsewhere(&self) -> Result<bool, $crate::VaultError> {
                self.document.changed_elsewhere()
            }
            fn remove(&self, id: &$crate::GrantId) -> Result<(), $crate::VaultError> {
                self.document.remove(id)
            }
        }
    };
}
pub(crate) use vault_by_document;
