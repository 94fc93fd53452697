//! `keystore-only`: the records themselves are in the OS keystore.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::entries::Entries;
use super::{Backing, Document, DocumentVault, FileBacking, Format, body, vault_by_document};
use crate::error::damaged;
use crate::place::Hold;
use crate::{Keystore, Payload, VaultError, base32, random};

const STRATEGY: &str = "keystore-only";

/// How the file begins that names a vault; its form is the 1.
const NAMED: &str = "pilotlight keystore-only 1 ";

/// `keystore-only`: all records in entries of the OS keystore, in chunks that every platform takes. The file
/// `vault.keystore` names the vault and holds nothing else.
///
/// Slow where there is much: each refresh writes all of it. Records of more than about a hundred kilobytes in all are
/// [`VaultError::TooLarge`] where the keystore's entries are short.
#[derive(Debug)]
pub struct KeystoreVault {
    document: DocumentVault<Body, Entries>,
}

vault_by_document!(KeystoreVault);

impl KeystoreVault {
    /// What the file in the home is called.
    pub const FILE: &str = "vault.keystore";

    /// Opens the vault that the folder `home` names, or makes one where it names none. `home` is absolute; it is made if
    /// it is missing, and closed to others. The vault opens for the app of this id only.
    ///
    /// [`VaultError::KeyLost`] where the keystore has forgotten the vault: nothing is made in its place (P4).
    pub fn open(home: &Path, app: &str, keystore: Arc<dyn Keystore>) -> Result<Self, VaultError> {
        let file = FileBacking::new(&home.join(Self::FILE))?;
        let named = {
            let _lock = file.lock(Hold::Shared)?;
            name_in(&file)?
        };
        let entries = match named {
            Some(vault_id) => Entries::new(file, keystore, app, vault_id),
            None => make(file, keystore, app)?,
        };
        Ok(Self { document: DocumentVault::open(Body, entries)? })
    }

    /// Whether `home` names such a vault, usable or not. Makes nothing, and does not ask the keystore.
    pub fn exists(home: &Path) -> Result<bool, VaultError> {
        FileBacking::exists(&home.join(Self::FILE))
    }

    /// Removes the vault and all its entries. Removing what is not there is fine. Where the keystore cannot be asked
    /// nothing is removed, or it can be done again.
    pub fn remove_whole(home: &Path, keystore: Arc<dyn Keystore>) -> Result<(), VaultError> {
        let path = home.join(Self::FILE);
        if !FileBacking::exists(&path)? {
            return Ok(());
        }
        let file = FileBacking::new(&path)?;
        let _lock = file.lock(Hold::Alone)?;
        if let Some(vault_id) = name_in(&file)? {
            // Whose app it is does not matter to what is removed.
            Entries::new(FileBacking::new(&path)?, keystore, "", vault_id).remove()?;
        }
        file.remove_held()
    }

    /// Sets the name of an unusable vault aside as `vault.keystore.lost-<now_ms>`, so that a new one can be made: only
    /// ever on the person's word. The entries stay in the keystore. Returns the new name. [`VaultError::NotFound`] where
    /// there is nothing to set aside.
    pub fn set_aside(home: &Path, now_ms: i64) -> Result<PathBuf, VaultError> {
        FileBacking::set_aside(&home.join(Self::FILE), now_ms)
    }
}

/// The vault that the file names.
pub(super) fn name_in(file: &FileBacking) -> Result<Option<[u8; 16]>, VaultError> {
    let Some((bytes, _)) = file.read()? else { return Ok(None) };
    let name = std::str::from_utf8(&bytes).ok().and_then(|text| text.strip_prefix(NAMED)?.strip_suffix('\n'));
    let vault_id = name.and_then(base32::decode).ok_or_else(|| damaged("its file names no vault in the keystore"))?;
    Ok(Some(vault_id))
}

/// Makes a vault, and names it once the keystore keeps it: a crash before that leaves entries that nothing needs.
fn make(file: FileBacking, keystore: Arc<dyn Keystore>, app: &str) -> Result<Entries, VaultError> {
    let _lock = file.lock(Hold::Alone)?;
    // Another process may have made it while this one waited.
    if let Some(vault_id) = name_in(&file)? {
        return Ok(Entries::new(file, keystore, app, vault_id));
    }
    let entries = Entries::new(file, keystore, app, random::make()?);
    let first = Document { epoch: 1, ..Document::default() };
    entries.switch(None, &body::encode(&first)?, first.epoch)?;
    let name = format!("{NAMED}{}\n", base32::encode(&entries.vault_id));
    entries.file.replace(name.as_bytes(), first.epoch)?;
    Ok(entries)
}

/// The records as they are: the keystore protects them.
struct Body;

impl Format for Body {
    fn strategy(&self) -> &'static str {
        STRATEGY
    }

    fn encode(&self, document: &Document) -> Result<Payload, VaultError> {
        body::encode(document)
    }

    fn decode(&self, bytes: &[u8]) -> Result<Document, VaultError> {
        body::decode(bytes)
    }
}
