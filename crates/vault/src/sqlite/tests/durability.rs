use super::{Home, NOW, ONE, TWO};
use crate::sqlite::SqliteVault;
use crate::{GrantId, Vault, VaultError};
use rusqlite::Connection;
use std::sync::Barrier;

#[test]
fn what_was_committed_is_there_after_reopening() {
    let home = Home::with_two_records();
    let attempt = crate::Attempt { idempotency_key: [3; 16], started_at_ms: -1 };
    let vault = home.open().unwrap();
    vault.commit(&ONE, 1, b"successor").unwrap();
    vault.begin_attempt(&ONE, 2, None, &attempt).unwrap();
    vault.remove(&TWO).unwrap();
    drop(vault);
    let vault = home.open().unwrap();
    let record = vault.load(&ONE).unwrap().unwrap();
    assert_eq!((record.generation, record.payload.as_slice()), (2, &b"successor"[..]));
    assert_eq!(record.attempt, Some(attempt));
    assert!(vault.load(&TWO).unwrap().is_none());
}

#[test]
fn processes_that_make_the_vault_at_the_same_time_end_with_the_same_one() {
    let home = Home::new();
    let start = Barrier::new(6);
    std::thread::scope(|scope| {
        for number in 0..6_u8 {
            let (home, start) = (&home, &start);
            scope.spawn(move || {
                start.wait();
                home.open().unwrap().create(&GrantId::from_bytes([number; 16]), &[number]).unwrap();
            });
        }
    });
    assert_eq!(home.open().unwrap().list().unwrap().len(), 6);
    assert_eq!(home.keystore.inner.names().len(), 2, "one key and one anchor");
}

#[test]
fn what_a_crashed_creation_left_behind_is_cleared_away() {
    let home = Home::new();
    drop(home.open());
    std::fs::remove_file(home.path()).unwrap();
    std::fs::write(home.beside("vault.db.new"), "half").unwrap();
    std::fs::write(home.beside("vault.db.new-journal"), "half").unwrap();
    home.open().unwrap().create(&ONE, b"payload").unwrap();
    assert!(!home.beside("vault.db.new").exists() && !home.beside("vault.db.new-journal").exists());
}

#[test]
fn a_full_disk_is_told_and_loses_nothing() {
    let home = Home::with_two_records();
    let vault = home.open().unwrap();
    let limit = |pages: &str| {
        let database = vault.database();
        database.connection.query_row(&format!("PRAGMA max_page_count={pages}"), (), |_| Ok(())).unwrap();
    };
    limit("1");
    let large = vec![1; 30_000];
    assert!(matches!(vault.commit(&ONE, 1, &large), Err(VaultError::Io(_))));
    assert!(matches!(vault.create(&GrantId::from_bytes([3; 16]), &large), Err(VaultError::Io(_))));
    let record = vault.load(&ONE).unwrap().unwrap();
    assert_eq!((record.generation, record.payload.as_slice()), (1, &b"payload one"[..]));
    limit("100000");
    assert_eq!(vault.commit(&ONE, 1, &large).unwrap(), 2);
    drop(vault);
    assert_eq!(home.open().unwrap().load(&ONE).unwrap().unwrap().payload.len(), 30_000);
}

#[test]
fn a_vault_that_somebody_holds_is_busy_and_works_again_afterwards() {
    let home = Home::with_two_records();
    let vault = home.open().unwrap();
    vault.database().connection.busy_timeout(std::time::Duration::ZERO).unwrap();
    let holder = Connection::open(home.path()).unwrap();
    holder.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert!(matches!(vault.commit(&ONE, 1, b"successor"), Err(VaultError::Busy)));
    assert_eq!(vault.load(&ONE).unwrap().unwrap().generation, 1, "reading waits for nobody");
    holder.execute_batch("ROLLBACK").unwrap();
    assert_eq!(vault.commit(&ONE, 1, b"successor").unwrap(), 2);
}

#[test]
fn a_reader_that_stays_keeps_nobody_from_committing_and_sees_what_it_saw() {
    let home = Home::with_two_records();
    let vault = home.open().unwrap();
    let reader = Connection::open(home.path()).unwrap();
    let seen = || reader.query_row("SELECT sum(seq) FROM token", (), |row| row.get::<_, i64>(0)).unwrap();
    reader.execute_batch("BEGIN").unwrap();
    assert_eq!(seen(), 2);
    assert_eq!(vault.commit(&ONE, 1, b"successor").unwrap(), 2);
    vault.flush_log();
    assert_eq!(seen(), 2, "the log is not emptied under a reader");
    reader.execute_batch("ROLLBACK").unwrap();
    assert_eq!(seen(), 3);
}

