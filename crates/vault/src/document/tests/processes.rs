//! Other processes: some that write the same vault, some that are killed in the middle of it, one whose disk is full.

use super::{Home, Kind, ONE};
use crate::other_process::{self, OtherProcess, assert_at_or_one_on, assert_each_generation_once, commit_often};
use crate::{Vault, VaultError};
use std::fs;
use std::path::Path;

/// What a child commits at each generation: too long for one entry of a keystore.
fn payload(generation: u64) -> Vec<u8> {
    format!("payload of {generation} ").repeat(80).into_bytes()
}

/// The test below that is the other process.
const CHILD: &str = "document::tests::processes::child";

/// What the child does, as it is told in its second line.
const COMMIT: &str = "commit";
const FILL: &str = "fill";

/// Not a test but the other process, which has to be a test to be in this program: it is told what to do where.
#[test]
fn child() {
    let Some(orders) = other_process::orders() else { return };
    let [kind, task, home] = orders.as_slice() else { panic!("{orders:?}") };
    let kind = Kind::ALL.into_iter().find(|known| format!("{known:?}") == *kind).unwrap();
    let vault = kind.open(Path::new(home)).unwrap();
    if task == COMMIT { commit_often(&*vault, &ONE, 100, payload).unwrap() } else { fill_the_disk(&*vault) }
}

/// No file of this process may become longer than some kilobytes.
fn fill_the_disk(vault: &dyn Vault) {
    assert_eq!(vault.commit(&ONE, 1, b"second").unwrap(), 2);
    let full = vault.commit(&ONE, 2, &[7; 60_000]);
    assert!(matches!(full, Err(VaultError::Io(_))), "{full:?}");
    assert_eq!(vault.load(&ONE).unwrap().unwrap().payload.as_slice(), b"second");
    assert_eq!(vault.commit(&ONE, 2, b"third").unwrap(), 3);
    other_process::say("held 3");
}

fn orders(home: &Home, task: &str) -> [String; 3] {
    [format!("{:?}", home.kind), task.to_owned(), home.path().display().to_string()]
}

fn start(home: &Home) -> OtherProcess {
    OtherProcess::start(CHILD, &orders(home, COMMIT))
}

fn a_killed_process_leaves_its_last_commit_or_the_next_one(kind: Kind) {
    let home = Home::with_two_records(kind);
    for round in 1..12 {
        let last = start(&home).kill_after(round);
        assert_at_or_one_on(&*home.open().unwrap(), &ONE, last, payload);
    }
}

fn several_processes_commit_each_generation_once(kind: Kind) {
    let home = Home::with_two_records(kind);
    assert_each_generation_once((0..3).map(|_| start(&home)).collect(), 301);
    assert_eq!(home.open().unwrap().load(&ONE).unwrap().unwrap().generation, 301);
}

#[test]
fn a_process_killed_at_any_moment_leaves_the_plain_file_whole() {
    a_killed_process_leaves_its_last_commit_or_the_next_one(Kind::Plain);
}

#[test]
fn a_process_killed_at_any_moment_leaves_the_encrypted_file_whole() {
    a_killed_process_leaves_its_last_commit_or_the_next_one(Kind::Sealed);
}

#[test]
fn a_process_killed_at_any_moment_leaves_the_keystores_entries_whole() {
    a_killed_process_leaves_its_last_commit_or_the_next_one(Kind::Keystore);
}

#[test]
fn several_processes_commit_each_generation_once_to_the_plain_file() {
    several_processes_commit_each_generation_once(Kind::Plain);
}

#[test]
fn several_processes_commit_each_generation_once_to_the_encrypted_file() {
    several_processes_commit_each_generation_once(Kind::Sealed);
}

#[test]
fn several_processes_commit_each_generation_once_to_the_keystores_entries() {
    several_processes_commit_each_generation_once(Kind::Keystore);
}

#[test]
fn a_process_killed_at_any_moment_leaves_the_encrypted_preferences_whole() {
    a_killed_process_leaves_its_last_commit_or_the_next_one(Kind::Prefs);
}

#[test]
fn several_processes_commit_each_generation_once_to_the_encrypted_preferences() {
    several_processes_commit_each_generation_once(Kind::Prefs);
}

/// As root too, and without a disk of its own: the system refuses this process longer files.
#[cfg(unix)]
#[test]
fn a_full_disk_leaves_the_old_file_whole_and_nothing_beside_it() {
    for kind in Kind::FILES {
        let home = Home::with_two_records(kind);
        let limit = "trap '' XFSZ; ulimit -f 16";
        let (said, well) = OtherProcess::start_limited(limit, CHILD, &orders(&home, FILL)).end();
        assert!(well && said.contains(&"held 3".to_owned()), "{kind:?} {said:?}");
        assert_eq!(home.open().unwrap().load(&ONE).unwrap().unwrap().payload.as_slice(), b"third");
        let names: Vec<_> = fs::read_dir(home.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!((names.len(), home.file().exists()), (2, true), "{names:?}");
    }
}
