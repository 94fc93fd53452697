use super::{NOW, ONE, Site, TWO, both_strategies_pass, damage, names};
use crate::columns::SqlcipherVault;
use crate::columns::cipher::Cipher;
use crate::keystore::{FaultyKeystore, Keystore};
use crate::suite::Bench;
use crate::{Attempt, KeystoreError, Vault, VaultError};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rusqlite::Connection;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::TempDir;

pub(super) struct Home {
    folder: TempDir,
    pub(super) keystore: FaultyKeystore,
}

impl Home {
    fn key_name(&self) -> String {
        self.keystore.inner.name_of("sqlcipher-")
    }

    fn key_text(&self) -> String {
        self.keystore.inner.read(&self.key_name()).unwrap().unwrap().to_string()
    }

    /// The key as SQLCipher's own programs take it.
    pub(super) fn key_hex(&self) -> String {
        let key = URL_SAFE_NO_PAD.decode(self.key_text().split('.').nth(1).unwrap()).unwrap();
        key.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl Site for Home {
    const FILE: &'static str = "vault-cipher.db";
    type Kind = Cipher;

    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), keystore: FaultyKeystore::default() }
    }
    fn home(&self) -> PathBuf {
        self.folder.path().join("app")
    }
    fn open_at(&self, home: &Path) -> Result<SqlcipherVault, VaultError> {
        SqlcipherVault::open(home, "test", Arc::new(self.keystore.clone()))
    }
    fn foreign(&self) -> Connection {
        let connection = Connection::open(self.file()).unwrap();
        connection.execute_batch(&format!("PRAGMA key = \"x'{}'\"", self.key_hex())).unwrap();
        connection
    }
    fn set_aside(&self) -> Result<PathBuf, VaultError> {
        SqlcipherVault::set_aside(&self.home(), NOW)
    }
    fn remove_whole(&self) -> Result<(), VaultError> {
        SqlcipherVault::remove_whole(&self.home(), &self.keystore)
    }
}

impl Bench for Home {
    fn handle(&self) -> Box<dyn Vault> {
        Box::new(self.open().unwrap())
    }
}

crate::vault_suite!(Home::new);
both_strategies_pass!(Home);

#[test]
fn a_flipped_bit_anywhere_gives_the_old_value_or_an_error() {
    damage::flips::<Home>(23, damage::assert_old_value_or_error);
}

#[test]
fn a_file_cut_anywhere_is_an_error_and_left_as_it_is() {
    damage::cuts::<Home>(23, damage::assert_old_value_or_error);
}

#[test]
fn no_byte_of_the_file_or_its_journal_says_what_is_in_it() {
    let home = Home::with_two_records();
    let attempt = Attempt { idempotency_key: *b"idempotency-key!", started_at_ms: 1 };
    home.open().unwrap().begin_attempt(&ONE, 1, None, &attempt).unwrap();
    let other = home.foreign();
    other.execute_batch("BEGIN IMMEDIATE; UPDATE record SET generation=2; UPDATE vault SET epoch=9").unwrap();
    let app = home.home();
    assert_eq!(names(&app), ["vault-cipher.db", "vault-cipher.db-journal", "vault.lock"]);
    for name in names(&app) {
        let bytes = std::fs::read(app.join(name)).unwrap();
        for needle in
            [&b"payload"[..], b"CREATE TABLE", b"SQLite format", b"sqlcipher", &attempt.idempotency_key, &[1; 16]]
        {
            assert!(!bytes.windows(needle.len()).any(|window| window == needle));
        }
    }
}

#[test]
fn a_keystore_that_cannot_be_asked_is_not_a_lost_key() {
    let home = Home::with_two_records();
    let (before, names) = (home.bytes(), home.keystore.inner.names());
    for error in [KeystoreError::Absent("no bus".to_owned()), KeystoreError::Locked, KeystoreError::TimedOut] {
        home.keystore.fail(error.clone());
        assert!(matches!(home.open(), Err(VaultError::Keystore(told)) if told == error));
    }
    home.keystore.heal();
    assert_eq!((home.bytes(), home.keystore.inner.names()), (before, names), "no key was made");
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
        home.open().unwrap().create(&ONE, b"payload").unwrap();
        assert!(home.open().unwrap().load(&ONE).unwrap().is_some());
    }
}

