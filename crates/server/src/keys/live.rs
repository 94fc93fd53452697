//! The keys of a running server, which notices when its file is replaced.

use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use pilotlight_oauth::Timestamp;

use super::{KeySet, KeySource};
use crate::server::OpenError;
use crate::signer::SigningAlgorithm;
use crate::store::Store;

/// Between two readings on demand.
const PAUSE: Duration = Duration::from_secs(1);

pub(crate) struct LiveKeys {
    source: KeySource,
    set: RwLock<Arc<KeySet>>,
    /// One reads at a time. When somebody who met a newer key last did.
    reading: Mutex<Option<Timestamp>>,
}

impl LiveKeys {
    /// Reads or makes the keys, after it has moved those of a store of format 1 to where they belong. Blocks.
    pub(crate) fn open(source: KeySource, store: &dyn Store, alg: SigningAlgorithm) -> Result<Self, OpenError> {
        let old = store.old_keys()?;
        let entries = source.read_or_make(old.as_ref(), store.newest_key()?.is_some(), alg)?;
        let set = entries.keys()?;
        if let Some(old) = old {
            // They are durable elsewhere by now. Other keys than the store's own would refuse everybody's tokens.
            if !entries.hold(&old) {
                return Err(OpenError::WrongKeys);
            }
            store.forget_old_keys()?;
            tracing::warn!("the keys that stood in the store have moved to the key file");
        }
        if !store.admit_keys(&set.names())? {
            return Err(OpenError::WrongKeys);
        }
        if set.newest_algorithm() != Some(alg) {
            let has = set.newest_algorithm().map(SigningAlgorithm::as_str).unwrap_or_default();
            tracing::info!(has, wanted = alg.as_str(), "the keys have another algorithm; `keys rotate` changes it");
        }
        Ok(Self { source, set: RwLock::new(Arc::new(set)), reading: Mutex::new(None) })
    }

    pub(crate) fn now(&self) -> Arc<KeySet> {
        self.set.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes what the file has now. What cannot be used changes nothing. Somebody who met a newer key `at` an instant has it
    /// read once a second at most, for the version of a token may be made up. Blocks.
    pub(crate) fn read_again(&self, store: &dyn Store, at: Option<Timestamp>) -> Result<(), OpenError> {
        let mut reading = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = at {
            if reading.is_some_and(|last| at < last.plus(PAUSE)) {
                return Ok(());
            }
            *reading = Some(at);
        }
        let Some(entries) = self.source.read_again()? else { return Ok(()) };
        let set = entries.keys()?;
        if set.names() == self.now().names() && set.same_signers(&self.now()) {
            return Ok(());
        }
        if !store.admit_keys(&set.names())? {
            return Err(OpenError::WrongKeys);
        }
        *self.set.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(set);
        tracing::info!("the key file was replaced; its keys are in use");
        Ok(())
    }
}
