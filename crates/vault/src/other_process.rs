//! Other processes for tests: this test program, started anew as one test of it, which commits to a vault and says so.

use crate::{GrantId, Vault, VaultError};
use std::io::{BufRead, BufReader, Lines, Write};
use std::process::{Child, ChildStdout, Command, Stdio};

/// What such a process is told; to the test runner it is one more name to look for.
const OTHER_PROCESS: &str = "as-the-other-process";

/// What a test that is the other process reads from its input; `None` where the test runner has started it as a test.
pub(crate) fn orders() -> Option<Vec<String>> {
    let told = std::env::args().any(|argument| argument == OTHER_PROCESS);
    told.then(|| std::io::stdin().lock().lines().map_while(Result::ok).collect())
}

/// Says a line. Whether anybody listens: a parent that has gone away reads no more.
pub(crate) fn say(line: &str) -> bool {
    writeln!(std::io::stdout(), "\n{line}").is_ok()
}

/// Commits what `payload` makes of each generation, so many times, whoever else does; makes the record where there is none.
pub(crate) fn commit_often(
    vault: &dyn Vault,
    id: &GrantId,
    times: usize,
    payload: impl Fn(u64) -> Vec<u8>,
) -> Result<(), VaultError> {
    let mut wins = 0;
    while wins < times {
        let step = match vault.load(id)? {
            None => vault.create(id, &payload(1)),
            Some(record) => vault.commit(id, record.generation, &payload(record.generation + 1)),
        };
        match step {
            Ok(now) => {
                wins += 1;
                if !say(&format!("committed {now}")) {
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

/// One that runs.
pub(crate) struct OtherProcess {
    child: Child,
    output: Lines<BufReader<ChildStdout>>,
}

impl OtherProcess {
    /// Starts the test of that name, and gives it `orders`, a line each.
    pub(crate) fn start(test: &str, orders: &[String]) -> Self {
        Self::start_by(Command::new(this_program()), test, orders)
    }

    /// The same after the words of a shell, which limit what it may do.
    pub(crate) fn start_limited(limit: &str, test: &str, orders: &[String]) -> Self {
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("{limit}; exec \"$0\" \"$@\"")]).arg(this_program());
        Self::start_by(shell, test, orders)
    }

    fn start_by(mut command: Command, test: &str, orders: &[String]) -> Self {
        let mut child = command
            .args([test, OTHER_PROCESS, "--exact", "--nocapture"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        write!(child.stdin.take().unwrap(), "{}", orders.join("\n")).unwrap();
        let output = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, output }
    }

    /// Kills it once it has said so many commits; the last one that it said in all.
    pub(crate) fn kill_after(mut self, commits: usize) -> u64 {
        let mut reports = self.output.map_while(Result::ok).filter_map(|line| committed(&line));
        let last = reports.by_ref().take(commits).last().unwrap();
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        // What it still said before it was killed had been committed too.
        reports.last().unwrap_or(last)
    }

    /// Waits for its end: what it said, and whether it ended well.
    pub(crate) fn end(mut self) -> (Vec<String>, bool) {
        let said = self.output.map_while(Result::ok).collect();
        (said, self.child.wait().unwrap().success())
    }
}

fn this_program() -> std::path::PathBuf {
    std::env::current_exe().unwrap()
}

/// The generation that a line reports.
pub(crate) fn committed(line: &str) -> Option<u64> {
    line.strip_prefix("committed ")?.parse().ok()
}

/// Waits for all of them, which must end well, and asserts that of all generations from 2 to `last` each was committed once.
pub(crate) fn assert_each_generation_once(processes: Vec<OtherProcess>, last: u64) {
    let mut all = Vec::new();
    for process in processes {
        let (said, well) = process.end();
        assert!(well, "{said:?}");
        all.extend(said.iter().filter_map(|line| committed(line)));
    }
    all.sort_unstable();
    assert_eq!(all, (2..=last).collect::<Vec<u64>>());
}

/// Asserts that `id` is at the generation that was last said, or at the one that was under way. Its generation.
pub(crate) fn assert_at_or_one_on(vault: &dyn Vault, id: &GrantId, last: u64, payload: impl Fn(u64) -> Vec<u8>) -> u64 {
    let record = vault.load(id).unwrap();
    let generation = record.as_ref().map_or(0, |record| record.generation);
    assert!([last, last + 1].contains(&generation), "{generation} after {last}");
    if let Some(record) = record {
        assert_eq!(record.payload.as_slice(), payload(generation));
    }
    generation
}
