//! `pilotlight exec`: a command with a token in its environment.

use std::ffi::OsString;
use std::process::Command;

use clap::Args;
use pilotlight::values::ExposeSecret as _;

use crate::command::{Outcome, Run};
use crate::failure::Failure;
use crate::lend::Lending;

#[derive(Debug, Args)]
pub(crate) struct ExecArguments {
    /// The account
    name: String,
    /// The environment variable that holds the token (PILOTLIGHT_TOKEN), or with --fd the file's name (PILOTLIGHT_TOKEN_FILE)
    #[arg(long, value_name = "VARIABLE", value_parser = variable)]
    env: Option<String>,
    /// Keep the token out of the environment: the variable names a file, /dev/fd/N, that can be read once
    #[cfg(unix)]
    #[arg(long)]
    fd: bool,
    #[command(flatten)]
    lending: Lending,
    /// The command and its arguments, behind --
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

/// A name that a shell can read too.
fn variable(text: &str) -> Result<String, &'static str> {
    let fits = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if fits && !text.is_empty() && !text.starts_with(|first: char| first.is_ascii_digit()) {
        return Ok(text.to_owned());
    }
    Err("a variable's name is made of letters, digits and _")
}

impl Run {
    /// Prepares the command. It only begins when this program has nothing left to save.
    pub(crate) async fn exec(self, arguments: ExecArguments) -> Outcome {
        let token = self.lender(arguments.lending).bearer(&arguments.name).await?;
        let mut words = arguments.command.into_iter();
        if let Some(program) = words.next() {
            let mut command = Command::new(program);
            command.args(words);
            #[cfg(unix)]
            let file = if arguments.fd { Some(readable_once(token.token.expose_secret())?) } else { None };
            #[cfg(not(unix))]
            let file: Option<String> = None;
            let usual = if file.is_some() { "PILOTLIGHT_TOKEN_FILE" } else { "PILOTLIGHT_TOKEN" };
            let variable = arguments.env.as_deref().unwrap_or(usual);
            command.env(variable, file.as_deref().unwrap_or(token.token.expose_secret()));
            self.next.set(Some(command));
        }
        Ok(0)
    }
}

/// The most that every system's pipe holds while nobody reads it.
#[cfg(unix)]
const PIPE: usize = 16 * 1024;

/// The name of a pipe that the command inherits, holds `token` and ends behind it.
#[cfg(unix)]
fn readable_once(token: &str) -> Result<String, Failure> {
    use std::io::Write as _;
    use std::os::fd::IntoRawFd as _;
    if token.len() > PIPE {
        return Err(Failure::usage("The token is too long to be passed by --fd.", "Pass it without --fd."));
    }
    let made = || -> std::io::Result<_> {
        let (reader, mut writer) = std::io::pipe()?;
        writer.write_all(token.as_bytes())?;
        rustix::io::fcntl_setfd(&reader, rustix::io::FdFlags::empty())?;
        Ok(reader)
    };
    let reader = made().map_err(|error| {
        Failure::usage(format!("A pipe for the token cannot be made: {error}."), "Close some files and try again.")
    })?;
    // Left open: it is the command's from here on.
    Ok(format!("/dev/fd/{}", reader.into_raw_fd()))
}

/// Becomes the command, so that signals and the exit code are its own.
#[cfg(unix)]
pub(crate) fn become_it(mut command: Command) -> Outcome {
    use std::os::unix::process::CommandExt as _;
    let error = command.exec();
    Err(not_started(&command, &error))
}

/// Runs the command to its end, where a program cannot become another.
#[cfg(not(unix))]
pub(crate) fn become_it(mut command: Command) -> Outcome {
    let status = command.status().map_err(|error| not_started(&command, &error))?;
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1))
}

fn not_started(command: &Command, error: &std::io::Error) -> Failure {
    let name = command.get_program().to_string_lossy();
    Failure::usage(format!("{name} cannot be started: {error}."), "Name a program that is there, behind --.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_has_a_name_that_a_shell_can_read() {
        assert!(["TOKEN", "_a1"].iter().all(|name| variable(name).is_ok()));
        assert!(["", "1A", "A=B", "A B", "Ü"].iter().all(|name| variable(name).is_err()));
    }
}
