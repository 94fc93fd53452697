//! The strategy under test: its suite, its keys and its file.

mod files;
mod keys;

use std::path::PathBuf;

use tempfile::TempDir;

use super::PrefsVault;
use crate::keystore::FaultyKeystore;
use crate::suite::Bench;
use crate::{GrantId, Vault, VaultError, model};
use proptest::prelude::*;

const APP: &str = "dev.example";
const NOW: i64 = 1_800_000_000_000;
const ONE: GrantId = GrantId::from_bytes([1; 16]);
const TWO: GrantId = GrantId::from_bytes([2; 16]);

/// A folder for one vault, and the keystore that holds its key.
struct Home {
    folder: TempDir,
    keystore: FaultyKeystore,
}

impl Home {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), keystore: FaultyKeystore::default() }
    }

    fn with_two_records() -> Self {
        let home = Self::new();
        let vault = home.open().unwrap();
        vault.create(&ONE, b"payload one").unwrap();
        vault.create(&TWO, b"payload two").unwrap();
        home
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("app")
    }

    fn open(&self) -> Result<PrefsVault, VaultError> {
        PrefsVault::open(&self.path(), APP, &self.keystore)
    }

    fn refusal(&self) -> VaultError {
        self.open().map(|_| ()).unwrap_err()
    }

    /// The names of the files in the folder that end like that.
    fn files(&self, end: &str) -> Vec<String> {
        let mut names: Vec<_> = std::fs::read_dir(self.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.ends_with(end))
            .collect();
        names.sort_unstable();
        names
    }

    /// The vault's only file.
    fn file(&self) -> PathBuf {
        let names = self.files(".xml");
        assert_eq!(names.len(), 1, "{names:?}");
        self.path().join(&names[0])
    }
}

impl Bench for Home {
    fn handle(&self) -> Box<dyn Vault> {
        Box::new(self.open().unwrap())
    }
}

crate::vault_suite!(Home::new);

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn the_file_does_what_the_memory_does(steps in model::steps()) {
        model::does_what_the_memory_does(&Home::new(), &steps)?;
    }
}

#[test]
fn debug_shows_the_strategy_and_no_key() {
    let shown = format!("{:?}", Home::new().open().unwrap());
    assert!(shown.contains("encrypted-prefs") && !shown.contains("key"), "{shown}");
}
