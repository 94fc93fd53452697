use super::{NOW, ONE, Site, TWO, both_strategies_pass, damage};
use crate::columns::PlainSqliteVault;
use crate::columns::plain::Plain;
use crate::suite::Bench;
use crate::{Listed, Vault, VaultError};
use rusqlite::Connection;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

pub(super) struct Home(TempDir);

impl Site for Home {
    const FILE: &'static str = "vault-plain.db";
    type Kind = Plain;

    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }
    fn home(&self) -> PathBuf {
        self.0.path().join("app")
    }
    fn open_at(&self, home: &Path) -> Result<PlainSqliteVault, VaultError> {
        PlainSqliteVault::open(home, "test")
    }
    fn foreign(&self) -> Connection {
        Connection::open(self.file()).unwrap()
    }
    fn set_aside(&self) -> Result<PathBuf, VaultError> {
        PlainSqliteVault::set_aside(&self.home(), NOW)
    }
    fn remove_whole(&self) -> Result<(), VaultError> {
        PlainSqliteVault::remove_whole(&self.home())
    }
}

impl Bench for Home {
    fn handle(&self) -> Box<dyn Vault> {
        Box::new(self.open().unwrap())
    }
}

crate::vault_suite!(Home::new);
both_strategies_pass!(Home);

/// Another value is possible where nothing is sealed. A panic, or a wait without end, is not.
#[test]
fn a_flipped_bit_in_any_byte_is_answered_without_a_panic() {
    damage::flips::<Home>(1, damage::read_all);
}

#[test]
fn a_file_cut_at_any_byte_is_an_error_and_left_as_it_is() {
    damage::cuts::<Home>(1, damage::read_all);
}

#[test]
fn everything_stands_in_the_file_in_the_clear_and_what_was_replaced_does_not() {
    let home = Home::with_two_records();
    home.open().unwrap().commit(&ONE, 1, b"its successor").unwrap();
    let file = home.bytes();
    let holds = |needle: &[u8]| file.windows(needle.len()).any(|window| window == needle);
    assert!(holds(b"its successor") && holds(b"payload two"), "honest about what it is");
    assert!(!holds(b"payload one"), "secure_delete overwrites what is replaced");
}

#[test]
fn a_value_that_somebody_altered_is_read_as_if_it_were_ours() {
    let home = Home::with_two_records();
    home.tamper("UPDATE record SET payload=x'61', generation=7 WHERE hex(grant_id) LIKE '01%'");
    let record = home.open().unwrap().load(&ONE).unwrap().unwrap();
    assert_eq!((record.generation, record.payload.as_slice()), (7, &b"a"[..]));
}

#[test]
fn a_row_that_is_none_of_ours_is_told_hides_no_other_and_can_be_removed() {
    let home = Home::with_two_records();
    // More than the limit, past the checks and past the look at the file when it is opened.
    let vault = home.open().unwrap();
    home.tamper(
        "PRAGMA ignore_check_constraints=ON; UPDATE record SET payload=zeroblob(70000) WHERE hex(grant_id) LIKE '01%'",
    );
    assert!(matches!(vault.load(&ONE), Err(VaultError::Tampered(id)) if id == ONE));
    assert!(matches!(vault.create(&ONE, b"other"), Err(VaultError::Conflict { actual: None })));
    let listed = vault.list().unwrap();
    assert!(matches!(listed[0], Listed::Damaged { id } if id == ONE));
    assert!(matches!(&listed[1], Listed::Record(record) if record.id == TWO));
    assert!(matches!(home.open(), Err(VaultError::Damaged(_))), "a new look at the file sees it too");
    vault.remove(&ONE).unwrap();
    assert!(vault.load(&ONE).unwrap().is_none());
    assert!(home.open().is_ok());
}

#[test]
fn a_vault_opens_only_for_the_app_that_made_it() {
    let home = Home::with_two_records();
    let other = PlainSqliteVault::open(&home.home(), "org.example.other");
    assert!(matches!(other, Err(VaultError::Damaged(_))));
}

#[test]
fn a_file_of_another_strategy_is_refused() {
    let home = Home::with_two_records();
    home.tamper("UPDATE vault SET strategy='sqlcipher'");
    assert!(matches!(home.open(), Err(VaultError::Damaged(_))));
}
