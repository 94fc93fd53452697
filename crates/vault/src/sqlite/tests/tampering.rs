use super::{Home, ONE, TWO};
use crate::sqlite::schema::TABLES;
use crate::{Attempt, Listed, Vault, VaultError};

/// Invariant: the old value, or a typed error; never another value, never a panic.
fn assert_old_value_or_error(home: &Home, what: impl std::fmt::Display) {
    let Ok(vault) = home.open() else { return };
    for (id, payload) in [(ONE, b"payload one"), (TWO, b"payload two")] {
        match vault.load(&id) {
            Ok(record) => assert_eq!(record.expect("never `none`").payload.as_slice(), payload, "{what}"),
            Err(error) => drop(error),
        }
    }
    for listed in vault.list().unwrap_or_default() {
        if let Listed::Record(record) = listed {
            let payload = if record.id == ONE { b"payload one" } else { b"payload two" };
            assert_eq!(record.payload.as_slice(), payload, "{what}");
        }
    }
}

/// Every byte that is read of a vault lies in a page that is in use: empty space is passed over.
fn interesting(bytes: &[u8]) -> Vec<usize> {
    (0..bytes.len()).filter(|place| bytes[place.saturating_sub(1)..(place + 2).min(bytes.len())] != [0; 3]).collect()
}

/// Which bits to flip: all of them where somebody has the time, and otherwise one of every third byte in use, another in
/// each run of the tests.
fn bits_of(bytes: &[u8]) -> Vec<(usize, u8)> {
    if super::thorough() {
        return (0..bytes.len()).flat_map(|place| (0..8).map(move |bit| (place, bit))).collect();
    }
    let seed = crate::random::make::<2>().unwrap();
    println!("seed {seed:?}");
    let chosen = interesting(bytes).into_iter().skip(usize::from(seed[0] % 3)).step_by(3);
    chosen.zip((0..8).cycle().skip(usize::from(seed[1] % 8))).collect()
}

#[test]
fn a_flipped_bit_anywhere_gives_the_old_value_or_an_error() {
    let home = Home::with_two_records();
    let whole = home.bytes();
    for (place, bit) in bits_of(&whole) {
        let mut bytes = whole.clone();
        bytes[place] ^= 1 << bit;
        home.put(&bytes);
        assert_old_value_or_error(&home, format_args!("byte {place}, bit {bit}"));
        home.drop_log();
    }
}

#[test]
fn a_flipped_bit_anywhere_in_the_log_gives_the_old_value_or_an_error() {
    let home = Home::with_two_records();
    let vault = home.open().unwrap();
    vault.begin_attempt(&ONE, 1, None, &Attempt { idempotency_key: [1; 16], started_at_ms: 1 }).unwrap();
    let (file, log) = (home.bytes(), std::fs::read(home.log()).unwrap());
    drop(vault);
    assert!(!home.log().exists() && !log.is_empty());
    for (place, bit) in bits_of(&log) {
        let mut bytes = log.clone();
        bytes[place] ^= 1 << bit;
        home.put(&file);
        home.drop_log();
        std::fs::write(home.log(), bytes).unwrap();
        assert_old_value_or_error(&home, format_args!("byte {place}, bit {bit}"));
    }
    home.put(&file);
    std::fs::write(home.log(), &log).unwrap();
    assert!(home.open().unwrap().load(&ONE).unwrap().unwrap().attempt.is_some(), "whole, it is played back");
}

#[test]
fn a_truncated_or_extended_file_gives_the_old_value_or_an_error() {
    let home = Home::with_two_records();
    let whole = home.bytes();
    for length in (0..whole.len()).step_by(509).chain([1, 99, 100, 101, 511, 512, 4095, 4096, whole.len() - 1]) {
        home.put(&whole[..length]);
        // SQLite takes what is missing of the last page for zeros, which it may have been: one tag in 256 ends with one.
        let same = whole.len() - length < 4096 && whole[length..].iter().all(|byte| *byte == 0);
        assert!(same || home.open().is_err(), "{length}");
        assert_eq!(home.bytes().len(), length, "left as it is");
    }
    for tail in [vec![0; 4096], b"junk".repeat(1024), vec![1]] {
        home.put(&[&whole[..], &tail].concat());
        assert_old_value_or_error(&home, tail.len());
    }
}

