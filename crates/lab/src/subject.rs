//! What is attacked: a store in a process of its own, spoken to by [`crate::protocol`].

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::process::CommandExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use pilotlight_vault::Strategy;
use serde::{Deserialize, Serialize};

use crate::protocol::{Answer, Entry, Held, Place, Refusal, Request, Stats};
use crate::system;

/// A store that does not answer for so long hangs.
const PATIENCE: Duration = Duration::from_secs(10);

/// What is attacked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Subject {
    /// A strategy of ours, by its name.
    Strategy(String),
    /// A program that speaks the protocol.
    Program {
        /// What to call it in reports.
        name: String,
        /// The program and its arguments.
        command: Vec<String>,
    },
}

impl Subject {
    /// What it is called.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Strategy(name) | Self::Program { name, .. } => name,
        }
    }

    pub(crate) fn strategy(&self) -> Option<Strategy> {
        match self {
            Self::Strategy(name) => name.parse().ok(),
            Self::Program { .. } => None,
        }
    }
}

/// How a store is started.
#[derive(Debug, Clone)]
pub(crate) struct Launch {
    /// This very program, which serves the strategies of ours.
    pub(crate) program: PathBuf,
    pub(crate) subject: Subject,
    /// The working directory; also where a core would fall.
    pub(crate) folder: PathBuf,
    /// Whether it closes itself to others, as a released program does.
    pub(crate) harden: bool,
    /// What new files are open to.
    pub(crate) umask: Option<&'static str>,
    /// A program that starts it, with its arguments, such as a tracer.
    pub(crate) under: Vec<String>,
    /// What its environment has besides: the session's bus, where one runs.
    pub(crate) surroundings: Vec<(&'static str, PathBuf)>,
}

impl Launch {
    fn command(&self) -> Command {
        let mut words: Vec<String> = self.under.clone();
        if let Some(umask) = self.umask {
            let set = format!("umask {umask}; exec \"$@\"");
            words.extend(["sh".to_owned(), "-c".to_owned(), set, "sh".to_owned()]);
        }
        match &self.subject {
            Subject::Strategy(name) => {
                words.push(self.program.display().to_string());
                words.extend([crate::child::WORD, "subject", name].map(str::to_owned));
            }
            Subject::Program { command, .. } => words.extend(command.iter().cloned()),
        }
        let mut command = Command::new(words.first().map_or("", String::as_str));
        command.args(words.get(1..).unwrap_or_default());
        command.env_clear().env("PATH", system::search_path()).env("TMPDIR", self.folder.join("tmp"));
        command.env("HOME", self.folder.join("home")).env("LANG", "C.UTF-8");
        command.env(pilotlight_vault::process::SWITCH, if self.harden { "1" } else { "0" });
        command.envs(self.surroundings.iter().map(|(name, value)| (*name, value)));
        command.current_dir(&self.folder);
        command
    }
}

/// Why a store did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Trouble {
    /// It says why.
    #[error("{0}")]
    Refused(Refusal),
    /// It ended.
    #[error("the process ended ({0})")]
    Died(String),
    /// It did not answer.
    #[error("the process did not answer within {} seconds", PATIENCE.as_secs())]
    Hung,
    /// It answered something else.
    #[error("the process answered what was not asked: {0}")]
    Garbled(String),
}

impl Trouble {
    pub(crate) fn is(&self, kind: &str) -> bool {
        matches!(self, Self::Refused(refusal) if refusal.kind == kind)
    }

    /// Whether it failed as a program fails, and not as a store refuses.
    pub(crate) fn is_breakdown(&self) -> bool {
        !matches!(self, Self::Refused(_))
    }
}

pub(crate) type Told<T> = Result<T, Trouble>;

/// A running store.
pub(crate) struct Live {
    child: Child,
    input: Option<ChildStdin>,
    answers: Receiver<String>,
    /// Answers that came before somebody waited for them.
    early: Vec<String>,
    complaints: Arc<Mutex<Vec<u8>>>,
    patience: Duration,
    /// Set when it hung: what it says later belongs to another question.
    lost: bool,
}

