//! `cargo xtask bench`: what each strategy of the vault costs, and how long a rotated token is in danger. docs/benchmarks.md
//! says how to read the figures.
//!
//! ```text
//!  figures.rs ── criterion's medians, from crates/vault/benches/strategies.rs
//!  trace.rs ──── what strace wrote: system calls with their times
//!  window.rs ─── refreshes against a real server, watched from outside
//!  server/ ───── what refreshes cost the authorization server
//!  app/ ──────── what the window costs, beside a bare one
//!  agent/ ────── what lending costs, beside oidc-agent
//!  proc.rs ───── what the kernel tells of a process
//! ```

#[cfg(unix)]
mod agent;
#[cfg(target_os = "linux")]
mod app;
mod figures;
#[cfg(unix)]
mod proc;
#[cfg(unix)]
mod server;
mod trace;
mod window;

use std::{fs, path::PathBuf, process::Command};

use serde_json::json;

use crate::{cargo, environment, failure::Failure, place, progress::Progress};

use self::{
    figures::{Figures, Syncs},
    window::Window,
};

/// The strategy with a program of its own.
const CIPHER: &str = "sqlcipher";

/// Measure the strategies of the vault, in milliseconds and in fsyncs
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Bench {
    #[command(subcommand)]
    other: Option<Other>,
    /// At most 100 records
    #[arg(long)]
    quick: bool,
    /// Write all figures to this file too
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Only the dangerous window: a server that has rotated, a token that is not on disk yet
    #[arg(long)]
    window: bool,
    /// Measure the window with the programs that the tests built, unoptimised as they are
    #[arg(long)]
    built: bool,
}

/// What else is measured.
#[derive(Debug, clap::Subcommand)]
enum Other {
    /// Measure what refreshes cost the authorization server
    #[cfg(unix)]
    Server(server::ServerBench),
    /// Measure what lending costs, beside oidc-agent
    #[cfg(unix)]
    Agent(agent::AgentBench),
    /// Measure what the window costs, beside a bare Tauri window
    #[cfg(target_os = "linux")]
    App(app::AppBench),
}

impl Bench {
    pub(crate) fn start(self) -> Result<(), Failure> {
        match self.other {
            #[cfg(unix)]
            Some(Other::Server(bench)) => bench.start(),
            #[cfg(unix)]
            Some(Other::Agent(bench)) => bench.start(),
            #[cfg(target_os = "linux")]
            Some(Other::App(bench)) => bench.start(),
            _ => self.of_the_vault(),
        }
    }

    fn of_the_vault(self) -> Result<(), Failure> {
        let traces = cfg!(target_os = "linux") && environment::on_path("strace").is_some();
        if !traces {
            println!("SKIPPED: counting fsyncs and the dangerous window, which take Linux and strace");
        }
        let mut progress =
            Progress::of(if self.window { 0 } else { 3 + usize::from(traces) } + 2 * usize::from(traces));
        let folder = place::own().join("bench");
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir_all(&folder)?;
        let figures = if self.window { None } else { Some(self.figures(&mut progress, traces)?) };
        let window = if traces { Some(self.window(&mut progress)?) } else { None };
        if let Some(figures) = &figures {
            figures.print();
        }
        if let Some(window) = &window {
            window.print();
        }
        if let Some(file) = &self.json {
            let all = json!({
                "strategies": figures.as_ref().map(Figures::to_json),
                "dangerous_window": window.as_ref().map(Window::to_json),
            });
            fs::write(file, format!("{all:#}\n"))?;
        }
        Ok(())
    }

    fn figures(&self, progress: &mut Progress, traces: bool) -> Result<Figures, Failure> {
        let [program, cipher] = figures::BUILDS;
        let program = progress.step("Build the benchmarks", |step| figures::build(step, program))?;
        // Only after the other's path is known: both stand in one folder.
        let cipher = progress.step("Build them with SQLCipher", |step| figures::build(step, cipher))?;
        let folder = place::own().join("bench");
        let mut figures = progress.step("Measure the strategies", |step| {
            let measure = |program: &PathBuf| {
                let mut command = Command::new(program);
                command
                    .arg("--bench")
                    .env("CRITERION_HOME", folder.join("criterion"))
                    .env("PILOTLIGHT_BENCH_FOLDER", &folder);
                if self.quick {
                    command.env("PILOTLIGHT_BENCH_LARGEST", "100");
                }
                command
            };
            let mut output = step.read(measure(&program))?;
            let mut command = measure(&cipher);
            command.env("PILOTLIGHT_BENCH_ONLY", CIPHER);
            output += &step.read(command)?;
            Figures::read(&folder.join("criterion"), &output)
        })?;
        if traces {
            progress.step("Count fsyncs", |step| {
                for strategy in figures.strategies() {
                    let program = if strategy == CIPHER { &cipher } else { &program };
                    let syncs = Syncs::count(step, program, &strategy, &folder)?;
                    figures.syncs.insert(strategy, syncs);
                }
                Ok(())
            })?;
        }
        Ok(figures)
    }

    fn window(&self, progress: &mut Progress) -> Result<Window, Failure> {
        let programs = progress.step("Build the programs", |step| {
            let folder = environment::target_folder();
            if self.built {
                step.note("as they are");
                return Ok(folder.join("debug"));
            }
            let packages = ["--package", "pilotlight-tests", "--package", "pilotlight-server"];
            let programs = ["--bin", "pilotlight-victim", "--bin", "pilotlight-server"];
            let mut command = cargo::cargo(&["build", "--release"]);
            command.args(packages).args(programs);
            step.run(command)?;
            Ok(folder.join("release"))
        })?;
        let refreshes = if self.quick { 20 } else { 100 };
        progress.step("The dangerous window", |step| {
            window::measure(step, &programs, &place::own().join("bench"), refreshes)
        })
    }
}
