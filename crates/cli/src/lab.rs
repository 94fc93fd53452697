//! `pilotlight lab …`: every storage strategy under the same attacks, on this machine.

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clap::{Args, Subcommand};
use pilotlight::storage::Strategy;
use pilotlight_lab::{Attack, CellReport, Cost, Event, Measurement, Plan, Report, RunError, Subject, Verdict, attacks};
use serde_json::json;

use crate::command::Outcome;
use crate::failure::Failure;
use crate::output::{self, Form};
use crate::words::{harmless, table};

/// What to do in the lab.
#[derive(Debug, Subcommand)]
pub(crate) enum LabCommand {
    /// List the attacks and what is attacked
    List,
    /// Attack, and tell what fell; the exit code is 1 when something fell that should not have
    Run(RunArguments),
    /// Make the page and the tables of a report that was written before
    Show(ShowArguments),
    /// Measure what each way to keep grants costs, from 1 to 100,000 records
    Bench(BenchArguments),
}

#[derive(Debug, Args)]
pub(crate) struct ShowArguments {
    /// What `lab run --report` wrote; where there are several, the columns of later ones take the place of those in the first
    #[arg(required = true)]
    reports: Vec<PathBuf>,
    /// Write it to this file, as JSON
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Write it to this file as a page
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Put its tables into this document, between their marks
    #[arg(long, value_name = "FILE")]
    table: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct BenchArguments {
    /// Only this strategy; may be repeated [default: all, unless a program is named]
    #[arg(long, value_name = "NAME")]
    strategy: Vec<Strategy>,
    /// Measure this program, which speaks the lab's protocol (docs/lab.md); may be repeated
    #[arg(long, value_name = "COMMAND")]
    program: Vec<String>,
    /// No more records than this
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    records: u32,
}

#[derive(Debug, Args)]
pub(crate) struct RunArguments {
    /// Only this strategy; may be repeated [default: all, unless a program is named]
    #[arg(long, value_name = "NAME")]
    strategy: Vec<Strategy>,
    /// Attack this program, which speaks the lab's protocol (docs/lab.md); may be repeated
    #[arg(long, value_name = "COMMAND")]
    program: Vec<String>,
    /// Only this attack; may be repeated
    #[arg(long, value_name = "NAME")]
    attack: Vec<String>,
    /// Only the attacks that take moments, each for as short as makes sense
    #[arg(long, conflicts_with = "attack")]
    quick: bool,
    /// How long an attack that could go on for ever goes on, per cell
    #[arg(long, value_name = "SECONDS")]
    seconds: Option<u64>,
    /// Measure what they cost as well, with up to so many records
    #[arg(long, value_name = "RECORDS")]
    costs: Option<u32>,
    /// Write the report to this file, as JSON
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Write the report to this file as a page
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Put the tables into this document, between their marks
    #[arg(long, value_name = "FILE")]
    table: Option<PathBuf>,
    /// Keep what is done in this file, and go on where it ends
    #[arg(long, value_name = "FILE")]
    resume: Option<PathBuf>,
}

/// Does it, and gives the exit code.
pub(crate) fn carry_out(form: Form, command: LabCommand) -> Outcome {
    match command {
        LabCommand::List => list(form),
        LabCommand::Run(arguments) => run(form, &arguments),
        LabCommand::Show(arguments) => show(form, &arguments),
        LabCommand::Bench(arguments) => bench(form, &arguments),
    }
}

fn list(form: Form) -> Outcome {
    let strategies: Vec<_> = Strategy::ALL
        .into_iter()
        .map(|one| json!({ "name": one.as_str(), "summary": one.summary(), "built_in": one.is_built_in() }))
        .collect();
    form.print(&json!({ "strategies": strategies, "attacks": attacks() }), || {
        let mut rows = vec![["ATTACK", "WHO", "WHAT"].map(str::to_owned)];
        rows.extend(
            attacks().iter().map(|attack| [attack.name, attack.attacker.title(), attack.title].map(str::to_owned)),
        );
        let strategies = Strategy::ALL.map(|one| format!("{one:<16} {}\n", one.summary())).concat();
        format!("{strategies}\n{}", table(&rows))
    })?;
    Ok(0)
}

fn run(form: Form, arguments: &RunArguments) -> Outcome {
    let mut plan = Plan::new(subjects(&arguments.strategy, &arguments.program)?, chosen(arguments)?);
    plan.budget = match (arguments.seconds, arguments.quick) {
        (Some(seconds), _) => Duration::from_secs(seconds),
        (None, true) => Duration::from_millis(400),
        (None, false) => plan.budget,
    };
    plan.state.clone_from(&arguments.resume);
    stop_at_interrupt(Arc::clone(&plan.stop))?;
    let progress = Progress { is_terminal: std::io::stderr().is_terminal() };
    let mut report = pilotlight_lab::run(&plan, |event| progress.show(&event)).map_err(failed)?;
    if let Some(largest) = arguments.costs.filter(|_| !report.stopped) {
        let measurement = Measurement { stop: plan.stop, ..Measurement::new(plan.subjects, largest) };
        let told = |strategy: &str, records, why: Option<&str>| tell_measuring(&progress, strategy, records, why);
        report.measure(&measurement, told).map_err(failed)?;
    }
    progress.end();
    save(&report, arguments.report.as_deref(), arguments.html.as_deref(), arguments.table.as_deref())?;
    form.print(&report, || text(&report))?;
    if report.stopped {
        output::note("It was stopped before its end. With --resume FILE a run goes on where another one ended.");
    }
    Ok(u8::from(report.faults().next().is_some()))
}

fn show(form: Form, arguments: &ShowArguments) -> Outcome {
    let mut reports = arguments.reports.iter().map(|file| read(file)).collect::<Result<Vec<_>, _>>()?.into_iter();
    let Some(mut report) = reports.next() else {
        return Err(Failure::usage("No report is named.", "Name a file that `pilotlight lab run --report` wrote."));
    };
    reports.for_each(|other| report.take_columns_of(other));
    save(&report, arguments.report.as_deref(), arguments.html.as_deref(), arguments.table.as_deref())?;
    form.print(&report, || text(&report))?;
    Ok(u8::from(report.faults().next().is_some()))
}

fn read(file: &Path) -> Result<Report, Failure> {
    let unreadable = |why: String| {
        let message = format!("{} is no report: {why}.", file.display());
        Failure::usage(message, "Name a file that `pilotlight lab run --report` wrote.")
    };
    let json = std::fs::read_to_string(file).map_err(|error| unreadable(error.to_string()))?;
    serde_json::from_str(&json).map_err(|error| unreadable(error.to_string()))
}

/// Writes the report, its page and its tables where they are asked for.
fn save(report: &Report, json: Option<&Path>, html: Option<&Path>, table: Option<&Path>) -> Result<(), Failure> {
    if let Some(file) = json {
        write(file, &format!("{}\n", serde_json::to_string_pretty(report).unwrap_or_default()))?;
    }
    if let Some(file) = html {
        write(file, &report.html())?;
    }
    if let Some(file) = table {
        let document = std::fs::read_to_string(file).map_err(|error| {
            Failure::usage(format!("{} cannot be read: {error}.", file.display()), "Name a document that is there.")
        })?;
        write(file, &report.put_into(&document))?;
    }
    Ok(())
}

/// Tells what is measured, and what is left out.
fn tell_measuring(progress: &Progress, strategy: &str, records: u32, left_out: Option<&str>) {
    match left_out {
        Some(why) => {
            progress.end();
            output::note(&format!("{strategy} is not measured with {records} records: {why}"));
        }
        None if progress.is_terminal => output::overwrite(&format!("measuring {strategy} with {records} records")),
        None => {}
    }
}

fn bench(form: Form, arguments: &BenchArguments) -> Outcome {
    let stop = Arc::new(AtomicBool::new(false));
    stop_at_interrupt(Arc::clone(&stop))?;
    let progress = Progress { is_terminal: std::io::stderr().is_terminal() };
    let subjects = subjects(&arguments.strategy, &arguments.program)?;
    let measurement = Measurement { stop, ..Measurement::new(subjects, arguments.records) };
    let told = |strategy: &str, records, why: Option<&str>| tell_measuring(&progress, strategy, records, why);
    let costs = pilotlight_lab::measure(&measurement, told).map_err(failed)?;
    progress.end();
    form.print(&costs, || costs_text(&costs))?;
    Ok(0)
}

/// Times in microseconds, the middle and the slow end.
fn costs_text(costs: &[Cost]) -> String {
    let head =
        ["STRATEGY", "RECORDS", "OPEN µs", "READ µs", "COMMIT µs", "ROTATE µs", "BYTES", "SYNCS", "KEYSTORE", "KiB"];
    let mut rows = vec![head.map(str::to_owned)];
    rows.extend(costs.iter().map(|cost| {
        let times = |times: pilotlight_lab::Times| format!("{}/{}", times.p50, times.p95);
        [
            cost.strategy.clone(),
            cost.records.to_string(),
            times(cost.open),
            times(cost.read),
            times(cost.commit),
            times(cost.rotate),
            cost.bytes.to_string(),
            cost.syncs.map_or_else(|| "?".to_owned(), |count| count.to_string()),
            cost.keystore_calls.to_string(),
            cost.memory_kib.to_string(),
        ]
    }));
    table(&rows)
}

fn failed(error: RunError) -> Failure {
    Failure::usage(format!("{error}."), "See that the temporary folder and the files named can be written.")
}

fn write(file: &Path, text: &str) -> Result<(), Failure> {
    std::fs::write(file, text).map_err(|error| {
        Failure::usage(format!("{} cannot be written: {error}.", file.display()), "Name a file that can be written.")
    })
}

fn subjects(strategies: &[Strategy], programs: &[String]) -> Result<Vec<Subject>, Failure> {
    let mut subjects: Vec<_> = strategies.iter().map(|one| Subject::Strategy(one.to_string())).collect();
    for command in programs {
        let words: Vec<String> = command.split_whitespace().map(str::to_owned).collect();
        let Some(last) = words.last() else {
            return Err(Failure::usage(
                "The program to attack has no name.",
                "Pass --program \"python3 my_store.py\".",
            ));
        };
        let name = Path::new(last).file_stem().map_or_else(|| last.clone(), |name| name.to_string_lossy().into_owned());
        subjects.push(Subject::Program { name, command: absolute(&words) });
    }
    if subjects.is_empty() {
        subjects.extend(Strategy::ALL.map(|one| Subject::Strategy(one.to_string())));
    }
    Ok(subjects)
}

/// The store works in a folder of its own: whichever word names a file here names it from there too.
fn absolute(words: &[String]) -> Vec<String> {
    let full = |word: &String| match std::path::absolute(word) {
        Ok(path) if Path::new(word).is_file() => path.display().to_string(),
        _ => word.clone(),
    };
    words.iter().map(full).collect()
}

fn chosen(arguments: &RunArguments) -> Result<Vec<&'static Attack>, Failure> {
    if arguments.attack.is_empty() {
        return Ok(attacks().iter().filter(|attack| attack.quick || !arguments.quick).collect());
    }
    let known = |name: &String| {
        let unknown =
            || Failure::usage(format!("There is no attack {}.", harmless(name)), "See `pilotlight lab list`.");
        pilotlight_lab::attack(name).ok_or_else(unknown)
    };
    arguments.attack.iter().map(known).collect()
}

