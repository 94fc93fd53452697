use crate::columns::PlainSqliteVault;
use crate::suite::Bench;
use crate::{Vault, VaultError};
use std::path::PathBuf;
use tempfile::TempDir;

pub(super) struct Home(TempDir);

impl Home {
    pub(super) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(super) fn path(&self) -> PathBuf {
        self.0.path().join("app")
    }

    pub(super) fn open(&self) -> Result<PlainSqliteVault, VaultError> {
        PlainSqliteVault::open(&self.path(), "test")
    }
}

impl Bench for Home {
    fn handle(&self) -> Box<dyn Vault> {
        Box::new(self.open().unwrap())
    }
}

crate::vault_suite!(Home::new);
