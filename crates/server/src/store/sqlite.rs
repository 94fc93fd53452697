//! One SQLite file. Every transition happens inside a `BEGIN IMMEDIATE` transaction that is on disk before it is answered.

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pilotlight_oauth::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, TransactionBehavior, params};
use zeroize::Zeroizing;

use super::sqlite_grants::{add_grant, grant_of, read_grant, redeem, revoke_grant, select_grant};
use super::sqlite_people as people;
use super::sqlite_requests as requests;
use super::writer::Writer;
use super::{Store, StoreError, Then, User};
use crate::client::Client;
use crate::code::{Code, Exchange, Exchanged};
use crate::device::{Decision, Device, Poll, Polled};
use crate::grant::{Grant, GrantId, Outcome, Reason, Redemption};
use crate::keys::{KeyName, OldKeys};
use crate::pushed::Pushed;

/// The format this program writes.
const FORMAT: i64 = 5;
/// What makes a store of one format one of the next.
const STEPS: [(i64, &str); 4] = [
    (1, include_str!("from_1_to_2.sql")),
    (2, include_str!("from_2_to_3.sql")),
    (3, include_str!("from_3_to_4.sql")),
    (4, include_str!("from_4_to_5.sql")),
];
/// How long another process (`grant revoke`, say) may hold the file before we give up and answer 503.
const BUSY: Duration = Duration::from_secs(2);

/// How much of the file the writer remembers at most, in KiB: pages of grants that are refreshed now and then need not be read
/// again each time.
const CACHE: i64 = 64 * 1024;
/// How many of the rows that are over are deleted in one transaction: those who refresh meanwhile wait for it.
const SLICE: usize = 20;

/// A store in one file, shared with the command line's other commands.
pub struct SqliteStore {
    writer: Writer,
    /// In WAL mode readers do not wait for the writer, and see all that was committed.
    reader: Mutex<Connection>,
}

impl SqliteStore {
    /// Opens the file, or makes it, readable by its owner alone.
    ///
    /// # Errors
    /// Where the file cannot be made or opened, or a newer version wrote it.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        make_private(path)?;
        let mut writer = connect(path)?;
        migrate(&mut writer)?;
        writer.pragma_update(None, "cache_size", -CACHE)?;
        Ok(Self { writer: Writer::new(writer, connect(path)?)?, reader: Mutex::new(connect(path)?) })
    }

    fn reader(&self) -> MutexGuard<'_, Connection> {
        self.reader.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn connect(path: &Path) -> Result<Connection, StoreError> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(BUSY)?;
    // WAL with synchronous FULL: one fsync per commit, and an answer that left the server survives a power cut.
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "trusted_schema", false)?;
    Ok(connection)
}

fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let found: i64 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
    match found {
        0 => transaction.execute_batch(include_str!("schema.sql"))?,
        1..FORMAT => {
            for (_, step) in STEPS.into_iter().filter(|(from, _)| *from >= found) {
                transaction.execute_batch(step)?;
            }
        }
        FORMAT => {}
        found => return Err(StoreError::TooNew { found, known: FORMAT }),
    }
    if found != FORMAT {
        transaction.pragma_update(None, "user_version", FORMAT)?;
    }
    Ok(transaction.commit()?)
}

/// SQLite gives its journals the permissions of the database file, so this one call covers them all.
#[cfg(unix)]
fn make_private(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
    let file = std::fs::OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path);
    let file = file.map_err(|error| std::io::Error::new(error.kind(), format!("{}: {error}", path.display())))?;
    // The mode above is for a new file only.
    if file.metadata()?.permissions().mode() & 0o077 == 0 {
        return Ok(());
    }
    file.set_permissions(std::fs::Permissions::from_mode(0o600))
}

#[cfg(not(unix))]
fn make_private(_: &Path) -> std::io::Result<()> {
    Ok(())
}

impl Store for SqliteStore {
    fn newest_key(&self) -> Result<Option<KeyName>, StoreError> {
        Ok(read_newest_key(&self.reader())?)
    }

