//! How a service's answer to a sign-in in the browser comes back (RFC 8252 section 7), and the hand-over of one that came by the
//! app's own scheme.
//!
//! ```text
//!  browser ──▶ desktop ──▶ a program with the address as its argument ──deliver()──▶ the process that waits
//! ```
//!
//! Whoever waits listens at a socket in the home's folder `answers`, which is its owner's alone. The socket's name is derived from
//! the `state` of the request, so an address with another `state`, a second one, or one that nobody waits for finds no socket and
//! reaches nobody. The desktop shows the address, and so the code in it, to whoever may list processes for as long as the handler
//! runs: without the verifier of PKCE, which never leaves the process that waits, it is of no use (RFC 7636 section 1).

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::{Error, Home, files};

/// The scheme of the app and the command line: the project's domain, reversed (RFC 8252 section 7.1).
pub const SCHEME: &str = "dev.pilotlight";
/// Behind the scheme, as behind the loopback address.
pub(crate) const PATH: &str = "/callback";
/// Bytes. An answer is as long here as it may be at the loopback address.
pub(crate) const LONGEST: usize = 16 * 1024;
/// What is said to whoever delivers: the sign-in goes on, or ends, by this answer.
#[cfg(unix)]
pub(crate) const TAKEN: u8 = b'1';
/// The same: it does not concern the sign-in.
#[cfg(unix)]
pub(crate) const NOT_TAKEN: u8 = b'0';
/// A process that waits and does not take an answer for so long is stuck.
#[cfg(unix)]
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(10);

/// Where a service sends the browser back to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Redirect {
    /// `http://127.0.0.1:PORT/callback` (RFC 8252 section 7.3): needs nothing of the desktop, and no other program can take it.
    #[default]
    Loopback,
    /// `SCHEME:/callback` (RFC 8252 section 7.1), for a client that is registered with no other. The desktop has to know the
    /// program that [`deliver`]s it.
    Scheme,
}

/// Why an address had no effect.
#[derive(Debug, thiserror::Error)]
pub enum Undelivered {
    /// It is no `SCHEME:/callback?…` with one `state`, or too long.
    #[error("this is no answer to a sign-in")]
    NotOurs,
    /// The sign-in is over, was given up, or is another home's.
    #[error("no sign-in waits for this answer")]
    NobodyWaits,
    /// The process that waits took it for no answer of its own, or did not say.
    #[error("the sign-in that waits did not take this answer")]
    NotTaken,
    /// Where the others listen is not safe to use, or cannot be.
    #[error("{0}")]
    Trouble(Error),
}

/// Gives `address`, as the desktop gave it to this program, to the process of `home` that waits for it. No file is opened by it,
/// and no error repeats any of it.
///
/// What becomes of the sign-in, that process tells: a service's refusal is an answer as well.
///
/// # Errors
/// It had no effect, and why.
pub fn deliver(home: &Home, scheme: &str, address: &str) -> Result<(), Undelivered> {
    let state = query_of(address, scheme).and_then(state_of).ok_or(Undelivered::NotOurs)?;
    if !files::examine_folder(&folder(home)).map_err(Undelivered::Trouble)? {
        return Err(Undelivered::NobodyWaits);
    }
    hand_over(home, &state, address)
}

#[cfg(unix)]
fn hand_over(home: &Home, state: &str, address: &str) -> Result<(), Undelivered> {
    use std::io::{ErrorKind, Read as _, Write as _};
    let mut stream =
        std::os::unix::net::UnixStream::connect(socket(home, state)).map_err(|error| match error.kind() {
            ErrorKind::NotFound | ErrorKind::ConnectionRefused => Undelivered::NobodyWaits,
            _ => Undelivered::Trouble(unusable(&error)),
        })?;
    let mut said = [NOT_TAKEN];
    let told = stream
        .set_write_timeout(Some(PATIENCE))
        .and_then(|()| stream.set_read_timeout(Some(PATIENCE)))
        .and_then(|()| stream.write_all(address.as_bytes()))
        .and_then(|()| stream.shutdown(std::net::Shutdown::Write))
        .and_then(|()| stream.read_exact(&mut said));
    if told.is_ok() && said == [TAKEN] { Ok(()) } else { Err(Undelivered::NotTaken) }
}

/// Nobody can wait: there are no such sockets here.
#[cfg(not(unix))]
fn hand_over(_: &Home, _: &str, _: &str) -> Result<(), Undelivered> {
    Err(Undelivered::NobodyWaits)
}

/// The query of `SCHEME:/callback?…`. A browser may have carried a fragment along (RFC 9110 section 10.2.2), which says nothing.
pub(crate) fn query_of<'a>(address: &'a str, scheme: &str) -> Option<&'a str> {
    let (named, rest) = address.split_once(':')?;
    let (path, query) = rest.split('#').next()?.split_once('?')?;
    (address.len() < LONGEST && named.eq_ignore_ascii_case(scheme) && path == PATH).then_some(query)
}

fn state_of(query: &str) -> Option<String> {
    let mut states = url::form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| name == "state");
    let state = states.next()?.1.into_owned();
    states.next().is_none().then_some(state)
}

pub(crate) fn folder(home: &Home) -> PathBuf {
    home.path().join("answers")
}

/// Where the process listens whose request had this `state`.
#[cfg(unix)]
pub(crate) fn socket(home: &Home, state: &str) -> PathBuf {
    folder(home).join(files::derive_name(state))
}

#[cfg(unix)]
pub(crate) fn unusable(error: &std::io::Error) -> Error {
    let text = format!("The answer of the browser cannot come back by the app's own scheme: {error}.");
    Error::new(crate::ErrorCode::Internal, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc8252_section_7_1_only_an_address_of_the_scheme_with_one_state_is_an_answer() {
        let state = |address: &str| query_of(address, SCHEME).and_then(state_of);
        for address in ["dev.pilotlight:/callback?state=s&code=c", "Dev.Pilotlight:/callback?code=c&state=%73#_=_"] {
            assert_eq!(state(address).as_deref(), Some("s"), "{address}");
        }
        let long = format!("dev.pilotlight:/callback?state=s&code={}", "x".repeat(1024 * 1024));
        for address in [
            "",
            "dev.pilotlight",
            "dev.pilotlight:",
            "dev.pilotlight:/callback",
            "dev.pilotlight:/callback#?state=s",
            "dev.pilotlight:/callback?code=c",
            "dev.pilotlight:/callback?state=s&state=s",
            "dev.pilotlight:/other?state=s",
            "dev.pilotlight://callback?state=s",
            "dev.pilotlight.evil:/callback?state=s",
            "https://dev.pilotlight/callback?state=s",
            "file:///etc/passwd?state=s",
            "/etc/passwd",
            "--account=work",
            &long,
        ] {
            assert_eq!(state(address), None, "{}", address.len());
        }
    }
}
