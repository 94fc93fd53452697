//! `encrypted-prefs`: the file of Android's `EncryptedSharedPreferences`, which Google Tink reads and writes.
//!
//! ```text
//!   keystore                     pilotlight-<id>.xml
//!   ┌─────────────┐              ┌────────────────────────────────────────────────────────────────┐
//!   │ master-<id> ┼── wraps ───▶ │ keyset of names:  AES-256-SIV, bound to the file's name         │
//!   │             ┼── wraps ───▶ │ keyset of values: AES-256-GCM, bound to the sealed name         │
//!   └─────────────┘              │ one string per record, named by its grant id                    │
//!                                │ one string that lists them all, with epoch and digests          │
//!                                └────────────────────────────────────────────────────────────────┘
//! ```
//!
//! Facts of the format are those of `EncryptedSharedPreferences` in androidx `security-crypto` and of Tink's
//! `AndroidKeysetManager`, and are tested against Tink in `tests/tink.rs`. The list is ours: the format itself does not
//! show that a preference was removed or put back.

mod cipher;
mod format;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod keyset;
mod master;
mod place;
mod proto;
mod text;
mod xml;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use zeroize::Zeroizing;

use self::format::{Keysets, Sealed};
use self::master::StoredKey;
use self::place::Name;
use super::{Backing, Document, DocumentVault, FileBacking, Format, vault_by_document};
use crate::place::Hold;
use crate::{Keystore, KeystoreError, Payload, VaultError};

const STRATEGY: &str = "encrypted-prefs";

/// `encrypted-prefs`: all records in one XML file, encrypted as Android's `EncryptedSharedPreferences` does it, under a
/// master key that the OS keystore keeps.
#[derive(Debug)]
pub struct PrefsVault {
    document: DocumentVault<Prefs, FileBacking>,
}

vault_by_document!(PrefsVault);

impl PrefsVault {
    /// Opens the vault of `app` in the folder `home`, or makes one where there is none. Never makes a key over an
    /// existing file (P4). `home` is absolute; it is made if it is missing, and closed to others.
    pub fn open(home: &Path, app: &str, keystore: &dyn Keystore) -> Result<Self, VaultError> {
        let name = match place::find(home)? {
            Some(name) => name,
            None => Self::make(home, app, keystore)?,
        };
        let backing = FileBacking::new(&name.path(home))?;
        let prefs = Prefs::unlock(name, app, &backing, keystore)?;
        Ok(Self { document: DocumentVault::open(prefs, backing)? })
    }

    /// Makes the file of an empty vault, unless another process was faster; gives its name. A crash leaves no file, and
    /// at most a key in the keystore that nothing needs, or both.
    fn make(home: &Path, app: &str, keystore: &dyn Keystore) -> Result<Name, VaultError> {
        let _lock = place::lock(home)?;
        if let Some(name) = place::find(home)? {
            return Ok(name);
        }
        place::remove_unfinished(home)?;
        let (name, master) = (Name::make()?, StoredKey::make()?);
        let first = Document { epoch: 1, ..Document::default() };
        let file = format::encode(name.stem(), app, &Keysets::make(&master)?, &first)?;
        master.keep(keystore, &name.key())?;
        FileBacking::new(&name.path(home))?.replace(&file, first.epoch)?;
        Ok(name)
    }

    /// Whether there is such a vault in `home`, usable or not. Makes nothing.
    pub fn exists(home: &Path) -> Result<bool, VaultError> {
        Ok(!place::all(home)?.is_empty())
    }

    /// Removes the vault and all its records: the master key first, so that what an error leaves can be removed again.
    /// Removing what is not there is fine.
    pub fn remove_whole(home: &Path, keystore: &dyn Keystore) -> Result<(), VaultError> {
        for name in place::all(home)? {
            keystore.delete(&name.key())?;
            FileBacking::remove(&name.path(home))?;
        }
        Ok(())
    }

