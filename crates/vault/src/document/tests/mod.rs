//! The strategies of one document under test: what they share here, what is their own in files of their own.

mod damage;
mod files;
mod keystore;
mod plain;
mod processes;
mod sealed;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use secrecy::SecretString;
use tempfile::TempDir;
use zeroize::Zeroizing;

use super::{Document, EncryptedFileVault, Entry, KeystoreVault, PlainFileVault, PrefsVault};
use crate::keystore::KeystoreSecret;
use crate::suite::Bench;
use crate::{Attempt, GrantId, Keystore, KeystoreError, Vault, VaultError};

const APP: &str = "dev.pilotlight";
const ONE: GrantId = GrantId::from_bytes([1; 16]);
const TWO: GrantId = GrantId::from_bytes([2; 16]);
const NOW: i64 = 1_800_000_000_000;

/// A document with an attempt and an empty payload in it.
pub(super) fn two_records() -> Document {
    let attempt = Attempt { idempotency_key: [5; 16], started_at_ms: 256 };
    let one = Entry { generation: 3, payload: Zeroizing::new(b"one".to_vec()), attempt: Some(attempt) };
    let two = Entry { generation: 1, payload: Zeroizing::default(), attempt: None };
    Document { epoch: 9, entries: BTreeMap::from([(ONE, one), (TWO, two)]) }
}

fn passphrase() -> SecretString {
    SecretString::from("correct horse battery staple")
}

/// A keystore that outlives a process: one file per entry.
struct FolderKeystore(PathBuf);

impl FolderKeystore {
    fn failed(_: std::io::Error) -> KeystoreError {
        KeystoreError::Failed("its folder".to_owned())
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.0).into_iter().flatten();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.retain(|name| !name.starts_with('.'));
        names.sort();
        names
    }
}

impl Keystore for FolderKeystore {
    fn kind(&self) -> &'static str {
        "memory"
    }

    fn read(&self, name: &str) -> Result<Option<KeystoreSecret>, KeystoreError> {
        match fs::read_to_string(self.0.join(name)) {
            Ok(text) => Ok(Some(text.into())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Self::failed(error)),
        }
    }

    fn write(&self, name: &str, secret: &str) -> Result<(), KeystoreError> {
        fs::create_dir_all(&self.0).map_err(Self::failed)?;
        let unfinished = self.0.join(format!(".{name}"));
        fs::write(&unfinished, secret).map_err(Self::failed)?;
        fs::rename(unfinished, self.0.join(name)).map_err(Self::failed)
    }

    fn delete(&self, name: &str) -> Result<(), KeystoreError> {
        match fs::remove_file(self.0.join(name)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Self::failed(error)),
            _ => Ok(()),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Plain,
    Sealed,
    Keystore,
    Prefs,
}

impl Kind {
    const ALL: [Self; 4] = [Self::Plain, Self::Sealed, Self::Keystore, Self::Prefs];
    /// Those that are one file, and replace it whole.
    const FILES: [Self; 3] = [Self::Plain, Self::Sealed, Self::Prefs];

    /// What the vault in `home` is called.
    fn file(self, home: &Path) -> String {
        match self {
            Self::Plain => PlainFileVault::FILE.to_owned(),
            Self::Sealed => EncryptedFileVault::FILE.to_owned(),
            Self::Keystore => KeystoreVault::FILE.to_owned(),
            // Each has a name of its own.
            Self::Prefs => std::fs::read_dir(home)
                .unwrap()
                .filter_map(|entry| entry.unwrap().file_name().into_string().ok())
                .find(|name| name.ends_with(".xml"))
                .unwrap(),
        }
    }

    fn open(self, home: &Path) -> Result<Box<dyn Vault>, VaultError> {
        Ok(match self {
            Self::Plain => Box::new(PlainFileVault::open(home)?),
            Self::Sealed => Box::new(EncryptedFileVault::open_cheaply(home, APP, &passphrase())?),
            Self::Keystore => Box::new(KeystoreVault::open(home, APP, Arc::new(keystore_of(home)))?),
            Self::Prefs => Box::new(PrefsVault::open(home, APP, &keystore_of(home))?),
        })
    }

    fn exists(self, home: &Path) -> Result<bool, VaultError> {
        match self {
            Self::Plain => PlainFileVault::exists(home),
            Self::Sealed => EncryptedFileVault::exists(home),
            Self::Keystore => KeystoreVault::exists(home),
            Self::Prefs => PrefsVault::exists(home),
        }
    }

    fn remove_whole(self, home: &Path) -> Result<(), VaultError> {
        match self {
            Self::Plain => PlainFileVault::remove_whole(home),
            Self::Sealed => EncryptedFileVault::remove_whole(home),
            Self::Keystore => KeystoreVault::remove_whole(home, Arc::new(keystore_of(home))),
            Self::Prefs => PrefsVault::remove_whole(home, &keystore_of(home)),
        }
    }

    fn set_aside(self, home: &Path) -> Result<PathBuf, VaultError> {
        match self {
            Self::Plain => PlainFileVault::set_aside(home, NOW),
            Self::Sealed => EncryptedFileVault::set_aside(home, NOW),
            Self::Keystore => KeystoreVault::set_aside(home, NOW),
            Self::Prefs => PrefsVault::set_aside(home, NOW),
        }
    }
}

/// The keystore that belongs to a home, beside it.
fn keystore_of(home: &Path) -> FolderKeystore {
    FolderKeystore(home.with_file_name("keystore"))
}

/// A folder for one vault.
struct Home {
    folder: TempDir,
    kind: Kind,
    /// What the vault is called, once somebody asked; it may be gone by then.
    name: OnceLock<String>,
}

impl Home {
    fn new(kind: Kind) -> Self {
        Self { folder: tempfile::tempdir().unwrap(), kind, name: OnceLock::new() }
    }

    /// A home with a closed vault of two records.
    fn with_two_records(kind: Kind) -> Self {
        let home = Self::new(kind);
        let vault = home.open().unwrap();
        vault.create(&ONE, b"payload one").unwrap();
        vault.create(&TWO, b"payload two").unwrap();
        // Asked while it is there.
        home.name();
        home
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("app")
    }

    fn beside(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    fn file(&self) -> PathBuf {
        self.beside(self.name())
    }

    fn name(&self) -> &str {
        self.name.get_or_init(|| self.kind.file(&self.path()))
    }

    fn keystore(&self) -> FolderKeystore {
        keystore_of(&self.path())
    }

    fn open(&self) -> Result<Box<dyn Vault>, VaultError> {
        self.kind.open(&self.path())
    }
}

impl Bench for Home {
    fn handle(&self) -> Box<dyn Vault> {
        self.open().unwrap()
    }
}
