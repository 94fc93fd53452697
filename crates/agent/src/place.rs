//! Where the socket is, and that nobody else can have put it there.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::os::unix::fs::{DirBuilderExt as _, FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use pilotlight::Home;

/// Why the socket is not to be used.
#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    /// Something else than we would have made is there.
    #[error("{0} is not a place for the agent's socket: it has to be yours alone, and no link")]
    Unsafe(PathBuf),
    /// Another agent serves it.
    #[error("another process of Pilotlight serves it")]
    Taken,
    /// The system refuses.
    #[error("{0}: {1}")]
    Io(PathBuf, std::io::Error),
}

/// The agent's, as its files are called.
const AGENT: &str = "agent";

/// A socket's place.
#[derive(Debug, Clone)]
pub struct Place {
    folder: PathBuf,
    name: &'static str,
}

impl Place {
    /// `$XDG_RUNTIME_DIR/pilotlight`, or the folder `agent` of a home that `PILOTLIGHT_HOME` names: each home has its own
    /// agent.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the place that reads the environment")]
    pub fn of(home: &Home) -> Self {
        let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        match (set("PILOTLIGHT_HOME"), set("XDG_RUNTIME_DIR")) {
            (None, Some(runtime)) if runtime.is_absolute() => Self { folder: runtime.join("pilotlight"), name: AGENT },
            _ => Self::within(home),
        }
    }

    /// The folder `agent` of this home.
    #[must_use]
    pub fn within(home: &Home) -> Self {
        Self { folder: home.path().join("agent"), name: AGENT }
    }

    /// The place of another socket beside this one, with a lock of its own.
    #[must_use]
    pub fn beside(&self, name: &'static str) -> Self {
        Self { folder: self.folder.clone(), name }
    }

    /// The socket.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.folder.join(format!("{}.sock", self.name))
    }

    /// Whether there is a socket; an error where it is not safe to use.
    pub fn examine(&self) -> Result<bool, PlaceError> {
        let folder_there = examine(&self.folder, |found| found.is_dir() && found.permissions().mode() & 0o077 == 0)?;
        Ok(folder_there && examine(&self.socket(), |found| found.file_type().is_socket())?)
    }

    /// Makes the folder, takes the place of a process that is dead, and listens. The file is the proof that no other one
    /// lives; it is to be kept for as long as the listener.
    ///
    /// # Errors
    /// Another process has the place, or it is not ours alone.
    pub fn listen(&self) -> Result<(UnixListener, File), PlaceError> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.folder).map_err(io(&self.folder))?;
        let lock = self.alone()?;
        let socket = self.socket();
        if self.examine()? {
            // Whoever listens without the lock is a service manager: it has an agent started by whoever connects.
            if UnixStream::connect(&socket).is_ok() {
                return Err(PlaceError::Taken);
            }
            std::fs::remove_file(&socket).map_err(io(&socket))?;
        }
        // Between these two lines the folder alone keeps others out.
        let listener = UnixListener::bind(&socket).map_err(io(&socket))?;
        std::fs::set_permissions(&socket, PermissionsExt::from_mode(0o600)).map_err(io(&socket))?;
        Ok((listener, lock))
    }

    /// Waits until the process that has the place ends, however long that takes. Blocks its thread, and wakes for nothing else.
    ///
    /// # Errors
    /// The place is not ours alone.
    pub fn wait_until_free(&self) -> Result<(), PlaceError> {
        let (lock, path) = self.lock_file()?;
        lock.lock().map_err(io(&path))
    }

    /// Takes the socket away: who connects finds nobody. Only for who has the place.
    pub(crate) fn clear(&self) {
        // What is left would be refused like one that a dead process left.
        let _ = std::fs::remove_file(self.socket());
    }

    /// Makes sure that somebody else opened just the socket that we would have, and for us alone.
    pub(crate) fn take_over(&self, listener: &UnixListener) -> Result<File, PlaceError> {
        let socket = self.socket();
        let address = listener.local_addr().map_err(io(&socket))?;
        let lock = self.alone()?;
        if address.as_pathname() == Some(&socket) && self.examine()? {
            Ok(lock)
        } else {
            Err(PlaceError::Unsafe(socket))
        }
    }

    /// The lock of the one agent that lives.
    fn alone(&self) -> Result<File, PlaceError> {
        let (lock, path) = self.lock_file()?;
        match lock.try_lock() {
            Ok(()) => Ok(lock),
            Err(TryLockError::WouldBlock) => Err(PlaceError::Taken),
            Err(TryLockError::Error(error)) => Err(PlaceError::Io(path, error)),
        }
    }

    fn lock_file(&self) -> Result<(File, PathBuf), PlaceError> {
        examine(&self.folder, |found| found.is_dir() && found.permissions().mode() & 0o077 == 0)?;
        let path = self.folder.join(format!("{}.lock", self.name));
        examine(&path, std::fs::Metadata::is_file)?;
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false).mode(0o600);
        let lock = options.open(&path).map_err(io(&path))?;
        Ok((lock, path))
    }
}

fn io(path: &Path) -> impl FnOnce(std::io::Error) -> PlaceError {
    let path = path.to_owned();
    move |error| PlaceError::Io(path, error)
}

/// Whether something is at `path`; an error where it is another user's, or not of the right kind. Links are not followed.
fn examine(path: &Path, right: impl Fn(&std::fs::Metadata) -> bool) -> Result<bool, PlaceError> {
    match path.symlink_metadata() {
        Ok(found) if found.uid() == own_uid() && right(&found) => Ok(true),
        Ok(_) => Err(PlaceError::Unsafe(path.to_owned())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(PlaceError::Io(path.to_owned(), error)),
    }
}

pub(crate) fn own_uid() -> u32 {
    rustix::process::geteuid().as_raw()
}
