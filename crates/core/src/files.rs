//! Files and folders that only their owner may open.

use std::fs::{DirBuilder, OpenOptions};
use std::path::Path;

use crate::{Error, ErrorCode};

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