/// A rollback journal (SQLite file format, section 3) that puts all pages of `old` back.
fn journal_of(old: &[u8], page: usize) -> Vec<u8> {
    let word = |number: usize| u32::try_from(number).unwrap().to_be_bytes();
    let (pages, nonce, sector) = (old.len() / page, 7_u32, 512);
    let mut journal =
        [&[0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7][..], &word(pages), &nonce.to_be_bytes()].concat();
    journal.extend([word(pages), word(sector), word(page)].concat());
    journal.resize(sector, 0);
    for (number, content) in old.chunks(page).enumerate() {
        let sampled = (1..).map(|step| 200 * step).take_while(|back| *back < page).map(|back| content[page - back]);
        let checksum = sampled.fold(nonce, |sum, byte| sum.wrapping_add(byte.into()));
        journal.extend([&word(number + 1)[..], content, &checksum.to_be_bytes()].concat());
    }
    journal
}

#[test]
fn a_planted_journal_that_brings_yesterday_back_is_a_rollback() {
    let home = Home::with_two_records();
    let yesterday = home.bytes();
    home.open().unwrap().commit(&ONE, 1, b"successor").unwrap();
    let today = home.bytes();
    std::fs::write(home.beside("vault.db-journal"), journal_of(&yesterday, 4096)).unwrap();
    assert!(matches!(home.open(), Err(VaultError::RolledBack { found: 3, expected: 4 })));
    assert_eq!(home.bytes(), yesterday, "SQLite played the journal back");

    home.put(&today);
    std::fs::write(home.beside("vault.db-journal"), b"junk".repeat(2000)).unwrap();
    assert_eq!(home.open().unwrap().load(&ONE).unwrap().unwrap().generation, 2, "junk is no journal");
}

#[test]
fn what_is_not_a_vault_is_never_overwritten() {
    let home = Home::with_two_records();
    for garbage in [&b""[..], b"<html>Sign in to the hotel's network</html>", &[0; 8192], b"SQLite format 3\0"] {
        home.put(garbage);
        let names = home.keystore.inner.names();
        assert!(matches!(home.open(), Err(VaultError::Damaged(_))));
        assert_eq!(home.bytes(), garbage);
        assert_eq!(home.keystore.inner.names(), names);
    }
}

#[test]
fn a_record_that_was_altered_is_told_and_hides_no_other() {
    let home = Home::with_two_records();
    home.tamper("UPDATE token SET ct=zeroblob(272) WHERE record_id=x'01010101010101010101010101010101'");
    let vault = home.open().unwrap();
    assert!(matches!(vault.load(&ONE), Err(VaultError::Tampered(id)) if id == ONE));
    let listed = vault.list().unwrap();
    assert!(matches!(listed[0], Listed::Damaged { id } if id == ONE));
    assert!(matches!(&listed[1], Listed::Record(record) if record.payload.as_slice() == b"payload two"));
    // The other one goes on, and the damaged one stays for inspection until somebody replaces or removes it.
    vault.commit(&TWO, 1, b"successor").unwrap();
    assert!(matches!(vault.load(&ONE), Err(VaultError::Tampered(_))));
    vault.remove(&ONE).unwrap();
    assert!(vault.load(&ONE).unwrap().is_none());
}

