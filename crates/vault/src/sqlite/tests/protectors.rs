//! Other ways to open a vault than the keystore, and what becomes of them.

use super::{Home, NOW, ONE, crashes};
use crate::envelope::protector::Candidates;
use crate::envelope::{Kek, KekRef, Protector, key_of};
use crate::keystore::Keystore;
use crate::sqlite::SqliteVault;
use crate::{Aead, KeystoreError, Means, Opening, RecoveryCode, Vault, VaultError};
use secrecy::SecretString;
use std::sync::Arc;

fn passphrase(text: &str) -> Means {
    Means::passphrase(SecretString::from(text))
}

fn by(home: &Home, means: &Means) -> Result<SqliteVault, VaultError> {
    SqliteVault::open_with(&home.path(), &Opening::new(NOW).means(means.clone()))
}

fn reads(opened: Result<SqliteVault, VaultError>) {
    assert_eq!(opened.unwrap().load(&ONE).unwrap().unwrap().payload.as_slice(), b"payload one");
}

fn kinds(vault: &SqliteVault) -> Vec<String> {
    let mut kinds: Vec<_> = vault.protectors().unwrap().into_iter().map(|slot| slot.kind).collect();
    kinds.sort();
    kinds
}

fn code() -> (RecoveryCode, Means) {
    let code = RecoveryCode::make().unwrap();
    let means = Means::recovery_code(RecoveryCode::parse(&code.to_text()).unwrap());
    (code, means)
}

#[test]
fn a_machine_without_a_keystore_can_keep_a_vault_behind_a_passphrase() {
    let home = Home::new();
    by(&home, &passphrase("correct horse")).unwrap().create(&ONE, b"payload one").unwrap();
    reads(by(&home, &passphrase("correct horse")));
    assert!(matches!(by(&home, &passphrase("correct horsf")), Err(VaultError::WrongPassphrase)));
    assert!(matches!(home.open(), Err(VaultError::PassphraseNeeded)));
    let (_, code) = code();
    assert!(matches!(by(&home, &code), Err(VaultError::PassphraseNeeded)));
    assert!(home.keystore.inner.names().is_empty(), "nothing was asked of a keystore");
}

#[test]
fn an_empty_passphrase_or_no_means_at_all_make_no_vault() {
    let home = Home::new();
    assert!(matches!(by(&home, &passphrase("")), Err(VaultError::PassphraseNeeded)));
    let none = SqliteVault::open_with(&home.path(), &Opening::new(NOW));
    assert!(matches!(none, Err(VaultError::Unavailable(_))));
    assert!(!home.path().exists() && !home.beside("vault.db.new").exists());
}

#[test]
fn a_recovery_code_opens_a_vault_whose_keystore_is_lost() {
    let home = Home::with_two_records();
    let (_, means) = code();
    home.open().unwrap().add_protector(&means).unwrap();
    let name = home.keystore.inner.name_of("kek-");
    home.keystore.inner.delete(&name).unwrap();
    assert!(matches!(home.open(), Err(VaultError::KeyLost)));
    reads(by(&home, &means));
    let (_, other) = code();
    assert!(matches!(by(&home, &other), Err(VaultError::WrongRecoveryCode)));
    // A keystore that is down keeps nobody out either, although it cannot be asked for the anchor.
    home.keystore.fail(KeystoreError::Locked);
    let opening = Opening::new(NOW).keystore(Arc::new(home.keystore.clone())).means(means);
    reads(SqliteVault::open_with(&home.path(), &opening));
    home.keystore.heal();
    // The way back: the keystore gets a key of its own again.
    let keystore = Means::keystore(Arc::new(home.keystore.clone()));
    SqliteVault::open_with(&home.path(), &opening).unwrap().replace_protector(&keystore).unwrap();
    reads(home.open());
}

#[test]
fn means_are_tried_in_their_order_and_the_last_ones_failure_is_told() {
    let home = Home::with_two_records();
    home.open().unwrap().add_protector(&passphrase("right")).unwrap();
    let opening = || Opening::new(NOW).keystore(Arc::new(home.keystore.clone()));
    reads(SqliteVault::open_with(&home.path(), &opening().means(passphrase("wrong"))));
    home.keystore.fail(KeystoreError::Locked);
    let wrong = SqliteVault::open_with(&home.path(), &opening().means(passphrase("wrong")));
    assert!(matches!(wrong, Err(VaultError::WrongPassphrase)));
    let none = SqliteVault::open_with(&home.path(), &opening());
    assert!(matches!(none, Err(VaultError::Keystore(KeystoreError::Locked))));
}

