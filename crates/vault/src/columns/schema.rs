//! The tables of a vault with ordinary columns, word for word as SQLite keeps them.

use rusqlite::Connection;

use crate::VaultError;
use crate::error::damaged;
use crate::sqlite::connect;

/// The format this code writes; `user_version` of the file.
pub(super) const FORMAT: u32 = 1;

/// "PLVC", for a vault of columns: what marks such a file.
pub(super) const APPLICATION_ID: i32 = 0x504C_5643;

/// Name and definition of every table. An attempt stands in the row of its grant, so that neither is there alone.
pub(super) const TABLES: [(&str, &str); 2] = [
    (
        "record",
        "CREATE TABLE record(
  grant_id BLOB PRIMARY KEY CHECK(length(grant_id)=16),
  generation INTEGER NOT NULL CHECK(generation>0),
  payload BLOB NOT NULL CHECK(length(payload)<=65536),
  attempt_key BLOB CHECK(length(attempt_key)=16),
  attempt_started_ms INTEGER CHECK((attempt_started_ms IS NULL)=(attempt_key IS NULL))
) STRICT, WITHOUT ROWID",
    ),
    (
        "vault",
        "CREATE TABLE vault(
  id INTEGER PRIMARY KEY CHECK(id=1),
  strategy TEXT NOT NULL CHECK(length(strategy)<=64),
  app TEXT NOT NULL CHECK(length(app)<=256),
  epoch INTEGER NOT NULL CHECK(epoch>0),
  digest BLOB CHECK(length(digest)=32)
) STRICT",
    ),
];

/// Refuses a file that this code did not make, or in which SQLite finds faults.
pub(super) fn check(connection: &Connection) -> Result<(), VaultError> {
    let number = |pragma| connection.pragma_query_value(None, pragma, |row| row.get::<_, i32>(0));
    if number("application_id")? != APPLICATION_ID {
        return Err(damaged("not a vault"));
    }
    match u32::try_from(number("user_version")?) {
        Ok(FORMAT) => {}
        Ok(newer) if newer > FORMAT => return Err(VaultError::NewerFormat(newer)),
        _ => return Err(damaged("its format is unknown")),
    }
    // A write-ahead log would keep older generations in a second file.
    let journal: String = connection.pragma_query_value(None, "journal_mode", |row| row.get(0))?;
    if journal != "delete" {
        return Err(damaged("its journal mode was changed"));
    }
    connect::check_schema(connection, &TABLES)?;
    connect::quick_check(connection)
}
