//! A vault that lives as long as its process.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use zeroize::Zeroizing;

use crate::{Attempt, Generation, GrantId, Listed, MAX_PAYLOAD, Payload, Record, Vault, VaultError};

/// Keeps everything in wiped memory and nothing on disk.
#[derive(Default)]
pub struct MemoryVault {
    records: Mutex<BTreeMap<GrantId, Kept>>,
}

struct Kept {
    generation: Generation,
    payload: Payload,
    attempt: Option<Attempt>,
}

impl Kept {
    fn record(&self, id: &GrantId) -> Record {
        Record { id: *id, generation: self.generation, payload: self.payload.clone(), attempt: self.attempt.clone() }
    }
}

impl MemoryVault {
    fn records(&self) -> MutexGuard<'_, BTreeMap<GrantId, Kept>> {
        // No step below can panic half-way, so what a poisoned lock guards is whole.
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Shows how many records there are, and nothing of them.
impl fmt::Debug for MemoryVault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryVault").field("records", &self.records().len()).finish()
    }
}

fn at_generation(kept: Option<&mut Kept>, expected: Generation) -> Result<&mut Kept, VaultError> {
    let kept = kept.ok_or(VaultError::NotFound)?;
    if kept.generation != expected {
        return Err(VaultError::Conflict { actual: Some(kept.generation) });
    }
    Ok(kept)
}

fn copy_of(payload: &[u8]) -> Result<Payload, VaultError> {
    if payload.len() > MAX_PAYLOAD {
        return Err(VaultError::TooLarge(payload.len()));
    }
    Ok(Zeroizing::new(payload.to_vec()))
}

impl Vault for MemoryVault {
    fn strategy(&self) -> &'static str {
        "memory"
    }

    fn load(&self, id: &GrantId) -> Result<Option<Record>, VaultError> {
        Ok(self.records().get(id).map(|kept| kept.record(id)))
    }

    fn list(&self) -> Result<Vec<Listed>, VaultError> {
        Ok(self.records().iter().map(|(id, kept)| Listed::Record(kept.record(id))).collect())
    }

    fn create(&self, id: &GrantId, payload: &[u8]) -> Result<Generation, VaultError> {
        let payload = copy_of(payload)?;
        let mut records = self.records();
        if records.contains_key(id) {
            return Err(VaultError::Conflict { actual: None });
        }
        records.insert(*id, Kept { generation: 1, payload, attempt: None });
        Ok(1)
    }

    fn begin_attempt(
        &self,
        id: &GrantId,
        generation: Generation,
        saw: Option<&Attempt>,
        attempt: &Attempt,
    ) -> Result<(), VaultError> {
        let mut records = self.records();
        let kept = at_generation(records.get_mut(id), generation)?;
        if kept.attempt.as_ref() != saw {
            return Err(VaultError::Conflict { actual: Some(generation) });
        }
        kept.attempt = Some(attempt.clone());
        Ok(())
    }

    fn end_attempt(&self, id: &GrantId, generation: Generation, attempt: &Attempt) -> Result<(), VaultError> {
        let mut records = self.records();
        let kept = at_generation(records.get_mut(id), generation)?;
        if kept.attempt.as_ref().is_some_and(|open| open != attempt) {
            return Err(VaultError::Conflict { actual: Some(generation) });
        }
        kept.attempt = None;
        Ok(())
    }

    fn commit(&self, id: &GrantId, expected: Generation, payload: &[u8]) -> Result<Generation, VaultError> {
        let payload = copy_of(payload)?;
        let mut records = self.records();
        let kept = at_generation(records.get_mut(id), expected)?;
        *kept = Kept { generation: expected + 1, payload, attempt: None };
        Ok(kept.generation)
    }

    fn remove(&self, id: &GrantId) -> Result<(), VaultError> {
        self.records().remove(id);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::MemoryVault;
    use crate::Vault;
    use crate::suite::Bench;
    use std::sync::Arc;

    #[derive(Default)]
    struct Memory(Arc<MemoryVault>);

    impl Bench for Memory {
        fn handle(&self) -> Box<dyn Vault> {
            Box::new(Arc::clone(&self.0))
        }
    }

    crate::vault_suite!(Memory::default);
}
