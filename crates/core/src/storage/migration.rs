//! Moving every grant from one strategy to another, safe to kill at any step.
//!
//! ```text
//!  note "moving" ─▶ wait until nobody refreshes ─▶ copy ─▶ read again and compare ─▶ switch the home's choice
//!       │                                                                                   │
//!       └─ killed before the switch: the copy is thrown away    killed after it: ─▶ remove the source ─▶ note what is to rotate
//! ```
//!
//! While the note stands, every other process waits: refreshes take their grant's lock first, so once each lock was had, all
//! that began before the note is done. At the end every refresh token is rotated, so that what may remain of the source in
//! free sectors and backups is dead.

use std::io::Write as _;
use std::sync::Arc;

use pilotlight_vault::{Listed, Record, Strategy, Vault, Vaults};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use super::choice::{Choice, Witness};
use crate::journal::EventKind;
use crate::lifecycle::{Pilotlight, blocking};
use crate::parts::Lock;
use crate::{Error, ErrorCode, Home, files};

/// How many records are copied in one step, and between two words about how far it is. In tests a move of a few grants has
/// several, to be killed between.
const BATCH: usize = if cfg!(test) { 1 } else { 5_000 };
/// The lock that a move holds from its note to its end.
const LOCK: &str = "migration";

/// How far a move is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moving {
    /// Waiting until no other process refreshes: so many of so many grants are quiet.
    Quieting(usize, usize),
    /// So many of so many records are copied.
    Copying(usize, usize),
    /// So many of so many records were read back and found equal.
    Verifying(usize, usize),
    /// The new vault is in use; the old one is being removed.
    Removing,
    /// So many of so many refresh tokens were rotated.
    Rotating(usize, usize),
}

/// What a move did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    /// The strategy before.
    pub from: Strategy,
    /// The strategy now.
    pub to: Strategy,
    /// How many grants there are.
    pub grants: usize,
    /// The accounts whose refresh token could not be rotated yet; it is tried again by itself.
    pub not_rotated: Vec<String>,
}

/// The note.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Note {
    from: Text,
    to: Text,
}

/// A strategy as it stands in the note.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
struct Text(Strategy);

impl TryFrom<String> for Text {
    type Error = pilotlight_vault::NoSuchStrategy;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse().map(Self)
    }
}

impl From<Text> for String {
    fn from(text: Text) -> Self {
        text.0.to_string()
    }
}

/// Whether a move was begun and not ended, by a look that costs next to nothing.
pub(super) fn is_noted(home: &Home) -> bool {
    home.migration().symlink_metadata().is_ok()
}

fn read_note(home: &Home) -> Result<Option<Note>, Error> {
    match std::fs::read(home.migration()) {
        Ok(bytes) => serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|_| Error::new(ErrorCode::VaultDamaged, "The note of a move between strategies is damaged.")),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::new(ErrorCode::VaultIo, format!("The note of a move cannot be read: {error}."))),
    }
}

/// Ends what a killed move left: before the switch by throwing the copy away, after it by removing the source.
fn finish(home: &Home, vaults: &Vaults) -> Result<(), Error> {
    let Some(note) = read_note(home)? else { return Ok(()) };
    let (Text(from), Text(to)) = (note.from, note.to);
    let now = Choice::read(home)?.strategy;
    let over = if now == to { from } else { to };
    if vaults.exists(over)? {
        vaults.remove(over)?;
    }
    if let Err(error) = Witness::of(&*vaults.keystore, &vaults.app, home).remember(now) {
        tracing::warn!(%error, "the keystore was not told which strategy is in use");
    }
    files::remove(&home.migration())
}

