//! The keystore of the lab: a folder that plays the OS keystore for all processes of one cell, out of the thief's reach.
//!
//! One file per entry, named by the hexadecimal digits of the entry's name. A file `fault` beside them makes it fail on
//! command, which a real keystore does when it likes. What it stands for is an unlocked keystore: it asks nobody anything.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use pilotlight_vault::KeystoreError;
use pilotlight_vault::keystore::{Keystore, KeystoreSecret, Origin};
use zeroize::Zeroizing;

use crate::canary::hex;
use crate::system;

/// The file that says how it fails.
pub(crate) const FAULT: &str = "fault";
/// The file that says what it calls itself.
const KIND: &str = "kind";
/// An entry that another program planted has a second part behind this.
const PLANTED: char = '+';

/// A keystore in a folder.
pub struct FolderKeystore {
    folder: PathBuf,
    calls: AtomicU64,
}

impl FolderKeystore {
    /// The keystore that keeps its entries in `folder`, which is made where it is missing.
    ///
    /// # Errors
    /// Where the folder cannot be made.
    pub fn in_folder(folder: &Path) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        Ok(Self { folder: folder.to_owned(), calls: AtomicU64::new(0) })
    }

    /// How often it was asked for anything.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.join(hex(name.as_bytes()))
    }

    /// Counts a call, and fails it where the fault says so.
    fn step(&self, writes: bool) -> Result<(), KeystoreError> {
        let call = self.calls.fetch_add(1, Ordering::Relaxed) + 1;
        let Ok(fault) = fs::read_to_string(self.folder.join(FAULT)) else { return Ok(()) };
        match fault.trim() {
            "absent" => Err(KeystoreError::Absent("nobody answers for it".to_owned())),
            "locked" => Err(KeystoreError::Locked),
            "silent" => Err(KeystoreError::TimedOut),
            "every-third-fails" if call.is_multiple_of(3) => Err(failed("the connection broke")),
            "read-only" if writes => Err(failed("it takes nothing")),
            _ => Ok(()),
        }
    }

    fn limit(&self) -> Option<usize> {
        fs::read_to_string(self.folder.join(FAULT)).ok()?.trim().strip_prefix("at-most ")?.parse().ok()
    }

    /// All processes of a cell take turns.
    fn turn(&self) -> Result<File, KeystoreError> {
        let turn = File::create(self.folder.join("turn")).map_err(|error| failed(&error.kind().to_string()))?;
        turn.lock().map_err(|error| failed(&error.kind().to_string()))?;
        Ok(turn)
    }

    fn secrets(&self, name: &str) -> Result<Vec<KeystoreSecret>, KeystoreError> {
        let name = hex(name.as_bytes());
        let planted = format!("{name}{PLANTED}");
        let mut files: Vec<PathBuf> = fs::read_dir(&self.folder)
            .map_err(|error| failed(&error.kind().to_string()))?
            .flatten()
            .filter(|entry| {
                let file = entry.file_name();
                file.to_str().is_some_and(|file| file == name || file.starts_with(&planted))
            })
            .map(|entry| entry.path())
            .collect();
        files.sort();
        files.iter().map(|file| secret(file)).collect()
    }
}

fn failed(why: &str) -> KeystoreError {
    KeystoreError::Failed(why.to_owned())
}

fn secret(file: &Path) -> Result<KeystoreSecret, KeystoreError> {
    let bytes = fs::read(file).map_err(|error| failed(&error.kind().to_string()))?;
    match String::from_utf8(bytes) {
        Ok(text) => Ok(Zeroizing::new(text)),
        Err(error) => {
            drop(Zeroizing::new(error.into_bytes()));
            Err(failed("an entry is no text"))
        }
    }
}

