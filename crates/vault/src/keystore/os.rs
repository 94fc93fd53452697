//! The platform's keystore: deadlines, one reconnection, read back, and proof before "there is none".

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::platform::{self, Fault};
use super::worker::Worker;
use super::{Keystore, KeystoreSecret};
use crate::{KeystoreError, base32, random};

/// How long a read may take. A locked keystore that asks the person takes longer, and the call may be repeated then.
const READ_DEADLINE: Duration = Duration::from_secs(5);

/// How long a write and its reading back may take.
const WRITE_DEADLINE: Duration = Duration::from_secs(10);

/// How long a keystore that has just been started may take to load what it keeps.
const SETTLING: Duration = Duration::from_secs(2);

/// The platform's keystore: Secret Service on Linux, Credential Manager on Windows, Keychain on macOS.
///
/// One thread holds one long-lived connection to it. A call that takes too long answers [`KeystoreError::TimedOut`];
/// while the thread is still held up all further calls do so at once, and they work again once it is free.
pub struct OsKeystore {
    service: String,
    worker: Mutex<Option<Arc<Worker<Job, Answer>>>>,
}

enum Job {
    Read(String),
    Write(String, KeystoreSecret),
    Delete(String),
}

/// The secrets of the name that was asked for; empty for writes.
type Answer = Result<Vec<KeystoreSecret>, KeystoreError>;

impl std::fmt::Debug for OsKeystore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OsKeystore").field("kind", &self.kind()).field("service", &self.service).finish()
    }
}

impl OsKeystore {
    /// A keystore whose entries belong to `service`, e.g. `dev.pilotlight`. Opens nothing yet.
    #[must_use]
    pub fn new(service: &str) -> Self {
        Self { service: service.to_owned(), worker: Mutex::new(None) }
    }

    fn worker(&self) -> Result<Arc<Worker<Job, Answer>>, KeystoreError> {
        let mut worker = self.worker.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(running) = &*worker {
            return Ok(Arc::clone(running));
        }
        let service = self.service.clone();
        let started = Arc::new(Worker::start(move || {
            let mut desk = Desk { open: move || platform::Store::open(&service), store: None };
            move |job| desk.serve(&job)
        })?);
        *worker = Some(Arc::clone(&started));
        Ok(started)
    }

    fn call(&self, job: Job, deadline: Duration) -> Answer {
        let worker = self.worker()?;
        if let Some(answer) = worker.call(job, deadline) {
            return answer?;
        }
        // A library panicked on the thread. The next call starts another one.
        let mut current = self.worker.lock().unwrap_or_else(PoisonError::into_inner);
        if current.as_ref().is_some_and(|current| Arc::ptr_eq(current, &worker)) {
            *current = None;
        }
        Err(KeystoreError::Failed("its thread ended".to_owned()))
    }
}

impl Keystore for OsKeystore {
    fn kind(&self) -> &'static str {
        platform::KIND
    }

    fn read(&self, name: &str) -> Result<Option<KeystoreSecret>, KeystoreError> {
        let mut secrets = self.read_all(name)?;
        match secrets.len() {
            0 | 1 => Ok(secrets.pop()),
            several => Err(KeystoreError::Ambiguous(several)),
        }
    }

    fn write(&self, name: &str, secret: &str) -> Result<(), KeystoreError> {
        self.call(Job::Write(name.to_owned(), Zeroizing::new(secret.to_owned())), WRITE_DEADLINE).map(drop)
    }

    fn delete(&self, name: &str) -> Result<(), KeystoreError> {
        self.call(Job::Delete(name.to_owned()), WRITE_DEADLINE).map(drop)
    }

    fn read_all(&self, name: &str) -> Result<Vec<KeystoreSecret>, KeystoreError> {
        self.call(Job::Read(name.to_owned()), READ_DEADLINE)
    }

    fn settle(&self) {
        std::thread::sleep(SETTLING);
    }
}

/// An open store, as the desk needs it.
pub(super) trait Shelf {
    /// Whether the answer "no entry" may come from a keystore that is locked, or not there.
    const ABSENCE_NEEDS_PROOF: bool;
    fn read(&self, name: &str) -> Result<Vec<KeystoreSecret>, Fault>;
    fn write(&self, name: &str, secret: &str) -> Result<(), Fault>;
    fn delete(&self, name: &str) -> Result<(), Fault>;
}

/// What the worker thread does: holds one connection, and makes a new one once where the old one fails.
struct Desk<S, O: FnMut() -> Result<S, KeystoreError>> {
    open: O,
    store: Option<S>,
}

impl<S: Shelf, O: FnMut() -> Result<S, KeystoreError>> Desk<S, O> {
    fn serve(&mut self, job: &Job) -> Answer {
        match self.attempt(job) {
            // A keystore that was restarted has forgotten our connection; a new one works at once.
            Err(Fault::Broken(_)) => {
                self.store = None;
                self.attempt(job).map_err(Fault::into_error)
            }
            answer => answer.map_err(Fault::into_error),
        }
    }

    fn attempt(&mut self, job: &Job) -> Result<Vec<KeystoreSecret>, Fault> {
        let store = match self.store.take() {
            Some(store) => store,
            None => (self.open)().map_err(Fault::Told)?,
        };
        let answer = match job {
            Job::Read(name) => read(&store, name),
            Job::Write(name, secret) => write(&store, name, secret).map(|()| Vec::new()),
            Job::Delete(name) => store.delete(name).map(|()| Vec::new()),
        };
        self.store = Some(store);
        answer
    }
}

fn read<S: Shelf>(store: &S, name: &str) -> Result<Vec<KeystoreSecret>, Fault> {
    let secrets = store.read(name)?;
    if secrets.is_empty() && S::ABSENCE_NEEDS_PROOF {
        prove_that_it_keeps(store)?;
    }
    Ok(secrets)
}

/// A Secret Service answers "no entry" also where no collection is set up, and where another one has taken its place.
/// What keeps an entry of ours and gives it back is there and unlocked.
fn prove_that_it_keeps<S: Shelf>(store: &S) -> Result<(), Fault> {
    let random = random::make().map_err(|_| Fault::Told(KeystoreError::Failed("no random bytes".to_owned())))?;
    let text = base32::encode(&random);
    // A name of its own, because two processes may do this at the same time.
    let name = format!("probe-{text}");
    let kept = write(store, &name, &text);
    store.delete(&name)?;
    kept
}

fn write<S: Shelf>(store: &S, name: &str, secret: &str) -> Result<(), Fault> {
    store.write(name, secret)?;
    let kept = store.read(name)?;
    match kept.as_slice() {
        [kept] if bool::from(kept.as_bytes().ct_eq(secret.as_bytes())) => Ok(()),
        [_] => Err(Fault::Told(KeystoreError::Unsuitable("what was written reads back otherwise".to_owned()))),
        [] => Err(Fault::Told(KeystoreError::Unsuitable("what was written is not there".to_owned()))),
        several => Err(Fault::Told(KeystoreError::Ambiguous(several.len()))),
    }
}

#[cfg(test)]
#[path = "os_tests.rs"]
mod tests;
