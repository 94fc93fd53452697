//! What is printed by accident.

use std::sync::Arc;

use pilotlight_vault::keystore::{Check, FaultyKeystore, MemoryKeystore, probe};
use pilotlight_vault::{
    GrantId, Keystore, KeystoreError, Listed, MemoryVault, OsKeystore, SqliteVault, Vault, VaultError,
};

const CANARY: &str = "CANARY";

fn prints(thing: &impl std::fmt::Debug) {
    let text = format!("{thing:?} {thing:#?}");
    let bytes = format!("{:?}", CANARY.as_bytes());
    assert!(
        !text.contains(CANARY) && !text.contains("pk1.") && !text.contains(bytes.trim_matches(['[', ']'])),
        "{text}"
    );
}

/// Every failure of a vault on whose keystore and records stand nothing but canaries.
#[test]
fn no_debug_of_vaults_records_and_keystores_shows_what_they_keep() {
    let folder = tempfile::tempdir().unwrap();
    let keystore = MemoryKeystore::default();
    let path = folder.path().join("home/vault.db");
    let vault = SqliteVault::open(&path, Arc::new(keystore.clone()), 0).unwrap();
    let memory = MemoryVault::default();
    let id = GrantId::from_bytes([1; 16]);
    for vault in [&vault as &dyn Vault, &memory] {
        vault.create(&id, CANARY.as_bytes()).unwrap();
        prints(&vault.load(&id).unwrap().unwrap());
        let listed = vault.list().unwrap();
        assert!(matches!(listed[0], Listed::Record(_)));
        prints(&listed);
    }
    prints(&vault);
    prints(&OsKeystore::new("dev.pilotlight.test"));
    prints(&probe(&keystore, Check::SelfTest));
    prints(&probe(&keystore, Check::Look).for_vault_of(&pilotlight_vault::keystore::Origin::of("another")));
}

#[test]
fn no_error_of_a_vault_shows_what_its_keystore_keeps() {
    let folder = tempfile::tempdir().unwrap();
    let keystore = FaultyKeystore::default();
    let path = folder.path().join("home/vault.db");
    let open = |keystore: &FaultyKeystore| SqliteVault::open(&path, Arc::new(keystore.clone()), 0);
    drop(open(&keystore).unwrap());
    let name = keystore.inner.name_of("kek-");
    let anchor = keystore.inner.name_of("anchor-");
    let key = keystore.inner.read(&name).unwrap().unwrap();
    let mut errors: Vec<VaultError> = Vec::new();
    for garbage in [CANARY, "pk1.1.CANARY", "pk1.1.CANARYCANARYCANARYCANARYCANARYCANARYCANARYC", "CANARY\u{fffd}"] {
        keystore.inner.write(&name, garbage).unwrap();
        errors.push(open(&keystore).unwrap_err());
        keystore.inner.plant(&name, garbage);
        errors.push(open(&keystore).unwrap_err());
        keystore.inner.delete(&name).unwrap();
    }
    errors.push(open(&keystore).unwrap_err());
    keystore.inner.write(&name, &key).unwrap();
    keystore.inner.write(&anchor, CANARY).unwrap();
    errors.extend(open(&keystore).err());
    for error in [KeystoreError::Locked, KeystoreError::TimedOut, KeystoreError::Failed("tired".to_owned())] {
        keystore.fail(error);
        errors.push(open(&keystore).unwrap_err());
    }
    assert!(errors.len() >= 12);
    for error in &errors {
        prints(error);
        assert!(!error.to_string().contains(CANARY));
    }
}
