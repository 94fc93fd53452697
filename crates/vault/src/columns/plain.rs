//! `plain-sqlite`: nothing is protected but by the modes of file and folder.

use std::path::{Path, PathBuf};

use rusqlite::Connection;

use super::make::{Owner, make_unless_there};
use super::records::RowFields;
use super::{ColumnVault, Protection, State, remove_files};
use crate::place::Place;
use crate::sqlite::connect;
use crate::{SqliteVault, VaultError};

/// No protection: whoever reads the file has the tokens, and whoever writes it decides what they are.
#[derive(Debug)]
pub struct Plain;

impl Protection for Plain {
    const STRATEGY: &'static str = "plain-sqlite";

    fn mac(&self, _row: &RowFields) -> Option<[u8; 32]> {
        None
    }

    fn examine(&self, snapshot: &Connection) -> Result<Vec<&'static str>, VaultError> {
        connect::quick_check(snapshot).map(|()| Vec::new())
    }

    fn committed(&self, _state: &State) {}
}

/// The name of the file in its home folder.
const FILE: &str = "vault-plain.db";

/// `plain-sqlite`: one SQLite file, `vault-plain.db`, that anybody can read who can read the file. For development, and for
/// disks that are encrypted anyway; it says so wherever its name is shown.
pub type PlainSqliteVault = ColumnVault<Plain>;

impl PlainSqliteVault {
    /// Opens the vault of `app` in the folder `home`, or makes one where there is none. `home` is absolute; it is made if
    /// it is missing, and closed to others.
    pub fn open(home: &Path, app: &str) -> Result<Self, VaultError> {
        let place = Place::prepare(&home.join(FILE))?;
        if !place.exists()? {
            let owner = Owner { strategy: Plain::STRATEGY, app, sum: None };
            make_unless_there(&place, &owner, connect::connect, || Ok(()))?;
        }
        let file = place.file();
        Self::of(connect::connect(&file)?, file, app, |_, _| Ok(Plain))
    }

    /// Sets the vault aside as `vault-plain.db.lost-<now_ms>`: only ever on the person's word. Returns the new name.
    /// [`VaultError::NotFound`] where there is none.
    pub fn set_aside(home: &Path, now_ms: i64) -> Result<PathBuf, VaultError> {
        SqliteVault::set_aside(&home.join(FILE), now_ms)
    }

    /// Removes the vault. Removing what is not there is fine. What the disk keeps of it, in its spare blocks or in snapshots,
    /// stays there.
    pub fn remove_whole(home: &Path) -> Result<(), VaultError> {
        let Some(place) = Place::find(&home.join(FILE))? else { return Ok(()) };
        let _lock = place.lock()?;
        remove_files(&place)
    }
}
