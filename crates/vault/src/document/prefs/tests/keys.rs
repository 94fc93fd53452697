//! The master key and the keystore: "cannot read" is never "there is none".

use super::{APP, Home, ONE, PrefsVault};
use crate::keystore::{FaultyKeystore, Keystore};
use crate::{KeystoreError, Vault, VaultError};

fn master_of(home: &Home) -> (String, String) {
    let name = home.keystore.inner.name_of("master-");
    let text = home.keystore.inner.read(&name).unwrap().unwrap().as_str().to_owned();
    (name, text)
}

#[test]
fn a_vault_has_one_key_that_is_named_after_its_file() {
    let home = Home::with_two_records();
    let (name, text) = master_of(&home);
    let file = home.file().file_stem().unwrap().to_str().unwrap().to_owned();
    assert_eq!(name, file.replace("vault-", "master-"));
    drop(home.open().unwrap());
    assert_eq!(master_of(&home), (name, text));
}

#[test]
fn a_file_without_its_key_is_lost_and_no_key_is_made_over_it() {
    let home = Home::with_two_records();
    let (name, text) = master_of(&home);
    let before = std::fs::read(home.file()).unwrap();
    home.keystore.delete(&name).unwrap();
    assert!(matches!(home.refusal(), VaultError::KeyLost));
    assert!(home.keystore.inner.names().is_empty());
    assert_eq!(std::fs::read(home.file()).unwrap(), before);
    home.keystore.write(&name, &text).unwrap();
    assert_eq!(home.open().unwrap().load(&ONE).unwrap().unwrap().payload.as_slice(), b"payload one");
}

#[test]
fn a_keystore_that_has_only_just_started_is_asked_twice() {
    let home = Home::with_two_records();
    let (name, text) = master_of(&home);
    home.keystore.delete(&name).unwrap();
    home.keystore.appear_at_settle(&name, &text);
    assert!(home.open().is_ok());
    assert_eq!(home.keystore.settled(), 1);
}

#[test]
fn a_keystore_that_fails_is_an_error_of_its_own_and_makes_nothing() {
    let home = Home::with_two_records();
    let before = std::fs::read(home.file()).unwrap();
    for error in [KeystoreError::Locked, KeystoreError::TimedOut, KeystoreError::Absent("no bus".to_owned())] {
        home.keystore.fail(error.clone());
        assert!(matches!(home.refusal(), VaultError::Keystore(told) if told == error));
        home.keystore.heal();
    }
    assert_eq!(std::fs::read(home.file()).unwrap(), before);
    let empty = Home::new();
    empty.keystore.fail_writes(KeystoreError::Locked);
    assert!(matches!(empty.refusal(), VaultError::Keystore(KeystoreError::Locked)));
    assert!(!PrefsVault::exists(&empty.path()).unwrap());
}

#[test]
fn another_key_and_no_key_are_told_apart_from_a_lost_one() {
    let home = Home::with_two_records();
    let (name, text) = master_of(&home);
    let other = Home::new();
    drop(other.open().unwrap());
    home.keystore.write(&name, &master_of(&other).1).unwrap();
    assert!(matches!(home.refusal(), VaultError::WrongKey));
    home.keystore.write(&name, "pm1.none").unwrap();
    assert!(matches!(home.refusal(), VaultError::KeyCorrupt));
    // Planted beside the right one: found by trying; without the right one: not guessed.
    home.keystore.inner.plant(&name, &text);
    assert!(home.open().is_ok());
    home.keystore.delete(&name).unwrap();
    home.keystore.inner.plant(&name, "pm1.none");
    home.keystore.inner.plant(&name, &master_of(&other).1);
    assert!(matches!(home.refusal(), VaultError::Keystore(KeystoreError::Ambiguous(2))));
}

#[test]
fn an_open_vault_needs_the_keystore_no_more() {
    let home = Home::with_two_records();
    let vault = home.open().unwrap();
    home.keystore.fail(KeystoreError::Locked);
    assert_eq!(vault.commit(&ONE, 1, b"second").unwrap(), 2);
    assert_eq!(vault.load(&ONE).unwrap().unwrap().payload.as_slice(), b"second");
}

#[test]
fn the_vault_of_another_app_does_not_open() {
    let home = Home::with_two_records();
    let error = PrefsVault::open(&home.path(), "dev.other", &home.keystore).map(|_| ()).unwrap_err();
    assert!(matches!(error, VaultError::Damaged(why) if why.contains("another app")));
    assert!(PrefsVault::open(&home.path(), APP, &home.keystore).is_ok());
}

#[test]
fn a_vault_is_removed_with_its_key_or_not_at_all() {
    let home = Home::with_two_records();
    home.keystore.fail(KeystoreError::Locked);
    assert!(PrefsVault::remove_whole(&home.path(), &home.keystore).is_err());
    home.keystore.heal();
    assert!(home.open().is_ok());
    PrefsVault::remove_whole(&home.path(), &home.keystore).unwrap();
    assert!(!PrefsVault::exists(&home.path()).unwrap());
    assert!(home.keystore.inner.names().is_empty());
    PrefsVault::remove_whole(&home.path(), &home.keystore).unwrap();
    assert!(home.open().unwrap().list().unwrap().is_empty());
    assert!(!PrefsVault::exists(&home.path().join("nowhere")).unwrap());
}

#[test]
fn a_keystore_that_forgets_at_once_makes_no_vault() {
    let home = Home::new();
    let forgetful = Forgetful(home.keystore.clone());
    let error = PrefsVault::open(&home.path(), APP, &forgetful).map(|_| ()).unwrap_err();
    assert!(matches!(error, VaultError::Keystore(KeystoreError::Unsuitable(_))), "{error}");
    assert!(!PrefsVault::exists(&home.path()).unwrap());
}

/// Says that it keeps, and keeps nothing.
struct Forgetful(FaultyKeystore);

impl Keystore for Forgetful {
    fn kind(&self) -> &'static str {
        "memory"
    }
    fn read(&self, name: &str) -> Result<Option<crate::keystore::KeystoreSecret>, KeystoreError> {
        self.0.read(name)
    }
    fn write(&self, _name: &str, _secret: &str) -> Result<(), KeystoreError> {
        Ok(())
    }
    fn delete(&self, name: &str) -> Result<(), KeystoreError> {
        self.0.delete(name)
    }
}
