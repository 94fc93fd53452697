//! An SQLite connection that trusts neither the file nor what stands in its schema.

use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::limits::Limit;
use rusqlite::{Connection, OpenFlags};

use super::fault::damaged;
use super::schema::{APPLICATION_ID, FORMAT, OLDEST, TABLES, TABLES_1, Table};
use crate::VaultError;

/// How long a writer waits for another process.
pub(super) const BUSY: Duration = Duration::from_secs(5);

/// The longest row that is read, in bytes: twice the longest that is written.
const LONGEST: i32 = 1 << 17;

/// `synchronous = EXTRA` also syncs the folder after a rollback journal is unlinked, without which a commit may vanish at
/// power loss; with a write-ahead log it means one sync per commit, of the log. The rest keeps nothing in temporary files or mapped memory and checks pages before it uses them.
const PRAGMAS: &str = "
PRAGMA synchronous = EXTRA;
PRAGMA fullfsync = ON;
PRAGMA checkpoint_fullfsync = ON;
PRAGMA secure_delete = ON;
PRAGMA foreign_keys = ON;
PRAGMA recursive_triggers = OFF;
PRAGMA cell_size_check = ON;
PRAGMA mmap_size = 0;
PRAGMA temp_store = MEMORY;";

/// Opens the file at `path`, which exists, without looking at what is in it.
pub(crate) fn connect(path: &Path) -> Result<Connection, VaultError> {
    let connection = bare(path)?;
    apply_settings(&connection)?;
    Ok(connection)
}

/// A connection that has not touched its file yet.
pub(crate) fn bare(path: &Path) -> Result<Connection, VaultError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NOFOLLOW | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY)?;
    connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, LONGEST)?;
    for (setting, value) in [
        (DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true),
        (DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW, false),
        (DbConfig::SQLITE_DBCONFIG_DQS_DML, false),
        (DbConfig::SQLITE_DBCONFIG_DQS_DDL, false),
    ] {
        connection.set_db_config(setting, value)?;
    }
    Ok(connection)
}

/// The settings that make SQLite read the file.
pub(crate) fn apply_settings(connection: &Connection) -> Result<(), VaultError> {
    Ok(connection.execute_batch(PRAGMAS)?)
}

/// Files up to this size, in pages, are checked whole when they are opened: some ten thousand grants. In larger ones the
/// rows are checked before the first of them is used, and pages when they are read.
pub(super) const CHECKED_AT_ONCE: i64 = 1024;

/// Opens a vault and refuses whatever this code did not make. Says which format it has.
pub(super) fn open(path: &Path) -> Result<(Connection, u32), VaultError> {
    let mut connection = connect(path)?;
    let snapshot = connection.transaction()?;
    let format = check_header(&snapshot)?;
    check_schema(&snapshot, if format == FORMAT { &TABLES } else { &TABLES_1 })?;
    if is_small(&snapshot)? {
        quick_check(&snapshot)?;
    }
    snapshot.finish()?;
    Ok((connection, format))
}

/// Has the file written behind a log, which makes a commit durable with one sync instead of five. Kept in the file.
pub(super) fn log_ahead(connection: &Connection) -> Result<(), VaultError> {
    let mode: String = connection.query_row("PRAGMA journal_mode=WAL", (), |row| row.get(0))?;
    if mode == "wal" {
        return Ok(());
    }
    // Without shared memory for the log's index, as on some network drives.
    Err(VaultError::Unavailable("the vault's folder is on a drive that can keep no write-ahead log".to_owned()))
}

/// Whether all of it is checked when it is opened.
pub(super) fn is_small(connection: &Connection) -> Result<bool, VaultError> {
    let pages: i64 = connection.pragma_query_value(None, "page_count", |row| row.get(0))?;
    Ok(pages <= CHECKED_AT_ONCE)
}

/// SQLite's own check of pages, types and constraints.
pub(crate) fn quick_check(connection: &Connection) -> Result<(), VaultError> {
    let verdict: String = connection.query_row("PRAGMA quick_check(1)", (), |row| row.get(0))?;
    if verdict == "ok" { Ok(()) } else { Err(damaged("SQLite's quick check found faults")) }
}

/// The format that the header names.
pub(super) fn format_of(connection: &Connection) -> Result<u32, VaultError> {
    let format: i32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    match u32::try_from(format) {
        Ok(newer) if newer > FORMAT => Err(VaultError::NewerFormat(newer)),
        Ok(known) if known >= OLDEST => Ok(known),
        _ => Err(damaged("its format is unknown")),
    }
}

fn check_header(connection: &Connection) -> Result<u32, VaultError> {
    let application: i32 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    if application != APPLICATION_ID {
        return Err(damaged("not a vault"));
    }
    let format = format_of(connection)?;
    let journal: String = connection.pragma_query_value(None, "journal_mode", |row| row.get(0))?;
    // A migration commits before it changes the journal.
    let known = match format {
        FORMAT => ["wal", "delete"].contains(&journal.as_str()),
        _ => journal == "delete",
    };
    if known { Ok(format) } else { Err(damaged("its journal mode was changed")) }
}

/// Triggers, views, indexes, generated columns and dropped checks all show in the text of the schema.
pub(crate) fn check_schema(connection: &Connection, tables: &[Table]) -> Result<(), VaultError> {
    let mut statement = connection.prepare("SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY name")?;
    let mut rows = statement.query(())?;
    let mut expected = tables.iter();
    while let Some(row) = rows.next()? {
        let (kind, name, table): (String, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let sql: Option<String> = row.get(3)?;
        let matches = expected.next().is_some_and(|(known, definition)| {
            kind == "table" && name == *known && table == *known && sql.as_deref() == Some(definition)
        });
        if !matches {
            return Err(damaged("its schema was changed"));
        }
    }
    if expected.next().is_some() {
        return Err(damaged("a table is missing"));
    }
    Ok(())
}