#[test]
fn a_key_that_is_gone_is_looked_for_twice_and_never_made_anew() {
    let home = Home::with_two_records();
    let (before, name, key) = (home.bytes(), home.key_name(), home.key_text());
    home.keystore.inner.delete(&name).unwrap();
    assert!(matches!(home.open(), Err(VaultError::KeyLost)));
    assert_eq!(home.keystore.settled(), 1);
    assert!(!home.keystore.inner.names().contains(&name));
    assert_eq!(home.bytes(), before);
    home.keystore.appear_at_settle(&name, &key);
    assert!(home.open().unwrap().load(&ONE).unwrap().is_some());
}

#[test]
fn an_entry_that_is_no_key_is_corrupt_and_stands_in_no_error() {
    let home = Home::with_two_records();
    let (name, key) = (home.key_name(), home.key_text());
    for garbage in ["", "GARBAGE", "pc1.GARBAGE.AAAA", &format!("{key}\n"), &key[..key.len() - 2]] {
        home.keystore.inner.write(&name, garbage).unwrap();
        let error = home.open().unwrap_err();
        assert!(matches!(error, VaultError::KeyCorrupt), "{error}");
        assert!(!format!("{error:?} {error}").contains("GARBAGE"));
    }
}

#[test]
fn another_key_is_the_wrong_key_and_a_damaged_file_is_damage() {
    let (home, other) = (Home::with_two_records(), Home::with_two_records());
    home.keystore.inner.write(&home.key_name(), &other.key_text()).unwrap();
    assert!(matches!(home.open(), Err(VaultError::WrongKey)));

    // The salt names the key: with it altered nobody knows which key it was, and it is not called lost.
    let mut bytes = other.bytes();
    for place in [0, 15, 16, 2000, 4095, 4096, 9000] {
        bytes[place] ^= 1;
        other.put(&bytes);
        assert!(matches!(other.open(), Err(VaultError::Damaged(_))), "{place}");
        bytes[place] ^= 1;
    }
    other.put(&bytes);
    assert!(other.open().is_ok());
}

#[test]
fn of_several_entries_the_one_that_opens_the_vault_is_used() {
    let (home, other) = (Home::with_two_records(), Home::with_two_records());
    home.keystore.inner.plant(&home.key_name(), &other.key_text());
    home.keystore.inner.plant(&home.key_name(), "garbage");
    assert!(home.open().is_ok());
    let name = home.key_name();
    home.keystore.inner.delete(&name).unwrap();
    home.keystore.inner.plant(&name, &other.key_text());
    home.keystore.inner.plant(&name, "garbage");
    assert!(matches!(home.open(), Err(VaultError::Keystore(KeystoreError::Ambiguous(2)))));
}

#[test]
fn a_vault_opens_only_for_the_app_that_made_it() {
    let home = Home::with_two_records();
    let other = SqlcipherVault::open(&home.home(), "org.example.other", Arc::new(home.keystore.clone()));
    assert!(matches!(other, Err(VaultError::WrongKey)));
}

