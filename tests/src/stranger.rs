//! A service in this process that hands out tokens that the test knows, and keeps every byte that it is sent.
//!
//! It plays both sides: the service whose tokens somebody wants, and the one that somebody would like them sent to.

use std::{
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
};

use serde_json::{Value, json};

use crate::torture::Dice;

/// What access tokens live, in seconds: nothing is refreshed unless somebody asks.
const LIFE: u64 = 3600;
/// The longest body that is read; a longer one ends its connection.
const LONGEST: usize = 1 << 22;

/// A token endpoint on a free loopback port. Its threads end with the test.
#[derive(Clone)]
pub struct Stranger {
    address: SocketAddr,
    kept: Arc<Mutex<Kept>>,
}

struct Kept {
    dice: Dice,
    tokens: Vec<String>,
    requests: Vec<Vec<u8>>,
}

impl Stranger {
    /// Starts one whose tokens come from `seed`.
    ///
    /// # Panics
    /// When there is no free port.
    pub fn start(seed: u64) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let address = listener.local_addr().expect("its address");
        let kept = Kept { dice: Dice::new(seed), tokens: Vec::new(), requests: Vec::new() };
        let stranger = Self { address, kept: Arc::new(Mutex::new(kept)) };
        let host = stranger.clone();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let host = host.clone();
                // A client that goes away is the client's affair.
                thread::spawn(move || host.serve(stream));
            }
        });
        stranger
    }

    /// Where it listens, without a path.
    pub fn issuer(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Every access and refresh token that it has handed out.
    pub fn tokens(&self) -> Vec<String> {
        self.kept().tokens.clone()
    }

    /// Every request so far, head and body.
    pub fn requests(&self) -> Vec<Vec<u8>> {
        self.kept().requests.clone()
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn serve(&self, stream: TcpStream) -> io::Result<()> {
        let mut reader = BufReader::new(stream);
        loop {
            let request = read_request(&mut reader)?;
            let path = String::from_utf8_lossy(&request).split(' ').nth(1).unwrap_or_default().to_owned();
            self.kept().requests.push(request);
            let text = self.answer(&path).to_string();
            let length = text.len();
            let head = format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n");
            reader.get_mut().write_all((head + &text).as_bytes())?;
        }
    }

    fn answer(&self, path: &str) -> Value {
        let issuer = self.issuer();
        if path.contains("/.well-known/") {
            return json!({
                "issuer": issuer,
                "token_endpoint": format!("{issuer}/token"),
                "authorization_endpoint": format!("{issuer}/authorize"),
                "device_authorization_endpoint": format!("{issuer}/device"),
                "revocation_endpoint": format!("{issuer}/revoke"),
                "userinfo_endpoint": format!("{issuer}/userinfo"),
                "grant_types_supported": ["password", "refresh_token", "authorization_code"],
                "response_types_supported": ["code"],
                "code_challenge_methods_supported": ["S256"],
            });
        }
        let mut kept = self.kept();
        let [access_token, refresh_token] = [(); 2].map(|()| make_token(&kept.dice));
        kept.tokens.extend([access_token.clone(), refresh_token.clone()]);
        json!({
            "access_token": access_token,
            "refresh_token": refresh_token,
            "token_type": "Bearer",
            "expires_in": LIFE,
        })
    }
}

/// Letters and digits without any part that another text would have by chance.
fn make_token(dice: &Dice) -> String {
    const LETTERS: &[u8] = b"ABCDEFGHJKMNPQRSTUVWXYZabcdefghkmnpqrstuvwxyz23456789";
    let letter = |_| char::from(LETTERS[usize::try_from(dice.below(LETTERS.len() as u64)).unwrap_or_default()]);
    (0..48).map(letter).collect()
}

/// One request, whole. An end of the connection is an error.
fn read_request(reader: &mut BufReader<TcpStream>) -> io::Result<Vec<u8>> {
    let mut request = Vec::new();
    let mut length = 0;
    loop {
        let mut line = Vec::new();
        if reader.read_until(b'\n', &mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        request.extend_from_slice(&line);
        let text = String::from_utf8_lossy(&line).to_ascii_lowercase();
        if text.trim().is_empty() {
            break;
        }
        if let Some(value) = text.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(usize::MAX);
        }
    }
    if length > LONGEST {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let begun = request.len();
    request.resize(begun + length, 0);
    reader.read_exact(&mut request[begun..])?;
    Ok(request)
}
