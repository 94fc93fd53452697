//! `redis`: a vault that programs on several hosts share, each grant with one generation for all of them.
//!
//! ```text
//!  {pilotlight:<name>}:vault      hash   header   whose vault it is, its DEK wrapped by a passphrase or by 32 bytes
//!                                        epoch    how often it was written
//!  {pilotlight:<name>}:records    hash   <grant>  generation, sealed record
//!  {pilotlight:<name>}:attempts   hash   <grant>  generation, idempotency key, MAC
//! ```
//!
//! The braces put all keys of a vault into one hash slot, so that a script may touch them all.

mod header;
mod scripts;
mod values;
mod wire;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use redis::{FromRedisValue, RedisResult, Script, Value, cmd, from_redis_value};
use secrecy::SecretString;

pub use self::header::RedisKey;
use self::header::{Header, damaged};
use self::values::{attempt_bytes, generation_of, open_record, seal_record};
use self::wire::{DEADLINE, Wire};
use crate::envelope::Keys;
use crate::{Attempt, Generation, GrantId, Listed, Record, Vault, VaultError};

/// A vault in Redis, read and written by any number of programs on any number of hosts.
///
/// A write that is not answered in time is an error, and whether it took effect is unknown: the next reading tells. A
/// connection that breaks is made anew once, and the write is repeated; it takes effect once.
pub struct RedisVault {
    name: String,
    keys: Keys,
    shared: Mutex<Shared>,
}

struct Shared {
    wire: Wire,
    header: Header,
    /// The furthest epoch seen: a Redis that goes back was restored from an older copy, or lost its last writes.
    seen: u64,
    /// Whether somebody else wrote since this was last asked.
    others: bool,
    /// The furthest generation seen of each grant: one that goes back was put back.
    furthest: HashMap<GrantId, Generation>,
}

/// What a script answers: what became of it, the epoch after it, and what was asked for.
type Values = HashMap<Vec<u8>, Vec<u8>>;
type Answer = (String, u64, Value);

impl fmt::Debug for RedisVault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisVault")
            .field("strategy", &self.strategy())
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// The three keys of a vault.
fn keys_of(name: &str) -> Result<[String; 3], VaultError> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if name.is_empty() || name.len() > 64 || !name.bytes().all(plain) {
        return Err(VaultError::Unavailable(
            "a shared vault is named by 1 to 64 letters, digits, dots, dashes and underscores".to_owned(),
        ));
    }
    Ok(["vault", "records", "attempts"].map(|part| format!("{{pilotlight:{name}}}:{part}")))
}

impl RedisVault {
    /// Opens the vault `name` of `app` at the Redis that `url` names, or makes it where there is none. The address may hold a
    /// password.
    ///
    /// Never makes a key over an existing vault (P4); but a Redis that lost everything cannot be told from a new one.
    /// [`VaultError::WrongPassphrase`] or [`VaultError::WrongKey`] where `key` is another vault's,
    /// [`VaultError::PassphraseNeeded`] where a passphrase opens it.
    pub fn open(url: &SecretString, name: &str, app: &str, key: &RedisKey<'_>) -> Result<Self, VaultError> {
        Self::open_within(DEADLINE, url, name, app, key)
    }

    fn open_within(
        deadline: Duration,
        url: &SecretString,
        name: &str,
        app: &str,
        key: &RedisKey<'_>,
    ) -> Result<Self, VaultError> {
        let places = keys_of(name)?;
        let mut wire = Wire::new(url, deadline)?;
        let read = |wire: &mut Wire| -> Result<Option<Vec<u8>>, VaultError> {
            wire.run(|connection, _| cmd("HGET").arg(&places[0]).arg("header").query(connection))
        };
        let (header, keys) = if let Some(bytes) = read(&mut wire)? {
            let header = Header::read(&bytes)?;
            let keys = header.unlock(app, key)?;
            (header, keys)
        } else {
            let (ours, keys) = Header::make(app, key)?;
            let there: Vec<u8> =
                wire.run(|connection, _| scripts::MAKE.key(&places[..]).arg(ours.as_bytes()).invoke(connection))?;
            if there == ours.as_bytes() {
                (ours, keys)
            } else if there.is_empty() {
                return Err(damaged("there are records and no header"));
            } else {
                // Another host was faster.
                let theirs = Header::read(&there)?;
                let keys = theirs.unlock(app, key)?;
                (theirs, keys)
            }
        };
        let shared = Shared { wire, header, seen: 0, others: false, furthest: HashMap::new() };
        let vault = Self { name: name.to_owned(), keys, shared: Mutex::new(shared) };
        vault.changed_elsewhere()?;
        Ok(vault)
    }

    /// Whether there is anything of a vault `name`.
    pub fn exists(url: &SecretString, name: &str) -> Result<bool, VaultError> {
        let places = keys_of(name)?;
        let found: u64 =
            Wire::new(url, DEADLINE)?.run(|connection, _| cmd("EXISTS").arg(&places[..]).query(connection))?;
        Ok(found > 0)
    }

