//! The way to a TPM: a device of the system, or the socket of an emulator. One command, one answer.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use zeroize::Zeroizing;

use super::bytes::{Reader, Writer};
use crate::VaultError;

/// How long an emulator may take for one command. A device's driver has deadlines of its own.
const DEADLINE: Duration = Duration::from_secs(30);
/// The longest answer a TPM gives, in bytes.
const LONGEST: usize = 4096;
/// The head of an answer: tag, length, response code.
const HEAD: usize = 10;

/// Where the TPM is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TpmDevice(PathBuf);

/// The kernel's resource manager, which lets several programs use the TPM at once and cleans up behind each.
impl Default for TpmDevice {
    fn default() -> Self {
        Self(PathBuf::from("/dev/tpmrm0"))
    }
}

impl TpmDevice {
    /// Another device, or the socket of an emulator that speaks bare TPM commands (`swtpm socket --server type=unixio,…`).
    #[must_use]
    pub fn at(path: &Path) -> Self {
        Self(path.to_owned())
    }

    /// [`VaultError::Unavailable`], with the next step, where it cannot be opened.
    pub(super) fn connect(&self) -> Result<Wire, VaultError> {
        let opened = std::fs::metadata(&self.0).and_then(|found| {
            if found.file_type().is_socket() {
                let socket = UnixStream::connect(&self.0)?;
                socket.set_read_timeout(Some(DEADLINE))?;
                socket.set_write_timeout(Some(DEADLINE))?;
                Ok(Wire::Emulator(socket))
            } else {
                Ok(Wire::Device(OpenOptions::new().read(true).write(true).open(&self.0)?))
            }
        });
        opened.map_err(|error| self.unavailable(&error))
    }

    pub(super) fn unavailable(&self, error: &std::io::Error) -> VaultError {
        let device = self.0.display();
        VaultError::Unavailable(match error.kind() {
            ErrorKind::NotFound => format!(
                "there is no TPM 2.0 at {device}: switch it on in the firmware's settings, or choose another strategy"
            ),
            ErrorKind::PermissionDenied => format!(
                "the TPM at {device} is closed to you: become a member of its group (`sudo usermod -aG tss $USER`) and sign in anew"
            ),
            ErrorKind::ResourceBusy => {
                format!("another program holds the TPM at {device}: use /dev/tpmrm0, which several may hold")
            }
            kind => format!("the TPM at {device} cannot be opened: {kind}"),
        })
    }
}

/// A TPM that was opened.
#[derive(Debug)]
pub(super) enum Wire {
    Device(File),
    Emulator(UnixStream),
}

impl Wire {
    /// Sends a command and gives what stands behind the head of its answer, with its response code.
    pub(super) fn exchange(&mut self, command: &Writer) -> Result<(u32, Zeroizing<Vec<u8>>), VaultError> {
        let answer = match self {
            Self::Device(device) => exchange(device, command.as_bytes()),
            Self::Emulator(socket) => exchange(socket, command.as_bytes()),
        };
        let answer = answer.map_err(|error| match error.kind() {
            ErrorKind::WouldBlock | ErrorKind::TimedOut => {
                VaultError::Unavailable("the TPM does not answer: try again".to_owned())
            }
            kind => VaultError::Unavailable(format!("the TPM went away in the middle of a command: {kind}; try again")),
        })?;
        let code = Reader(answer.get(6..HEAD).unwrap_or_default()).long().ok_or_else(not_an_answer)?;
        Ok((code, Zeroizing::new(answer[HEAD..].to_vec())))
    }
}

fn exchange(wire: &mut (impl Read + Write), command: &[u8]) -> std::io::Result<Zeroizing<Vec<u8>>> {
    // In one write each way, as the device wants it.
    wire.write_all(command)?;
    let (mut answer, mut filled) = (Zeroizing::new(vec![0; LONGEST]), 0);
    loop {
        let length = match wire.read(&mut answer[filled..]) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(length) => length,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        filled += length;
        let whole = Reader(answer.get(2..6).unwrap_or_default()).long().unwrap_or(0) as usize;
        if filled >= HEAD && filled >= whole {
            answer.truncate(filled);
            return Ok(answer);
        }
    }
}

pub(super) fn not_an_answer() -> VaultError {
    VaultError::Unavailable("the TPM gave an answer that is not one of a TPM 2.0".to_owned())
}