#[test]
fn the_log_is_empty_soon_after_a_commit_and_gone_once_the_vault_is_closed() {
    let home = Home::with_two_records();
    let log = home.beside("vault.db-wal");
    let length = || std::fs::metadata(&log).map(|found| found.len()).unwrap_or(0);
    let vault = home.open().unwrap();
    let attempt = crate::Attempt { idempotency_key: [3; 16], started_at_ms: 1 };
    vault.begin_attempt(&ONE, 1, None, &attempt).unwrap();
    vault.flush_log();
    assert!(length() > 0, "left for the commit that follows");
    vault.commit(&ONE, 1, b"successor").unwrap();
    vault.flush_log();
    assert_eq!(length(), 0);
    assert!(!vault.changed_elsewhere().unwrap(), "emptying the log is no change");
    vault.begin_attempt(&ONE, 2, None, &attempt).unwrap();
    drop(vault);
    assert!(!log.exists() && !home.beside("vault.db-shm").exists());
    assert!(home.open().unwrap().load(&ONE).unwrap().unwrap().attempt.is_some());
}

#[test]
fn own_writes_and_an_emptied_log_do_not_make_the_rows_be_summed_up_again() {
    let home = Home::with_two_records();
    let (vault, other) = (home.open().unwrap(), home.open().unwrap());
    let verified = |vault: &SqliteVault| {
        let database = vault.database();
        database.verified == Some(crate::sqlite::data_version(&database.connection).unwrap())
    };
    for generation in 1..6 {
        vault.commit(&ONE, generation, b"successor").unwrap();
        vault.flush_log();
        assert!(verified(&vault), "{generation}");
    }
    assert!(!verified(&other), "somebody else wrote");
    other.load(&ONE).unwrap();
    assert!(verified(&other));
}

/// Windows moves no file that is open.
#[cfg(unix)]
#[test]
fn a_write_to_a_file_that_was_moved_away_is_an_error() {
    let home = Home::with_two_records();
    let vault = home.open().unwrap();
    std::fs::rename(home.path(), home.beside("moved.db")).unwrap();
    assert!(matches!(vault.commit(&ONE, 1, b"successor"), Err(VaultError::Io(_))));
}

#[test]
fn the_settings_of_the_connection_are_the_safe_ones() {
    let home = Home::new();
    let vault = home.open().unwrap();
    let database = vault.database();
    let journal: String = database.connection.pragma_query_value(None, "journal_mode", |row| row.get(0)).unwrap();
    assert_eq!(journal, "wal");
    for (pragma, expected) in [
        ("synchronous", 3),
        ("secure_delete", 1),
        ("foreign_keys", 1),
        ("recursive_triggers", 0),
        ("trusted_schema", 0),
        ("cell_size_check", 1),
        ("mmap_size", 0),
        ("temp_store", 2),
        ("busy_timeout", 5000),
    ] {
        let actual: i64 = database.connection.pragma_query_value(None, pragma, |row| row.get(0)).unwrap();
        assert_eq!(actual, expected, "{pragma}");
    }
    assert!(database.connection.execute_batch("PRAGMA writable_schema=ON; UPDATE sqlite_schema SET sql=''").is_err());
}

#[test]
fn an_unusable_vault_is_set_aside_whole_and_a_new_one_takes_its_place() {
    let home = Home::with_two_records();
    home.put(b"garbage");
    std::fs::write(home.beside("vault.db-journal"), "hot").unwrap();
    let aside = SqliteVault::set_aside(&home.path(), NOW).unwrap();
    assert!(aside.ends_with(format!("vault.db.lost-{NOW}")));
    assert_eq!(std::fs::read(&aside).unwrap(), b"garbage");
    assert_eq!(std::fs::read(home.beside(&format!("vault.db.lost-{NOW}-journal"))).unwrap(), b"hot");
    assert!(home.open().unwrap().list().unwrap().is_empty());
    // A second time within the same millisecond overwrites nothing.
    let again = SqliteVault::set_aside(&home.path(), NOW).unwrap();
    assert!(again.ends_with(format!("vault.db.lost-{}", NOW + 1)));
    assert_eq!(std::fs::read(&aside).unwrap(), b"garbage");
    assert!(matches!(SqliteVault::set_aside(&home.path(), NOW), Err(VaultError::NotFound)));
}

#[test]
fn a_journal_without_its_vault_is_damage_until_it_is_set_aside() {
    let home = Home::with_two_records();
    std::fs::remove_file(home.path()).unwrap();
    std::fs::write(home.beside("vault.db-journal"), "planted").unwrap();
    assert!(matches!(home.open(), Err(VaultError::Damaged(_))));
    SqliteVault::set_aside(&home.path(), NOW).unwrap();
    assert!(home.open().is_ok());
}