/// SQL, and what the vault then says.
const CHANGES: [(&str, &str); 12] = [
    ("swapped ciphertexts", "UPDATE token SET ct=(SELECT t.ct FROM token t WHERE t.record_id<>token.record_id)"),
    (
        "swapped nonces and ciphertexts",
        "UPDATE token SET (nonce, ct)=(SELECT t.nonce, t.ct FROM token t WHERE t.record_id<>token.record_id)",
    ),
    (
        "swapped ids",
        "UPDATE token SET record_id=randomblob(16) WHERE hex(record_id) LIKE '01%';
         UPDATE token SET record_id=x'01010101010101010101010101010101' WHERE hex(record_id) LIKE '02%'",
    ),
    ("another generation", "UPDATE token SET seq=2"),
    ("another kind", "UPDATE token SET kind=2"),
    ("another algorithm", "UPDATE token SET alg=0"),
    ("a deleted record", "DELETE FROM token WHERE hex(record_id) LIKE '01%'"),
    (
        "a doubled record",
        "INSERT INTO token SELECT zeroblob(16), kind, dek_id, alg, seq, nonce, ct FROM token WHERE hex(record_id) LIKE '01%'",
    ),
    ("an earlier epoch", "UPDATE vault SET epoch=epoch-1"),
    ("a later epoch", "UPDATE vault SET epoch=epoch+1"),
    ("another check value", "UPDATE dek SET kcv=zeroblob(16)"),
    ("another vault's name", "UPDATE vault SET vault_id=zeroblob(16)"),
];

#[test]
fn a_change_of_any_row_is_an_error_and_never_another_value() {
    for (what, sql) in CHANGES {
        let home = Home::with_two_records();
        home.tamper(sql);
        assert_old_value_or_error(&home, what);
        let reads = home.open().and_then(|vault| vault.load(&ONE).map(|_| ()));
        assert!(reads.is_err(), "{what}");
    }
}

#[test]
fn a_deleted_record_is_damage_and_not_an_empty_vault() {
    let home = Home::with_two_records();
    home.tamper("DELETE FROM token");
    assert!(matches!(home.open(), Err(VaultError::Damaged(_))));
}

#[test]
fn a_row_of_yesterday_is_noticed_in_the_file_of_today() {
    let home = Home::with_two_records();
    let copy = home.beside("yesterday.db");
    std::fs::copy(home.path(), &copy).unwrap();
    home.open().unwrap().commit(&ONE, 1, b"successor").unwrap();
    home.tamper(&format!(
        "ATTACH '{}' AS old; DELETE FROM token; INSERT INTO token SELECT * FROM old.token;",
        copy.display()
    ));
    assert!(matches!(home.open(), Err(VaultError::Damaged(_))));
}

/// A vault that is too large to be compared when it is opened.
fn large() -> Home {
    let home = Home::with_two_records();
    let vault = home.open().unwrap();
    for number in 3..80 {
        vault.create(&crate::GrantId::from_bytes([number; 16]), &[number; crate::MAX_PAYLOAD]).unwrap();
    }
    drop(vault);
    assert!(home.count("PRAGMA page_count") > crate::sqlite::connect::CHECKED_AT_ONCE);
    home
}

#[test]
fn the_rows_of_a_large_vault_are_compared_before_the_first_of_them_is_used() {
    let home = large();
    assert!(home.open().unwrap().load(&ONE).unwrap().is_some());
    let copy = home.beside("yesterday.db");
    std::fs::copy(home.path(), &copy).unwrap();
    home.open().unwrap().commit(&ONE, 1, b"successor").unwrap();
    home.tamper(&format!(
        "ATTACH '{}' AS old; DELETE FROM token WHERE hex(record_id) LIKE '01%';
         INSERT INTO token SELECT * FROM old.token WHERE hex(record_id) LIKE '01%';",
        copy.display()
    ));
    let vault = home.open().unwrap();
    assert!(matches!(vault.load(&ONE), Err(VaultError::Damaged(_))));
    assert!(matches!(vault.load(&TWO), Err(VaultError::Damaged(_))), "and again");
    assert!(matches!(vault.commit(&TWO, 1, b"successor"), Err(VaultError::Damaged(_))));
    assert!(matches!(vault.list(), Err(VaultError::Damaged(_))));
    assert!(matches!(vault.verify(), Err(VaultError::Damaged(_))));
}

