//! Copies what stands in SQLite's log into the file, beside the writer: inside a commit, as SQLite does it by itself, everybody who
//! waits for that commit would wait for thousands of pages too.
//!
//! ```text
//!  writer      commit commit commit ─ wakes ─ commit commit commit ─ copies the last few ─ begins the log anew
//!  checkpoints                                copies most of it ─ and what came meanwhile ┘
//! ```
//! Nothing is durable by this that was not before: every answer waits for the log alone, and the log is begun anew when all of
//! it is in the file and the file is on disk.

use std::sync::Arc;
use std::sync::atomic::{AtomicI32, AtomicU8, Ordering};
use std::sync::mpsc::{self, SyncSender};
use std::thread::{self, JoinHandle};

use rusqlite::Connection;
use rusqlite::hooks::Wal;

use super::StoreError;

/// So many pages, and the log is copied: 16 MiB. Pages that changed again meanwhile are copied once.
const LONG: i32 = 4000;
/// So few, and the writer copies them itself: less than a commit takes.
const FEW: i32 = 100;
/// While others write as fast as pages are copied, that is given up after so often.
const PASSES: usize = 4;

/// Nobody copies; somebody does; the rest is the writer's.
const RESTS: u8 = 0;
const COPIES: u8 = 1;
const COPIED: u8 = 2;

#[derive(Default)]
struct Log {
    pages: AtomicI32,
    state: AtomicU8,
}

pub(super) struct Checkpoints {
    log: Arc<Log>,
    wake: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Checkpoints {
    /// Of the log that `writer` writes, by another connection of their own.
    pub(super) fn beside(writer: &mut Connection, own: Connection) -> Result<Self, StoreError> {
        let log = Arc::new(Log::default());
        let noted = log.clone();
        // In the place of SQLite's own, which copies.
        writer.wal_hook(Some(move |_: &mut Wal, pages| {
            noted.pages.store(pages, Ordering::Relaxed);
            Ok(())
        }))?;
        let (wake, woken) = mpsc::sync_channel(1);
        let copied = log.clone();
        let work = move || {
            while woken.recv().is_ok() {
                copied.copy_most(&own);
                copied.state.store(COPIED, Ordering::Release);
            }
        };
        let thread = thread::Builder::new().name("pilotlight-copy".to_owned()).spawn(work)?;
        Ok(Self { log, wake: Some(wake), thread: Some(thread) })
    }

    /// By the writer, once those who waited for the commit have their answers.
    pub(super) fn after_commit(&self, writer: &Connection) {
        match self.log.state.load(Ordering::Acquire) {
            RESTS if self.log.pages.load(Ordering::Relaxed) >= LONG => {
                self.log.state.store(COPIES, Ordering::Relaxed);
                if let Some(wake) = &self.wake {
                    // Empty, for the thread rests.
                    wake.try_send(()).ok();
                }
            }
            COPIED => {
                self.log.state.store(RESTS, Ordering::Relaxed);
                copy(writer);
            }
            _ => {}
        }
    }
}

impl Drop for Checkpoints {
    fn drop(&mut self) {
        self.wake = None;
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

impl Log {
    fn copy_most(&self, own: &Connection) {
        for _ in 0..PASSES {
            let Some(copied) = copy(own) else { return };
            if self.pages.load(Ordering::Relaxed) - copied <= FEW {
                return;
            }
        }
    }
}

/// As much as nobody still reads; waits for nobody. How many pages of the log are in the file now.
fn copy(connection: &Connection) -> Option<i32> {
    let copied = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| row.get(2));
    copied.inspect_err(|error| tracing::warn!(%error, "the log was not copied; it grows until it can be")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_is_copied_beside_the_writer_and_begun_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.db");
        let open = || Connection::open(&path).unwrap();
        let mut writer = open();
        writer.pragma_update(None, "journal_mode", "WAL").unwrap();
        writer.execute_batch("CREATE TABLE t (n INTEGER PRIMARY KEY, b BLOB)").unwrap();
        let checkpoints = Checkpoints::beside(&mut writer, open()).unwrap();
        let (mut most, mut anew) = (0, 0);
        for n in 0..30 {
            let before = checkpoints.log.pages.load(Ordering::Relaxed);
            let thousand = "WITH RECURSIVE s(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM s WHERE i < 1000)";
            writer.execute(&format!("INSERT INTO t {thousand} SELECT NULL, randomblob(4000) FROM s"), []).unwrap();
            let pages = checkpoints.log.pages.load(Ordering::Relaxed);
            (most, anew) = (most.max(pages), anew + i32::from(pages < before));
            checkpoints.after_commit(&writer);
            while checkpoints.log.state.load(Ordering::Acquire) == COPIES {
                thread::yield_now();
            }
            assert_eq!(writer.query_row("SELECT count(*) FROM t", [], |row| row.get(0)), Ok((n + 1) * 1000));
        }
        assert!(anew > 1 && most < 3 * LONG, "begun anew {anew} times, {most} pages at most");
    }
}
