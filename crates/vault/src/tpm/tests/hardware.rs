//! Strategy `hardware`: its suite, and what happens to the vault when something happens to the TPM.

use crate::suite::Bench;
use crate::testing::Swtpm;
use crate::{GrantId, Means, Opening, RecoveryCode, SqliteVault, TpmDevice, Vault, VaultError};
use std::path::PathBuf;
use tempfile::TempDir;

const NOW: i64 = 1_800_000_000_000;
const ONE: GrantId = GrantId::from_bytes([1; 16]);

struct Home {
    tpm: Swtpm,
    folder: TempDir,
}

impl Home {
    fn new() -> Self {
        Self { tpm: Swtpm::start(), folder: tempfile::tempdir().unwrap() }
    }

    fn with_a_record() -> Self {
        let home = Self::new();
        home.open().unwrap().create(&ONE, b"payload").unwrap();
        home
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("app").join("vault-tpm.db")
    }

    fn opening(&self) -> Opening {
        Opening::new(NOW).hardware(TpmDevice::at(&self.tpm.path()))
    }

    fn open(&self) -> Result<SqliteVault, VaultError> {
        SqliteVault::open_with(&self.path(), &self.opening())
    }

    fn reads(&self) {
        let record = self.open().unwrap().load(&ONE).unwrap().unwrap();
        assert_eq!(record.payload.as_slice(), b"payload");
    }
}

impl Bench for Home {
    fn handle(&self) -> Box<dyn Vault> {
        Box::new(self.open().unwrap())
    }
}

crate::vault_suite!(Home::new);

#[test]
fn a_machine_that_was_restarted_opens_its_vault() {
    let mut home = Home::with_a_record();
    assert_eq!(home.open().unwrap().strategy(), "hardware");
    home.tpm.restart();
    home.reads();
}

#[test]
fn a_vault_that_is_open_goes_on_without_its_tpm_and_does_not_open_anew() {
    let mut home = Home::with_a_record();
    let vault = home.open().unwrap();
    home.tpm.stop();
    assert_eq!(vault.commit(&ONE, 1, b"without").unwrap(), 2);
    assert!(matches!(home.open(), Err(VaultError::Unavailable(_))));
    home.tpm.restart();
    assert_eq!(home.open().unwrap().load(&ONE).unwrap().unwrap().generation, 2);
}

#[test]
fn a_cleared_tpm_and_another_board_lose_the_vault_and_never_make_a_new_key_over_it() {
    for clear in [true, false] {
        let mut home = Home::with_a_record();
        let before = std::fs::read(home.path()).unwrap();
        if clear {
            home.tpm.clear();
        } else {
            home.tpm.replace();
        }
        for _ in 0..2 {
            assert!(matches!(home.open(), Err(VaultError::TpmLost(_))));
        }
        assert_eq!(std::fs::read(home.path()).unwrap(), before);
        SqliteVault::set_aside(&home.path(), NOW).unwrap();
        assert!(home.open().unwrap().list().unwrap().is_empty(), "only on the person's word");
    }
}

#[test]
fn no_vault_is_made_without_a_tpm() {
    let mut home = Home::new();
    home.tpm.stop();
    assert!(matches!(home.open(), Err(VaultError::Unavailable(_))));
    assert!(!home.path().exists());
    home.tpm.restart();
    assert!(home.open().unwrap().list().unwrap().is_empty());
}

#[test]
fn a_recovery_code_opens_what_a_cleared_tpm_cannot_and_the_tpm_is_taken_on_again() {
    let home = Home::with_a_record();
    let code = RecoveryCode::make().unwrap();
    let text = code.to_text();
    home.open().unwrap().add_protector(&Means::recovery_code(code)).unwrap();
    home.tpm.clear();
    assert!(matches!(home.open(), Err(VaultError::TpmLost(_))));
    let typed = Means::recovery_code(RecoveryCode::parse(&text).unwrap());
    let vault = SqliteVault::open_with(&home.path(), &home.opening().means(typed)).unwrap();
    vault.replace_protector(&Means::tpm(TpmDevice::at(&home.tpm.path()))).unwrap();
    home.reads();
}

#[test]
fn a_copy_of_the_file_is_worth_nothing_on_another_machine() {
    let (home, thief) = (Home::with_a_record(), Home::new());
    std::fs::create_dir(thief.path().parent().unwrap()).unwrap();
    std::fs::copy(home.path(), thief.path()).unwrap();
    assert!(matches!(thief.open(), Err(VaultError::TpmLost(_))));
    let without = SqliteVault::open_with(&thief.path(), &Opening::new(NOW));
    assert!(matches!(without, Err(VaultError::Unavailable(why)) if why.contains("tpm2")));
}
