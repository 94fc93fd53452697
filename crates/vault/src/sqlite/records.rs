//! Rows of `token` and `attempt`: sealed, opened, and stepped from one generation to the next.

use rusqlite::types::FromSql;
use rusqlite::{Connection, OptionalExtension, Row, params};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::schema::{BEGUN, GRANT};
use super::state::stored;
use crate::envelope::{Ciphertext, Fields, Keyring, Keys, pad, unpad};
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
fn open_row(ring: &Keyring, id: &GrantId, row: &Row<'_>) -> Option<Record> {
    let (kind, dek_id, alg): (i64, i64, i64) = (value(row, 1)?, value(row, 2)?, value(row, 3)?);
    // One key per row, named in the AAD: never tried under several.
    let keys = ring.of(dek_id)?;
    if kind != GRANT || alg != i64::from(keys.aead.number()) {
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

pub(super) fn load(connection: &Connection, ring: &Keyring, id: &GrantId) -> Result<Option<Record>, VaultError> {
    let mut statement = connection.prepare_cached(&format!("{COLUMNS} WHERE t.record_id=?1"))?;
    let mut rows = statement.query([id.as_bytes()])?;
    match rows.next()? {
        None => Ok(None),
        Some(row) => open_row(ring, id, row).map(Some).ok_or(VaultError::Tampered(*id)),
    }
}

pub(super) fn list(connection: &Connection, ring: &Keyring) -> Result<Vec<Listed>, VaultError> {
    let mut statement = connection.prepare_cached(&format!("{COLUMNS} ORDER BY t.record_id"))?;
    let mut rows = statement.query(())?;
    let mut listed = Vec::new();
    while let Some(row) = rows.next()? {
        let id = GrantId::from_bytes(row.get(0)?);
        listed.push(open_row(ring, &id, row).map_or(Listed::Damaged { id }, Listed::Record));
    }
    Ok(listed)
}

/// Where a record is.
fn generation_of(connection: &Connection, id: &GrantId) -> Result<Option<i64>, VaultError> {
    let mut statement = connection.prepare_cached("SELECT seq FROM token WHERE record_id=?1")?;
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
    ring: &Keyring,
    id: &GrantId,
    payload: &[u8],
) -> Result<Generation, VaultError> {
    if generation_of(connection, id)?.is_some() {
        return Err(VaultError::Conflict { actual: None });
    }
    let keys = &ring.active;
    let sealed = seal_record(keys, id, 1, payload)?;
    let mut statement = connection.prepare_cached(
        "INSERT INTO token(record_id, kind, dek_id, alg, seq, nonce, ct) VALUES(?1,?2,?3,?4,1,?5,?6)",
    )?;
    statement.execute(params![id.as_bytes(), GRANT, keys.dek_id, keys.aead.number(), sealed.nonce, sealed.ct])?;
    Ok(1)
}

/// The data key that a record's row names.
fn keys_of<'ring>(connection: &Connection, ring: &'ring Keyring, id: &GrantId) -> Result<&'ring Keys, VaultError> {
    let dek_id = connection
        .prepare_cached("SELECT dek_id FROM token WHERE record_id=?1")?
        .query_row([id.as_bytes()], |row| row.get(0))?;
    ring.of(dek_id).ok_or(VaultError::Tampered(*id))
}

pub(super) fn begin_attempt(
    connection: &Connection,
    ring: &Keyring,
    id: &GrantId,
    generation: Generation,
    saw: Option<&Attempt>,
    attempt: &Attempt,
) -> Result<(), VaultError> {
    let seq = require(connection, id, generation)?;
    if load(connection, ring, id)?.and_then(|record| record.attempt).as_ref() != saw {
        return Err(VaultError::Conflict { actual: Some(generation) });
    }
    // By the key of its record, with which it moves to the next one.
    let mac = attempt_mac(keys_of(connection, ring, id)?, id, seq, attempt);
    let mut statement = connection.prepare_cached(
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
    ring: &Keyring,
    id: &GrantId,
    generation: Generation,
    attempt: &Attempt,
) -> Result<bool, VaultError> {
    require(connection, id, generation)?;
    let open = load(connection, ring, id)?.and_then(|record| record.attempt);
    if open.is_some_and(|open| open != *attempt) {
        return Err(VaultError::Conflict { actual: Some(generation) });
    }
    Ok(connection.prepare_cached("DELETE FROM attempt WHERE record_id=?1")?.execute([id.as_bytes()])? > 0)
}

pub(super) fn commit(
    connection: &Connection,
    ring: &Keyring,
    id: &GrantId,
    expected: Generation,
    payload: &[u8],
) -> Result<Generation, VaultError> {
    let seq = require(connection, id, expected)?;
    let next = stored(expected + 1)?;
    let keys = &ring.active;
    let sealed = seal_record(keys, id, next, payload)?;
    connection
        .prepare_cached("UPDATE token SET dek_id=?3, alg=?4, seq=?5, nonce=?6, ct=?7 WHERE record_id=?1 AND seq=?2")?
        .execute(params![id.as_bytes(), seq, keys.dek_id, keys.aead.number(), next, sealed.nonce, sealed.ct])?;
    connection.prepare_cached("DELETE FROM attempt WHERE record_id=?1")?.execute([id.as_bytes()])?;
    Ok(expected + 1)
}

/// Says whether there was anything to remove.
pub(super) fn remove(connection: &Connection, id: &GrantId) -> Result<bool, VaultError> {
    connection.prepare_cached("DELETE FROM attempt WHERE record_id=?1")?.execute([id.as_bytes()])?;
    Ok(connection.prepare_cached("DELETE FROM token WHERE record_id=?1")?.execute([id.as_bytes()])? > 0)
}

/// Records that are not sealed by the active key yet, from `after` on.
pub(super) fn sealed_by_older(
    connection: &Connection,
    ring: &Keyring,
    after: Option<GrantId>,
    most: usize,
) -> Result<Vec<GrantId>, VaultError> {
    let mut statement = connection
        .prepare_cached("SELECT record_id FROM token WHERE dek_id<>?1 AND record_id>?2 ORDER BY record_id LIMIT ?3")?;
    let after = after.map_or_else(Vec::new, |id| id.as_bytes().to_vec());
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let ids = statement.query_map(params![ring.active.dek_id, after, most], |row| row.get(0))?;
    Ok(ids.map(|id| id.map(GrantId::from_bytes)).collect::<Result<_, _>>()?)
}

/// Seals a record and its attempt by the active key, at the generation that it has. Says whether it opened: a damaged one
/// stays as it is.
pub(super) fn reseal(connection: &Connection, ring: &Keyring, id: &GrantId) -> Result<bool, VaultError> {
    let record = match load(connection, ring, id) {
        Ok(Some(record)) => record,
        Ok(None) => return Ok(true),
        Err(VaultError::Tampered(_)) => return Ok(false),
        Err(error) => return Err(error),
    };
    let (keys, seq) = (&ring.active, stored(record.generation)?);
    let sealed = seal_record(keys, id, seq, &record.payload)?;
    connection
        .prepare_cached("UPDATE token SET dek_id=?2, alg=?3, nonce=?4, ct=?5 WHERE record_id=?1")?
        .execute(params![id.as_bytes(), keys.dek_id, keys.aead.number(), sealed.nonce, sealed.ct])?;
    if let Some(attempt) = &record.attempt {
        connection
            .prepare_cached("UPDATE attempt SET mac=?2 WHERE record_id=?1")?
            .execute(params![id.as_bytes(), attempt_mac(keys, id, seq, attempt)])?;
    }
    Ok(true)
}
