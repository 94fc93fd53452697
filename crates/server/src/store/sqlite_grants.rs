//! Grants as rows of SQLite.

use pilotlight_oauth::{Scope, Timestamp};
use rusqlite::{Connection, Row, params};

use super::StoreError;
use super::sqlite_requests as requests;
use crate::grant::{Grant, GrantId, Outcome, Reason, RecentKeys, Redemption};
use crate::origin::Origin;

/// The columns of a grant, from those rows that the rest of the statement says.
macro_rules! select_grant {
    ($rest:literal) => {
        concat!(
            "SELECT id, subject, client, scope, created_at, ends_at, generation, rotated_at, revoked_at, \
             revoked_reason, keys, uses, answer_lost, bound_to, resources, user_agent, address, authenticated_at, n \
             FROM grants JOIN states USING (n) ",
            $rest
        )
    };
}
pub(super) use select_grant;

/// The row of `states` that says how a grant stands.
struct Place(i64);

pub(super) fn read_grant(connection: &Connection, id: GrantId) -> Result<Option<Grant>, StoreError> {
    Ok(find_grant(connection, id)?.map(|(grant, _)| grant))
}

fn find_grant(connection: &Connection, id: GrantId) -> Result<Option<(Grant, Place)>, StoreError> {
    let mut statement = connection.prepare_cached(select_grant!("WHERE id = ?1"))?;
    let mut rows = statement.query([id.0])?;
    rows.next()?.map(|row| Ok((grant_of(row)?, Place(row.get(18)?)))).transpose()
}

pub(super) fn grant_of(row: &Row<'_>) -> Result<Grant, StoreError> {
    let scope: String = row.get(3)?;
    let revoked_at: Option<i64> = row.get(8)?;
    let reason: Option<String> = row.get(9)?;
    let keys: Vec<u8> = row.get(10)?;
    let reason = reason.as_deref().map(|word| Reason::from_word(word).ok_or(StoreError::Damaged("revoked_reason")));
    Ok(Grant {
        id: GrantId(row.get(0)?),
        subject: row.get(1)?,
        client: row.get(2)?,
        scope: Scope::parse(&scope),
        created_at: Timestamp::from_millis(row.get(4)?),
        ends_at: row.get::<_, Option<i64>>(5)?.map(Timestamp::from_millis),
        generation: row.get(6)?,
        rotated_at: Timestamp::from_millis(row.get(7)?),
        keys: RecentKeys::from_bytes(&keys).ok_or(StoreError::Damaged("keys"))?,
        uses: row.get(11)?,
        answer_lost: row.get(12)?,
        bound_to: row.get(13)?,
        resources: requests::split_lines(row.get(14)?),
        device: Origin { user_agent: row.get(15)?, address: row.get(16)? },
        authenticated_at: Timestamp::from_millis(row.get(17)?),
        revoked: revoked_at.map(Timestamp::from_millis).zip(reason.transpose()?),
    })
}

/// Its one change is the last thing it does.
pub(super) fn redeem(t: &Connection, presented: &Redemption) -> Result<Outcome, StoreError> {
    let Some((mut grant, place)) = find_grant(t, presented.grant)? else { return Ok(Outcome::Unknown) };
    let outcome = grant.redeem(presented);
    if outcome.is_change() {
        change_grant(t, &place, &grant)?;
    }
    Ok(outcome)
}

/// Whole: a new one, or in the place of what stood there.
pub(super) fn add_grant(t: &Connection, grant: &Grant) -> Result<(), StoreError> {
    t.prepare_cached("DELETE FROM grants WHERE id = ?1")?.execute([grant.id.0])?;
    let new = "INSERT INTO states (n, generation, rotated_at, revoked_at, revoked_reason, keys, answer_lost, bound_to) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    write_state(t, new, None, grant)?;
    let mut add = t.prepare_cached(
        "INSERT INTO grants (id, n, subject, client, scope, created_at, ends_at, uses, resources, user_agent, address, \
         authenticated_at) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
    )?;
    add.execute(params![
        grant.id.0,
        t.last_insert_rowid(),
        grant.subject,
        grant.client,
        grant.scope.to_string(),
        grant.created_at.as_millis(),
        grant.ends_at.map(Timestamp::as_millis),
        grant.uses,
        requests::join_lines(&grant.resources),
        grant.device.user_agent,
        grant.device.address,
        grant.authenticated_at.as_millis(),
    ])?;
    Ok(())
}

/// What [`Grant::redeem`] and [`Grant::revoke`] may change.
fn change_grant(t: &Connection, place: &Place, grant: &Grant) -> Result<(), StoreError> {
    let changed = "UPDATE states SET generation = ?2, rotated_at = ?3, revoked_at = ?4, revoked_reason = ?5, keys = ?6, \
                   answer_lost = ?7, bound_to = ?8 WHERE n = ?1";
    write_state(t, changed, Some(place), grant)
}

/// Runs a statement whose first parameter is the place, none for a new one, and whose others are how the grant stands.
fn write_state(t: &Connection, statement: &str, place: Option<&Place>, grant: &Grant) -> Result<(), StoreError> {
    t.prepare_cached(statement)?.execute(params![
        place.map(|Place(n)| n),
        grant.generation,
        grant.rotated_at.as_millis(),
        grant.revoked.map(|(at, _)| at.as_millis()),
        grant.revoked.map(|(_, reason)| reason.as_str()),
        grant.keys.to_bytes(),
        grant.answer_lost,
        grant.bound_to,
    ])?;
    Ok(())
}

pub(super) fn revoke_grant(
    t: &Connection,
    id: GrantId,
    reason: Reason,
    now: Timestamp,
) -> Result<Option<bool>, StoreError> {
    let Some((mut grant, place)) = find_grant(t, id)? else { return Ok(None) };
    let first = grant.revoke(reason, now);
    if first {
        change_grant(t, &place, &grant)?;
    }
    Ok(Some(first))
}
