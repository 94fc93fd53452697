//! How a store is spoken to: one JSON object a line on its standard input, one answer a line on its standard output.
//!
//! A store in Rust implements [`Store`] and calls [`serve`]; one in another language reads and writes the lines itself
//! (docs/lab.md describes them, examples/lab/ has two).

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use zeroize::{Zeroize as _, Zeroizing};

use crate::canary::files_below;

/// The longest line that is read, in bytes.
const LONGEST: usize = 1 << 20;
/// Between two rounds of touching files: it is to disturb the store, and not to take the processor away.
const PAUSE: Duration = Duration::from_micros(300);

/// Where a store keeps its things, and with what it is opened.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Place {
    /// The folder for all its files.
    pub home: PathBuf,
    /// The folder that plays the keystore ([`crate::FolderKeystore`]).
    pub keystore: PathBuf,
    /// Whether to use the Secret Service on the session's bus instead of that folder.
    #[serde(default)]
    pub secret_service: bool,
    /// Whose store it is, e.g. `dev.pilotlight.lab`.
    pub app: String,
    /// What a person would type, for stores that are opened by a passphrase.
    pub passphrase: String,
    /// The address of a Redis, where one runs.
    pub redis: Option<String>,
    /// The socket of a TPM 2.0, where there is one.
    pub tpm: Option<PathBuf>,
    /// What the clock says, in milliseconds since the Unix epoch.
    pub now_ms: i64,
}

/// What a store is asked for.
#[derive(Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub enum Request<'a> {
    /// Open the store, or make it where there is none.
    Open(Place),
    /// Keep a new record at generation 1.
    Create {
        /// 32 hexadecimal digits.
        id: &'a str,
        /// What to keep; has no character that JSON escapes.
        payload: &'a str,
    },
    /// Keep many new records, in one durable step where the store can.
    CreateAll {
        /// Id and payload of each.
        #[serde(borrow)]
        records: Vec<(&'a str, &'a str)>,
    },
    /// Give a record back.
    Load {
        /// Whose.
        id: &'a str,
    },
    /// Give all records back.
    List,
    /// Replace the record of generation `expected`, durably.
    Commit {
        /// Whose.
        id: &'a str,
        /// The generation that it replaces.
        expected: u64,
        /// What to keep.
        payload: &'a str,
    },
    /// Note durably that the token of `generation` is about to be spent.
    BeginAttempt {
        /// Whose.
        id: &'a str,
        /// The generation that is spent.
        generation: u64,
        /// 32 hexadecimal digits, to be given back with the record.
        key: &'a str,
    },
    /// Remove a record.
    Remove {
        /// Whose.
        id: &'a str,
    },
    /// Make the store's keys anew.
    Rekey,
    /// Open, read and close every file of the home again and again in a thread of the store's process, until `close`. Answered by [`serve`].
    Meddle,
    /// Close the store and forget what was read.
    Close,
    /// Tell what it did.
    Stats,
}

/// A record, given back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// How often it was committed; 1 when it is new.
    pub generation: u64,
    /// What was kept.
    pub payload: Zeroizing<String>,
    /// The key of an open attempt.
    #[serde(default)]
    pub attempt: Option<String>,
}

/// One entry of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Whose.
    pub id: String,
    /// The record; nothing where it is there and does not open.
    pub record: Option<Held>,
}

/// Why a store did not do what it was asked. Every word of it is searched for tokens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{kind}: {message}")]
pub struct Refusal {
    /// One word: `conflict`, `not-found`, `unsupported`, `keystore`, `key-lost`, `wrong-key`, `tampered`, `damaged`,
    /// `rolled-back`, `io`, `busy`, `too-large`, `unavailable`, `other`.
    pub kind: String,
    /// A sentence.
    pub message: String,
}

impl Refusal {
    /// A refusal of this kind.
    #[must_use]
    pub fn new(kind: &str, message: impl Into<String>) -> Self {
        Self { kind: kind.to_owned(), message: message.into() }
    }

    /// The store has no such thing.
    #[must_use]
    pub fn unsupported(what: &str) -> Self {
        Self::new("unsupported", format!("this store cannot {what}"))
    }
}

/// What a store did, for the measurements.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stats {
    /// Calls of the keystore since the process began.
    pub keystore_calls: u64,
}

/// An answer.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// It was done.
    Done,
    /// The generation that the record is at now.
    Generation(u64),
    /// The record; none where there is none.
    Record(Option<Held>),
    /// All records.
    Records(Vec<Entry>),
    /// What it did.
    Stats(Stats),
    /// It was not done.
    Error(Refusal),
}

