//! The platform's keystore: deadlines, one reconnection, read back, and proof before "there is none".

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::platform::{self, Fault};
use super::worker::Worker;
use super::{Keystore, KeystoreSecret, Origin, UNLOCKING};
use crate::{KeystoreError, base32, random};

/// How long a read may take. A person who is asked to unlock the keystore takes longer, and the call may be repeated then.
const READ_DEADLINE: Duration = Duration::from_secs(5);

/// How long a write and its reading back may take.
const WRITE_DEADLINE: Duration = Duration::from_secs(10);

/// How long a keystore that has just been started may take to load what it keeps.
const SETTLING: Duration = Duration::from_secs(2);

/// The platform's keystore: Secret Service on Linux, Credential Manager on Windows, Keychain on macOS.
///
/// One thread holds one long-lived connection to it. A call that takes too long answers [`KeystoreError::TimedOut`];
/// while the thread is still held up all further calls do so at once, and they work again once it is free.
///
/// A Secret Service that is locked answers [`KeystoreError::Locked`]. The first call that finds it so puts the prompt
/// before the person, who has [`UNLOCKING`] to answer it; the call itself waits for no longer than its deadline. After that
/// nobody is asked again unless [`Keystore::unlock`] is called: a dismissed prompt is an answer.
pub struct OsKeystore {
    service: String,
    worker: Mutex<Option<Arc<Worker<Job, Answer>>>>,
    /// The person was asked already, or is not to be asked.
    asked: AtomicBool,
}

enum Job {
    Read(String),
    Write(String, KeystoreSecret),
    Delete(String),
    Look,
}

/// What a job brings.
enum Brought {
    Secrets(Vec<KeystoreSecret>),
    Origin(Origin),
    Nothing,
}

type Answer = Result<Brought, KeystoreError>;

impl std::fmt::Debug for OsKeystore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OsKeystore").field("kind", &self.kind()).field("service", &self.service).finish()
    }
}

impl OsKeystore {
    /// A keystore whose entries belong to `service`, e.g. `dev.pilotlight`. Opens nothing yet.
    #[must_use]
    pub fn new(service: &str) -> Self {
        Self { service: service.to_owned(), worker: Mutex::new(None), asked: AtomicBool::new(false) }
    }

    /// The same, never putting a prompt before the person by itself: for programs that work while nobody looks.
    #[must_use]
    pub fn quiet(service: &str) -> Self {
        Self { asked: AtomicBool::new(true), ..Self::new(service) }
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

    /// Does the job that `make` makes; where the keystore is locked, asks the person once and does it again.
    fn call(&self, make: impl Fn() -> Job, deadline: Duration) -> Answer {
        match self.call_once(make(), deadline) {
            Err(KeystoreError::Locked) if !self.asked.swap(true, Ordering::Relaxed) => {
                if ask_in_background(deadline) {
                    self.call_once(make(), deadline)
                } else {
                    Err(KeystoreError::Locked)
                }
            }
            answer => answer,
        }
    }

    fn call_once(&self, job: Job, deadline: Duration) -> Answer {
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

/// Puts the prompt before the person, and waits for the answer no longer than `deadline`; the prompt stays longer.
/// Whether the keystore is unlocked now.
fn ask_in_background(deadline: Duration) -> bool {
    let (told, answer) = channel();
    let asking = std::thread::Builder::new().name("keystore-prompt".to_owned()).spawn(move || {
        // Where nobody waits any more, the next call finds out by itself.
        let _ = told.send(platform::unlock(UNLOCKING).is_ok());
    });
    asking.is_ok() && answer.recv_timeout(deadline).unwrap_or(false)
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
        let job = || Job::Write(name.to_owned(), Zeroizing::new(secret.to_owned()));
        self.call(job, WRITE_DEADLINE).map(drop)
    }

    fn delete(&self, name: &str) -> Result<(), KeystoreError> {
        self.call(|| Job::Delete(name.to_owned()), WRITE_DEADLINE).map(drop)
    }

    fn read_all(&self, name: &str) -> Result<Vec<KeystoreSecret>, KeystoreError> {
        match self.call(|| Job::Read(name.to_owned()), READ_DEADLINE)? {
            Brought::Secrets(secrets) => Ok(secrets),
            Brought::Origin(_) | Brought::Nothing => Ok(Vec::new()),
        }
    }

    fn look(&self) -> Result<Origin, KeystoreError> {
        match self.call_once(Job::Look, READ_DEADLINE)? {
            Brought::Origin(origin) => Ok(origin),
            Brought::Secrets(_) | Brought::Nothing => Ok(Origin::of(self.kind())),
        }
    }

    fn unlock(&self, patience: Duration) -> Result<(), KeystoreError> {
        self.asked.store(true, Ordering::Relaxed);
        platform::unlock(patience)
    }

    fn await_unlocked(&self, patience: Duration) -> Result<(), KeystoreError> {
        platform::await_unlocked(patience)
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
    fn look(&self) -> Result<Origin, Fault>;
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

    fn attempt(&mut self, job: &Job) -> Result<Brought, Fault> {
        let store = match self.store.take() {
            Some(store) => store,
            None => (self.open)().map_err(Fault::Told)?,
        };
        let answer = match job {
            Job::Read(name) => read(&store, name).map(Brought::Secrets),
            Job::Write(name, secret) => write(&store, name, secret).map(|()| Brought::Nothing),
            Job::Delete(name) => store.delete(name).map(|()| Brought::Nothing),
            Job::Look => store.look().map(Brought::Origin),
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
