//! Where the vault lies: a file 0600 in a folder 0700, both ours, no symbolic links.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, Metadata, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::VaultError;
use crate::error::{damaged, io};

/// How often, and at what distance, the lock of the folder is tried: twenty seconds in all.
const LOCK_TRIES: u32 = 1000;
const LOCK_PAUSE: Duration = Duration::from_millis(20);
const FIRST_PAUSE: Duration = Duration::from_millis(1);

/// More than a million grants need, in bytes: a larger file is not read, because checking it would take minutes.
const LARGEST: u64 = 1 << 30;

/// The checked folder of a vault.
pub(crate) struct Place {
    folder: PathBuf,
    name: OsString,
}

/// Which file this is, whatever its name: a write-ahead log is found by name, so that a vault that was moved away while it
/// was open would write one that nobody reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileId(u64, u64);

impl FileId {
    /// The file that has this name now.
    #[cfg(unix)]
    pub(crate) fn of(path: &Path) -> Result<Self, VaultError> {
        use std::os::unix::fs::MetadataExt;
        let found = fs::symlink_metadata(path).map_err(|error| io("the vault file", &error))?;
        Ok(Self(found.dev(), found.ino()))
    }

    /// Windows moves no file that is open.
    #[cfg(not(unix))]
    pub(crate) fn of(_path: &Path) -> Result<Self, VaultError> {
        Ok(Self(0, 0))
    }
}

/// Who else may hold the lock of a folder at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hold {
    /// Nobody.
    Alone,
    /// Others that share it.
    Shared,
}

/// Held while a vault is made, written or set aside, or shared while it is read; the system releases it when the process ends.
pub(crate) struct FolderLock {
    _file: File,
}

fn refused(why: &str, path: &Path) -> VaultError {
    VaultError::UnsafePath(format!("{why}: {}", path.display()))
}

impl Place {
    /// Makes the folder of `path` if it is missing, and sees that it is ours alone.
    pub(crate) fn prepare(path: &Path) -> Result<Self, VaultError> {
        // SQLite takes such a name for a URI, with options of its own.
        if path.as_os_str().as_encoded_bytes().starts_with(b"file:") {
            return Err(refused("the vault's path is a URI", path));
        }
        let (Some(folder), Some(name), true) = (path.parent(), path.file_name(), path.is_absolute()) else {
            return Err(refused("the vault's path is not absolute", path));
        };
        make_folder(folder)?;
        let found = fs::symlink_metadata(folder).map_err(|error| io("the vault's folder", &error))?;
        if !found.is_dir() {
            return Err(refused("the vault's folder is a symbolic link or no folder", folder));
        }
        keep_to_ourselves(folder, &found)?;
        Ok(Self { folder: resolved(folder)?, name: name.to_owned() })
    }

    /// [`Self::prepare`] where the folder is there; makes nothing.
    pub(crate) fn find(path: &Path) -> Result<Option<Self>, VaultError> {
        match path.parent().map(fs::symlink_metadata) {
            Some(Err(error)) if error.kind() == ErrorKind::NotFound => Ok(None),
            _ => Self::prepare(path).map(Some),
        }
    }

    /// The vault itself.
    pub(crate) fn file(&self) -> PathBuf {
        self.folder.join(&self.name)
    }

    /// A file beside the vault, named after it.
    pub(crate) fn beside(&self, suffix: &str) -> PathBuf {
        let mut name = self.name.clone();
        name.push(suffix);
        self.folder.join(name)
    }

