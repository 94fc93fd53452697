//! The sealed state: how often the vault was written, and the sum of all of its rows.
//!
//! It shows rows that were deleted, doubled or brought back from an older copy; what it cannot show is a whole older
//! file, which the anchor in the keystore does.

use std::sync::Arc;

use rusqlite::{Connection, params};

use super::fault::damaged;
use super::schema::FORMAT;
use super::set::Sum;
use crate::VaultError;
use crate::envelope::{Ciphertext, Fields, Keys, MacKey, pad, unpad};

/// The name of the default strategy, in the sealed state and the anchor.
pub(super) const STRATEGY: &str = "sqlite-aead";

/// What table `vault` says, opened.
#[derive(Clone)]
pub(super) struct State {
    /// How often the vault was written.
    pub(super) epoch: u64,
    /// Whose it is: the name of the strategy.
    pub(super) strategy: String,
    /// The sum of all rows.
    pub(super) sum: Sum,
    /// The key of the vault's anchors, which outlives its data keys: an older copy with an older data key is still held
    /// against the anchor of today.
    pub(super) anchor_key: Arc<MacKey>,
}

fn aad(keys: &Keys, epoch: u64) -> Fields {
    keys.aad("pilotlight/v2/state").number(FORMAT.into()).number(epoch)
}

impl State {
    /// Strategy and format are sealed with the state, so that neither can be lowered.
    pub(super) fn to_fields(&self) -> Fields {
        Fields::of("state")
            .number(self.epoch)
            .text(&self.strategy)
            .number(FORMAT.into())
            .bytes(&self.sum.to_bytes())
            .bytes(self.anchor_key.expose())
    }

    pub(super) fn parse(text: &[u8], epoch: u64) -> Option<Self> {
        let parts = Fields::parts(text)?;
        let [_, _, strategy, _, sum, anchor_key] = parts[..] else { return None };
        let state = Self {
            epoch,
            strategy: std::str::from_utf8(strategy).ok()?.to_owned(),
            sum: Sum::of_bytes(sum.try_into().ok()?),
            anchor_key: Arc::new(MacKey::of(anchor_key.try_into().ok()?)),
        };
        // The other fields are what they must be.
        (state.to_fields().as_bytes() == text).then_some(state)
    }

    /// The state after a change of the rows: one epoch on.
    pub(super) fn advance(&self, connection: &Connection, keys: &Keys, sum: Sum) -> Result<Self, VaultError> {
        let epoch = self.epoch.checked_add(1).ok_or_else(|| damaged("the epoch has run out"))?;
        let next = Self { epoch, sum, ..self.clone() };
        let sealed = next.seal(keys)?;
        let written = connection
            .prepare_cached("UPDATE vault SET epoch=?1, dek_id=?2, state_nonce=?3, state_ct=?4 WHERE id=1")?
            .execute(params![stored(epoch)?, keys.dek_id, sealed.nonce, sealed.ct])?;
        if written == 1 { Ok(next) } else { Err(damaged("table vault is empty")) }
    }

    /// Writes the first state of a file in this format.
    pub(super) fn insert(&self, connection: &Connection, keys: &Keys) -> Result<(), VaultError> {
        let sealed = self.seal(keys)?;
        connection.execute(
            "INSERT INTO vault(id, vault_id, format, epoch, dek_id, state_nonce, state_ct) VALUES(1,?1,?2,?3,?4,?5,?6)",
            params![keys.identity.vault_id, FORMAT, stored(self.epoch)?, keys.dek_id, sealed.nonce, sealed.ct],
        )?;
        Ok(())
    }

    fn seal(&self, keys: &Keys) -> Result<Ciphertext, VaultError> {
        let text = pad(self.to_fields().as_bytes())?;
        keys.aead.seal(&keys.state_key(), aad(keys, self.epoch).as_bytes(), &text)
    }
}

/// Reads the state; `None` where another data key than `keys` is the active one by now.
pub(super) fn read(connection: &Connection, keys: &Keys) -> Result<Option<State>, VaultError> {
    let mut statement = connection
        .prepare_cached("SELECT vault_id, format, epoch, dek_id, state_nonce, state_ct FROM vault WHERE id=1")?;
    let mut rows = statement.query(())?;
    let row = rows.next()?.ok_or_else(|| damaged("table vault is empty"))?;
    let (format, epoch, dek_id): (i64, i64, i64) = (row.get(1)?, row.get(2)?, row.get(3)?);
    let epoch = u64::try_from(epoch).map_err(|_| damaged("the epoch is negative"))?;
    if blob(row, 0)? != keys.identity.vault_id || format != i64::from(FORMAT) {
        return Err(damaged("table vault was changed"));
    }
    if dek_id != i64::from(keys.dek_id) {
        return Ok(None);
    }
    let (nonce, ct) = (blob(row, 4)?, blob(row, 5)?);
    let opened = keys.aead.open(&keys.state_key(), aad(keys, epoch).as_bytes(), nonce, ct);
    opened
        .and_then(|text| State::parse(unpad(&text)?, epoch))
        .map(Some)
        .ok_or_else(|| damaged("the sealed state does not open"))
}

pub(super) fn blob<'row>(row: &'row rusqlite::Row<'_>, column: usize) -> Result<&'row [u8], VaultError> {
    row.get_ref(column)?.as_blob().map_err(|_| damaged("a value is not of its type"))
}

/// A count as SQLite keeps it.
pub(super) fn stored(count: u64) -> Result<i64, VaultError> {
    i64::try_from(count).map_err(|_| damaged("a count is too large"))
}
