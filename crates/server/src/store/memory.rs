//! Everything in memory, gone with the process: for tests and demonstrations.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use pilotlight_oauth::Timestamp;

use super::memory_grants::Grants;
use super::{Store, StoreError, User};
use crate::client::{Client, Setting};
use crate::code::{Code, Exchange, Exchanged};
use crate::device::{Decision, Device, Poll, Polled};
use crate::grant::{Grant, GrantId, Outcome, Reason, Redemption};
use crate::keys::KeyName;
use crate::pushed::Pushed;

/// How many grants are looked at before others have their turn.
const STEP: usize = 1000;

/// A store that lives as long as the process.
#[derive(Debug, Default)]
pub struct MemoryStore(Mutex<Tables>);

#[derive(Debug, Default)]
struct Tables {
    newest_key: Option<KeyName>,
    users: Vec<User>,
    clients: HashMap<String, Client>,
    grants: Grants,
    codes: HashMap<[u8; 32], Code>,
    devices: HashMap<[u8; 32], Device>,
    pushed: HashMap<[u8; 32], Pushed>,
}

impl MemoryStore {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn tables(&self) -> MutexGuard<'_, Tables> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for MemoryStore {
    fn is_prompt(&self) -> bool {
        true
    }

    fn newest_key(&self) -> Result<Option<KeyName>, StoreError> {
        Ok(self.tables().newest_key)
    }

    fn admit_keys(&self, ours: &[KeyName]) -> Result<bool, StoreError> {
        let mut tables = self.tables();
        let admitted = KeyName::admit(tables.newest_key, ours);
        tables.newest_key = admitted.or(tables.newest_key);
        Ok(admitted.is_some())
    }

    fn add_user(&self, user: &User) -> Result<bool, StoreError> {
        let mut tables = self.tables();
        let free = !tables.users.iter().any(|known| known.name == user.name);
        if free {
            tables.users.push(user.clone());
        }
        Ok(free)
    }

    fn user_named(&self, name: &str) -> Result<Option<User>, StoreError> {
        Ok(self.tables().users.iter().find(|user| user.name == name).cloned())
    }

    fn user(&self, subject: &str) -> Result<Option<User>, StoreError> {
        Ok(self.tables().users.iter().find(|user| user.subject == subject).cloned())
    }

    fn users(&self) -> Result<Vec<User>, StoreError> {
        let mut users = self.tables().users.clone();
        users.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(users)
    }

    fn change_user(&self, before: &User, after: &User) -> Result<bool, StoreError> {
        let mut tables = self.tables();
        let kept = tables.users.iter_mut().find(|user| *user == before);
        Ok(kept.map(|user| user.clone_from(after)).is_some())
    }

    fn remove_user(&self, subject: &str) -> Result<bool, StoreError> {
        let mut tables = self.tables();
        let before = tables.users.len();
        tables.users.retain(|user| user.subject != subject);
        Ok(tables.users.len() < before)
    }

    fn set_password(&self, name: &str, password_hash: &str) -> Result<bool, StoreError> {
        let mut tables = self.tables();
        let Some(user) = tables.users.iter_mut().find(|user| user.name == name) else { return Ok(false) };
        password_hash.clone_into(&mut user.password_hash);
        Ok(true)
    }

    fn add_client(&self, client: &Client) -> Result<bool, StoreError> {
        let mut tables = self.tables();
        let free = !tables.clients.contains_key(&client.id);
        if free {
            tables.clients.insert(client.id.clone(), client.clone());
        }
        Ok(free)
    }

    fn put_client(&self, client: &Client) -> Result<(), StoreError> {
        self.tables().clients.insert(client.id.clone(), client.clone());
        Ok(())
    }

    fn registered_clients(&self) -> Result<u64, StoreError> {
        let registered = self.tables().clients.values().filter(|client| client.has(Setting::Registered)).count();
        Ok(u64::try_from(registered).unwrap_or(u64::MAX))
    }

    fn client(&self, id: &str) -> Result<Option<Client>, StoreError> {
        Ok(self.tables().clients.get(id).cloned())
    }

    fn add_grant(&self, grant: &Grant) -> Result<(), StoreError> {
        self.tables().grants.insert(grant);
        Ok(())
    }

    fn grant(&self, id: GrantId) -> Result<Option<Grant>, StoreError> {
        Ok(self.tables().grants.get(id))
    }

