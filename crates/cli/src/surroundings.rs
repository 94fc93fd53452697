//! Where this program was started: what the environment tells, read here alone.

use std::ffi::OsString;
use std::path::PathBuf;

/// The file in a service's credentials folder that holds the vault's passphrase (systemd.exec(5), `LoadCredential=`).
const PASSPHRASE: &str = "pilotlight-passphrase";

/// What is around this program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Screen {
    /// A browser can be shown here.
    Here,
    /// The person sits elsewhere: `SSH_CONNECTION` is set.
    Elsewhere,
    /// There is nothing to show anything on.
    None,
}

impl Screen {
    /// Looks for one.
    pub(crate) fn find() -> Self {
        let set = |name| variable(name).is_some();
        Self::of(set("BROWSER"), set("SSH_CONNECTION"), set("DISPLAY") || set("WAYLAND_DISPLAY"))
    }

    /// Whoever names a browser has one, also over SSH: some editors show pages at the other end.
    const fn of(browser: bool, ssh: bool, display: bool) -> Self {
        match (browser, ssh, display) {
            (true, ..) => Self::Here,
            (_, true, _) => Self::Elsewhere,
            (_, _, true) => Self::Here,
            // Elsewhere, no variable tells of a screen.
            _ if cfg!(any(windows, target_os = "macos")) => Self::Here,
            _ => Self::None,
        }
    }

    /// Why a browser is of no use here.
    pub(crate) const fn trouble(self) -> Option<&'static str> {
        match self {
            Self::Here => None,
            Self::Elsewhere => Some("This is a session over SSH"),
            Self::None => Some("There is no screen for a browser here"),
        }
    }
}

/// How many characters a row of the terminal at standard error holds; `None` where it is none, or does not tell.
pub(crate) fn columns() -> Option<usize> {
    #[cfg(unix)]
    return rustix::termios::tcgetwinsize(std::io::stderr()).ok().map(|size| size.ws_col.into()).filter(|it| *it > 0);
    #[cfg(not(unix))]
    None
}

/// The file with the vault's passphrase that systemd gave this service, if it did.
pub(crate) fn passphrase_of_service() -> Option<PathBuf> {
    let file = PathBuf::from(variable("CREDENTIALS_DIRECTORY")?).join(PASSPHRASE);
    file.is_file().then_some(file)
}

#[expect(clippy::disallowed_methods, reason = "the place that reads the environment")]
fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_is_of_use_where_somebody_sees_it() {
        assert_eq!(Screen::of(false, false, true), Screen::Here);
        assert_eq!(
            Screen::of(false, true, true),
            Screen::Elsewhere,
            "the display may be at the other end, or nobody's"
        );
        assert_eq!(Screen::of(true, true, false), Screen::Here);
        let nothing = if cfg!(any(windows, target_os = "macos")) { Screen::Here } else { Screen::None };
        assert_eq!(Screen::of(false, false, false), nothing);
    }
}