/// A store that the lab can attack. Every method is one durable step, or an error that changed nothing; "cannot read" is
/// an error and never `None`.
pub trait Store {
    /// Opens it, or makes it where there is none. Called again after [`Store::close`], perhaps for another place.
    ///
    /// # Errors
    /// Where it cannot be opened; so have the others.
    fn open(&mut self, place: &Place) -> Result<(), Refusal>;
    /// Keeps a new record at generation 1.
    ///
    /// # Errors
    /// `conflict` where the id exists.
    fn create(&mut self, id: &str, payload: &str) -> Result<u64, Refusal>;
    /// Keeps many new records.
    ///
    /// # Errors
    /// `unsupported` by default: then they come one by one.
    fn create_all(&mut self, _records: &[(&str, &str)]) -> Result<(), Refusal> {
        Err(Refusal::unsupported("keep many records at once"))
    }
    /// The record; `None` only where it is certain that there is none.
    ///
    /// # Errors
    /// Where it cannot be read.
    fn load(&mut self, id: &str) -> Result<Option<Held>, Refusal>;
    /// All records.
    ///
    /// # Errors
    /// Where the store as a whole cannot be read.
    fn list(&mut self) -> Result<Vec<Entry>, Refusal>;
    /// Replaces the record of generation `expected` and gives the new generation.
    ///
    /// # Errors
    /// `conflict` where the record is at another generation.
    fn commit(&mut self, id: &str, expected: u64, payload: &str) -> Result<u64, Refusal>;
    /// Removes a record. Removing what is not there is fine.
    ///
    /// # Errors
    /// Where it cannot be removed.
    fn remove(&mut self, id: &str) -> Result<(), Refusal>;
    /// Lets go of everything.
    fn close(&mut self);
    /// Notes durably that a token is about to be spent.
    ///
    /// # Errors
    /// `unsupported` by default.
    fn begin_attempt(&mut self, _id: &str, _generation: u64, _key: &str) -> Result<(), Refusal> {
        Err(Refusal::unsupported("note an attempt"))
    }
    /// Makes its keys anew.
    ///
    /// # Errors
    /// `unsupported` by default.
    fn rekey(&mut self) -> Result<(), Refusal> {
        Err(Refusal::unsupported("change its keys"))
    }
    /// What it did.
    fn stats(&self) -> Stats {
        Stats::default()
    }
}

/// Answers on standard output what comes in on standard input, until that ends.
pub fn serve(store: &mut dyn Store) -> ExitCode {
    match answer_all(store) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn answer_all(store: &mut dyn Store) -> io::Result<()> {
    // Without the buffers of the standard library, which nobody wipes.
    let mut input = File::from(io::stdin().as_fd().try_clone_to_owned()?);
    let mut output = File::from(io::stdout().as_fd().try_clone_to_owned()?);
    let mut buffer = Zeroizing::new(vec![0_u8; LONGEST]);
    let mut filled = 0;
    let mut meddling = Meddling::default();
    loop {
        while let Some(end) = buffer[..filled].iter().position(|byte| *byte == b'\n') {
            let answer = serde_json::from_slice(&buffer[..end]).map_or_else(
                |error| Answer::Error(Refusal::new("other", format!("not a request: {error}"))),
                |request| meddling.answer(&request).unwrap_or_else(|| answer_one(store, &request)),
            );
            buffer.copy_within(end + 1..filled, 0);
            let left = filled - end - 1;
            buffer[left..filled].zeroize();
            filled = left;
            let mut line = Zeroizing::new(Vec::with_capacity(LONGEST));
            serde_json::to_writer(&mut *line, &answer)?;
            line.push(b'\n');
            output.write_all(&line)?;
        }
        match input.read(&mut buffer[filled..])? {
            0 => return Ok(()),
            more => filled += more,
        }
    }
}

fn answer_one(store: &mut dyn Store, request: &Request<'_>) -> Answer {
    let answer = match request {
        Request::Open(place) => store.open(place).map(|()| Answer::Done),
        Request::Create { id, payload } => store.create(id, payload).map(Answer::Generation),
        Request::CreateAll { records } => store.create_all(records).map(|()| Answer::Done),
        Request::Load { id } => store.load(id).map(Answer::Record),
        Request::List => store.list().map(Answer::Records),
        Request::Commit { id, expected, payload } => store.commit(id, *expected, payload).map(Answer::Generation),
        Request::BeginAttempt { id, generation, key } => {
            store.begin_attempt(id, *generation, key).map(|()| Answer::Done)
        }
        Request::Remove { id } => store.remove(id).map(|()| Answer::Done),
        Request::Rekey => store.rekey().map(|()| Answer::Done),
        Request::Meddle => Err(Refusal::unsupported("touch its own files")),
        Request::Close => {
            store.close();
            Ok(Answer::Done)
        }
        Request::Stats => Ok(Answer::Stats(store.stats())),
    };
    answer.unwrap_or_else(Answer::Error)
}

/// A thread that is none of the store's and touches its files.
#[derive(Default)]
struct Meddling {
    home: PathBuf,
    over: Option<Arc<AtomicBool>>,
}

impl Meddling {
    /// Answers what is meant for it, and ends when the store is closed.
    fn answer(&mut self, request: &Request<'_>) -> Option<Answer> {
        match request {
            Request::Open(place) => self.home.clone_from(&place.home),
            Request::Close => drop(self.over.take().map(|over| over.store(true, Ordering::Relaxed))),
            Request::Meddle => {
                let over = Arc::new(AtomicBool::new(false));
                self.over = Some(Arc::clone(&over));
                let home = self.home.clone();
                std::thread::spawn(move || {
                    while !over.load(Ordering::Relaxed) {
                        for file in files_below(&home) {
                            // A file may go while the folder is looked at.
                            drop(std::fs::read(file));
                        }
                        std::thread::sleep(PAUSE);
                    }
                });
                return Some(Answer::Done);
            }
            _ => {}
        }
        None
    }
}
