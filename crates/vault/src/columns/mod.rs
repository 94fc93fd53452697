//! Two strategies over one SQLite file with ordinary columns: as it is, and under SQLCipher.

mod cipher;
mod make;
mod plain;
mod records;
mod schema;
mod state;

use std::fmt;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, Transaction, TransactionBehavior};

use self::records::RowFields;
use self::state::State;
use crate::place::{Place, remove_if_there};
use crate::sqlite::set::Sum;
use crate::{Attempt, Generation, GrantId, Listed, MAX_PAYLOAD, Payload, Record, Vault, VaultError};

pub use self::cipher::{CipherReport, SqlcipherVault};
pub use self::plain::PlainSqliteVault;

/// What tells the strategies apart.
pub trait Protection: Send + Sync {
    /// The strategy's name.
    const STRATEGY: &'static str;

    /// The MAC of a row, where the rows are summed up.
    fn mac(&self, row: &RowFields) -> Option<[u8; 32]>;

    /// What a look at every page comes to; see [`Vault::examine`].
    fn examine(&self, _snapshot: &Connection) -> Result<Vec<&'static str>, VaultError> {
        Ok(Vec::new())
    }

    /// A change is durable.
    fn committed(&self, state: &State);
}

/// A vault of which every record is a row. [`PlainSqliteVault`] and [`SqlcipherVault`] are such.
///
/// Any number of processes may have the same vault open. Every method is one transaction and sees the file as all of
/// them left it.
pub struct ColumnVault<P> {
    path: PathBuf,
    database: Mutex<Database>,
    protection: P,
}

struct Database {
    connection: Connection,
    /// The furthest epoch seen: a file that goes back while it is open was put back.
    seen: u64,
    /// `PRAGMA data_version` when it was last asked for.
    version: i64,
}

/// What becomes of a record.
enum Next {
    Put(Record),
    Gone,
    Same,
}

impl<P: Protection> fmt::Debug for ColumnVault<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ColumnVault").field("strategy", &P::STRATEGY).field("path", &self.path).finish_non_exhaustive()
    }
}

impl<P: Protection> ColumnVault<P> {
    /// Checks an opened file and makes it a vault. `protect` sees the state and the sum of the rows as they stand.
    fn of(
        mut connection: Connection,
        path: PathBuf,
        app: &str,
        protect: impl FnOnce(&Transaction<'_>, State) -> Result<P, VaultError>,
    ) -> Result<Self, VaultError> {
        let snapshot = connection.transaction()?;
        schema::check(&snapshot)?;
        state::check_owner(&snapshot, P::STRATEGY, app)?;
        let state = State::read(&snapshot)?;
        let protection = protect(&snapshot, state)?;
        snapshot.finish()?;
        let version = connection.pragma_query_value(None, "data_version", |row| row.get(0))?;
        Ok(Self { path, database: Mutex::new(Database { connection, seen: state.epoch, version }), protection })
    }

    fn database(&self) -> MutexGuard<'_, Database> {
        // A panic inside a transaction has rolled it back by the time the lock is poisoned.
        self.database.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read<T>(&self, step: impl FnOnce(&Transaction<'_>) -> Result<T, VaultError>) -> Result<T, VaultError> {
        let mut database = self.database();
        let Database { connection, seen, .. } = &mut *database;
        let snapshot = connection.transaction()?;
        *seen = not_before(State::read(&snapshot)?.epoch, *seen)?;
        step(&snapshot)
    }

    /// Makes changes in one transaction, under the lock of the file.
    fn write(
        &self,
        steps: impl FnOnce(&Transaction<'_>, &mut Changes<'_, P>) -> Result<(), VaultError>,
    ) -> Result<(), VaultError> {
        let mut database = self.database();
        let Database { connection, seen, .. } = &mut *database;
        // The lock comes first, so that what is read is what the change is made to.
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let state = State::read(&transaction)?;
        *seen = not_before(state.epoch, *seen)?;
        let mut changes = Changes { protection: &self.protection, sum: state.sum, any: false };
        steps(&transaction, &mut changes)?;
        if changes.any {
            let state = state.advance(&transaction, changes.sum)?;
            transaction.commit()?;
            *seen = state.epoch;
            self.protection.committed(&state);
        }
        Ok(())
    }

    /// Changes the record of `id`: `step` is shown where it stands, and says what becomes of it.
    fn change(
        &self,
        id: &GrantId,
        step: impl FnOnce(&Transaction<'_>) -> Result<Next, VaultError>,
    ) -> Result<(), VaultError> {
        self.write(|transaction, changes| changes.make(transaction, id, step(transaction)?))
    }

    /// Changes a record that must be there, at `expected`.
    fn step(
        &self,
        id: &GrantId,
        expected: Generation,
        step: impl FnOnce(Record) -> Result<Next, VaultError>,
    ) -> Result<(), VaultError> {
        self.change(id, |transaction| {
            let record = records::load(transaction, id)?.ok_or(VaultError::NotFound)?;
            if record.generation != expected {
                return Err(VaultError::Conflict { actual: Some(record.generation) });
            }
            step(record)
        })
    }
}

/// What a transaction has changed so far.
struct Changes<'v, P> {
    protection: &'v P,
    sum: Option<Sum>,
    any: bool,
}

impl<P: Protection> Changes<'_, P> {
    fn make(&mut self, transaction: &Transaction<'_>, id: &GrantId, next: Next) -> Result<(), VaultError> {
        let before = self.mac_of(transaction, id)?;
        match next {
            Next::Put(record) => records::put(transaction, &record)?,
            Next::Gone if records::remove(transaction, id)? => {}
            Next::Gone | Next::Same => return Ok(()),
        }
        let after = self.mac_of(transaction, id)?;
        self.sum = self.sum.map(|sum| replaced(sum, before, after));
        self.any = true;
        Ok(())
    }

    fn mac_of(&self, connection: &Connection, id: &GrantId) -> Result<Option<[u8; 32]>, VaultError> {
        Ok(records::fields(connection, id)?.and_then(|fields| self.protection.mac(&fields)))
    }
}

fn not_before(found: u64, seen: u64) -> Result<u64, VaultError> {
    if found < seen { Err(VaultError::RolledBack { found, expected: seen }) } else { Ok(found) }
}

fn replaced(sum: Sum, before: Option<[u8; 32]>, after: Option<[u8; 32]>) -> Sum {
    let rest = before.map_or(sum, |mac| sum.minus(Sum::of_bytes(&mac)));
    after.map_or(rest, |mac| rest.plus(Sum::of_bytes(&mac)))
}

/// Removes the file of `place` and what lies beside it; to be called under the folder's lock.
fn remove_files(place: &Place) -> Result<(), VaultError> {
    // The journal before the file: a journal without a file would stand in the way of a new vault.
    for suffix in [".new-journal", ".new", "-journal", ""] {
        remove_if_there(&place.beside(suffix))?;
    }
    place.sync()
}

/// A record where there was none.
fn first(transaction: &Transaction<'_>, record: Record) -> Result<Next, VaultError> {
    let taken = records::fields(transaction, &record.id)?.is_some();
    if taken { Err(VaultError::Conflict { actual: None }) } else { Ok(Next::Put(record)) }
}

fn sized(payload: &[u8]) -> Result<Payload, VaultError> {
    if payload.len() > MAX_PAYLOAD {
        return Err(VaultError::TooLarge(payload.len()));
    }
    Ok(Payload::new(payload.to_vec()))
}

impl<P: Protection> Vault for ColumnVault<P> {
    fn strategy(&self) -> &'static str {
        P::STRATEGY
    }

