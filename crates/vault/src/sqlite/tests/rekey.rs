//! A new data key, interrupted everywhere.

use super::{Home, NOW, ONE, TWO, crashes};
use crate::sqlite::SqliteVault;
use crate::{Aead, Attempt, GrantId, Listed, Means, Opening, RecoveryCode, Vault, VaultError};
use std::sync::Arc;

const RECORDS: u8 = 7;

fn attempt() -> Attempt {
    Attempt { idempotency_key: [9; 16], started_at_ms: 5 }
}

fn id(number: u8) -> GrantId {
    GrantId::from_bytes([number; 16])
}

fn keystore(home: &Home) -> Means {
    Means::keystore(Arc::new(home.keystore.clone()))
}

/// Some records, one of which has an open attempt.
fn filled() -> Home {
    let home = Home::new();
    let vault = home.open().unwrap();
    for number in 1..=RECORDS {
        vault.create(&id(number), &[number; 300]).unwrap();
    }
    vault.commit(&ONE, 1, &[1; 300]).unwrap();
    vault.begin_attempt(&TWO, 1, None, &attempt()).unwrap();
    drop(vault);
    home
}

fn assert_whole(vault: &SqliteVault) {
    let listed = vault.list().unwrap();
    assert_eq!(listed.len(), usize::from(RECORDS));
    for (number, listed) in (1..).zip(listed) {
        let Listed::Record(record) = listed else { panic!("{listed:?}") };
        assert_eq!((record.id, record.payload.as_slice()), (id(number), &[number; 300][..]));
        assert_eq!(record.generation, if number == 1 { 2 } else { 1 });
        assert_eq!(record.attempt, (number == 2).then(attempt));
    }
}

fn deks(home: &Home) -> i64 {
    home.count("SELECT count(*) FROM dek")
}

#[test]
fn everything_is_sealed_again_under_the_new_key_and_the_old_one_is_gone() {
    let home = filled();
    for (turn, aead) in [Aead::XChaCha20Poly1305, Aead::Aes256GcmSiv, Aead::Aes256Gcm].into_iter().enumerate() {
        let vault = home.open().unwrap();
        vault.rekey_data(aead, &[keystore(&home)], NOW).unwrap();
        assert_eq!(vault.aead(), aead);
        assert_whole(&vault);
        drop(vault);
        assert_whole(&home.open().unwrap());
        assert_eq!(deks(&home), 1);
        let dek = turn + 2;
        assert_eq!(home.count(&format!("SELECT count(*) FROM token WHERE dek_id={dek}")), i64::from(RECORDS));
        assert_eq!(home.count(&format!("SELECT count(*) FROM dek_slot WHERE dek_id<>{dek}")), 0);
    }
}

#[test]
fn an_older_copy_with_the_older_key_is_still_held_against_the_anchor() {
    let home = filled();
    let old = home.bytes();
    home.open().unwrap().rekey_data(Aead::Aes256Gcm, &[keystore(&home)], NOW).unwrap();
    let new = home.bytes();
    home.put(&old);
    assert!(matches!(home.open(), Err(VaultError::RolledBack { .. })));
    home.put(&new);
    assert_whole(&home.open().unwrap());
}

#[test]
fn a_rekey_can_crash_before_any_of_its_steps_and_is_ended_by_whoever_comes_next() {
    let home = filled();
    let vault = home.open().unwrap();
    let crashes = crashes::before_each_commit(&home, &vault);
    vault.begin_rekey(Aead::XChaCha20Poly1305, &[keystore(&home)], NOW).unwrap();
    vault.finish_in_batches(2).unwrap();
    drop(vault);
    let crashed = crashes.take();
    assert_eq!(crashed.len(), 6, "taken over, four batches, dropped");
    for (step, crash) in crashed.iter().enumerate() {
        let vault = crash.open().unwrap();
        assert_whole(&vault);
        // It can be written too before the rekey is ended.
        vault.begin_attempt(&id(3), 1, None, &attempt()).unwrap();
        vault.end_attempt(&id(3), 1, &attempt()).unwrap();
        let expected = if step == 0 { Aead::Aes256Gcm } else { Aead::XChaCha20Poly1305 };
        assert_eq!(vault.aead(), expected, "{step}");
        vault.finish_rekey().unwrap();
        assert_whole(&vault);
        drop(vault);
        assert_eq!(deks(crash), 1, "{step}");
        assert_whole(&crash.open().unwrap());
    }
}

