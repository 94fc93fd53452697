//! People, and which grants are whose.
//!
//! The set of a person's grants (a hash without values, which Redis 7 packs tighter than a set) is an index: each grant is in it before the grant itself is there, so that it lacks none;
//! what it names too much is dropped when somebody looks.

use std::collections::HashSet;

use redis::ConnectionLike;

use super::connections::away;
use super::records::{self, Marked};
use super::{RedisStore, grant_key, subject_key, user_key};
use crate::grant::{Grant, GrantId};
use crate::store::{Store as _, StoreError, User};

/// Set once the grants of servers that kept no index are in it too.
const INDEXED: &str = "pilotlight:indexed";
/// How large the set of a person may grow before it is looked through for grants that are gone.
const MANY: u64 = 64;

fn set_key(subject: &str) -> String {
    format!("pilotlight:of:{subject}")
}

impl RedisStore {
    /// Before the grant is kept.
    pub(super) fn index(&self, subject: &str, id: GrantId) -> Result<(), StoreError> {
        let key = set_key(subject);
        let count: u64 = self.connections.ask_once(|connection| {
            redis::cmd("HSET").arg(&key).arg(&id.0[..]).arg("").exec(connection)?;
            redis::cmd("HLEN").arg(&key).query(connection)
        })?;
        // The one just added is not there yet, and must stay: so only what was there before is looked through.
        if count.is_multiple_of(MANY) {
            self.look_through(subject, Some(id))?;
        }
        Ok(())
    }

    pub(super) fn grants_in_index(&self, subject: &str) -> Result<Vec<Grant>, StoreError> {
        if self.connections.ask_once(|connection| redis::cmd("EXISTS").arg(INDEXED).query::<u8>(connection))? == 0 {
            self.index_all()?;
        }
        let mut grants = self.look_through(subject, None)?;
        grants.sort_by_key(|grant| (std::cmp::Reverse(grant.created_at), grant.id));
        Ok(grants)
    }

    fn look_through(&self, subject: &str, but: Option<GrantId>) -> Result<Vec<Grant>, StoreError> {
        let key = set_key(subject);
        let ids: HashSet<Vec<u8>> =
            self.connections.ask_once(|connection| redis::cmd("HKEYS").arg(&key).query(connection))?;
        let ids: Vec<GrantId> = ids.into_iter().filter_map(|id| Some(GrantId(id.try_into().ok()?))).collect();
        let (mut grants, mut gone) = (Vec::new(), Vec::new());
        for id in ids.into_iter().filter(|id| Some(*id) != but) {
            match self.read(&grant_key(id), |text| Marked::read(id, text))? {
                Some(marked) => grants.push(marked.grant),
                None => gone.push(id),
            }
        }
        if !gone.is_empty() {
            let gone: Vec<&[u8]> = gone.iter().map(|id| &id.0[..]).collect();
            self.connections.ask_once(|connection| redis::cmd("HDEL").arg(&key).arg(&gone).exec(connection))?;
        }
        Ok(grants)
    }

    /// Grants that a server kept before there was an index.
    fn index_all(&self) -> Result<(), StoreError> {
        for grant in self.grants()? {
            let (key, id) = (set_key(&grant.subject), grant.id);
            self.connections
                .ask_once(|connection| redis::cmd("HSET").arg(&key).arg(&id.0[..]).arg("").exec(connection))?;
        }
        self.connections.ask_once(|connection| redis::cmd("SET").arg(INDEXED).arg(1).exec(connection))
    }

    pub(super) fn all_users(&self) -> Result<Vec<User>, StoreError> {
        let found = self.connections.each_node(|connection| {
            let mut users = Vec::new();
            scan(connection, "pilotlight:user:*", |_, text| {
                users.push(records::read_user(text)?);
                Ok(())
            })?;
            Ok(users)
        })?;
        let mut users: Vec<User> = found.into_iter().flatten().collect();
        users.sort_by(|a, b| a.name.cmp(&b.name));
        users.dedup_by(|a, b| a.name == b.name);
        Ok(users)
    }

    pub(super) fn change_one_user(&self, before: &User, after: &User) -> Result<bool, StoreError> {
        let becomes = records::write_user(after)?;
        let decide = |is: Option<&[u8]>| {
            let same = is.map(records::read_user).transpose()?.as_ref() == Some(before);
            Ok((same.then(|| becomes.clone()), same))
        };
        self.change(&user_key(&before.name), None, decide)
    }

    /// The person first: without them the way from the subject leads nowhere.
    pub(super) fn remove_one_user(&self, subject: &str) -> Result<bool, StoreError> {
        let Some(user) = self.user(subject)? else { return Ok(false) };
        let delete = |key: &str| -> Result<u64, StoreError> {
            self.connections.ask_once(|connection| redis::cmd("DEL").arg(key).query(connection))
        };
        let removed = delete(&user_key(&user.name))?;
        delete(&subject_key(subject))?;
        Ok(removed == 1)
    }
}

/// All grants of one node.
pub(super) fn scan_grants(connection: &mut dyn ConnectionLike) -> Result<Vec<Grant>, StoreError> {
    let mut grants = Vec::new();
    scan(connection, "pilotlight:grant:*", |key, text| {
        let id = key.strip_prefix("pilotlight:grant:{").and_then(|id| id.strip_suffix('}')?.parse::<GrantId>().ok());
        if let Some(id) = id {
            grants.push(Marked::read(id, text)?.grant);
        }
        Ok(())
    })?;
    Ok(grants)
}

/// Every record of one node whose key fits, once.
fn scan(
    connection: &mut dyn ConnectionLike,
    pattern: &str,
    mut visit: impl FnMut(&str, &[u8]) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let mut seen = HashSet::new();
    let mut cursor = 0_u64;
    loop {
        let page = redis::cmd("SCAN")
            .arg(cursor)
            .arg(&["MATCH", pattern, "COUNT", "1000"])
            .query::<(u64, Vec<String>)>(connection);
        let (next, keys) = page.map_err(|error| away(&error))?;
        let keys: Vec<String> = keys.into_iter().filter(|key| seen.insert(key.clone())).collect();
        let mut all = redis::pipe();
        for key in &keys {
            all.cmd("GET").arg(key);
        }
        let texts: Vec<Option<Vec<u8>>> =
            if keys.is_empty() { Vec::new() } else { all.query(connection).map_err(|error| away(&error))? };
        for (key, text) in keys.iter().zip(texts) {
            // One that went in between is no longer there.
            if let Some(text) = text {
                visit(key, &text)?;
            }
        }
        cursor = next;
        if cursor == 0 {
            return Ok(());
        }
    }
}