    fn load(&self, id: &GrantId) -> Result<Option<Record>, VaultError> {
        self.read(|snapshot| records::load(snapshot, id))
    }

    fn list(&self) -> Result<Vec<Listed>, VaultError> {
        self.read(|snapshot| records::list(snapshot))
    }

    fn create(&self, id: &GrantId, payload: &[u8]) -> Result<Generation, VaultError> {
        let payload = sized(payload)?;
        self.change(id, |transaction| first(transaction, Record { id: *id, generation: 1, payload, attempt: None }))?;
        Ok(1)
    }

    fn create_all(&self, records: &[Record]) -> Result<(), VaultError> {
        self.write(|transaction, changes| {
            for record in records {
                let (payload, attempt) = (sized(&record.payload)?, record.attempt.clone());
                let record = Record { id: record.id, generation: 1, payload, attempt };
                let id = record.id;
                changes.make(transaction, &id, first(transaction, record)?)?;
            }
            Ok(())
        })
    }

    fn begin_attempt(
        &self,
        id: &GrantId,
        generation: Generation,
        saw: Option<&Attempt>,
        attempt: &Attempt,
    ) -> Result<(), VaultError> {
        self.step(id, generation, |record| {
            if record.attempt.as_ref() != saw {
                return Err(VaultError::Conflict { actual: Some(generation) });
            }
            Ok(Next::Put(Record { attempt: Some(attempt.clone()), ..record }))
        })
    }

    fn end_attempt(&self, id: &GrantId, generation: Generation, attempt: &Attempt) -> Result<(), VaultError> {
        self.step(id, generation, |record| match &record.attempt {
            None => Ok(Next::Same),
            Some(open) if open == attempt => Ok(Next::Put(Record { attempt: None, ..record })),
            Some(_) => Err(VaultError::Conflict { actual: Some(generation) }),
        })
    }

    fn commit(&self, id: &GrantId, expected: Generation, payload: &[u8]) -> Result<Generation, VaultError> {
        let payload = sized(payload)?;
        self.step(id, expected, |record| {
            Ok(Next::Put(Record { generation: expected + 1, payload, attempt: None, ..record }))
        })?;
        Ok(expected + 1)
    }

    fn changed_elsewhere(&self) -> Result<bool, VaultError> {
        let mut database = self.database();
        // SQLite changes this number when another connection committed, and never for this one's own commits.
        let version = database.connection.pragma_query_value(None, "data_version", |row| row.get(0))?;
        Ok(std::mem::replace(&mut database.version, version) != version)
    }

    fn examine(&self) -> Result<Vec<&'static str>, VaultError> {
        self.read(|snapshot| self.protection.examine(snapshot))
    }

    fn remove(&self, id: &GrantId) -> Result<(), VaultError> {
        self.change(id, |_| Ok(Next::Gone))
    }
}

#[cfg(test)]
mod tests;
