//! A Redis of one's own.

use std::path::Path;
use std::process::{Command, Stdio};

use super::Server;

/// A running redis-server that keeps nothing on disk; it ends when this is dropped.
#[derive(Debug)]
pub struct RedisServer(Server);

impl RedisServer {
    /// Starts it and waits until it answers.
    ///
    /// # Panics
    /// When redis-server is not installed or does not become ready.
    #[must_use]
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// The same, with more settings: `["--maxmemory", "2mb"]`.
    ///
    /// # Panics
    /// When redis-server is not installed or does not become ready.
    #[must_use]
    pub fn start_with(settings: &[&str]) -> Self {
        let folder = Server::folder();
        let mut command = Command::new("redis-server");
        // Port 0: no port at all.
        command
            .stdin(Stdio::null())
            .args(["--port", "0", "--save", "", "--appendonly", "no", "--dir"])
            .arg(folder.path());
        command.arg("--unixsocket").arg(folder.path().join("redis.sock")).args(settings);
        let mut server = Server::start(&mut command, "redis-server", folder);
        server.wait_for("eady to accept connections");
        Self(server)
    }

    /// Its address, as clients write it.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis+unix://{}", self.0.folder.path().join("redis.sock").display())
    }

    /// Its folder, with its socket `redis.sock`.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.0.folder.path()
    }

    /// Ends it, as `kill -9` would.
    pub fn kill(&mut self) {
        self.0.kill();
    }
}
