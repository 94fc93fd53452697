//! The grants whose refresh token is still to be rotated after a move, so that what remains of the old storage is dead.
//! Kept in a file: neither a crash nor a week without a network makes anybody forget.

use std::collections::BTreeSet;
use std::io::Write as _;

use pilotlight_vault::GrantId;

use super::migration::Moving;
use crate::lifecycle::Pilotlight;
use crate::{Error, ErrorCode, Home, files};

/// Notes them all; nothing at all where there are none.
pub(super) fn write(home: &Home, ids: impl IntoIterator<Item = GrantId>) -> Result<(), Error> {
    let lines: Vec<String> = ids.into_iter().map(|id| format!("{id}\n")).collect();
    if lines.is_empty() {
        return files::remove(&home.pending());
    }
    files::replace(&home.pending(), |file| file.write_all(lines.concat().as_bytes()))
}

/// Those noted. A file that is damaged or cannot be read names nobody: rotating is an act of prudence, not of correctness.
pub(super) fn read(home: &Home) -> BTreeSet<GrantId> {
    let text = std::fs::read_to_string(home.pending()).unwrap_or_default();
    text.lines().filter_map(|line| line.parse().ok()).collect()
}

impl Pilotlight {
    /// Whether this grant's token is to be rotated at the next occasion.
    pub(crate) fn is_to_rotate(&self, id: GrantId) -> bool {
        self.to_rotate(|ids| ids.contains(&id))
    }

    /// It was rotated, or there is nothing to rotate.
    pub(crate) fn rotated(&self, id: GrantId) {
        if !self.is_to_rotate(id) {
            return;
        }
        let left = self.to_rotate(|ids| {
            ids.remove(&id);
            ids.clone()
        });
        if let Err(error) = write(&self.0.config.home, left) {
            tracing::info!(%error, "it could not be noted that a token was rotated; it will be once more");
        }
    }

    /// Rotates what is noted, and names the accounts where that did not work yet.
    pub(super) async fn rotate_pending(&self, tell: &(impl Fn(Moving) + Send + Sync)) -> Result<Vec<String>, Error> {
        let home = self.0.config.home.clone();
        self.to_rotate(|ids| *ids = read(&home));
        let all: Vec<GrantId> = self.to_rotate(|ids| ids.iter().copied().collect());
        let mut failed = vec![];
        for (done, id) in all.iter().enumerate() {
            tell(Moving::Rotating(done, all.len()));
            let Some(held) = self.load(*id).await? else {
                self.rotated(*id);
                continue;
            };
            if held.record.ended.is_some() || held.record.refresh_token.is_none() {
                self.rotated(*id);
                continue;
            }
            match self.refreshed(&held, true).await {
                Ok(_) => self.rotated(*id),
                Err(error) if error.code() == ErrorCode::NoSuchAccount => self.rotated(*id),
                Err(error) => {
                    tracing::info!(code = error.code().as_str(), grant_id = %id, "a token is not rotated yet");
                    failed.push(held.record.name.clone());
                }
            }
        }
        tell(Moving::Rotating(all.len(), all.len()));
        Ok(failed)
    }
}