    fn admit_keys(&self, ours: &[KeyName]) -> Result<bool, StoreError> {
        let ours = ours.to_vec();
        self.writer.atomically(move |t| {
            let newest = read_newest_key(t)?;
            let admitted = KeyName::admit(newest, &ours);
            if let Some(name) = admitted {
                t.execute(
                    "INSERT OR REPLACE INTO newest_key (one, version, fingerprint) VALUES (1, ?1, ?2)",
                    params![name.version, name.fingerprint],
                )?;
            }
            Ok(admitted.is_some())
        })
    }

    fn old_keys(&self) -> Result<Option<OldKeys>, StoreError> {
        let reader = self.reader();
        if !has_old_keys(&reader)? {
            return Ok(None);
        }
        let read =
            |row: &Row<'_>| Ok(OldKeys { mac: Zeroizing::new(row.get(0)?), signing: Zeroizing::new(row.get(1)?) });
        Ok(reader.query_row("SELECT mac, signing FROM keys", [], read).optional()?)
    }

    fn forget_old_keys(&self) -> Result<(), StoreError> {
        // Overwritten where they stood, and then the log is emptied, which has the pages from before.
        self.writer.atomically(|t| {
            t.pragma_update(None, "secure_delete", true)?;
            t.execute_batch("DROP TABLE IF EXISTS keys")?;
            Ok(())
        })?;
        let reader = self.reader();
        reader.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        Ok(())
    }

    fn add_user(&self, user: &User) -> Result<bool, StoreError> {
        let user = user.clone();
        self.writer.atomically(move |t| people::add(t, &user))
    }

    fn user_named(&self, name: &str) -> Result<Option<User>, StoreError> {
        people::read_named(&self.reader(), name)
    }

    fn user(&self, subject: &str) -> Result<Option<User>, StoreError> {
        people::read(&self.reader(), subject)
    }

    fn users(&self) -> Result<Vec<User>, StoreError> {
        people::read_all(&self.reader())
    }

    fn change_user(&self, before: &User, after: &User) -> Result<bool, StoreError> {
        let (before, after) = (before.clone(), after.clone());
        self.writer.atomically(move |t| people::change(t, &before, &after))
    }

    fn remove_user(&self, subject: &str) -> Result<bool, StoreError> {
        let subject = subject.to_owned();
        self.writer.atomically(move |t| people::remove(t, &subject))
    }

    fn set_password(&self, name: &str, password_hash: &str) -> Result<bool, StoreError> {
        let (name, hash) = (name.to_owned(), password_hash.to_owned());
        let sql = "UPDATE users SET password_hash = ?2 WHERE name = ?1";
        self.writer.atomically(move |t| Ok(t.execute(sql, params![name, hash])? == 1))
    }

    fn add_client(&self, client: &Client) -> Result<bool, StoreError> {
        let client = client.clone();
        self.writer.atomically(move |t| requests::add_client(t, &client))
    }

    fn put_client(&self, client: &Client) -> Result<(), StoreError> {
        let client = client.clone();
        self.writer.atomically(move |t| requests::put_client(t, &client))
    }

    fn registered_clients(&self) -> Result<u64, StoreError> {
        requests::count_registered(&self.reader())
    }

    fn client(&self, id: &str) -> Result<Option<Client>, StoreError> {
        requests::read_client(&self.reader(), id)
    }

    fn add_grant(&self, grant: &Grant) -> Result<(), StoreError> {
        let grant = grant.clone();
        self.writer.atomically(move |t| add_grant(t, &grant))
    }

    fn add_grants(&self, grants: &[Grant]) -> Result<(), StoreError> {
        let grants = grants.to_vec();
        self.writer.atomically(move |t| grants.iter().try_for_each(|grant| add_grant(t, grant)))
    }

    fn grant(&self, id: GrantId) -> Result<Option<Grant>, StoreError> {
        read_grant(&self.reader(), id)
    }

