//! Brings a vault of format 1 forward, in one transaction: whoever is interrupted finds the one or the other.

use rusqlite::{Connection, TransactionBehavior};
use std::sync::Arc;
use subtle::ConstantTimeEq;

use super::anchor::{self, Anchor};
use super::connect;
use super::fault::damaged;
use super::schema::{FORMAT, TABLES};
use super::set::{Sum, Summing};
use super::state::{STRATEGY, State, blob};
use crate::VaultError;
use crate::envelope::{Fields, Keys, unpad};
use crate::keystore::KeystoreSecret;

/// Tables on which others depend come last; they are dropped in this order.
const DEPENDENTS_FIRST: [&str; 5] = ["attempt", "token", "vault", "dek_slot", "dek"];

/// What format 1 had of each table, in the columns of format 2. Table `vault` is written anew.
const CARRY: [&str; 4] = [
    "INSERT INTO dek(dek_id, status, alg, kcv, created_at) SELECT dek_id, status, 1, kcv, created_at FROM temp.old_dek",
    "INSERT INTO dek_slot SELECT * FROM temp.old_dek_slot",
    "INSERT INTO token SELECT * FROM temp.old_token",
    "INSERT INTO attempt SELECT * FROM temp.old_attempt",
];

/// Brings the vault behind `connection` to [`FORMAT`], unless somebody else did. `anchors` was read before.
pub(super) fn migrate(connection: &mut Connection, keys: &Keys, anchors: &[KeystoreSecret]) -> Result<(), VaultError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    if connect::format_of(&transaction)? == FORMAT {
        return Ok(());
    }
    let epoch = verified(&transaction, keys, anchors)?;
    for table in DEPENDENTS_FIRST {
        transaction.execute_batch(&format!("CREATE TEMP TABLE old_{table} AS SELECT * FROM main.{table}"))?;
        transaction.execute_batch(&format!("DROP TABLE main.{table}"))?;
    }
    for (_, definition) in TABLES {
        transaction.execute(definition, ())?;
    }
    for step in CARRY {
        transaction.execute(step, ())?;
    }
    for table in DEPENDENTS_FIRST {
        transaction.execute_batch(&format!("DROP TABLE temp.old_{table}"))?;
    }
    let next = State {
        epoch: epoch.checked_add(1).ok_or_else(|| damaged("the epoch has run out"))?,
        strategy: STRATEGY.to_owned(),
        sum: Sum::default(),
        // What the anchors of format 1 were made with: a copy from before is held against those of today.
        anchor_key: Arc::new(keys.mac_key()),
    };
    let sum = Summing::with(keys).whole(&transaction)?;
    State { sum, ..next }.insert(&transaction, keys)?;
    transaction.pragma_update(None, "user_version", FORMAT)?;
    transaction.commit()?;
    Ok(())
}

/// Opens the state of format 1, and compares it with the rows and with the anchor. Gives the epoch.
fn verified(connection: &Connection, keys: &Keys, anchors: &[KeystoreSecret]) -> Result<u64, VaultError> {
    let mut statement =
        connection.prepare("SELECT vault_id, format, epoch, dek_id, state_nonce, state_ct FROM vault WHERE id=1")?;
    let mut rows = statement.query(())?;
    let row = rows.next()?.ok_or_else(|| damaged("table vault is empty"))?;
    let (format, epoch, dek_id): (i64, i64, i64) = (row.get(1)?, row.get(2)?, row.get(3)?);
    let epoch = u64::try_from(epoch).map_err(|_| damaged("the epoch is negative"))?;
    if blob(row, 0)? != keys.identity.vault_id || format != 1 || dek_id != i64::from(keys.dek_id) {
        return Err(damaged("table vault was changed"));
    }
    let aad = keys.aad("pilotlight/v1/state").number(1).number(epoch);
    let opened = keys
        .aead
        .open(&keys.state_key(), aad.as_bytes(), blob(row, 4)?, blob(row, 5)?)
        .ok_or_else(|| damaged("the sealed state does not open"))?;
    let manifest = manifest(connection, keys)?;
    let expected = Fields::of("state").number(epoch).text(STRATEGY).number(1).bytes(&manifest);
    if !unpad(&opened).is_some_and(|sealed| bool::from(sealed.ct_eq(expected.as_bytes()))) {
        return Err(damaged("rows are missing, added or older than the sealed state says"));
    }
    let kept = Anchor::furthest(anchors, &keys.identity, &keys.mac_key());
    anchor::check(&Anchor::of_format_1(epoch, manifest, STRATEGY), kept.as_ref())?;
    Ok(epoch)
}

/// The digest of all rows as format 1 made it.
fn manifest(connection: &Connection, keys: &Keys) -> Result<[u8; 32], VaultError> {
    let mut fields = Fields::of("pilotlight/v1/manifest").bytes(&keys.identity.vault_id);
    let mut records = connection.prepare("SELECT record_id, seq, nonce FROM token ORDER BY record_id")?;
    let mut rows = records.query(())?;
    while let Some(row) = rows.next()? {
        fields.push(b"record");
        fields.push(blob(row, 0)?);
        fields.push(&row.get::<_, i64>(1)?.to_be_bytes());
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
