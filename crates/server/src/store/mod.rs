//! What the server keeps. A [`Store`] is asked for whole transitions, not for rows: each is atomic, and durable (as far as
//! the store is) before it returns. The rules themselves are pure and stand in [`crate::grant`], [`crate::code`] and
//! [`crate::device`].

mod checkpoint;
mod inbox;
mod memory;
mod memory_grants;
#[cfg(feature = "redis")]
mod redis;
mod sqlite;
mod sqlite_grants;
mod sqlite_people;
mod sqlite_requests;
#[cfg(test)]
mod suite;
#[cfg(test)]
mod suite_binding;
#[cfg(test)]
mod suite_codes;
#[cfg(test)]
mod suite_declared;
#[cfg(test)]
mod suite_people;
#[cfg(test)]
mod suite_races;
#[cfg(test)]
mod suite_requests;
mod tell;
mod writer;

use std::time::Duration;

use pilotlight_oauth::Timestamp;

pub use memory::MemoryStore;
#[cfg(feature = "redis")]
pub use redis::RedisStore;
pub use sqlite::SqliteStore;

use crate::client::Client;
use crate::code::{Code, Exchange, Exchanged};
use crate::device::{Decision, Device, Poll, Polled};
use crate::grant::{Grant, GrantId, Outcome, Reason, Redemption};
use crate::keys::{KeyName, OldKeys};
use crate::pushed::Pushed;

/// A person who can sign in.
#[derive(Clone, PartialEq, Eq)]
pub struct User {
    /// `sub`: random, never reused, tells nothing.
    pub subject: String,
    /// What the person types.
    pub name: String,
    /// PHC string of the password, Argon2id.
    pub password_hash: String,
    /// The secret of the second factor, sealed under a key of the server; `None` where the person has none.
    pub totp: Option<Vec<u8>>,
    /// The last time step whose code was taken: none is taken twice (RFC 6238 section 5.2).
    pub totp_last_step: Option<i64>,
    /// The language that the person chose, as BCP 47 writes it.
    pub locale: Option<String>,
}

impl User {
    /// With a password and nothing else.
    #[must_use]
    pub fn new(subject: String, name: String, password_hash: String) -> Self {
        Self { subject, name, password_hash, totp: None, totp_last_step: None, locale: None }
    }
}

impl std::fmt::Debug for User {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("User").field("subject", &self.subject).field("name", &self.name).finish_non_exhaustive()
    }
}