    /// Removes the vault `name` with all its records, for all hosts.
    pub fn remove_all(url: &SecretString, name: &str) -> Result<(), VaultError> {
        let places = keys_of(name)?;
        Wire::new(url, DEADLINE)?.run(|connection, _| cmd("DEL").arg(&places[..]).query::<u64>(connection))?;
        Ok(())
    }

    /// Sets an unusable vault aside as `<name>.lost-<now_ms>`, for all hosts, so that a new one can be made: only ever on the
    /// person's word. Gives the new name. [`VaultError::NotFound`] where there is nothing to set aside.
    pub fn set_aside(url: &SecretString, name: &str, now_ms: i64) -> Result<String, VaultError> {
        let places = keys_of(name)?;
        // In the same hash slot, which the braces name.
        let aside = places.each_ref().map(|place| format!("{place}.lost-{now_ms}"));
        let moved: i64 = Wire::new(url, DEADLINE)?
            .run(|connection, _| scripts::SET_ASIDE.key(&places[..]).key(&aside[..]).invoke(connection))?;
        match moved {
            0 => Err(VaultError::NotFound),
            1.. => Ok(format!("{{pilotlight:{name}}}:*.lost-{now_ms}")),
            _ => Err(VaultError::Io("the name that the vault would be set aside under is taken".to_owned())),
        }
    }

    /// Wraps the DEK by another key. Hosts that have the vault open go on; whoever opens it from now on needs `key`.
    /// [`VaultError::Busy`] where somebody else changed the key in the meantime.
    pub fn change_key(&self, key: &RedisKey<'_>) -> Result<(), VaultError> {
        let next = Header::wrap(&self.keys, key)?;
        let places = keys_of(&self.name)?;
        let mut shared = self.shared();
        let Shared { wire, header, .. } = &mut *shared;
        let replaced: bool = wire.run(|connection, _| {
            scripts::REWRAP.key(&places[..]).arg(header.as_bytes()).arg(next.as_bytes()).invoke(connection)
        })?;
        if !replaced {
            return Err(VaultError::Busy);
        }
        *header = next;
        Ok(())
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        // Nothing below panics between two changes that belong together.
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs one script, which looks at header and epoch before anything else, and takes note of the epoch. Gives what became of
    /// it, and what it answers with.
    fn call(
        &self,
        shared: &mut Shared,
        script: &Script,
        name: &str,
        arguments: &[&[u8]],
    ) -> Result<(String, Value), VaultError> {
        let places = keys_of(&self.name)?;
        let Shared { wire, header, seen, .. } = &mut *shared;
        let (outcome, epoch, found) = wire.run(|connection, again| -> RedisResult<Answer> {
            let mut call = script.prepare_invoke();
            call.key(&places[..]).arg(header.identity()).arg(*seen).arg(u8::from(again)).arg(name);
            for argument in arguments {
                call.arg(*argument);
            }
            call.invoke(connection)
        })?;
        match outcome.as_str() {
            "changed" => shared.note(epoch, 1)?,
            "read" | "same" | "conflict" | "absent" => shared.note(epoch, 0)?,
            "gone" => return Err(VaultError::RolledBack { found: 0, expected: shared.seen }),
            "older" => return Err(VaultError::RolledBack { found: epoch, expected: shared.seen }),
            "another" => return Err(damaged("another vault of the same name took its place while it was open")),
            _ => return Err(damaged("the epoch is not a number")),
        }
        Ok((outcome, found))
    }

    fn read<T: FromRedisValue>(&self, shared: &mut Shared, script: &Script, name: &str) -> Result<T, VaultError> {
        let (_, found) = self.call(shared, script, name, &[])?;
        from_redis_value(found).map_err(|_| damaged("a value is not of its type"))
    }

    /// One transition.
    fn write(&self, script: &Script, id: &GrantId, arguments: &[&[u8]]) -> Result<(), VaultError> {
        let (outcome, found) = self.call(&mut self.shared(), script, &id.to_string(), arguments)?;
        let actual: Vec<u8> = from_redis_value(found).unwrap_or_default();
        match outcome.as_str() {
            "changed" | "same" => Ok(()),
            "absent" => Err(VaultError::NotFound),
            _ if actual.is_empty() => Err(VaultError::Conflict { actual: None }),
            _ => Err(generation_of(&actual)
                .map_or(VaultError::Tampered(*id), |actual| VaultError::Conflict { actual: Some(actual) })),
        }
    }

    fn opened(&self, shared: &mut Shared, id: &GrantId, value: &[u8], attempt: Option<&[u8]>) -> Option<Record> {
        let record = open_record(&self.keys, id, value, attempt)?;
        let furthest = shared.furthest.entry(*id).or_insert(record.generation);
        if record.generation < *furthest {
            return None;
        }
        *furthest = record.generation;
        Some(record)
    }
}

impl Shared {
    /// Takes note of an epoch that Redis told, of which the last `own` steps are this handle's.
    fn note(&mut self, epoch: u64, own: u64) -> Result<(), VaultError> {
        if epoch < self.seen {
            return Err(VaultError::RolledBack { found: epoch, expected: self.seen });
        }
        self.others |= epoch - self.seen > own;
        self.seen = epoch;
        Ok(())
    }
}

fn stamp(generation: Generation) -> [u8; 8] {
    generation.to_be_bytes()
}

impl Vault for RedisVault {
    fn strategy(&self) -> &'static str {
        "redis"
    }

