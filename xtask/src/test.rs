//! `cargo xtask test`: everything that must pass. A step that fails does not keep the next from being tried, unless they
//! need it; the last line has the counts.

use std::{fs, process::Command};

use clap::ValueEnum;

use crate::{
    bindings, cargo,
    counts::Counts,
    environment, face,
    failure::Failure,
    npm, place,
    progress::{Progress, Step},
    setup, tools,
};

/// Run everything that must pass.
#[derive(Debug, clap::Args)]
pub(crate) struct Test {
    /// Only this part, without setting up anything
    #[arg(long, value_enum)]
    only: Option<Part>,
}

/// A part of the whole, for the inner loop.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
enum Part {
    /// The crates' own tests
    Rust,
    /// The front end
    Ui,
    /// The built programs in processes of their own, and the app in its window
    E2e,
    /// Format, lints, documentation, licences
    Lint,
}

impl Test {
    pub(crate) fn start(self) -> Result<(), Failure> {
        let mut gate = Gate { progress: Progress::of(self.steps()), counts: Counts::default(), failed: Vec::new() };
        let stopped = self.pass(&mut gate).err();
        gate.close(stopped)
    }

    fn wants(&self, part: Part) -> bool {
        self.only.is_none_or(|only| only == part)
    }

    fn steps(&self) -> usize {
        match self.only {
            None => setup::STEPS + 17,
            Some(Part::Rust) => 5,
            Some(Part::Ui) => 4,
            Some(Part::E2e) => 5,
            Some(Part::Lint) => 9,
        }
    }

    /// Stops early only where what follows could not work.
    fn pass(&self, gate: &mut Gate) -> Result<(), Failure> {
        if self.only.is_none() {
            setup::everything(&mut gate.progress)?;
        }
        if self.wants(Part::Lint) {
            gate.check("Format", |step| step.run(cargo::cargo(&["fmt", "--all", "--check"])));
        }
        self.front_end(gate)?;
        if self.wants(Part::Rust) || self.wants(Part::E2e) {
            self.programs(gate)?;
        }
        if self.wants(Part::Lint) {
            lint(gate);
        }
        Ok(())
    }

    /// The app carries the built UI, so nothing of the app compiles before it.
    fn front_end(&self, gate: &mut Gate) -> Result<(), Failure> {
        if self.wants(Part::Ui) || self.wants(Part::E2e) {
            gate.count("Build and test the plugin's package", |_| Ok(npm::script_in(&place::package(), "test")));
            gate.check("Build the example's page", |step| step.run(npm::script_in(&place::example(), "build")));
        }
        if self.wants(Part::Ui) {
            gate.check("Check the UI", |step| step.run(npm::script("check")));
            // Its script builds first.
            gate.count("Build and test the UI", |_| Ok(npm::script("test")));
        } else {
            gate.progress.step("Build the UI", |step| step.run(npm::script("build")))?;
        }
        Ok(())
    }

    fn programs(&self, gate: &mut Gate) -> Result<(), Failure> {
        gate.progress.step("Build the programs", |step| step.run(cargo::build_all_programs()))?;
        let fresh = bindings::fresh_folder()?;
        let name = if self.only == Some(Part::E2e) { "End-to-end tests" } else { "Rust tests" };
        gate.count(name, |_| {
            let mut command = run_tests(self.only);
            command.env(bindings::FOLDER_VARIABLE, &fresh);
            Ok(command)
        });
        if self.wants(Part::Rust) {
            gate.check("Bindings are current", |_| bindings::check(&fresh));
            gate.count("The vault under SQLCipher", |_| Ok(run_vault_under_sqlcipher()));
        }
        if self.only.is_none() {
            gate.count("Examples in the documentation", |_| {
                Ok(cargo::workspace(&["test", "--doc"], &["--no-fail-fast"]))
            });
        }
        Ok(())
    }
}

/// nextest where it is installed: it runs each test in a process of its own, several at once. Whatever part is run, the
/// whole workspace is built: fewer packages would have other features, and so another build.
fn run_tests(only: Option<Part>) -> Command {
    let nextest = environment::on_path("cargo-nextest").is_some();
    let mut command = if nextest {
        cargo::workspace(&["nextest", "run"], &["--no-fail-fast", "--failure-output", "immediate-final"])
    } else {
        cargo::workspace(&["test"], &["--no-fail-fast"])
    };
    let (targets, filter): (&[&str], &[&str]) = match only {
        Some(Part::E2e) => (&["--test", "it"], &["-E", "package(pilotlight-tests)"]),
        Some(Part::Rust) => (&["--lib", "--bins", "--tests"], &["-E", "not package(pilotlight-tests)"]),
        _ => (&["--lib", "--bins", "--tests"], &[]),
    };
    command.args(targets).args(if nextest { filter } else { &[] });
    command
}