    /// Whether there is a vault file; refuses one that is not a plain file of ours.
    ///
    /// Looks at names only: opening and closing the file here would drop the locks that SQLite holds on it.
    pub(crate) fn exists(&self) -> Result<bool, VaultError> {
        let path = self.file();
        match fs::symlink_metadata(&path) {
            Ok(found) => {
                check_file(&path, &found)?;
                if found.len() > LARGEST { Err(damaged("it is too large")) } else { Ok(true) }
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(io("the vault file", &error)),
        }
    }

    /// Says to those who watch the vault's file that something was written: its last byte once more.
    pub(crate) fn touch(&self) -> Result<(), VaultError> {
        let failed = |error| io("the vault file", &error);
        let mut options = OpenOptions::new();
        options.read(true).write(true);
        private(&mut options);
        let mut file = options.open(self.file()).map_err(failed)?;
        let mut last = [0];
        file.seek(SeekFrom::End(-1)).map_err(failed)?;
        file.read_exact(&mut last).map_err(failed)?;
        file.seek(SeekFrom::End(-1)).map_err(failed)?;
        file.write_all(&last).map_err(failed)
    }

    /// Makes an empty file beside the vault that nobody else can read.
    pub(crate) fn make_empty(&self, suffix: &str) -> Result<PathBuf, VaultError> {
        self.make_file(suffix).map(|(path, _)| path)
    }

    /// Makes such a file, and leaves it open for writing.
    pub(crate) fn make_file(&self, suffix: &str) -> Result<(PathBuf, File), VaultError> {
        let path = self.beside(suffix);
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        private(&mut options);
        let file = options.open(&path).map_err(|error| io("a new vault file", &error))?;
        Ok((path, file))
    }

    /// Waits for the lock of this folder. [`VaultError::Busy`] after twenty seconds.
    pub(crate) fn lock(&self) -> Result<FolderLock, VaultError> {
        self.hold(Hold::Alone, LOCK_TRIES)
    }

    /// Waits for the lock of this folder, and tries up to `tries` times, 20 milliseconds apart. [`VaultError::Busy`] after
    /// that.
    pub(crate) fn hold(&self, hold: Hold, tries: u32) -> Result<FolderLock, VaultError> {
        let path = self.folder.join("vault.lock");
        for turn in 0..tries {
            let file = open_lock(&path, hold)?;
            let taken = match hold {
                Hold::Alone => file.try_lock(),
                Hold::Shared => file.try_lock_shared(),
            };
            match taken {
                // A lock on a file that has lost its name keeps nobody out.
                Ok(()) if same_file(&path, &file) => return Ok(FolderLock { _file: file }),
                // Most are held for a few milliseconds only.
                Ok(()) | Err(TryLockError::WouldBlock) => std::thread::sleep(LOCK_PAUSE.min(FIRST_PAUSE * (turn + 1))),
                Err(TryLockError::Error(error)) => return Err(io("the vault's lock", &error)),
            }
        }
        Err(VaultError::Busy)
    }

    /// Opens the vault for reading: a plain file of ours, no longer than `largest` bytes. `None` where there is none.
    pub(crate) fn open_file(&self, largest: u64) -> Result<Option<File>, VaultError> {
        let path = self.file();
        match fs::symlink_metadata(&path) {
            Ok(found) => check_file(&path, &found)?,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(io("the vault file", &error)),
        }
        let mut options = OpenOptions::new();
        options.read(true);
        private(&mut options);
        let file = options.open(&path).map_err(|error| io("the vault file", &error))?;
        // Once more: what was opened need not be what was looked at.
        let found = file.metadata().map_err(|error| io("the vault file", &error))?;
        check_file(&path, &found)?;
        if found.len() > largest { Err(damaged("it is too large")) } else { Ok(Some(file)) }
    }

    /// Makes renames in this folder durable.
    pub(crate) fn sync(&self) -> Result<(), VaultError> {
        // Windows has no way to sync a folder, and journals its names.
        if cfg!(unix) {
            File::open(&self.folder)
                .and_then(|folder| folder.sync_all())
                .map_err(|error| io("the vault's folder", &error))?;
        }
        Ok(())
    }
}

/// Opens the lock's file, and makes it where it is missing. To share it, reading is enough: also where the disk became
/// read-only.
fn open_lock(path: &Path, hold: Hold) -> Result<File, VaultError> {
    let mut options = OpenOptions::new();
    options.read(true);
    match fs::symlink_metadata(path) {
        Ok(found) => {
            check_file(path, &found)?;
            options.write(hold == Hold::Alone);
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            options.write(true).create(true).truncate(false);
        }
        Err(error) => return Err(io("the vault's lock", &error)),
    }
    private(&mut options);
    options.open(path).map_err(|error| io("the vault's lock", &error))
}

/// Removes a file that may not be there.
pub(crate) fn remove_if_there(path: &Path) -> Result<(), VaultError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(io("an unfinished vault file", &error)),
        _ => Ok(()),
    }
}

