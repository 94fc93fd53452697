//! The default strategy: SQLite, AES-256-GCM per record, the key in the OS keystore.

pub(crate) mod anchor;
pub(crate) mod anchor_writer;
pub(crate) mod connect;
pub(crate) mod fault;
mod make;
pub(crate) mod place;
mod records;
mod schema;
mod state;
mod unlock;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, Transaction, TransactionBehavior};

use self::anchor::Anchor;
use self::anchor_writer::AnchorWriter;
use self::place::Place;
use crate::envelope::Keys;
use crate::{Attempt, Generation, GrantId, Keystore, Listed, Record, Vault, VaultError};

/// Whose vaults these are unless somebody says otherwise.
const APP: &str = "dev.pilotlight";

/// `sqlite-aead`: one SQLite file whose records are sealed one by one, under a key that the keystore keeps.
///
/// Any number of processes may have the same vault open. Every method is one transaction and sees the file as all of
/// them left it; what the file says is verified in each of them.
pub struct SqliteVault {
    path: PathBuf,
    keys: Arc<Keys>,
    database: Mutex<Database>,
    anchors: AnchorWriter,
}

struct Database {
    connection: Connection,
    /// The furthest epoch seen: a file that goes back while it is open was put back.
    seen: u64,
    /// `PRAGMA data_version` when it was last asked for.
    version: i64,
}

/// What a write leaves behind.
enum Step<T> {
    Changed(T),
    Unchanged(T),
}

