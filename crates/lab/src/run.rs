//! The matrix: every strategy under every attack, each cell in processes of its own.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::attack::{Attack, Attacker};
use crate::cell::Orders;
use crate::report::{CellReport, Report};
use crate::subject::Subject;
use crate::system::{self, Stopwatch};
use crate::verdict::{Evidence, Halt, Verdict};
use crate::{child, expected};

/// How long a cell may take beyond the budget of its attack before it is ended.
const GRACE: Duration = Duration::from_secs(120);
/// `nobody`, as whom attacks of a plain user are done where the lab runs as root.
const NOBODY: u32 = 65534;

/// What to run.
#[derive(Debug, Clone)]
pub struct Plan {
    /// What is attacked.
    pub subjects: Vec<Subject>,
    /// By what.
    pub attacks: Vec<&'static Attack>,
    /// How long an attack that could go on for ever goes on, in each cell.
    pub budget: Duration,
    /// A file of JSON lines: cells that stand in it are not run again, and new ones are added.
    pub state: Option<PathBuf>,
    /// The program that is started for each cell; it calls [`crate::work_if_asked`]. This very one, where it is not named.
    pub program: Option<PathBuf>,
    /// Set to stop after the cell that is running has been ended.
    pub stop: Arc<AtomicBool>,
}

impl Plan {
    /// All of these attacks on all of these subjects.
    #[must_use]
    pub fn new(subjects: Vec<Subject>, attacks: Vec<&'static Attack>) -> Self {
        Self {
            subjects,
            attacks,
            budget: Duration::from_secs(4),
            state: None,
            program: None,
            stop: Arc::new(AtomicBool::new(false)),
        }
    }

    /// How many cells it has.
    #[must_use]
    pub fn cells(&self) -> usize {
        self.subjects.len() * self.attacks.len()
    }
}

/// What happens while the matrix fills in.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// A cell begins.
    Began {
        /// The subject's name.
        strategy: String,
        /// The attack's name.
        attack: String,
        /// How many cells are done.
        done: usize,
        /// How many there are.
        all: usize,
    },
    /// A cell is done.
    Ended {
        /// What came of it.
        cell: Box<CellReport>,
        /// How many cells are done.
        done: usize,
        /// How many there are.
        all: usize,
    },
}

/// Why the matrix could not be run at all.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The lab's own files.
    #[error("the lab cannot use its files: {0}")]
    Io(#[from] io::Error),
}

/// What the process of a cell says at its end.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Judged {
    pub(crate) done: Vec<String>,
    pub(crate) found: Option<String>,
    pub(crate) evidence: Vec<Evidence>,
    pub(crate) not_applicable: Option<String>,
    pub(crate) inconclusive: Option<String>,
}

impl Judged {
    pub(crate) fn halted(done: Vec<String>, halt: Halt) -> Self {
        match halt {
            Halt::NotApplicable(why) => Self { done, not_applicable: Some(why), ..Self::default() },
            Halt::Inconclusive(why) => Self { done, inconclusive: Some(why), ..Self::default() },
        }
    }

    fn verdict(&self, subject: &str, attack: &str) -> Verdict {
        if let Some(why) = self.not_applicable.clone() {
            return Verdict::NotApplicable { why };
        }
        if let Some(why) = self.inconclusive.clone() {
            return Verdict::Inconclusive { why };
        }
        match (self.evidence.is_empty(), expected::reason(subject, attack)) {
            (true, _) => Verdict::Withstood,
            (false, Some(reason)) => Verdict::FellAsExpected { reason },
            (false, None) => Verdict::Fell,
        }
    }
}

/// Runs the matrix, one cell after the other, and tells of each.
///
/// # Errors
/// Where the throw-away folder or the state file cannot be used. What a cell cannot do is its own verdict.
pub fn run(plan: &Plan, mut on_event: impl FnMut(Event)) -> Result<Report, RunError> {
    let folder = tempfile::Builder::new().prefix("pilotlight-lab-").tempdir()?;
    // A plain user must come to his part of it.
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o711))?;
    let program = program_in(folder.path(), plan)?;
    let mut report = Report::begin();
    let earlier = plan.state.as_deref().map(earlier).transpose()?.unwrap_or_default();
    let all = plan.cells();
    for (subject, attack) in
        plan.subjects.iter().flat_map(|subject| plan.attacks.iter().map(move |attack| (subject, *attack)))
    {
        if plan.stop.load(Ordering::Relaxed) {
            report.stopped = true;
            break;
        }
        let done = report.cells.len();
        let known = earlier.iter().find(|cell| cell.strategy == subject.name() && cell.attack == attack.name);
        if let Some(cell) = known {
            report.cells.push(cell.clone());
            continue;
        }
        on_event(Event::Began { strategy: subject.name().to_owned(), attack: attack.name.to_owned(), done, all });
        let Some(cell) = one(plan, &program, folder.path(), subject, attack)? else {
            report.stopped = true;
            break;
        };
        if let Some(state) = &plan.state {
            append(state, &cell)?;
        }
        report.cells.push(cell.clone());
        on_event(Event::Ended { cell: Box::new(cell), done: done + 1, all });
    }
    report.end();
    Ok(report)
}

