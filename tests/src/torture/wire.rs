//! The way between a victim and its server: a proxy that can take the `Idempotency-Key` away, and hold what passes.

use std::{
    io::{self, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Condvar, Mutex, MutexGuard},
    thread,
    time::Duration,
};

/// How long either end may be silent; only ever used up by a failure.
const SILENCE: Duration = Duration::from_secs(60);

/// Whether the server gets to see the client's keys.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Keys {
    /// As they were sent.
    Passed,
    /// None: the server behind it is one that never heard of them, and knows every repeat as reuse.
    Stripped,
}

/// What is held.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Side {
    /// Requests, before the server gets them.
    Requests,
    /// Answers, after the server did its work.
    Answers,
}

/// A proxy on a free loopback port, one request a connection. It ends when this is dropped.
#[derive(Debug)]
pub struct Wire {
    address: SocketAddr,
    state: Arc<State>,
}

#[derive(Debug)]
struct State {
    server: SocketAddr,
    keys: Keys,
    passing: Mutex<Passing>,
    moved: Condvar,
}

#[derive(Debug, Default)]
struct Passing {
    closed: Option<Side>,
    /// How often everything held was let go.
    released: u64,
    held: usize,
    under_way: usize,
    ended: bool,
}

impl Wire {
    /// Leads to the server at `server`.
    ///
    /// # Panics
    /// When there is no free port.
    pub fn to(server: SocketAddr, keys: Keys) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let address = listener.local_addr().expect("its address");
        let state = Arc::new(State { server, keys, passing: Mutex::default(), moved: Condvar::new() });
        let shared = Arc::clone(&state);
        thread::spawn(move || accept(&listener, &shared));
        Self { address, state }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on whatever comes by on that side waits until it is released.
    pub fn hold(&self, side: Side) {
        self.state.passing().closed = Some(side);
    }

    /// Holds nothing more; what waits already goes on waiting, and is overtaken.
    pub fn pass(&self) {
        self.state.passing().closed = None;
    }

    /// Lets go of everything, and holds nothing more.
    pub fn release(&self) {
        let mut passing = self.state.passing();
        passing.closed = None;
        passing.released += 1;
        self.state.moved.notify_all();
    }

    /// How many requests or answers wait.
    pub fn held(&self) -> usize {
        self.state.passing().held
    }

    /// How many requests have not been answered yet, those of dead clients included.
    pub fn under_way(&self) -> usize {
        self.state.passing().under_way
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.state.passing().ended = true;
        self.release();
        // One last connection, for the thread that waits for one.
        let _ = TcpStream::connect(self.address);
    }
}

impl State {
    fn passing(&self) -> MutexGuard<'_, Passing> {
        self.passing.lock().expect("no thread of the wire panics")
    }

    fn wait_where_held(&self, side: Side) {
        let mut passing = self.passing();
        if passing.closed != Some(side) {
            return;
        }
        let released = passing.released;
        passing.held += 1;
        while passing.released == released {
            passing = self.moved.wait(passing).expect("no thread of the wire panics");
        }
        passing.held -= 1;
    }
}

fn accept(listener: &TcpListener, state: &Arc<State>) {
    for client in listener.incoming() {
        if state.passing().ended {
            return;
        }
        let Ok(client) = client else { continue };
        state.passing().under_way += 1;
        let state = Arc::clone(state);
        thread::spawn(move || {
            // A broken connection is what this is for: the client sees it, and the test by the client.
            let _ = carry(client, &state);
            state.passing().under_way -= 1;
        });
    }
}

/// One request there, and its answer back.
fn carry(mut client: TcpStream, state: &State) -> io::Result<()> {
    client.set_read_timeout(Some(SILENCE))?;
    let request = rewritten(&read_request(&mut client)?, state.keys);
    state.wait_where_held(Side::Requests);
    let mut server = TcpStream::connect(state.server)?;
    server.set_read_timeout(Some(SILENCE))?;
    server.write_all(&request)?;
    let mut answer = Vec::new();
    server.read_to_end(&mut answer)?;
    state.wait_where_held(Side::Answers);
    client.write_all(&answer)
}

/// Head and body of a request that says how long it is.
fn read_request(client: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..end]);
            let length = head.lines().find_map(|line| header(line, "content-length")?.parse().ok()).unwrap_or(0);
            if bytes.len() >= end + 4 + length {
                return Ok(bytes);
            }
        }
        match client.read(&mut chunk)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => bytes.extend_from_slice(&chunk[..read]),
        }
    }
}

/// The same request on a connection of its own, with the key or without it.
fn rewritten(request: &[u8], keys: Keys) -> Vec<u8> {
    let end = request.windows(4).position(|four| four == b"\r\n\r\n").unwrap_or(request.len());
    let head = String::from_utf8_lossy(&request[..end]);
    let dropped = |line: &str| {
        header(line, "connection").is_some() || (keys == Keys::Stripped && header(line, "idempotency-key").is_some())
    };
    let mut lines: Vec<&str> = head.split("\r\n").filter(|line| !dropped(line)).collect();
    lines.push("Connection: close");
    [lines.join("\r\n").as_bytes(), &request[end..]].concat()
}

/// The value of a header line of that name, given in lower case.
fn header<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let (key, value) = line.split_once(':')?;
    key.trim().eq_ignore_ascii_case(name).then(|| value.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_taken_away_and_the_rest_arrives() {
        let request = b"POST /token HTTP/1.1\r\nIdempotency-Key: k\r\nContent-Length: 3\r\n\r\na=b";
        let text = |keys| String::from_utf8(rewritten(request, keys)).unwrap();
        assert_eq!(text(Keys::Stripped), "POST /token HTTP/1.1\r\nContent-Length: 3\r\nConnection: close\r\n\r\na=b");
        assert!(text(Keys::Passed).contains("Idempotency-Key: k\r\n"));
    }
}
