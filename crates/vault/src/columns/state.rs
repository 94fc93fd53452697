//! Table `vault`: whose it is, how often it was written, and the sum of its rows where one is kept.

use rusqlite::{Connection, params};

use crate::VaultError;
use crate::error::damaged;
use crate::sqlite::set::Sum;

/// How a vault stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct State {
    /// How often the vault was written.
    pub(super) epoch: u64,
    /// The sum of all rows; `None` in a strategy that keeps none.
    pub(super) sum: Option<Sum>,
}

impl State {
    pub(super) fn read(connection: &Connection) -> Result<Self, VaultError> {
        let (epoch, sum) = connection
            .prepare_cached("SELECT epoch, digest FROM vault WHERE id=1")?
            .query_row((), |row| Ok((row.get::<_, i64>(0)?, row.get::<_, Option<[u8; 32]>>(1)?)))?;
        let epoch = u64::try_from(epoch).map_err(|_| damaged("the epoch is negative"))?;
        Ok(Self { epoch, sum: sum.as_ref().map(Sum::of_bytes) })
    }

    /// Makes the only row of the table.
    pub(super) fn make(connection: &Connection, strategy: &str, app: &str, sum: Option<Sum>) -> Result<(), VaultError> {
        connection.execute(
            "INSERT INTO vault(id, strategy, app, epoch, digest) VALUES(1,?1,?2,1,?3)",
            params![strategy, app, sum.map(Sum::to_bytes)],
        )?;
        Ok(())
    }

    /// One epoch on, with this sum.
    pub(super) fn advance(self, connection: &Connection, sum: Option<Sum>) -> Result<Self, VaultError> {
        let next = self.epoch.checked_add(1).ok_or_else(|| damaged("the epoch has run out"))?;
        let stored = i64::try_from(next).map_err(|_| damaged("the epoch has run out"))?;
        let written = connection
            .prepare_cached("UPDATE vault SET epoch=?1, digest=?2 WHERE id=1")?
            .execute(params![stored, sum.map(Sum::to_bytes)])?;
        if written == 1 { Ok(Self { epoch: next, sum }) } else { Err(damaged("table vault is empty")) }
    }
}

/// Refuses a file that another strategy or another app made.
pub(super) fn check_owner(connection: &Connection, strategy: &str, app: &str) -> Result<(), VaultError> {
    let (made_by, made_for): (String, String) =
        connection.query_row("SELECT strategy, app FROM vault WHERE id=1", (), |row| Ok((row.get(0)?, row.get(1)?)))?;
    if made_by != strategy {
        return Err(damaged("another strategy made it"));
    }
    if made_for == app { Ok(()) } else { Err(damaged("another app made it")) }
}
