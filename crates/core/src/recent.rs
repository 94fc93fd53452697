//! What was lent lately. Where nobody has written to the vault since a token was read from it, the token is lent again without
//! opening the record: what another process signs out, ends or refreshes is a write, and so is what this one does.
//!
//! ```text
//!  before reading: stamp ──▶ read the record ──▶ kept, if the stamp still holds and is old enough to be trusted
//!  next request:   stamp as kept? ──▶ lent again            any other? ──▶ all forgotten, and the record is read
//! ```

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pilotlight_vault::GrantId;

use crate::AccessToken;
use crate::anchor::Anchor;
use crate::grant::State;
use crate::lifecycle::Pilotlight;
use crate::page::Held;
use crate::stamp::Stamp;

/// The tokens that this process lent since the vault was last written. No refresh token is among them.
#[derive(Default)]
pub(crate) struct Recent(Mutex<Shelf>);

#[derive(Default)]
struct Shelf {
    files: Vec<PathBuf>,
    stamp: Option<Stamp>,
    lent: HashMap<String, Lent>,
}

struct Lent {
    id: GrantId,
    anchor: Anchor,
    token: AccessToken,
}

impl Recent {
    /// Forgets all; the tokens are wiped.
    pub(crate) fn clear(&self) {
        *self.shelf() = Shelf::default();
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        // What a panic leaves half done is at worst a token that is kept.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pilotlight {
    /// The token of this account that lives so long, if it was lent lately and nobody has written to the vault since.
    pub(crate) fn lent_lately(&self, name: &str, min_ttl: Duration) -> Option<AccessToken> {
        let mut shelf = self.0.recent.shelf();
        let lent = shelf.lent.get(name)?;
        if !lent.anchor.outlives(self.elapsed(), min_ttl) {
            return None;
        }
        if shelf.stamp != Stamp::of(&shelf.files) {
            shelf.lent.clear();
            return None;
        }
        // An end that is proven but could not be written down yet.
        let ended = self.page(lent.id, |page| matches!(page.state, State::Ended(_)));
        let expires_at = lent.anchor.expires.map(|at| self.shown(at));
        (!ended).then(|| AccessToken { expires_at, ..lent.token.clone() })
    }

    /// The state of the vault's files before a record is read, where that can be told and trusted.
    pub(crate) fn stamp(&self) -> Option<(Vec<PathBuf>, Stamp)> {
        let home = &self.0.config.home;
        let name = self.0.storage.open_strategy()?.file_name()?;
        let files = vec![home.choice(), home.path().join(name), home.path().join(format!("{name}-wal"))];
        let stamp = Stamp::trusted(&files)?;
        Some((files, stamp))
    }

    /// Keeps a token that was lent from a record read after `stamp` was taken.
    pub(crate) fn keep_lent(&self, stamp: Option<(Vec<PathBuf>, Stamp)>, held: &Held, token: &AccessToken) {
        let Some((files, stamp)) = stamp else { return };
        if Stamp::of(&files).as_ref() != Some(&stamp) {
            return;
        }
        let lent = Lent { id: held.id, anchor: self.anchor(held), token: token.clone() };
        let mut shelf = self.0.recent.shelf();
        if shelf.stamp.as_ref() != Some(&stamp) || shelf.files != files {
            *shelf = Shelf { files, stamp: Some(stamp), lent: HashMap::new() };
        }
        shelf.lent.insert(held.record.name.clone(), lent);
    }
}

#[cfg(test)]
#[path = "recent_tests.rs"]
mod tests;
