//! `sqlcipher`: the same file under SQLCipher 4, its key in the OS keystore.
//!
//! SQLCipher seals page by page (AES-256-CBC, HMAC-SHA512 over each page and its number), so an old page in its old place
//! is a valid one. The sum of all rows, and the anchor in the keystore, show that.

mod connect;
mod key;
mod unlock;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::{Connection, Transaction};

use self::key::{CipherKey, Salt};
use super::make::{Owner, make_unless_there};
use super::records::RowFields;
use super::{ColumnVault, Protection, State, records, remove_files};
use crate::envelope::{Identity, MacKey};
use crate::error::damaged;
use crate::place::Place;
use crate::sqlite::anchor::{self, Anchor};
use crate::sqlite::anchor_writer::AnchorWriter;
use crate::sqlite::set::Sum;
use crate::{Keystore, SqliteVault, VaultError};

/// The name of the file in its home folder.
const FILE: &str = "vault-cipher.db";

/// Pages sealed by SQLCipher; rows summed up under a key derived from the same one; the sum anchored in the keystore.
pub struct Cipher {
    key: MacKey,
    anchors: AnchorWriter,
}

impl Protection for Cipher {
    const STRATEGY: &'static str = "sqlcipher";

    fn mac(&self, row: &RowFields) -> Option<[u8; 32]> {
        Some(self.key.mac(&row.0))
    }

    fn examine(&self, snapshot: &Connection) -> Result<Vec<&'static str>, VaultError> {
        let report = connect::inspect(snapshot)?;
        if !report.faults.is_empty() {
            return Err(damaged("pages of it are not as SQLCipher wrote them"));
        }
        let unlocked = "this build of SQLCipher does not wipe its memory";
        Ok(if report.memory_is_wiped { vec![] } else { vec![unlocked] })
    }

    fn committed(&self, state: &State) {
        if let Some(anchor) = anchor_of(state) {
            self.anchors.submit(anchor);
        }
    }
}

fn anchor_of(state: &State) -> Option<Anchor> {
    state.sum.map(|sum| Anchor::of_rows(state.epoch, sum.to_bytes(), Cipher::STRATEGY))
}

/// `sqlcipher`: one SQLCipher 4 file, `vault-cipher.db`, under a random 256-bit key that the OS keystore keeps. Needs a
/// build with the feature `sqlcipher`; any other answers [`VaultError::Unavailable`].
pub type SqlcipherVault = ColumnVault<Cipher>;

/// What SQLCipher says of an open vault, for the doctor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CipherReport {
    /// The version of SQLCipher, e.g. `4.19.0 community`.
    pub version: String,
    /// Whether SQLite's memory is locked and overwritten when it is let go.
    pub memory_is_wiped: bool,
    /// Pages whose MAC is wrong, in SQLCipher's words; none in a whole file.
    pub faults: Vec<String>,
}

impl SqlcipherVault {
    /// Opens the vault of `app` in the folder `home`, or makes one, with its key, where there is none. Never makes a key
    /// over an existing file (P4). `home` is absolute; it is made if it is missing, and closed to others.
    pub fn open(home: &Path, app: &str, keystore: Arc<dyn Keystore>) -> Result<Self, VaultError> {
        connect::available()?;
        let place = Place::prepare(&home.join(FILE))?;
        if !place.exists()? {
            let (salt, key) = (Salt::make()?, CipherKey::make()?);
            let owner = Owner { strategy: Cipher::STRATEGY, app, sum: Some(Sum::default()) };
            let connect = |path: &Path| connect::connect_new(path, &key, &salt);
            make_unless_there(&place, &owner, connect, || unlock::keep(&key, app, &salt, &*keystore))?;
        }
        let file = place.file();
        let salt = connect::salt_of(&file)?;
        let key = unlock::unlock(app, &salt, &*keystore)?;
        let identity = Identity { app: app.to_owned(), vault_id: *salt.as_bytes() };
        let mac = key.mac_key(&salt);
        // The anchor before the state: see anchor::check.
        let anchor = Anchor::furthest(&anchor::texts(&*keystore, &identity)?, &identity, &mac);
        let connection = connect::connect(&file, &key)?;
        Self::of(connection, file, app, |snapshot, state| {
            protect(snapshot, state, mac, anchor.as_ref(), |mac| AnchorWriter::start(keystore, identity, Arc::new(mac)))
        })
    }

    /// Sets the vault aside as `vault-cipher.db.lost-<now_ms>`: only ever on the person's word. Its key stays in the
    /// keystore. Returns the new name. [`VaultError::NotFound`] where there is none.
    pub fn set_aside(home: &Path, now_ms: i64) -> Result<PathBuf, VaultError> {
        SqliteVault::set_aside(&home.join(FILE), now_ms)
    }

    /// Removes the vault, its key and its anchor. Removing what is not there is fine. The key goes first: without it nothing
    /// that the disk keeps of the file can be opened any more. Of a file that does not say which key is its own, the key stays.
    pub fn remove_whole(home: &Path, keystore: &dyn Keystore) -> Result<(), VaultError> {
        let Some(place) = Place::find(&home.join(FILE))? else { return Ok(()) };
        let _lock = place.lock()?;
        if place.exists()? {
            connect::available()?;
            match connect::salt_of(&place.file()) {
                Ok(salt) => {
                    keystore.delete(&unlock::name_of(&salt))?;
                    keystore.delete(&anchor::name_of(salt.as_bytes()))?;
                }
                Err(VaultError::Damaged(_)) => {}
                Err(error) => return Err(error),
            }
        }
        remove_files(&place)
    }

    /// Waits until the keystore was told of the last commit, or refused to be. Dropping the vault does this too.
    pub fn flush_anchor(&self) {
        self.protection.anchors.flush();
    }

    /// Has SQLCipher verify every page as it lies in the file.
    pub fn inspect(&self) -> Result<CipherReport, VaultError> {
        self.read(|snapshot| connect::inspect(snapshot))
    }
}

/// Compares the rows with their sum, and the state with its anchor.
fn protect(
    snapshot: &Transaction<'_>,
    state: State,
    key: MacKey,
    anchor: Option<&Anchor>,
    start: impl FnOnce(MacKey) -> Result<AnchorWriter, VaultError>,
) -> Result<Cipher, VaultError> {
    let mut sum = Sum::default();
    records::each(snapshot, |row| sum = sum.plus(Sum::of_bytes(&key.mac(&row.0))))?;
    if state.sum != Some(sum) {
        return Err(damaged("rows are missing, added or older than the file says"));
    }
    let now = anchor_of(&state).ok_or_else(|| damaged("the sum of its rows is missing"))?;
    let heal = anchor::check(&now, anchor)?;
    let anchors = start(MacKey::of(key.expose()))?;
    if heal {
        anchors.submit(now);
    }
    Ok(Cipher { key, anchors })
}
