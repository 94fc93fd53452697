//! The OS advisory lock. There is nothing to clean up after a crash, and no lease to renew through a sleep.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{Lock, Locking, Locks, busy};
use crate::{Error, ErrorCode, Home};

/// How long a process waits for another one's refresh; that one's own deadlines are shorter.
const PATIENCE: Duration = Duration::from_secs(20);

/// Locks for the processes of one machine: a file each, in a folder of their own.
#[derive(Debug, Clone)]
pub struct FileLocks {
    folder: PathBuf,
    patience: Duration,
}

impl FileLocks {
    /// The locks of one home.
    #[must_use]
    pub fn new(home: &Home) -> Self {
        Self { folder: home.locks(), patience: PATIENCE }
    }

    /// The same, giving up after `patience`.
    #[must_use]
    pub const fn patient_for(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    async fn take(&self, name: &str) -> Result<Lock, Error> {
        let (folder, name) = (self.folder.clone(), format!("{name}.lock"));
        let file = crate::lifecycle::blocking(move || open(&folder, &name)).await?;
        let mut waited = Duration::ZERO;
        let mut pause = Duration::from_millis(5);
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Lock::until_dropped(file)),
                Err(TryLockError::Error(error)) => return Err(broken(&error.to_string())),
                Err(TryLockError::WouldBlock) if waited >= self.patience => return Err(busy()),
                Err(TryLockError::WouldBlock) => {
                    // An advisory lock cannot be waited for with a deadline, so it is asked for again, ever more slowly.
                    tokio::time::sleep(pause).await;
                    waited += pause;
                    pause = (pause * 2).min(Duration::from_millis(100));
                }
            }
        }
    }
}

impl Locks for FileLocks {
    fn lock<'a>(&'a self, name: &'a str) -> Locking<'a> {
        Box::pin(self.take(name))
    }
}

fn open(folder: &Path, name: &str) -> Result<File, Error> {
    crate::files::make_private_folder(folder)?;
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    crate::files::private(&mut options);
    options.open(folder.join(name)).map_err(|error| broken(&error.to_string()))
}

fn broken(why: &str) -> Error {
    Error::new(ErrorCode::VaultIo, format!("The lock file cannot be used: {why}."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_lock_that_somebody_keeps_is_given_up_after_a_while_and_free_once_it_is_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let locks = FileLocks::new(&Home::at(folder.path().to_owned()).unwrap());
        let held = locks.lock("grant").await.unwrap();
        assert_eq!(locks.lock("grant").await.err().map(|error| error.code()), Some(ErrorCode::GrantBusy));
        assert!(locks.lock("another").await.is_ok());
        drop(held);
        assert!(locks.lock("grant").await.is_ok());
    }
}