/// The first Ctrl-C ends the cell that is running, and the report tells what there is.
fn stop_at_interrupt(stop: Arc<AtomicBool>) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::spawn(move || {
        let interrupted = runtime.block_on(tokio::signal::ctrl_c());
        stop.store(interrupted.is_ok(), Ordering::Relaxed);
    });
    Ok(())
}

/// A line on standard error that is written over, where a person is looking; and one for each fault.
struct Progress {
    is_terminal: bool,
}

impl Progress {
    fn show(&self, event: &Event) {
        match event {
            Event::Began { strategy, attack, done, all } if self.is_terminal => {
                output::overwrite(&format!("{} {done}/{all} {strategy} × {attack}", bar(*done, *all)));
            }
            Event::Ended { cell, .. } if cell.verdict == Verdict::Fell => {
                self.end();
                output::note(&format!("fell: {}", told(cell)));
            }
            _ => {}
        }
    }

    fn end(&self) {
        if self.is_terminal {
            output::overwrite("");
        }
    }
}

fn bar(done: usize, all: usize) -> String {
    const WIDTH: usize = 24;
    let filled = (WIDTH * done.min(all)).checked_div(all).unwrap_or(WIDTH);
    format!("[{}{}]", "#".repeat(filled), " ".repeat(WIDTH - filled))
}

