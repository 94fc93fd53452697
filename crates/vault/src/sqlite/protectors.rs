//! The means by which a vault can be opened: listed, added, removed.

use std::path::Path;

use super::fault::damaged;
use super::slots::{self, Slot};
use super::{SqliteVault, Step, connect};
use crate::VaultError;
use crate::envelope::{KekRef, Means};
use crate::place::Place;

/// One way in which a vault can be opened.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SlotInfo {
    /// Names it, for [`SqliteVault::remove_protector`].
    pub id: [u8; 16],
    /// `os-keystore`, `passphrase`, `recovery-code`, `tpm2`.
    pub kind: String,
    /// More of it, for people: which keystore, which way of stretching.
    pub detail: String,
}

impl From<&Slot> for SlotInfo {
    fn from(slot: &Slot) -> Self {
        Self { id: slot.slot_id, kind: slot.protector.clone(), detail: slot.reference.name.clone() }
    }
}

impl SqliteVault {
    /// How the vault at `path` can be opened, as its file says and nobody has verified: for asking a person for the right
    /// thing. [`VaultError::NotFound`] where there is no vault.
    pub fn protectors_at(path: &Path) -> Result<Vec<SlotInfo>, VaultError> {
        let place = Place::prepare(path)?;
        if !place.exists()? {
            return Err(VaultError::NotFound);
        }
        let connection = connect::open(&place.file())?;
        let dek_id = connection.query_row("SELECT dek_id FROM vault WHERE id=1", (), |row| row.get(0))?;
        Ok(slots::read(&connection, dek_id)?.iter().map(SlotInfo::from).collect())
    }

    /// How this vault can be opened.
    pub fn protectors(&self) -> Result<Vec<SlotInfo>, VaultError> {
        self.read(|snapshot, keys| Ok(slots::read(snapshot, keys.dek_id)?.iter().map(SlotInfo::from).collect()))
    }

    /// Makes it possible to open the vault by `means` too. Whatever stops this half-way, a crash included, leaves the
    /// vault as it was, and at most a key in the keystore that nothing needs.
    pub fn add_protector(&self, means: &Means) -> Result<SlotInfo, VaultError> {
        let protector = means.protector();
        // Outside of the transaction: a passphrase takes a while to stretch, and a keystore to answer.
        let (identity, taken) = self.read(|snapshot, keys| {
            let slots = slots::read(snapshot, keys.dek_id)?;
            let taken: Vec<KekRef> = slots
                .into_iter()
                .filter(|slot| slot.protector == protector.kind())
                .map(|slot| slot.reference)
                .collect();
            Ok((keys.identity.clone(), taken))
        })?;
        let (reference, kek) = protector.make(&identity.vault_id, &taken)?;
        let added = self.write(|transaction, keys| {
            let slot = Slot::wrap(keys, protector.kind(), reference.clone(), &kek)?;
            slot.insert(transaction)?;
            Ok(Step::Changed(SlotInfo::from(&slot)))
        });
        if added.is_err()
            && let Err(error) = protector.forget(&identity.vault_id, &reference)
        {
            tracing::warn!(%error, "a key that was made for nothing stays behind");
        }
        added
    }

    /// Makes it impossible to open the vault in this way. The last way is never removed: [`VaultError::Unavailable`].
    /// [`VaultError::NotFound`] where there is none of this id.
    ///
    /// The data key stays the same: an older copy of the file still opens in the old way, until
    /// [`Self::rekey_data`] has made what it holds worthless.
    pub fn remove_protector(&self, id: &[u8; 16]) -> Result<(), VaultError> {
        let removed = self.write(|transaction, keys| {
            let slots = slots::read(transaction, keys.dek_id)?;
            let Some(slot) = slots.iter().find(|slot| slot.slot_id == *id) else { return Err(VaultError::NotFound) };
            if slots.len() == 1 {
                return Err(VaultError::Unavailable("the last way to open the vault cannot be removed".to_owned()));
            }
            if !slots::delete(transaction, id)? {
                return Err(damaged("a key slot cannot be deleted"));
            }
            Ok(Step::Changed((keys.identity.vault_id, slot.protector.clone(), slot.reference.clone())))
        })?;
        let (vault_id, kind, reference) = removed;
        for means in self.opening.means.iter().filter(|means| means.kind() == kind) {
            means.protector().forget(&vault_id, &reference)?;
        }
        Ok(())
    }
}
