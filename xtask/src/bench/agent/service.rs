//! A token endpoint that answers at once, and one that takes four seconds for each refresh.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::Duration,
};

use serde_json::{Value, json};

use crate::failure::Failure;

/// How long the slow endpoint thinks about a refresh.
pub(in crate::bench) const SLOW: Duration = Duration::from_secs(4);
/// What a token lives, in seconds.
pub(in crate::bench) const LIFE: u64 = 3600;
/// As long as a small JWT.
const TOKEN_LENGTH: usize = 600;

static TOKENS: AtomicU64 = AtomicU64::new(0);

/// A service on a free port of this machine; its threads end with this process.
pub(in crate::bench) struct Service(SocketAddr);

impl Service {
    pub(in crate::bench) fn start() -> Result<Self, Failure> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let address = listener.local_addr()?;
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                // A client that goes away is the client's affair.
                thread::spawn(move || serve(stream, address));
            }
        });
        Ok(Self(address))
    }

    pub(in crate::bench) fn issuer(&self) -> String {
        format!("http://{}", self.0)
    }
}

fn serve(stream: TcpStream, address: SocketAddr) -> Option<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let path = line.split(' ').nth(1)?.to_owned();
        let mut length = 0;
        loop {
            let mut header = String::new();
            reader.read_line(&mut header).ok()?;
            if header.trim().is_empty() {
                break;
            }
            if let Some(value) = header.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().ok()?;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        if path.starts_with("/slow/") && body.windows(13).any(|part| part == b"refresh_token") {
            thread::sleep(SLOW);
        }
        let text = answer(&path, address).to_string();
        let head =
            format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n", text.len());
        reader.get_mut().write_all((head + &text).as_bytes()).ok()?;
    }
}

fn answer(path: &str, address: SocketAddr) -> Value {
    let slow = if path.starts_with("/slow/") { "/slow" } else { "" };
    let issuer = format!("http://{address}{slow}");
    if path.contains("/.well-known/") {
        return json!({
            "issuer": issuer,
            "token_endpoint": format!("{issuer}/token"),
            "authorization_endpoint": format!("{issuer}/authorize"),
            "scopes_supported": ["openid", "offline_access"],
            "grant_types_supported": ["password", "refresh_token", "authorization_code"],
            "response_types_supported": ["code"],
            "code_challenge_methods_supported": ["S256"],
        });
    }
    let number = TOKENS.fetch_add(1, Ordering::Relaxed);
    json!({
        "access_token": format!("at-{number:0width$}", width = TOKEN_LENGTH - 3),
        "refresh_token": format!("rt-{number}"),
        "token_type": "Bearer",
        "expires_in": LIFE,
        "scope": "openid offline_access",
    })
}
