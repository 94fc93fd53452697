//! A Redis of one's own, reached by a socket in a folder that vanishes with it.

use std::process::Command;

use tempfile::TempDir;

use crate::{
    binaries,
    process::{self, Process},
    wait,
};

/// A running redis-server that keeps nothing on disk; it ends when this is dropped.
#[derive(Debug)]
pub struct Redis {
    // Fields are dropped in this order: the process first, the folder it uses last.
    process: Process,
    folder: TempDir,
}

impl Redis {
    /// Starts it and waits until it answers.
    ///
    /// # Panics
    /// When redis-server is not installed or does not become ready.
    pub fn start() -> Self {
        let folder = tempfile::Builder::new().prefix("plr-").tempdir().expect("a temporary folder");
        let mut command = process::piped(Command::new(binaries::tool("redis-server")));
        // Port 0: no port at all.
        command.args(["--port", "0", "--save", "", "--appendonly", "no", "--dir"]).arg(folder.path());
        command.arg("--unixsocket").arg(folder.path().join("redis.sock"));
        let mut process = Process::start(&mut command);
        let (output, _) = process.collect();
        wait::until("redis-server", || {
            assert!(!process.has_ended(), "redis-server ended: {}", output.text());
            output.text().contains("eady to accept connections").then_some(())
        });
        Self { process, folder }
    }

    /// Its address, as clients write it.
    pub fn url(&self) -> String {
        format!("redis+unix://{}", self.folder.path().join("redis.sock").display())
    }

    /// Ends it, as `kill -9` would.
    pub fn kill(&mut self) {
        self.process.kill();
    }
}
