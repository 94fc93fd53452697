//! Other processes: some that write the same vault, and some that are killed in the middle of it.

use super::{Home, NOW, ONE};
use crate::keystore::{Keystore, MemoryKeystore};
use crate::other_process::{
    self, OtherProcess, assert_at_or_one_on, assert_each_generation_once, commit_often, committed,
};
use crate::sqlite::SqliteVault;
use crate::{Vault, VaultError};
use std::path::PathBuf;
use std::sync::Arc;

/// What a child commits at each generation.
fn payload(generation: u64) -> Vec<u8> {
    format!("payload of {generation} ").repeat(40).into_bytes()
}

/// Not a test but the other process, which has to be a test to be in this program.
#[test]
fn child() {
    if let Some(orders) = other_process::orders() {
        commit_often(&open_as_told(&orders), &ONE, 100, payload).unwrap();
    }
}

/// Opens the vault that the parent names, with the keys that it hands over.
fn open_as_told(orders: &[String]) -> SqliteVault {
    let keystore = MemoryKeystore::default();
    for entry in &orders[1..] {
        let (name, secret) = entry.split_once(' ').unwrap();
        keystore.plant(name, secret);
    }
    SqliteVault::open(&PathBuf::from(&orders[0]), Arc::new(keystore), NOW).unwrap()
}

/// Another process, which may write no file longer than some kilobytes: commits more and more until it is refused, and
/// then goes on with less.
#[cfg(unix)]
#[test]
fn child_on_a_full_disk() {
    let Some(orders) = other_process::orders() else { return };
    let vault = open_as_told(&orders);
    for generation in 1..60 {
        match vault.commit(&ONE, generation, &large(generation + 1)) {
            Ok(now) => assert!(other_process::say(&format!("committed {now}"))),
            Err(VaultError::Io(_)) => {
                let record = vault.load(&ONE).unwrap().unwrap();
                assert_eq!(record.payload.as_slice(), large(generation), "the old value, still there");
                other_process::say("refused");
                return;
            }
            Err(error) => panic!("{error}"),
        }
    }
}

/// What the child on a full disk commits at each generation.
#[cfg(unix)]
fn large(generation: u64) -> Vec<u8> {
    if generation == 1 {
        b"payload one".to_vec()
    } else {
        payload(generation).repeat(usize::try_from(generation).unwrap())
    }
}

#[cfg(unix)]
#[test]
fn a_full_disk_refuses_a_commit_and_keeps_all_that_were_made() {
    let home = Home::with_two_records();
    // In blocks of 512 bytes: more than the index of a log takes, and less than what the child writes in the end.
    let limit = "trap '' XFSZ; ulimit -f 100";
    let test = "sqlite::tests::processes::child_on_a_full_disk";
    let (lines, well) = OtherProcess::start_limited(limit, test, &orders(&home)).end();
    assert!(well && lines.iter().any(|line| line == "refused"), "{lines:?}");
    let last = lines.iter().filter_map(|line| committed(line)).max().unwrap();
    let record = home.open().unwrap().load(&ONE).unwrap().unwrap();
    assert_eq!((record.generation, record.payload.as_slice()), (last, &large(last)[..]));
    assert_eq!(home.open().unwrap().commit(&ONE, last, b"there is room again").unwrap(), last + 1);
}

/// Where the vault of `home` is, and the keys that a child needs.
fn orders(home: &Home) -> Vec<String> {
    let keystore = &home.keystore.inner;
    let entry = |name: &String| format!("{name} {}", keystore.read(name).unwrap().unwrap().as_str());
    let keys = keystore.names();
    [home.path().display().to_string()].into_iter().chain(keys.iter().map(entry)).collect()
}

fn start(home: &Home) -> OtherProcess {
    OtherProcess::start("sqlite::tests::processes::child", &orders(home))
}

#[test]
fn a_process_killed_at_any_moment_leaves_its_last_commit_or_the_next_one() {
    let home = Home::with_two_records();
    for round in 1..12 {
        let last = start(&home).kill_after(round);
        assert_at_or_one_on(&home.open().unwrap(), &ONE, last, payload);
    }
}

#[test]
fn several_processes_commit_each_generation_once() {
    let home = Home::with_two_records();
    assert_each_generation_once((0..3).map(|_| start(&home)).collect(), 301);
    assert_eq!(home.open().unwrap().load(&ONE).unwrap().unwrap().generation, 301);
}
