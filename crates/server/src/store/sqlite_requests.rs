//! Rows of clients, of authorization codes, and of the requests that wait for somebody: devices, and what clients have
//! pushed.

use pilotlight_oauth::{Scope, Timestamp};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::StoreError;
use crate::client::{Client, Setting};
use crate::code::Code;
use crate::device::{Device, DeviceState};
use crate::grant::GrantId;
use crate::origin::Origin;
use crate::pushed::Pushed;

/// `None` for an empty list, for a list of one empty line is another.
pub(super) fn join_lines(lines: &[String]) -> Option<String> {
    (!lines.is_empty()).then(|| lines.join("\n"))
}

/// Reads [`join_lines`].
pub(super) fn split_lines(text: Option<String>) -> Vec<String> {
    text.map(|text| text.split('\n').map(str::to_owned).collect()).unwrap_or_default()
}

pub(super) fn add_client(t: &Connection, client: &Client) -> Result<bool, StoreError> {
    let added = t.execute(
        "INSERT INTO clients (id, name, redirect_uris, secret_hash, own_scope, settings, resources, \
         post_logout_uris) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT DO NOTHING",
        params![
            client.id,
            client.name,
            client.redirect_uris.join("\n"),
            client.secret_hash,
            client.own_scope.as_ref().map(Scope::to_string),
            Setting::join(&client.settings),
            join_lines(&client.resources),
            join_lines(&client.post_logout_redirect_uris),
        ],
    )?;
    Ok(added == 1)
}

pub(super) fn put_client(t: &Connection, client: &Client) -> Result<(), StoreError> {
    t.execute("DELETE FROM clients WHERE id = ?1", [&client.id])?;
    add_client(t, client).map(drop)
}

pub(super) fn count_registered(connection: &Connection) -> Result<u64, StoreError> {
    let sql = "SELECT count(*) FROM clients WHERE ' ' || settings || ' ' LIKE ?1";
    let word = format!("% {} %", Setting::Registered.as_str());
    let count: i64 = connection.query_row(sql, [word], |row| row.get(0))?;
    Ok(u64::try_from(count).unwrap_or_default())
}

pub(super) fn read_client(connection: &Connection, id: &str) -> Result<Option<Client>, StoreError> {
    let sql = "SELECT id, name, redirect_uris, secret_hash, own_scope, settings, resources, post_logout_uris \
               FROM clients WHERE id = ?1";
    let read = |row: &Row<'_>| {
        let uris: String = row.get(2)?;
        let own_scope: Option<String> = row.get(4)?;
        let settings: String = row.get(5)?;
        let client = Client {
            id: row.get(0)?,
            name: row.get(1)?,
            redirect_uris: uris.lines().map(str::to_owned).collect(),
            secret_hash: row.get(3)?,
            own_scope: own_scope.as_deref().map(Scope::parse),
            resources: split_lines(row.get(6)?),
            post_logout_redirect_uris: split_lines(row.get(7)?),
            settings: Vec::new(),
        };
        Ok((client, settings))
    };
    let Some((client, settings)) = connection.query_row(sql, [id], read).optional()? else { return Ok(None) };
    let settings = Setting::split(&settings).ok_or(StoreError::Damaged("settings"))?;
    Ok(Some(Client { settings, ..client }))
}

pub(super) fn read_code(t: &Connection, hash: &[u8; 32]) -> Result<Option<Code>, StoreError> {
    let sql = "SELECT hash, client, redirect_uri, challenge, nonce, subject, scope, signed_in_at, expires_at, spent, \
               grant_id, bound_to, resources, user_agent, address FROM codes WHERE hash = ?1";
    let read = |row: &Row<'_>| {
        let scope: String = row.get(6)?;
        Ok(Code {
            hash: row.get(0)?,
            client: row.get(1)?,
            redirect_uri: row.get(2)?,
            challenge: row.get(3)?,
            nonce: row.get(4)?,
            subject: row.get(5)?,
            scope: Scope::parse(&scope),
            signed_in_at: Timestamp::from_millis(row.get(7)?),
            expires_at: Timestamp::from_millis(row.get(8)?),
            spent: row.get(9)?,
            grant: row.get::<_, Option<[u8; 16]>>(10)?.map(GrantId),
            bound_to: row.get(11)?,
            resources: split_lines(row.get(12)?),
            device: Origin { user_agent: row.get(13)?, address: row.get(14)? },
        })
    };
    Ok(t.query_row(sql, [hash], read).optional()?)
}

