//! How a task fails: with a sentence and an exit code.

use std::{fmt, process::ExitCode};

/// Why a task stopped.
#[derive(Debug)]
pub(crate) struct Failure {
    message: String,
    code: u8,
}

impl Failure {
    /// Something did not pass: exit code 1.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), code: 1 }
    }

    /// The person has to do something first: exit code 2.
    pub(crate) fn needs_person(message: impl Into<String>) -> Self {
        Self { message: message.into(), code: 2 }
    }

    /// Whether the person has to do something first.
    pub(crate) fn is_for_person(&self) -> bool {
        self.code == 2
    }

    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.code)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::new(error.to_string())
    }
}
