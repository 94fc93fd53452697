//! Table `dek_slot`: the wrappings of the data key, one for each way to open the vault.

use rusqlite::{Connection, params};

use super::fault::damaged;
use super::schema::BY_DEK;
use crate::envelope::{Aead, Ciphertext, DekId, Fields, Identity, Kek, KekRef, Keys};
use crate::{VaultError, random};

/// Length of a KEK's check value, which ends the parameters of a slot.
const CHECK: usize = 16;

/// One wrapping of a DEK, and what it says of its KEK.
pub(super) struct Slot {
    pub(super) dek_id: u32,
    pub(super) slot_id: [u8; 16],
    pub(super) protector: String,
    pub(super) reference: KekRef,
    /// The KEK's check value.
    check: Vec<u8>,
    aead: Aead,
    sealed: Ciphertext,
}

/// What a wrapping is bound to.
fn aad(identity: &Identity, slot: &Slot) -> Fields {
    Fields::of("pilotlight/v1/dek")
        .text(&identity.app)
        .bytes(&identity.vault_id)
        .number(slot.dek_id.into())
        .bytes(&slot.slot_id)
        .text(&slot.protector)
        .text(&slot.reference.name)
        .number(slot.aead.number().into())
        .bytes(&slot.params())
}

impl Slot {
    /// Everything but the wrapping.
    fn blank(keys: &Keys, protector: &str, reference: KekRef, check: [u8; CHECK]) -> Result<Self, VaultError> {
        Ok(Self {
            dek_id: keys.dek_id,
            slot_id: random::make()?,
            protector: protector.to_owned(),
            reference,
            check: check.to_vec(),
            aead: keys.aead,
            sealed: Ciphertext { nonce: Vec::new(), ct: Vec::new() },
        })
    }

    /// Wraps the DEK of `keys` by a KEK of this reference.
    pub(super) fn wrap(keys: &Keys, protector: &str, reference: KekRef, kek: &Kek) -> Result<Self, VaultError> {
        let mut slot = Self::blank(keys, protector, reference, kek.check_value(&keys.identity.vault_id))?;
        slot.sealed = kek.wrap(keys, &aad(&keys.identity, &slot))?;
        Ok(slot)
    }

    /// Wraps an older DEK by the one that takes its place.
    pub(super) fn wrap_older(older: &Keys, by: &Keys) -> Result<Self, VaultError> {
        let reference = KekRef { name: format!("dek/{}", by.dek_id), params: Vec::new() };
        let mut slot = Self::blank(older, BY_DEK, reference, by.check_value())?;
        slot.sealed = by.wrap(older, &aad(&older.identity, &slot))?;
        Ok(slot)
    }

    /// The older DEK that [`Self::wrap_older`] wrapped.
    pub(super) fn unwrap_by(&self, by: &Keys) -> Option<Keys> {
        let dek = DekId { identity: &by.identity, dek_id: self.dek_id, aead: self.aead };
        by.unwrap(&dek, &aad(&by.identity, self), &self.sealed.nonce, &self.sealed.ct)
    }

    fn params(&self) -> Vec<u8> {
        [&self.reference.params[..], &self.check].concat()
    }

    /// Whether this is the KEK that the slot was made with.
    pub(super) fn is_of(&self, identity: &Identity, kek: &Kek) -> bool {
        kek.matches(&identity.vault_id, &self.check)
    }

    /// The DEK; `None` where the slot was altered.
    pub(super) fn unwrap(&self, identity: &Identity, kek: &Kek) -> Option<Keys> {
        let dek = DekId { identity, dek_id: self.dek_id, aead: self.aead };
        kek.unwrap(&dek, &aad(identity, self), &self.sealed.nonce, &self.sealed.ct)
    }

    pub(super) fn insert(&self, connection: &Connection) -> Result<(), VaultError> {
        connection.execute(
            "INSERT INTO dek_slot(dek_id, slot_id, protector, kek_ref, alg, params, nonce, ct) VALUES(?1,?2,?3,?4,?5,?6,?7,?8)",
            params![
                self.dek_id,
                self.slot_id,
                self.protector,
                self.reference.name,
                self.aead.number(),
                self.params(),
                self.sealed.nonce,
                self.sealed.ct
            ],
        )?;
        Ok(())
    }
}

/// The slots of one DEK, in the order of their ids.
pub(super) fn read(connection: &Connection, dek_id: u32) -> Result<Vec<Slot>, VaultError> {
    let mut statement = connection.prepare(
        "SELECT slot_id, protector, kek_ref, alg, params, nonce, ct FROM dek_slot WHERE dek_id=?1 ORDER BY slot_id",
    )?;
    let mut rows = statement.query([dek_id])?;
    let mut slots = Vec::new();
    while let Some(row) = rows.next()? {
        let mut params: Vec<u8> = row.get(4)?;
        let own = params.len().checked_sub(CHECK).ok_or_else(|| damaged("a key slot has no check value"))?;
        let check = params.split_off(own);
        slots.push(Slot {
            dek_id,
            slot_id: row.get(0)?,
            protector: row.get(1)?,
            reference: KekRef { name: row.get(2)?, params },
            check,
            aead: Aead::of(row.get(3)?).ok_or_else(|| damaged("a key slot has an unknown cipher"))?,
            sealed: Ciphertext { nonce: row.get(5)?, ct: row.get(6)? },
        });
    }
    Ok(slots)
}

/// Whether there was one to delete.
pub(super) fn delete(connection: &Connection, slot_id: &[u8; 16]) -> Result<bool, VaultError> {
    Ok(connection.prepare("DELETE FROM dek_slot WHERE slot_id=?1")?.execute([slot_id])? > 0)
}
