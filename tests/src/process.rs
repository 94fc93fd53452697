//! Processes that end with the value that owns them, always by their id and never by their name.

use std::{
    collections::BTreeSet,
    fs,
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use crate::wait;

/// How long a process may take to end when it is asked to, before it is made to.
const GRACE: Duration = Duration::from_secs(3);

/// A child process that is asked to end when this is dropped, and made to if it does not.
#[derive(Debug)]
pub struct Process {
    child: Child,
}

impl Process {
    /// Starts `command`.
    ///
    /// # Panics
    /// When it cannot be started; the message names it.
    pub fn start(command: &mut Command) -> Self {
        let child = command.spawn().unwrap_or_else(|error| panic!("{} does not start: {error}", name_of(command)));
        Self { child }
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Hands over its standard input, once.
    ///
    /// # Panics
    /// When it was not piped, or was taken before.
    pub fn stdin(&mut self) -> impl std::io::Write + use<> {
        self.child.stdin.take().expect("standard input is piped")
    }

    /// Collects what it writes to its piped standard output and error from now on.
    pub fn collect(&mut self) -> (Output, Output) {
        (Output::of(self.child.stdout.take()), Output::of(self.child.stderr.take()))
    }

    /// Whether it has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// Ends it at once, as `kill -9` would, and waits until it is gone.
    pub fn kill(&mut self) {
        // An error here means that it is gone already, which is what was asked for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Asks it to end, waits a little, and makes it.
    pub fn stop(&mut self) {
        if self.has_ended() {
            return;
        }
        signal("TERM", self.id());
        let deadline = Instant::now() + GRACE;
        while !self.has_ended() && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(5));
        }
        self.kill();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.stop();
    }
}

fn name_of(command: &Command) -> String {
    command.get_program().to_string_lossy().into_owned()
}

/// The lines that a process has written so far, read by a thread so that the process never blocks on a full pipe.
#[derive(Clone, Debug, Default)]
pub struct Output {
    lines: Arc<Mutex<Vec<String>>>,
}

impl Output {
    fn of(stream: Option<impl Read + Send + 'static>) -> Self {
        let output = Self::default();
        let lines = Arc::clone(&output.lines);
        if let Some(stream) = stream {
            thread::spawn(move || {
                for line in BufReader::new(stream).split(b'\n') {
                    let Ok(line) = line else { break };
                    lines.lock().expect("no reader panics").push(String::from_utf8_lossy(&line).into_owned());
                }
            });
        }
        output
    }

    /// A copy of the lines so far.
    ///
    /// # Panics
    /// When the reading thread has panicked.
    pub fn lines(&self) -> Vec<String> {
        self.lines.lock().expect("no reader panics").clone()
    }

    /// The lines so far as one text.
    pub fn text(&self) -> String {
        self.lines().join("\n")
    }
}

/// A command with its input closed and its output piped.
pub fn piped(mut command: Command) -> Command {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Sends the signal of that name (`TERM`, `KILL`, `STOP`, …) to one process; nothing happens when it is gone.
pub fn signal(name: &str, id: u32) {
    // The shell's own `kill` needs neither a package nor unsafe code.
    let _ = Command::new("sh").args(["-c", &format!("kill -{name} {id}")]).stderr(Stdio::null()).status();
}

/// The ids of all processes below `id`, children before grandchildren. Empty where there is no /proc.
pub fn descendants(id: u32) -> Vec<u32> {
    let parents = parents();
    let mut found = vec![id];
    let mut next = 0;
    while let Some(&parent) = found.get(next) {
        found.extend(parents.iter().filter(|(_, of)| *of == parent).map(|(child, _)| *child));
        next += 1;
    }
    found.split_off(1)
}

/// The file that a process runs, where /proc tells.
pub fn program_of(id: u32) -> Option<PathBuf> {
    fs::read_link(format!("/proc/{id}/exe")).ok()
}

/// Whether a process still runs; one that has ended and only waits to be reaped does not.
pub fn is_running(id: u32) -> bool {
    stat(&Path::new("/proc").join(id.to_string())).is_some_and(|(state, _)| state != 'Z' && state != 'X')
}

/// Pairs of a process and its parent.
fn parents() -> Vec<(u32, u32)> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let process = |entry: fs::DirEntry| {
        let id = entry.file_name().to_str()?.parse().ok()?;
        stat(&entry.path()).map(|(_, parent)| (id, parent))
    };
    entries.flatten().filter_map(process).collect()
}

/// State and parent from /proc/ID/stat, see proc(5). The name in it may hold spaces and brackets, so reading starts behind it.
fn stat(folder: &Path) -> Option<(char, u32)> {
    let text = fs::read_to_string(folder.join("stat")).ok()?;
    let (_, rest) = text.rsplit_once(')')?;
    let mut fields = rest.split_whitespace();
    Some((fields.next()?.chars().next()?, fields.next()?.parse().ok()?))
}

/// The TCP ports at which a process listens (proc(5): `/proc/PID/net/tcp`, where state 0A is LISTEN).
///
/// # Panics
/// When it does not run.
#[cfg(target_os = "linux")]
pub fn listening_ports(id: u32) -> Vec<u16> {
    let own: Vec<String> = open_by(id)
        .into_iter()
        .filter_map(|name| Some(name.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned()))
        .collect();
    let sockets = fs::read_to_string(format!("/proc/{id}/net/tcp")).expect("its network");
    let fields = sockets.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let listens =
        fields.filter(|fields| fields.get(3) == Some(&"0A") && own.iter().any(|own| fields.get(9) == Some(&&**own)));
    listens.filter_map(|fields| u16::from_str_radix(fields[1].rsplit_once(':')?.1, 16).ok()).collect()
}

/// What a process has open, as `/proc/PID/fd` calls it.
///
/// # Panics
/// When it does not run.
#[cfg(target_os = "linux")]
pub fn open_by(id: u32) -> BTreeSet<String> {
    let files = fs::read_dir(format!("/proc/{id}/fd")).expect("a process that runs").filter_map(Result::ok);
    files.filter_map(|file| Some(fs::read_link(file.path()).ok()?.display().to_string())).collect()
}

/// The Unix sockets that listen at `path`, as `/proc/PID/fd` calls them. A killed process may have one for a moment after it
/// has ended to the eye, while the last of its threads goes. proc(5), `unix`: the 4th field has `SO_ACCEPTCON`, the 7th is the
/// inode.
///
/// # Panics
/// When the system does not tell.
#[cfg(target_os = "linux")]
pub fn listening_at(path: &Path) -> Vec<String> {
    let table = fs::read_to_string("/proc/net/unix").expect("the system's sockets");
    let fields = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let found = fields.filter(|fields| fields.last().copied() == path.to_str() && fields[3] == "00010000");
    found.map(|fields| format!("socket:[{}]", fields[6])).collect()
}

/// Waits until this very process listens at `path`.
///
/// # Panics
/// When it does not.
#[cfg(target_os = "linux")]
pub fn wait_until_it_serves(id: u32, path: &Path) {
    wait::until("who serves", || {
        let own = open_by(id);
        listening_at(path).iter().any(|socket| own.contains(socket)).then_some(())
    });
}
