//! The agent itself: accepts, asks who is there, and answers one request after the other on each connection.

use std::collections::HashMap;
use std::fs::File;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pilotlight::values::ExposeSecret as _;
use pilotlight::{Home, Pilotlight, Status};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use zeroize::Zeroizing;

use crate::consent::{Programs, Unknown};
use crate::place::{Place, PlaceError, own_uid};
use crate::program;
use crate::protocol::{Answer, LONGEST_LINE, Request, Trouble, VERSION};

/// Connections of all processes, and of one: whoever opens ten thousand takes none of the others'.
const CONNECTIONS: usize = 512;
const CONNECTIONS_OF_ONE: usize = 32;
/// A connection that sends no whole request for this long, or does not take its answer, is closed.
const PATIENCE: Duration = Duration::from_secs(30);

/// Serves the accounts of one home.
pub struct Agent {
    pilotlight: Pilotlight,
    programs: Programs,
    unknown: Unknown,
    own: PathBuf,
    connections: Arc<Mutex<HashMap<i32, usize>>>,
    /// Held for as long as the agent lives.
    _alone: File,
    listener: UnixListener,
}

impl Agent {
    /// Listens at `place`. To be called within a Tokio runtime.
    ///
    /// # Errors
    /// Another agent serves it, or it is not ours alone.
    pub fn new(pilotlight: Pilotlight, home: &Home, place: &Place, unknown: Unknown) -> Result<Self, PlaceError> {
        let io = |error| PlaceError::Io(place.socket(), error);
        let own = std::env::current_exe().map_err(io)?;
        let (listener, alone) = place.listen()?;
        listener.set_nonblocking(true).map_err(io)?;
        let listener = UnixListener::from_std(listener).map_err(io)?;
        let programs = Programs::of(home);
        Ok(Self { pilotlight, programs, unknown, own, connections: Arc::default(), _alone: alone, listener })
    }