impl fmt::Debug for SqliteVault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteVault")
            .field("strategy", &self.strategy())
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl SqliteVault {
    /// Opens the vault at `path`, or makes one where there is no file. Never makes a key over an existing vault (P4).
    /// `now_ms` dates a new key, in milliseconds since the Unix epoch.
    ///
    /// `path` is absolute. Its folder is made if it is missing, and closed to others.
    pub fn open(path: &Path, keystore: Arc<dyn Keystore>, now_ms: i64) -> Result<Self, VaultError> {
        Self::open_for(APP, path, keystore, now_ms)
    }

    /// Opens the vault of another app, e.g. one that embeds Pilotlight. The id of the app is bound into everything
    /// that is sealed: a vault opens for the app that made it.
    pub fn open_for(app: &str, path: &Path, keystore: Arc<dyn Keystore>, now_ms: i64) -> Result<Self, VaultError> {
        let place = Place::prepare(path)?;
        if !place.exists()? {
            let _lock = place.lock()?;
            // Another process may have made it while this one waited.
            if !place.exists()? {
                make::make(&place, app, &*keystore, now_ms)?;
            }
        }
        Self::open_existing(place.file(), app, keystore)
    }

    fn open_existing(path: PathBuf, app: &str, keystore: Arc<dyn Keystore>) -> Result<Self, VaultError> {
        let mut connection = connect::open(&path)?;
        let keys = unlock::unlock(&mut connection, app, &*keystore)?;
        // The anchor first: see anchor::check.
        let anchor = Anchor::read(&*keystore, &keys)?;
        let snapshot = connection.transaction()?;
        let state = state::verified(&snapshot, &keys)?;
        snapshot.finish()?;
        let heal = anchor::check(&state, anchor.as_ref())?;
        let version = connection.pragma_query_value(None, "data_version", |row| row.get(0))?;

        let keys = Arc::new(keys);
        let anchors = AnchorWriter::start(keystore, Arc::clone(&keys))?;
        if heal {
            anchors.submit(Anchor::of(&state));
        }
        Ok(Self { path, keys, database: Mutex::new(Database { connection, seen: state.epoch, version }), anchors })
    }

    /// Sets an unusable vault aside as `vault.db.lost-<now_ms>` so that a new one can be made: only ever on the person's word.
    /// Returns the new name. [`VaultError::NotFound`] where there is nothing to set aside.
    pub fn set_aside(path: &Path, now_ms: i64) -> Result<PathBuf, VaultError> {
        Place::prepare(path)?.set_aside(now_ms)
    }

    /// Waits until the keystore was told of the last commit, or refused to be. Dropping the vault does this too; a
    /// process that ends without either leaves an anchor that lags, which the next opening heals.
    pub fn flush_anchor(&self) {
        self.anchors.flush();
    }

    fn database(&self) -> MutexGuard<'_, Database> {
        // A panic inside a transaction has rolled it back by the time the lock is poisoned.
        self.database.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read<T>(&self, step: impl FnOnce(&Transaction<'_>, &Keys) -> Result<T, VaultError>) -> Result<T, VaultError> {
        let mut database = self.database();
        let Database { connection, seen, .. } = &mut *database;
        let snapshot = connection.transaction()?;
        let state = state::verified(&snapshot, &self.keys)?;
        *seen = not_before(state.epoch, *seen)?;
        step(&snapshot, &self.keys)
    }

    fn write<T>(
        &self,
        step: impl FnOnce(&Transaction<'_>, &Keys) -> Result<Step<T>, VaultError>,
    ) -> Result<T, VaultError> {
        let mut database = self.database();
        let Database { connection, seen, .. } = &mut *database;
        // The lock comes first, so that what is verified is what the change is made to.
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let state = state::verified(&transaction, &self.keys)?;
        *seen = not_before(state.epoch, *seen)?;
        let outcome = match step(&transaction, &self.keys)? {
            Step::Unchanged(outcome) => return Ok(outcome),
            Step::Changed(outcome) => outcome,
        };
        let state = state.advance(&transaction, &self.keys)?;
        transaction.commit()?;
        *seen = state.epoch;
        self.anchors.submit(Anchor::of(&state));
        Ok(outcome)
    }
}

fn not_before(found: u64, seen: u64) -> Result<u64, VaultError> {
    if found < seen { Err(VaultError::RolledBack { found, expected: seen }) } else { Ok(found) }
}

impl Vault for SqliteVault {
    fn strategy(&self) -> &'static str {
        state::STRATEGY
    }

    fn load(&self, id: &GrantId) -> Result<Option<Record>, VaultError> {
        self.read(|snapshot, keys| records::load(snapshot, keys, id))
    }

    fn list(&self) -> Result<Vec<Listed>, VaultError> {
        self.read(|snapshot, keys| records::list(snapshot, keys))
    }

    fn create(&self, id: &GrantId, payload: &[u8]) -> Result<Generation, VaultError> {
        self.write(|transaction, keys| records::create(transaction, keys, id, payload).map(Step::Changed))
    }

    fn begin_attempt(
        &self,
        id: &GrantId,
        generation: Generation,
        saw: Option<&Attempt>,
        attempt: &Attempt,
    ) -> Result<(), VaultError> {
        self.write(|transaction, keys| {
            records::begin_attempt(transaction, keys, id, generation, saw, attempt).map(Step::Changed)
        })
    }

    fn end_attempt(&self, id: &GrantId, generation: Generation, attempt: &Attempt) -> Result<(), VaultError> {
        self.write(|transaction, keys| {
            let forgotten = records::end_attempt(transaction, keys, id, generation, attempt)?;
            Ok(if forgotten { Step::Changed(()) } else { Step::Unchanged(()) })
        })
    }

    fn commit(&self, id: &GrantId, expected: Generation, payload: &[u8]) -> Result<Generation, VaultError> {
        self.write(|transaction, keys| records::commit(transaction, keys, id, expected, payload).map(Step::Changed))
    }

    fn changed_elsewhere(&self) -> Result<bool, VaultError> {
        let mut database = self.database();
        // SQLite changes this number when another connection committed, and never for this one's own commits.
        let version = database.connection.pragma_query_value(None, "data_version", |row| row.get(0))?;
        Ok(std::mem::replace(&mut database.version, version) != version)
    }

    fn remove(&self, id: &GrantId) -> Result<(), VaultError> {
        self.write(|transaction, _| {
            Ok(if records::remove(transaction, id)? { Step::Changed(()) } else { Step::Unchanged(()) })
        })
    }
}

#[cfg(test)]
mod tests;
