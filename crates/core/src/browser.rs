//! The person's browser.

use url::Url;

use crate::{Error, ErrorCode};

/// Opens an address for the person, outside of this program (RFC 8252 section 8.12: never an embedded view).
pub trait Browser: Send + Sync {
    /// Opens `url`. An error means that nothing was shown.
    fn open(&self, url: &Url) -> Result<(), Error>;
}

/// The system's default browser. Opens nothing while the screen is locked ([`ErrorCode::ScreenLocked`]): nobody would see it,
/// and whoever unlocks the screen later did not ask for it.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemBrowser;

impl Browser for SystemBrowser {
    fn open(&self, url: &Url) -> Result<(), Error> {
        if crate::screen::is_locked() {
            return Err(Error::new(ErrorCode::ScreenLocked, "The screen is locked, so no page was opened."));
        }
        webbrowser::open(url.as_str())
            .map_err(|error| Error::new(ErrorCode::BrowserFailed, format!("The browser did not open: {error}.")))
    }
}
