//! The one thread that writes, with group commit: what comes in while the disk is busy with one transaction goes into the
//! next one together, so that many transitions share one fsync. Each is still all or nothing, and none is answered before
//! it is on disk.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rusqlite::Connection;
use tokio::runtime::Handle;

use super::StoreError;
use super::checkpoint::Checkpoints;
use super::inbox::{Giver, Taker, inbox};
use super::tell::{Tell, runtime_here, tell_all};

/// The most transitions in one transaction: bounds how long the first of them waits.
const MOST: usize = 256;
/// How long a transaction waits for as many as the one before it had. A commit takes a tenth of a millisecond of the processor's
/// time, however few it is for, and a refresh less than that.
const LINGER: Duration = Duration::from_millis(1);

/// Does its work inside the open transaction; gives back what tells the caller.
type Job = Box<dyn FnOnce(&Connection) -> Answer + Send>;
/// To be told once the transaction is on disk. Dropped instead, it tells the caller that it is not.
struct Answer {
    tell: Tell,
    /// Where the caller waits without holding a thread up; none for one that does.
    runtime: Option<Handle>,
}

/// Hands work to the thread.
pub(super) struct Writer {
    jobs: Option<Giver<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Writes by the first connection; by the second one, what was written is copied from the log into the file.
    pub(super) fn new(mut connection: Connection, beside: Connection) -> Result<Self, StoreError> {
        let checkpoints = Checkpoints::beside(&mut connection, beside)?;
        let (jobs, incoming) = inbox(LINGER);
        let work = move || work_off(&connection, &checkpoints, &incoming);
        let thread = thread::Builder::new().name("pilotlight-store".to_owned()).spawn(work)?;
        Ok(Self { jobs: Some(jobs), thread: Some(thread) })
    }

    /// Does `work` as one atomic step, and returns when it is on disk.
    pub(super) fn atomically<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (reply, answer) = mpsc::sync_channel(1);
        // It fails only where the caller is gone, and then nobody is left to tell.
        self.put(move |connection| in_savepoint(connection, work), move |done| drop(reply.send(done)), None);
        answer.recv().unwrap_or(Err(StoreError::NotDurable))
    }

    /// Does `work`, which changes something by its last statement only and so is atomic by itself; `then` is called when it is
    /// on disk, and dropped where it is not.
    pub(super) fn hand_in<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
        then: impl FnOnce(Result<T, StoreError>) + Send + 'static,
    ) {
        self.put(work, then, runtime_here());
    }

    fn put<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
        then: impl FnOnce(Result<T, StoreError>) + Send + 'static,
        runtime: Option<Handle>,
    ) {
        let job: Job = Box::new(move |connection| {
            let done = work(connection);
            Answer { tell: Box::new(move || then(done)), runtime }
        });
        // Where the thread is gone the job is dropped, and that tells the caller.
        if let Some(jobs) = &self.jobs {
            jobs.put(job);
        }
    }
}

impl Drop for Writer {
    /// Waits for the work that was handed in, so that a store that is gone has let go of its file.
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

fn work_off(connection: &Connection, checkpoints: &Checkpoints, incoming: &Taker<Job>) {
    let mut last = 1;
    while let Some(batch) = incoming.take(last, MOST) {
        last = batch.len();
        // A panic rolls the transaction back and drops the answers. The next batch must not suffer for it.
        let committed = catch_unwind(AssertUnwindSafe(|| commit(connection, batch)));
        match committed {
            Ok(Ok(answers)) => tell(answers),
            Ok(Err(error)) => tracing::error!(%error, "a transaction was not committed"),
            Err(_) => tracing::error!("a transaction broke off"),
        }
        if !connection.is_autocommit()
            && let Err(error) = run(connection, "ROLLBACK")
        {
            tracing::error!(%error, "a transaction was not rolled back");
        }
        checkpoints.after_commit(connection);
    }
}

fn commit(connection: &Connection, batch: Vec<Job>) -> rusqlite::Result<Vec<Answer>> {
    run(connection, "BEGIN IMMEDIATE")?;
    let answers = batch.into_iter().map(|job| job(connection)).collect();
    // Where SQLite itself had to roll back (a full disk), there is nothing to commit: this fails, and nobody is answered.
    run(connection, "COMMIT")?;
    Ok(answers)
}

fn tell(answers: Vec<Answer>) {
    let mut queued = Vec::with_capacity(answers.len());
    let mut where_to = None;
    for Answer { tell, runtime } in answers {
        match runtime {
            Some(runtime) => {
                where_to = Some(runtime);
                queued.push(tell);
            }
            None => tell(),
        }
    }
    tell_all(where_to, queued);
}

fn run(connection: &Connection, sql: &str) -> rusqlite::Result<()> {
    connection.prepare_cached(sql)?.execute([]).map(drop)
}

/// One transition that fails leaves the others of its transaction alone.
fn in_savepoint<T>(
    connection: &Connection,
    work: impl FnOnce(&Connection) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    run(connection, "SAVEPOINT one")?;
    let done = work(connection);
    if done.is_err() {
        run(connection, "ROLLBACK TO one")?;
    }
    run(connection, "RELEASE one")?;
    done
}

#[cfg(test)]
mod tests {
    use super::*;

    fn writer(folder: &tempfile::TempDir) -> Writer {
        let open = || Connection::open(folder.path().join("t.db")).unwrap();
        let connection = open();
        connection.busy_timeout(std::time::Duration::ZERO).unwrap();
        connection.execute_batch("CREATE TABLE IF NOT EXISTS t (n INTEGER UNIQUE) STRICT").unwrap();
        Writer::new(connection, open()).unwrap()
    }

    fn insert(writer: &Writer, n: i64) -> Result<usize, StoreError> {
        writer.atomically(move |c| Ok(c.execute("INSERT INTO t VALUES (?1)", [n])?))
    }

    fn rows(folder: &tempfile::TempDir) -> i64 {
        let connection = Connection::open(folder.path().join("t.db")).unwrap();
        connection.query_row("SELECT count(*) FROM t", [], |row| row.get(0)).unwrap()
    }

    #[test]
    fn what_was_answered_is_on_disk_and_one_failure_harms_no_neighbour() {
        let folder = tempfile::tempdir().unwrap();
        let writer = writer(&folder);
        let done: Vec<bool> = thread::scope(|scope| {
            let writer = &writer;
            let threads: Vec<_> = (0..100).map(|n| scope.spawn(move || insert(writer, n / 2).is_ok())).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(done.iter().filter(|ok| **ok).count(), 50, "each number once");
        assert_eq!(rows(&folder), 50);
    }

    #[test]
    fn a_transaction_that_cannot_begin_is_told_and_the_next_one_works() {
        let folder = tempfile::tempdir().unwrap();
        let writer = writer(&folder);
        let other = Connection::open(folder.path().join("t.db")).unwrap();
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        assert!(matches!(insert(&writer, 1), Err(StoreError::NotDurable)));
        other.execute_batch("COMMIT").unwrap();
        assert!(insert(&writer, 1).is_ok());
    }

    #[test]
    fn work_that_panics_is_told_and_the_next_one_works() {
        let folder = tempfile::tempdir().unwrap();
        let writer = writer(&folder);
        let broken = writer.atomically(|c| -> Result<(), StoreError> {
            c.execute("INSERT INTO t VALUES (1)", [])?;
            panic!("on purpose")
        });
        assert!(matches!(broken, Err(StoreError::NotDurable)));
        assert_eq!(rows(&folder), 0);
        assert!(insert(&writer, 1).is_ok());
    }
}