/// Its tests once more, those of the default strategy among them, because SQLCipher takes SQLite's place for all of them.
/// `plain-sqlite` is the same code as `sqlcipher`, and not run twice.
fn run_vault_under_sqlcipher() -> Command {
    if environment::on_path("cargo-nextest").is_none() {
        return cargo::vault_under_sqlcipher(&["test"], &["--no-fail-fast", "--lib", "--tests"]);
    }
    let arguments =
        ["--no-fail-fast", "--failure-output", "immediate-final", "-E", "not test(columns::tests::plain::)"];
    cargo::vault_under_sqlcipher(&["nextest", "run"], &arguments)
}

const LINT: [&str; 4] = ["--all-targets", "--", "--deny", "warnings"];

fn lint(gate: &mut Gate) {
    gate.check("Lints", |step| step.run(cargo::workspace(&["clippy"], &LINT)));
    gate.check("Lints of the vault under SQLCipher", |step| step.run(cargo::vault_under_sqlcipher(&["clippy"], &LINT)));
    gate.check("Lints of the command line without the lab", |step| {
        step.run(cargo::small_command_line(&["clippy"], &["--bins", "--", "--deny", "warnings"]))
    });
    gate.check("Documentation", face::document);
    gate.check("The public face is as committed", face::check);
    gate.check("Licences, sources and bans", |step| step.run(deny(&["bans", "licenses", "sources"])?));
    gate.check("Known vulnerabilities", advisories);
}

fn deny(checks: &[&str]) -> Result<Command, Failure> {
    let tool =
        tools::installed("cargo-deny").ok_or_else(|| Failure::new("cargo-deny is missing: run `cargo xtask setup`"))?;
    let mut command = Command::new(tool);
    command.args(["--workspace", "--locked", "--color", "never", "check"]).args(checks).current_dir(place::root());
    Ok(command)
}

/// The list of them is fetched from the network; a machine that cannot have it says so and goes on.
fn advisories(step: &mut Step) -> Result<(), Failure> {
    let (status, output) = step.attempt(deny(&["advisories"])?)?;
    if status.success() {
        return Ok(());
    }
    if output.contains("failed to fetch advisory database") {
        step.note("SKIPPED: the list of advisories cannot be fetched from here");
        return Ok(());
    }
    Err(Failure::new(output))
}

/// What has passed so far, and what has not.
#[derive(Debug)]
struct Gate {
    progress: Progress,
    counts: Counts,
    failed: Vec<String>,
}

impl Gate {
    /// A step that passes or fails as a whole; a failure counts as one.
    fn check(&mut self, name: &str, work: impl FnOnce(&mut Step) -> Result<(), Failure>) {
        if let Err(failure) = self.progress.step(name, work) {
            self.fail(name, &failure);
            self.counts.failed += 1;
        }
    }

    /// A step whose runner counts.
    fn count(&mut self, name: &str, command: impl FnOnce(&mut Step) -> Result<Command, Failure>) {
        let mut counts = Counts::default();
        let outcome = self.progress.step(name, |step| {
            let command = command(step)?;
            let result = step.read(command);
            let output = match &result {
                Ok(output) => output.clone(),
                Err(_) => fs::read_to_string(step.log()).unwrap_or_default(),
            };
            counts = Counts::read(&output);
            step.note(counts.to_string());
            result.map(|_| ())
        });
        if let Err(failure) = outcome {
            self.fail(name, &failure);
            // A runner that fails without counting a failure did not get as far as running.
            counts.failed = counts.failed.max(1);
        }
        self.counts += counts;
    }

    fn fail(&mut self, name: &str, failure: &Failure) {
        println!("\n{failure}\n");
        self.failed.push(name.to_owned());
    }

    /// Prints what failed, and last the counts, alone on their line.
    fn close(mut self, stopped: Option<Failure>) -> Result<(), Failure> {
        if let Some(failure) = stopped {
            if failure.is_for_person() {
                return Err(failure);
            }
            println!("\n{failure}\n\nStopped: what follows needs this step.");
            self.counts.failed += 1;
        }
        if !self.failed.is_empty() {
            println!("\nFailed: {}", self.failed.join(", "));
        }
        let counts = self.counts.to_string();
        if self.counts.failed > 0 {
            return Err(Failure::new(counts));
        }
        println!("\n{counts}");
        Ok(())
    }
}
