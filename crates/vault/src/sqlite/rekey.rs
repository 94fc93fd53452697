//! A new data key, under which everything is sealed again.
//!
//! Three kinds of steps, each a transaction: the new key takes over and the old one only opens; rows are sealed again,
//! some hundred at a time; the old key is dropped. A vault is whole between any two of them, for every process that has
//! it open, and whoever comes next can go on.

use rusqlite::{Connection, Transaction, TransactionBehavior};

use super::fault::damaged;
use super::schema::OPENS_ONLY;
use super::set::{Part, Summing};
use super::slots::{self, Slot};
use super::{Database, SqliteVault, Step, checked, make, records};
use crate::envelope::{Aead, Kek, Keyring, Keys, Means};
use crate::{GrantId, VaultError};

/// How many records are sealed again in one transaction.
const BATCH: usize = 500;

/// The slots of the data key that goes, and the key that opens each.
struct Ways {
    dek_id: u32,
    slots: Vec<(Slot, Kek)>,
}

impl SqliteVault {
    /// Makes a new data key, for `aead`, and seals everything again under it. `means` must open the vault in every way in
    /// which it can be opened: a way that is not given would be lost, and is [`VaultError::PassphraseNeeded`] or
    /// [`VaultError::Unavailable`]. Remove it first, or give it.
    ///
    /// What stops this half-way leaves a vault that opens and works as ever; [`Self::finish_rekey`], or calling this
    /// again, goes on. [`VaultError::Tampered`] where a record does not open: it stays under the old key, until it is removed.
    pub fn rekey_data(&self, aead: Aead, means: &[Means], now_ms: i64) -> Result<(), VaultError> {
        self.finish_rekey()?;
        self.begin_rekey(aead, means, now_ms)?;
        self.finish_rekey()
    }

    pub(super) fn begin_rekey(&self, aead: Aead, means: &[Means], now_ms: i64) -> Result<(), VaultError> {
        let ways = self.ways(means)?;
        self.take_over(aead, &ways, now_ms)
    }

    /// Goes on with a rekey that was cut short; nothing to do is fine.
    pub fn finish_rekey(&self) -> Result<(), VaultError> {
        self.finish_in_batches(BATCH)
    }

    pub(super) fn finish_in_batches(&self, batch: usize) -> Result<(), VaultError> {
        let (mut after, mut damaged) = (None, None);
        while self.read(|_, ring| Ok(!ring.older.is_empty()))? {
            let ids = self.read(|snapshot, ring| records::sealed_by_older(snapshot, ring, after, batch))?;
            if ids.is_empty() {
                return match damaged {
                    Some(id) => Err(VaultError::Tampered(id)),
                    None => self.drop_older(),
                };
            }
            after = ids.last().copied();
            damaged = self.reseal(&ids)?.or(damaged);
        }
        Ok(())
    }

    /// Seals these again; gives one that does not open.
    fn reseal(&self, ids: &[GrantId]) -> Result<Option<GrantId>, VaultError> {
        let parts: Vec<_> = ids.iter().map(Part::Record).collect();
        self.write(&parts, |transaction, ring| {
            let mut damaged = None;
            for id in ids {
                if !records::reseal(transaction, ring, id)? {
                    damaged = Some(*id);
                }
            }
            Ok(Step::Changed(damaged))
        })
    }

    /// Drops the keys that nothing is sealed by any more.
    fn drop_older(&self) -> Result<(), VaultError> {
        let dropped = self.write(&[Part::Keys], |transaction, ring| {
            let active = [ring.active.dek_id];
            let left: i64 =
                transaction.query_row("SELECT count(*) FROM token WHERE dek_id<>?1", active, |row| row.get(0))?;
            if left > 0 {
                return Ok(Step::Unchanged(false));
            }
            transaction.execute("DELETE FROM dek_slot WHERE dek_id<>?1", active)?;
            transaction.execute("DELETE FROM dek WHERE dek_id<>?1", active)?;
            Ok(Step::Changed(true))
        })?;
        if dropped {
            self.database().keyring.older.clear();
        }
        Ok(())
    }

    /// The key of each slot. Outside of any transaction: keystores and passphrases take their time.
    fn ways(&self, means: &[Means]) -> Result<Ways, VaultError> {
        let (identity, dek_id, slots) = self.read(|snapshot, ring| {
            let dek_id = ring.active.dek_id;
            Ok((ring.active.identity.clone(), dek_id, slots::read(snapshot, dek_id)?))
        })?;
        let mut ways = Vec::new();
        for slot in slots {
            let mut failed = None;
            let mut found = None;
            for means in means.iter().filter(|means| means.kind() == slot.protector) {
                let candidates = means.protector().candidates(&identity.vault_id, &slot.reference)?;
                found = found.or(candidates.keks.into_iter().find(|kek| slot.is_of(&identity, kek)));
                failed = Some(candidates.otherwise);
            }
            let kek = found.ok_or_else(|| failed.unwrap_or_else(|| would_be_lost(&slot)))?;
            ways.push((slot, kek));
        }
        Ok(Ways { dek_id, slots: ways })
    }

    /// The new key takes over, in one transaction.
    fn take_over(&self, aead: Aead, ways: &Ways, now_ms: i64) -> Result<(), VaultError> {
        let mut database = self.database();
        let Database { connection, keyring, seen, verified, .. } = &mut *database;
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let state = checked(&transaction, keyring, seen, verified)?.filter(|_| keyring.active.dek_id == ways.dek_id);
        let state = state.filter(|_| keyring.older.is_empty());
        // Another process has changed keys or slots meanwhile; whoever asked may ask again.
        let Some(state) = state.filter(|_| same_slots(&transaction, ways).unwrap_or(false)) else {
            return Err(VaultError::Busy);
        };
        let old = &keyring.active;
        let number = old.dek_id.checked_add(1).ok_or_else(|| damaged("the numbers of keys have run out"))?;
        let new = Keys::make(old.identity.clone(), number, aead)?;
        replace(&transaction, old, &new, ways, now_ms)?;
        let sum = Summing::with(&new).whole(&transaction)?;
        let next = state.advance(&transaction, &new, sum)?;
        transaction.commit()?;
        *seen = next.epoch;
        let old = std::mem::replace(keyring, Keyring { active: new, older: Vec::new() });
        keyring.older.push(old.active);
        self.submit(&next, keyring);
        Ok(())
    }
}

fn would_be_lost(slot: &Slot) -> VaultError {
    match slot.protector.as_str() {
        "passphrase" => VaultError::PassphraseNeeded,
        kind => {
            VaultError::Unavailable(format!("the vault could no longer be opened by its {kind}: give or remove it"))
        }
    }
}

fn same_slots(transaction: &Transaction<'_>, ways: &Ways) -> Result<bool, VaultError> {
    let now = slots::read(transaction, ways.dek_id)?;
    Ok(now.iter().map(|slot| slot.slot_id).eq(ways.slots.iter().map(|(slot, _)| slot.slot_id)))
}

/// The rows of both keys.
fn replace(connection: &Connection, old: &Keys, new: &Keys, ways: &Ways, now_ms: i64) -> Result<(), VaultError> {
    connection.execute("UPDATE dek SET status=?1 WHERE dek_id=?2", (OPENS_ONLY, old.dek_id))?;
    make::insert_key(connection, new, now_ms)?;
    for (slot, kek) in &ways.slots {
        slots::delete(connection, &slot.slot_id)?;
        Slot::wrap(new, &slot.protector, slot.reference.clone(), kek)?.insert(connection)?;
    }
    Slot::wrap_older(old, new)?.insert(connection)
}
