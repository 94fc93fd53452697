//! The part of the suite where many come at the same moment.

use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::Store;
use super::suite::{KEY, START, generation_of, grant, kept, reason, redeem};
use crate::grant::{Outcome, Reason};

/// The same at the same moment, fifty times.
pub(super) fn at_once<T: Send>(work: impl Fn() -> T + Sync) -> Vec<T> {
    let barrier = Barrier::new(50);
    let run = || {
        barrier.wait();
        work()
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..50).map(|_| scope.spawn(run)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

fn count(outcomes: &[Outcome], word: &str) -> usize {
    outcomes.iter().filter(|outcome| outcome.as_str() == word).count()
}

pub(super) fn fifty_uses_at_once_without_key_rotate_once_and_end_the_grant(store: &impl Store) {
    let id = kept(store, &grant(1));
    let outcomes = at_once(|| redeem(store, id, 0, None));
    assert_eq!((count(&outcomes, "rotated"), count(&outcomes, "reused"), count(&outcomes, "revoked")), (1, 1, 48));
    assert_eq!(reason(store, id), Some(Reason::Reuse));
}

pub(super) fn fifty_uses_at_once_with_one_key_get_one_successor(store: &impl Store) {
    let id = kept(store, &grant(1));
    let outcomes = at_once(|| redeem(store, id, 0, Some(KEY)));
    assert_eq!((count(&outcomes, "rotated"), count(&outcomes, "repeated")), (1, 49));
    assert!(outcomes.iter().all(|outcome| generation_of(outcome) == Some(1)));
    assert_eq!(reason(store, id), None);
}

pub(super) fn revoking_wins_against_fifty_refreshes(store: &impl Store) {
    let id = kept(store, &grant(1));
    std::thread::scope(|scope| {
        scope.spawn(|| store.revoke(id, Reason::SignedOut, START).unwrap());
        at_once(|| redeem(store, id, 0, Some(KEY)));
    });
    assert_eq!(reason(store, id), Some(Reason::SignedOut));
    assert_eq!(redeem(store, id, 1, None), Outcome::Revoked(Reason::SignedOut), "whichever came first");
}

/// For stores that several processes share: not part of the macro.
pub(super) fn two_processes_hand_out_one_successor(one: &impl Store, two: &impl Store) {
    let id = kept(one, &grant(1));
    let turn = AtomicUsize::new(0);
    let outcomes = at_once(|| {
        let odd = turn.fetch_add(1, Ordering::Relaxed) % 2 == 1;
        if odd { redeem(one, id, 0, None) } else { redeem(two, id, 0, None) }
    });
    assert_eq!((count(&outcomes, "rotated"), count(&outcomes, "reused"), count(&outcomes, "revoked")), (1, 1, 48));
    let id = kept(one, &grant(2));
    let outcomes = at_once(|| {
        let odd = turn.fetch_add(1, Ordering::Relaxed) % 2 == 1;
        if odd { redeem(one, id, 0, Some(KEY)) } else { redeem(two, id, 0, Some(KEY)) }
    });
    assert_eq!((count(&outcomes, "rotated"), count(&outcomes, "repeated")), (1, 49));
}
