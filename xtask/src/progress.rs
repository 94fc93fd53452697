//! Numbered steps with their times. A step's programs write to a log in .xtask/logs, and its end is shown when it fails.

use std::{
    fs::{self, File},
    io::{Read as _, Seek as _, SeekFrom, Write as _, stdout},
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::{environment, failure::Failure, place};

/// How often a running program is looked at.
const LOOK: Duration = Duration::from_millis(100);
/// How often a step that nobody watches says that it is still alive.
const HEARTBEAT: Duration = Duration::from_secs(60);
/// How much of a log a failure shows.
const TAIL_LINES: usize = 120;
/// The width of a live line: fits the smallest common terminal.
const WIDTH: usize = 78;

/// The steps of a task, counted.
#[derive(Debug)]
pub(crate) struct Progress {
    total: usize,
    done: usize,
}

impl Progress {
    /// A task of `total` steps.
    pub(crate) fn of(total: usize) -> Self {
        Self { total, done: 0 }
    }

    /// Does one step, saying when it starts, that it goes on, and how it ended.
    pub(crate) fn step<T>(
        &mut self,
        name: &str,
        work: impl FnOnce(&mut Step) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        self.done += 1;
        let label = format!("[{}/{}] {name}", self.done, self.total);
        let mut step = Step::start(label, self.done, name);
        let outcome = work(&mut step);
        step.finish(outcome.as_ref().err());
        outcome
    }
}

/// A step at work.
#[derive(Debug)]
pub(crate) struct Step {
    label: String,
    log: PathBuf,
    start: Instant,
    note: Option<String>,
    is_first: bool,
}

impl Step {
    fn start(label: String, number: usize, name: &str) -> Self {
        let words: String =
            name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' }).collect();
        let log = place::logs().join(format!("{number:02}-{words}.log"));
        if !environment::is_watched() {
            println!("{label} …");
        }
        Self { label, log, start: now(), note: None, is_first: true }
    }

    /// A word on how it ended, shown in its last line.
    pub(crate) fn note(&mut self, note: impl Into<String>) {
        self.note = Some(note.into());
    }

    /// The file that its programs write to.
    pub(crate) fn log(&self) -> &Path {
        &self.log
    }

    /// Runs a program to its end, its output in the log, and fails when it does.
    pub(crate) fn run(&mut self, command: Command) -> Result<(), Failure> {
        self.read(command).map(|_| ())
    }

    /// As [`Self::run`], and gives back what it wrote.
    pub(crate) fn read(&mut self, command: Command) -> Result<String, Failure> {
        let name = line_of(&command);
        let (status, output) = self.attempt(command)?;
        if status.success() {
            return Ok(output);
        }
        let lines: Vec<&str> = output.lines().collect();
        let tail = lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n");
        Err(Failure::new(format!("{tail}\n\n{name}: {status}\nThe whole of it: {}", self.log.display())))
    }

    /// As [`Self::read`], leaving it to the caller what a failure means.
    pub(crate) fn attempt(&mut self, mut command: Command) -> Result<(ExitStatus, String), Failure> {
        fs::create_dir_all(place::logs())?;
        let mut log = File::options().create(true).append(true).read(true).open(&self.log)?;
        if std::mem::take(&mut self.is_first) {
            // What an earlier task left under that name.
            log.set_len(0)?;
        }
        writeln!(log, "$ {}", line_of(&command))?;
        let from = log.metadata()?.len();
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log.try_clone()?);
        let mut child = command.spawn().map_err(|error| {
            Failure::new(format!("{} does not start: {error}", command.get_program().to_string_lossy()))
        })?;
        let mut heartbeat = HEARTBEAT;
        let status = loop {
            if let Some(status) = child.try_wait()? {
                break status;
            }
            self.live(&mut heartbeat, &self.log);
            thread::sleep(LOOK);
        };
        let mut bytes = Vec::new();
        log.seek(SeekFrom::Start(from))?;
        log.read_to_end(&mut bytes)?;
        Ok((status, String::from_utf8_lossy(&bytes).into_owned()))
    }

    fn live(&self, heartbeat: &mut Duration, log: &Path) {
        let elapsed = self.start.elapsed();
        if environment::is_watched() {
            let text = format!("{} · {} s · {}", self.label, elapsed.as_secs(), last_line(log));
            let line: String = text.chars().take(WIDTH).collect();
            print!("\r\x1b[2K{line}");
            // A terminal that is gone is no reason to stop.
            let _ = stdout().flush();
        } else if elapsed >= *heartbeat {
            println!("{} … {} s", self.label, elapsed.as_secs());
            *heartbeat += HEARTBEAT;
        }
    }

    fn finish(&self, failure: Option<&Failure>) {
        let clear = if environment::is_watched() { "\r\x1b[2K" } else { "" };
        let note = self.note.as_ref().map(|note| format!(" ({note})")).unwrap_or_default();
        let end = if failure.is_some() { "FAILED" } else { "done" };
        println!("{clear}{} {end} in {:.1} s{note}", self.label, self.start.elapsed().as_secs_f64());
    }
}

/// The real clock.
#[expect(clippy::disallowed_methods, reason = "a step is timed by the real clock")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// The command as a person would type it.
pub(crate) fn line_of(command: &Command) -> String {
    let program = PathBuf::from(command.get_program());
    let name = program.file_name().unwrap_or(command.get_program()).to_string_lossy().into_owned();
    let arguments = command.get_args().map(|argument| argument.to_string_lossy().into_owned());
    std::iter::once(name).chain(arguments).collect::<Vec<_>>().join(" ")
}

/// The last line of a log that says something, from its last few hundred bytes.
fn last_line(log: &Path) -> String {
    let read = || -> std::io::Result<String> {
        let mut file = File::open(log)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(400)))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    let text = read().unwrap_or_default();
    let line = text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
    line.chars().filter(|c| !c.is_control()).collect()
}
