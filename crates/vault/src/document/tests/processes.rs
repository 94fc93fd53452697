//! Other processes: some that write the same vault, some that are killed in the middle of it, one whose disk is full.

use super::{Home, Kind, ONE};
use crate::{Vault, VaultError};
use std::fs;
use std::io::{BufRead, BufReader, Lines, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

/// What a child commits at each generation: too long for one entry of a keystore.
fn payload(generation: u64) -> Vec<u8> {
    format!("payload of {generation} ").repeat(80).into_bytes()
}

/// What a process is told that is started by the tests below; to the test runner it is one more name to look for.
const OTHER_PROCESS: &str = "as-the-other-process";

/// What the child does, as it is told in its second line.
const COMMIT: &str = "commit";
const FILL: &str = "fill";

/// A parent that has gone away reads no more.
fn say(word: &str, number: u64) {
    drop(writeln!(std::io::stdout(), "\n{word} {number}"));
}

/// Not a test but the other process, which has to be a test to be in this program: reads from its input what to do where.
#[test]
fn child() {
    if !std::env::args().any(|argument| argument == OTHER_PROCESS) {
        return;
    }
    let lines: Vec<String> = std::io::stdin().lock().lines().map_while(Result::ok).collect();
    let [kind, task, home] = lines.as_slice() else { panic!("{lines:?}") };
    let kind = Kind::ALL.into_iter().find(|known| format!("{known:?}") == *kind).unwrap();
    let vault = kind.open(Path::new(home)).unwrap();
    if task == COMMIT { commit_a_hundred_times(&*vault) } else { fill_the_disk(&*vault) }
}

fn commit_a_hundred_times(vault: &dyn Vault) {
    let mut wins = 0;
    while wins < 100 {
        let step = vault.load(&ONE).and_then(|record| {
            let generation = record.unwrap().generation;
            vault.commit(&ONE, generation, &payload(generation + 1))
        });
        match step {
            Ok(now) => {
                wins += 1;
                say("committed", now);
            }
            // Another one was faster, or many others were.
            Err(VaultError::Conflict { .. } | VaultError::Busy) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

/// No file of this process may become longer than some kilobytes.
fn fill_the_disk(vault: &dyn Vault) {
    assert_eq!(vault.commit(&ONE, 1, b"second").unwrap(), 2);
    let full = vault.commit(&ONE, 2, &[7; 60_000]);
    assert!(matches!(full, Err(VaultError::Io(_))), "{full:?}");
    assert_eq!(vault.load(&ONE).unwrap().unwrap().payload.as_slice(), b"second");
    assert_eq!(vault.commit(&ONE, 2, b"third").unwrap(), 3);
    say("held", 3);
}

/// Starts a child on the vault of `home`; gives it and what it prints.
fn start(home: &Home, task: &str, mut command: Command) -> (Child, Lines<BufReader<ChildStdout>>) {
    let mut child = command
        .args(["document::tests::processes::child", OTHER_PROCESS, "--exact", "--nocapture"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    writeln!(input, "{:?}\n{task}\n{}", home.kind, home.path().display()).unwrap();
    let output = BufReader::new(child.stdout.take().unwrap()).lines();
    (child, output)
}

fn this_program() -> Command {
    Command::new(std::env::current_exe().unwrap())
}

/// The generation that a line reports.
fn reported(line: &str) -> Option<u64> {
    line.strip_prefix("committed ")?.parse().ok()
}

fn a_killed_process_leaves_its_last_commit_or_the_next_one(kind: Kind) {
    let home = Home::with_two_records(kind);
    for round in 1..12 {
        let (mut child, output) = start(&home, COMMIT, this_program());
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

fn several_processes_commit_each_generation_once(kind: Kind) {
    let home = Home::with_two_records(kind);
    let children: Vec<_> = (0..3).map(|_| start(&home, COMMIT, this_program())).collect();
    let mut committed = Vec::new();
    for (mut child, output) in children {
        committed.extend(output.map_while(Result::ok).filter_map(|line| reported(&line)));
        assert!(child.wait().unwrap().success());
    }
    committed.sort_unstable();
    assert_eq!(committed, (2..=301).collect::<Vec<u64>>());
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
        let mut limited = Command::new("sh");
        limited.args(["-c", r#"trap "" XFSZ; ulimit -f 16; exec "$0" "$@""#]).arg(std::env::current_exe().unwrap());
        let (mut child, output) = start(&home, FILL, limited);
        let said: Vec<_> = output.map_while(Result::ok).collect();
        assert!(said.contains(&"held 3".to_owned()), "{kind:?} {said:?}");
        assert!(child.wait().unwrap().success());
        assert_eq!(home.open().unwrap().load(&ONE).unwrap().unwrap().payload.as_slice(), b"third");
        let names: Vec<_> = fs::read_dir(home.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!((names.len(), home.file().exists()), (2, true), "{names:?}");
    }
}