/// A cell that fell, in one line.
fn told(cell: &CellReport) -> String {
    let what = cell.evidence.first().map(|evidence| {
        let at = evidence.offset.map(|offset| format!(" at byte {offset}")).unwrap_or_default();
        format!("{}{at}: {}", evidence.file, evidence.what)
    });
    format!("{} × {}: {}", cell.strategy, cell.attack, what.unwrap_or_default())
}

fn text(report: &Report) -> String {
    let strategies = report.strategies();
    let mut text = String::new();
    for strategy in &strategies {
        let of = |word: &str| {
            report.cells.iter().filter(|cell| cell.strategy == *strategy && cell.verdict.word() == word).count()
        };
        text.push_str(&format!(
            "{strategy:<16}  {} withstood, {} fell, {} fell as expected, {} inconclusive, {} not applicable\n",
            of("withstood"),
            of("fell"),
            of("fell-as-expected"),
            of("inconclusive"),
            of("not-applicable"),
        ));
    }
    for cell in
        report.cells.iter().filter(|cell| !matches!(cell.verdict, Verdict::Withstood | Verdict::NotApplicable { .. }))
    {
        let why = cell.verdict.why().map(|why| format!(" ({why})")).unwrap_or_default();
        let what = if cell.evidence.is_empty() { format!("{} × {}", cell.strategy, cell.attack) } else { told(cell) };
        text.push_str(&harmless(&format!("{}: {what}{why}", cell.verdict.word())));
        text.push('\n');
    }
    text
}
