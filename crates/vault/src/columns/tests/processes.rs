//! Other processes: some that write the same vault, some that are killed in the middle of it, and some whose disk is full.

use super::{ONE, Site};
use crate::columns::Protection;
use crate::keystore::{Keystore, KeystoreSecret};
use crate::other_process::{
    self, OtherProcess, assert_at_or_one_on, assert_each_generation_once, commit_often, committed,
};
use crate::{KeystoreError, PlainSqliteVault, SqlcipherVault, Vault, VaultError};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
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

/// The test below that is the other process.
const CHILD: &str = "columns::tests::processes::child";

/// Not a test but the other process, which has to be a test to be in this program: it is told which vault it is and how many
/// commits it makes.
#[test]
fn child() {
    let Some(orders) = other_process::orders() else { return };
    let [strategy, folder, commits] = &orders[..] else { panic!("{orders:?}") };
    let work = || commit_often(&*open(strategy, Path::new(folder))?, &ONE, commits.parse().unwrap(), payload);
    match work() {
        Ok(()) => {}
        Err(VaultError::Io(_) | VaultError::Keystore(_)) => drop(other_process::say("no room")),
        Err(error) => panic!("{error}"),
    }
}

fn orders(strategy: &str, folder: &Path, commits: usize) -> [String; 3] {
    [strategy.to_owned(), folder.display().to_string(), commits.to_string()]
}

/// What was said to be committed is there, or the one that was under way; and the vault goes on.
fn assert_at(strategy: &str, folder: &Path, last: u64) {
    let vault = open(strategy, folder).unwrap();
    match assert_at_or_one_on(&*vault, &ONE, last, payload) {
        0 => vault.create(&ONE, &payload(1)).unwrap(),
        generation => vault.commit(&ONE, generation, &payload(generation + 1)).unwrap(),
    };
}

pub(super) fn a_process_killed_at_any_moment_leaves_its_last_commit_or_the_next_one<S: Site>() {
    let strategy = S::Kind::STRATEGY;
    let folder = folder_with_a_record(strategy);
    for round in 1..12 {
        let last = OtherProcess::start(CHILD, &orders(strategy, folder.path(), 100)).kill_after(round);
        assert_at(strategy, folder.path(), last);
    }
}

/// How many blocks of 512 bytes a file may have, from none to more than any file of these vaults needs.
#[cfg(unix)]
const BLOCKS: u32 = 80;

/// A write beyond the limit kills the process, as the system does unless it is told otherwise: in the middle of making the
/// vault, of its journal, of any page.
#[cfg(unix)]
pub(super) fn a_process_killed_at_any_write_leaves_its_last_commit_or_the_next_one<S: Site>() {
    let strategy = S::Kind::STRATEGY;
    let mut killed = 0;
    for blocks in (0..BLOCKS).step_by(2) {
        let folder = folder();
        let limit = format!("ulimit -c 0; ulimit -f {blocks}");
        let (said, well) = OtherProcess::start_limited(&limit, CHILD, &orders(strategy, folder.path(), 4)).end();
        killed += u32::from(!well);
        assert_at(strategy, folder.path(), last_committed(&said));
    }
    assert!((5..BLOCKS / 2).contains(&killed), "{killed} were killed, and some had room");
}

/// A write beyond the limit fails, as on a full disk.
#[cfg(unix)]
pub(super) fn a_disk_that_is_full_at_any_write_is_told_and_loses_nothing<S: Site>() {
    let strategy = S::Kind::STRATEGY;
    let mut full = 0;
    for blocks in (1..BLOCKS).step_by(2) {
        let folder = folder();
        let limit = format!("trap '' XFSZ; ulimit -f {blocks}");
        let (said, well) = OtherProcess::start_limited(&limit, CHILD, &orders(strategy, folder.path(), 4)).end();
        assert!(well, "{blocks}: {said:?}");
        full += u32::from(said.iter().any(|line| line == "no room"));
        assert_at(strategy, folder.path(), last_committed(&said));
    }
    assert!((5..BLOCKS / 2).contains(&full), "{full} found the disk full, and some had room");
}

#[cfg(unix)]
fn last_committed(said: &[String]) -> u64 {
    said.iter().filter_map(|line| committed(line)).next_back().unwrap_or(0)
}

pub(super) fn several_processes_commit_each_generation_once<S: Site>() {
    let strategy = S::Kind::STRATEGY;
    let folder = folder_with_a_record(strategy);
    let start = || OtherProcess::start(CHILD, &orders(strategy, folder.path(), 50));
    assert_each_generation_once((0..3).map(|_| start()).collect(), 151);
    assert_eq!(open(strategy, folder.path()).unwrap().load(&ONE).unwrap().unwrap().generation, 151);
}
