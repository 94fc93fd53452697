//! One refresh at a time over all processes of the user (P3): an OS advisory lock per grant. It dies with its process,
//! so there is nothing to clean up after a crash, and no lease to renew through a sleep.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::PathBuf;
use std::time::Duration;

use crate::{Error, ErrorCode};

/// How long a process waits for another one's refresh; that one's own deadline is shorter.
const PATIENCE: Duration = Duration::from_secs(20);

/// Held until dropped.
#[derive(Debug)]
pub(crate) struct FileLock {
    _file: File,
}

/// Takes the lock called `name` in `folder`, waiting while another process holds it.
pub(crate) async fn lock(folder: PathBuf, name: String) -> Result<FileLock, Error> {
    let file =
        tokio::task::spawn_blocking(move || open(&folder, &name)).await.map_err(|_| broken("the task ended"))??;
    let mut waited = Duration::ZERO;
    let mut pause = Duration::from_millis(5);
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(FileLock { _file: file }),
            Err(TryLockError::Error(error)) => return Err(broken(&error.to_string())),
            Err(TryLockError::WouldBlock) if waited >= PATIENCE => {
                return Err(Error::new(
                    ErrorCode::GrantBusy,
                    "Another process has been refreshing this account for too long.",
                ));
            }
            Err(TryLockError::WouldBlock) => {
                // An advisory lock cannot be waited for with a deadline, so it is asked for again, ever more slowly.
                tokio::time::sleep(pause).await;
                waited += pause;
                pause = (pause * 2).min(Duration::from_millis(100));
            }
        }
    }
}

fn open(folder: &std::path::Path, name: &str) -> Result<File, Error> {
    crate::files::make_private_folder(folder)?;
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    crate::files::private(&mut options);
    options.open(folder.join(name)).map_err(|error| broken(&error.to_string()))
}

fn broken(why: &str) -> Error {
    Error::new(ErrorCode::VaultIo, format!("The lock file cannot be used: {why}."))
}
