//! Rows of people.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{StoreError, User};

const SELECT: &str = "SELECT subject, name, password_hash, totp, totp_last_step, locale FROM users";

fn user_of(row: &Row<'_>) -> rusqlite::Result<User> {
    Ok(User {
        subject: row.get(0)?,
        name: row.get(1)?,
        password_hash: row.get(2)?,
        totp: row.get(3)?,
        totp_last_step: row.get(4)?,
        locale: row.get(5)?,
    })
}

pub(super) fn add(t: &Connection, user: &User) -> Result<bool, StoreError> {
    let added = t.execute(
        "INSERT INTO users (subject, name, password_hash, totp, totp_last_step, locale) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (name) DO NOTHING",
        params![user.subject, user.name, user.password_hash, user.totp, user.totp_last_step, user.locale],
    )?;
    Ok(added == 1)
}

pub(super) fn read_named(connection: &Connection, name: &str) -> Result<Option<User>, StoreError> {
    Ok(connection.query_row(&format!("{SELECT} WHERE name = ?1"), [name], user_of).optional()?)
}

pub(super) fn read(connection: &Connection, subject: &str) -> Result<Option<User>, StoreError> {
    Ok(connection.query_row(&format!("{SELECT} WHERE subject = ?1"), [subject], user_of).optional()?)
}

pub(super) fn read_all(connection: &Connection) -> Result<Vec<User>, StoreError> {
    let mut statement = connection.prepare(&format!("{SELECT} ORDER BY name"))?;
    let rows = statement.query_map([], user_of)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

pub(super) fn change(t: &Connection, before: &User, after: &User) -> Result<bool, StoreError> {
    if read(t, &before.subject)?.as_ref() != Some(before) {
        return Ok(false);
    }
    t.execute(
        "UPDATE users SET password_hash = ?2, totp = ?3, totp_last_step = ?4, locale = ?5 WHERE subject = ?1",
        params![before.subject, after.password_hash, after.totp, after.totp_last_step, after.locale],
    )?;
    Ok(true)
}

pub(super) fn remove(t: &Connection, subject: &str) -> Result<bool, StoreError> {
    Ok(t.execute("DELETE FROM users WHERE subject = ?1", [subject])? == 1)
}