/// The program for the cells. Where they become plain users it is copied to where those may start it.
fn program_in(folder: &Path, plan: &Plan) -> io::Result<PathBuf> {
    let program = plan.program.clone().map_or_else(std::env::current_exe, Ok)?;
    if !system::is_root() || !plan.attacks.iter().any(|attack| attack.as_plain_user) {
        return Ok(program);
    }
    let copied = folder.join("program");
    fs::copy(&program, &copied)?;
    fs::set_permissions(&copied, fs::Permissions::from_mode(0o755))?;
    Ok(copied)
}

/// The cells of an earlier run; a last line that was cut short is passed over.
fn earlier(state: &Path) -> io::Result<Vec<CellReport>> {
    match File::open(state) {
        Ok(file) => Ok(BufReader::new(file)
            .lines()
            .map_while(Result::ok)
            .filter_map(|line| serde_json::from_str(&line).ok())
            .collect()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(vec![]),
        Err(error) => Err(error),
    }
}

fn append(state: &Path, cell: &CellReport) -> io::Result<()> {
    // A line of its own, also where an earlier run was cut off within one.
    let line = format!("{}\n", serde_json::to_string(cell)?);
    let mut file = OpenOptions::new().create(true).append(true).read(true).open(state)?;
    let whole = fs::read(state)?.last().is_none_or(|byte| *byte == b'\n');
    file.write_all(if whole { b"" } else { b"\n" })?;
    file.write_all(line.as_bytes())
}

/// Runs one cell; `None` where the run was stopped in it.
fn one(
    plan: &Plan,
    program: &Path,
    folder: &Path,
    subject: &Subject,
    attack: &'static Attack,
) -> io::Result<Option<CellReport>> {
    let cell = tempfile::Builder::new().prefix("cell-").tempdir_in(folder)?;
    let orders = Orders {
        subject: subject.clone(),
        attack: attack.name.to_owned(),
        folder: cell.path().to_owned(),
        program: program.to_owned(),
        budget_ms: u64::try_from(plan.budget.as_millis()).unwrap_or(u64::MAX),
    };
    let watch = Stopwatch::start();
    let mut child = begin(program, &orders, attack, cell.path())?;
    let judged = wait(&mut child, plan, watch);
    end_leftovers(cell.path());
    // Where something in it cannot be removed, the folder above it goes at the end of the run.
    let _ = cell.close();
    let Some(judged) = judged? else { return Ok(None) };
    let verdict = judged.verdict(subject.name(), attack.name);
    Ok(Some(CellReport {
        strategy: subject.name().to_owned(),
        attack: attack.name.to_owned(),
        verdict,
        evidence: judged.evidence,
        done: judged.done.join(" "),
        found: judged.found,
        milliseconds: u64::try_from(watch.elapsed().as_millis()).unwrap_or(u64::MAX),
    }))
}

fn begin(program: &Path, orders: &Orders, attack: &Attack, folder: &Path) -> io::Result<Child> {
    let mut command = Command::new(program);
    command.args([child::WORD, "cell"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    command.current_dir(folder).process_group(0);
    if system::is_root() && attack.as_plain_user {
        std::os::unix::fs::chown(folder, Some(NOBODY), Some(NOBODY))?;
        command.uid(NOBODY).gid(NOBODY);
    }
    let mut child = command.spawn()?;
    if let Some(mut input) = child.stdin.take() {
        input.write_all(&serde_json::to_vec(orders)?)?;
    }
    Ok(child)
}

/// Waits for the cell's word; ends it where it takes too long or the run is stopped (`None`).
fn wait(child: &mut Child, plan: &Plan, watch: Stopwatch) -> io::Result<Option<Judged>> {
    let mut output = child.stdout.take().ok_or_else(|| io::Error::other("the cell has no output"))?;
    let reader = std::thread::spawn(move || {
        let mut text = String::new();
        output.read_to_string(&mut text).map(|_| text)
    });
    let limit = plan.budget + GRACE;
    while !reader.is_finished() {
        let stopped = plan.stop.load(Ordering::Relaxed);
        if stopped || watch.elapsed() > limit {
            end(child);
            if stopped {
                return Ok(None);
            }
            let why = format!("the attack did not come to its end within {} seconds", limit.as_secs());
            return Ok(Some(Judged::halted(vec![], Halt::Inconclusive(why))));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let status = child.wait()?;
    let text = reader.join().map_err(|_| io::Error::other("the cell could not be read"))??;
    Ok(Some(serde_json::from_str(&text).unwrap_or_else(|_| {
        Judged::halted(vec![], Halt::Inconclusive(format!("the process of the cell ended without a word ({status})")))
    })))
}

fn end(child: &mut Child) {
    if let Some(group) = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw) {
        // It may have ended in this very moment.
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    }
    let _ = child.wait();
}

/// Ends what works in the folder of a cell that is over: processes that the cell started and could not end itself.
fn end_leftovers(folder: &Path) {
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let is_ours = fs::read_link(entry.path().join("cwd")).is_ok_and(|cwd| cwd.starts_with(folder));
        let id = entry.file_name().to_str().and_then(|name| name.parse().ok()).and_then(rustix::process::Pid::from_raw);
        if let (true, Some(id)) = (is_ours, id) {
            let _ = rustix::process::kill_process(id, rustix::process::Signal::KILL);
        }
    }
}

/// Who attacks, in the order of the report.
#[must_use]
pub fn attackers() -> [Attacker; 5] {
    [Attacker::DiskThief, Attacker::OtherUser, Attacker::SameUser, Attacker::Tamperer, Attacker::Fault]
}
