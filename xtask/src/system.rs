//! Installs system packages where it may, and otherwise says which command would.

use std::process::{Command, Stdio};

use crate::{
    environment,
    failure::Failure,
    packages::{MANAGERS, Manager, PEER, Purpose, TEST_PROGRAMS},
    progress::{Progress, Step},
};

/// Steps of [`packages`].
pub(crate) const STEPS: usize = 1;

/// Makes sure that what the purpose needs of the system is there.
pub(crate) fn packages(progress: &mut Progress, purpose: Purpose) -> Result<(), Failure> {
    progress.step("System packages", |step| match std::env::consts::OS {
        "linux" => linux(step, purpose),
        "macos" => macos(),
        "windows" => {
            step.note(
                "building needs the Visual Studio C++ build tools; the WebView2 runtime is part of Windows 10 and 11",
            );
            Ok(())
        }
        other => Err(Failure::needs_person(format!("{other} is not a system that the app runs on"))),
    })
}

fn macos() -> Result<(), Failure> {
    if succeeds(Command::new("xcode-select").arg("-p")) {
        return Ok(());
    }
    Err(Failure::needs_person("The command line tools of Xcode are missing. Run:\n\n    xcode-select --install"))
}

fn linux(step: &mut Step, purpose: Purpose) -> Result<(), Failure> {
    let manager = MANAGERS.iter().find(|manager| environment::on_path(manager.program).is_some());
    if let Some(manager) = manager {
        let missing: Vec<_> = manager
            .packages(purpose, |program| environment::on_path(program).is_some())
            .filter(|package| !is_installed(manager, package))
            .collect();
        if missing.is_empty() {
            let (program, package) = PEER;
            let peer = if environment::on_path(program).is_some() {
                String::new()
            } else {
                format!("; {package}, for `bench agent` alone, is not there")
            };
            step.note(format!("nothing is missing{peer}"));
        } else {
            install(step, manager, &missing)?;
        }
    }
    let lacking: Vec<_> = lacking(purpose);
    if lacking.is_empty() {
        return Ok(());
    }
    Err(Failure::needs_person(format!(
        "Not found, and no package manager here is known to bring it: {}",
        lacking.join(", ")
    )))
}

fn lacking(purpose: Purpose) -> Vec<&'static str> {
    let mut lacking = Vec::new();
    if !succeeds(Command::new("pkg-config").args(["--exists", "webkit2gtk-4.1"])) {
        lacking.push("webkit2gtk-4.1 with its headers");
    }
    if purpose == Purpose::Test {
        lacking.extend(TEST_PROGRAMS.into_iter().filter(|name| environment::on_path(name).is_none()));
    }
    lacking
}

/// dpkg also knows packages that were removed, so its answer is read; elsewhere the exit code says it.
fn is_installed(manager: &Manager, package: &str) -> bool {
    let Some((program, arguments)) = manager.probe.split_first() else { return false };
    let output = Command::new(program).args(arguments).arg(package).stdin(Stdio::null()).output();
    output.is_ok_and(|output| {
        let removed = manager.program == "apt-get" && output.stdout != b"installed";
        output.status.success() && !removed
    })
}

fn install(step: &mut Step, manager: &Manager, missing: &[&str]) -> Result<(), Failure> {
    let Some(before) = permission() else {
        let words: Vec<_> = manager.install.iter().chain(missing).copied().collect();
        let command = format!("    sudo {} {}", manager.program, words.join(" "));
        return Err(Failure::needs_person(format!(
            "These system packages are missing. Run:\n\n{command}\n\nand start again."
        )));
    };
    let command = |arguments: &[&str]| {
        let words: Vec<&str> =
            before.iter().copied().chain([manager.program]).chain(arguments.iter().copied()).collect();
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).env("DEBIAN_FRONTEND", "noninteractive");
        command
    };
    if let Some(refresh) = manager.refresh {
        // An old list may do; if it does not, the next command says so.
        step.attempt(command(refresh))?;
    }
    let words: Vec<_> = manager.install.iter().chain(missing).copied().collect();
    step.run(command(&words))?;
    step.note(format!("installed {}", missing.join(", ")));
    Ok(())
}

/// What stands before a command that changes the system: nothing for root, `sudo -n` where that asks no password.
fn permission() -> Option<&'static [&'static str]> {
    let id = Command::new("id").arg("-u").stdin(Stdio::null()).output().ok()?;
    if id.stdout.trim_ascii() == b"0" {
        return Some(&[]);
    }
    succeeds(Command::new("sudo").args(["-n", "true"])).then_some(&["sudo", "-n"])
}

fn succeeds(command: &mut Command) -> bool {
    let silent = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    silent.status().is_ok_and(|status| status.success())
}