impl Live {
    /// Starts it; it has no store open yet.
    pub(crate) fn start(launch: &Launch) -> std::io::Result<Self> {
        let mut command = launch.command();
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.process_group(0).spawn()?;
        let input = child.stdin.take();
        let (send, answers) = channel();
        if let Some(output) = child.stdout.take() {
            std::thread::spawn(move || {
                for line in BufReader::new(output).lines().map_while(Result::ok) {
                    if send.send(line).is_err() {
                        return;
                    }
                }
            });
        }
        let complaints = Arc::new(Mutex::new(vec![]));
        if let Some(mut stderr) = child.stderr.take() {
            let complaints = Arc::clone(&complaints);
            std::thread::spawn(move || {
                let mut buffer = [0; 4096];
                while let Ok(length @ 1..) = stderr.read(&mut buffer) {
                    let mut kept = complaints.lock().unwrap_or_else(PoisonError::into_inner);
                    if kept.len() < 1 << 20 {
                        kept.extend_from_slice(&buffer[..length]);
                    }
                }
            });
        }
        Ok(Self { child, input, answers, early: vec![], complaints, patience: PATIENCE, lost: false })
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it wrote to standard error so far.
    pub(crate) fn complaints(&self) -> Vec<u8> {
        self.complaints.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Sends without waiting for the answer.
    pub(crate) fn send(&mut self, request: &Request<'_>) -> Told<()> {
        let mut line = serde_json::to_vec(request).map_err(|error| Trouble::Garbled(error.to_string()))?;
        line.push(b'\n');
        let sent = self.input.as_mut().map(|input| input.write_all(&line).and_then(|()| input.flush()));
        match sent {
            Some(Ok(())) => Ok(()),
            _ => Err(self.died()),
        }
    }

    /// Whether it has answered so many requests since it began, none of which was waited for.
    pub(crate) fn has_answered(&mut self, count: usize) -> bool {
        self.early.extend(self.answers.try_iter());
        self.early.len() >= count
    }

    /// Waits for the answer to what was sent.
    pub(crate) fn answer(&mut self) -> Told<Answer> {
        if self.lost {
            return Err(Trouble::Hung);
        }
        let line = match self.answers.recv_timeout(self.patience) {
            Ok(line) => line,
            Err(RecvTimeoutError::Timeout) => {
                self.lost = true;
                return Err(Trouble::Hung);
            }
            Err(RecvTimeoutError::Disconnected) => return Err(self.died()),
        };
        match serde_json::from_str(&line) {
            Ok(Answer::Error(refusal)) => Err(Trouble::Refused(refusal)),
            Ok(answer) => Ok(answer),
            Err(error) => Err(Trouble::Garbled(error.to_string())),
        }
    }

    fn ask(&mut self, request: &Request<'_>) -> Told<Answer> {
        self.send(request)?;
        self.answer()
    }

    pub(crate) fn open(&mut self, place: &Place) -> Told<()> {
        self.ask(&Request::Open(place.clone())).map(drop)
    }

    pub(crate) fn create(&mut self, id: &str, payload: &str) -> Told<u64> {
        let answer = self.ask(&Request::Create { id, payload })?;
        generation(answer)
    }

    pub(crate) fn create_all(&mut self, records: &[(&str, &str)]) -> Told<()> {
        self.ask(&Request::CreateAll { records: records.to_vec() }).map(drop)
    }

    pub(crate) fn commit(&mut self, id: &str, expected: u64, payload: &str) -> Told<u64> {
        let answer = self.ask(&Request::Commit { id, expected, payload })?;
        generation(answer)
    }

    pub(crate) fn load(&mut self, id: &str) -> Told<Option<Held>> {
        match self.ask(&Request::Load { id })? {
            Answer::Record(record) => Ok(record),
            other => Err(Trouble::Garbled(format!("{other:?}"))),
        }
    }

    pub(crate) fn list(&mut self) -> Told<Vec<Entry>> {
        match self.ask(&Request::List)? {
            Answer::Records(entries) => Ok(entries),
            other => Err(Trouble::Garbled(format!("{other:?}"))),
        }
    }

    pub(crate) fn remove(&mut self, id: &str) -> Told<()> {
        self.ask(&Request::Remove { id }).map(drop)
    }

    pub(crate) fn begin_attempt(&mut self, id: &str, generation: u64, key: &str) -> Told<()> {
        self.ask(&Request::BeginAttempt { id, generation, key }).map(drop)
    }

    pub(crate) fn rekey(&mut self) -> Told<()> {
        self.ask(&Request::Rekey).map(drop)
    }

    pub(crate) fn meddle(&mut self) -> Told<()> {
        self.ask(&Request::Meddle).map(drop)
    }

    pub(crate) fn close(&mut self) -> Told<()> {
        self.ask(&Request::Close).map(drop)
    }

    pub(crate) fn stats(&mut self) -> Told<Stats> {
        match self.ask(&Request::Stats)? {
            Answer::Stats(stats) => Ok(stats),
            other => Err(Trouble::Garbled(format!("{other:?}"))),
        }
    }

    /// `kill -9`, with everything that it started.
    pub(crate) fn kill(&mut self) {
        self.signal(rustix::process::Signal::KILL);
        // Where it was dead already it is only waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Sends a signal to it and to everything that it started.
    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        if let Some(group) = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw) {
            // It may have ended by itself.
            let _ = rustix::process::kill_process_group(group, signal);
        }
    }

    /// Lets it end by itself, by closing its input.
    pub(crate) fn end(mut self) -> String {
        self.input = None;
        let watch = system::Stopwatch::start();
        while watch.elapsed() < self.patience {
            if let Ok(Some(status)) = self.child.try_wait() {
                return ending(status);
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        self.kill();
        "it had to be killed".to_owned()
    }

    /// The last line on standard error: a store that cannot start says there why.
    fn last_words(&self) -> String {
        let said = self.complaints();
        let last =
            String::from_utf8_lossy(&said).lines().next_back().map(|line| line.chars().take(200).collect::<String>());
        last.map_or_else(String::new, |line| format!("; it last said: {line}"))
    }

    fn died(&mut self) -> Trouble {
        let watch = system::Stopwatch::start();
        while watch.elapsed() < Duration::from_secs(2) {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Trouble::Died(format!("{}{}", ending(status), self.last_words()));
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Trouble::Died("it closed its output".to_owned())
    }
}

fn generation(answer: Answer) -> Told<u64> {
    match answer {
        Answer::Generation(generation) => Ok(generation),
        other => Err(Trouble::Garbled(format!("{other:?}"))),
    }
}

fn ending(status: std::process::ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => "unknown".to_owned(),
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.kill();
    }
}
