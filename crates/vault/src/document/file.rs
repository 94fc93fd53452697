//! A document in a file of its own: written beside it, then renamed over it.

use std::fs::{self, File, Metadata};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::{Backing, Mark};
use crate::error::io;
use crate::place::{FolderLock, Hold, Place, remove_if_there};
use crate::{Payload, VaultError};

/// How often the lock is tried, 20 milliseconds apart: five seconds in all.
const TRIES: u32 = 250;

/// A longer file is none of ours, in bytes: it would hold a hundred thousand grants, and be rewritten for each refresh.
const LARGEST: u64 = 256 << 20;

/// What a file is called until it is whole.
const UNFINISHED: &str = ".new";

/// A file 0600 in a folder 0700.
pub(crate) struct FileBacking {
    place: Place,
}

impl FileBacking {
    /// The file at `path`, which is absolute. Its folder is made if it is missing, and closed to others.
    pub(crate) fn new(path: &Path) -> Result<Self, VaultError> {
        Ok(Self { place: Place::prepare(path)? })
    }

    /// Whether something stands there, usable or not. Makes nothing.
    pub(crate) fn exists(path: &Path) -> Result<bool, VaultError> {
        Ok(Place::find(path)?.is_some_and(|place| place.file().symlink_metadata().is_ok()))
    }

    /// Removes the file, and what a crash left beside it. Removing what is not there is fine.
    pub(crate) fn remove(path: &Path) -> Result<(), VaultError> {
        let Some(place) = Place::find(path)? else { return Ok(()) };
        let _lock = place.hold(Hold::Alone, TRIES)?;
        Self { place }.remove_held()
    }

    /// The same for who holds the lock.
    pub(super) fn remove_held(&self) -> Result<(), VaultError> {
        remove_if_there(&self.place.beside(UNFINISHED))?;
        remove_if_there(&self.place.file())?;
        self.place.sync()
    }

    /// Whether somebody began to write and did not finish.
    pub(super) fn is_unfinished(&self) -> bool {
        self.place.beside(UNFINISHED).symlink_metadata().is_ok()
    }

    /// Leaves a sign that somebody began to write, for a document that does not lie in the file; under the lock alone.
    pub(super) fn begin(&self) -> Result<(), VaultError> {
        if self.is_unfinished() { Ok(()) } else { self.place.make_empty(UNFINISHED).map(drop) }
    }

    /// Takes the sign of [`Self::begin`] away.
    pub(super) fn finish(&self) -> Result<(), VaultError> {
        remove_if_there(&self.place.beside(UNFINISHED))
    }

    /// Says to those who watch the file that something was written.
    pub(super) fn touch(&self) -> Result<(), VaultError> {
        self.place.touch()
    }

    /// Renames the file to `<name>.lost-<now_ms>`, usable or not, and gives the new name. [`VaultError::NotFound`] where
    /// there is none.
    pub(crate) fn set_aside(path: &Path, now_ms: i64) -> Result<PathBuf, VaultError> {
        let place = Place::find(path)?.ok_or(VaultError::NotFound)?;
        let _lock = place.hold(Hold::Alone, TRIES)?;
        if place.file().symlink_metadata().is_err() {
            return Err(VaultError::NotFound);
        }
        let aside = (now_ms..)
            .map(|number| place.beside(&format!(".lost-{number}")))
            .find(|name| name.symlink_metadata().is_err())
            .ok_or_else(|| VaultError::Io("no name is left".to_owned()))?;
        fs::rename(place.file(), &aside).map_err(|error| io("the vault file", &error))?;
        place.sync()?;
        Ok(aside)
    }
}

impl Backing for FileBacking {
    fn lock(&self, hold: Hold) -> Result<FolderLock, VaultError> {
        self.place.hold(hold, TRIES)
    }

    fn read(&self) -> Result<Option<(Payload, Mark)>, VaultError> {
        let failed = |error| io("the vault file", &error);
        let Some(mut file) = self.place.open_file(LARGEST)? else { return Ok(None) };
        let found = file.metadata().map_err(failed)?;
        // Room for all of it from the start: growing would leave copies behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(found.len()).unwrap_or(0) + 1));
        (&mut file).take(LARGEST).read_to_end(&mut bytes).map_err(failed)?;
        Ok(Some((bytes, mark_of(&found, Some(file)))))
    }

    fn replace(&self, bytes: &[u8], _epoch: u64) -> Result<Mark, VaultError> {
        // What a crash left there; whoever wrote it no longer holds the lock.
        remove_if_there(&self.place.beside(UNFINISHED))?;
        let (path, file) = self.place.make_file(UNFINISHED)?;
        let written = fill(file, bytes).and_then(|mark| {
            fs::rename(&path, self.place.file()).map_err(|error| io("the vault file", &error))?;
            Ok(mark)
        });
        if written.is_err() {
            remove_if_there(&path)?;
        }
        let mark = written?;
        self.place.sync()?;
        Ok(mark)
    }

    fn mark(&self) -> Result<Mark, VaultError> {
        let Some(file) = self.place.open_file(LARGEST)? else { return Ok(Mark::default()) };
        let found = file.metadata().map_err(|error| io("the vault file", &error))?;
        Ok(mark_of(&found, Some(file)))
    }
}

fn fill(mut file: File, bytes: &[u8]) -> Result<Mark, VaultError> {
    let failed = |error| io("a new vault file", &error);
    file.write_all(bytes).map_err(failed)?;
    file.sync_all().map_err(failed)?;
    let found = file.metadata().map_err(failed)?;
    Ok(mark_of(&found, Some(file)))
}

#[cfg(unix)]
fn mark_of(found: &Metadata, held: Option<File>) -> Mark {
    use std::os::unix::fs::MetadataExt;
    let signed = [found.mtime(), found.mtime_nsec()].map(i64::cast_unsigned);
    let numbers = [found.dev(), found.ino(), found.len(), signed[0], signed[1]];
    Mark::of(numbers.iter().flat_map(|number| number.to_be_bytes()).collect(), held)
}

/// Nothing is held here, because an open file would be in the way of the next one; times are fine enough.
#[cfg(not(unix))]
fn mark_of(found: &Metadata, _held: Option<File>) -> Mark {
    Mark::of(format!("{} {:?} {:?}", found.len(), found.modified().ok(), found.created().ok()).into_bytes(), None)
}

/// What can be done to a file of a vault without opening it.
macro_rules! document_in_home {
    ($vault:ty, $file:literal) => {
        impl $vault {
            /// What the file in the home is called.
            pub const FILE: &str = $file;

            /// Whether there is such a vault in `home`, usable or not. Makes nothing.
            pub fn exists(home: &std::path::Path) -> Result<bool, $crate::VaultError> {
                $crate::document::FileBacking::exists(&home.join(Self::FILE))
            }

            /// Removes the vault and all its records. Removing what is not there is fine.
            pub fn remove_whole(home: &std::path::Path) -> Result<(), $crate::VaultError> {
                $crate::document::FileBacking::remove(&home.join(Self::FILE))
            }

            /// Sets an unusable vault aside under the name of its file and `.lost-<now_ms>`, so that a new one can be
            /// made: only ever on the person's word. Returns the new name. [`VaultError::NotFound`](crate::VaultError)
            /// where there is nothing to set aside.
            pub fn set_aside(home: &std::path::Path, now_ms: i64) -> Result<std::path::PathBuf, $crate::VaultError> {
                $crate::document::FileBacking::set_aside(&home.join(Self::FILE), now_ms)
            }
        }
    };
}
pub(crate) use document_in_home;