/// The store could not do its work. Nobody is signed out by it: it is answered with 503.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// SQLite reported an error.
    #[error("the store cannot be used: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// A transition did not reach the disk; its log line says why. It may yet have happened: ask again.
    #[error("the store could not be written")]
    NotDurable,
    /// Redis did not answer, or said no; its word for it. What was asked for may yet happen: ask again.
    #[error("Redis cannot be used: {0}")]
    Away(String),
    /// This is no address of a Redis.
    #[error(
        "not the address of a Redis: redis://HOST:PORT/DB, redis+unix://PATH, redis+cluster://HOST:PORT,… or redis+sentinel://HOST:PORT,…/MASTER; rediss… under TLS"
    )]
    BadAddress,
    /// A row is not what this program writes.
    #[error("the store is damaged: {0}")]
    Damaged(&'static str),
    /// The store was written by a newer version of this program.
    #[error("the store has format {found}, and this program knows formats up to {known}")]
    TooNew {
        /// The format of the store.
        found: i64,
        /// The newest format this program knows.
        known: i64,
    },
    /// The file cannot be made or its permissions cannot be set.
    #[error("the store's file cannot be used: {0}")]
    File(#[from] std::io::Error),
}

/// Is told what came of a redemption, once.
pub type Then = Box<dyn FnOnce(Result<Outcome, StoreError>) + Send>;

/// Where the server keeps people, clients, grants and codes. Calls may block.
pub trait Store: Send + Sync + 'static {
    /// Whether no call ever waits, so that it may be made on a thread that others need.
    fn is_prompt(&self) -> bool {
        false
    }

    /// The newest of the server's keys that this store has seen; `None` for a store that was never used.
    fn newest_key(&self) -> Result<Option<KeyName>, StoreError>;
    /// Notes by [`KeyName::admit`] which key is the newest, in one atomic step. Whether these are the keys of this store.
    fn admit_keys(&self, ours: &[KeyName]) -> Result<bool, StoreError>;
    /// The keys that an older version of this program kept here, until they are forgotten.
    fn old_keys(&self) -> Result<Option<OldKeys>, StoreError> {
        Ok(None)
    }
    /// Forgets them, so that no copy of the store has them.
    fn forget_old_keys(&self) -> Result<(), StoreError> {
        Ok(())
    }

    /// Adds a person. False where the name is taken, and then nothing changes.
    fn add_user(&self, user: &User) -> Result<bool, StoreError>;
    /// The person of that name.
    fn user_named(&self, name: &str) -> Result<Option<User>, StoreError>;
    /// The person with that `sub`.
    fn user(&self, subject: &str) -> Result<Option<User>, StoreError>;
    /// All people, by name.
    fn users(&self) -> Result<Vec<User>, StoreError>;
    /// Puts `after` in the place of `before`, if that is what is kept, in one atomic durable step. Whether it was. Neither
    /// `subject` nor `name` can change.
    fn change_user(&self, before: &User, after: &User) -> Result<bool, StoreError>;
    /// Forgets a person. Whether there was one. Their grants are the caller's to end first.
    fn remove_user(&self, subject: &str) -> Result<bool, StoreError>;

    /// Gives the person of that name another password, and nothing else. Whether there is one.
    fn set_password(&self, name: &str, password_hash: &str) -> Result<bool, StoreError>;

    /// Adds a client. False where the id is taken, and then nothing changes.
    fn add_client(&self, client: &Client) -> Result<bool, StoreError>;
    /// The client with that id.
    fn client(&self, id: &str) -> Result<Option<Client>, StoreError>;

    /// Keeps a client, in the place of the one that had its id.
    fn put_client(&self, client: &Client) -> Result<(), StoreError>;
    /// How many clients have registered themselves; a little more where a registration broke off.
    fn registered_clients(&self) -> Result<u64, StoreError>;

    /// Keeps a new grant.
    fn add_grant(&self, grant: &Grant) -> Result<(), StoreError>;
    /// Keeps many new grants, faster than one by one; not all or nothing.
    fn add_grants(&self, grants: &[Grant]) -> Result<(), StoreError> {
        grants.iter().try_for_each(|grant| self.add_grant(grant))
    }
    /// The grant of that name.
    fn grant(&self, id: GrantId) -> Result<Option<Grant>, StoreError>;
    /// All grants, the newest first.
    fn grants(&self) -> Result<Vec<Grant>, StoreError>;
    /// The grants of one person, the newest first.
    fn grants_of(&self, subject: &str) -> Result<Vec<Grant>, StoreError>;
    /// Spends a refresh token by the rule of [`Grant::redeem`], in one atomic durable step.
    fn redeem(&self, presented: &Redemption) -> Result<Outcome, StoreError>;
    /// Whether [`Self::redeem_then`] leaves the caller's thread alone.
    fn queues(&self) -> bool {
        false
    }
    /// The same as [`Self::redeem`] where many ask at once: `then` is called when it is durable, from any thread.
    fn redeem_then(&self, presented: Redemption, then: Then) {
        then(self.redeem(&presented));
    }
    /// Ends a grant by [`Grant::revoke`]. Whether it was this call that ended it; `None` where there is no such grant.
    fn revoke(&self, id: GrantId, reason: Reason, now: Timestamp) -> Result<Option<bool>, StoreError>;

    /// Keeps a new authorization code.
    fn add_code(&self, code: &Code) -> Result<(), StoreError>;
    /// Spends an authorization code by the rule of [`Code::exchange`], and keeps the new grant or revokes the one that
    /// the code gave before, in one atomic durable step.
    fn exchange(&self, presented: &Exchange) -> Result<Exchanged, StoreError>;

    /// Keeps the request of a device. False where its name is taken, and then nothing changes.
    fn add_device(&self, device: &Device) -> Result<bool, StoreError>;
    /// The device's request of that name.
    fn device(&self, name: &[u8; 32]) -> Result<Option<Device>, StoreError>;
    /// Notes by [`Device::decide`] what a person said, in one atomic step. Whether it counted.
    fn decide_device(&self, decision: &Decision) -> Result<bool, StoreError>;
    /// Answers a device by the rule of [`Device::poll`], and keeps the new grant or revokes the one that the code gave
    /// before, in one atomic durable step.
    fn poll_device(&self, poll: &Poll) -> Result<Polled, StoreError>;

    /// Keeps a pushed authorization request.
    fn add_pushed(&self, pushed: &Pushed) -> Result<(), StoreError>;
    /// Takes it out: of many who ask at once, one gets it. It may have expired.
    fn take_pushed(&self, hash: &[u8; 32]) -> Result<Option<Pushed>, StoreError>;

    /// Notes for that long that a proof came (RFC 9449 section 11.1). Whether it was the first of that name. A store that one
    /// process alone serves leaves it to that process.
    fn first_sight(&self, _proof: &[u8; 16], _life: Duration) -> Result<bool, StoreError> {
        Ok(true)
    }

    /// Forgets what has been over since before `then`: codes and requests that expired, grants revoked or last rotated. It does so in
    /// small steps, and holds nobody up in between. How many grants were forgotten.
    fn forget(&self, codes_before: Timestamp, grants_before: Timestamp) -> Result<usize, StoreError>;
}
