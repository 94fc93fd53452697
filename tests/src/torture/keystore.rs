//! A keystore in a folder, for processes that are killed by the thousand.

use std::{
    fs,
    io::{self, ErrorKind},
    path::PathBuf,
};

use pilotlight_vault::{Keystore, KeystoreError, keystore::KeystoreSecret};

/// Keeps each entry in a file of its name, in the clear: for throw-away homes only. A write is whole or not at all, as
/// with a real keystore, which is another process and does not die with its caller.
#[derive(Debug)]
pub struct FolderKeystore {
    folder: PathBuf,
}

impl FolderKeystore {
    /// Keeps its entries in `folder`, which is made with the first of them.
    pub fn at(folder: PathBuf) -> Self {
        Self { folder }
    }
}

fn failed(error: &io::Error) -> KeystoreError {
    KeystoreError::Failed(error.to_string())
}

impl Keystore for FolderKeystore {
    fn kind(&self) -> &'static str {
        "folder"
    }

    fn read(&self, name: &str) -> Result<Option<KeystoreSecret>, KeystoreError> {
        match fs::read_to_string(self.folder.join(name)) {
            Ok(text) => Ok(Some(KeystoreSecret::new(text))),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed(&error)),
        }
    }

    fn write(&self, name: &str, secret: &str) -> Result<(), KeystoreError> {
        let unfinished = self.folder.join(format!("{name}.{}", std::process::id()));
        fs::create_dir_all(&self.folder)
            .and_then(|()| fs::write(&unfinished, secret))
            .and_then(|()| fs::rename(&unfinished, self.folder.join(name)))
            .map_err(|error| failed(&error))
    }

    fn delete(&self, name: &str) -> Result<(), KeystoreError> {
        match fs::remove_file(self.folder.join(name)) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(failed(&error)),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_outlives_its_process_and_a_missing_one_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let at = || FolderKeystore::at(folder.path().join("keystore"));
        assert_eq!(at().read("kek"), Ok(None));
        at().write("kek", "one").unwrap();
        at().write("kek", "two").unwrap();
        assert_eq!(at().read("kek").unwrap().unwrap().as_str(), "two");
        at().delete("kek").unwrap();
        at().delete("kek").unwrap();
        assert_eq!(at().read("kek"), Ok(None));
    }
}
