//! Clients as they were a moment ago. Every request names one, and hardly one ever changes: so the store is not asked each time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use pilotlight_oauth::Timestamp;

use crate::client::Client;

/// How long a change of a client may go unnoticed.
const LIFE: Duration = Duration::from_secs(5);
/// More than these are not kept.
const MOST: usize = 1000;

/// Those that were looked up lately. One that was not found is not among them, so that a new one is known at once.
#[derive(Default)]
pub(crate) struct RecentClients(Mutex<HashMap<String, (Timestamp, Arc<Client>)>>);

impl RecentClients {
    /// As it was at most a moment before `now`.
    pub(crate) fn recall(&self, id: &str, now: Timestamp) -> Option<Arc<Client>> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // A clock that was set back ends it too.
        let (since, client) = known.get(id)?;
        (*since <= now && now < since.plus(LIFE)).then(|| client.clone())
    }

    /// As it is `now`.
    pub(crate) fn note(&self, client: Client, now: Timestamp) -> Arc<Client> {
        let client = Arc::new(client);
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST {
            known.clear();
        }
        known.insert(client.id.clone(), (now, client.clone()));
        client
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_recalled_for_a_moment_and_not_by_a_clock_that_was_set_back() {
        let (clients, then) = (RecentClients::default(), Timestamp::from_secs(1000));
        assert!(clients.recall("app", then).is_none());
        clients.note(Client::public("app", vec!["http://127.0.0.1/".to_owned()]).unwrap(), then);
        assert!(clients.recall("app", then).is_some());
        assert!(clients.recall("app", then.plus(LIFE)).is_none());
        assert!(clients.recall("app", then.minus(Duration::from_secs(1))).is_none());
    }

    #[test]
    fn no_more_clients_are_kept_than_were_meant_to_be() {
        let (clients, then) = (RecentClients::default(), Timestamp::from_secs(1000));
        for n in 0..=MOST {
            clients.note(Client::public(&format!("app-{n}"), vec!["http://127.0.0.1/".to_owned()]).unwrap(), then);
        }
        assert!(clients.0.lock().unwrap().len() <= MOST);
    }
}
