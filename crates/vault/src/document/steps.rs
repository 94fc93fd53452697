//! The steps of a vault, taken on an opened [`Document`].

use zeroize::Zeroizing;

use super::{Document, Entry};
use crate::{Attempt, Generation, GrantId, MAX_PAYLOAD, Payload, Record, VaultError};

/// What a step leaves behind.
pub(super) enum Step<T> {
    Changed(T),
    Unchanged(T),
}

fn copy_of(payload: &[u8]) -> Result<Payload, VaultError> {
    if payload.len() > MAX_PAYLOAD {
        return Err(VaultError::TooLarge(payload.len()));
    }
    Ok(Zeroizing::new(payload.to_vec()))
}

impl Entry {
    pub(super) fn into_record(self, id: GrantId) -> Record {
        Record { id, generation: self.generation, payload: self.payload, attempt: self.attempt }
    }
}

impl Document {
    fn at_generation(&mut self, id: &GrantId, expected: Generation) -> Result<&mut Entry, VaultError> {
        let entry = self.entries.get_mut(id).ok_or(VaultError::NotFound)?;
        if entry.generation == expected {
            Ok(entry)
        } else {
            Err(VaultError::Conflict { actual: Some(entry.generation) })
        }
    }

    pub(super) fn create(&mut self, id: &GrantId, payload: &[u8]) -> Result<Step<Generation>, VaultError> {
        let payload = copy_of(payload)?;
        if self.entries.contains_key(id) {
            return Err(VaultError::Conflict { actual: None });
        }
        self.entries.insert(*id, Entry { generation: 1, payload, attempt: None });
        Ok(Step::Changed(1))
    }

    pub(super) fn begin_attempt(
        &mut self,
        id: &GrantId,
        generation: Generation,
        saw: Option<&Attempt>,
        attempt: &Attempt,
    ) -> Result<Step<()>, VaultError> {
        let entry = self.at_generation(id, generation)?;
        if entry.attempt.as_ref() != saw {
            return Err(VaultError::Conflict { actual: Some(generation) });
        }
        entry.attempt = Some(attempt.clone());
        // Written even where it is the same one: this write is what shows a full disk before anything is spent.
        Ok(Step::Changed(()))
    }

    pub(super) fn end_attempt(
        &mut self,
        id: &GrantId,
        generation: Generation,
        attempt: &Attempt,
    ) -> Result<Step<()>, VaultError> {
        let entry = self.at_generation(id, generation)?;
        match &entry.attempt {
            None => Ok(Step::Unchanged(())),
            Some(open) if open != attempt => Err(VaultError::Conflict { actual: Some(generation) }),
            Some(_) => {
                entry.attempt = None;
                Ok(Step::Changed(()))
            }
        }
    }

    pub(super) fn commit(
        &mut self,
        id: &GrantId,
        expected: Generation,
        payload: &[u8],
    ) -> Result<Step<Generation>, VaultError> {
        let payload = copy_of(payload)?;
        let entry = self.at_generation(id, expected)?;
        // No document opens with a generation that has no next one.
        *entry = Entry { generation: expected + 1, payload, attempt: None };
        Ok(Step::Changed(entry.generation))
    }

    pub(super) fn remove(&mut self, id: &GrantId) -> Step<()> {
        match self.entries.remove(id) {
            Some(_) => Step::Changed(()),
            None => Step::Unchanged(()),
        }
    }
}
