//! `sqlcipher` against another program with a SQLCipher of its own: the Python package `sqlcipher3`. What the program knows
//! of the format is written down in sqlcipher_peer.py alone, from docs/storage/sqlcipher.md.

#![expect(clippy::unwrap_used, reason = "steps of tests")]

mod python;

use pilotlight_vault::keystore::{Keystore, MemoryKeystore};
use pilotlight_vault::{Attempt, GrantId, SqlcipherVault, Vault, VaultError};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

const APP: &str = "org.example.app";
const ONE: GrantId = GrantId::from_bytes([1; 16]);
const TWO: GrantId = GrantId::from_bytes([2; 16]);

/// Has the peer do something; `input` goes in line by line, as does what it answers.
fn peer(task: &str, input: &[&str]) -> Vec<String> {
    let mut child = Command::new(python::program())
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sqlcipher_peer.py"))
        .arg(task)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.join("\n").as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "the peer failed to {task}");
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

struct Home {
    folder: tempfile::TempDir,
    keystore: MemoryKeystore,
}

impl Home {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), keystore: MemoryKeystore::default() }
    }

    fn open(&self) -> Result<SqlcipherVault, VaultError> {
        SqlcipherVault::open(&self.path(), APP, Arc::new(self.keystore.clone()))
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("app")
    }

    fn file(&self) -> String {
        self.path().join("vault-cipher.db").display().to_string()
    }

    fn entry(&self) -> String {
        self.keystore.read(&self.keystore.name_of("sqlcipher-")).unwrap().unwrap().to_string()
    }
}

#[test]
fn another_sqlcipher_reads_what_we_wrote() {
    let home = Home::new();
    let vault = home.open().unwrap();
    vault.create(&ONE, b"payload one").unwrap();
    vault.create(&TWO, b"payload two").unwrap();
    vault.commit(&TWO, 1, b"its successor").unwrap();
    let attempt = Attempt { idempotency_key: [7; 16], started_at_ms: 1_800_000_000_000 };
    vault.begin_attempt(&TWO, 2, None, &attempt).unwrap();
    drop(vault);
    let (one, two, key) = ("01".repeat(16), "02".repeat(16), "07".repeat(16));
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    assert_eq!(
        peer("read", &[APP, &home.file(), &home.entry()]),
        [
            format!("sqlcipher {APP} 5"),
            format!("{one} 1 {} None None", hex(b"payload one")),
            format!("{two} 2 {} {key} 1800000000000", hex(b"its successor")),
            "the rows are those of the sum".to_owned(),
        ]
    );
}

#[test]
fn we_read_and_go_on_with_what_another_sqlcipher_wrote() {
    let home = Home::new();
    std::fs::create_dir(home.path()).unwrap();
    let answer = peer("write", &[APP, &home.file()]);
    let [name, text] = &answer[..] else { panic!("{answer:?}") };
    home.keystore.write(name, text).unwrap();

    let vault = home.open().unwrap();
    let record = vault.load(&ONE).unwrap().unwrap();
    assert_eq!((record.generation, record.payload.as_slice()), (3, &b"from elsewhere"[..]));
    assert_eq!(record.attempt, Some(Attempt { idempotency_key: [9; 16], started_at_ms: 1_700_000_000_000 }));
    assert!(vault.inspect().unwrap().faults.is_empty());
    assert_eq!(vault.commit(&ONE, 3, b"ours").unwrap(), 4);
    drop(vault);
    assert_eq!(peer("read", &[APP, &home.file(), text]).last().unwrap(), "the rows are those of the sum");
    assert_eq!(home.open().unwrap().load(&ONE).unwrap().unwrap().generation, 4);
}
