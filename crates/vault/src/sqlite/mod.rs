//! The default strategy: SQLite, every record sealed by itself, the key in the OS keystore.

pub(crate) mod anchor;
pub(crate) mod anchor_writer;
pub(crate) mod connect;
mod fault;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod janitor;
mod make;
mod migrate;
mod opening;
mod protectors;
mod records;
mod rekey;
mod removal;
mod schema;
pub(crate) mod set;
mod slots;
mod state;
mod unlock;

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, Transaction, TransactionBehavior};

use self::anchor::Anchor;
use self::anchor_writer::AnchorWriter;
use self::fault::damaged;
use self::janitor::Janitor;
pub use self::opening::Opening;
pub use self::protectors::SlotInfo;
use self::set::{Part, Sum, Summing};
use self::state::State;
use crate::envelope::{Aead, Keyring, Means};
use crate::place::FileId;
use crate::{Attempt, Generation, GrantId, Listed, Record, Vault, VaultError};

/// How often in a row other processes may change the data key while this one opens the vault again.
const REKEYS: usize = 4;

/// `sqlite-aead`: one SQLite file whose records are sealed one by one, under a key that the keystore keeps.
///
/// Any number of processes may have the same vault open. Every method is one transaction and sees the file as all of
/// them left it. What the file says is verified before it is used: the sealed state in each transaction, all rows where
/// somebody else may have written since.
pub struct SqliteVault {
    path: PathBuf,
    file: FileId,
    app: String,
    strategy: &'static str,
    database: Arc<Mutex<Database>>,
    /// `None` where no keystore keeps anchors.
    anchors: Option<AnchorWriter>,
    janitor: Janitor,
}

struct Database {
    connection: Connection,
    keyring: Keyring,
    /// For opening the vault again where another process has changed its data key.
    means: Vec<Means>,
    /// The furthest epoch seen: a file that goes back while it is open was put back.
    seen: u64,
    /// `PRAGMA data_version` when it was last asked for by a caller.
    version: i64,
    /// The epoch up to which callers were told of others' writes. The log being emptied by somebody else changes the number
    /// above, and is no news.
    told: u64,
    /// `PRAGMA data_version` when all rows were last found to be as the state says. SQLite changes it when anybody else
    /// writes, and never for this connection's own writes, which carry the sum along.
    verified: Option<i64>,
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

    /// Waits until the log was emptied, or somebody was in the way. Dropping the vault empties it too, unless another
    /// process has it open.
    pub fn flush_log(&self) {
        self.janitor.flush();
    }

    /// The cipher that this vault seals with.
    #[must_use]
    pub fn aead(&self) -> Aead {
        self.database().keyring.active.aead
    }

    /// Looks at everything anew, whatever was verified before: SQLite's own check of all pages, and the sum of all rows.
    /// Takes as long as the file is large; for a doctor, and for those who have the time. Says nothing of single records,
    /// which are opened one by one by [`Vault::list`].
    pub fn verify(&self) -> Result<(), VaultError> {
        self.database().verified = None;
        self.read(|snapshot, _| connect::quick_check(snapshot))
    }

