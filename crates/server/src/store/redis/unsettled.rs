//! Rotations whose answer from Redis did not come. Each may have been made, and may yet be made; its caller was told 503.
//! Until Redis says which, nobody here decides on that grant; and what was made is noted as lost, so that the token from
//! before has a way back.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak, mpsc};
use std::thread;
use std::time::Duration;

use redis::Script;

use super::connections::Connections;
use super::grant_key;
use crate::grant::GrantId;
use crate::store::StoreError;

/// Between two attempts to reach Redis.
const PAUSE: Duration = Duration::from_millis(100);
/// More grants than this are not remembered: it would take as many refreshes within one time-out.
const MOST: usize = 100_000;

/// A swap, and what to write in either case.
#[derive(Debug, Clone)]
pub(super) struct Doubt {
    pub(super) before: Vec<u8>,
    pub(super) after: Vec<u8>,
    pub(super) after_lost: Vec<u8>,
    pub(super) before_marked_anew: Vec<u8>,
}

pub(super) struct Unsettled {
    doubts: Mutex<HashMap<GrantId, Vec<Doubt>>>,
    wake: mpsc::SyncSender<()>,
    connections: Arc<Connections>,
    script: Script,
}

impl Unsettled {
    pub(super) fn new(connections: Arc<Connections>) -> Result<Arc<Self>, StoreError> {
        let (wake, woken) = mpsc::sync_channel(1);
        let script = Script::new(include_str!("settle.lua"));
        let unsettled = Arc::new(Self { doubts: Mutex::default(), wake, connections, script });
        // It ends with the store: then nobody holds the sender any more.
        let weak = Arc::downgrade(&unsettled);
        thread::Builder::new().name("pilotlight-settle".to_owned()).spawn(move || work_off(&weak, &woken))?;
        Ok(unsettled)
    }

    fn all(&self) -> MutexGuard<'_, HashMap<GrantId, Vec<Doubt>>> {
        self.doubts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on until it is settled this grant is in doubt.
    pub(super) fn note(&self, id: GrantId, doubt: Doubt) {
        let mut doubts = self.all();
        if doubts.len() < MOST || doubts.contains_key(&id) {
            doubts.entry(id).or_default().push(doubt);
        } else {
            tracing::error!(grant_id = %id, "too many rotations are in doubt; this one is not followed up");
        }
        drop(doubts);
        // Full means that it is awake already.
        self.wake.try_send(()).ok();
    }

    /// Whether anything of that grant is in doubt.
    pub(super) fn doubts(&self, id: GrantId) -> bool {
        self.all().contains_key(&id)
    }

    /// Before anything is decided on that grant.
    pub(super) fn settle(&self, id: GrantId) -> Result<(), StoreError> {
        let Some(doubts) = self.all().get(&id).cloned() else { return Ok(()) };
        for doubt in &doubts {
            self.connections.ask_once(|connection| {
                self.script
                    .key(grant_key(id))
                    .arg(&doubt.before)
                    .arg(&doubt.after)
                    .arg(&doubt.after_lost)
                    .arg(&doubt.before_marked_anew)
                    .invoke::<()>(connection)
            })?;
        }
        let mut all = self.all();
        if let Some(left) = all.get_mut(&id) {
            // Others may have been noted meanwhile. No two have the same mark.
            left.retain(|one| !doubts.iter().any(|settled| settled.after == one.after));
            if left.is_empty() {
                all.remove(&id);
            }
        }
        tracing::info!(grant_id = %id, "a rotation in doubt is settled");
        Ok(())
    }
}

fn work_off(unsettled: &Weak<Unsettled>, woken: &mpsc::Receiver<()>) {
    let mut wait = None;
    loop {
        let ended = match wait {
            None => woken.recv().is_err(),
            Some(pause) => woken.recv_timeout(pause) == Err(mpsc::RecvTimeoutError::Disconnected),
        };
        let Some(unsettled) = unsettled.upgrade().filter(|_| !ended) else { return };
        let ids: Vec<GrantId> = unsettled.all().keys().copied().collect();
        let all = ids.into_iter().try_for_each(|id| unsettled.settle(id));
        wait = all.is_err().then_some(PAUSE);
    }
}
