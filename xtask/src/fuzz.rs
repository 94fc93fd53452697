//! `cargo xtask fuzz`: every parser under libFuzzer, for a minute each.
//!
//! The targets stand in `fuzz/`, a workspace of its own, as one program; the functions they call stand in `fuzzing.rs` of
//! each crate. What cargo-fuzz would add to that is a nightly compiler and its sanitizers: coverage itself is a pass that
//! the stable one has too, and there is no unsafe code of ours for a sanitizer to look at.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    cargo, environment,
    failure::Failure,
    place,
    progress::{Progress, Step},
};

/// What makes the compiler count where the program went, as libFuzzer reads it.
const COVERAGE: [&str; 5] = [
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
];
/// Tells the program which target it is.
const VARIABLE: &str = "PILOTLIGHT_FUZZ_TARGET";
/// The longest input that is tried, in bytes.
const LONGEST: u32 = 16 * 1024;
/// More memory than this is a finding, in MiB.
const MEMORY: u32 = 1024;
/// An input that takes longer than this is a finding, in seconds.
const LONGEST_TIME: u32 = 5;

/// Run every parser under libFuzzer and print what was reached and found
#[derive(Debug, clap::Args)]
pub(crate) struct Fuzz {
    /// For how long each target runs
    #[arg(long, default_value_t = 60)]
    seconds: u32,
    /// Which ones; all where none is named
    targets: Vec<String>,
}

/// How one target fared.
#[derive(Debug, Default, Eq, PartialEq)]
struct Outcome {
    executions: u64,
    per_second: u64,
    /// Edges and blocks that were reached.
    coverage: u64,
    findings: Vec<PathBuf>,
}

impl Fuzz {
    pub(crate) fn start(self) -> Result<(), Failure> {
        let targets = self.chosen()?;
        if environment::on_path("c++").is_none() {
            return Err(Failure::needs_person("libFuzzer is C++, and no c++ is installed. Install one (package g++)."));
        }
        let mut progress = Progress::of(1 + targets.len());
        let program = progress.step("Build the targets", build)?;
        let mut outcomes = Vec::new();
        for target in targets {
            let outcome = progress.step(&format!("Fuzz {target}"), |step| self.run(step, &program, &target))?;
            outcomes.push((target, outcome));
        }
        print(&outcomes);
        let findings = outcomes.iter().map(|(_, outcome)| outcome.findings.len()).sum::<usize>();
        if findings > 0 { Err(Failure::new(format!("{findings} findings"))) } else { Ok(()) }
    }

    /// A target is what has a corpus; the crates' own tests see to it that each has one.
    fn chosen(&self) -> Result<Vec<String>, Failure> {
        let mut known: Vec<String> = fs::read_dir(place::fuzz().join("corpus"))?
            .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
            .collect::<std::io::Result<_>>()?;
        known.sort();
        if let Some(unknown) = self.targets.iter().find(|name| !known.contains(name)) {
            return Err(Failure::needs_person(format!("There is no target {unknown}; there are {}", known.join(", "))));
        }
        Ok(if self.targets.is_empty() { known } else { self.targets.clone() })
    }

    fn run(&self, step: &mut Step, program: &Path, target: &str) -> Result<Outcome, Failure> {
        let scratch = place::own().join("fuzz").join(target);
        let (corpus, found) = (scratch.join("corpus"), scratch.join("found"));
        for folder in [&corpus, &found] {
            if folder.exists() {
                fs::remove_dir_all(folder)?;
            }
            fs::create_dir_all(folder)?;
        }
        for seed in fs::read_dir(place::fuzz().join("corpus").join(target))? {
            let seed = seed?;
            fs::copy(seed.path(), corpus.join(seed.file_name()))?;
        }
        let mut command = Command::new(program);
        command.env(VARIABLE, target).current_dir(&scratch).arg(&corpus);
        command.arg(format!("-artifact_prefix={}/", found.display()));
        command.arg(format!("-max_total_time={}", self.seconds)).arg(format!("-max_len={LONGEST}"));
        command.arg(format!("-rss_limit_mb={MEMORY}")).arg(format!("-timeout={LONGEST_TIME}"));
        command.arg("-print_final_stats=1");
        let (status, output) = step.attempt(command)?;
        let mut outcome = Outcome::read(&output);
        for finding in fs::read_dir(&found)? {
            outcome.findings.push(finding?.path());
        }
        if !status.success() && outcome.findings.is_empty() {
            return Err(Failure::new(format!("{target} does not run: {status}\n{}", step.log().display())));
        }
        step.note(format!("{} executions", outcome.executions));
        Ok(outcome)
    }
}

fn build(step: &mut Step) -> Result<PathBuf, Failure> {
    let mut rustc = Command::new("rustc");
    rustc.arg("-vV");
    let version = step.read(rustc)?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).unwrap_or_default().to_owned();
    let folder = environment::target_folder().join("fuzz");
    // With a target named, the flags are not those of build scripts and macros.
    let mut command = cargo::cargo(&["build", "--release", "--locked", "--target", &host]);
    command.current_dir(place::fuzz()).env("RUSTFLAGS", COVERAGE.join(" ")).env("CARGO_TARGET_DIR", &folder);
    step.run(command)?;
    Ok(folder.join(host).join("release").join(format!("pilotlight-fuzz{}", std::env::consts::EXE_SUFFIX)))
}

impl Outcome {
    /// Reads libFuzzer's last words.
    fn read(output: &str) -> Self {
        let stat = |name: &str| {
            let line = output.lines().rev().find_map(|line| line.strip_prefix("stat::")?.strip_prefix(name))?;
            line.trim_start_matches(':').trim().parse().ok()
        };
        let coverage = output.lines().rev().find_map(|line| {
            let mut words = line.split_whitespace().skip_while(|word| *word != "cov:");
            words.nth(1)?.parse().ok()
        });
        Self {
            executions: stat("number_of_executed_units").unwrap_or(0),
            per_second: stat("average_exec_per_sec").unwrap_or(0),
            coverage: coverage.unwrap_or(0),
            findings: Vec::new(),
        }
    }
}

fn print(outcomes: &[(String, Outcome)]) {
    println!("\n{:<16} {:>12} {:>10} {:>9} {:>9}", "target", "executions", "a second", "coverage", "findings");
    for (target, outcome) in outcomes {
        let Outcome { executions, per_second, coverage, findings } = outcome;
        println!("{target:<16} {executions:>12} {per_second:>10} {coverage:>9} {:>9}", findings.len());
        for finding in findings {
            println!("    {}", finding.display());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Outcome;

    #[test]
    fn libfuzzers_last_words_are_read() {
        let output = "#2\tINITED cov: 12 ft: 30 corp: 4/90b exec/s: 0 rss: 40Mb\n\
                      #4096\tpulse  cov: 77 ft: 98 corp: 9/1Kb exec/s: 2048 rss: 41Mb\n\
                      stat::number_of_executed_units: 4100\nstat::average_exec_per_sec:     2050\n";
        let expected = Outcome { executions: 4100, per_second: 2050, coverage: 77, findings: vec![] };
        assert_eq!(Outcome::read(output), expected);
        assert_eq!(Outcome::read("nothing"), Outcome::default());
    }
}
