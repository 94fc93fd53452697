//! The default strategy: SQLite, every record sealed by itself, the key in the OS keystore.

mod anchor;
mod anchor_writer;
mod connect;
mod fault;
mod make;
mod opening;
mod protectors;
mod records;
mod removal;
mod schema;
mod slots;
mod state;
mod unlock;

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, Transaction, TransactionBehavior};

use self::anchor::Anchor;
use self::anchor_writer::AnchorWriter;
pub use self::opening::Opening;
pub use self::protectors::SlotInfo;
use crate::envelope::{Keyring, Keys};
use crate::{Attempt, Generation, GrantId, Listed, Record, Vault, VaultError};

/// `sqlite-aead`: one SQLite file whose records are sealed one by one, under a key that the keystore keeps.
///
/// Any number of processes may have the same vault open. Every method is one transaction and sees the file as all of
/// them left it; what the file says is verified in each of them.
pub struct SqliteVault {
    path: PathBuf,
    keys: Arc<Keyring>,
    /// How it was opened: for opening it again where another process has changed its keys.
    opening: Opening,
    database: Mutex<Database>,
    /// `None` where no keystore keeps anchors.
    anchors: Option<AnchorWriter>,
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
    /// Waits until the keystore was told of the last commit, or refused to be. Dropping the vault does this too; a
    /// process that ends without either leaves an anchor that lags, which the next opening heals.
    pub fn flush_anchor(&self) {
        if let Some(anchors) = &self.anchors {
            anchors.flush();
        }
    }

    fn database(&self) -> MutexGuard<'_, Database> {
        // A panic inside a transaction has rolled it back by the time the lock is poisoned.
        self.database.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read<T>(&self, step: impl FnOnce(&Transaction<'_>, &Keys) -> Result<T, VaultError>) -> Result<T, VaultError> {
        let mut database = self.database();
        let Database { connection, seen, .. } = &mut *database;
        let snapshot = connection.transaction()?;
        let state = state::verified(&snapshot, &self.keys.active)?;
        *seen = not_before(state.epoch, *seen)?;
        step(&snapshot, &self.keys.active)
    }

    fn write<T>(
        &self,
        step: impl FnOnce(&Transaction<'_>, &Keys) -> Result<Step<T>, VaultError>,
    ) -> Result<T, VaultError> {
        let mut database = self.database();
        let Database { connection, seen, .. } = &mut *database;
        // The lock comes first, so that what is verified is what the change is made to.
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let state = state::verified(&transaction, &self.keys.active)?;
        *seen = not_before(state.epoch, *seen)?;
        let outcome = match step(&transaction, &self.keys.active)? {
            Step::Unchanged(outcome) => return Ok(outcome),
            Step::Changed(outcome) => outcome,
        };
        let state = state.advance(&transaction, &self.keys.active)?;
        transaction.commit()?;
        *seen = state.epoch;
        if let Some(anchors) = &self.anchors {
            anchors.submit(Anchor::of(&state));
        }
        Ok(outcome)
    }
}

fn not_before(found: u64, seen: u64) -> Result<u64, VaultError> {
    if found < seen { Err(VaultError::RolledBack { found, expected: seen }) } else { Ok(found) }
}

impl Vault for SqliteVault {
    fn strategy(&self) -> &'static str {
        self.opening.strategy
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