#[test]
fn rows_that_another_program_changes_under_an_open_vault_are_noticed() {
    for sql in
        ["DELETE FROM token WHERE hex(record_id) LIKE '01%'", "UPDATE token SET seq=9", "UPDATE dek SET status=2"]
    {
        let home = Home::with_two_records();
        let vault = home.open().unwrap();
        vault.commit(&ONE, 1, b"successor").unwrap();
        home.tamper(sql);
        assert!(matches!(vault.load(&ONE), Err(VaultError::Damaged(_))), "{sql}");
        assert!(matches!(vault.commit(&TWO, 1, b"successor"), Err(VaultError::Damaged(_))), "{sql}");
    }
}

#[test]
fn an_attempt_can_be_neither_dropped_nor_altered_nor_moved() {
    let attempt = Attempt { idempotency_key: [5; 16], started_at_ms: 77 };
    for sql in [
        "DELETE FROM attempt",
        "UPDATE attempt SET started_ms=78",
        "UPDATE attempt SET attempt_id=zeroblob(16)",
        "UPDATE attempt SET phase=2",
        "UPDATE attempt SET record_id=x'02020202020202020202020202020202'",
        "UPDATE attempt SET mac=zeroblob(32)",
    ] {
        let home = Home::with_two_records();
        home.open().unwrap().begin_attempt(&ONE, 1, None, &attempt).unwrap();
        assert_eq!(home.open().unwrap().load(&ONE).unwrap().unwrap().attempt, Some(attempt.clone()));
        home.tamper(sql);
        let read = home.open().and_then(|vault| vault.load(&ONE));
        assert!(matches!(read, Err(VaultError::Damaged(_) | VaultError::Tampered(_))), "{sql}");
    }
}

#[test]
fn a_schema_with_anything_of_somebody_elses_is_refused() {
    for sql in [
        "CREATE TRIGGER spy AFTER UPDATE ON token BEGIN DELETE FROM attempt; END",
        "CREATE VIEW more AS SELECT * FROM token",
        "CREATE TABLE more(x)",
        "CREATE INDEX more ON token(seq)",
        "ALTER TABLE token ADD COLUMN more INTEGER",
        "DROP TABLE attempt",
        "ALTER TABLE attempt RENAME TO attempts",
        "PRAGMA writable_schema=ON; UPDATE sqlite_schema SET sql=replace(sql,'CHECK(seq>0)','') WHERE name='token'",
        "PRAGMA application_id=1",
        "PRAGMA user_version=0",
        "PRAGMA user_version=-1",
    ] {
        let home = Home::with_two_records();
        home.tamper(sql);
        assert!(matches!(home.open(), Err(VaultError::Damaged(_))), "{sql}");
    }
}

#[test]
fn values_larger_than_the_schema_allows_are_refused_before_they_are_read() {
    for sql in [
        "UPDATE vault SET state_ct=zeroblob(8000000)",
        "UPDATE dek_slot SET params=zeroblob(8000000)",
        "UPDATE token SET ct=zeroblob(1000000)",
        "UPDATE token SET nonce=zeroblob(8000000)",
    ] {
        let home = Home::with_two_records();
        home.tamper(&format!("PRAGMA ignore_check_constraints=ON; {sql}"));
        let read = home.open().and_then(|vault| vault.load(&ONE));
        assert!(matches!(read, Err(VaultError::Damaged(_))), "{sql}");
    }
    let home = Home::with_two_records();
    let file = std::fs::OpenOptions::new().write(true).open(home.path()).unwrap();
    file.set_len(1 << 40).unwrap();
    assert!(matches!(home.open(), Err(VaultError::Damaged(_))), "a sparse file of a terabyte");
}

#[test]
fn a_newer_format_is_told_and_left_alone() {
    let home = Home::with_two_records();
    home.tamper("PRAGMA user_version=7");
    let before = home.bytes();
    assert!(matches!(home.open(), Err(VaultError::NewerFormat(7))));
    assert_eq!(home.bytes(), before);
}

#[test]
fn the_schema_stands_in_the_file_word_for_word() {
    let home = Home::with_two_records();
    let connection = rusqlite::Connection::open(home.path()).unwrap();
    for (name, definition) in TABLES {
        let sql: String =
            connection.query_row("SELECT sql FROM sqlite_schema WHERE name=?1", [name], |row| row.get(0)).unwrap();
        assert_eq!(sql, definition);
    }
}