#[test]
fn ways_are_listed_added_and_removed_and_the_last_one_stays() {
    let home = Home::with_two_records();
    let vault = home.open().unwrap();
    let (_, recovery) = code();
    let added = vault.add_protector(&recovery).unwrap();
    assert_eq!(kinds(&vault), ["os-keystore", "recovery-code"]);
    let listed = SqliteVault::protectors_at(&home.path()).unwrap();
    assert_eq!(listed, vault.protectors().unwrap());
    let keystore = listed.iter().find(|slot| slot.kind == "os-keystore").unwrap();
    assert_eq!((keystore.detail.as_str(), added.detail.as_str()), ("memory/1", "hkdf-sha256"));

    vault.remove_protector(&keystore.id).unwrap();
    assert!(matches!(vault.remove_protector(&keystore.id), Err(VaultError::NotFound)));
    assert!(matches!(vault.remove_protector(&added.id), Err(VaultError::Unavailable(_))));
    assert!(home.keystore.inner.names().iter().all(|name| !name.starts_with("kek-")), "its key is gone too");
    drop(vault);
    reads(by(&home, &recovery));
    assert!(matches!(home.open(), Err(VaultError::Unavailable(why)) if why.contains("recovery-code")));
    let nowhere = home.beside("other.db");
    assert!(matches!(SqliteVault::protectors_at(&nowhere), Err(VaultError::NotFound)));
}

#[test]
fn a_way_that_was_removed_cannot_be_put_back_into_the_file() {
    let home = Home::with_two_records();
    let (_, recovery) = code();
    let added = home.open().unwrap().add_protector(&recovery).unwrap();
    let copy = home.beside("yesterday.db");
    std::fs::copy(home.path(), &copy).unwrap();
    home.open().unwrap().remove_protector(&added.id).unwrap();
    assert!(by(&home, &recovery).is_err());
    home.tamper(&format!(
        "ATTACH '{}' AS old; INSERT INTO dek_slot SELECT * FROM old.dek_slot WHERE protector='recovery-code'",
        copy.display()
    ));
    assert!(matches!(by(&home, &recovery), Err(VaultError::Damaged(_))));
    assert!(matches!(home.open(), Err(VaultError::Damaged(_))));
}

#[test]
fn what_a_slot_says_of_its_key_cannot_be_altered() {
    for sql in [
        // Argon2id with less memory, which would make guessing cheap.
        "UPDATE dek_slot SET params=CAST(substr(params,1,4)||x'00000008'||substr(params,9) AS BLOB)",
        "UPDATE dek_slot SET params=CAST(substr(params,1,4)||x'00004c00'||substr(params,9) AS BLOB)",
        "UPDATE dek_slot SET params=x''",
        "UPDATE dek_slot SET kek_ref='other'",
        "UPDATE dek_slot SET alg=2",
        "UPDATE dek_slot SET slot_id=zeroblob(16)",
        "UPDATE dek_slot SET protector='tpm2'",
        "UPDATE dek SET alg=2",
        "UPDATE dek SET alg=3",
        "UPDATE dek_slot SET alg=2; UPDATE dek SET alg=2; UPDATE token SET alg=2",
    ] {
        let home = Home::new();
        by(&home, &passphrase("correct horse")).unwrap().create(&ONE, b"payload one").unwrap();
        home.tamper(sql);
        assert!(by(&home, &passphrase("correct horse")).is_err(), "{sql}");
    }
}

#[test]
fn every_cipher_keeps_a_vault_and_says_so_in_every_row() {
    for (number, aead) in (1..).zip(Aead::ALL) {
        let home = Home::new();
        let opening = Opening::new(NOW).keystore(Arc::new(home.keystore.clone())).aead(aead);
        let vault = SqliteVault::open_with(&home.path(), &opening).unwrap();
        vault.create(&ONE, b"payload zero").unwrap();
        vault.commit(&ONE, 1, b"payload one").unwrap();
        assert_eq!(vault.aead(), aead);
        drop(vault);
        reads(home.open());
        assert_eq!(home.open().unwrap().aead(), aead, "what the vault has counts, not what a new one would have");
        let rows = home.count(&format!("SELECT count(*) FROM token WHERE alg={number}"))
            + home.count(&format!("SELECT count(*) FROM dek WHERE alg={number}"))
            + home.count(&format!("SELECT count(*) FROM dek_slot WHERE alg={number}"));
        assert_eq!(rows, 3);
        let anchor = home.keystore.inner.read(&home.keystore.inner.name_of("anchor-")).unwrap().unwrap();
        assert_eq!(anchor.split('.').nth(5), Some(number.to_string().as_str()));
    }
}

