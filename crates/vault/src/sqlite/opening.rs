//! What it takes to open a vault, or to make one.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use rusqlite::Connection;

use super::anchor::{self, Anchor};
use super::anchor_writer::AnchorWriter;
use super::fault::io;
use super::janitor::Janitor;
use super::schema::FORMAT;
use super::state::State;
use super::unlock::{self, Unlocked};
use super::{Database, SqliteVault, checked, connect, data_version, make, migrate, state};
use crate::envelope::{Aead, Keyring, KeystoreProtector, Means};
use crate::keystore::KeystoreSecret;
use crate::place::{FileId, Place};
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

    /// Strategy `hardware`: the machine's TPM opens the vault. By custom the file is `vault-tpm.db`.
    #[cfg(all(feature = "tpm", unix))]
    #[must_use]
    pub fn hardware(self, device: crate::TpmDevice) -> Self {
        self.means(Means::tpm(device)).strategy("hardware")
    }

    /// The name of the strategy, where it is another one on this file: bound into the sealed state and the anchor.
    #[cfg_attr(
        not(any(test, all(feature = "tpm", unix))),
        expect(dead_code, reason = "for the strategies that only add a protector")
    )]
    pub(crate) fn strategy(mut self, strategy: &'static str) -> Self {
        self.strategy = strategy;
        self
    }
}

impl Opening {
    /// What the keystore keeps as the vault's anchor.
    fn anchor_texts(&self, unlocked: &Unlocked) -> Result<Vec<KeystoreSecret>, VaultError> {
        let Some(keystore) = &self.anchors else { return Ok(Vec::new()) };
        match anchor::texts(&**keystore, &unlocked.keyring.active.identity) {
            // Other means are there for when the keystore is not.
            Err(error) if unlocked.by != KeystoreProtector::KIND => {
                tracing::warn!(%error, "the vault's anchor cannot be read; an older copy would not be noticed");
                Ok(Vec::new())
            }
            texts => Ok(texts?),
        }
    }

    /// The state, and the rows of a vault that is not large; those of a large one are compared before the first is used.
    fn first_look(&self, connection: &mut Connection, keyring: &Keyring) -> Result<(State, Option<i64>), VaultError> {
        let snapshot = connection.transaction()?;
        let (mut seen, mut verified) = (0, None);
        let state = if connect::is_small(&snapshot)? {
            checked(&snapshot, keyring, &mut seen, &mut verified)?
        } else {
            state::read(&snapshot, &keyring.active)?
        };
        // Another process has changed the data key since it was opened: rare enough to leave the next try to the caller.
        let state = state.ok_or(VaultError::Busy)?;
        if state.strategy != self.strategy {
            return Err(VaultError::Unavailable(format!("this is a vault of the strategy {}", state.strategy)));
        }
        Ok((state, verified))
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
        let (mut connection, format) = connect::open(&path)?;
        let unlocked = unlock::unlock(&mut connection, format, &opening.app, &opening.means)?;
        // The anchor first: see anchor::check.
        let kept = opening.anchor_texts(&unlocked)?;
        let Unlocked { keyring, .. } = unlocked;
        if format != FORMAT {
            migrate::migrate(&mut connection, &keyring.active, &kept)?;
        }
        connect::log_ahead(&connection)?;
        let (state, verified) = opening.first_look(&mut connection, &keyring)?;
        let (identity, anchor_key) = (keyring.active.identity.clone(), Arc::clone(&state.anchor_key));
        let found = Anchor::of(&state, &keyring.active);
        let anchors = match &opening.anchors {
            None => None,
            Some(keystore) => {
                let heal = anchor::check(&found, Anchor::furthest(&kept, &identity, &anchor_key).as_ref())?;
                let writer = AnchorWriter::start(Arc::clone(keystore), identity, anchor_key)?;
                if heal {
                    writer.submit(found);
                }
                Some(writer)
            }
        };
        let version = data_version(&connection)?;
        let means = opening.means.clone();
        let file = FileId::of(&path)?;
        let seen = state.epoch;
        let told = seen;
        let database = Arc::new(Mutex::new(Database { connection, keyring, means, seen, version, told, verified }));
        let janitor = Janitor::start(Arc::clone(&database))?;
        Ok(Self { path, file, app: opening.app.clone(), strategy: opening.strategy, database, anchors, janitor })
    }

    /// Sets an unusable vault aside as `vault.db.lost-<now_ms>` so that a new one can be made: only ever on the person's word.
    /// Returns the new name. [`VaultError::NotFound`] where there is nothing to set aside.
    pub fn set_aside(path: &Path, now_ms: i64) -> Result<PathBuf, VaultError> {
        let place = Place::prepare(path)?;
        let _lock = place.lock()?;
        // What SQLite keeps beside a file belongs to it: alone it would be played into a new one.
        let all = ["", "-journal", "-wal", "-shm"];
        let there = |suffix: &&str| place.beside(suffix).symlink_metadata().is_ok();
        if !all.iter().any(there) {
            return Err(VaultError::NotFound);
        }
        let aside = (now_ms..)
            .map(|number| place.beside(&format!(".lost-{number}")))
            .find(|name| name.symlink_metadata().is_err())
            .ok_or_else(|| VaultError::Io("no name is left".to_owned()))?;
        for suffix in all.iter().filter(|suffix| there(suffix)) {
            let mut to = OsString::from(&aside);
            to.push(suffix);
            std::fs::rename(place.beside(suffix), to).map_err(|error| io("the vault file", &error))?;
        }
        place.sync()?;
        Ok(aside)
    }
}
