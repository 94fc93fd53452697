//! Vaults that earlier versions made, kept with what was in their keystore: they open for ever.

use super::{Home, NOW, ONE, TWO};
use crate::keystore::{Keystore, MemoryKeystore};
use crate::sqlite::SqliteVault;
use crate::sqlite::schema::{FORMAT, TABLES};
use crate::{Aead, Attempt, Means, Opening, RecoveryCode, Vault, VaultError};
use rusqlite::Connection;
use secrecy::SecretString;
use std::path::PathBuf;

fn golden(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden").join(name)
}

/// The text of the recovery code, which is kept beside the entries.
fn recovery_code(name: &str) -> Option<SecretString> {
    let texts = std::fs::read_to_string(golden(&format!("{name}.keystore"))).unwrap();
    texts.lines().find_map(|line| line.strip_prefix("recovery-code ")).map(SecretString::from)
}

/// A home with a copy of this vault.
fn home_of(name: &str) -> Home {
    let home = Home::new();
    std::fs::create_dir_all(home.beside("")).unwrap();
    std::fs::copy(golden(&format!("{name}.db")), home.path()).unwrap();
    let texts = std::fs::read_to_string(golden(&format!("{name}.keystore"))).unwrap();
    for (entry, secret) in texts.lines().filter_map(|line| line.split_once(' ')) {
        if entry != "recovery-code" {
            home.keystore.inner.plant(entry, secret);
        }
    }
    home
}

fn assert_content(vault: &SqliteVault, one: (u64, &[u8])) {
    let record = vault.load(&ONE).unwrap().unwrap();
    assert_eq!((record.generation, record.payload.as_slice()), one);
    assert_eq!(record.attempt, None);
    let record = vault.load(&TWO).unwrap().unwrap();
    assert_eq!((record.generation, record.payload.as_slice()), (1, &b"payload two"[..]));
    assert_eq!(record.attempt, Some(Attempt { idempotency_key: [7; 16], started_at_ms: 1_700_000_000_123 }));
    assert_eq!(vault.list().unwrap().len(), 2);
}

/// What is in them all but one.
const SECOND: (u64, &[u8]) = (2, b"second payload one");

#[test]
fn a_vault_of_format_1_opens_and_is_brought_forward() {
    let home = home_of("vault-1");
    assert_content(&home.open().unwrap(), SECOND);
    assert_eq!(home.count("PRAGMA user_version"), i64::from(FORMAT));
    let connection = Connection::open(home.path()).unwrap();
    for (name, definition) in TABLES {
        let query = "SELECT sql FROM sqlite_schema WHERE name=?1";
        assert_eq!(connection.query_row(query, [name], |row| row.get::<_, String>(0)).unwrap(), definition);
    }
    drop(connection);
    let vault = home.open().unwrap();
    assert_content(&vault, SECOND);
    vault.commit(&TWO, 1, b"successor").unwrap();
    let keystore: MemoryKeystore = home.keystore.inner.clone();
    vault.rekey_data(Aead::Aes256GcmSiv, &[Means::keystore(std::sync::Arc::new(keystore))], NOW).unwrap();
    drop(vault);
    assert_eq!(home.open().unwrap().load(&TWO).unwrap().unwrap().generation, 2);
}

#[test]
fn a_vault_of_format_2_opens_by_its_keystore_and_by_its_recovery_code() {
    let home = home_of("vault-2");
    assert_content(&home.open().unwrap(), SECOND);
    let code = RecoveryCode::parse(&recovery_code("vault-2").unwrap()).unwrap();
    let opening = Opening::new(NOW).means(Means::recovery_code(code));
    assert_content(&SqliteVault::open_with(&home.path(), &opening).unwrap(), SECOND);
}

#[test]
fn a_vault_of_format_2_in_the_middle_of_a_rekey_opens_and_the_rekey_ends() {
    let home = home_of("vault-2-rekeying");
    let vault = home.open().unwrap();
    let third = (3, &b"third payload one"[..]);
    assert_content(&vault, third);
    assert_eq!(vault.aead(), Aead::XChaCha20Poly1305);
    vault.finish_rekey().unwrap();
    assert_content(&vault, third);
    drop(vault);
    assert_eq!(home.count("SELECT count(*) FROM dek"), 1);
    let code = RecoveryCode::parse(&recovery_code("vault-2-rekeying").unwrap()).unwrap();
    let opening = Opening::new(NOW).means(Means::recovery_code(code));
    assert_content(&SqliteVault::open_with(&home.path(), &opening).unwrap(), third);
}

#[test]
fn a_vault_of_format_1_that_was_altered_or_put_back_is_not_brought_forward() {
    let home = home_of("vault-1");
    let before = home.bytes();
    drop(home.open().unwrap());
    home.put(&before);
    assert!(matches!(home.open(), Err(VaultError::RolledBack { found: 5, expected: 6 })));
    assert_eq!(home.bytes(), before, "left as it is");
    for sql in [
        "DELETE FROM token WHERE hex(record_id) LIKE '01%'",
        "DELETE FROM attempt",
        "UPDATE vault SET epoch=4",
        "UPDATE vault SET format=2",
        "PRAGMA user_version=2",
    ] {
        let home = home_of("vault-1");
        home.tamper(sql);
        let before = home.bytes();
        assert!(matches!(home.open(), Err(VaultError::Damaged(_))), "{sql}");
        assert_eq!(home.bytes(), before, "{sql}");
    }
}

#[test]
fn a_vault_of_format_1_without_its_anchor_is_brought_forward_too() {
    let home = home_of("vault-1");
    home.keystore.inner.delete(&home.keystore.inner.name_of("anchor-")).unwrap();
    drop(home.open().unwrap());
    assert_content(&home.open().unwrap(), SECOND);
    let anchor = home.keystore.inner.read(&home.keystore.inner.name_of("anchor-")).unwrap().unwrap();
    assert!(anchor.starts_with("pa2.6."), "{}", *anchor);
}

#[test]
fn several_processes_may_bring_a_vault_forward_at_once() {
    let home = home_of("vault-1");
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| assert_content(&home.open().unwrap(), SECOND));
        }
    });
    assert_eq!(home.count("SELECT epoch FROM vault"), 6, "once");
}
