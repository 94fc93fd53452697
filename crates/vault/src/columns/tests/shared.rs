use super::{ONE, Site, TWO, names};
use crate::{Attempt, GrantId, Vault, VaultError};
use std::path::Path;
use std::sync::Barrier;

pub(super) fn what_was_committed_is_there_after_reopening<S: Site>() {
    let site = S::with_two_records();
    let attempt = Attempt { idempotency_key: [3; 16], started_at_ms: -1 };
    let vault = site.open().unwrap();
    vault.commit(&ONE, 1, b"successor").unwrap();
    vault.begin_attempt(&ONE, 2, None, &attempt).unwrap();
    vault.remove(&TWO).unwrap();
    drop(vault);
    let vault = site.open().unwrap();
    let record = vault.load(&ONE).unwrap().unwrap();
    assert_eq!((record.generation, record.payload.as_slice()), (2, &b"successor"[..]));
    assert_eq!(record.attempt, Some(attempt));
    assert!(vault.load(&TWO).unwrap().is_none());
}

pub(super) fn many_that_make_the_vault_at_the_same_time_end_with_the_same_one<S: Site>() {
    let site = S::new();
    let start = Barrier::new(6);
    std::thread::scope(|scope| {
        for number in 0..6_u8 {
            let (site, start) = (&site, &start);
            scope.spawn(move || {
                start.wait();
                site.open().unwrap().create(&GrantId::from_bytes([number; 16]), &[number]).unwrap();
            });
        }
    });
    assert_eq!(site.open().unwrap().list().unwrap().len(), 6);
}

pub(super) fn what_a_crashed_creation_left_behind_is_cleared_away<S: Site>() {
    let site = S::new();
    drop(site.open());
    std::fs::remove_file(site.file()).unwrap();
    std::fs::write(site.beside(".new"), "half").unwrap();
    std::fs::write(site.beside(".new-journal"), "half").unwrap();
    site.open().unwrap().create(&ONE, b"payload").unwrap();
    assert_eq!(names(&site.home()), [S::FILE, "vault.lock"]);
}

pub(super) fn a_vault_that_somebody_holds_is_busy_and_works_again_afterwards<S: Site>() {
    let site = S::with_two_records();
    let vault = site.open().unwrap();
    vault.database().connection.busy_timeout(std::time::Duration::ZERO).unwrap();
    let holder = site.foreign();
    holder.execute_batch("BEGIN EXCLUSIVE").unwrap();
    assert!(matches!(vault.commit(&ONE, 1, b"successor"), Err(VaultError::Busy)));
    holder.execute_batch("ROLLBACK").unwrap();
    assert_eq!(vault.commit(&ONE, 1, b"successor").unwrap(), 2);
}

pub(super) fn an_unusable_vault_is_set_aside_whole_and_a_new_one_takes_its_place<S: Site>() {
    let site = S::with_two_records();
    site.put(b"garbage");
    std::fs::write(site.beside("-journal"), "hot").unwrap();
    let aside = site.set_aside().unwrap();
    assert!(aside.ends_with(format!("{}.lost-{}", S::FILE, super::NOW)));
    assert_eq!(std::fs::read(&aside).unwrap(), b"garbage");
    assert!(!site.file().exists());
    assert!(site.open().unwrap().list().unwrap().is_empty());
    // A second time within the same millisecond overwrites nothing.
    assert!(site.set_aside().unwrap().ends_with(format!("{}.lost-{}", S::FILE, super::NOW + 1)));
    assert_eq!(std::fs::read(&aside).unwrap(), b"garbage");
    assert!(matches!(site.set_aside(), Err(VaultError::NotFound)));
}

pub(super) fn a_journal_without_its_vault_is_damage_until_it_is_set_aside<S: Site>() {
    let site = S::with_two_records();
    std::fs::remove_file(site.file()).unwrap();
    std::fs::write(site.beside("-journal"), "planted").unwrap();
    assert!(matches!(site.open(), Err(VaultError::Damaged(_))));
    site.set_aside().unwrap();
    assert!(site.open().is_ok());
}

pub(super) fn a_removed_vault_leaves_nothing_but_its_lock<S: Site>() {
    let site = S::new();
    site.remove_whole().unwrap();
    assert!(!site.home().exists());
    drop(site.open().unwrap());
    std::fs::write(site.beside(".new"), "half").unwrap();
    site.remove_whole().unwrap();
    site.remove_whole().unwrap();
    assert_eq!(names(&site.home()), ["vault.lock"]);
}

pub(super) fn the_settings_of_the_connection_are_the_safe_ones<S: Site>() {
    let site = S::new();
    let vault = site.open().unwrap();
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
        let actual: i64 = vault.database().connection.pragma_query_value(None, pragma, |row| row.get(0)).unwrap();
        assert_eq!(actual, expected, "{pragma}");
    }
}

