//! Files and folders that only their owner may open.

use std::fs::{DirBuilder, File, OpenOptions};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};

use crate::{Error, ErrorCode};

/// A file's name for any text, by which the text cannot be told: 22 letters, digits, dots and hyphens.
pub(crate) fn derive_name(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(&Sha256::digest(text.as_bytes())[..16]).replace('_', ".")
}

/// Makes `folder` and what is missing above it, open to its owner alone.
pub(crate) fn make_private_folder(folder: &Path) -> Result<(), Error> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder).map_err(|error| {
        Error::new(ErrorCode::VaultIo, format!("The folder {} cannot be made: {error}.", folder.display()))
    })
}

/// What is created with `options` is open to its owner alone.
pub(crate) fn private(options: &mut OpenOptions) {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    #[cfg(not(unix))]
    let _ = options; // Windows: the folder's ACL is inherited, and it is the user's own.
}

/// Replaces the file at `path` as a whole: after a crash it is the old one or the new one, and when this returns the new one
/// is on the disk.
pub(crate) fn replace(path: &Path, write: impl FnOnce(&mut File) -> std::io::Result<()>) -> Result<(), Error> {
    let failed = |error: std::io::Error| {
        Error::new(ErrorCode::VaultIo, format!("The file {} cannot be written: {error}.", path.display()))
    };
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    let beside = Path::new(&name);
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    private(&mut options);
    let mut file = options.open(beside).map_err(failed)?;
    write(&mut file).and_then(|()| file.sync_all()).map_err(failed)?;
    std::fs::rename(beside, path).map_err(failed)?;
    sync_folder(path).map_err(failed)
}

/// Removes the file at `path`, durably. Removing what is not there is fine.
pub(crate) fn remove(path: &Path) -> Result<(), Error> {
    let removed = match std::fs::remove_file(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        removed => removed.and_then(|()| sync_folder(path)),
    };
    removed.map_err(|error| {
        Error::new(ErrorCode::VaultIo, format!("The file {} cannot be removed: {error}.", path.display()))
    })
}

/// The name of a file is on the disk only when its folder is.
pub(crate) fn sync_folder(path: &Path) -> std::io::Result<()> {
    #[cfg(unix)]
    if let Some(folder) = path.parent() {
        // A bare file name lies in the working folder, and has the empty path as its parent.
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        File::open(folder)?.sync_all()?;
    }
    #[cfg(not(unix))]
    let _ = path;
    Ok(())
}

/// Whether the folder is there, and its owner's alone; an error that says what is wrong with it.
pub(crate) fn examine_folder(folder: &Path) -> Result<bool, Error> {
    let found = match folder.symlink_metadata() {
        Ok(found) => found,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(Error::new(ErrorCode::VaultIo, format!("{}: {error}.", folder.display()))),
    };
    let unsafe_path = |why: &str| Err(Error::new(ErrorCode::UnsafePath, format!("{} {why}.", folder.display())));
    if !found.is_dir() {
        return unsafe_path("is not a folder");
    }
    #[cfg(unix)]
    if std::os::unix::fs::PermissionsExt::mode(&found.permissions()) & 0o077 != 0 {
        return unsafe_path("is open to other users");
    }
    Ok(true)
}
