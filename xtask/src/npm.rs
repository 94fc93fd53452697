//! The front end's packages and scripts, and those of the servers that tests sign in to.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::SystemTime,
};

use crate::{environment, failure::Failure, place, progress::Progress};

/// Steps of [`install`].
pub(crate) const STEPS: usize = 1;

/// Installs the front end's packages where the lock file is newer than what is installed.
pub(crate) fn install(progress: &mut Progress) -> Result<(), Failure> {
    install_in(progress, "Packages of the UI", &place::ui())
}

/// Steps of [`install_for_tests`].
pub(crate) const TEST_STEPS: usize = 3;

/// As [`install`], for the servers that tests sign in to, for the plugin's own package, and for the example.
pub(crate) fn install_for_tests(progress: &mut Progress) -> Result<(), Failure> {
    install_in(progress, "Packages of the tests", &place::node_peers())?;
    install_in(progress, "Packages of the plugin's package", &place::package())?;
    install_in(progress, "Packages of the example", &place::example())
}

fn install_in(progress: &mut Progress, name: &str, folder: &Path) -> Result<(), Failure> {
    progress.step(name, |step| {
        if is_current(folder) {
            step.note("already installed");
            return Ok(());
        }
        step.run(npm(folder, &["ci", "--no-audit", "--no-fund"]))
    })
}

/// npm writes the hidden lock file when it has installed everything.
fn is_current(folder: &Path) -> bool {
    let modified = |file: PathBuf| fs::metadata(file).and_then(|metadata| metadata.modified()).ok();
    let installed: Option<SystemTime> = modified(folder.join("node_modules/.package-lock.json"));
    installed.is_some() && installed >= modified(folder.join("package-lock.json"))
}

/// `npm run NAME` in ui.
pub(crate) fn script(name: &str) -> Command {
    script_in(&place::ui(), name)
}

/// `npm run NAME` in another folder.
pub(crate) fn script_in(folder: &Path, name: &str) -> Command {
    npm(folder, &["run", name])
}

fn npm(folder: &Path, arguments: &[&str]) -> Command {
    // On Windows npm is a batch file, which only its shell can start.
    let mut command = if cfg!(windows) {
        let mut shell = Command::new("cmd");
        shell.args(["/c", "npm"]);
        shell
    } else {
        Command::new(environment::on_path("npm").unwrap_or_else(|| "npm".into()))
    };
    command.args(arguments).current_dir(folder).env("NO_COLOR", "1").env("FORCE_COLOR", "0");
    command
}
