//! Rows of `record`, read and written as they are.

use rusqlite::types::{FromSql, ValueRef};
use rusqlite::{Connection, Row, params};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::envelope::Fields;
use crate::error::damaged;
use crate::{Attempt, GrantId, Listed, MAX_PAYLOAD, Record, VaultError};

const COLUMNS: &str = "SELECT grant_id, generation, payload, attempt_key, attempt_started_ms FROM record";

/// A value of a row; `None` where it is of another type.
fn value<T: FromSql>(row: &Row<'_>, column: usize) -> Option<T> {
    row.get(column).ok()
}

/// `None` where a value is not of its type or length.
fn read(id: &GrantId, row: &Row<'_>) -> Option<Record> {
    let generation: i64 = value(row, 1)?;
    let payload = row.get_ref(2).ok()?.as_blob().ok()?;
    if payload.len() > MAX_PAYLOAD {
        return None;
    }
    let attempt = match (value::<Option<[u8; 16]>>(row, 3)?, value::<Option<i64>>(row, 4)?) {
        (None, None) => None,
        (Some(idempotency_key), Some(started_at_ms)) => Some(Attempt { idempotency_key, started_at_ms }),
        _ => return None,
    };
    let generation = u64::try_from(generation).ok().filter(|generation| *generation > 0)?;
    Some(Record { id: *id, generation, payload: Zeroizing::new(payload.to_vec()), attempt })
}

/// All that a row says, whether it can be read or not. Of the payload, its digest.
pub struct RowFields(pub(super) Fields);

fn fields_of(row: &Row<'_>) -> Result<RowFields, VaultError> {
    let mut fields = Fields::of("pilotlight/v1/row");
    for column in 0..5 {
        match row.get_ref(column)? {
            ValueRef::Null => fields.push(b"null"),
            ValueRef::Integer(number) => fields.push(&number.to_be_bytes()),
            ValueRef::Blob(bytes) if column == 2 => fields.push(&Sha256::digest(bytes)),
            ValueRef::Blob(bytes) => fields.push(bytes),
            ValueRef::Real(_) | ValueRef::Text(_) => return Err(damaged("a value is not of its type")),
        }
    }
    Ok(RowFields(fields))
}

pub(super) fn load(connection: &Connection, id: &GrantId) -> Result<Option<Record>, VaultError> {
    let mut statement = connection.prepare_cached(&format!("{COLUMNS} WHERE grant_id=?1"))?;
    let mut rows = statement.query([id.as_bytes()])?;
    match rows.next()? {
        None => Ok(None),
        Some(row) => read(id, row).map(Some).ok_or(VaultError::Tampered(*id)),
    }
}

pub(super) fn list(connection: &Connection) -> Result<Vec<Listed>, VaultError> {
    let mut statement = connection.prepare_cached(&format!("{COLUMNS} ORDER BY grant_id"))?;
    let mut rows = statement.query(())?;
    let mut listed = Vec::new();
    while let Some(row) = rows.next()? {
        let id = GrantId::from_bytes(row.get(0)?);
        listed.push(read(&id, row).map_or(Listed::Damaged { id }, Listed::Record));
    }
    Ok(listed)
}

/// What the row of `id` says; `None` where there is none.
pub(super) fn fields(connection: &Connection, id: &GrantId) -> Result<Option<RowFields>, VaultError> {
    let mut statement = connection.prepare_cached(&format!("{COLUMNS} WHERE grant_id=?1"))?;
    let mut rows = statement.query([id.as_bytes()])?;
    rows.next()?.map(fields_of).transpose()
}

/// Hands over what each row says.
pub(super) fn each(connection: &Connection, mut take: impl FnMut(&RowFields)) -> Result<(), VaultError> {
    let mut statement = connection.prepare(COLUMNS)?;
    let mut rows = statement.query(())?;
    while let Some(row) = rows.next()? {
        take(&fields_of(row)?);
    }
    Ok(())
}

/// Writes a record in the place of what was there.
pub(super) fn put(connection: &Connection, record: &Record) -> Result<(), VaultError> {
    if record.payload.len() > MAX_PAYLOAD {
        return Err(VaultError::TooLarge(record.payload.len()));
    }
    let generation = i64::try_from(record.generation).map_err(|_| damaged("a count is too large"))?;
    let attempt = record.attempt.as_ref();
    connection
        .prepare_cached(
            "INSERT INTO record(grant_id, generation, payload, attempt_key, attempt_started_ms) VALUES(?1,?2,?3,?4,?5)
             ON CONFLICT(grant_id) DO UPDATE SET generation=excluded.generation, payload=excluded.payload,
             attempt_key=excluded.attempt_key, attempt_started_ms=excluded.attempt_started_ms",
        )?
        .execute(params![
            record.id.as_bytes(),
            generation,
            record.payload.as_slice(),
            attempt.map(|attempt| attempt.idempotency_key),
            attempt.map(|attempt| attempt.started_at_ms),
        ])?;
    Ok(())
}

/// Says whether there was anything to remove.
pub(super) fn remove(connection: &Connection, id: &GrantId) -> Result<bool, VaultError> {
    Ok(connection.prepare_cached("DELETE FROM record WHERE grant_id=?1")?.execute([id.as_bytes()])? > 0)
}