#[test]
fn another_handle_goes_on_while_the_key_changes_under_it() {
    let home = filled();
    let (one, other) = (home.open().unwrap(), home.open().unwrap());
    one.begin_rekey(Aead::XChaCha20Poly1305, &[keystore(&home)], NOW).unwrap();
    assert_whole(&other);
    other.commit(&id(7), 1, b"by the new key").unwrap();
    other.remove(&id(6)).unwrap();
    other.create(&id(6), b"again").unwrap();
    one.finish_rekey().unwrap();
    assert_eq!(other.load(&id(7)).unwrap().unwrap().payload.as_slice(), b"by the new key");
    other.finish_rekey().unwrap();
    other.rekey_data(Aead::Aes256Gcm, &[keystore(&home)], NOW).unwrap();
    assert_eq!(one.load(&id(6)).unwrap().unwrap().payload.as_slice(), b"again");
    one.verify().unwrap();
    drop((one, other));
    assert_eq!(deks(&home), 1);
}

#[test]
fn no_way_to_open_the_vault_is_lost_by_a_rekey() {
    let home = filled();
    let code = RecoveryCode::make().unwrap();
    let recovery = Means::recovery_code(RecoveryCode::parse(&code.to_text()).unwrap());
    let vault = home.open().unwrap();
    vault.add_protector(&recovery).unwrap();
    let refused = vault.rekey_data(Aead::Aes256Gcm, &[keystore(&home)], NOW);
    assert!(matches!(refused, Err(VaultError::Unavailable(why)) if why.contains("recovery-code")));
    let wrong = Means::recovery_code(RecoveryCode::make().unwrap());
    let refused = vault.rekey_data(Aead::Aes256Gcm, &[keystore(&home), wrong], NOW);
    assert!(matches!(refused, Err(VaultError::WrongRecoveryCode)));
    vault.rekey_data(Aead::Aes256Gcm, &[keystore(&home), recovery.clone()], NOW).unwrap();
    drop(vault);
    assert_whole(&home.open().unwrap());
    assert_whole(&SqliteVault::open_with(&home.path(), &Opening::new(NOW).means(recovery)).unwrap());
}

#[test]
fn a_record_that_does_not_open_keeps_its_key_until_it_is_removed() {
    let home = filled();
    home.tamper("UPDATE token SET ct=zeroblob(length(ct)) WHERE record_id=x'03030303030303030303030303030303'");
    let vault = home.open().unwrap();
    let rekeyed = vault.rekey_data(Aead::Aes256GcmSiv, &[keystore(&home)], NOW);
    assert!(matches!(rekeyed, Err(VaultError::Tampered(damaged)) if damaged == id(3)));
    assert!(matches!(vault.load(&id(3)), Err(VaultError::Tampered(_))));
    assert_eq!(vault.load(&id(4)).unwrap().unwrap().payload.as_slice(), [4; 300]);
    vault.remove(&id(3)).unwrap();
    vault.finish_rekey().unwrap();
    drop(vault);
    assert_eq!((deks(&home), home.open().unwrap().list().unwrap().len()), (1, 6));
}

#[test]
fn the_older_key_of_a_rekey_under_way_cannot_be_swapped_or_dropped() {
    for sql in [
        "UPDATE dek_slot SET ct=zeroblob(48) WHERE protector='dek'",
        "DELETE FROM dek_slot WHERE protector='dek'",
        "UPDATE dek SET status=1",
        "UPDATE dek SET status=2",
        "UPDATE dek SET kcv=zeroblob(16) WHERE status=2",
        "UPDATE vault SET dek_id=1",
        "DELETE FROM dek WHERE status=2",
    ] {
        let home = filled();
        home.open().unwrap().begin_rekey(Aead::Aes256GcmSiv, &[keystore(&home)], NOW).unwrap();
        home.tamper(sql);
        assert!(matches!(home.open(), Err(VaultError::Damaged(_))), "{sql}");
    }
}
