use super::{Home, ONE};
use crate::keystore::{FaultyKeystore, Keystore};
use crate::sqlite::SqliteVault;
use crate::{KeystoreError, Vault, VaultError};
use std::sync::Arc;

#[test]
fn a_keystore_that_cannot_be_asked_is_not_a_lost_key() {
    let home = Home::with_two_records();
    let (before, names) = (home.bytes(), home.keystore.inner.names());
    for error in [
        KeystoreError::Absent("no bus".to_owned()),
        KeystoreError::Locked,
        KeystoreError::TimedOut,
        KeystoreError::Failed("unknown".to_owned()),
    ] {
        home.keystore.fail(error.clone());
        assert!(matches!(home.open(), Err(VaultError::Keystore(told)) if told == error));
    }
    home.keystore.heal();
    assert_eq!(home.bytes(), before, "the vault is untouched");
    assert_eq!(home.keystore.inner.names(), names, "no key was made");
    assert_eq!(home.open().unwrap().load(&ONE).unwrap().unwrap().payload.as_slice(), b"payload one");
}

#[test]
fn a_keystore_that_fails_at_any_call_of_an_opening_fails_the_opening_or_nothing() {
    let home = Home::with_two_records();
    for nth in 1..6 {
        home.keystore.fail_nth_call(nth, KeystoreError::TimedOut);
        match home.open() {
            Ok(vault) => assert!(vault.load(&ONE).unwrap().is_some()),
            Err(error) => assert!(matches!(error, VaultError::Keystore(KeystoreError::TimedOut))),
        }
        home.keystore.heal();
    }
}

#[test]
fn a_key_that_is_gone_is_looked_for_twice_and_never_made_anew() {
    let home = Home::with_two_records();
    let (before, name) = (home.bytes(), home.keystore.inner.name_of("kek-"));
    home.keystore.inner.delete(&name).unwrap();
    assert!(matches!(home.open(), Err(VaultError::KeyLost)));
    assert_eq!(home.keystore.settled(), 1);
    assert!(!home.keystore.inner.names().contains(&name));
    assert_eq!(home.bytes(), before);
}

#[test]
fn a_key_that_the_keystore_loads_late_is_found_at_the_second_look() {
    let home = Home::with_two_records();
    let name = home.keystore.inner.name_of("kek-");
    let key = home.keystore.inner.read(&name).unwrap().unwrap();
    home.keystore.inner.delete(&name).unwrap();
    home.keystore.appear_at_settle(&name, &key);
    assert!(home.open().unwrap().load(&ONE).unwrap().is_some());
}

#[test]
fn an_entry_that_is_no_key_is_corrupt_and_stands_in_no_error() {
    let home = Home::with_two_records();
    let name = home.keystore.inner.name_of("kek-");
    let key = home.keystore.inner.read(&name).unwrap().unwrap();
    for garbage in ["", "GARBAGE", "pk1.1.AAAA", &format!("{}\n", *key), &key[..key.len() - 2], "pk1.2.GARBAGE"] {
        home.keystore.inner.write(&name, garbage).unwrap();
        let error = home.open().unwrap_err();
        assert!(matches!(error, VaultError::KeyCorrupt), "{error}");
        assert!(!format!("{error:?} {error}").contains("GARBAGE"));
        assert_eq!(home.keystore.inner.read(&name).unwrap().unwrap().as_str(), garbage, "left for inspection");
    }
}

#[test]
fn another_valid_key_is_the_wrong_key_and_not_tampering() {
    let (home, other) = (Home::with_two_records(), Home::with_two_records());
    let name = home.keystore.inner.name_of("kek-");
    let key = other.keystore.inner.read(&other.keystore.inner.name_of("kek-")).unwrap().unwrap();
    home.keystore.inner.write(&name, &key).unwrap();
    assert!(matches!(home.open(), Err(VaultError::WrongKey)));
}

