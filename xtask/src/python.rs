//! Google's Tink for Python, which the format of one vault is tested against.

use std::{fs, path::PathBuf, process::Command};

use crate::{
    environment,
    failure::Failure,
    place,
    progress::{Progress, Step},
};

/// Steps of [`install`].
pub(crate) const STEPS: usize = 1;

/// What stands in the folder when everything was installed.
const STAMP: &str = "installed.txt";

/// Installs the packages into a folder of this checkout, where they are not those that are wanted.
pub(crate) fn install(progress: &mut Progress) -> Result<(), Failure> {
    progress.step("Tink for the tests", |step| {
        let (folder, wanted) = (place::python_packages(), wanted(step)?);
        if fs::read_to_string(folder.join(STAMP)).is_ok_and(|installed| installed == wanted) {
            step.note("already installed");
            return Ok(());
        }
        // pip leaves what is there.
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        let mut pip = python()?;
        pip.args(["-m", "pip", "install", "--no-deps", "--only-binary", ":all:", "--no-input"]);
        pip.args(["--disable-pip-version-check", "--target"]).arg(&folder);
        pip.arg("--requirement").arg(requirements());
        step.run(pip)?;
        Ok(fs::write(folder.join(STAMP), wanted)?)
    })
}

fn requirements() -> PathBuf {
    place::python_peers().join("requirements.txt")
}

/// The versions, and the Python they are compiled for.
fn wanted(step: &mut Step) -> Result<String, Failure> {
    let list = fs::read_to_string(requirements())?;
    let mut version = python()?;
    version.arg("--version");
    Ok(format!("{list}{}", step.read(version)?))
}

fn python() -> Result<Command, Failure> {
    let found = environment::on_path(if cfg!(windows) { "python" } else { "python3" });
    found.map(Command::new).ok_or_else(|| Failure::needs_person("Python 3 is needed: https://www.python.org"))
}