    fn grants(&self) -> Result<Vec<Grant>, StoreError> {
        let connection = self.reader();
        let mut statement = connection.prepare(select_grant!("ORDER BY created_at DESC, id"))?;
        let mut rows = statement.query([])?;
        let mut grants = Vec::new();
        while let Some(row) = rows.next()? {
            grants.push(grant_of(row)?);
        }
        Ok(grants)
    }

    fn grants_of(&self, subject: &str) -> Result<Vec<Grant>, StoreError> {
        let connection = self.reader();
        let mut statement = connection.prepare(select_grant!("WHERE subject = ?1 ORDER BY created_at DESC, id"))?;
        let mut rows = statement.query([subject])?;
        let mut grants = Vec::new();
        while let Some(row) = rows.next()? {
            grants.push(grant_of(row)?);
        }
        Ok(grants)
    }

    fn redeem(&self, presented: &Redemption) -> Result<Outcome, StoreError> {
        let presented = presented.clone();
        self.writer.atomically(move |t| redeem(t, &presented))
    }

    fn queues(&self) -> bool {
        true
    }

    fn redeem_then(&self, presented: Redemption, then: Then) {
        self.writer.hand_in(move |t| redeem(t, &presented), then);
    }

    fn revoke(&self, id: GrantId, reason: Reason, now: Timestamp) -> Result<Option<bool>, StoreError> {
        self.writer.atomically(move |t| revoke_grant(t, id, reason, now))
    }

    fn add_code(&self, code: &Code) -> Result<(), StoreError> {
        let code = code.clone();
        self.writer.atomically(move |t| requests::write_code(t, &code))
    }

    fn exchange(&self, presented: &Exchange) -> Result<Exchanged, StoreError> {
        let presented = presented.clone();
        self.writer.atomically(move |t| {
            let Some(mut code) = requests::read_code(t, &presented.hash)? else { return Ok(Exchanged::Unknown) };
            let exchanged = code.exchange(&presented);
            requests::write_code(t, &code)?;
            match &exchanged {
                Exchanged::Granted(grant, _) => add_grant(t, grant)?,
                Exchanged::Again(Some(id)) => {
                    revoke_grant(t, *id, Reason::CodeReuse, presented.now)?;
                }
                _ => {}
            }
            Ok(exchanged)
        })
    }

    fn add_device(&self, device: &Device) -> Result<bool, StoreError> {
        let device = device.clone();
        self.writer.atomically(move |t| requests::add_device(t, &device))
    }

    fn device(&self, name: &[u8; 32]) -> Result<Option<Device>, StoreError> {
        requests::read_device(&self.reader(), name)
    }

    fn decide_device(&self, decision: &Decision) -> Result<bool, StoreError> {
        let decision = decision.clone();
        self.writer.atomically(move |t| {
            let Some(mut device) = requests::read_device(t, &decision.name)? else { return Ok(false) };
            let counts = device.decide(&decision);
            requests::change_device(t, &device)?;
            Ok(counts)
        })
    }

    fn poll_device(&self, poll: &Poll) -> Result<Polled, StoreError> {
        let poll = poll.clone();
        self.writer.atomically(move |t| {
            let Some(mut device) = requests::read_device(t, &poll.name)? else { return Ok(Polled::Unknown) };
            let polled = device.poll(&poll);
            requests::change_device(t, &device)?;
            match &polled {
                Polled::Granted(grant, _) => add_grant(t, grant)?,
                Polled::Again(id) => drop(revoke_grant(t, *id, Reason::CodeReuse, poll.now)?),
                _ => {}
            }
            Ok(polled)
        })
    }

    fn add_pushed(&self, pushed: &Pushed) -> Result<(), StoreError> {
        let pushed = pushed.clone();
        self.writer.atomically(move |t| requests::add_pushed(t, &pushed))
    }

