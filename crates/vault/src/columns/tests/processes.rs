//! Other processes: some that write the same vault, some that are killed in the middle of it, and some whose disk is full.

use super::ONE;
use crate::keystore::{Keystore, KeystoreSecret};
use crate::{KeystoreError, PlainSqliteVault, SqlcipherVault, Vault, VaultError};
use std::fs;
use std::io::{BufRead, BufReader, Lines, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use tempfile::TempDir;

/// A keystore that several processes share: a folder with a file per entry.
struct FolderKeystore(PathBuf);

impl Keystore for FolderKeystore {
    fn kind(&self) -> &'static str {
        "memory"
    }
    fn read(&self, name: &str) -> Result<Option<KeystoreSecret>, KeystoreError> {
        Ok(fs::read_to_string(self.0.join(name)).ok().map(KeystoreSecret::new))
    }
    fn write(&self, name: &str, secret: &str) -> Result<(), KeystoreError> {
        let failed = |error: std::io::Error| KeystoreError::Failed(error.kind().to_string());
        let mut new = tempfile::NamedTempFile::new_in(&self.0).map_err(failed)?;
        new.write_all(secret.as_bytes()).map_err(failed)?;
        new.persist(self.0.join(name)).map_err(|error| failed(error.error))?;
        Ok(())
    }
    fn delete(&self, name: &str) -> Result<(), KeystoreError> {
        drop(fs::remove_file(self.0.join(name)));
        Ok(())
    }
}

fn open(strategy: &str, folder: &Path) -> Result<Box<dyn Vault>, VaultError> {
    let home = folder.join("app");
    Ok(match strategy {
        "plain-sqlite" => Box::new(PlainSqliteVault::open(&home, "test")?),
        _ => Box::new(SqlcipherVault::open(&home, "test", Arc::new(FolderKeystore(folder.join("keys"))))?),
    })
}

fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("keys")).unwrap();
    folder
}

fn folder_with_a_record(strategy: &str) -> TempDir {
    let folder = folder();
    open(strategy, folder.path()).unwrap().create(&ONE, &payload(1)).unwrap();
    folder
}

/// What a child commits at each generation: every other one takes pages that the one before did not.
fn payload(generation: u64) -> Vec<u8> {
    format!("payload of {generation} ").repeat(if generation.is_multiple_of(2) { 700 } else { 20 }).into_bytes()
}

/// What a process is told that is started by the tests below; to the test runner it is one more name to look for.
const OTHER_PROCESS: &str = "as-the-other-process";

/// Not a test but the other process, which has to be a test to be in this program: reads from its input which vault it is
/// and how many commits it makes, and says what it committed.
#[test]
fn child() {
    if !std::env::args().any(|argument| argument == OTHER_PROCESS) {
        return;
    }
    let lines: Vec<String> = std::io::stdin().lock().lines().map_while(Result::ok).collect();
    let [strategy, folder, commits] = &lines[..] else { panic!("{lines:?}") };
    let told = |line: String| writeln!(std::io::stdout(), "\n{line}").is_ok();
    match work(strategy, Path::new(folder), commits.parse().unwrap(), told) {
        Ok(()) => {}
        Err(VaultError::Io(_) | VaultError::Keystore(_)) => drop(told("no room".to_owned())),
        Err(error) => panic!("{error}"),
    }
}

