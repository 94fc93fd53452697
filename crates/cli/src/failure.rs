//! What ends a command early, and the exit code it ends with.

use pilotlight::{Error, ErrorCode, ErrorKind};

/// Why a command did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The core says why.
    #[error(transparent)]
    Core(#[from] Error),
    /// The command's input is wrong in a way that only this program knows.
    #[error("{message}")]
    Usage {
        /// What is wrong.
        message: String,
        /// The next step.
        hint: &'static str,
    },
    /// Standard output does not take the result.
    #[error("The result could not be printed: {0}.")]
    Output(#[from] std::io::Error),
}

impl Failure {
    pub(crate) fn usage(message: impl Into<String>, hint: &'static str) -> Self {
        Self::Usage { message: message.into(), hint }
    }

    /// The situation's name, for scripts.
    pub(crate) const fn code(&self) -> &'static str {
        match self {
            Self::Core(error) => error.code().as_str(),
            Self::Usage { .. } => ErrorCode::BadInput.as_str(),
            Self::Output(_) => "output_failed",
        }
    }

    /// The next step.
    pub(crate) const fn hint(&self) -> &'static str {
        match self {
            Self::Core(error) => error.hint(),
            Self::Usage { hint, .. } => hint,
            Self::Output(_) => "Make room where the output goes, then try again. Nothing is lost.",
        }
    }

    /// See the table in `pilotlight --help` and docs/cli.md.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Core(error) => exit_code(error),
            Self::Usage { .. } => MISUSE,
            Self::Output(_) => INTERNAL,
        }
    }
}

/// A fault of the program, or of whatever its output goes to.
const INTERNAL: u8 = 1;
/// Clap's own code for a wrong command line.
pub(crate) const MISUSE: u8 = 2;
/// A person has to sign in.
pub(crate) const NEEDS_SIGN_IN: u8 = 3;
/// It may work later by itself.
pub(crate) const LATER: u8 = 4;
/// What is on the disk is not as it was written, or cannot be.
pub(crate) const DISK: u8 = 5;

fn exit_code(error: &Error) -> u8 {
    match error.kind() {
        _ if error.code() == ErrorCode::Internal => INTERNAL,
        ErrorKind::Misuse => MISUSE,
        ErrorKind::NeedsSignIn => NEEDS_SIGN_IN,
        ErrorKind::Retryable => LATER,
        ErrorKind::Vault => DISK,
        ErrorKind::Keystore => 6,
        ErrorKind::ServerMisbehaved => 7,
        _ => INTERNAL,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_situation_has_an_exit_code_that_the_help_tells() {
        for code in ErrorCode::ALL {
            let exit = exit_code(&Error::new(*code, "It did not work."));
            assert!((1..=7).contains(&exit), "{}", code.as_str());
            assert_eq!(exit == INTERNAL, *code == ErrorCode::Internal, "{}", code.as_str());
        }
    }

    #[test]
    fn situations_that_need_different_steps_have_different_exit_codes() {
        let codes = [
            (ErrorCode::BadInput, 2),
            (ErrorCode::GrantRefused, 3),
            (ErrorCode::NoSuchAccount, 3),
            (ErrorCode::Offline, 4),
            (ErrorCode::VaultDamaged, 5),
            (ErrorCode::KeystoreLocked, 6),
            (ErrorCode::ServerMisbehaved, 7),
        ];
        for (code, exit) in codes {
            assert_eq!(Failure::from(Error::new(code, "")).exit_code(), exit, "{}", code.as_str());
        }
        assert_eq!(Failure::usage("", "").exit_code(), 2);
    }
}
