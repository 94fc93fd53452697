//! Moving one grant to another machine, in a file that a passphrase opens.
//!
//! ```text
//!  hand over:  vault ─▶ sealed in the folder FILE.part ─▶ removed from the vault ─▶ renamed to FILE
//!  take over:  FILE ─▶ created in the vault ─▶ FILE removed ─▶ refreshed, so that no copy of FILE is of use
//! ```
//!
//! A grant that two machines refresh is one whose tokens are reused, and the service would end it for both. So FILE gets its name
//! only when the grant is gone from the vault; and whenever this is killed, the grant is in one of the three places, and doing
//! the same again goes on from there (docs/decisions/0089).

use std::fs;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use pilotlight_vault::{EncryptedFileVault, Listed, Record, Vault as _};
use secrecy::SecretString;
use zeroize::Zeroizing;

use crate::journal::EventKind;
use crate::lifecycle::{Pilotlight, blocking};
use crate::page::Held;
use crate::{Account, Error, ErrorCode, ErrorKind, Home, files};

/// Bound into what is sealed: no vault opens as a file of this kind, and no such file as a vault.
const APP: &str = "dev.pilotlight.transfer";
/// One grant is far shorter, in bytes.
const LARGEST: u64 = 1024 * 1024;
/// Behind the file's name until the grant is gone from the vault.
const UNFINISHED: &str = ".part";

/// What was done, for tests that end the program then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Sealed,
    Removed,
    Named,
    Created,
    Consumed,
}

type Tell<'a> = &'a (dyn Fn(Step) + Send + Sync);

impl Pilotlight {
    /// Moves the grant called `name` out of this vault into a file at `to`, sealed under `passphrase` (Argon2id and AES-256-GCM, as
    /// the strategy `encrypted-file`). It is signed in here no more, and nothing is revoked: [`Self::take_over`] goes on with it elsewhere.
    ///
    /// Where it was killed, the same call goes on. [`ErrorCode::BadInput`] where something is at `to` already, and an
    /// ended account's own error.
    pub async fn hand_over(&self, name: &str, to: &Path, passphrase: &SecretString) -> Result<(), Error> {
        self.hand_over_telling(name, to, passphrase, &|_| {}).await
    }

    pub(crate) async fn hand_over_telling(
        &self,
        name: &str,
        to: &Path,
        passphrase: &SecretString,
        tell: Tell<'_>,
    ) -> Result<(), Error> {
        let to = std::path::absolute(to).map_err(|error| unusable(to, &error))?;
        if to.symlink_metadata().is_ok() {
            return Err(Error::new(ErrorCode::BadInput, format!("There is something at {} already.", to.display())));
        }
        let part = beside(&to);
        match self.find(name).await {
            Ok(held) => self.seal_and_remove(held, &part, passphrase, tell).await?,
            Err(error) if error.code() == ErrorCode::NoSuchAccount && part.is_dir() => {
                let (part, passphrase) = (part.clone(), passphrase.clone());
                let found = blocking(move || only_grant(&part, &passphrase)).await?;
                // Another account's file is not this one's.
                if found.record.name != name {
                    return Err(error);
                }
            }
            Err(error) => return Err(error),
        }
        blocking(move || finish(&part, &to)).await?;
        tell(Step::Named);
        self.note(name, EventKind::Moved, "Handed over to another machine, in a file.").await;
        self.announce();
        Ok(())
    }

    async fn seal_and_remove(
        &self,
        held: Held,
        part: &Path,
        passphrase: &SecretString,
        tell: Tell<'_>,
    ) -> Result<(), Error> {
        let id = held.id;
        // Nobody refreshes meanwhile: what is sealed is the newest there is.
        let _lock = self.lock_to_change(&id.to_string()).await?;
        let held = self.load(id).await?.unwrap_or(held);
        if let Some(ended) = &held.record.ended {
            return Err(ended.problem());
        }
        let payload = held.record.to_payload()?;
        // An attempt whose outcome is open goes along: its key makes the repeat safe (promise P9).
        let record = Record { id, generation: 1, payload, attempt: held.attempt.clone() };
        let (part, passphrase) = (part.to_owned(), passphrase.clone());
        blocking(move || seal(&part, &passphrase, record)).await?;
        tell(Step::Sealed);
        self.with_vault_do(move |vault| vault.remove(&id)).await?;
        self.forget(id);
        tell(Step::Removed);
        Ok(())
    }

    /// Takes a grant into this vault that [`Self::hand_over`] put into the file `from`, called as it was there or `name`; removes the
    /// file, and refreshes at once, so that copies of the file are of no use. Where the service cannot be asked just then, the account
    /// is kept as waiting.
    ///
    /// Where it was killed, the same call goes on. [`ErrorCode::NameTaken`] where another account has the name,
    /// [`ErrorCode::WrongPassphrase`], and [`ErrorCode::BadInput`] where this is no such file.
    pub async fn take_over(
        &self,
        from: &Path,
        passphrase: &SecretString,
        name: Option<&str>,
    ) -> Result<Account, Error> {
        self.take_over_telling(from, passphrase, name, &|_| {}).await
    }

