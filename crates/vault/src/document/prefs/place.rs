//! Which file of a folder is the vault. Its name holds a random id: every name in it is bound to the file's own, and the
//! keystore's entry is called after it, so that two vaults never share a key and a folder may be moved.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::error::{damaged, io};
use crate::place::{FolderLock, Place, remove_if_there};
use crate::{VaultError, base32, random};

const START: &str = "vault-";
const END: &str = ".xml";
const UNFINISHED: &str = ".xml.new";

/// The name of one vault.
pub(super) struct Name {
    /// The file's without `.xml`, as Android calls its preferences.
    stem: String,
}

impl Name {
    /// A random one.
    pub(super) fn make() -> Result<Self, VaultError> {
        Ok(Self { stem: format!("{START}{}", base32::encode(&random::make()?)) })
    }

    fn parse(file: &str, end: &str) -> Option<Self> {
        let stem = file.strip_suffix(end)?;
        base32::decode(stem.strip_prefix(START)?)?;
        Some(Self { stem: stem.to_owned() })
    }

    pub(super) fn stem(&self) -> &str {
        &self.stem
    }

    /// Under which name the keystore keeps its master key.
    pub(super) fn key(&self) -> String {
        self.stem.replacen(START, "master-", 1)
    }

    pub(super) fn path(&self, home: &Path) -> PathBuf {
        home.join(format!("{}{END}", self.stem))
    }
}

/// The folder, checked; `None` where there is none. The name only completes the path.
fn folder(home: &Path) -> Result<Option<PathBuf>, VaultError> {
    Ok(Place::find(&home.join(START))?.and_then(|place| place.file().parent().map(Path::to_owned)))
}

/// The vaults in `home` whose files end like that, by name.
fn ending(home: &Path, end: &str) -> Result<Vec<Name>, VaultError> {
    let Some(folder) = folder(home)? else { return Ok(Vec::new()) };
    let failed = |error: std::io::Error| io("the vault's folder", &error);
    let mut names = Vec::new();
    let listed = match fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(names),
        listed => listed.map_err(failed)?,
    };
    for entry in listed {
        let file = entry.map_err(failed)?.file_name();
        names.extend(file.to_str().and_then(|file| Name::parse(file, end)));
    }
    names.sort_unstable_by(|one, other| one.stem.cmp(&other.stem));
    Ok(names)
}

/// Every vault in `home`, usable or not.
pub(super) fn all(home: &Path) -> Result<Vec<Name>, VaultError> {
    ending(home, END)
}

/// The vault in `home`. Of two, neither is taken: whichever is the older copy, it would be rolled back to.
pub(super) fn find(home: &Path) -> Result<Option<Name>, VaultError> {
    let mut names = all(home)?;
    match names.len() {
        0 | 1 => Ok(names.pop()),
        _ => Err(damaged("its folder holds two of them")),
    }
}

/// Waits for the lock of the folder, which is made if it is missing.
pub(super) fn lock(home: &Path) -> Result<FolderLock, VaultError> {
    Place::prepare(&home.join(START))?.lock()
}

/// Removes what a crash left of a vault that was never whole; to be called under the lock.
pub(super) fn remove_unfinished(home: &Path) -> Result<(), VaultError> {
    for name in ending(home, UNFINISHED)? {
        remove_if_there(&home.join(format!("{}{UNFINISHED}", name.stem)))?;
    }
    Ok(())
}
