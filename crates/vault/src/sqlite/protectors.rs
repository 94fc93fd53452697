//! The means by which a vault can be opened: listed, added, removed.

use std::path::Path;

use super::fault::damaged;
use super::slots::{self, Slot};
use super::{Part, SqliteVault, Step, connect};
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
        let (connection, _) = connect::open(&place.file())?;
        let dek_id = connection.query_row("SELECT dek_id FROM vault WHERE id=1", (), |row| row.get(0))?;
        Ok(slots::read(&connection, dek_id)?.iter().map(SlotInfo::from).collect())
    }

    /// How this vault can be opened.
    pub fn protectors(&self) -> Result<Vec<SlotInfo>, VaultError> {
        self.read(|snapshot, ring| Ok(slots::read(snapshot, ring.active.dek_id)?.iter().map(SlotInfo::from).collect()))
    }

    /// Makes it possible to open the vault by `means` too. Whatever stops this half-way, a crash included, leaves the
    /// vault as it was, and at most a key in the keystore that nothing needs.
    pub fn add_protector(&self, means: &Means) -> Result<SlotInfo, VaultError> {
        let protector = means.protector();
        // Outside of the transaction: a passphrase takes a while to stretch, and a keystore to answer.
        let (vault_id, taken) = self.in_use(means)?;
        let (reference, kek) = protector.make(&vault_id, &taken)?;
        let added = self.write(&[Part::Keys], |transaction, ring| {
            let slot = Slot::wrap(&ring.active, protector.kind(), reference.clone(), &kek)?;
            slot.insert(transaction)?;
            Ok(Step::Changed(SlotInfo::from(&slot)))
        });
        if added.is_err()
            && let Err(error) = protector.forget(&vault_id, &reference)
        {
            tracing::warn!(%error, "a key that was made for nothing stays behind");
        }
        if added.is_ok() {
            self.database().means.push(means.clone());
        }
        added
    }

    /// From now on the vault opens by `means`, and no longer by other means of the same kind: another passphrase, or a
    /// new key in the keystore. What stops this half-way leaves a vault that opens by the old and the new; doing it again
    /// ends it. [`VaultError::Keystore`] also where only the old key could not be removed from the keystore: it opens
    /// nothing but older copies of the file.
    pub fn replace_protector(&self, means: &Means) -> Result<SlotInfo, VaultError> {
        let added = self.add_protector(means)?;
        let others: Vec<_> =
            self.protectors()?.into_iter().filter(|slot| slot.kind == added.kind && slot.id != added.id).collect();
        for other in &others {
            match self.remove_slot(&other.id) {
                // Somebody else was faster.
                Err(VaultError::NotFound) => {}
                removed => drop(removed?),
            }
        }
        let (vault_id, in_use) = self.in_use(means)?;
        means.protector().forget_unused(&vault_id, &in_use)?;
        Ok(added)
    }

    /// The vault's id, and the keys of one kind of protector that its slots name.
    fn in_use(&self, means: &Means) -> Result<([u8; 16], Vec<KekRef>), VaultError> {
        self.read(|snapshot, ring| {
            let slots = slots::read(snapshot, ring.active.dek_id)?;
            let of_kind = slots.into_iter().filter(|slot| slot.protector == means.kind());
            Ok((ring.active.identity.vault_id, of_kind.map(|slot| slot.reference).collect()))
        })
    }

    /// Makes it impossible to open the vault in this way. The last way is never removed: [`VaultError::Unavailable`].
    /// [`VaultError::NotFound`] where there is none of this id.
    ///
    /// The data key stays the same: an older copy of the file still opens in the old way, until
    /// [`Self::rekey_data`] has made what it holds worthless.
    pub fn remove_protector(&self, id: &[u8; 16]) -> Result<(), VaultError> {
        let (vault_id, kind, reference) = self.remove_slot(id)?;
        let means = self.database().means.clone();
        for means in means.iter().filter(|means| means.kind() == kind) {
            means.protector().forget(&vault_id, &reference)?;
        }
        Ok(())
    }

    /// Gives what its protector is to forget.
    fn remove_slot(&self, id: &[u8; 16]) -> Result<([u8; 16], String, KekRef), VaultError> {
        self.write(&[Part::Keys], |transaction, ring| {
            let slots = slots::read(transaction, ring.active.dek_id)?;
            let Some(slot) = slots.iter().find(|slot| slot.slot_id == *id) else { return Err(VaultError::NotFound) };
            if slots.len() == 1 {
                return Err(VaultError::Unavailable("the last way to open the vault cannot be removed".to_owned()));
            }
            if !slots::delete(transaction, id)? {
                return Err(damaged("a key slot cannot be deleted"));
            }
            Ok(Step::Changed((ring.active.identity.vault_id, slot.protector.clone(), slot.reference.clone())))
        })
    }
}
