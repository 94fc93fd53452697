//! The Python packages that tests speak to, in an environment of their own.

use std::{fs, path::PathBuf, process::Command};

use crate::{environment, failure::Failure, place, progress::Progress};

/// Steps of [`install_peers`].
pub(crate) const STEPS: usize = 1;

/// Installs what tests/python/requirements.txt asks for, unless it was installed as it stands now.
pub(crate) fn install_peers(progress: &mut Progress) -> Result<(), Failure> {
    progress.step("Python packages of the tests", |step| {
        let wanted = place::python_peers();
        let folder = place::tools().join("python");
        let installed = folder.join("requirements.txt");
        if fs::read(&installed).ok().is_some_and(|list| fs::read(&wanted).is_ok_and(|wanted| wanted == list)) {
            step.note("already installed");
            return Ok(());
        }
        let mut environment = Command::new(program()?);
        environment.args(["-m", "venv", "--clear"]).arg(&folder);
        step.run(environment)?;
        let mut pip = Command::new(folder.join(inside("python")));
        pip.args([
            "-m",
            "pip",
            "install",
            "--disable-pip-version-check",
            "--no-deps",
            "--only-binary",
            ":all:",
            "--requirement",
        ]);
        pip.arg(&wanted).current_dir(place::root());
        step.run(pip)?;
        // Last, so that what was cut short is done again.
        fs::copy(&wanted, &installed)
            .map(drop)
            .map_err(|error| Failure::new(format!("{} could not be written: {error}", installed.display())))
    })
}

fn program() -> Result<PathBuf, Failure> {
    ["python3", "python"]
        .into_iter()
        .find_map(environment::on_path)
        .ok_or_else(|| Failure::needs_person("Python 3.9 or newer is needed for tests: https://www.python.org"))
}

/// Where an environment keeps its programs.
fn inside(program: &str) -> PathBuf {
    if cfg!(windows) { format!("Scripts/{program}.exe").into() } else { format!("bin/{program}").into() }
}