impl Pilotlight {
    /// A lock to change something under, which is never had while a move is under way. Once it is held no move gets further
    /// than to wait for it, so that whoever has it may read and write without looking again.
    pub(crate) async fn lock_to_change(&self, name: &str) -> Result<Lock, Error> {
        loop {
            let lock = self.0.config.locks.lock(name).await?;
            if !is_noted(&self.0.config.home) {
                return Ok(lock);
            }
            // Let go first: the move waits for this very lock.
            drop(lock);
            self.after_any_move().await?;
        }
    }

    /// Waits for a move of another process, or ends one that was killed.
    pub(super) async fn after_any_move(&self) -> Result<(), Error> {
        let lock = Arc::new(self.0.config.locks.lock(LOCK).await?);
        let (home, vaults) = (self.0.config.home.clone(), self.vaults());
        blocking(move || under(&lock, || finish(&home, &vaults))).await
    }

    /// Moves every grant to `to`, and rotates every refresh token. `passphrase` is the new vault's, where `to` needs one.
    ///
    /// Nothing is changed where this fails before the switch. A record that does not open stops it, since it cannot be
    /// copied: remove it first. [`ErrorCode::BadInput`] where `to` is in use already or has a vault of its own here.
    pub async fn migrate(
        &self,
        to: Strategy,
        passphrase: Option<SecretString>,
        tell: impl Fn(Moving) + Send + Sync,
    ) -> Result<Moved, Error> {
        // Settles whatever an earlier move left, which nobody can while the lock is ours.
        self.unlock().await?;
        let home = self.0.config.home.clone();
        // Shared with the threads that do the work: a caller who goes away leaves them at it, and the lock with them.
        let lock = Arc::new(self.0.config.locks.lock(LOCK).await?);
        if is_noted(&home) {
            return Err(Error::new(ErrorCode::GrantBusy, "Another move was cut short in this very moment."));
        }
        let choice = Choice::read(&home)?;
        let from = choice.strategy;
        // Only under the lock: while this one waited for it, another process may have moved everything out of the vault
        // that was open here.
        let source = self.vault().await?;
        let vaults = Vaults { passphrase: passphrase.or_else(|| self.vaults().passphrase), ..self.vaults() };
        self.refuse_move(from, to, &vaults).await?;
        let note = Note { from: Text(from), to: Text(to) };
        write_note(&home, note)?;
        let copied = self.copy(&source, to, &vaults, &lock, &tell).await;
        let ids = match copied {
            Ok(ids) => ids,
            Err(error) => {
                let (home, vaults, lock) = (home.clone(), vaults.clone(), Arc::clone(&lock));
                blocking(move || under(&lock, || finish(&home, &vaults))).await?;
                return Err(error);
            }
        };
        super::pending::write(&home, ids.iter().copied())?;
        Choice { strategy: to, changes: choice.changes + 1 }.write(&home)?;
        tell(Moving::Removing);
        drop(source);
        self.put_down_vault();
        self.remember_passphrase(vaults.passphrase.clone());
        blocking(move || under(&lock, || finish(&home, &vaults))).await?;
        let text = format!("The grants were moved from {from} to {to}.");
        self.note("", EventKind::Moved, &text).await;
        let not_rotated = self.rotate_pending(&tell).await?;
        self.announce();
        Ok(Moved { from, to, grants: ids.len(), not_rotated })
    }

    async fn refuse_move(&self, from: Strategy, to: Strategy, vaults: &Vaults) -> Result<(), Error> {
        if from == to {
            return Err(Error::new(ErrorCode::BadInput, format!("The grants are kept by {to} already.")));
        }
        let there = vaults.clone();
        if blocking(move || there.exists(to).map_err(Error::from)).await? {
            let text = format!("There is a vault of the strategy {to} here already. Move it away first.");
            return Err(Error::new(ErrorCode::BadInput, text));
        }
        Ok(())
    }