    fn database(&self) -> MutexGuard<'_, Database> {
        // A panic inside a transaction has rolled it back by the time the lock is poisoned.
        self.database.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read<T>(&self, step: impl FnOnce(&Transaction<'_>, &Keyring) -> Result<T, VaultError>) -> Result<T, VaultError> {
        let mut database = self.database();
        for _ in 0..REKEYS {
            let Database { connection, keyring, seen, verified, .. } = &mut *database;
            let snapshot = connection.transaction()?;
            if checked(&snapshot, keyring, seen, verified)?.is_some() {
                return step(&snapshot, keyring);
            }
            drop(snapshot);
            database.unlock_again(&self.app)?;
        }
        Err(VaultError::Busy)
    }

    /// Does `step` in a transaction; `parts` are the rows that it may change, and no others. The log is emptied behind it.
    fn write<T>(
        &self,
        parts: &[Part<'_>],
        step: impl FnOnce(&Transaction<'_>, &Keyring) -> Result<Step<T>, VaultError>,
    ) -> Result<T, VaultError> {
        let outcome = self.write_ahead(parts, step)?;
        self.janitor.ask();
        Ok(outcome)
    }

    /// Like [`Self::write`], and leaves the log as it is: the next write then needs one sync, where one to an empty log
    /// needs two.
    fn write_ahead<T>(
        &self,
        parts: &[Part<'_>],
        step: impl FnOnce(&Transaction<'_>, &Keyring) -> Result<Step<T>, VaultError>,
    ) -> Result<T, VaultError> {
        let mut database = self.database();
        for _ in 0..REKEYS {
            let Database { connection, keyring, seen, told, verified, .. } = &mut *database;
            // The lock comes first, so that what is verified is what the change is made to.
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            self.still_there()?;
            if let Some(state) = checked(&transaction, keyring, seen, verified)? {
                let summing = Summing::with(&keyring.active);
                let before = sum_of(&summing, &transaction, parts)?;
                let outcome = match step(&transaction, keyring)? {
                    Step::Unchanged(outcome) => return Ok(outcome),
                    Step::Changed(outcome) => outcome,
                };
                let sum = state.sum.minus(before).plus(sum_of(&summing, &transaction, parts)?);
                let next = state.advance(&transaction, &keyring.active, sum)?;
                transaction.commit()?;
                *seen = next.epoch;
                if *told + 1 == next.epoch {
                    *told = next.epoch;
                }
                self.submit(&next, keyring);
                return Ok(outcome);
            }
            drop(transaction);
            database.unlock_again(&self.app)?;
        }
        Err(VaultError::Busy)
    }

    /// Refuses to write to a file that is no longer the vault.
    fn still_there(&self) -> Result<(), VaultError> {
        match FileId::of(&self.path) {
            Ok(now) if now == self.file => Ok(()),
            _ => Err(VaultError::Io("it was moved away while it was open".to_owned())),
        }
    }

    fn submit(&self, state: &State, keyring: &Keyring) {
        if let Some(anchors) = &self.anchors {
            anchors.submit(Anchor::of(state, &keyring.active));
        }
    }
}

impl Database {
    /// Another process has changed the data key, which takes the same means to open as this handle was opened by.
    fn unlock_again(&mut self, app: &str) -> Result<(), VaultError> {
        let format = connect::format_of(&self.connection)?;
        self.keyring = unlock::unlock(&mut self.connection, format, app, &self.means)?.keyring;
        self.verified = None;
        Ok(())
    }
}

fn sum_of(summing: &Summing, connection: &Connection, parts: &[Part<'_>]) -> Result<Sum, VaultError> {
    parts.iter().try_fold(Sum::default(), |sum, part| Ok(sum.plus(summing.part(connection, *part)?)))
}

/// The state, and all rows compared with it unless nobody else can have written since that was last done. `None` where
/// the data key is another one by now.
fn checked(
    connection: &Connection,
    keyring: &Keyring,
    seen: &mut u64,
    verified: &mut Option<i64>,
) -> Result<Option<State>, VaultError> {
    let Some(state) = state::read(connection, &keyring.active)? else { return Ok(None) };
    *seen = not_before(state.epoch, *seen)?;
    let version = data_version(connection)?;
    if *verified != Some(version) {
        if Summing::with(&keyring.active).whole(connection)? != state.sum {
            return Err(damaged("rows are missing, added or older than the sealed state says"));
        }
        *verified = Some(version);
    }
    Ok(Some(state))
}

fn data_version(connection: &Connection) -> Result<i64, VaultError> {
    Ok(connection.prepare_cached("PRAGMA data_version")?.query_row((), |row| row.get(0))?)
}

fn not_before(found: u64, seen: u64) -> Result<u64, VaultError> {
    if found < seen { Err(VaultError::RolledBack { found, expected: seen }) } else { Ok(found) }
}

impl Vault for SqliteVault {
    fn strategy(&self) -> &'static str {
        self.strategy
    }

    fn load(&self, id: &GrantId) -> Result<Option<Record>, VaultError> {
        self.read(|snapshot, ring| records::load(snapshot, ring, id))
    }

    fn list(&self) -> Result<Vec<Listed>, VaultError> {
        self.read(|snapshot, ring| records::list(snapshot, ring))
    }

    fn create(&self, id: &GrantId, payload: &[u8]) -> Result<Generation, VaultError> {
        self.write(&[Part::Record(id)], |transaction, keys| {
            records::create(transaction, keys, id, payload).map(Step::Changed)
        })
    }

    fn create_all(&self, records: &[Record]) -> Result<(), VaultError> {
        let parts: Vec<_> = records.iter().map(|record| Part::Record(&record.id)).collect();
        self.write(&parts, |transaction, keys| {
            for record in records {
                let generation = records::create(transaction, keys, &record.id, &record.payload)?;
                if let Some(attempt) = &record.attempt {
                    records::begin_attempt(transaction, keys, &record.id, generation, None, attempt)?;
                }
            }
            Ok(Step::Changed(()))
        })
    }

    fn begin_attempt(
        &self,
        id: &GrantId,
        generation: Generation,
        saw: Option<&Attempt>,
        attempt: &Attempt,
    ) -> Result<(), VaultError> {
        // What follows is the one write that tokens may be lost before.
        self.write_ahead(&[Part::Record(id)], |transaction, keys| {
            records::begin_attempt(transaction, keys, id, generation, saw, attempt).map(Step::Changed)
        })
    }

    fn end_attempt(&self, id: &GrantId, generation: Generation, attempt: &Attempt) -> Result<(), VaultError> {
        self.write(&[Part::Record(id)], |transaction, keys| {
            let forgotten = records::end_attempt(transaction, keys, id, generation, attempt)?;
            Ok(if forgotten { Step::Changed(()) } else { Step::Unchanged(()) })
        })
    }

    fn commit(&self, id: &GrantId, expected: Generation, payload: &[u8]) -> Result<Generation, VaultError> {
        self.write(&[Part::Record(id)], |transaction, keys| {
            records::commit(transaction, keys, id, expected, payload).map(Step::Changed)
        })
    }

    fn changed_elsewhere(&self) -> Result<bool, VaultError> {
        let mut database = self.database();
        // SQLite changes this number when another connection committed, and never for this one's own commits.
        let version = data_version(&database.connection)?;
        if std::mem::replace(&mut database.version, version) == version {
            return Ok(false);
        }
        let epoch: i64 = database.connection.query_row("SELECT epoch FROM vault WHERE id=1", (), |row| row.get(0))?;
        Ok(std::mem::replace(&mut database.told, epoch.unsigned_abs()) != epoch.unsigned_abs())
    }

    fn examine(&self) -> Result<Vec<&'static str>, VaultError> {
        self.verify().map(|()| Vec::new())
    }

    fn remove(&self, id: &GrantId) -> Result<(), VaultError> {
        self.write(&[Part::Record(id)], |transaction, _| {
            Ok(if records::remove(transaction, id)? { Step::Changed(()) } else { Step::Unchanged(()) })
        })
    }
}

#[cfg(test)]
mod tests;
