//! Empties the write-ahead log behind the commits: a commit does not wait for it, and what the log held is soon gone.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::Connection;

use super::Database;
use super::connect::BUSY;
use crate::VaultError;

/// One thread, and whether there is something for it to do.
pub(super) struct Janitor {
    bell: Arc<Bell>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Bell {
    rung: Mutex<Rung>,
    moved: Condvar,
}

#[derive(Default)]
struct Rung {
    asked: bool,
    at_work: bool,
    closed: bool,
}

impl Bell {
    fn rung(&self) -> MutexGuard<'_, Rung> {
        self.rung.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'rung>(&self, rung: MutexGuard<'rung, Rung>) -> MutexGuard<'rung, Rung> {
        self.moved.wait(rung).unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits to be asked; says no once the vault is closed.
    fn next(&self) -> bool {
        let mut rung = self.rung();
        rung.at_work = false;
        self.moved.notify_all();
        loop {
            // Closing the last connection empties the log too.
            if rung.closed {
                return false;
            }
            if std::mem::take(&mut rung.asked) {
                rung.at_work = true;
                return true;
            }
            rung = self.wait(rung);
        }
    }
}

/// Leaves no one waiting for a thread that panicked.
struct Leaving<'bell>(&'bell Bell);

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        let mut rung = self.0.rung();
        *rung = Rung { closed: true, ..Rung::default() };
        self.0.moved.notify_all();
    }
}

impl Janitor {
    pub(super) fn start(database: Arc<Mutex<Database>>) -> Result<Self, VaultError> {
        let bell = Arc::new(Bell::default());
        let shared = Arc::clone(&bell);
        let thread = std::thread::Builder::new()
            .name("vault-janitor".to_owned())
            .spawn(move || {
                let _leaving = Leaving(&shared);
                while shared.next() {
                    let database = database.lock().unwrap_or_else(PoisonError::into_inner);
                    if let Err(error) = empty_log(&database.connection) {
                        // Harmless: what was committed is durable in the log, which the next commit or opening empties.
                        tracing::warn!(%error, "the vault's log could not be emptied");
                    }
                }
            })
            .map_err(|_| VaultError::Io("no thread could be started".to_owned()))?;
        Ok(Self { bell, thread: Some(thread) })
    }

    /// Asks for it, and returns at once.
    pub(super) fn ask(&self) {
        self.bell.rung().asked = true;
        self.bell.moved.notify_all();
    }

    /// Waits until what was asked for was tried.
    pub(super) fn flush(&self) {
        let mut rung = self.bell.rung();
        while !rung.closed && (rung.asked || rung.at_work) {
            rung = self.bell.wait(rung);
        }
    }
}

impl Drop for Janitor {
    fn drop(&mut self) {
        self.bell.rung().closed = true;
        self.bell.moved.notify_all();
        if let Some(thread) = self.thread.take() {
            // It ends by itself; a panic was reported by the panic hook.
            let _ = thread.join();
        }
    }
}

/// Moves the log into the file and cuts it to nothing. Where others read or write just now, it is left to the next time:
/// waiting would keep this process from its vault.
fn empty_log(connection: &Connection) -> Result<(), VaultError> {
    connection.busy_timeout(Duration::ZERO)?;
    let emptied = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", (), |_| Ok(()));
    connection.busy_timeout(BUSY)?;
    match emptied.map_err(VaultError::from) {
        Err(VaultError::Busy) => Ok(()),
        other => other,
    }
}
