//! Rotations whose answer from Redis did not come. Each may have been made, and may yet be made; its caller was told 503.
//! Until Redis says which, nobody here decides on that grant; and what was made is noted as lost, so that the token from
//! before has a way back.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak, mpsc};
use std::thread;
use std::time::Duration;

use super::records::Marked;
use super::swap::Swaps;
use super::{grant_key, make_grant_mark};
use crate::grant::GrantId;
use crate::store::StoreError;

/// Between two attempts to reach Redis.
const PAUSE: Duration = Duration::from_millis(100);
/// More grants than this are not remembered: it would take as many refreshes within one time-out.
const MOST: usize = 100_000;

/// A change of a grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Doubt {
    /// Which it leaves behind.
    pub(super) mark: u32,
    /// The generation that it was made of: it cannot be made of a later one.
    pub(super) of: u32,
}

pub(super) struct Unsettled {
    doubts: Mutex<HashMap<GrantId, Vec<Doubt>>>,
    wake: mpsc::SyncSender<()>,
    swaps: Swaps,
}

impl Unsettled {
    pub(super) fn new(swaps: Swaps) -> Result<Arc<Self>, StoreError> {
        let (wake, woken) = mpsc::sync_channel(1);
        let unsettled = Arc::new(Self { doubts: Mutex::default(), wake, swaps });
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

    /// Before anything is decided on that grant. Either one of them was made, and nobody has the token; or from now on none of
    /// them can be made: a swap finds another record than it was decided on, and a script one that is closed to scripts.
    pub(super) fn settle(&self, id: GrantId) -> Result<(), StoreError> {
        let Some(doubts) = self.all().get(&id).cloned() else { return Ok(()) };
        let (key, anew) = (grant_key(id), make_grant_mark()?);
        let decide = |is: Option<&[u8]>| {
            // Of what is gone, or damaged, nothing can be made.
            let Some(before) = is.and_then(|text| Marked::read(id, text).ok()) else { return Ok((None, ())) };
            let made = doubts.iter().any(|doubt| doubt.mark == before.mark);
            let may_come = doubts.iter().any(|doubt| doubt.of >= before.grant.generation);
            let mut after = Marked { mark: anew, ..before };
            after.grant.answer_lost |= made;
            Ok(((made || may_come).then(|| after.write_guarded()), ()))
        };
        // One that is in doubt itself is made again: it says the same of the same record.
        let ((), changed_on) = self.swaps.step(&key, self.swaps.read(&key)?, None, decide, || {})?;
        self.swaps.done_on(changed_on);
        let mut all = self.all();
        if let Some(left) = all.get_mut(&id) {
            // Others may have been noted meanwhile.
            left.retain(|doubt| !doubts.contains(doubt));
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