pub(super) fn a_schema_with_anything_of_somebody_elses_is_refused<S: Site>() {
    for sql in [
        "CREATE TRIGGER spy AFTER UPDATE ON record BEGIN DELETE FROM record; END",
        "CREATE VIEW more AS SELECT * FROM record",
        "CREATE TABLE more(x)",
        "CREATE INDEX more ON record(generation)",
        "ALTER TABLE record ADD COLUMN more INTEGER",
        "DROP TABLE record",
        "PRAGMA application_id=1",
        "PRAGMA user_version=0",
        "PRAGMA journal_mode=WAL",
        "DELETE FROM vault",
    ] {
        let site = S::with_two_records();
        site.tamper(sql);
        assert!(matches!(site.open(), Err(VaultError::Damaged(_))), "{sql}");
    }
    let site = S::with_two_records();
    site.tamper("PRAGMA user_version=7");
    assert!(matches!(site.open(), Err(VaultError::NewerFormat(7))));
}

pub(super) fn a_file_that_goes_back_while_it_is_open_is_noticed<S: Site>() {
    let site = S::with_two_records();
    let vault = site.open().unwrap();
    vault.commit(&ONE, 1, b"successor").unwrap();
    site.tamper("UPDATE vault SET epoch=3");
    assert!(matches!(vault.load(&ONE), Err(VaultError::RolledBack { found: 3, expected: 4 })));
    assert!(matches!(vault.remove(&ONE), Err(VaultError::RolledBack { .. })));
}

pub(super) fn what_is_not_a_vault_is_never_overwritten<S: Site>() {
    let site = S::with_two_records();
    for garbage in [&b""[..], b"<html>Sign in to the hotel's network</html>", &[0; 8192], b"SQLite format 3\0"] {
        site.put(garbage);
        assert!(matches!(site.open(), Err(VaultError::Damaged(_))), "{}", garbage.len());
        assert_eq!(site.bytes(), garbage);
    }
}

pub(super) fn a_relative_home_is_refused<S: Site>() {
    let site = S::new();
    for home in ["file:/tmp", "app", ""] {
        assert!(matches!(site.open_at(Path::new(home)), Err(VaultError::UnsafePath(_))), "{home}");
    }
}

pub(super) fn debug_shows_the_path_and_the_strategy_alone<S: Site>() {
    let site = S::with_two_records();
    let vault = site.open().unwrap();
    let expected = format!("ColumnVault {{ strategy: {:?}, path: {:?}, .. }}", vault.strategy(), vault.path);
    assert_eq!(format!("{vault:?}"), expected);
}

/// Windows moves no file that is open.
#[cfg(unix)]
pub(super) fn a_write_to_a_file_that_was_moved_away_is_an_error<S: Site>() {
    let site = S::with_two_records();
    let vault = site.open().unwrap();
    std::fs::rename(site.file(), site.beside(".moved")).unwrap();
    assert!(matches!(vault.commit(&ONE, 1, b"successor"), Err(VaultError::Io(_))));
}

#[cfg(unix)]
pub(super) fn the_folder_is_0700_and_every_file_0600<S: Site>() {
    use std::os::unix::fs::PermissionsExt;
    let site = S::with_two_records();
    // In the middle of a transaction the journal is there too.
    let other = site.foreign();
    other.execute_batch("BEGIN IMMEDIATE; UPDATE vault SET epoch=epoch+1").unwrap();
    let mode = |path: &std::path::Path| path.symlink_metadata().unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode(&site.home()), 0o700);
    assert_eq!(names(&site.home()), [S::FILE.to_owned(), format!("{}-journal", S::FILE), "vault.lock".to_owned()]);
    for name in names(&site.home()) {
        assert_eq!(mode(&site.home().join(&name)), 0o600, "{name}");
    }
}

#[cfg(unix)]
pub(super) fn a_symbolic_link_or_a_second_name_is_refused<S: Site>() {
    let site = S::with_two_records();
    std::fs::hard_link(site.file(), site.beside(".second")).unwrap();
    assert!(matches!(site.open(), Err(VaultError::UnsafePath(_))));
    std::fs::remove_file(site.file()).unwrap();
    std::os::unix::fs::symlink(site.beside(".second"), site.file()).unwrap();
    assert!(matches!(site.open(), Err(VaultError::UnsafePath(_))));
    std::fs::remove_file(site.beside(".second")).unwrap();
    assert!(matches!(site.open(), Err(VaultError::UnsafePath(_))), "a link to nothing is a link");
}
