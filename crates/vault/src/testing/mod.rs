//! Servers that tests start for themselves: reached by a socket in a folder that vanishes with them, ended by their id.

#[cfg(feature = "redis")]
mod redis;

#[cfg(all(feature = "tpm", unix))]
mod swtpm;

#[cfg(feature = "redis")]
pub use redis::RedisServer;
#[cfg(all(feature = "tpm", unix))]
pub use swtpm::Swtpm;

#[cfg(feature = "redis")]
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

/// A child process that uses a folder; both are gone when this is dropped.
#[derive(Debug)]
struct Server {
    child: Child,
    folder: TempDir,
}

impl Server {
    /// A folder whose name is short: the path of a socket has at most 107 bytes.
    ///
    /// # Panics
    /// Where there is no temporary folder.
    fn folder() -> TempDir {
        tempfile::Builder::new().prefix("pl-").tempdir().unwrap_or_else(|error| panic!("no temporary folder: {error}"))
    }

    /// Starts `command`, whose program is part of the system package `package`, on `folder`.
    ///
    /// # Panics
    /// When it does not start: a test that needs it must not pass without it.
    fn start(command: &mut Command, package: &str, folder: TempDir) -> Self {
        Self { child: spawn(command, package), folder }
    }

    /// Waits for a line that contains `word`, and reads the rest to nowhere.
    ///
    /// # Panics
    /// When the output ends without it.
    #[cfg(feature = "redis")]
    fn wait_for(&mut self, word: &str) {
        let mut lines = BufReader::new(self.child.stdout.take().unwrap_or_else(|| panic!("it was waited for"))).lines();
        let mut said = String::new();
        while !said.contains(word) {
            match lines.next() {
                Some(Ok(line)) => said.push_str(&line),
                _ => panic!("the server ended before it was ready: {said}"),
            }
        }
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
    }

    /// Ends it, as `kill -9` would.
    fn kill(&mut self) {
        // An error means that it has ended already, which is what was asked for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(command: &mut Command, package: &str) -> Child {
    command.stdout(Stdio::piped()).spawn().unwrap_or_else(|error| {
        let name = command.get_program().display();
        panic!("{name} does not start ({error}): install {package}, or run `cargo xtask test`, which does")
    })
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}