pub(super) fn write_code(t: &Connection, code: &Code) -> Result<(), StoreError> {
    t.execute(
        "INSERT OR REPLACE INTO codes (hash, client, redirect_uri, challenge, nonce, subject, scope, signed_in_at, \
         expires_at, spent, grant_id, bound_to, resources, user_agent, address) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)",
        params![
            code.hash,
            code.client,
            code.redirect_uri,
            code.challenge,
            code.nonce,
            code.subject,
            code.scope.to_string(),
            code.signed_in_at.as_millis(),
            code.expires_at.as_millis(),
            code.spent,
            code.grant.map(|id| id.0),
            code.bound_to,
            join_lines(&code.resources),
            code.device.user_agent,
            code.device.address,
        ],
    )?;
    Ok(())
}

pub(super) fn read_device(connection: &Connection, name: &[u8; 32]) -> Result<Option<Device>, StoreError> {
    let sql = "SELECT name, hash, client, scope, expires_at, interval, polled_at, denied, subject, signed_in_at, grant_id, \
               resources, user_agent, address FROM devices WHERE name = ?1";
    let read = |row: &Row<'_>| {
        let scope: String = row.get(3)?;
        let allowed = row.get::<_, Option<String>>(8)?.zip(row.get::<_, Option<i64>>(9)?);
        let allowed = allowed.map(|(subject, at)| (subject, Timestamp::from_millis(at)));
        let spent = row.get::<_, Option<[u8; 16]>>(10)?.map(GrantId);
        Ok(Device {
            name: row.get(0)?,
            hash: row.get(1)?,
            client: row.get(2)?,
            scope: Scope::parse(&scope),
            expires_at: Timestamp::from_millis(row.get(4)?),
            interval: row.get(5)?,
            polled_at: row.get::<_, Option<i64>>(6)?.map(Timestamp::from_millis),
            state: DeviceState::from_parts(row.get(7)?, allowed, spent),
            resources: split_lines(row.get(11)?),
            device: Origin { user_agent: row.get(12)?, address: row.get(13)? },
        })
    };
    Ok(connection.query_row(sql, [name], read).optional()?)
}

pub(super) fn add_device(t: &Connection, device: &Device) -> Result<bool, StoreError> {
    let added = t.execute(
        "INSERT INTO devices (name, hash, client, scope, expires_at, interval, denied, resources, user_agent, address) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0, ?7, ?8, ?9) ON CONFLICT DO NOTHING",
        params![
            device.name,
            device.hash,
            device.client,
            device.scope.to_string(),
            device.expires_at.as_millis(),
            device.interval,
            join_lines(&device.resources),
            device.device.user_agent,
            device.device.address,
        ],
    )?;
    if added == 1 {
        change_device(t, device)?;
    }
    Ok(added == 1)
}

/// What changes of a device's request while it waits.
pub(super) fn change_device(t: &Connection, device: &Device) -> Result<(), StoreError> {
    let (subject, signed_in_at) = device.state.allowed().unzip();
    t.execute(
        "UPDATE devices SET interval = ?2, polled_at = ?3, denied = ?4, subject = ?5, signed_in_at = ?6, grant_id = ?7 \
         WHERE name = ?1",
        params![
            device.name,
            device.interval,
            device.polled_at.map(Timestamp::as_millis),
            device.state == DeviceState::Denied,
            subject,
            signed_in_at.map(Timestamp::as_millis),
            device.state.spent().map(|id| id.0),
        ],
    )?;
    Ok(())
}

pub(super) fn add_pushed(t: &Connection, pushed: &Pushed) -> Result<(), StoreError> {
    t.execute(
        "INSERT OR REPLACE INTO pushed (hash, client, request, expires_at) VALUES (?1, ?2, ?3, ?4)",
        params![pushed.hash, pushed.client, pushed.request, pushed.expires_at.as_millis()],
    )?;
    Ok(())
}

pub(super) fn take_pushed(t: &Connection, hash: &[u8; 32]) -> Result<Option<Pushed>, StoreError> {
    let sql = "DELETE FROM pushed WHERE hash = ?1 RETURNING hash, client, request, expires_at";
    let read = |row: &Row<'_>| {
        let expires_at = Timestamp::from_millis(row.get(3)?);
        Ok(Pushed { hash: row.get(0)?, client: row.get(1)?, request: row.get(2)?, expires_at })
    };
    Ok(t.query_row(sql, [hash], read).optional()?)
}
