//! The browser of a sign-in, which tells the address as well; and how the program knows that the core is at rest.

use std::sync::Arc;

use pilotlight::parts::{Browser, SystemBrowser};
use pilotlight::{Error, ErrorCode};
use tokio::sync::oneshot;
use url::Url;

use crate::output;

/// Tells the address before it opens it, so that a person can open it by hand where nothing opens.
///
/// The core keeps it for as long as any of its work goes on, a detached refresh too; [`AtRest`] hears of the end.
pub(crate) struct PrintingBrowser {
    /// Dropped with this value, which is all that it says.
    _at_work: oneshot::Sender<()>,
}

/// Resolves when the core and all its tasks are gone.
pub(crate) struct AtRest(oneshot::Receiver<()>);

impl PrintingBrowser {
    pub(crate) fn new() -> (Arc<Self>, AtRest) {
        let (at_work, at_rest) = oneshot::channel();
        (Arc::new(Self { _at_work: at_work }), AtRest(at_rest))
    }
}

impl AtRest {
    /// Whether something still goes on.
    pub(crate) fn is_busy(&mut self) -> bool {
        matches!(self.0.try_recv(), Err(oneshot::error::TryRecvError::Empty))
    }

    /// Waits for the end of it.
    pub(crate) async fn wait(self) {
        // The sender only ever goes away; that is the news.
        let _ = self.0.await;
    }
}

impl Browser for PrintingBrowser {
    fn open(&self, url: &Url) -> Result<(), Error> {
        let page = url.origin().ascii_serialization();
        output::note(&format!("Opening {page} in your browser; if nothing opens, open this address:"));
        output::note(url.as_str());
        if let Err(error) = SystemBrowser.open(url) {
            if error.code() == ErrorCode::ScreenLocked {
                // Nobody is there to open it by hand either.
                return Err(error);
            }
            output::note(&format!(
                "{error} Open the address above on this machine yourself, or say --flow device to sign in from another one."
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_core_is_at_rest_when_the_last_of_its_parts_is_gone() {
        let (browser, mut at_rest) = PrintingBrowser::new();
        let in_a_task = Arc::clone(&browser);
        drop(browser);
        assert!(at_rest.is_busy());
        drop(in_a_task);
        assert!(!at_rest.is_busy());
    }
}
