use super::{Home, ONE, TWO};
use crate::keystore::Keystore;
use crate::{KeystoreError, Vault, VaultError};

fn anchor_epoch(home: &Home) -> u64 {
    let keystore = &home.keystore.inner;
    let text = keystore.read(&keystore.name_of("anchor-")).unwrap().unwrap();
    text.split('.').nth(1).unwrap().parse().unwrap()
}

#[test]
fn an_older_copy_of_the_file_is_noticed() {
    let home = Home::with_two_records();
    let yesterday = home.bytes();
    home.open().unwrap().commit(&ONE, 1, b"successor").unwrap();
    let today = home.bytes();
    home.put(&yesterday);
    assert!(matches!(home.open(), Err(VaultError::RolledBack { found: 3, expected: 4 })));
    assert_eq!(home.bytes(), yesterday, "left for inspection");
    home.put(&today);
    assert_eq!(home.open().unwrap().load(&ONE).unwrap().unwrap().payload.as_slice(), b"successor");
}

#[test]
fn a_begun_attempt_cannot_be_rolled_back_either() {
    let home = Home::with_two_records();
    let before = home.bytes();
    home.open()
        .unwrap()
        .begin_attempt(&ONE, 1, None, &crate::Attempt { idempotency_key: [1; 16], started_at_ms: 1 })
        .unwrap();
    home.put(&before);
    assert!(matches!(home.open(), Err(VaultError::RolledBack { .. })));
}

#[test]
fn another_history_of_the_same_length_is_noticed() {
    let home = Home::with_two_records();
    let before = home.bytes();
    let one = home.open().unwrap();
    one.commit(&ONE, 1, b"ours").unwrap();
    drop(one);
    // The same vault writes another successor while its anchor is hidden.
    let (ours, name) = (home.bytes(), home.keystore.inner.name_of("anchor-"));
    let anchor = home.keystore.inner.read(&name).unwrap().unwrap();
    home.keystore.inner.delete(&name).unwrap();
    home.put(&before);
    home.open().unwrap().commit(&ONE, 1, b"theirs").unwrap();
    home.keystore.inner.write(&name, &anchor).unwrap();
    assert!(matches!(home.open(), Err(VaultError::RolledBack { found: 4, expected: 4 })));
    home.put(&ours);
    assert!(home.open().is_ok());
}

#[test]
fn a_file_that_goes_back_while_it_is_open_is_noticed() {
    let home = Home::with_two_records();
    let vault = home.open().unwrap();
    // Another process, as it were, writes the older content into the same file through SQLite's own locks.
    let copy = home.beside("copy.db");
    std::fs::copy(home.path(), &copy).unwrap();
    vault.commit(&ONE, 1, b"successor").unwrap();
    let attack = rusqlite::Connection::open(home.path()).unwrap();
    attack
        .execute_batch(&format!(
            "ATTACH '{}' AS old; BEGIN; PRAGMA foreign_keys=OFF; DELETE FROM token; INSERT INTO token SELECT * FROM old.token;
             DELETE FROM vault; INSERT INTO vault SELECT * FROM old.vault; COMMIT;",
            copy.display()
        ))
        .unwrap();
    assert!(matches!(vault.load(&ONE), Err(VaultError::RolledBack { found: 3, expected: 4 })));
    assert!(matches!(vault.create(&super::GrantId::from_bytes([9; 16]), b""), Err(VaultError::RolledBack { .. })));
}

#[test]
fn a_commit_does_not_wait_for_the_keystore() {
    let home = Home::with_two_records();
    let vault = home.open().unwrap();
    let gate = home.keystore.hold_writes();
    vault.commit(&ONE, 1, b"successor").unwrap();
    gate.await_writer();
    // The keystore hangs in the write of the first anchor; three more commits return all the same.
    for generation in 1..4 {
        vault.commit(&TWO, generation, b"successor").unwrap();
    }
    assert_eq!(anchor_epoch(&home), 3);
    let before = home.keystore.calls();
    drop(gate);
    vault.flush_anchor();
    assert_eq!(anchor_epoch(&home), 7);
    assert!(home.keystore.calls() - before <= 3, "anchors that were overtaken are not written");
}

#[test]
fn a_keystore_that_takes_no_anchor_costs_no_commit_and_is_caught_up_with() {
    let home = Home::with_two_records();
    home.keystore.fail_writes(KeystoreError::Locked);
    let vault = home.open().unwrap();
    for generation in 1..100 {
        vault.commit(&ONE, generation, b"successor").unwrap();
    }
    drop(vault);
    assert_eq!(anchor_epoch(&home), 3);
    // More than 64 behind, and still nobody is locked out.
    drop(home.open().unwrap());
    home.keystore.heal();
    drop(home.open().unwrap());
    assert_eq!(anchor_epoch(&home), 102);
}

#[test]
fn a_missing_or_foreign_anchor_is_made_anew() {
    let home = Home::with_two_records();
    let name = home.keystore.inner.name_of("anchor-");
    home.keystore.inner.delete(&name).unwrap();
    drop(home.open().unwrap());
    assert_eq!(anchor_epoch(&home), 3);
    home.keystore.inner.write(&name, "pa1.999.AAAAAAAAAAAAAAAAAAAAAA.1.sqlite-aead.AAAAAAAAAAAAAAAAAAAAAA").unwrap();
    drop(home.open().unwrap());
    assert_eq!(anchor_epoch(&home), 3, "nobody without the key can lock the vault with an anchor");
}

#[test]
fn two_handles_that_commit_in_turn_leave_a_vault_that_opens() {
    let home = Home::with_two_records();
    let (one, other) = (home.open().unwrap(), home.open().unwrap());
    for generation in (1..40).step_by(2) {
        one.commit(&ONE, generation, b"one").unwrap();
        other.commit(&ONE, generation + 1, b"other").unwrap();
    }
    drop((one, other));
    assert_eq!(anchor_epoch(&home), 43);
    assert!(home.open().is_ok());
}

#[test]
fn opening_while_another_process_commits_is_never_taken_for_a_rollback() {
    let home = Home::with_two_records();
    let writer = home.open().unwrap();
    std::thread::scope(|scope| {
        let busy = scope.spawn(|| {
            for generation in 1..60 {
                writer.commit(&ONE, generation, b"successor").unwrap();
            }
        });
        while !busy.is_finished() {
            home.open().unwrap();
        }
    });
}
