//! The connection: deadlines, one reconnection, and what Redis refuses in the words of the vault.

use std::time::Duration;

use redis::{Client, Connection, ErrorKind, RedisError, RedisResult};
use secrecy::{ExposeSecret, SecretString};

use crate::VaultError;

/// How long Redis may take to accept a connection, and to answer.
pub(super) const DEADLINE: Duration = Duration::from_secs(2);

/// One connection at a time, made when it is needed.
pub(super) struct Wire {
    client: Client,
    connection: Option<Connection>,
    deadline: Duration,
}

impl Wire {
    /// To the Redis at `url`: `redis://`, `unix://` or `redis+unix://`. Does not connect yet.
    pub(super) fn new(url: &SecretString, deadline: Duration) -> Result<Self, VaultError> {
        // What the crate says of a wrong address may repeat it, with the password in it.
        let client = Client::open(url.expose_secret()).map_err(|_| {
            VaultError::Unavailable(
                "this is not the address of a Redis: redis://USER:PASSWORD@HOST:PORT/NUMBER or unix:///PATH".to_owned(),
            )
        })?;
        Ok(Self { client, connection: None, deadline })
    }

    /// Sends `step`, and once more over a new connection where the old one broke; the second time it is told so. A step must
    /// do no more when it is sent twice than when it is sent once.
    ///
    /// A step that is not answered in time is not sent again: whether Redis took it is unknown.
    pub(super) fn run<T>(&mut self, step: impl Fn(&mut Connection, bool) -> RedisResult<T>) -> Result<T, VaultError> {
        match self.once(&step, false) {
            Err(error) if broke(&error) => self.once(&step, true),
            outcome => outcome,
        }
        .map_err(|error| told(&error))
    }

    fn once<T>(&mut self, step: impl Fn(&mut Connection, bool) -> RedisResult<T>, again: bool) -> RedisResult<T> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.connect()?,
        };
        let outcome = step(&mut connection, again);
        // After any other error an answer may still be on its way, and the next question would get it.
        if outcome.as_ref().err().is_none_or(|error| !codes(error).is_empty() && !moved(error)) {
            self.connection = Some(connection);
        }
        outcome
    }

    fn connect(&self) -> RedisResult<Connection> {
        let connection = self.client.get_connection_with_timeout(self.deadline)?;
        connection.set_read_timeout(Some(self.deadline))?;
        connection.set_write_timeout(Some(self.deadline))?;
        Ok(connection)
    }
}

/// Whether the connection was lost; not whether it is only slow.
fn broke(error: &RedisError) -> bool {
    error.is_connection_dropped() && !error.is_connection_refusal()
}

/// Whether another server is meant by now: a connection made anew may lead there.
fn moved(error: &RedisError) -> bool {
    codes(error).iter().any(|code| ["READONLY", "MASTERDOWN"].contains(&code.as_str()))
}

/// What Redis refused with, one code for each refused command; nothing where the answer is not Redis' own.
fn codes(error: &RedisError) -> Vec<String> {
    let errors = error.clone().into_server_errors();
    errors.iter().flat_map(|errors| errors.iter()).map(|(_, error)| error.code().to_owned()).collect()
}

/// Never with what Redis wrote behind its code: it may quote what it was sent.
fn told(error: &RedisError) -> VaultError {
    if error.is_timeout() {
        return VaultError::Io(
            "Redis did not answer in time; whether it took a change is unknown until the vault is read again"
                .to_owned(),
        );
    }
    let codes = codes(error);
    let code = codes.iter().map(String::as_str).find(|code| *code != "EXECABORT").unwrap_or_default();
    match (error.kind(), code) {
        (_, "WRONGTYPE") => VaultError::Damaged("a key of this vault in Redis is of another type".to_owned()),
        (_, "LOADING" | "BUSY") => VaultError::Busy,
        (ErrorKind::AuthenticationFailed, _) | (_, "NOAUTH" | "WRONGPASS" | "NOPERM") => VaultError::Unavailable(
            "Redis refuses this user or password: give both in its address, and let the user run scripts".to_owned(),
        ),
        (_, "OOM") => VaultError::Io("Redis has no memory left for a change".to_owned()),
        (_, "MISCONF") => VaultError::Io("Redis cannot write to its disk and takes no changes".to_owned()),
        (ErrorKind::Parse | ErrorKind::UnexpectedReturnType, _) => {
            VaultError::Damaged("Redis gave an answer that is not of its type".to_owned())
        }
        (_, "") => VaultError::Io("Redis cannot be reached".to_owned()),
        (_, code) => VaultError::Io(format!("Redis refused: {code}")),
    }
}
