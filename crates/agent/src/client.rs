//! A blocking client on the standard library alone: what `pilotlight token` is before anything else is started.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use zeroize::{Zeroize as _, Zeroizing};

use crate::place::Place;
use crate::protocol::{Answer, Request, line_of};

/// A refresh at a slow service takes its time; longer than this, nothing does.
const PATIENCE: Duration = Duration::from_secs(120);
const LONGEST_ANSWER: u64 = 1024 * 1024;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// Nobody listens, or not safely.
    #[error("no agent is running")]
    NoAgent,
    /// The agent went away, or speaks otherwise.
    #[error("the agent did not answer")]
    NoAnswer,
}

/// A connection to the agent.
pub struct Client {
    stream: BufReader<UnixStream>,
    line: Zeroizing<Vec<u8>>,
}

impl Client {
    /// Connects, if an agent of the same user listens there.
    pub fn connect(place: &Place) -> Result<Self, AskError> {
        if !matches!(place.examine(), Ok(true)) {
            return Err(AskError::NoAgent);
        }
        let stream = UnixStream::connect(place.socket()).map_err(|_| AskError::NoAgent)?;
        let patient = stream.set_read_timeout(Some(PATIENCE)).and_then(|()| stream.set_write_timeout(Some(PATIENCE)));
        patient.map_err(|_| AskError::NoAgent)?;
        Ok(Self { stream: BufReader::with_capacity(4096, stream), line: Zeroizing::new(Vec::with_capacity(16 * 1024)) })
    }

    /// Asks, and waits for the answer.
    pub fn ask(&mut self, request: &Request) -> Result<Answer<'_>, AskError> {
        let secret = match request {
            Request::Unlock { passphrase: Some(secret) } | Request::Token { other_than: Some(secret), .. } => {
                secret.0.len()
            }
            _ => 0,
        };
        // An agent that is busy answers without reading, so a failed write is no reason not to look.
        let _ = self.stream.get_mut().write_all(&line_of(request, secret));
        self.hear()
    }

    /// What ends this connection from another thread: whoever waits for an answer has none.
    ///
    /// # Errors
    /// The system refuses.
    pub fn hang_up_elsewhere(&self) -> Result<impl FnOnce() + Send + use<>, AskError> {
        let stream = self.stream.get_ref().try_clone().map_err(|_| AskError::NoAnswer)?;
        // A connection that is closed already is what is wanted.
        Ok(move || drop(stream.shutdown(Shutdown::Both)))
    }

    /// Waits no longer than this for an answer, where two minutes are too much.
    pub fn wait_at_most(&mut self, patience: Duration) -> Result<(), AskError> {
        self.stream.get_mut().set_read_timeout(Some(patience)).map_err(|_| AskError::NoAnswer)
    }

    /// After `subscribe`: waits for as long as it takes.
    pub fn wait_for_ever(&mut self) -> Result<(), AskError> {
        self.stream.get_mut().set_read_timeout(None).map_err(|_| AskError::NoAnswer)
    }

    /// The next line, as a subscriber is told them.
    pub fn hear(&mut self) -> Result<Answer<'_>, AskError> {
        self.line.zeroize();
        let mut answer = self.stream.by_ref().take(LONGEST_ANSWER);
        answer.read_until(b'\n', &mut self.line).map_err(|_| AskError::NoAnswer)?;
        serde_json::from_slice(&self.line).map_err(|_| AskError::NoAnswer)
    }
}
