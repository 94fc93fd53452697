//! What it takes to open a vault, or to make one.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use super::anchor::{self, Anchor};
use super::anchor_writer::AnchorWriter;
use super::fault::io;
use super::unlock::{self, Unlocked};
use super::{Database, SqliteVault, connect, make, state};
use crate::envelope::{Aead, KeystoreProtector, Means};
use crate::place::Place;
use crate::{Keystore, VaultError};

/// Whose vaults these are unless somebody says otherwise.
const APP: &str = "dev.pilotlight";

/// What it takes to open a vault, or to make one where there is none.
///
/// ```
/// # use pilotlight_vault::{Aead, Means, Opening, RecoveryCode};
/// let opening = Opening::new(1_800_000_000_000)
///     .means(Means::passphrase("correct horse battery staple".into()))
///     .aead(Aead::XChaCha20Poly1305);
/// ```
#[derive(Clone)]
pub struct Opening {
    pub(super) app: String,
    pub(super) strategy: &'static str,
    pub(super) means: Vec<Means>,
    pub(super) anchors: Option<Arc<dyn Keystore>>,
    pub(super) aead: Aead,
    pub(super) now_ms: i64,
}

impl Opening {
    /// Nothing yet: no means, no anchor, the usual cipher. `now_ms` dates a new key, in milliseconds since the Unix epoch.
    #[must_use]
    pub fn new(now_ms: i64) -> Self {
        Self {
            app: APP.to_owned(),
            strategy: state::STRATEGY,
            means: Vec::new(),
            anchors: None,
            aead: Aead::default(),
            now_ms,
        }
    }

    /// The id of the app whose vault it is, if it is not Pilotlight's own. It is bound into everything that is sealed.
    #[must_use]
    pub fn app(mut self, app: &str) -> Self {
        app.clone_into(&mut self.app);
        self
    }

    /// One more of the means to open the vault. They are tried in the order in which they were given; a new vault can be
    /// opened by each of them.
    #[must_use]
    pub fn means(mut self, means: Means) -> Self {
        self.means.push(means);
        self
    }

    /// The OS keystore: its key opens the vault, and it keeps the anchor.
    #[must_use]
    pub fn keystore(self, keystore: Arc<dyn Keystore>) -> Self {
        self.means(Means::keystore(Arc::clone(&keystore))).anchored_in(keystore)
    }

    /// The keystore that keeps the anchor. Without one an older copy of the whole file is not noticed.
    #[must_use]
    pub fn anchored_in(mut self, keystore: Arc<dyn Keystore>) -> Self {
        self.anchors = Some(keystore);
        self
    }

    /// The cipher of a new vault. One that exists keeps its own.
    #[must_use]
    pub fn aead(mut self, aead: Aead) -> Self {
        self.aead = aead;
        self
    }

    /// The name of the strategy, where it is another one on this file: bound into the sealed state and the anchor.
    #[cfg_attr(not(test), expect(dead_code, reason = "for the strategies that only add a protector"))]
    pub(crate) fn strategy(mut self, strategy: &'static str) -> Self {
        self.strategy = strategy;
        self
    }
}

impl SqliteVault {
    /// Opens the vault at `path`, or makes one where there is no file. Never makes a key over an existing vault (P4).
    /// `now_ms` dates a new key, in milliseconds since the Unix epoch.
    ///
    /// `path` is absolute. Its folder is made if it is missing, and closed to others.
    pub fn open(path: &Path, keystore: Arc<dyn Keystore>, now_ms: i64) -> Result<Self, VaultError> {
        Self::open_with(path, &Opening::new(now_ms).keystore(keystore))
    }

    /// Opens the vault of another app, e.g. one that embeds Pilotlight. The id of the app is bound into everything
    /// that is sealed: a vault opens for the app that made it.
    pub fn open_for(app: &str, path: &Path, keystore: Arc<dyn Keystore>, now_ms: i64) -> Result<Self, VaultError> {
        Self::open_with(path, &Opening::new(now_ms).app(app).keystore(keystore))
    }

    /// Opens the vault at `path` by any of the means in `opening`, or makes one where there is no file.
    pub fn open_with(path: &Path, opening: &Opening) -> Result<Self, VaultError> {
        let place = Place::prepare(path)?;
        if !place.exists()? {
            let _lock = place.lock()?;
            // Another process may have made it while this one waited.
            if !place.exists()? {
                make::make(&place, opening)?;
            }
        }
        Self::open_existing(place.file(), opening)
    }

    fn open_existing(path: PathBuf, opening: &Opening) -> Result<Self, VaultError> {
        let mut connection = connect::open(&path)?;
        let Unlocked { keyring, by } = unlock::unlock(&mut connection, &opening.app, &opening.means)?;
        // The anchor first: see anchor::check.
        let anchor = match &opening.anchors {
            None => None,
            Some(keystore) => match Anchor::read(&**keystore, &keyring.active) {
                // Other means are there for when the keystore is not.
                Err(error) if by != KeystoreProtector::KIND => {
                    tracing::warn!(%error, "the vault's anchor cannot be read; an older copy would not be noticed");
                    None
                }
                read => read?,
            },
        };
        let snapshot = connection.transaction()?;
        let state = state::verified(&snapshot, &keyring.active)?;
        snapshot.finish()?;
        let heal = anchor::check(&state, anchor.as_ref())?;
        let version = connection.pragma_query_value(None, "data_version", |row| row.get(0))?;

        let keys = Arc::new(keyring);
        let anchors = match &opening.anchors {
            None => None,
            Some(keystore) => Some(AnchorWriter::start(Arc::clone(keystore), Arc::clone(&keys))?),
        };
        if let Some(anchors) = anchors.as_ref().filter(|_| heal) {
            anchors.submit(Anchor::of(&state));
        }
        let database = Mutex::new(Database { connection, seen: state.epoch, version });
        Ok(Self { path, keys, opening: opening.clone(), database, anchors })
    }

    /// Sets an unusable vault aside as `vault.db.lost-<now_ms>` so that a new one can be made: only ever on the person's word.
    /// Returns the new name. [`VaultError::NotFound`] where there is nothing to set aside.
    pub fn set_aside(path: &Path, now_ms: i64) -> Result<PathBuf, VaultError> {
        let place = Place::prepare(path)?;
        let _lock = place.lock()?;
        let (file, journal) = (place.file(), place.beside("-journal"));
        if file.symlink_metadata().is_err() && journal.symlink_metadata().is_err() {
            return Err(VaultError::NotFound);
        }
        let aside = (now_ms..)
            .map(|number| place.beside(&format!(".lost-{number}")))
            .find(|name| name.symlink_metadata().is_err())
            .ok_or_else(|| VaultError::Io("no name is left".to_owned()))?;
        let mut aside_journal = OsString::from(&aside);
        aside_journal.push("-journal");
        for (from, to) in [(&file, &aside), (&journal, &PathBuf::from(aside_journal))] {
            if from.symlink_metadata().is_ok() {
                std::fs::rename(from, to).map_err(|error| io("the vault file", &error))?;
            }
        }
        place.sync()?;
        Ok(aside)
    }
}
