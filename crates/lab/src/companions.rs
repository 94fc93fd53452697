//! What some strategies stand on: a redis-server and a TPM in software, started for one cell and ended with it.

use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::system::{self, Stopwatch};
use crate::verdict::Halt;

/// How long a companion may take to start.
const STARTING: Duration = Duration::from_secs(10);

/// A redis-server whose dumps lie in the thief's reach, as its data folder does on a real host.
pub(crate) struct Redis {
    child: Child,
    folder: PathBuf,
}

impl Redis {
    pub(crate) fn start(cell: &Path) -> Result<Self, Halt> {
        let program = needed("redis-server")?;
        let folder = cell.join("home").join("redis");
        std::fs::create_dir_all(&folder)?;
        let mut command = Command::new(program);
        command.current_dir(&folder).args([
            "--port",
            "0",
            "--save",
            "",
            "--appendonly",
            "no",
            "--unixsocket",
            "redis.sock",
        ]);
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        let redis = Self { child, folder };
        let watch = Stopwatch::start();
        while redis.ask("PING").is_none_or(|answer| !answer.starts_with("+PONG")) {
            if watch.elapsed() > STARTING {
                return Halt::inconclusive("redis-server does not start");
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(redis)
    }

    pub(crate) fn address(&self) -> String {
        format!("redis+unix://{}", self.folder.join("redis.sock").display())
    }

    /// Lets it write everything to its dump.
    pub(crate) fn save(&self) {
        self.ask("SAVE");
    }

    fn ask(&self, command: &str) -> Option<String> {
        let mut wire = UnixStream::connect(self.folder.join("redis.sock")).ok()?;
        wire.set_read_timeout(Some(STARTING)).ok()?;
        wire.write_all(format!("{command}\r\n").as_bytes()).ok()?;
        let mut answer = [0; 512];
        let length = wire.read(&mut answer).ok()?;
        Some(String::from_utf8_lossy(&answer[..length]).into_owned())
    }
}

/// A software TPM; its state is the chip, which no thief of files has.
pub(crate) struct Tpm {
    child: Child,
    folder: PathBuf,
    number: u32,
}

impl Tpm {
    pub(crate) fn start(cell: &Path) -> Result<Self, Halt> {
        needed("swtpm")?;
        let folder = cell.join("tpm");
        let child = Self::run(&folder, 0)?;
        Ok(Self { child, folder, number: 0 })
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.join("tpm.sock")
    }

    /// Restarts the chip with what it keeps: as a kernel's resource manager does, this frees what a killed program left in it.
    pub(crate) fn restart(&mut self) -> Result<(), Halt> {
        end(&mut self.child);
        self.child = Self::run(&self.folder, self.number)?;
        Ok(())
    }

    /// Puts another chip in its place, as another machine has.
    pub(crate) fn replace(&mut self) -> Result<(), Halt> {
        end(&mut self.child);
        self.number += 1;
        self.child = Self::run(&self.folder, self.number)?;
        Ok(())
    }

    fn run(folder: &Path, number: u32) -> Result<Child, Halt> {
        let (socket, state) = (folder.join("tpm.sock"), folder.join(format!("state-{number}")));
        std::fs::create_dir_all(&state)?;
        // An earlier one may have left it.
        let _ = std::fs::remove_file(&socket);
        let listener = UnixListener::bind(&socket)?;
        let mut command = Command::new(needed("swtpm")?);
        command.args(["socket", "--tpm2", "--flags", "not-need-init,startup-clear", "--server", "type=unixio,fd=0"]);
        command.arg("--tpmstate").arg(format!("dir={}", state.display()));
        command.stdin(Stdio::from(OwnedFd::from(listener))).stdout(Stdio::null()).stderr(Stdio::null());
        Ok(command.spawn()?)
    }
}

pub(crate) fn needed(program: &str) -> Result<PathBuf, Halt> {
    system::on_path(program).map_or_else(|| Halt::inconclusive(format!("{program} is not installed")), Ok)
}

/// Ends a process that the lab started.
pub(crate) fn end(child: &mut Child) {
    // An error means that it has ended already, which is what was asked for.
    let _ = child.kill();
    let _ = child.wait();
}

impl Drop for Redis {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

impl Drop for Tpm {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}
