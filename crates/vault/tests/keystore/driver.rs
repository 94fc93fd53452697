//! A process of its own that uses the keystore of a [`Desktop`]: which bus is the session's is read from the environment.
#![expect(clippy::disallowed_methods, reason = "how long an answer took is what some tests are about")]

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use pilotlight_vault::keystore::{Check, probe};
use pilotlight_vault::{Keystore, KeystoreError, OsKeystore, SqliteVault};

use super::desktop::Desktop;

/// Whose entries the driver's are; the vault's own are always these.
pub(crate) const APP: &str = "dev.pilotlight.test";

/// What a process is told that is started by [`Driver::start`]; to the test runner it is one more name to look for.
const DRIVER: &str = "as-the-driver";

/// A driver process. It ends when its input does, which is when this is dropped.
pub(crate) struct Driver {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Drop for Driver {
    fn drop(&mut self) {
        drop(self.input.take());
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Driver {
    pub(crate) fn start(desktop: &Desktop) -> Self {
        Self::start_by(desktop.command(std::env::current_exe().unwrap()))
    }

    pub(crate) fn start_by(mut command: Command) -> Self {
        command.args(["driver::driver", DRIVER, "--exact", "--nocapture"]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (input, output) = (child.stdin.take(), BufReader::new(child.stdout.take().unwrap()));
        Self { child, input, output }
    }

    /// Says what to do and gives the answer, and how long it took.
    pub(crate) fn ask_timed(&mut self, words: &[&str]) -> (String, Duration) {
        self.tell(words);
        self.answer()
    }

    pub(crate) fn ask(&mut self, words: &[&str]) -> String {
        self.ask_timed(words).0
    }

    /// Says what to do and does not wait for the answer.
    pub(crate) fn tell(&mut self, words: &[&str]) {
        let words: Vec<String> = words.iter().map(|word| hex(word.as_bytes())).collect();
        writeln!(self.input.as_ref().unwrap(), "{}", words.join(" ")).unwrap();
    }

    pub(crate) fn answer(&mut self) -> (String, Duration) {
        loop {
            let mut line = String::new();
            assert_ne!(self.output.read_line(&mut line).unwrap(), 0, "the driver ended");
            if let Some((millis, answer)) =
                line.strip_prefix("answer ").and_then(|rest| rest.trim_end().split_once(' '))
            {
                return (unhex(answer), Duration::from_millis(millis.parse().unwrap()));
            }
        }
    }

    /// Closes its input, and says whether it ended well by itself.
    pub(crate) fn ends_well(mut self) -> bool {
        drop(self.input.take());
        self.child.wait().unwrap().success()
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::from("x"), |text, byte| text + &format!("{byte:02x}"))
}

fn unhex(text: &str) -> String {
    let digits = text.strip_prefix('x').unwrap();
    let byte = |at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap();
    String::from_utf8((0..digits.len()).step_by(2).map(byte).collect()).unwrap()
}

/// Not a test but the other process, which has to be a test to be in this program.
#[test]
fn driver() {
    if !std::env::args().any(|argument| argument == DRIVER) {
        return;
    }
    let keystore = Arc::new(OsKeystore::new(APP));
    let quiet = Arc::new(OsKeystore::quiet(APP));
    for line in std::io::stdin().lock().lines().map_while(Result::ok) {
        let words: Vec<String> = line.split(' ').map(unhex).collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let before = Instant::now();
        let answer = match &words[..] {
            ["quietly", rest @ ..] => act(&quiet, rest),
            words => act(&keystore, words),
        };
        // A parent that has gone away reads no more.
        if writeln!(std::io::stdout(), "\nanswer {} {}", before.elapsed().as_millis(), hex(answer.as_bytes())).is_err()
        {
            return;
        }
    }
}

fn act(keystore: &Arc<OsKeystore>, words: &[&str]) -> String {
    let told = |done: Result<(), KeystoreError>| format!("{done:?}");
    let patience = |text: &str| Duration::from_millis(text.parse().unwrap());
    match words {
        ["read", name] => format!("{:?}", keystore.read(name).map(|secret| secret.map(|secret| secret.to_string()))),
        ["write", name, secret] => told(keystore.write(name, secret)),
        ["delete", name] => told(keystore.delete(name)),
        ["look"] => format!("{:?}", probe(&**keystore, Check::Look)),
        ["test"] => format!("{:?}", probe(&**keystore, Check::SelfTest)),
        ["unlock", millis] => told(keystore.unlock(patience(millis))),
        ["await", millis] => told(keystore.await_unlocked(patience(millis))),
        ["storm", who, rounds] => storm(keystore, who, rounds.parse().unwrap()),
        ["vault", path] => {
            let opened = SqliteVault::open(Path::new(path), Arc::<OsKeystore>::clone(keystore), 0);
            opened.map_or_else(|error| format!("{error:?} {error}"), |_| "open".to_owned())
        }
        _ => panic!("{words:?}"),
    }
}

/// Sixteen threads, each with an entry of its own and one that all share.
fn storm(keystore: &Arc<OsKeystore>, who: &str, rounds: usize) -> String {
    let threads: Vec<_> = (0..16)
        .map(|thread| {
            let (keystore, name) = (Arc::clone(keystore), format!("{who}-{thread}"));
            std::thread::spawn(move || {
                let mut lost = 0;
                for round in 0..rounds {
                    let secret = format!("{name} {round}");
                    let busy = |error: &KeystoreError| *error == KeystoreError::TimedOut;
                    while keystore.write(&name, &secret).as_ref().is_err_and(busy) {}
                    let kept = loop {
                        match keystore.read(&name) {
                            Err(KeystoreError::TimedOut) => {}
                            kept => break kept,
                        }
                    };
                    lost += usize::from(kept.ok().flatten().is_none_or(|kept| *kept != secret));
                }
                lost
            })
        })
        .collect();
    let lost: usize = threads.into_iter().map(|thread| thread.join().unwrap()).sum();
    format!("lost {lost}")
}
