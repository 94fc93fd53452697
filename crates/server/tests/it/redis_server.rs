//! A Redis of one's own: a child process in a folder that vanishes with it, reached by a socket there.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use redis::{Cmd, FromRedisValue};
use tempfile::TempDir;

/// A running redis-server; it ends when this is dropped.
pub(crate) struct RedisServer {
    child: Child,
    folder: TempDir,
    arguments: Vec<String>,
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

impl RedisServer {
    /// Starts it, durable to the last answer, and waits until it is ready.
    pub(crate) fn start() -> Self {
        Self::with(&["--port", "0"])
    }

    /// The same with these arguments.
    pub(crate) fn with(arguments: &[&str]) -> Self {
        let folder = tempfile::Builder::new().prefix("plr-").tempdir().unwrap();
        let arguments: Vec<String> = arguments.iter().map(|&argument| argument.to_owned()).collect();
        Self { child: spawn(&folder, &arguments), folder, arguments }
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.path().join("redis.sock")
    }

    /// Its address, as the command line has it.
    pub(crate) fn address(&self) -> String {
        format!("redis+unix://{}", self.socket().display())
    }

    /// Asks it something, past every store.
    pub(crate) fn ask<T: FromRedisValue>(&self, command: &Cmd) -> T {
        let mut connection = redis::Client::open(self.address()).unwrap().get_connection().unwrap();
        command.query(&mut connection).unwrap()
    }

    /// `STOP`, `CONT`, `KILL`.
    pub(crate) fn signal(&self, signal: &str) {
        let name = format!("-{signal}");
        assert!(Command::new("kill").args([&name, &self.child.id().to_string()]).status().unwrap().success());
    }

    /// Ends it as `kill -9` does.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it again with what it had on disk.
    pub(crate) fn resume(&mut self) {
        self.child = spawn(&self.folder, &self.arguments);
    }
}

fn spawn(folder: &TempDir, more: &[String]) -> Child {
    let mut child = Command::new("redis-server")
        .args(["--save", "", "--appendonly", "yes", "--appendfsync", "always", "--dir"])
        .arg(folder.path())
        .arg("--unixsocket")
        .arg(folder.path().join("redis.sock"))
        .args(more)
        .stdout(Stdio::piped())
        .spawn()
        .expect("redis-server is installed");
    let ready = BufReader::new(child.stdout.as_mut().unwrap())
        .lines()
        .any(|line| line.unwrap().contains("eady to accept connections"));
    assert!(ready, "redis-server ended");
    child
}
