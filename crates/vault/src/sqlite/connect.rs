//! An SQLite connection that trusts neither the file nor what stands in its schema.

use std::ops::RangeInclusive;
use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::fault::damaged;
use super::schema::{APPLICATION_ID, FORMAT, MIN_FORMAT, TABLES};
use crate::VaultError;

/// How long a writer waits for another process.
const BUSY: Duration = Duration::from_secs(5);

/// `synchronous = EXTRA` also syncs the folder after the journal is unlinked: without it a commit may vanish at power
/// loss. The rest keeps nothing in temporary files or mapped memory and checks pages before it uses them.
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

/// What this code makes of a file: any other is refused.
pub(crate) struct Layout {
    /// SQLite's `application_id`.
    pub(crate) application: i32,
    /// The oldest and the newest `user_version`.
    pub(crate) formats: RangeInclusive<u32>,
    /// Name and definition of every table, by name.
    pub(crate) tables: &'static [(&'static str, &'static str)],
}

const LAYOUT: Layout = Layout { application: APPLICATION_ID, formats: MIN_FORMAT..=FORMAT, tables: &TABLES };

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

/// Opens a vault and refuses whatever this code did not make.
pub(crate) fn open(path: &Path) -> Result<Connection, VaultError> {
    let mut connection = connect(path)?;
    check(&mut connection, &LAYOUT)?;
    Ok(connection)
}

/// Refuses a file of another layout, or one in which SQLite finds faults.
pub(crate) fn check(connection: &mut Connection, layout: &Layout) -> Result<(), VaultError> {
    let snapshot = connection.transaction()?;
    check_header(&snapshot, layout)?;
    check_schema(&snapshot, layout)?;
    let verdict: String = snapshot.query_row("PRAGMA quick_check(1)", (), |row| row.get(0))?;
    if verdict != "ok" {
        return Err(damaged("SQLite's quick check found faults"));
    }
    Ok(snapshot.finish()?)
}

fn check_header(connection: &Connection, layout: &Layout) -> Result<(), VaultError> {
    let application: i32 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    if application != layout.application {
        return Err(damaged("not a vault"));
    }
    let format: i32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    match u32::try_from(format) {
        Ok(newer) if newer > *layout.formats.end() => return Err(VaultError::NewerFormat(newer)),
        Ok(known) if layout.formats.contains(&known) => {}
        _ => return Err(damaged("its format is unknown")),
    }
    // A write-ahead log would keep older generations in a second file.
    let journal: String = connection.pragma_query_value(None, "journal_mode", |row| row.get(0))?;
    if journal != "delete" {
        return Err(damaged("its journal mode was changed"));
    }
    Ok(())
}

/// Triggers, views, indexes, generated columns and dropped checks all show in the text of the schema.
fn check_schema(connection: &Connection, layout: &Layout) -> Result<(), VaultError> {
    let mut statement = connection.prepare("SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY name")?;
    let mut rows = statement.query(())?;
    let mut expected = layout.tables.iter();
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