    pub(crate) async fn take_over_telling(
        &self,
        from: &Path,
        passphrase: &SecretString,
        name: Option<&str>,
        tell: Tell<'_>,
    ) -> Result<Account, Error> {
        self.unlock().await?;
        let names = self.lock_to_change("names").await?;
        let (home, file, passphrase) = (self.0.config.home.clone(), from.to_owned(), passphrase.clone());
        let found = blocking(move || read(&home, &file, &passphrase)).await?;
        let held = match self.load(found.id).await? {
            // An earlier call was killed before it removed the file.
            Some(here) if is_later(&here, &found) => here,
            Some(_) => {
                let message = "An older copy of this very sign-in is here already.";
                return Err(Error::new(ErrorCode::NameTaken, message));
            }
            None => self.keep_found(found, name).await?,
        };
        tell(Step::Created);
        drop(names);
        let file = from.to_owned();
        blocking(move || files::remove(&file)).await?;
        tell(Step::Consumed);
        self.note(&held.record.name, EventKind::Moved, "Taken over from another machine.").await;
        self.announce();
        match self.refreshed(&held, true).await {
            Ok(fresh) => Ok(self.account_of(&fresh)),
            Err(error) if error.kind() == ErrorKind::NeedsSignIn => Err(error),
            // The outcome is open: the account is kept, and the same token is tried again.
            Err(_) => Ok(self.account_of(&held)),
        }
    }

    /// Under the lock of names.
    async fn keep_found(&self, found: Held, name: Option<&str>) -> Result<Held, Error> {
        let mut record = (*found.record).clone();
        if let Some(name) = name {
            crate::sign_in::check_name(name)?;
            name.clone_into(&mut record.name);
        }
        let replaced = self.refuse_taken(&record.name).await?;
        let (id, payload, attempt) = (found.id, record.to_payload()?, found.attempt.clone());
        let sealed = Record { id, generation: 1, payload, attempt };
        self.with_vault_do(move |vault| vault.create_all(&[sealed])).await?;
        for old in replaced {
            self.with_vault_do(move |vault| vault.remove(&old)).await?;
            self.forget(old);
        }
        let held = Held { generation: 1, record: Arc::new(record), ..found };
        self.replan(&held);
        Ok(held)
    }
}

/// Whether the one is the other, or what became of it.
fn is_later(one: &Held, other: &Held) -> bool {
    let sign_in = |held: &Held| (held.record.signed_in_at, held.record.client.id.clone());
    sign_in(one) == sign_in(other) && one.record.refreshes >= other.record.refreshes
}

fn beside(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(UNFINISHED);
    name.into()
}

/// Makes the folder anew, with a vault of this one grant.
fn seal(part: &Path, passphrase: &SecretString, record: Record) -> Result<(), Error> {
    // What a killed call left while the grant was still in the vault.
    if part.is_dir() {
        clear(part)?;
    }
    EncryptedFileVault::open(part, APP, passphrase)?.create_all(&[record])?;
    Ok(())
}

fn only_grant(folder: &Path, passphrase: &SecretString) -> Result<Held, Error> {
    let no_such_file = || Error::new(ErrorCode::VaultDamaged, "This is no file that holds one account.");
    if !EncryptedFileVault::exists(folder)? {
        return Err(no_such_file());
    }
    let mut all = EncryptedFileVault::open(folder, APP, passphrase)?.list()?;
    match (all.pop(), all.is_empty()) {
        (Some(Listed::Record(record)), true) => Held::read(record).map_err(|(_, error)| error),
        _ => Err(no_such_file()),
    }
}

fn finish(part: &Path, to: &Path) -> Result<(), Error> {
    fs::rename(part.join(EncryptedFileVault::FILE), to).map_err(|error| unusable(to, &error))?;
    // Also makes the name durable.
    clear(part)
}

/// Removes a folder of ours; another's things in it stay, and so does it.
fn clear(folder: &Path) -> Result<(), Error> {
    EncryptedFileVault::remove_whole(folder)?;
    files::remove(&folder.join("vault.lock"))?;
    fs::remove_dir(folder).map_err(|error| unusable(folder, &error))?;
    files::sync_folder(folder).map_err(|error| unusable(folder, &error))
}

/// Reads the file by way of a folder of our own: a vault looks after the folder that it is in.
fn read(home: &Home, file: &Path, passphrase: &SecretString) -> Result<Held, Error> {
    let folder = home.path().join("incoming");
    let mut bytes = Zeroizing::new(vec![]);
    let opened = fs::File::open(file).and_then(|file| file.take(LARGEST).read_to_end(&mut bytes));
    opened.map_err(|error| unusable(file, &error))?;
    files::make_private_folder(&folder)?;
    files::replace(&folder.join(EncryptedFileVault::FILE), |copy| copy.write_all(&bytes))?;
    let found = only_grant(&folder, passphrase);
    clear(&folder)?;
    // It is the file that is no good: nothing is wrong with the vault of this home.
    found.map_err(|error| match error.code() {
        ErrorCode::VaultDamaged | ErrorCode::RecordTampered => {
            let text = format!("{} is not a file that an export wrote, or it was damaged on its way.", file.display());
            Error::new(ErrorCode::BadInput, text)
        }
        _ => error,
    })
}

fn unusable(path: &Path, error: &std::io::Error) -> Error {
    Error::new(ErrorCode::BadInput, format!("{}: {error}.", path.display()))
}

#[cfg(test)]
#[path = "transfer_tests.rs"]
mod tests;
