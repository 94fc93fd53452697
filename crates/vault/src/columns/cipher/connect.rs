//! Connections under SQLCipher.

use std::path::Path;
use std::sync::LazyLock;

use rusqlite::{Connection, PrepFlags};

use super::CipherReport;
use super::key::{CipherKey, Salt};
use crate::VaultError;
use crate::error::damaged;
use crate::sqlite::connect;

/// SQLCipher writes to the error stream of the program by itself: it says here instead, by the codes it returns. And what
/// SQLite copied of the key and of payloads is overwritten when it lets go of it; that holds for the whole program.
const QUIET: &str = "PRAGMA cipher_log_level = NONE; PRAGMA cipher_memory_security = ON;";

/// The file format of SQLCipher 4, whatever later versions take for their default.
const FORMAT: &str = "PRAGMA cipher_compatibility = 4;";

/// A key for a look at the salt, which stands in the clear.
const ANY_KEY: &str = "PRAGMA key = \"x'0000000000000000000000000000000000000000000000000000000000000000'\";";

/// Whether this program's SQLite is SQLCipher. SQLite itself passes over `PRAGMA key`, and would keep everything in the
/// clear: so this is asked, and not assumed from how the program was built.
pub(super) fn available() -> Result<(), VaultError> {
    static ANSWER: LazyLock<bool> =
        LazyLock::new(|| Connection::open_in_memory().is_ok_and(|connection| version(&connection).is_ok()));
    if *ANSWER { Ok(()) } else { Err(absent()) }
}

fn absent() -> VaultError {
    VaultError::Unavailable("this build of Pilotlight comes without SQLCipher".to_owned())
}

fn version(connection: &Connection) -> Result<String, VaultError> {
    connection.query_row("PRAGMA cipher_version", (), |row| row.get(0)).map_err(|_| absent())
}

/// Opens a file under its key.
pub(super) fn connect(path: &Path, key: &CipherKey) -> Result<Connection, VaultError> {
    keyed(path, &key.statement(None))
}

/// Opens an empty file, which is written under this key and salt.
pub(super) fn connect_new(path: &Path, key: &CipherKey, salt: &Salt) -> Result<Connection, VaultError> {
    keyed(path, &key.statement(Some(salt)))
}

fn keyed(path: &Path, key: &str) -> Result<Connection, VaultError> {
    let connection = quiet(path)?;
    // A statement that is to last is kept out of the memory that a connection uses again without overwriting it.
    connection.prepare_with_flags(key, PrepFlags::SQLITE_PREPARE_PERSISTENT)?.query(())?.next()?;
    connection.execute_batch(FORMAT)?;
    connect::apply_settings(&connection)?;
    Ok(connection)
}

fn quiet(path: &Path) -> Result<Connection, VaultError> {
    let connection = connect::bare(path)?;
    version(&connection)?;
    connection.execute_batch(QUIET)?;
    Ok(connection)
}

/// The salt of a file. SQLite reads it, because closing a file that was opened besides would drop the locks that SQLite
/// holds on it.
pub(super) fn salt_of(path: &Path) -> Result<Salt, VaultError> {
    let connection = quiet(path)?;
    connection.execute_batch(ANY_KEY)?;
    // Of a file that is too short, SQLCipher makes up a salt.
    let salt: String = connection.query_row("PRAGMA cipher_salt", (), |row| row.get(0))?;
    Salt::of_hex(&salt).ok_or_else(|| damaged("it does not begin as a vault under SQLCipher does"))
}

/// To be called in a transaction, so that nobody writes meanwhile.
pub(super) fn inspect(snapshot: &Connection) -> Result<CipherReport, VaultError> {
    let memory: String = snapshot.query_row("PRAGMA cipher_memory_security", (), |row| row.get(0))?;
    let mut statement = snapshot.prepare("PRAGMA cipher_integrity_check")?;
    let faults = statement.query_map((), |row| row.get(0))?.collect::<Result<_, _>>()?;
    Ok(CipherReport { version: version(snapshot)?, memory_is_wiped: memory == "1", faults })
}