    fn take_pushed(&self, hash: &[u8; 32]) -> Result<Option<Pushed>, StoreError> {
        let hash = *hash;
        self.writer.atomically(move |t| requests::take_pushed(t, &hash))
    }

    fn forget(&self, codes_before: Timestamp, grants_before: Timestamp) -> Result<usize, StoreError> {
        for table in [&CODES, &DEVICES, &PUSHED] {
            self.forget_from(table, codes_before)?;
        }
        self.forget_from(&GRANTS, grants_before)
    }
}

/// How to go through a table in the order of its key, and to delete what is over.
struct Sweep {
    /// The keys after ?1, as many as ?2, and whether each is over since before ?3.
    look: &'static str,
    /// The one with key ?1, if it is over since before ?2.
    delete: &'static str,
}

const CODES: Sweep = Sweep {
    look: "SELECT hash, expires_at < ?3 FROM codes WHERE hash > ?1 ORDER BY hash LIMIT ?2",
    delete: "DELETE FROM codes WHERE hash = ?1 AND expires_at < ?2",
};
const DEVICES: Sweep = Sweep {
    look: "SELECT name, expires_at < ?3 FROM devices WHERE name > ?1 ORDER BY name LIMIT ?2",
    delete: "DELETE FROM devices WHERE name = ?1 AND expires_at < ?2",
};
const PUSHED: Sweep = Sweep {
    look: "SELECT hash, expires_at < ?3 FROM pushed WHERE hash > ?1 ORDER BY hash LIMIT ?2",
    delete: "DELETE FROM pushed WHERE hash = ?1 AND expires_at < ?2",
};
const GRANTS: Sweep = Sweep {
    look: "SELECT id, COALESCE(revoked_at, rotated_at) < ?3 FROM grants JOIN states USING (n) WHERE id > ?1 ORDER BY id LIMIT ?2",
    delete: "DELETE FROM grants WHERE id = ?1 AND \
             (SELECT COALESCE(revoked_at, rotated_at) FROM states WHERE states.n = grants.n) < ?2",
};
/// How many rows are looked at at once: well below a millisecond.
const STEP: i64 = 500;

impl SqliteStore {
    /// Looks with the reader, so that the writer has only the deletions, few at a time; a rotation since the look counts.
    fn forget_from(&self, table: &'static Sweep, before: Timestamp) -> Result<usize, StoreError> {
        let (mut after, mut forgotten) = (Vec::new(), 0);
        loop {
            let seen = self.look(table, &after, before)?;
            let Some((last, _)) = seen.last() else { return Ok(forgotten) };
            after.clone_from(last);
            let over: Vec<Vec<u8>> = seen.into_iter().filter(|(_, over)| *over).map(|(key, _)| key).collect();
            for slice in over.chunks(SLICE) {
                let slice = slice.to_vec();
                forgotten += self.writer.atomically(move |t| {
                    let mut delete = t.prepare_cached(table.delete)?;
                    let deleted = slice.iter().map(|key| delete.execute(params![key, before.as_millis()]));
                    Ok(deleted.sum::<rusqlite::Result<usize>>()?)
                })?;
            }
        }
    }

    fn look(&self, table: &Sweep, after: &[u8], before: Timestamp) -> Result<Vec<(Vec<u8>, bool)>, StoreError> {
        let reader = self.reader();
        let mut look = reader.prepare_cached(table.look)?;
        let rows = look.query_map(params![after, STEP, before.as_millis()], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }
}

fn read_newest_key(connection: &Connection) -> rusqlite::Result<Option<KeyName>> {
    let read = |row: &Row<'_>| Ok(KeyName { version: row.get(0)?, fingerprint: row.get(1)? });
    connection.query_row("SELECT version, fingerprint FROM newest_key", [], read).optional()
}

fn has_old_keys(connection: &Connection) -> rusqlite::Result<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'keys')";
    connection.query_row(sql, [], |row| row.get(0))
}

#[cfg(test)]
#[path = "sqlite_tests.rs"]
mod tests;