fn make_folder(folder: &Path) -> Result<(), VaultError> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    match builder.create(folder) {
        // Something else of that name: told what it is by the checks that follow.
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(io("the vault's folder", &error)),
        _ => Ok(()),
    }
}

/// SQLite refuses links anywhere in the path, and a home may well lie behind one: resolved once, here.
#[cfg(unix)]
fn resolved(folder: &Path) -> Result<PathBuf, VaultError> {
    fs::canonicalize(folder).map_err(|error| io("the vault's folder", &error))
}

/// SQLite does not take the verbatim paths that Windows resolves to.
#[cfg(not(unix))]
fn resolved(folder: &Path) -> Result<PathBuf, VaultError> {
    std::path::absolute(folder).map_err(|error| io("the vault's folder", &error))
}

#[cfg(unix)]
fn private(options: &mut OpenOptions) {
    use std::os::unix::fs::OpenOptionsExt;
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    options.mode(0o600).custom_flags(flags.bits().cast_signed());
}

#[cfg(unix)]
fn same_file(path: &Path, file: &File) -> bool {
    use std::os::unix::fs::MetadataExt;
    let identity = |found: Metadata| (found.dev(), found.ino());
    match (fs::symlink_metadata(path), file.metadata()) {
        (Ok(named), Ok(held)) => identity(named) == identity(held),
        _ => false,
    }
}

/// Windows does not let go of a name whose file is open.
#[cfg(not(unix))]
fn same_file(_path: &Path, _file: &File) -> bool {
    true
}

/// Windows gives files the access list of the person's profile.
#[cfg(not(unix))]
fn private(_options: &mut OpenOptions) {}

#[cfg(unix)]
fn keep_to_ourselves(folder: &Path, found: &Metadata) -> Result<(), VaultError> {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    if found.uid() != rustix::process::geteuid().as_raw() {
        return Err(refused("the vault's folder belongs to somebody else", folder));
    }
    // Sticky folders such as /tmp are shared by their purpose, and the root belongs to all: never take them away.
    if found.mode() & 0o1000 != 0 || folder.parent().is_none() {
        return Err(refused("the vault's folder is shared with others", folder));
    }
    if found.mode() & 0o077 != 0 {
        tracing::warn!("the vault's folder was open to others and is closed now");
        fs::set_permissions(folder, fs::Permissions::from_mode(0o700))
            .map_err(|error| io("the vault's folder", &error))?;
    }
    Ok(())
}

#[cfg(not(unix))]
fn keep_to_ourselves(_folder: &Path, _found: &Metadata) -> Result<(), VaultError> {
    Ok(())
}

#[cfg(unix)]
fn check_file(path: &Path, found: &Metadata) -> Result<(), VaultError> {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    if !found.is_file() {
        return Err(refused("a symbolic link or no plain file", path));
    }
    if found.nlink() != 1 {
        return Err(refused("the file has a second name", path));
    }
    if found.uid() != rustix::process::geteuid().as_raw() {
        return Err(refused("the file belongs to somebody else", path));
    }
    if found.mode() & 0o077 != 0 {
        tracing::warn!("the vault's file was open to others and is closed now");
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).map_err(|error| io("the vault file", &error))?;
    }
    Ok(())
}

#[cfg(not(unix))]
fn check_file(path: &Path, found: &Metadata) -> Result<(), VaultError> {
    if found.is_file() { Ok(()) } else { Err(refused("a symbolic link or no plain file", path)) }
}