#[test]
fn a_file_in_the_clear_is_never_taken_for_a_sealed_one() {
    let home = Home::with_two_records();
    let clear = home.home().join("clear.db");
    let export = format!(
        "ATTACH '{}' AS clear KEY ''; SELECT sqlcipher_export('clear'); PRAGMA clear.application_id=1347180099;
         PRAGMA clear.user_version=1;",
        clear.display()
    );
    home.foreign().query_row("SELECT 1", (), |_| Ok(())).unwrap();
    home.tamper(&export);
    let bytes = std::fs::read(&clear).unwrap();
    assert!(bytes.starts_with(b"SQLite format 3\0"));
    home.put(&bytes);
    assert!(matches!(home.open(), Err(VaultError::Damaged(_))));
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

/// SQLCipher itself takes an old page in its old place for a good one.
#[test]
fn an_older_copy_of_any_page_is_noticed() {
    let home = Home::with_two_records();
    let yesterday = home.bytes();
    home.open().unwrap().commit(&ONE, 1, b"successor").unwrap();
    let today = home.bytes();
    assert_eq!(yesterday.len(), today.len());
    let mut noticed = 0;
    for page in 0..today.len() / 4096 {
        let place = page * 4096..(page + 1) * 4096;
        let mut mixed = today.clone();
        mixed[place.clone()].copy_from_slice(&yesterday[place]);
        home.put(&mixed);
        match home.open() {
            // Page 1 holds the schema and counters of SQLite's own, and no record.
            Ok(vault) => assert_eq!(vault.load(&ONE).unwrap().unwrap().payload.as_slice(), b"successor"),
            Err(error) => {
                noticed += 1;
                assert!(matches!(error, VaultError::Damaged(_) | VaultError::RolledBack { .. }), "{error}");
            }
        }
    }
    assert!(noticed >= 2, "the page of the records and that of the epoch");
}

#[test]
fn a_row_that_is_added_altered_or_taken_away_without_its_sum_is_noticed() {
    for sql in [
        "DELETE FROM record",
        "UPDATE record SET generation=2 WHERE hex(grant_id) LIKE '01%'",
        "UPDATE record SET payload=x'00' WHERE hex(grant_id) LIKE '01%'",
        "UPDATE record SET attempt_key=zeroblob(16), attempt_started_ms=1",
        "INSERT INTO record SELECT zeroblob(16), 1, payload, NULL, NULL FROM record LIMIT 1",
        "UPDATE vault SET digest=NULL",
        "UPDATE vault SET digest=zeroblob(32)",
        "UPDATE vault SET strategy='plain-sqlite'",
        "UPDATE vault SET app='other'",
    ] {
        let home = Home::with_two_records();
        home.tamper(sql);
        assert!(matches!(home.open(), Err(VaultError::Damaged(_))), "{sql}");
    }
}

#[test]
fn the_sum_follows_every_kind_of_step() {
    let home = Home::with_two_records();
    let attempt = Attempt { idempotency_key: [5; 16], started_at_ms: 77 };
    let other = Attempt { idempotency_key: [6; 16], started_at_ms: 78 };
    let vault = home.open().unwrap();
    let steps: [&dyn Fn(); 6] = [
        &|| vault.begin_attempt(&ONE, 1, None, &attempt).unwrap(),
        &|| vault.begin_attempt(&ONE, 1, Some(&attempt), &other).unwrap(),
        &|| vault.end_attempt(&ONE, 1, &other).unwrap(),
        &|| assert_eq!(vault.commit(&ONE, 1, b"successor").unwrap(), 2),
        &|| vault.remove(&TWO).unwrap(),
        &|| vault.remove(&ONE).unwrap(),
    ];
    for (number, step) in steps.iter().enumerate() {
        step();
        assert!(home.open().is_ok(), "{number}");
    }
    assert!(home.open().unwrap().list().unwrap().is_empty());
}

#[test]
fn a_commit_does_not_wait_for_the_keystore() {
    let home = Home::with_two_records();
    let vault = home.open().unwrap();
    let gate = home.keystore.hold_writes();
    for generation in 1..4 {
        vault.commit(&ONE, generation, b"successor").unwrap();
    }
    drop(gate);
    vault.flush_anchor();
    let text = home.keystore.inner.read(&home.keystore.inner.name_of("anchor-")).unwrap().unwrap();
    assert!(text.starts_with("pa1.6.") && text.contains(".sqlcipher."));
}

#[test]
fn the_key_leaves_with_the_vault_that_is_removed() {
    let home = Home::with_two_records();
    assert_eq!(home.keystore.inner.names().len(), 2, "one key and one anchor");
    home.remove_whole().unwrap();
    assert!(home.keystore.inner.names().is_empty());
}

#[test]
fn the_doctor_is_told_of_pages_that_do_not_verify() {
    let home = Home::with_two_records();
    let vault = home.open().unwrap();
    let report = vault.inspect().unwrap();
    assert!(report.version.starts_with("4.") && report.memory_is_wiped && report.faults.is_empty(), "{report:?}");
    let mut bytes = home.bytes();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    home.put(&bytes);
    let report = vault.inspect().unwrap();
    assert_eq!(report.faults.len(), 1, "{report:?}");
}

#[test]
fn the_format_is_the_default_one_of_sqlcipher_four() {
    let home = Home::with_two_records();
    let vault = home.open().unwrap();
    let database = vault.database();
    for (pragma, expected) in [
        ("cipher_page_size", "4096"),
        ("cipher_use_hmac", "1"),
        ("cipher_hmac_algorithm", "HMAC_SHA512"),
        ("cipher_kdf_algorithm", "PBKDF2_HMAC_SHA512"),
        ("cipher_plaintext_header_size", "0"),
    ] {
        let actual: String = database.connection.query_row(&format!("PRAGMA {pragma}"), (), |row| row.get(0)).unwrap();
        assert_eq!(actual, expected, "{pragma}");
    }
}

/// SQLCipher needs the key itself; of the statement that brought it, and of SQLite's copies of that, nothing is left.
#[cfg(target_os = "linux")]
#[test]
fn the_key_statement_stands_nowhere_in_memory_once_the_vault_is_open() {
    // Turned over, so that what is looked for is not in memory because it is looked for.
    let turned = |text: &str| text.bytes().map(|byte| !byte).collect::<Vec<u8>>();
    let home = Home::with_two_records();
    let vault = home.open().unwrap();
    vault.commit(&ONE, 1, b"successor").unwrap();
    let needle = {
        let text = home.keystore.inner.read(&home.key_name()).unwrap().unwrap();
        let mut key = [0; 48];
        URL_SAFE_NO_PAD.decode_slice(text.split('.').nth(1).unwrap(), &mut key).unwrap();
        key[..32].iter().flat_map(|byte| turned(&format!("{byte:02x}"))).collect::<Vec<u8>>()
    };
    let marker = zeroize::Zeroizing::new("a marker that is surely found".to_owned());
    assert!(found_in_memory(&turned(&marker)), "the search works");
    assert!(!found_in_memory(&needle[..32]) && !found_in_memory(&needle[32..]));
    assert!(vault.load(&ONE).unwrap().is_some());
}

/// Whether the bytes of which `needle` is the complement stand anywhere in what this process may write.
#[cfg(target_os = "linux")]
fn found_in_memory(needle: &[u8]) -> bool {
    use std::io::{Read, Seek, SeekFrom};
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let mut memory = std::fs::File::open("/proc/self/mem").unwrap();
    for line in maps.lines().filter(|line| line.split(' ').nth(1).is_some_and(|mode| mode.starts_with("rw"))) {
        let (from, to) = line.split(' ').next().unwrap().split_once('-').unwrap();
        let (from, to) = (u64::from_str_radix(from, 16).unwrap(), u64::from_str_radix(to, 16).unwrap());
        let mut bytes = Vec::new();
        memory.seek(SeekFrom::Start(from)).unwrap();
        // Some regions cannot be read, such as the kernel's own.
        if memory.by_ref().take(to - from).read_to_end(&mut bytes).is_err() {
            continue;
        }
        let hit =
            bytes.windows(needle.len()).any(|window| window.iter().zip(needle).all(|(byte, turned)| *byte == !*turned));
        if hit {
            return true;
        }
    }
    false
}
