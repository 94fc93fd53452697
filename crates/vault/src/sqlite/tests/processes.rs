//! Other processes: some that write the same vault, and some that are killed in the middle of it.

use super::{Home, NOW, ONE};
use crate::keystore::{Keystore, MemoryKeystore};
use crate::sqlite::SqliteVault;
use crate::{Vault, VaultError};
use std::io::{BufRead, BufReader, Lines, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;

/// What a child commits at each generation.
fn payload(generation: u64) -> Vec<u8> {
    format!("payload of {generation} ").repeat(40).into_bytes()
}

/// What a process is told that is started by the tests below; to the test runner it is one more name to look for.
const OTHER_PROCESS: &str = "as-the-other-process";

/// Not a test but the other process, which has to be a test to be in this program: reads from its input where the vault is
/// and what the keystore holds, then commits again and again and says so.
#[test]
fn child() {
    if !std::env::args().any(|argument| argument == OTHER_PROCESS) {
        return;
    }
    let vault = open_as_told().unwrap();
    let mut wins = 0;
    while wins < 100 {
        let step = vault.load(&ONE).and_then(|record| {
            let generation = record.unwrap().generation;
            vault.commit(&ONE, generation, &payload(generation + 1))
        });
        match step {
            Ok(now) => {
                wins += 1;
                // A parent that has gone away reads no more.
                if writeln!(std::io::stdout(), "\ncommitted {now}").is_err() {
                    return;
                }
            }
            // Another one was faster, or many others were.
            Err(VaultError::Conflict { .. } | VaultError::Busy) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

/// Opens the vault that the parent names, with the keys that it hands over.
fn open_as_told() -> Result<SqliteVault, VaultError> {
    let lines: Vec<String> = std::io::stdin().lock().lines().map_while(Result::ok).collect();
    let keystore = MemoryKeystore::default();
    for entry in &lines[1..] {
        let (name, secret) = entry.split_once(' ').unwrap();
        keystore.plant(name, secret);
    }
    SqliteVault::open(&PathBuf::from(&lines[0]), Arc::new(keystore), NOW)
}

/// Another process, which may write no file longer than some kilobytes: commits more and more until it is refused, and
/// then goes on with less.
#[cfg(unix)]
#[test]
fn child_on_a_full_disk() {
    if !std::env::args().any(|argument| argument == OTHER_PROCESS) {
        return;
    }
    let vault = open_as_told().unwrap();
    for generation in 1..60 {
        match vault.commit(&ONE, generation, &large(generation + 1)) {
            Ok(now) => println!("\ncommitted {now}"),
            Err(VaultError::Io(_)) => {
                let record = vault.load(&ONE).unwrap().unwrap();
                assert_eq!(record.payload.as_slice(), large(generation), "the old value, still there");
                println!("\nrefused");
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
    let limited = ["-c", "trap '' XFSZ; ulimit -f 100; exec \"$@\"", "sh"];
    let mut command = Command::new("sh");
    command.args(limited).arg(std::env::current_exe().unwrap());
    let (mut child, output) = start_as(&home, command, "sqlite::tests::processes::child_on_a_full_disk");
    let lines: Vec<_> = output.map_while(Result::ok).collect();
    assert!(child.wait().unwrap().success());
    assert!(lines.iter().any(|line| line == "refused"), "{lines:?}");
    let last = lines.iter().filter_map(|line| reported(line)).max().unwrap();
    let record = home.open().unwrap().load(&ONE).unwrap().unwrap();
    assert_eq!((record.generation, record.payload.as_slice()), (last, &large(last)[..]));
    assert_eq!(home.open().unwrap().commit(&ONE, last, b"there is room again").unwrap(), last + 1);
}

/// Starts a child on the vault of `home`; gives it and what it prints.
fn start(home: &Home) -> (Child, Lines<BufReader<ChildStdout>>) {
    start_as(home, Command::new(std::env::current_exe().unwrap()), "sqlite::tests::processes::child")
}

fn start_as(home: &Home, mut command: Command, name: &str) -> (Child, Lines<BufReader<ChildStdout>>) {
    let mut child = command
        .args([name, OTHER_PROCESS, "--exact", "--nocapture"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    writeln!(input, "{}", home.path().display()).unwrap();
    for name in home.keystore.inner.names() {
        writeln!(input, "{name} {}", home.keystore.inner.read(&name).unwrap().unwrap().as_str()).unwrap();
    }
    let output = BufReader::new(child.stdout.take().unwrap()).lines();
    (child, output)
}

/// The generation that a line reports.
fn reported(line: &str) -> Option<u64> {
    line.strip_prefix("committed ")?.parse().ok()
}

#[test]
fn a_process_killed_at_any_moment_leaves_its_last_commit_or_the_next_one() {
    let home = Home::with_two_records();
    for round in 1..12 {
        let (mut child, output) = start(&home);
        let mut reports = output.map_while(Result::ok).filter_map(|line| reported(&line));
        let mut last = reports.by_ref().take(round).last().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        // What it still said before it was killed had been committed too.
        last = reports.last().unwrap_or(last);

        let record = home.open().unwrap().load(&ONE).unwrap().unwrap();
        assert!([last, last + 1].contains(&record.generation), "{} after {last}", record.generation);
        assert_eq!(record.payload.as_slice(), payload(record.generation));
    }
}

#[test]
fn several_processes_commit_each_generation_once() {
    let home = Home::with_two_records();
    let children: Vec<_> = (0..3).map(|_| start(&home)).collect();
    let mut committed = Vec::new();
    for (mut child, output) in children {
        committed.extend(output.map_while(Result::ok).filter_map(|line| reported(&line)));
        assert!(child.wait().unwrap().success());
    }
    committed.sort_unstable();
    assert_eq!(committed, (2..=301).collect::<Vec<u64>>());
    assert_eq!(home.open().unwrap().load(&ONE).unwrap().unwrap().generation, 301);
}