#[test]
fn of_several_entries_the_one_that_opens_the_vault_is_used() {
    let (home, other) = (Home::with_two_records(), Home::with_two_records());
    let name = home.keystore.inner.name_of("kek-");
    let stranger = other.keystore.inner.read(&other.keystore.inner.name_of("kek-")).unwrap().unwrap();
    home.keystore.inner.plant(&name, &stranger);
    home.keystore.inner.plant(&name, "garbage");
    assert!(home.open().unwrap().load(&ONE).unwrap().is_some());

    home.keystore.inner.delete(&name).unwrap();
    home.keystore.inner.plant(&name, &stranger);
    home.keystore.inner.plant(&name, "garbage");
    assert!(matches!(home.open(), Err(VaultError::Keystore(KeystoreError::Ambiguous(2)))));
}

#[test]
fn a_wrapped_key_of_another_vault_does_not_open() {
    let (home, other) = (Home::with_two_records(), Home::with_two_records());
    let stolen = other.path();
    home.tamper(&format!(
        "ATTACH '{}' AS other; UPDATE dek_slot SET nonce=(SELECT nonce FROM other.dek_slot), ct=(SELECT ct FROM other.dek_slot);",
        stolen.display()
    ));
    assert!(matches!(home.open(), Err(VaultError::Damaged(_))), "the key matches its check value, the slot does not");
    home.tamper(&format!(
        "ATTACH '{}' AS other; DELETE FROM dek_slot; INSERT INTO dek_slot SELECT * FROM other.dek_slot;",
        stolen.display()
    ));
    assert!(matches!(home.open(), Err(VaultError::WrongKey)));
}

#[test]
fn a_vault_opens_only_for_the_app_that_made_it() {
    let home = Home::new();
    let keystore: Arc<dyn Keystore> = Arc::new(home.keystore.clone());
    drop(SqliteVault::open_for("org.example.one", &home.path(), Arc::clone(&keystore), 0).unwrap());
    assert!(SqliteVault::open_for("org.example.two", &home.path(), Arc::clone(&keystore), 0).is_err());
    assert!(SqliteVault::open_for("org.example.one", &home.path(), keystore, 0).is_ok());
}

/// Answers for another keystore than the one that keeps the key.
struct Renamed(FaultyKeystore);

impl Keystore for Renamed {
    fn kind(&self) -> &'static str {
        "credential-manager"
    }
    fn read(&self, name: &str) -> Result<Option<crate::keystore::KeystoreSecret>, KeystoreError> {
        self.0.read(name)
    }
    fn write(&self, name: &str, secret: &str) -> Result<(), KeystoreError> {
        self.0.write(name, secret)
    }
    fn delete(&self, name: &str) -> Result<(), KeystoreError> {
        self.0.delete(name)
    }
}

#[test]
fn a_key_that_another_keystore_keeps_is_not_lost() {
    let home = Home::with_two_records();
    let empty = Arc::new(Renamed(FaultyKeystore::default()));
    let error = SqliteVault::open(&home.path(), empty, 0).unwrap_err();
    let told = error.to_string();
    assert!(matches!(error, VaultError::Keystore(KeystoreError::Changed { .. })));
    assert!(told.contains("memory") && told.contains("credential-manager"), "{told}");
    // Where the entries came along, another name does not matter.
    assert!(SqliteVault::open(&home.path(), Arc::new(Renamed(home.keystore.clone())), 0).is_ok());
}

#[test]
fn no_vault_is_made_where_the_key_cannot_be_kept() {
    let home = Home::new();
    home.keystore.fail_writes(KeystoreError::Locked);
    assert!(matches!(home.open(), Err(VaultError::Keystore(KeystoreError::Locked))));
    let left: Vec<_> = std::fs::read_dir(home.beside("")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["vault.lock"], "neither a vault nor a part of one");
    home.keystore.heal();
    assert!(home.open().is_ok());
}

#[test]
fn a_keystore_that_fails_at_any_call_of_a_creation_leaves_no_vault_without_its_key() {
    for nth in 1..8 {
        let home = Home::new();
        home.keystore.fail_nth_call(nth, KeystoreError::TimedOut);
        let made = home.open();
        assert!(matches!(made, Ok(_) | Err(VaultError::Keystore(KeystoreError::TimedOut))));
        drop(made);
        home.keystore.heal();
        let vault = home.open().unwrap();
        vault.create(&ONE, b"payload").unwrap();
        drop(vault);
        assert!(home.open().unwrap().load(&ONE).unwrap().is_some());
    }
}