    /// Serves until it is dropped.
    pub async fn serve(self) {
        let agent = Arc::new(self);
        loop {
            match agent.listener.accept().await {
                Ok((stream, _)) => agent.receive(stream),
                // Out of descriptors, as a rule: some will be given back.
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    }

    /// Starts to serve one connection, if it is this user's and there is room.
    fn receive(self: &Arc<Self>, mut stream: UnixStream) {
        let Ok(peer) = stream.peer_cred() else { return };
        let Some(pid) = peer.pid().filter(|_| peer.uid() == own_uid()) else { return };
        let Some(slot) = Slot::take(&self.connections, pid) else {
            let busy = Trouble::new("busy", "Too many connections are open.", "Close some, then try again.");
            // A new connection's buffer has room for a line; a peer that has gone does not want it.
            if let Ok(std_stream) = stream.into_std() {
                let _ = std::io::Write::write(&mut &std_stream, &line_of(&Answer::Error(busy)));
            }
            return;
        };
        let agent = Arc::clone(self);
        tokio::spawn(async move {
            let _slot = slot;
            agent.converse(&mut stream, pid).await;
        });
    }

    async fn converse(&self, stream: &mut UnixStream, pid: i32) {
        let (reading, mut writing) = stream.split();
        let mut reading = BufReader::with_capacity(1024, reading);
        let mut line = vec![];
        loop {
            line.clear();
            let mut limited = (&mut reading).take(LONGEST_LINE as u64 + 1);
            let read = tokio::time::timeout(PATIENCE, limited.read_until(b'\n', &mut line)).await;
            if !matches!(read, Ok(Ok(1..))) {
                return;
            }
            let whole = line.last() == Some(&b'\n');
            let answer = if whole {
                self.answer(&line, pid).await
            } else {
                let refused = Trouble::new(
                    "bad_request",
                    "The request does not end.",
                    "Send at most 65536 bytes and a line feed.",
                );
                line_of(&Answer::Error(refused))
            };
            let written = tokio::time::timeout(PATIENCE, writing.write_all(&answer)).await;
            if !whole || !matches!(written, Ok(Ok(()))) {
                return;
            }
        }
    }

    async fn answer(&self, line: &[u8], pid: i32) -> Zeroizing<Vec<u8>> {
        let failed = |error: &pilotlight::Error| line_of(&Answer::Error(error.into()));
        match serde_json::from_slice(line) {
            Err(_) => {
                let refused = Trouble::new("bad_request", "The request is not understood.", "See docs/agent.md.");
                line_of(&Answer::Error(refused))
            }
            Ok(Request::Hello) => line_of(&Answer::Hello { version: VERSION }),
            Ok(Request::List) => match self.pilotlight.accounts().await {
                Err(error) => failed(&error),
                Ok(all) => line_of(&Answer::Accounts(all.accounts.into_iter().map(|account| account.name).collect())),
            },
            Ok(Request::Status { account }) => match self.pilotlight.account(&account).await {
                Err(error) => failed(&error),
                Ok(account) => line_of(&Answer::Status(word(&account.status).into())),
            },
            Ok(Request::Token { audience: Some(_), .. } | Request::Token { scope: Some(_), .. }) => {
                let refused = Trouble::new(
                    "not_offered",
                    "A token for another audience or scope is not offered.",
                    "Ask without audience and scope.",
                );
                line_of(&Answer::Error(refused))
            }
            Ok(Request::Token { account, min_ttl, .. }) => match self.refuse(pid) {
                Some(refused) => line_of(&Answer::Error(refused)),
                None => self.lend(&account, Duration::from_secs(min_ttl)).await,
            },
        }
    }

    /// Why the program of this process gets no token, if it gets none.
    fn refuse(&self, pid: i32) -> Option<Trouble> {
        let Some(program) = program::asking(pid, &self.own) else {
            let message = "The system does not tell which program asks.";
            return Some(Trouble::new(
                "not_allowed",
                message,
                "Ask from a program that is not closed to its neighbours.",
            ));
        };
        match self.programs.allows(&program, self.unknown) {
            Ok(true) => None,
            Ok(false) => {
                let path = program.display();
                let message = format!("The program {path} may not have tokens.");
                Some(Trouble::new("not_allowed", message, format!("To allow it: pilotlight programs allow {path}")))
            }
            Err(error) => {
                let hint = "Repair or remove the file programs.json in Pilotlight's folder.";
                Some(Trouble::new("not_allowed", format!("{error}."), hint))
            }
        }
    }

    async fn lend(&self, account: &str, min_ttl: Duration) -> Zeroizing<Vec<u8>> {
        match self.pilotlight.access_token(account, min_ttl).await {
            Err(error) => line_of(&Answer::Error((&error).into())),
            Ok(token) => line_of(&Answer::Token {
                access_token: token.token.expose_secret().into(),
                token_type: token.token_type.as_str().into(),
                expires_at: token.expires_at.map(|at| at.as_millis().div_euclid(1000)),
            }),
        }
    }
}

const fn word(status: &Status) -> &'static str {
    match status {
        Status::SignedIn => "signed_in",
        Status::Refreshing => "refreshing",
        Status::Waiting { .. } => "waiting",
        Status::Ended { .. } => "ended",
    }
}

/// The answer as a line. The room suffices for a token, so that no growth leaves a copy behind.
fn line_of(answer: &Answer<'_>) -> Zeroizing<Vec<u8>> {
    let room = match answer {
        // JSON writes a character in at most six.
        Answer::Token { access_token, token_type, .. } => 6 * (access_token.len() + token_type.len()) + 128,
        _ => 512,
    };
    let mut line = Zeroizing::new(Vec::with_capacity(room));
    if serde_json::to_writer(&mut *line, answer).is_err() {
        line.clear();
    }
    line.push(b'\n');
    line
}

/// One connection's place among all.
struct Slot {
    connections: Arc<Mutex<HashMap<i32, usize>>>,
    pid: i32,
}

impl Slot {
    fn take(connections: &Arc<Mutex<HashMap<i32, usize>>>, pid: i32) -> Option<Self> {
        let mut open = lock(connections);
        let full = open.values().sum::<usize>() >= CONNECTIONS;
        let own = open.get(&pid).copied().unwrap_or(0);
        if full || own >= CONNECTIONS_OF_ONE {
            return None;
        }
        open.insert(pid, own + 1);
        drop(open);
        Some(Self { connections: Arc::clone(connections), pid })
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut open = lock(&self.connections);
        if let Some(own) = open.get_mut(&self.pid) {
            *own -= 1;
            if *own == 0 {
                open.remove(&self.pid);
            }
        }
    }
}

fn lock(connections: &Mutex<HashMap<i32, usize>>) -> MutexGuard<'_, HashMap<i32, usize>> {
    connections.lock().unwrap_or_else(PoisonError::into_inner)
}
