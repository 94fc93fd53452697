//! The sealed state: how often the vault was written, and a digest over all of its rows.
//!
//! It shows rows that were deleted, doubled or brought back from an older copy; what it cannot show is a whole older
//! file, which the anchor in the keystore does.

use rusqlite::{Connection, params};
use subtle::ConstantTimeEq;

use super::fault::damaged;
use super::schema::{FORMAT, MIN_FORMAT};
use crate::VaultError;
use crate::envelope::{Ciphertext, Fields, Keys, pad, unpad};

/// The name of this strategy, in the sealed state and the anchor.
pub(super) const STRATEGY: &str = "sqlite-aead";

/// What table `vault` says, verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct State {
    /// How often the vault was written.
    pub(super) epoch: u64,
    /// The digest of all rows.
    pub(super) manifest: [u8; 32],
}

/// The digest of the rows as they stand: which records there are, of which generation, and their attempts.
pub(super) fn manifest(connection: &Connection, keys: &Keys) -> Result<[u8; 32], VaultError> {
    let mut fields = Fields::of("pilotlight/v1/manifest").bytes(&keys.identity.vault_id);
    let mut records = connection.prepare("SELECT record_id, seq, nonce FROM token ORDER BY record_id")?;
    let mut rows = records.query(())?;
    while let Some(row) = rows.next()? {
        fields.push(b"record");
        fields.push(blob(row, 0)?);
        fields.push(&row.get::<_, i64>(1)?.to_be_bytes());
        // Generations can repeat where an id was removed and made again; nonces do not.
        fields.push(blob(row, 2)?);
    }
    let mut attempts = connection.prepare("SELECT record_id, mac FROM attempt ORDER BY record_id")?;
    let mut rows = attempts.query(())?;
    while let Some(row) = rows.next()? {
        fields.push(b"attempt");
        fields.push(blob(row, 0)?);
        fields.push(blob(row, 1)?);
    }
    Ok(keys.mac(&fields))
}

fn blob<'row>(row: &'row rusqlite::Row<'_>, column: usize) -> Result<&'row [u8], VaultError> {
    row.get_ref(column)?.as_blob().map_err(|_| damaged("a value is not of its type"))
}

fn aad(keys: &Keys, epoch: u64) -> Fields {
    keys.aad("pilotlight/v1/state").number(FORMAT.into()).number(epoch)
}

impl State {
    /// Strategy and oldest format are sealed with the state, so that neither can be lowered.
    fn to_bytes(self) -> Fields {
        Fields::of("state").number(self.epoch).text(STRATEGY).number(MIN_FORMAT.into()).bytes(&self.manifest)
    }

    /// The state after a change of the rows: one epoch on.
    pub(super) fn advance(self, connection: &Connection, keys: &Keys) -> Result<Self, VaultError> {
        let epoch = self.epoch.checked_add(1).ok_or_else(|| damaged("the epoch has run out"))?;
        Self { epoch, manifest: manifest(connection, keys)? }.write(connection, keys)
    }

    fn write(self, connection: &Connection, keys: &Keys) -> Result<Self, VaultError> {
        let sealed = self.seal(keys)?;
        let written = connection
            .prepare("UPDATE vault SET epoch=?1, state_nonce=?2, state_ct=?3 WHERE id=1")?
            .execute(params![stored(self.epoch)?, sealed.nonce, sealed.ct])?;
        if written == 1 { Ok(self) } else { Err(damaged("table vault is empty")) }
    }

    /// Nonce and ciphertext of this state.
    pub(super) fn seal(self, keys: &Keys) -> Result<Ciphertext, VaultError> {
        keys.aead.seal(&keys.state_key(), aad(keys, self.epoch).as_bytes(), &pad(self.to_bytes().as_bytes())?)
    }
}

/// Reads the state and compares it with the rows; to be called inside a transaction, so that both are of one moment.
pub(super) fn verified(connection: &Connection, keys: &Keys) -> Result<State, VaultError> {
    let mut statement =
        connection.prepare("SELECT vault_id, format, epoch, dek_id, state_nonce, state_ct FROM vault WHERE id=1")?;
    let mut rows = statement.query(())?;
    let row = rows.next()?.ok_or_else(|| damaged("table vault is empty"))?;
    let (format, epoch, dek_id): (i64, i64, i64) = (row.get(1)?, row.get(2)?, row.get(3)?);
    let epoch = u64::try_from(epoch).map_err(|_| damaged("the epoch is negative"))?;
    if blob(row, 0)? != keys.identity.vault_id || format != i64::from(FORMAT) || dek_id != i64::from(keys.dek_id) {
        return Err(damaged("table vault was changed"));
    }
    let opened = keys
        .aead
        .open(&keys.state_key(), aad(keys, epoch).as_bytes(), blob(row, 4)?, blob(row, 5)?)
        .ok_or_else(|| damaged("the sealed state does not open"))?;
    let state = State { epoch, manifest: manifest(connection, keys)? };
    let expected = state.to_bytes();
    let matches = unpad(&opened).is_some_and(|sealed| bool::from(sealed.ct_eq(expected.as_bytes())));
    if matches { Ok(state) } else { Err(damaged("rows are missing, added or older than the sealed state says")) }
}

/// A count as SQLite keeps it.
pub(super) fn stored(count: u64) -> Result<i64, VaultError> {
    i64::try_from(count).map_err(|_| damaged("a count is too large"))
}
