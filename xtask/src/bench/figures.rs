//! Criterion's medians, and how many fsyncs a commit makes.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};

use super::trace;
use crate::{cargo, failure::Failure, progress::Step};

/// How many commits are counted.
const COMMITS: u32 = 50;
/// What is measured, in the order of the table.
const WORK: [&str; 6] = ["open", "load", "list", "migrate", "commit", "fsync"];

/// The strategies that one program can have; SQLCipher takes a program of its own, since it takes SQLite's place there.
pub(super) const BUILDS: [&str; 2] = ["testing,redis,tpm", "testing,sqlcipher"];

/// The benchmark's program, optimised.
pub(super) fn build(step: &mut Step, features: &str) -> Result<PathBuf, Failure> {
    let package = ["--package", "pilotlight-vault", "--features", features, "--bench", "strategies"];
    let mut command = cargo::cargo(&["bench", "--no-run", "--message-format", "json"]);
    command.args(package);
    let output = step.read(command)?;
    let programs = output.lines().filter_map(|line| {
        let message: Value = serde_json::from_str(line).ok()?;
        message.get("executable")?.as_str().map(PathBuf::from)
    });
    programs.max().ok_or_else(|| Failure::new("cargo named no program"))
}

/// Everything that was measured of the strategies.
#[derive(Debug, Default)]
pub(super) struct Figures {
    /// Medians in nanoseconds, by strategy, number of records and work.
    medians: BTreeMap<(String, u64), BTreeMap<&'static str, f64>>,
    pub(super) syncs: BTreeMap<String, Syncs>,
    /// What was left out and why.
    notes: Vec<String>,
}

/// How often one commit waited for the disk.
#[derive(Clone, Copy, Debug)]
pub(super) struct Syncs(f64);

impl Syncs {
    /// Counts the calls of many commits, less those that opening and closing makes.
    pub(super) fn count(step: &mut Step, program: &Path, strategy: &str, folder: &Path) -> Result<Self, Failure> {
        let mut calls_of = |commits: u32| {
            let log = folder.join(format!("{strategy}-{commits}.strace"));
            let mut command = trace::of(&log, "fsync,fdatasync,sync_file_range,msync");
            command.arg(program).env("PILOTLIGHT_BENCH_COMMITS", format!("{strategy} {commits}"));
            command.env("PILOTLIGHT_BENCH_FOLDER", folder);
            step.run(command)?;
            Ok::<_, Failure>(trace::read(&fs::read_to_string(log)?).len())
        };
        let (none, some) = (calls_of(0)?, calls_of(COMMITS)?);
        Ok(Self(some.saturating_sub(none) as f64 / f64::from(COMMITS)))
    }
}

impl Figures {
    pub(super) fn read(criterion: &Path, output: &str) -> Result<Self, Failure> {
        let said = |line: &&str| line.starts_with("NOTE: ") || line.starts_with("SKIPPED: ");
        let mut figures = Self::default();
        for strategy in fs::read_dir(criterion)? {
            let strategy = strategy?;
            for work in WORK {
                let folder = strategy.path().join(work);
                for records in fs::read_dir(folder).into_iter().flatten() {
                    let records = records?;
                    let name = records.file_name().to_string_lossy().into_owned();
                    let Ok(number) = name.parse() else { continue };
                    let median = median_in(&records.path().join("new/estimates.json"))?;
                    let key = (strategy.file_name().to_string_lossy().into_owned(), number);
                    figures.medians.entry(key).or_default().insert(work, median);
                }
            }
        }
        let measured = figures.strategies();
        // One program skips what another has measured.
        let skipped = |line: &&str| {
            let name = line.strip_prefix("SKIPPED: ").and_then(|rest| rest.split(':').next());
            name.is_none_or(|name| measured.iter().all(|measured| measured != name))
        };
        figures.notes = output.lines().filter(said).filter(skipped).map(str::to_owned).collect();
        Ok(figures)
    }

