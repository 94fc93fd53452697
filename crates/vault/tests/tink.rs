//! `encrypted-prefs` against Google's own Tink, in both directions: what one writes the other reads.
//!
//! The other side is `tests/python/encrypted_prefs.py`, which `cargo xtask setup` installs Tink for.
#![expect(clippy::unwrap_used, reason = "a test's steps")]

mod python;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use pilotlight_vault::keystore::KeystoreSecret;
use pilotlight_vault::{Attempt, GrantId, Keystore, KeystoreError, Listed, PrefsVault, Record, Vault, VaultError};
use serde_json::{Value, json};
use tempfile::TempDir;

const APP: &str = "dev.example";

/// A keystore in memory.
#[derive(Default)]
struct Entries(Mutex<BTreeMap<String, String>>);

impl Keystore for Entries {
    fn kind(&self) -> &'static str {
        "memory"
    }
    fn read(&self, name: &str) -> Result<Option<KeystoreSecret>, KeystoreError> {
        Ok(self.0.lock().unwrap().get(name).map(|secret| KeystoreSecret::new(secret.clone())))
    }
    fn write(&self, name: &str, secret: &str) -> Result<(), KeystoreError> {
        self.0.lock().unwrap().insert(name.to_owned(), secret.to_owned());
        Ok(())
    }
    fn delete(&self, name: &str) -> Result<(), KeystoreError> {
        self.0.lock().unwrap().remove(name);
        Ok(())
    }
}

/// A folder for one vault, and the keystore that holds its key.
struct Home {
    folder: TempDir,
    keystore: Entries,
}

impl Home {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), keystore: Entries::default() }
    }

    fn open(&self) -> Result<PrefsVault, VaultError> {
        PrefsVault::open(&self.folder.path().join("app"), APP, &self.keystore)
    }

    fn file(&self) -> PathBuf {
        let files = std::fs::read_dir(self.folder.path().join("app")).unwrap().map(|entry| entry.unwrap().path());
        files.into_iter().find(|path| path.extension().is_some_and(|end| end == "xml")).unwrap()
    }

    /// The master key, as Tink is told it.
    fn master(&self) -> String {
        let entries = self.keystore.0.lock().unwrap();
        let key = entries.values().next().unwrap().strip_prefix("pm1.").unwrap();
        hex(&URL_SAFE_NO_PAD.decode(key).unwrap())
    }

    /// Lets Tink do `task` to the file; gives what it prints.
    fn tink(&self, task: &str, records: &Value) -> Value {
        let input = json!({ "master": self.master(), "app": APP, "epoch": 40, "records": records });
        tink(task, &self.file(), &input)
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn tink(task: &str, file: &Path, input: &Value) -> Value {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut child = Command::new(python::program())
        .arg(root.join("tests/python/encrypted_prefs.py"))
        .args([task.as_ref(), file.as_os_str()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("python3 starts");
    child.stdin.take().unwrap().write_all(input.to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{task}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap_or_default()
}

fn id(number: u8) -> GrantId {
    GrantId::from_bytes([number; 16])
}

/// A record as Tink's side spells it.
fn spelled(record: &Record) -> Value {
    let attempt = record.attempt.as_ref();
    json!({
        "id": hex(record.id.as_bytes()),
        "generation": record.generation,
        "payload": hex(&record.payload),
        "attempt": attempt.map(|begun| json!({ "key": hex(&begun.idempotency_key), "started": begun.started_at_ms })),
    })
}

fn records(vault: &PrefsVault) -> Value {
    let listed = vault.list().unwrap();
    listed
        .iter()
        .map(|listed| match listed {
            Listed::Record(record) => spelled(record),
            Listed::Damaged { id } => panic!("{id}"),
        })
        .collect()
}

/// Records of several sizes and states, in the order of their ids.
fn made_up() -> Value {
    let begun = json!({ "key": "ab".repeat(16), "started": 1_800_000_000_000_i64 });
    json!([
        { "id": "01".repeat(16), "generation": 1, "payload": "", "attempt": null },
        { "id": "a2".repeat(16), "generation": 7, "payload": hex("ein Flämmchen".as_bytes()), "attempt": begun },
        { "id": "ff".repeat(16), "generation": 1_u64 << 40, "payload": "5a".repeat(64 * 1024), "attempt": null },
    ])
}

#[test]
fn tink_reads_what_this_vault_writes() {
    let home = Home::new();
    let vault = home.open().unwrap();
    vault.create(&id(1), b"").unwrap();
    vault.create(&id(2), "ein Flämmchen".as_bytes()).unwrap();
    vault.commit(&id(2), 1, &[0x5a; 64 * 1024]).unwrap();
    let attempt = Attempt { idempotency_key: [0xab; 16], started_at_ms: 1_800_000_000_000 };
    vault.begin_attempt(&id(2), 2, None, &attempt).unwrap();
    let read = home.tink("read", &Value::Null);
    assert_eq!(read, json!({ "app": APP, "epoch": 5, "records": records(&vault) }));
    assert_eq!(read["records"][1]["payload"], "5a".repeat(64 * 1024));
    assert_eq!(read["records"][1]["attempt"]["key"], "ab".repeat(16));
}

#[test]
fn this_vault_reads_what_tink_writes_and_writes_on() {
    let home = Home::new();
    drop(home.open().unwrap());
    home.tink("write", &made_up());
    let vault = home.open().unwrap();
    assert_eq!(records(&vault), made_up());
    assert_eq!(vault.commit(&id(0xa2), 7, b"next").unwrap(), 8);
    vault.remove(&id(1)).unwrap();
    let read = home.tink("read", &Value::Null);
    assert_eq!(read, json!({ "app": APP, "epoch": 42, "records": records(&vault) }));
    assert_eq!(read["records"].as_array().unwrap().len(), 2);
}

#[test]
fn both_write_one_file_in_turns_and_tink_may_add_keys_meanwhile() {
    let home = Home::new();
    let vault = home.open().unwrap();
    vault.create(&id(1), b"first").unwrap();
    for generation in 1..4 {
        home.tink("rotate", &Value::Null);
        // The handle that was open all along reads with the new key, and seals with it.
        let payload = format!("payload {generation}");
        assert_eq!(vault.commit(&id(1), generation, payload.as_bytes()).unwrap(), generation + 1);
        assert_eq!(home.tink("read", &Value::Null)["records"], records(&vault));
    }
    assert_eq!(records(&home.open().unwrap()), records(&vault));
}

#[test]
fn a_keyset_that_tink_wrote_in_the_clear_is_refused() {
    let home = Home::new();
    drop(home.open().unwrap());
    home.tink("cleartext", &made_up());
    let error = home.open().map(|_| ()).unwrap_err();
    assert!(matches!(&error, VaultError::Damaged(why) if why == "its keyset is not encrypted"), "{error}");
}

#[test]
fn a_key_of_tinks_that_its_ciphertexts_do_not_name_is_refused() {
    let home = Home::new();
    drop(home.open().unwrap());
    home.tink("raw", &made_up());
    let error = home.open().map(|_| ()).unwrap_err();
    assert!(matches!(&error, VaultError::Damaged(why) if why.ends_with("do not name it")), "{error}");
}