    /// Sets an unusable vault aside as `<name>.lost-<now_ms>`, so that a new one can be made: only ever on the person's
    /// word. Its key stays in the keystore. Returns the new name; [`VaultError::NotFound`] where there is nothing to set
    /// aside.
    pub fn set_aside(home: &Path, now_ms: i64) -> Result<PathBuf, VaultError> {
        let mut aside = Err(VaultError::NotFound);
        for name in place::all(home)? {
            aside = Ok(FileBacking::set_aside(&name.path(home), now_ms)?);
        }
        aside
    }
}

/// The format, unlocked.
struct Prefs {
    name: Name,
    app: String,
    master: StoredKey,
    /// Those of the file that was read last: Tink may have added a key.
    keysets: Mutex<Arc<Keysets>>,
}

impl Prefs {
    fn unlock(name: Name, app: &str, backing: &FileBacking, keystore: &dyn Keystore) -> Result<Self, VaultError> {
        // Read and let go: the keystore may take seconds, and others want to write meanwhile.
        let lock = backing.lock(Hold::Shared)?;
        let found = backing.read()?;
        drop(lock);
        let (file, _) = found.ok_or_else(moved)?;
        let (master, keysets) = unlock(&Sealed::read(&file)?, &name.key(), keystore)?;
        Ok(Self { name, app: app.to_owned(), master, keysets: Mutex::new(Arc::new(keysets)) })
    }

    /// The keysets of that file: the known ones, unless it has others.
    fn keysets_of(&self, sealed: &Sealed) -> Result<Arc<Keysets>, VaultError> {
        // What it guards is replaced whole, so a poisoned lock guards something whole.
        let mut known = self.keysets.lock().unwrap_or_else(PoisonError::into_inner);
        if !known.are_of(sealed) {
            *known = Arc::new(Keysets::open(sealed, &self.master)?);
        }
        Ok(Arc::clone(&known))
    }
}

fn moved() -> VaultError {
    VaultError::Io("it was moved away while it was opened".to_owned())
}

/// The master key and what it opens. Any program of the user may add an entry of our name: the one that opens the keysets is
/// ours, never just the first.
fn unlock(sealed: &Sealed, name: &str, keystore: &dyn Keystore) -> Result<(StoredKey, Keysets), VaultError> {
    let mut entries = keystore.read_all(name)?;
    if entries.is_empty() {
        // A keystore that has only just started may answer before it has loaded its entries.
        keystore.settle();
        entries = keystore.read_all(name)?;
    }
    let mut failure = VaultError::KeyLost;
    for entry in &entries {
        let opened = StoredKey::parse(entry).ok_or(VaultError::KeyCorrupt);
        match opened.and_then(|master| Keysets::open(sealed, &master).map(|keysets| (master, keysets))) {
            Ok(opened) => return Ok(opened),
            // Another entry may still be ours.
            Err(error @ (VaultError::KeyCorrupt | VaultError::WrongKey)) => failure = error,
            Err(error) => return Err(error),
        }
    }
    if entries.len() > 1 { Err(KeystoreError::Ambiguous(entries.len()).into()) } else { Err(failure) }
}

impl Format for Prefs {
    fn strategy(&self) -> &'static str {
        STRATEGY
    }

    fn encode(&self, document: &Document) -> Result<Payload, VaultError> {
        // The first epoch is written when a vault is made, and never here: the file that was unlocked is gone.
        if document.epoch <= 1 {
            return Err(moved());
        }
        let keysets = Arc::clone(&self.keysets.lock().unwrap_or_else(PoisonError::into_inner));
        format::encode(self.name.stem(), &self.app, &keysets, document).map(Zeroizing::new)
    }

    fn decode(&self, bytes: &[u8]) -> Result<Document, VaultError> {
        let sealed = Sealed::read(bytes)?;
        format::decode(self.name.stem(), &self.app, &*self.keysets_of(&sealed)?, &sealed)
    }
}

#[cfg(test)]
mod tests;