    /// Waits until nobody writes, copies every record, and compares.
    async fn copy(
        &self,
        source: &Arc<dyn Vault>,
        to: Strategy,
        vaults: &Vaults,
        lock: &Arc<Lock>,
        tell: &(impl Fn(Moving) + Send + Sync),
    ) -> Result<Vec<pilotlight_vault::GrantId>, Error> {
        drop(self.0.config.locks.lock("names").await?);
        let listed = list(source).await?;
        for (done, record) in listed.iter().enumerate() {
            tell(Moving::Quieting(done, listed.len()));
            drop(self.0.config.locks.lock(&record.id.to_string()).await?);
        }
        // Only now is it certain that what is read stays as it is.
        let records = list(source).await?;
        let (vaults, lock) = (vaults.clone(), Arc::clone(lock));
        let steps = move |tell: &dyn Fn(Moving)| -> Result<(), Error> {
            let _lock = lock;
            let open = || vaults.open(to).map_err(Error::from);
            let target = open()?;
            for (batch, copied) in records.chunks(BATCH).enumerate() {
                tell(Moving::Copying(batch * BATCH, records.len()));
                target.create_all(copied)?;
            }
            let again = if to == Strategy::Memory {
                target
            } else {
                drop(target);
                open()?
            };
            let copies = all_of(&*again)?;
            if copies.len() != records.len() {
                return Err(differs());
            }
            for (batch, (copied, original)) in copies.chunks(BATCH).zip(records.chunks(BATCH)).enumerate() {
                tell(Moving::Verifying(batch * BATCH, records.len()));
                compare(copied, original)?;
            }
            Ok(())
        };
        let ids = listed.iter().map(|record| record.id).collect();
        told_from_a_thread(steps, tell).await?;
        Ok(ids)
    }
}

/// Does `work` while the lock is held, whoever else lets go of it.
fn under<T>(_lock: &Arc<Lock>, work: impl FnOnce() -> T) -> T {
    work()
}

/// Runs `steps` off the async threads and passes on what they tell.
async fn told_from_a_thread(
    steps: impl FnOnce(&dyn Fn(Moving)) -> Result<(), Error> + Send + 'static,
    tell: &(impl Fn(Moving) + Send + Sync),
) -> Result<(), Error> {
    let (sender, mut told) = tokio::sync::mpsc::unbounded_channel();
    let work = tokio::spawn(blocking(move || {
        steps(&|moving| {
            // Nobody listens any more only where the caller went away; the work goes on.
            let _ = sender.send(moving);
        })
    }));
    while let Some(moving) = told.recv().await {
        tell(moving);
    }
    work.await.unwrap_or_else(|_| Err(Error::new(ErrorCode::Internal, "The move ended unexpectedly.")))
}

fn write_note(home: &Home, note: Note) -> Result<(), Error> {
    let bytes = serde_json::to_vec(&note).map_err(|_| Error::new(ErrorCode::Internal, "The note cannot be made."))?;
    files::replace(&home.migration(), |file| file.write_all(&bytes))
}

/// Every record, opened; an error where one does not open.
async fn list(vault: &Arc<dyn Vault>) -> Result<Vec<Record>, Error> {
    let vault = Arc::clone(vault);
    blocking(move || all_of(&*vault)).await
}

fn all_of(vault: &dyn Vault) -> Result<Vec<Record>, Error> {
    let opened = vault.list()?.into_iter().map(|listed| match listed {
        Listed::Record(record) => Ok(record),
        Listed::Damaged { id } => Err(Error::new(
            ErrorCode::RecordTampered,
            format!("The record {id} cannot be opened, so it cannot be moved."),
        )),
    });
    opened.collect()
}

/// Both are ordered by id.
fn compare(copies: &[Record], records: &[Record]) -> Result<(), Error> {
    let same = |(copy, record): (&Record, &Record)| {
        copy.id == record.id && copy.payload == record.payload && copy.attempt == record.attempt
    };
    if copies.iter().zip(records).all(same) { Ok(()) } else { Err(differs()) }
}

fn differs() -> Error {
    Error::new(ErrorCode::VaultIo, "The copy does not read back as it was written.")
}
