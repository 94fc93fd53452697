//! Making a vault file: beside its name first, then under it.

use std::path::Path;

use rusqlite::Connection;

use super::schema::{APPLICATION_ID, FORMAT, TABLES};
use super::state::State;
use crate::VaultError;
use crate::error::{damaged, io};
use crate::place::{Place, remove_if_there};
use crate::sqlite::set::Sum;

/// What a new file says of itself.
pub(super) struct Owner<'vault> {
    pub(super) strategy: &'static str,
    pub(super) app: &'vault str,
    /// The sum of no rows, where the strategy keeps one.
    pub(super) sum: Option<Sum>,
}

/// Makes the file of `place` unless it is there. `connect` opens the empty file; `before` is what must be durable before
/// the file appears under its name.
pub(super) fn make_unless_there(
    place: &Place,
    owner: &Owner<'_>,
    connect: impl FnOnce(&Path) -> Result<Connection, VaultError>,
    before: impl FnOnce() -> Result<(), VaultError>,
) -> Result<(), VaultError> {
    let _lock = place.lock()?;
    // Another process may have made it while this one waited.
    if place.exists()? {
        return Ok(());
    }
    // SQLite would play a journal that lies there back into our new file.
    if place.beside("-journal").symlink_metadata().is_ok() {
        return Err(damaged("its journal is there and the vault is not"));
    }
    for suffix in [".new", ".new-journal"] {
        remove_if_there(&place.beside(suffix))?;
    }
    let path = place.make_empty(".new")?;
    let made = connect(&path)
        .and_then(|connection| fill(connection, owner))
        .and_then(|()| before())
        .and_then(|()| std::fs::rename(&path, place.file()).map_err(|error| io("the new vault file", &error)));
    if made.is_err() {
        remove_if_there(&path)?;
    }
    made?;
    place.sync()
}

/// Tables and first state, in one transaction.
fn fill(mut connection: Connection, owner: &Owner<'_>) -> Result<(), VaultError> {
    let transaction = connection.transaction()?;
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", FORMAT)?;
    for (_, definition) in TABLES {
        transaction.execute(definition, ())?;
    }
    State::make(&transaction, owner.strategy, owner.app, owner.sum)?;
    transaction.commit()?;
    // Closed before the rename: SQLite knows its journal by the name it opened.
    connection.close().map_err(|(_, error)| error.into())
}
