//! What ends a command early, and the exit code it ends with.

use pilotlight::{Error, ErrorCode, ErrorKind};

/// Why a command did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The core says why.
    #[error(transparent)]
    Core(#[from] Error),
    /// The core says why, and this command knows a better next step.
    #[error("{error}")]
    Advised {
        /// What the core says.
        error: Error,
        /// The next step.
        hint: &'static str,
    },
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

    /// Why a first sign-in failed: there is no account yet that could be kept or tried again by itself.
    pub(crate) fn of_sign_in(error: Error, by_token: bool) -> Self {
        use ErrorCode::{KeystoreAbsent, NameTaken, NoAnswer, Offline, ServerUnavailable, WrongCredentials};
        let hint = match error.code() {
            Offline | NoAnswer => "Check the network and the address, then sign in again. Nothing was kept.",
            ServerUnavailable => "The service has trouble. Sign in again later; nothing was kept.",
            WrongCredentials if by_token => {
                "Pass the newest refresh token, and the client that it was issued to. One that was used is worth nothing."
            }
            NameTaken => "Choose another name, or sign in to that account once more with --again.",
            KeystoreAbsent => {
                "Start a keystore (GNOME Keyring, KWallet or KeePassXC on Linux) in this session, or choose a way that needs none: `pilotlight vault use encrypted-file`. Nothing is written unprotected instead."
            }
            _ => return Self::Core(error),
        };
        Self::Advised { error, hint }
    }

    /// The situation's name, for scripts.
    pub(crate) const fn code(&self) -> &'static str {
        match self {
            Self::Core(error) | Self::Advised { error, .. } => error.code().as_str(),
            Self::Usage { .. } => ErrorCode::BadInput.as_str(),
            Self::Output(_) => "output_failed",
        }
    }

    /// The next step.
    pub(crate) const fn hint(&self) -> &'static str {
        match self {
            Self::Core(error) => error.hint(),
            Self::Advised { hint, .. } | Self::Usage { hint, .. } => hint,
            Self::Output(_) => "Make room where the output goes, then try again. Nothing is lost.",
        }
    }

    /// See the table in `pilotlight --help` and docs/cli.md.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Core(error) | Self::Advised { error, .. } => exit_code(error),
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
    fn who_has_no_account_yet_is_not_told_that_it_is_kept() {
        for code in [ErrorCode::Offline, ErrorCode::NoAnswer, ErrorCode::ServerUnavailable] {
            let failure = Failure::of_sign_in(Error::new(code, "It did not work."), false);
            assert_eq!((failure.exit_code(), failure.code()), (LATER, code.as_str()));
            assert!(failure.hint().contains("othing was kept") && failure.hint() != code.hint(), "{}", code.as_str());
        }
        let denied = Failure::of_sign_in(Error::new(ErrorCode::SignInDenied, "No."), false);
        assert_eq!(denied.hint(), ErrorCode::SignInDenied.hint());
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
