//! Rows of `token` and `attempt`: sealed, opened, and stepped from one generation to the next.

use rusqlite::types::FromSql;
use rusqlite::{Connection, OptionalExtension, Row, params};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::schema::{BEGUN, GRANT};
use super::state::stored;
use crate::envelope::{Ciphertext, Fields, Keys, pad, unpad};
use crate::{Attempt, Generation, GrantId, Listed, MAX_PAYLOAD, Record, VaultError};

const COLUMNS: &str = "SELECT t.record_id, t.kind, t.dek_id, t.alg, t.seq, t.nonce, t.ct,
  a.attempt_id, a.from_seq, a.started_ms, a.phase, a.mac
  FROM token t LEFT JOIN attempt a ON a.record_id = t.record_id";

/// What a record's ciphertext is bound to.
fn record_aad(keys: &Keys, id: &GrantId, generation: i64) -> Fields {
    keys.aad("pilotlight/v1/record").text("token").bytes(id.as_bytes()).signed(GRANT).signed(generation)
}

fn seal_record(keys: &Keys, id: &GrantId, generation: i64, payload: &[u8]) -> Result<Ciphertext, VaultError> {
    if payload.len() > MAX_PAYLOAD {
        return Err(VaultError::TooLarge(payload.len()));
    }
    let key = keys.record_key("token", id.as_bytes());
    keys.aead.seal(&key, record_aad(keys, id, generation).as_bytes(), &pad(payload)?)
}

/// An attempt is no secret, but must not be altered or moved.
fn attempt_mac(keys: &Keys, id: &GrantId, generation: i64, attempt: &Attempt) -> [u8; 32] {
    keys.mac(
        &Fields::of("pilotlight/v1/attempt")
            .text(&keys.identity.app)
            .bytes(&keys.identity.vault_id)
            .bytes(id.as_bytes())
            .bytes(&attempt.idempotency_key)
            .signed(generation)
            .signed(attempt.started_at_ms)
            .signed(BEGUN),
    )
}

/// A value of a row; `None` where it is of another type, which only tampering explains.
fn value<T: FromSql>(row: &Row<'_>, column: usize) -> Option<T> {
    row.get(column).ok()
}

/// Opens a row; `None` where anything in it is not as it was sealed.
fn open_row(keys: &Keys, id: &GrantId, row: &Row<'_>) -> Option<Record> {
    let (kind, dek_id, alg): (i64, i64, i64) = (value(row, 1)?, value(row, 2)?, value(row, 3)?);
    if kind != GRANT || dek_id != i64::from(keys.dek_id) || alg != i64::from(keys.aead.number()) {
        return None;
    }
    let seq: i64 = value(row, 4)?;
    let (nonce, ct): (Vec<u8>, Vec<u8>) = (value(row, 5)?, value(row, 6)?);
    let opened =
        keys.aead.open(&keys.record_key("token", id.as_bytes()), record_aad(keys, id, seq).as_bytes(), &nonce, &ct)?;
    let payload = Zeroizing::new(unpad(&opened)?.to_vec());
    let attempt = match value::<Option<[u8; 16]>>(row, 7)? {
        None => None,
        Some(idempotency_key) => Some(open_attempt(keys, id, seq, idempotency_key, row)?),
    };
    Some(Record { id: *id, generation: u64::try_from(seq).ok()?, payload, attempt })
}

fn open_attempt(keys: &Keys, id: &GrantId, seq: i64, key: [u8; 16], row: &Row<'_>) -> Option<Attempt> {
    let (from_seq, started_at_ms, phase): (i64, i64, i64) = (value(row, 8)?, value(row, 9)?, value(row, 10)?);
    let mac: [u8; 32] = value(row, 11)?;
    let attempt = Attempt { idempotency_key: key, started_at_ms };
    let ours = from_seq == seq && phase == BEGUN && bool::from(attempt_mac(keys, id, seq, &attempt).ct_eq(&mac));
    ours.then_some(attempt)
}

pub(super) fn load(connection: &Connection, keys: &Keys, id: &GrantId) -> Result<Option<Record>, VaultError> {
    let mut statement = connection.prepare(&format!("{COLUMNS} WHERE t.record_id=?1"))?;
    let mut rows = statement.query([id.as_bytes()])?;
    match rows.next()? {
        None => Ok(None),
        Some(row) => open_row(keys, id, row).map(Some).ok_or(VaultError::Tampered(*id)),
    }
}

pub(super) fn list(connection: &Connection, keys: &Keys) -> Result<Vec<Listed>, VaultError> {
    let mut statement = connection.prepare(&format!("{COLUMNS} ORDER BY t.record_id"))?;
    let mut rows = statement.query(())?;
    let mut listed = Vec::new();
    while let Some(row) = rows.next()? {
        let id = GrantId::from_bytes(row.get(0)?);
        listed.push(open_row(keys, &id, row).map_or(Listed::Damaged { id }, Listed::Record));
    }
    Ok(listed)
}