impl Keystore for FolderKeystore {
    fn kind(&self) -> &'static str {
        match fs::read_to_string(self.folder.join(KIND)) {
            Ok(_) => "another-keystore",
            Err(_) => "lab",
        }
    }

    fn read(&self, name: &str) -> Result<Option<KeystoreSecret>, KeystoreError> {
        let mut secrets = self.read_all(name)?;
        match secrets.len() {
            0 | 1 => Ok(secrets.pop()),
            several => Err(KeystoreError::Ambiguous(several)),
        }
    }

    fn write(&self, name: &str, secret: &str) -> Result<(), KeystoreError> {
        self.step(true)?;
        if let Some(limit) = self.limit().filter(|limit| secret.len() > *limit) {
            return Err(KeystoreError::TooLong(limit));
        }
        let turn = self.turn()?;
        let several = self.secrets(name)?.len();
        if several > 1 {
            return Err(KeystoreError::Ambiguous(several));
        }
        let unfinished = self.folder.join(format!("new-{}", hex(&system::random::<8>())));
        let written = fs::write(&unfinished, secret).and_then(|()| fs::rename(&unfinished, self.file(name)));
        drop(turn);
        written.map_err(|error| failed(&error.kind().to_string()))
    }

    fn delete(&self, name: &str) -> Result<(), KeystoreError> {
        self.step(true)?;
        let _turn = self.turn()?;
        match fs::remove_file(self.file(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(&error.kind().to_string())),
            _ => Ok(()),
        }
    }

    fn read_all(&self, name: &str) -> Result<Vec<KeystoreSecret>, KeystoreError> {
        self.step(false)?;
        let _turn = self.turn()?;
        self.secrets(name)
    }

    fn look(&self) -> Result<Origin, KeystoreError> {
        self.step(false)?;
        Ok(Origin::of(self.kind()))
    }
}

/// The keystore's folder from the attacker's side.
pub(crate) struct Entries(pub(crate) PathBuf);

impl Entries {
    /// Every entry's file.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        let is_entry = |file: &PathBuf| {
            let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == PLANTED as u8)
        };
        let mut files: Vec<_> =
            fs::read_dir(&self.0).into_iter().flatten().flatten().map(|entry| entry.path()).filter(is_entry).collect();
        files.sort();
        files
    }

    /// Another program adds an entry of the same name.
    pub(crate) fn plant(file: &Path, secret: &str) -> io::Result<()> {
        let mut name = file.as_os_str().to_owned();
        name.push(format!("{PLANTED}1"));
        fs::write(PathBuf::from(name), secret)
    }

    pub(crate) fn fault(&self, fault: &str) -> io::Result<()> {
        fs::write(self.0.join(FAULT), fault)
    }

    pub(crate) fn heal(&self) -> io::Result<()> {
        match fs::remove_file(self.0.join(FAULT)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Another keystore answers from now on, and has none of the entries.
    pub(crate) fn replace(&self) -> io::Result<()> {
        for file in self.files() {
            fs::remove_file(file)?;
        }
        fs::write(self.0.join(KIND), "another")
    }
}

/// The name of an entry, from its file.
pub(crate) fn entry_name(file: &Path) -> String {
    let digits = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let bytes: Vec<u8> =
        (0..digits.len() / 2).filter_map(|at| u8::from_str_radix(digits.get(2 * at..2 * at + 2)?, 16).ok()).collect();
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_processes_see_the_same_entries_and_faults_and_planted_ones() {
        let folder = tempfile::tempdir().unwrap();
        let one = FolderKeystore::in_folder(folder.path()).unwrap();
        let other = FolderKeystore::in_folder(folder.path()).unwrap();
        one.write("kek-a.b@c", "secret").unwrap();
        assert_eq!(other.read("kek-a.b@c").unwrap().unwrap().as_str(), "secret");
        assert!(other.read("kek-a.b").unwrap().is_none());
        let entries = Entries(folder.path().to_owned());
        assert_eq!(entry_name(&entries.files()[0]), "kek-a.b@c");
        Entries::plant(&entries.files()[0], "another").unwrap();
        assert_eq!(other.read("kek-a.b@c"), Err(KeystoreError::Ambiguous(2)));
        entries.fault("locked").unwrap();
        assert_eq!(one.look(), Err(KeystoreError::Locked));
        entries.heal().unwrap();
        assert!(one.look().is_ok());
    }

    #[test]
    fn what_is_too_long_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let keystore = FolderKeystore::in_folder(folder.path()).unwrap();
        keystore.write("name", "short").unwrap();
        Entries(folder.path().to_owned()).fault("at-most 10").unwrap();
        assert_eq!(keystore.write("name", "longer than that"), Err(KeystoreError::TooLong(10)));
        assert_eq!(keystore.read("name").unwrap().unwrap().as_str(), "short");
    }
}
