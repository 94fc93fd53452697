//! Cargo's command lines, with the same packages and features everywhere: other ones would be another build of everything.

use std::process::Command;

use crate::{environment, place};

/// `custom-protocol` makes the app carry its own pages; without it a debug build looks for a development server.
const FEATURES: [&str; 2] = ["--features", "tauri/custom-protocol"];

/// `cargo ARGUMENTS` at the top of the checkout, writing for a log.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(environment::cargo());
    command.args(arguments).current_dir(place::root()).env("CARGO_TERM_COLOR", "never").env("NO_COLOR", "1");
    command
}

/// `cargo SUBCOMMAND --workspace …`, with the features that every build has.
pub(crate) fn workspace(subcommand: &[&str], rest: &[&str]) -> Command {
    let mut command = cargo(subcommand);
    command.arg("--workspace").args(FEATURES).args(rest);
    command
}

/// `cargo SUBCOMMAND` for the vault alone, with SQLCipher in the place of SQLite: another build of SQLite and of what
/// stands on it, so not one for the whole workspace.
pub(crate) fn vault_under_sqlcipher(subcommand: &[&str], rest: &[&str]) -> Command {
    let mut command = cargo(subcommand);
    command.args(["--package", "pilotlight-vault", "--features", "testing,sqlcipher"]).args(rest);
    command
}

/// `cargo SUBCOMMAND` for the command line as small as it gets, without the lab: packagers build it so.
pub(crate) fn small_command_line(subcommand: &[&str], rest: &[&str]) -> Command {
    let mut command = cargo(subcommand);
    command.args(["--package", "pilotlight-cli", "--no-default-features"]).args(rest);
    command
}

/// The app and the command line, optimised, as they are packaged and measured.
pub(crate) fn release_of_the_app() -> Command {
    let mut command = cargo(&["build", "--release", "--package", "pilotlight-desktop", "--package", "pilotlight-cli"]);
    command.args(FEATURES);
    command
}

/// The window that the app's is measured beside.
pub(crate) fn release_of_the_bare_window() -> Command {
    let mut command = cargo(&["build", "--release", "--package", "pilotlight-desktop", "--example", "bare"]);
    command.args(FEATURES);
    command
}

/// Builds the product's programs. xtask itself is running, and some systems cannot replace a running program.
pub(crate) fn build_programs() -> Command {
    workspace(&["build"], &["--exclude", "xtask", "--exclude", "pilotlight-example", "--bins"])
}

/// As [`build_programs`], and the example.
pub(crate) fn build_all_programs() -> Command {
    workspace(&["build"], &["--exclude", "xtask", "--bins"])
}