/// Where a record is.
fn generation_of(connection: &Connection, id: &GrantId) -> Result<Option<i64>, VaultError> {
    let mut statement = connection.prepare("SELECT seq FROM token WHERE record_id=?1")?;
    Ok(statement.query_row([id.as_bytes()], |row| row.get(0)).optional()?)
}

/// `expected` as it is stored, where the record is there.
fn require(connection: &Connection, id: &GrantId, expected: Generation) -> Result<i64, VaultError> {
    let actual = generation_of(connection, id)?.ok_or(VaultError::NotFound)?;
    if i64::try_from(expected) == Ok(actual) {
        Ok(actual)
    } else {
        Err(VaultError::Conflict { actual: Some(actual.unsigned_abs()) })
    }
}

pub(super) fn create(
    connection: &Connection,
    keys: &Keys,
    id: &GrantId,
    payload: &[u8],
) -> Result<Generation, VaultError> {
    if generation_of(connection, id)?.is_some() {
        return Err(VaultError::Conflict { actual: None });
    }
    let sealed = seal_record(keys, id, 1, payload)?;
    let mut statement = connection
        .prepare("INSERT INTO token(record_id, kind, dek_id, alg, seq, nonce, ct) VALUES(?1,?2,?3,?4,1,?5,?6)")?;
    statement.execute(params![id.as_bytes(), GRANT, keys.dek_id, keys.aead.number(), sealed.nonce, sealed.ct])?;
    Ok(1)
}

pub(super) fn begin_attempt(
    connection: &Connection,
    keys: &Keys,
    id: &GrantId,
    generation: Generation,
    saw: Option<&Attempt>,
    attempt: &Attempt,
) -> Result<(), VaultError> {
    let seq = require(connection, id, generation)?;
    if load(connection, keys, id)?.and_then(|record| record.attempt).as_ref() != saw {
        return Err(VaultError::Conflict { actual: Some(generation) });
    }
    let mac = attempt_mac(keys, id, seq, attempt);
    let mut statement = connection.prepare(
        "INSERT INTO attempt(record_id, attempt_id, from_seq, started_ms, phase, mac) VALUES(?1,?2,?3,?4,?5,?6)
         ON CONFLICT(record_id) DO UPDATE SET attempt_id=excluded.attempt_id, from_seq=excluded.from_seq,
         started_ms=excluded.started_ms, boot_id=NULL, pid=NULL, phase=excluded.phase, mac=excluded.mac",
    )?;
    statement.execute(params![id.as_bytes(), attempt.idempotency_key, seq, attempt.started_at_ms, BEGUN, mac])?;
    Ok(())
}

/// Whether there was one to forget.
pub(super) fn end_attempt(
    connection: &Connection,
    keys: &Keys,
    id: &GrantId,
    generation: Generation,
    attempt: &Attempt,
) -> Result<bool, VaultError> {
    require(connection, id, generation)?;
    let open = load(connection, keys, id)?.and_then(|record| record.attempt);
    if open.is_some_and(|open| open != *attempt) {
        return Err(VaultError::Conflict { actual: Some(generation) });
    }
    Ok(connection.prepare("DELETE FROM attempt WHERE record_id=?1")?.execute([id.as_bytes()])? > 0)
}

pub(super) fn commit(
    connection: &Connection,
    keys: &Keys,
    id: &GrantId,
    expected: Generation,
    payload: &[u8],
) -> Result<Generation, VaultError> {
    let seq = require(connection, id, expected)?;
    let next = stored(expected + 1)?;
    let sealed = seal_record(keys, id, next, payload)?;
    connection
        .prepare("UPDATE token SET dek_id=?3, alg=?4, seq=?5, nonce=?6, ct=?7 WHERE record_id=?1 AND seq=?2")?
        .execute(params![id.as_bytes(), seq, keys.dek_id, keys.aead.number(), next, sealed.nonce, sealed.ct])?;
    connection.prepare("DELETE FROM attempt WHERE record_id=?1")?.execute([id.as_bytes()])?;
    Ok(expected + 1)
}

/// Says whether there was anything to remove.
pub(super) fn remove(connection: &Connection, id: &GrantId) -> Result<bool, VaultError> {
    connection.prepare("DELETE FROM attempt WHERE record_id=?1")?.execute([id.as_bytes()])?;
    Ok(connection.prepare("DELETE FROM token WHERE record_id=?1")?.execute([id.as_bytes()])? > 0)
}