    /// Those that were measured.
    pub(super) fn strategies(&self) -> Vec<String> {
        let mut names: Vec<String> = self.medians.keys().map(|(strategy, _)| strategy.clone()).collect();
        names.dedup();
        names
    }

    /// A commit's time by the time that the same number of bare fsyncs takes.
    fn ratio(&self, strategy: &str, medians: &BTreeMap<&'static str, f64>) -> Option<f64> {
        let syncs = self.syncs.get(strategy).map(|syncs| syncs.0).filter(|syncs| *syncs > 0.0)?;
        Some(medians.get("commit")? / (medians.get("fsync")? * syncs))
    }

    pub(super) fn print(&self) {
        println!(
            "\n{:<16} {:>8} {:>11} {:>11} {:>11} {:>11} {:>11} {:>11} {:>7} {:>7}",
            "strategy", "records", "open", "load", "list", "migrate", "commit", "bare fsync", "fsyncs", "ratio"
        );
        for ((strategy, records), medians) in &self.medians {
            let cells = WORK.map(|work| medians.get(work).map_or_else(|| "-".to_owned(), |nanos| shown(*nanos)));
            let [open, load, list, migrate, commit, bare] = cells;
            let syncs = self.syncs.get(strategy).map_or_else(|| "-".to_owned(), |syncs| format!("{:.1}", syncs.0));
            let ratio = self.ratio(strategy, medians).map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.2}"));
            println!(
                "{strategy:<16} {records:>8} {open:>11} {load:>11} {list:>11} {migrate:>11} {commit:>11} {bare:>11} {syncs:>7} {ratio:>7}"
            );
        }
        println!("\nratio: a commit in units of as many bare fsyncs as it makes.");
        for note in &self.notes {
            println!("{note}");
        }
    }

    pub(super) fn to_json(&self) -> Value {
        let row = |((strategy, records), medians): (&(String, u64), &BTreeMap<&'static str, f64>)| {
            json!({
                "strategy": strategy,
                "records": records,
                "nanoseconds": medians,
                "fsyncs_per_commit": self.syncs.get(strategy).map(|syncs| syncs.0),
                "commit_by_bare_fsyncs": self.ratio(strategy, medians),
            })
        };
        json!({ "rows": self.medians.iter().map(row).collect::<Vec<_>>(), "notes": self.notes })
    }
}

fn median_in(file: &Path) -> Result<f64, Failure> {
    let estimates: Value = serde_json::from_str(&fs::read_to_string(file)?)
        .map_err(|error| Failure::new(format!("{}: {error}", file.display())))?;
    let median = estimates.pointer("/median/point_estimate").and_then(Value::as_f64);
    median.ok_or_else(|| Failure::new(format!("{} has no median", file.display())))
}

/// In the unit that leaves few digits.
fn shown(nanos: f64) -> String {
    match nanos {
        nanos if nanos < 1e3 => format!("{nanos:.0} ns"),
        nanos if nanos < 1e6 => format!("{:.1} µs", nanos / 1e3),
        nanos if nanos < 1e9 => format!("{:.2} ms", nanos / 1e6),
        nanos => format!("{:.2} s", nanos / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::{Figures, Syncs, shown};

    #[test]
    fn times_are_shown_in_their_unit() {
        assert_eq!(
            [812.0, 81_200.0, 8_120_000.0, 8_120_000_000.0].map(shown),
            ["812 ns", "81.2 µs", "8.12 ms", "8.12 s"]
        );
    }

    #[test]
    fn a_commit_is_held_against_as_many_bare_fsyncs_as_it_makes() {
        let medians = [("commit", 6e6), ("fsync", 2e6)].into();
        let mut figures = Figures::default();
        assert_eq!(figures.ratio("plain-file", &medians), None);
        figures.syncs.insert("plain-file".to_owned(), Syncs(2.0));
        assert_eq!(figures.ratio("plain-file", &medians), Some(1.5));
        figures.syncs.insert("memory".to_owned(), Syncs(0.0));
        assert_eq!(figures.ratio("memory", &medians), None);
    }
}
