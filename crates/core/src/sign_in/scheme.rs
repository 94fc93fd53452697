//! The redirect by the app's own scheme, RFC 8252 section 7.1: this process waits, another one brings the address
//! ([`crate::redirect`]). Whatever is not our answer changes nothing, as at the loopback address.

use std::sync::Arc;

use pilotlight_oauth::SecretString;

use super::loopback::Read;
use crate::{Error, Home};

#[cfg(unix)]
pub(super) use at_socket::Waiting;

/// Only Unix has the sockets for it.
#[cfg(not(unix))]
pub(super) struct Waiting(std::convert::Infallible);

#[cfg(not(unix))]
impl Waiting {
    pub(super) async fn begin(_: Home, _: String, _: String) -> Result<Self, Error> {
        let text = "On this system no answer comes back by a scheme of the app's own yet.";
        Err(Error::new(crate::ErrorCode::FlowUnsupported, text))
    }

    pub(super) fn redirect_uri(&self) -> &str {
        match self.0 {}
    }

    pub(super) async fn answer(self, _: Arc<Read>) -> Result<SecretString, Error> {
        match self.0 {}
    }
}

#[cfg(unix)]
mod at_socket {
    use std::io::ErrorKind;
    use std::path::{Path, PathBuf};
    use std::task::Context;

    use pilotlight_oauth::CallbackError;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{UnixListener, UnixStream};
    use zeroize::Zeroizing;

    use super::{Arc, Error, Home, Read, SecretString};
    use crate::files;
    use crate::lifecycle::blocking;
    use crate::redirect::{LONGEST, NOT_TAKEN, PATH, TAKEN, folder, query_of, socket, unusable};
    use crate::sign_in::loopback::{Outcome, until_answered};

    /// Behind a socket's name until somebody listens at it.
    const UNFINISHED: &str = "new";

    pub(in crate::sign_in) struct Waiting {
        listener: UnixListener,
        place: Place,
        scheme: String,
        redirect_uri: String,
    }

    /// A socket's file, which goes with the wait.
    struct Place(PathBuf);

    impl Drop for Place {
        fn drop(&mut self) {
            if let Err(error) = std::fs::remove_file(&self.0) {
                tracing::debug!("the socket of a sign-in stays: {error}");
            }
        }
    }

    impl Waiting {
        /// Listens for the answer to the request with this `state`.
        pub(in crate::sign_in) async fn begin(home: Home, scheme: String, state: String) -> Result<Self, Error> {
            let (listener, place) = blocking(move || listen(&home, &state)).await?;
            let listener = UnixListener::from_std(listener).map_err(|error| unusable(&error))?;
            Ok(Self { listener, place, redirect_uri: format!("{scheme}:{PATH}"), scheme })
        }

        pub(in crate::sign_in) fn redirect_uri(&self) -> &str {
            &self.redirect_uri
        }

        /// Waits until `read` accepts an answer, or says that the service refused. Later ones find nobody.
        pub(in crate::sign_in) async fn answer(self, read: Arc<Read>) -> Result<SecretString, Error> {
            let Self { listener, place, scheme, .. } = self;
            let accept = |context: &mut Context<'_>| listener.poll_accept(context).map_ok(|(stream, _)| stream);
            let answer = until_answered(accept, |stream| serve(stream, scheme.clone(), Arc::clone(&read))).await;
            drop(place);
            answer
        }
    }

    /// A socket gets its name when somebody listens at it, so that one at which nobody does is known to be a dead process's.
    fn listen(home: &Home, state: &str) -> Result<(std::os::unix::net::UnixListener, Place), Error> {
        let folder = folder(home);
        files::make_private_folder(&folder)?;
        files::examine_folder(&folder)?;
        remove_dead(&folder);
        let socket = socket(home, state);
        let unfinished = socket.with_extension(UNFINISHED);
        let listening = || {
            let listener = std::os::unix::net::UnixListener::bind(&unfinished)?;
            listener.set_nonblocking(true)?;
            std::fs::rename(&unfinished, &socket)?;
            Ok(listener)
        };
        let listener = listening().map_err(|error| unusable(&error))?;
        Ok((listener, Place(socket)))
    }

    /// Removes what processes left behind that were killed while they waited.
    fn remove_dead(folder: &Path) {
        let entries = folder.read_dir().into_iter().flatten().filter_map(Result::ok).map(|entry| entry.path());
        for path in entries.filter(|path| path.extension().is_none_or(|extension| extension != UNFINISHED)) {
            let refused = std::os::unix::net::UnixStream::connect(&path)
                .is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused);
            if refused {
                drop(Place(path));
            }
        }
    }

    /// Takes one address; something only where it is the one that was waited for.
    async fn serve(mut stream: UnixStream, scheme: String, read: Arc<Read>) -> Outcome {
        let mut address = Zeroizing::new(Vec::with_capacity(LONGEST));
        while stream.read_buf(&mut *address).await.ok()? > 0 {
            // Before it would grow and leave copies behind.
            if address.len() >= LONGEST {
                return None;
            }
        }
        let query = std::str::from_utf8(&address).ok().and_then(|address| query_of(address, &scheme));
        let outcome = query.map(&*read).filter(|read| !matches!(read, Err(CallbackError::WrongState)));
        let said = if outcome.is_some() { TAKEN } else { NOT_TAKEN };
        // Whether the other program hears of it does not matter to the sign-in.
        let _ = stream.write_all(&[said]).await;
        outcome
    }
}

#[cfg(test)]
#[cfg(unix)]
#[path = "scheme_tests.rs"]
mod tests;
