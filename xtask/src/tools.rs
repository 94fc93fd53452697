//! Rust, Node, and the tools that cargo installs into .xtask/tools.

use std::{path::PathBuf, process::Command};

use crate::{
    cargo, environment,
    failure::Failure,
    place,
    progress::{Progress, Step},
};

/// Steps of [`versions`].
pub(crate) const VERSION_STEPS: usize = 1;

/// The oldest Rust that builds Tauri.
const RUST: (u32, u32) = (1, 90);
/// The oldest Node that builds the UI.
const NODE: (u32, u32) = (20, 19);

/// Drives the app's window in tests. Version 3 is not out yet.
const TAURI_DRIVER: [&str; 3] = ["tauri-driver", "--version", "^2"];
/// Checks licences and sources.
const CARGO_DENY: [&str; 3] = ["cargo-deny", "--version", "^0.20"];

/// Checks that Rust and Node are new enough.
pub(crate) fn versions(progress: &mut Progress) -> Result<(), Failure> {
    progress.step("Rust and Node", |step| {
        let rust = version(step, "rustc", RUST, "https://rustup.rs, then `rustup update`")?;
        let node = version(step, "node", NODE, "https://nodejs.org")?;
        step.note(format!("{rust}, Node {node}"));
        Ok(())
    })
}

fn version(step: &mut Step, program: &str, least: (u32, u32), from: &str) -> Result<String, Failure> {
    let (major, minor) = least;
    let wanted = || Failure::needs_person(format!("{program} {major}.{minor} or newer is needed: {from}"));
    let mut command = Command::new(environment::on_path(program).ok_or_else(wanted)?);
    command.arg("--version").current_dir(place::root());
    let text = step.read(command)?.trim().to_owned();
    match parse_version(&text) {
        Some(found) if found >= least => Ok(text),
        _ => Err(Failure::needs_person(format!("{} It is {text:?} here.", wanted()))),
    }
}

/// Major and minor version in `rustc 1.95.0 (…)` or `v20.20.2`.
fn parse_version(text: &str) -> Option<(u32, u32)> {
    let word =
        text.split_whitespace().find(|word| word.trim_start_matches('v').starts_with(|c: char| c.is_ascii_digit()))?;
    let mut numbers = word.trim_start_matches('v').split('.').map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

/// Installs the driver of the app's window.
pub(crate) fn install_driver(progress: &mut Progress) -> Result<(), Failure> {
    progress.step("Driver of the app's window", |step| install(step, TAURI_DRIVER))
}

/// Installs the checker of licences and sources.
pub(crate) fn install_deny(progress: &mut Progress) -> Result<(), Failure> {
    progress.step("Checker of licences", |step| install(step, CARGO_DENY))
}

/// A debug build: it is made once, in a third of the time, and the tools wait for others rather than compute.
fn install(step: &mut Step, tool: [&str; 3]) -> Result<(), Failure> {
    if let Some(found) = installed(tool[0]) {
        step.note(format!("already installed: {}", found.display()));
        return Ok(());
    }
    let mut command = cargo::cargo(&["install", "--locked", "--debug", "--root"]);
    command.arg(place::tools()).args(tool).env("CARGO_PROFILE_DEV_DEBUG", "false");
    step.run(command)
}

/// A tool of that name: our own, else one that the person has.
pub(crate) fn installed(name: &str) -> Option<PathBuf> {
    let own = place::tools().join("bin").join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    if own.is_file() { Some(own) } else { environment::on_path(name) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_rust_and_node_print_them() {
        assert_eq!(parse_version("rustc 1.95.0 (59807616e 2026-04-14)"), Some((1, 95)));
        assert_eq!(parse_version("rustc 1.96.0-nightly"), Some((1, 96)));
        assert_eq!(parse_version("v20.20.2"), Some((20, 20)));
        for nonsense in ["", "v", "rustc", "1", "vv1.x"] {
            assert_eq!(parse_version(nonsense), None, "{nonsense}");
        }
    }
}