fn work(strategy: &str, folder: &Path, commits: usize, told: impl Fn(String) -> bool) -> Result<(), VaultError> {
    let vault = open(strategy, folder)?;
    let mut wins = 0;
    while wins < commits {
        let step = match vault.load(&ONE)? {
            None => vault.create(&ONE, &payload(1)),
            Some(record) => vault.commit(&ONE, record.generation, &payload(record.generation + 1)),
        };
        match step {
            Ok(now) => {
                wins += 1;
                // A parent that has gone away reads no more.
                if !told(format!("committed {now}")) {
                    break;
                }
            }
            // Another one was faster, or many others were.
            Err(VaultError::Conflict { .. } | VaultError::Busy) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

type Output = Lines<BufReader<ChildStdout>>;

/// Starts a child; a `limit` is a shell's words that are spoken before it.
fn start(strategy: &str, folder: &Path, commits: usize, limit: Option<&str>) -> (Child, Output) {
    let program = std::env::current_exe().unwrap();
    let mut command = match limit {
        None => Command::new(program),
        Some(limit) => {
            let mut shell = Command::new("sh");
            shell.args(["-c", &format!("{limit}; exec \"$0\" \"$@\"")]).arg(program);
            shell
        }
    };
    let mut child = command
        .args(["columns::tests::processes::child", OTHER_PROCESS, "--exact", "--nocapture"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    writeln!(child.stdin.take().unwrap(), "{strategy}\n{}\n{commits}", folder.display()).unwrap();
    let output = BufReader::new(child.stdout.take().unwrap()).lines();
    (child, output)
}

/// The generation that a line reports.
fn reported(line: &str) -> Option<u64> {
    line.strip_prefix("committed ")?.parse().ok()
}

/// What was said to be committed is there, or the one that was under way; and the vault goes on.
fn assert_at(strategy: &str, folder: &Path, last: u64) {
    let vault = open(strategy, folder).unwrap();
    let record = vault.load(&ONE).unwrap();
    let generation = record.as_ref().map_or(0, |record| record.generation);
    assert!([last, last + 1].contains(&generation), "{generation} after {last}");
    if let Some(record) = record {
        assert_eq!(record.payload.as_slice(), payload(generation));
        vault.commit(&ONE, generation, &payload(generation + 1)).unwrap();
    } else {
        vault.create(&ONE, &payload(1)).unwrap();
    }
}

pub(super) fn killed_after_some_commits(strategy: &str) {
    let folder = folder_with_a_record(strategy);
    for round in 1..12 {
        let (mut child, output) = start(strategy, folder.path(), 100, None);
        let mut reports = output.map_while(Result::ok).filter_map(|line| reported(&line));
        let mut last = reports.by_ref().take(round).last().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        // What it still said before it was killed had been committed too.
        last = reports.last().unwrap_or(last);
        assert_at(strategy, folder.path(), last);
    }
}

/// How many blocks of 512 bytes a file may have, from none to more than any file of these vaults needs.
#[cfg(unix)]
const BLOCKS: u32 = 80;

/// A write beyond the limit kills the process, as the system does unless it is told otherwise: in the middle of making the
/// vault, of its journal, of any page.
#[cfg(unix)]
pub(super) fn killed_at_every_length(strategy: &str) {
    let mut killed = 0;
    for blocks in (0..BLOCKS).step_by(2) {
        let folder = folder();
        let (mut child, output) = start(strategy, folder.path(), 4, Some(&format!("ulimit -c 0; ulimit -f {blocks}")));
        let last = output.map_while(Result::ok).filter_map(|line| reported(&line)).last().unwrap_or(0);
        killed += u32::from(!child.wait().unwrap().success());
        assert_at(strategy, folder.path(), last);
    }
    assert!((5..BLOCKS / 2).contains(&killed), "{killed} were killed, and some had room");
}

/// A write beyond the limit fails, as on a full disk.
#[cfg(unix)]
pub(super) fn full_at_every_length(strategy: &str) {
    let mut full = 0;
    for blocks in (1..BLOCKS).step_by(2) {
        let folder = folder();
        let limit = format!("trap '' XFSZ; ulimit -f {blocks}");
        let (mut child, output) = start(strategy, folder.path(), 4, Some(&limit));
        let lines: Vec<String> = output.map_while(Result::ok).collect();
        assert!(child.wait().unwrap().success(), "{blocks}: {lines:?}");
        full += u32::from(lines.iter().any(|line| line == "no room"));
        let last = lines.iter().filter_map(|line| reported(line)).next_back().unwrap_or(0);
        assert_at(strategy, folder.path(), last);
    }
    assert!((5..BLOCKS / 2).contains(&full), "{full} found the disk full, and some had room");
}

pub(super) fn several_at_once(strategy: &str) {
    let folder = folder_with_a_record(strategy);
    let children: Vec<_> = (0..3).map(|_| start(strategy, folder.path(), 50, None)).collect();
    let mut committed = Vec::new();
    for (mut child, output) in children {
        committed.extend(output.map_while(Result::ok).filter_map(|line| reported(&line)));
        assert!(child.wait().unwrap().success());
    }
    committed.sort_unstable();
    assert_eq!(committed, (2..=151).collect::<Vec<u64>>());
    assert_eq!(open(strategy, folder.path()).unwrap().load(&ONE).unwrap().unwrap().generation, 151);
}
