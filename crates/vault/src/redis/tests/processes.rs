//! Other processes, as other hosts would be: some that write the same vault, and some that are killed in the middle of it.

use super::{APP, Home, NAME, ONE};
use crate::redis::{RedisKey, RedisVault};
use crate::{Vault, VaultError};
use secrecy::SecretBox;
use std::io::{BufRead, BufReader, Lines, Write};
use std::process::{Child, ChildStdout, Command, Stdio};

/// What a process is told that is started by the tests below; to the test runner it is one more name to look for.
const OTHER_PROCESS: &str = "as-the-other-process";

fn payload(generation: u64) -> Vec<u8> {
    format!("payload of {generation} ").repeat(40).into_bytes()
}

/// Not a test but the other process, which has to be a test to be in this program: reads from its input where Redis is, then
/// commits again and again and says so.
#[test]
fn child() {
    if !std::env::args().any(|argument| argument == OTHER_PROCESS) {
        return;
    }
    let url = std::io::stdin().lock().lines().next().unwrap().unwrap();
    let key = SecretBox::new(Box::new([7; 32]));
    let vault = RedisVault::open(&url.into(), NAME, APP, &RedisKey::Bytes(&key)).unwrap();
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
            Err(VaultError::Conflict { .. }) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

fn start(home: &Home) -> (Child, Lines<BufReader<ChildStdout>>) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["redis::tests::processes::child", OTHER_PROCESS, "--exact", "--nocapture"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    writeln!(child.stdin.take().unwrap(), "{}", home.server.url()).unwrap();
    let output = BufReader::new(child.stdout.take().unwrap()).lines();
    (child, output)
}

fn reported(line: &str) -> Option<u64> {
    line.strip_prefix("committed ")?.parse().ok()
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
