//! A TPM 2.0 of one's own, in software.

use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use super::{Server, spawn};

/// A running swtpm; it ends when this is dropped. A stopped one keeps its state, as a machine that is off.
#[derive(Debug)]
pub struct Swtpm {
    server: Server,
    /// Which of the TPMs that were ever here it is.
    number: u32,
}

impl Swtpm {
    /// Starts it. It answers at once.
    ///
    /// # Panics
    /// When swtpm is not installed.
    #[must_use]
    pub fn start() -> Self {
        let folder = Server::folder();
        let child = run(folder.path().to_owned(), 0);
        Self { server: Server { child, folder }, number: 0 }
    }

    /// Its socket.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.server.folder.path().join("tpm.sock")
    }

    /// Ends it, as pulling the plug would.
    pub fn stop(&mut self) {
        self.server.kill();
    }

    /// Starts it again, with what it had kept.
    ///
    /// # Panics
    /// When it does not start.
    pub fn restart(&mut self) {
        self.stop();
        self.server.child = run(self.server.folder.path().to_owned(), self.number);
    }

    /// Puts another TPM in its place, as another board would have.
    ///
    /// # Panics
    /// When it does not start.
    pub fn replace(&mut self) {
        self.number += 1;
        self.restart();
    }

    /// Clears it, as the firmware's settings or `tpm2_clear` do.
    ///
    /// # Panics
    /// When it refuses.
    pub fn clear(&self) {
        // TPM2_Clear by the lockout hierarchy, whose password is empty: TPM 2.0 Library, part 3, section 24.6.
        let command = [
            &[0x80, 0x02, 0, 0, 0, 27, 0, 0, 0x01, 0x26, 0x40, 0, 0, 0x0A][..],
            &[0, 0, 0, 9, 0x40, 0, 0, 0x09, 0, 0, 0, 0, 0],
        ];
        let answer = self.ask(&command.concat());
        assert_eq!(answer.get(6..10), Some(&[0; 4][..]), "the TPM refuses to be cleared: {answer:02x?}");
    }

    /// Sends one command and gives the whole answer.
    ///
    /// # Panics
    /// When it is not running.
    #[must_use]
    pub fn ask(&self, command: &[u8]) -> Vec<u8> {
        let mut answer = vec![0; 4096];
        let asked = UnixStream::connect(self.path()).and_then(|mut wire| {
            wire.write_all(command)?;
            wire.read(&mut answer)
        });
        answer.truncate(asked.unwrap_or_else(|error| panic!("swtpm does not answer: {error}")));
        answer
    }
}

/// Starts swtpm on a socket that listens already, so that nobody has to wait for it.
fn run(folder: PathBuf, number: u32) -> Child {
    let (socket, state) = (folder.join("tpm.sock"), folder.join(format!("state-{number}")));
    // An earlier one may have left it; where there is none, there is nothing to remove.
    let _ = std::fs::remove_file(&socket);
    let listener = std::fs::create_dir_all(&state).and_then(|()| UnixListener::bind(&socket));
    let listener = listener.unwrap_or_else(|error| panic!("no socket for swtpm: {error}"));
    let mut command = Command::new("swtpm");
    command.args(["socket", "--tpm2", "--flags", "not-need-init,startup-clear", "--server", "type=unixio,fd=0"]);
    command.arg("--tpmstate").arg(format!("dir={}", state.display()));
    command.arg("--log").arg(format!("file={}", folder.join("log").display()));
    spawn(command.stdin(Stdio::from(OwnedFd::from(listener))), "swtpm")
}
