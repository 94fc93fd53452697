//! A folder as it was, to be put back, elsewhere too, or altered.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use crate::canary::files_below;

/// One regular file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Kept {
    /// Inside the folder.
    pub(crate) name: PathBuf,
    pub(crate) bytes: Vec<u8>,
    mode: u32,
    /// Which file it is, whatever it is called.
    pub(crate) inode: u64,
}

impl Kept {
    pub(crate) fn called(&self) -> String {
        self.name.display().to_string()
    }
}

/// The regular files of a folder.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Snapshot {
    pub(crate) files: Vec<Kept>,
}

impl Snapshot {
    pub(crate) fn take(folder: &Path) -> io::Result<Self> {
        let mut files = vec![];
        for path in files_below(folder) {
            // A file may go while the folder is looked at: then it is not part of the copy, as with any copying program.
            let Ok(about) = path.symlink_metadata() else { continue };
            if !about.is_file() {
                continue;
            }
            let Ok(bytes) = fs::read(&path) else { continue };
            let name = path.strip_prefix(folder).unwrap_or(&path).to_owned();
            files.push(Kept { name, bytes, mode: about.permissions().mode() & 0o777, inode: about.ino() });
        }
        Ok(Self { files })
    }

    /// Makes the folder hold these files and no others.
    pub(crate) fn put(&self, folder: &Path) -> io::Result<()> {
        fs::create_dir_all(folder)?;
        fs::set_permissions(folder, fs::Permissions::from_mode(0o700))?;
        for there in files_below(folder) {
            if !self.files.iter().any(|file| folder.join(&file.name) == there && there.is_file()) {
                fs::remove_file(&there)?;
            }
        }
        for file in &self.files {
            let path = folder.join(&file.name);
            if let Some(parent) = path.parent().filter(|parent| !parent.is_dir()) {
                fs::create_dir_all(parent)?;
                fs::set_permissions(parent, fs::Permissions::from_mode(0o700))?;
            }
            fs::write(&path, &file.bytes)?;
            fs::set_permissions(&path, fs::Permissions::from_mode(file.mode))?;
        }
        Ok(())
    }

    /// The same with one file's bytes replaced.
    pub(crate) fn with(&self, index: usize, bytes: Vec<u8>) -> Self {
        let mut other = self.clone();
        if let Some(file) = other.files.get_mut(index) {
            file.bytes = bytes;
        }
        other
    }

    /// The same with this file added or replaced.
    pub(crate) fn and(&self, name: &Path, bytes: Vec<u8>) -> Self {
        let mut other = self.clone();
        other.files.retain(|file| file.name != name);
        other.files.push(Kept { name: name.to_owned(), bytes, mode: 0o600, inode: 0 });
        other
    }

    /// How many bytes all files have together.
    pub(crate) fn bytes(&self) -> usize {
        self.files.iter().map(|file| file.bytes.len()).sum()
    }
}