#[test]
fn a_new_key_in_the_keystore_takes_the_place_of_the_old_one() {
    let home = Home::with_two_records();
    let old = home.bytes();
    let keystore = Means::keystore(Arc::new(home.keystore.clone()));
    let added = home.open().unwrap().replace_protector(&keystore).unwrap();
    assert_eq!(added.detail, "memory/2");
    assert!(home.keystore.inner.name_of("kek-").ends_with("-2"));
    reads(home.open());
    home.put(&old);
    assert!(matches!(home.open(), Err(VaultError::KeyLost)), "an older copy opens no more");
}

/// A chip that has a key of its own for each slot, and can be cleared.
struct Chip {
    secret: [u8; 32],
}

impl Protector for Chip {
    fn kind(&self) -> &'static str {
        "tpm2"
    }
    fn make(&self, _: &[u8; 16], _: &[KekRef]) -> Result<(KekRef, Kek), VaultError> {
        let blob = vec![7; 900];
        Ok((KekRef { name: "chip".to_owned(), params: blob }, Kek::of(key_of(self.secret))))
    }
    fn candidates(&self, _: &[u8; 16], reference: &KekRef) -> Result<Candidates, VaultError> {
        assert_eq!(reference.params, [7; 900]);
        let otherwise = VaultError::TpmLost("it was cleared".to_owned());
        Ok(Candidates { keks: vec![Kek::of(key_of(self.secret))], otherwise })
    }
}

#[test]
fn a_chip_can_protect_a_vault_of_a_strategy_of_its_own() {
    let home = Home::new();
    let chip = |secret| Means::of(Arc::new(Chip { secret: [secret; 32] }));
    let anchored = || Opening::new(NOW).anchored_in(Arc::new(home.keystore.clone()));
    let hardware = |secret| SqliteVault::open_with(&home.path(), &anchored().strategy("hardware").means(chip(secret)));
    let vault = hardware(1).unwrap();
    assert_eq!(vault.strategy(), "hardware");
    vault.create(&ONE, b"payload one").unwrap();
    drop(vault);
    reads(hardware(1));
    assert!(matches!(hardware(2), Err(VaultError::TpmLost(_))));
    let other = SqliteVault::open_with(&home.path(), &anchored().means(chip(1)));
    assert!(matches!(other, Err(VaultError::Unavailable(why)) if why.contains("hardware")));
    assert!(matches!(home.open(), Err(VaultError::Unavailable(why)) if why.contains("tpm2")));
    assert!(home.keystore.inner.names().iter().all(|name| name.starts_with("anchor-")));
}

#[test]
fn a_change_of_the_passphrase_shuts_the_old_one_out() {
    let home = Home::new();
    let vault = by(&home, &passphrase("old")).unwrap();
    vault.create(&ONE, b"payload one").unwrap();
    vault.replace_protector(&passphrase("new")).unwrap();
    drop(vault);
    reads(by(&home, &passphrase("new")));
    assert!(matches!(by(&home, &passphrase("old")), Err(VaultError::WrongPassphrase)));
}

#[test]
fn a_rekey_of_the_keystore_that_fails_at_any_call_leaves_a_vault_that_opens_and_ends_when_done_again() {
    let mut stopped = 0;
    for nth in 1..30 {
        let home = Home::with_two_records();
        let keystore = Means::keystore(Arc::new(home.keystore.clone()));
        // Without an anchor, so that the calls are those of the rekey.
        let vault = by(&home, &keystore).unwrap();
        home.keystore.fail_nth_call(nth, KeystoreError::TimedOut);
        let rekeyed = vault.replace_protector(&keystore);
        home.keystore.heal();
        drop(vault);
        reads(by(&home, &keystore));
        if rekeyed.is_ok() {
            break;
        }
        stopped += 1;
        by(&home, &keystore).unwrap().replace_protector(&keystore).unwrap();
        reads(by(&home, &keystore));
        assert!(!home.keystore.inner.name_of("kek-").ends_with("-1"));
    }
    assert!((4..29).contains(&stopped), "{stopped}");
}

#[test]
fn a_rekey_of_the_keystore_can_crash_before_any_of_its_steps() {
    let home = Home::with_two_records();
    let keystore = Means::keystore(Arc::new(home.keystore.clone()));
    let vault = by(&home, &keystore).unwrap();
    let crashes = crashes::before_each_commit(&home, &vault);
    vault.replace_protector(&keystore).unwrap();
    drop(vault);
    let crashed = crashes.take();
    assert_eq!(crashed.len(), 2, "a slot added, a slot deleted");
    for crash in crashed {
        let keystore = Means::keystore(Arc::new(crash.keystore.clone()));
        reads(by(&crash, &keystore));
        by(&crash, &keystore).unwrap().replace_protector(&keystore).unwrap();
        reads(by(&crash, &keystore));
        assert!(!crash.keystore.inner.name_of("kek-").ends_with("-1"));
    }
}
