//! `cargo xtask …`: the project's tasks, and all they need on a fresh machine.
//!
//! ```text
//! cargo xtask run        start the demo service and the app on it
//! cargo xtask test       everything that must pass, with the counts in the last line
//! cargo xtask torture    the long crash tests and simulated months, with their figures
//! cargo xtask fuzz       every parser under libFuzzer, a minute each
//! cargo xtask bench      the vault's strategies measured, in fsyncs; `bench server`: what a refresh costs,
//!                        `bench agent`: what lending costs beside oidc-agent, `bench app`: the window beside a bare one
//! cargo xtask package    a .deb and an .rpm of the app and the command line
//! cargo xtask screens    pictures of every view, in docs/screens
//! cargo xtask setup      install what the two need, and nothing else
//! cargo xtask bindings   write the TypeScript types anew
//! cargo xtask face       list anew what others can use of the crates
//! cargo xtask fmt        format Rust sources
//! ```
#![expect(clippy::print_stdout, reason = "a task tells in the terminal what it does")]

use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod bench;
mod bindings;
mod cargo;
mod counts;
mod environment;
mod face;
mod failure;
mod fuzz;
mod npm;
mod package;
mod packages;
mod place;
mod progress;
mod python;
mod run;
mod setup;
mod system;
mod test;
mod tools;

use crate::{failure::Failure, progress::Progress};

/// The project's tasks.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version)]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Install what is missing, build, start the demo service and open the app on it
    Run(run::Run),
    /// Run everything that must pass
    Test(test::Test),
    /// Run the long crash tests and simulated months, and print their figures
    Torture {
        /// The authorization server's instead: herds, kills, Redis away; each at its whole length
        #[arg(long, conflicts_with = "arguments")]
        server: bool,
        /// What decides at which instants the server's are disturbed
        #[arg(long, value_name = "NUMBER", default_value = "4400", requires = "server")]
        seed: u64,
        /// What pilotlight-torture is told; `-- --help` lists it
        #[arg(last = true)]
        arguments: Vec<String>,
    },
    /// Run every parser under libFuzzer
    Fuzz(fuzz::Fuzz),
    /// Measure the strategies of the vault
    Bench(bench::Bench),
    /// Make a .deb and an .rpm of the app and the command line
    Package(package::Package),
    /// Take pictures of every view, light and dark, in both languages, for docs/screens
    Screens,
    /// Install what `run` and `test` need, and nothing else
    Setup,
    /// Write the TypeScript types anew from the Rust types
    Bindings,
    /// List anew what others can use of the crates, in docs/face
    Face,
    /// Format the Rust sources
    Fmt,
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().task {
        Task::Run(run) => run.start(),
        Task::Test(test) => test.start(),
        Task::Torture { server: true, seed, .. } => torture_server(seed),
        Task::Torture { arguments, .. } => torture(&arguments),
        Task::Fuzz(fuzz) => fuzz.start(),
        Task::Bench(bench) => bench.start(),
        Task::Package(package) => package.start(),
        Task::Screens => screens(),
        Task::Setup => setup(),
        Task::Bindings => bindings(),
        Task::Face => face(),
        Task::Fmt => Progress::of(1).step("Format", |step| step.run(cargo::cargo(&["fmt", "--all"]))),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            println!("\n{failure}");
            failure.exit_code()
        }
    }
}

fn setup() -> Result<(), Failure> {
    let mut progress = Progress::of(setup::STEPS);
    setup::everything(&mut progress)?;
    println!("Ready: `cargo xtask run` or `cargo xtask test`.");
    Ok(())
}

fn torture(arguments: &[String]) -> Result<(), Failure> {
    let mut progress = Progress::of(npm::STEPS + 2);
    npm::install(&mut progress)?;
    progress.step("Build the UI", |step| step.run(npm::script("build")))?;
    progress.step("Build the programs", |step| step.run(cargo::build_programs()))?;
    println!();
    let mut command = std::process::Command::new(place::built("pilotlight-torture"));
    let status = command.args(arguments).status()?;
    if status.success() { Ok(()) } else { Err(Failure::new(format!("{}: {status}", progress::line_of(&command)))) }
}

/// The tests of the server that have two lengths, one after the other. Each tells after `torture: ` what it came to.
fn torture_server(seed: u64) -> Result<(), Failure> {
    let mut command = cargo::cargo(&["test", "--package", "pilotlight-server", "--test", "it", "--"]);
    command.args(["--test-threads", "1", "--nocapture", "herd::", "kill::", "redis::", "keycloak::"]);
    command.env("PILOTLIGHT_TORTURE", seed.to_string());
    let told = Progress::of(1).step("Disturb the server", |step| step.read(command))?;
    for (_, came_to) in told.lines().filter_map(|line| line.split_once("torture: ")) {
        println!("{came_to}");
    }
    Ok(())
}

fn face() -> Result<(), Failure> {
    let mut progress = Progress::of(3 + npm::STEPS);
    npm::install(&mut progress)?;
    progress.step("Build the UI", |step| step.run(npm::script("build")))?;
    progress.step("Documentation", face::document)?;
    progress.step("Write docs/face", face::write)
}

fn bindings() -> Result<(), Failure> {
    let mut progress = Progress::of(2 + npm::STEPS);
    npm::install(&mut progress)?;
    progress.step("Build the UI", |step| step.run(npm::script("build")))?;
    progress.step("Write the types", bindings::write)
}

/// Chromium shows the built pages with the stand-in for the host; ui/tests/screens.js goes through them.
fn screens() -> Result<(), Failure> {
    let mut progress = Progress::of(npm::STEPS + 2);
    npm::install(&mut progress)?;
    progress.step("Build the UI", |step| step.run(npm::script("build:fake")))?;
    let told = progress.step("Take the pictures", |step| {
        let mut command = npm::script("screens");
        command.arg("--").arg(place::root().join("docs/screens"));
        step.read(command)
    })?;
    println!("{}", told.lines().last().unwrap_or_default());
    Ok(())
}
