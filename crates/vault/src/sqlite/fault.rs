//! What SQLite's errors mean for the vault.

use rusqlite::ffi::{
    ErrorCode, SQLITE_CANTOPEN_SYMLINK, SQLITE_IOERR_SHMMAP, SQLITE_IOERR_SHMOPEN, SQLITE_IOERR_SHMSIZE,
    SQLITE_READONLY_DBMOVED,
};

pub(super) use crate::error::{damaged, io};

use crate::VaultError;

impl From<rusqlite::Error> for VaultError {
    /// Fixed words and SQLite's code: its own texts may repeat values.
    fn from(error: rusqlite::Error) -> Self {
        let failure = match error {
            rusqlite::Error::SqliteFailure(failure, _) => failure,
            rusqlite::Error::SqlInputError { error, .. } => error,
            rusqlite::Error::QueryReturnedNoRows => return damaged("a row is missing"),
            rusqlite::Error::InvalidPath(_) | rusqlite::Error::NulError(_) => {
                return Self::UnsafePath("the vault's path is not a path".to_owned());
            }
            _ => return damaged("a value is not of its type"),
        };
        let code = failure.extended_code;
        match failure.code {
            ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => Self::Busy,
            ErrorCode::DatabaseCorrupt => damaged(&format!("malformed, SQLite code {code}")),
            ErrorCode::TooBig => damaged("a row is too large"),
            ErrorCode::NotADatabase => damaged("not a database"),
            ErrorCode::DiskFull => Self::Io("the disk is full".to_owned()),
            ErrorCode::ReadOnly if code == SQLITE_READONLY_DBMOVED => {
                Self::Io("it was moved away while it was open".to_owned())
            }
            ErrorCode::ReadOnly | ErrorCode::PermissionDenied => Self::Io("it cannot be written".to_owned()),
            ErrorCode::CannotOpen if code == SQLITE_CANTOPEN_SYMLINK => {
                Self::UnsafePath("the vault's path leads over a symbolic link".to_owned())
            }
            ErrorCode::CannotOpen => {
                Self::Io(format!("it, or a file beside it, cannot be opened or made, SQLite code {code}"))
            }
            // The first file that grows with every opening, so a full disk shows here.
            ErrorCode::SystemIoFailure
                if matches!(code, SQLITE_IOERR_SHMOPEN | SQLITE_IOERR_SHMSIZE | SQLITE_IOERR_SHMMAP) =>
            {
                Self::Io(format!("there is no room for the file that programs share beside it, SQLite code {code}"))
            }
            ErrorCode::SystemIoFailure
            | ErrorCode::OutOfMemory
            | ErrorCode::NoLargeFileSupport
            | ErrorCode::FileLockingProtocolFailed => Self::Io(format!("SQLite code {code}")),
            _ => damaged(&format!("unexpected, SQLite code {code}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::VaultError;
    use rusqlite::ffi;

    fn told(code: i32) -> VaultError {
        rusqlite::Error::SqliteFailure(ffi::Error::new(code), Some("with a value".to_owned())).into()
    }

    #[test]
    fn a_disk_a_lock_and_a_damaged_file_are_told_apart() {
        for code in [ffi::SQLITE_FULL, ffi::SQLITE_IOERR_FSYNC, ffi::SQLITE_READONLY, ffi::SQLITE_CANTOPEN] {
            assert!(matches!(told(code), VaultError::Io(_)), "{code}");
        }
        for code in [ffi::SQLITE_BUSY, ffi::SQLITE_BUSY_SNAPSHOT, ffi::SQLITE_LOCKED] {
            assert!(matches!(told(code), VaultError::Busy), "{code}");
        }
        for code in [ffi::SQLITE_CORRUPT, ffi::SQLITE_NOTADB, ffi::SQLITE_CONSTRAINT_CHECK, ffi::SQLITE_ERROR] {
            assert!(matches!(told(code), VaultError::Damaged(_)), "{code}");
        }
        assert!(matches!(told(ffi::SQLITE_CANTOPEN_SYMLINK), VaultError::UnsafePath(_)));
        assert!(!told(ffi::SQLITE_CORRUPT).to_string().contains("value"));
        assert!(told(ffi::SQLITE_IOERR_SHMSIZE).to_string().contains("no room"), "a full disk");
        assert!(told(ffi::SQLITE_CANTOPEN).to_string().contains("cannot be opened or made"), "one that is read-only");
    }
}
