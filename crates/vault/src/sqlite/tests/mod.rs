//! The strategy under test: its suite, its keys, its file, its anchor and its folder.

mod anchors;
mod crashes;
mod durability;
mod files;
mod golden;
mod keys;
mod model;
mod processes;
mod protectors;
mod rekey;
mod tampering;

use std::path::PathBuf;
use std::sync::Arc;

use rusqlite::Connection;
use tempfile::TempDir;

use super::SqliteVault;
use crate::keystore::FaultyKeystore;
use crate::suite::Bench;
use crate::{GrantId, Vault, VaultError};

const NOW: i64 = 1_800_000_000_000;
const ONE: GrantId = GrantId::from_bytes([1; 16]);
const TWO: GrantId = GrantId::from_bytes([2; 16]);

/// Whether to try everything where a sample does otherwise. It takes an hour.
#[expect(clippy::disallowed_methods, reason = "the one place where these tests ask the environment")]
fn thorough() -> bool {
    std::env::var_os("PILOTLIGHT_EVERY_BIT").is_some()
}

/// A folder for one vault, and the keystore that holds its key.
struct Home {
    folder: TempDir,
    keystore: FaultyKeystore,
}

impl Home {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), keystore: FaultyKeystore::default() }
    }

    /// A home with a closed vault of two records; the anchor is written.
    fn with_two_records() -> Self {
        let home = Self::new();
        let vault = home.open().unwrap();
        vault.create(&ONE, b"payload one").unwrap();
        vault.create(&TWO, b"payload two").unwrap();
        home
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("app").join("vault.db")
    }

    fn beside(&self, name: &str) -> PathBuf {
        self.folder.path().join("app").join(name)
    }

    fn log(&self) -> PathBuf {
        self.beside("vault.db-wal")
    }

    /// Removes what SQLite keeps beside the file, as if it had never been.
    fn drop_log(&self) {
        for suffix in ["-wal", "-shm", "-journal"] {
            let _ = std::fs::remove_file(self.beside(&format!("vault.db{suffix}")));
        }
    }

    fn open(&self) -> Result<SqliteVault, VaultError> {
        SqliteVault::open(&self.path(), Arc::new(self.keystore.clone()), NOW)
    }

    /// Changes the file the way somebody with another program would. No vault may have it open.
    fn tamper(&self, sql: &str) {
        let connection = Connection::open(self.path()).unwrap();
        connection.execute_batch(&format!("PRAGMA foreign_keys=OFF; {sql}")).unwrap();
    }

    /// One number out of the file.
    fn count(&self, sql: &str) -> i64 {
        Connection::open(self.path()).unwrap().query_row(sql, (), |row| row.get(0)).unwrap()
    }

    fn bytes(&self) -> Vec<u8> {
        std::fs::read(self.path()).unwrap()
    }

    fn put(&self, bytes: &[u8]) {
        std::fs::write(self.path(), bytes).unwrap();
    }
}

impl Bench for Home {
    fn handle(&self) -> Box<dyn Vault> {
        Box::new(self.open().unwrap())
    }
}

crate::vault_suite!(Home::new);

#[test]
fn debug_shows_path_and_strategy_and_no_key() {
    let home = Home::new();
    let shown = format!("{:?}", home.open().unwrap());
    assert!(shown.contains("sqlite-aead") && shown.contains("vault.db"));
    assert!(!shown.contains("keys") && !shown.contains("dek"), "{shown}");
}