    fn load(&self, id: &GrantId) -> Result<Option<Record>, VaultError> {
        let (mut shared, name) = (self.shared(), id.to_string());
        let (value, attempt): (Option<Vec<u8>>, Option<Vec<u8>>) = self.read(&mut shared, &scripts::LOAD, &name)?;
        let Some(value) = value else {
            shared.furthest.remove(id);
            return Ok(None);
        };
        self.opened(&mut shared, id, &value, attempt.as_deref()).map(Some).ok_or(VaultError::Tampered(*id))
    }

    fn list(&self) -> Result<Vec<Listed>, VaultError> {
        let mut shared = self.shared();
        let (values, attempts): (Values, Values) = self.read(&mut shared, &scripts::LIST, "")?;
        let mut listed = Vec::with_capacity(values.len());
        for (name, value) in &values {
            let id = std::str::from_utf8(name).ok().and_then(|name| name.parse::<GrantId>().ok());
            let id = id.ok_or_else(|| damaged("a record has no grant's name"))?;
            let record = self.opened(&mut shared, &id, value, attempts.get(name).map(Vec::as_slice));
            listed.push((id, record.map_or(Listed::Damaged { id }, Listed::Record)));
        }
        listed.sort_unstable_by_key(|(id, _)| *id);
        Ok(listed.into_iter().map(|(_, entry)| entry).collect())
    }

    fn create(&self, id: &GrantId, payload: &[u8]) -> Result<Generation, VaultError> {
        let value = seal_record(&self.keys, id, 1, payload)?;
        self.write(&scripts::CREATE, id, &[&value])?;
        self.shared().furthest.insert(*id, 1);
        Ok(1)
    }

    fn begin_attempt(
        &self,
        id: &GrantId,
        generation: Generation,
        saw: Option<&Attempt>,
        attempt: &Attempt,
    ) -> Result<(), VaultError> {
        let bytes = |attempt: &Attempt| attempt_bytes(&self.keys, id, generation, attempt);
        let saw = saw.map_or_else(Vec::new, bytes);
        self.write(&scripts::BEGIN_ATTEMPT, id, &[&stamp(generation), &saw, &bytes(attempt)])
    }

    fn end_attempt(&self, id: &GrantId, generation: Generation, attempt: &Attempt) -> Result<(), VaultError> {
        let attempt = attempt_bytes(&self.keys, id, generation, attempt);
        self.write(&scripts::END_ATTEMPT, id, &[&stamp(generation), &attempt])
    }

    fn commit(&self, id: &GrantId, expected: Generation, payload: &[u8]) -> Result<Generation, VaultError> {
        // No record is ever at the last number, so the script answers with where it is, or that there is none.
        let next = expected.saturating_add(1);
        let value = seal_record(&self.keys, id, next, payload)?;
        self.write(&scripts::COMMIT, id, &[&stamp(expected), &value])?;
        Ok(next)
    }

    fn changed_elsewhere(&self) -> Result<bool, VaultError> {
        let mut shared = self.shared();
        self.call(&mut shared, &scripts::LOOK, "", &[])?;
        Ok(std::mem::take(&mut shared.others))
    }

    /// What of this Redis' settings can lose what was committed. Not every Redis lets its users ask.
    fn examine(&self) -> Result<Vec<&'static str>, VaultError> {
        let told: String = self.shared().wire.run(|connection, _| cmd("INFO").arg("everything").query(connection))?;
        let says = |line: &str| told.lines().any(|found| found.trim_end().starts_with(line));
        let mut remarks = Vec::new();
        if says("aof_enabled:0") {
            remarks.push(
                "this Redis has no append-only file: what was committed since its last snapshot is lost when it ends; set appendonly yes and appendfsync always",
            );
        }
        if says("maxmemory_policy:allkeys") {
            remarks
                .push("this Redis may throw the vault away when its memory is full; set maxmemory-policy noeviction");
        }
        Ok(remarks)
    }

    fn remove(&self, id: &GrantId) -> Result<(), VaultError> {
        self.write(&scripts::REMOVE, id, &[])?;
        self.shared().furthest.remove(id);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