    fn grants(&self) -> Result<Vec<Grant>, StoreError> {
        let mut grants: Vec<Grant> = self.tables().grants.iter().collect();
        grants.sort_by_key(|grant| (std::cmp::Reverse(grant.created_at), grant.id));
        Ok(grants)
    }

    fn grants_of(&self, subject: &str) -> Result<Vec<Grant>, StoreError> {
        let (mut grants, mut last) = (Vec::new(), None);
        loop {
            let (theirs, looked_at) = self.tables().grants.of_after(subject, last, STEP);
            grants.extend(theirs);
            match looked_at {
                Some(id) => last = Some(id),
                None => break,
            }
        }
        grants.sort_by_key(|grant| (std::cmp::Reverse(grant.created_at), grant.id));
        Ok(grants)
    }

    fn redeem(&self, presented: &Redemption) -> Result<Outcome, StoreError> {
        let redeemed = self.tables().grants.change(presented.grant, |grant| grant.redeem(presented));
        Ok(redeemed.unwrap_or(Outcome::Unknown))
    }

    fn revoke(&self, id: GrantId, reason: Reason, now: Timestamp) -> Result<Option<bool>, StoreError> {
        Ok(self.tables().grants.change(id, |grant| grant.revoke(reason, now)))
    }

    fn add_code(&self, code: &Code) -> Result<(), StoreError> {
        self.tables().codes.insert(code.hash, code.clone());
        Ok(())
    }

    fn exchange(&self, presented: &Exchange) -> Result<Exchanged, StoreError> {
        let mut tables = self.tables();
        let Some(code) = tables.codes.get_mut(&presented.hash) else { return Ok(Exchanged::Unknown) };
        let exchanged = code.exchange(presented);
        match &exchanged {
            Exchanged::Granted(grant, _) => {
                tables.grants.insert(grant);
            }
            Exchanged::Again(Some(id)) => {
                tables.grants.change(*id, |grant| grant.revoke(Reason::CodeReuse, presented.now));
            }
            _ => {}
        }
        Ok(exchanged)
    }

    fn add_device(&self, device: &Device) -> Result<bool, StoreError> {
        let mut tables = self.tables();
        let free = !tables.devices.contains_key(&device.name);
        if free {
            tables.devices.insert(device.name, device.clone());
        }
        Ok(free)
    }

    fn device(&self, name: &[u8; 32]) -> Result<Option<Device>, StoreError> {
        Ok(self.tables().devices.get(name).cloned())
    }

    fn decide_device(&self, decision: &Decision) -> Result<bool, StoreError> {
        Ok(self.tables().devices.get_mut(&decision.name).is_some_and(|device| device.decide(decision)))
    }

    fn poll_device(&self, poll: &Poll) -> Result<Polled, StoreError> {
        let mut tables = self.tables();
        let Some(device) = tables.devices.get_mut(&poll.name) else { return Ok(Polled::Unknown) };
        let polled = device.poll(poll);
        match &polled {
            Polled::Granted(grant, _) => {
                tables.grants.insert(grant);
            }
            Polled::Again(id) => {
                tables.grants.change(*id, |grant| grant.revoke(Reason::CodeReuse, poll.now));
            }
            _ => {}
        }
        Ok(polled)
    }

    fn add_pushed(&self, pushed: &Pushed) -> Result<(), StoreError> {
        self.tables().pushed.insert(pushed.hash, pushed.clone());
        Ok(())
    }

    fn take_pushed(&self, hash: &[u8; 32]) -> Result<Option<Pushed>, StoreError> {
        Ok(self.tables().pushed.remove(hash))
    }

    fn forget(&self, codes_before: Timestamp, grants_before: Timestamp) -> Result<usize, StoreError> {
        // Codes and requests live minutes and are remembered for a day: there are never many.
        {
            let mut tables = self.tables();
            tables.codes.retain(|_, code| code.expires_at >= codes_before);
            tables.devices.retain(|_, device| device.expires_at >= codes_before);
            tables.pushed.retain(|_, pushed| pushed.expires_at >= codes_before);
        }
        let (mut forgotten, mut last) = (0, None);
        loop {
            let (over, looked_at) = self.tables().grants.forget_after(last, STEP, grants_before);
            forgotten += over;
            match looked_at {
                Some(id) => last = Some(id),
                None => return Ok(forgotten),
            }
            // A lock that is taken again at once is hardly ever got by those who wait for it.
            std::thread::yield_now();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    crate::store::suite::every_test!((MemoryStore::new(), ()));
    crate::store::suite::every_test_of_forgetting!((MemoryStore::new(), ()));
}
