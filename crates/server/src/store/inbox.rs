//! Work on its way to the one thread that does it. What comes while that thread is busy waits here, and is taken together.
//!
//! After many at once the thread waits for as many again, a moment at most: whoever was answered just now comes back soon, and to
//! begin with the first of them would take a transaction and an fsync for a few, while the others stand in line. Who comes alone
//! never waits.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

struct State<T> {
    waiting: Vec<T>,
    /// The taker sleeps until so many are there; 0 while it does not sleep.
    wanted: usize,
    closed: bool,
}

struct Inbox<T> {
    state: Mutex<State<T>>,
    enough: Condvar,
}

/// Where work is put in. Dropped, it closes: what is there is still taken.
pub(super) struct Giver<T>(Arc<Inbox<T>>);

/// Where work is taken out. Dropped, it drops whatever is there and whatever comes.
pub(super) struct Taker<T> {
    inbox: Arc<Inbox<T>>,
    linger: Duration,
}

/// Both ends. The taker waits no longer than `linger` for more.
pub(super) fn inbox<T>(linger: Duration) -> (Giver<T>, Taker<T>) {
    let state = Mutex::new(State { waiting: Vec::new(), wanted: 0, closed: false });
    let inbox = Arc::new(Inbox { state, enough: Condvar::new() });
    (Giver(inbox.clone()), Taker { inbox, linger })
}

impl<T> Inbox<T> {
    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> State<T> {
    fn lacks(&mut self) -> bool {
        self.waiting.len() < self.wanted && !self.closed
    }
}

impl<T> Giver<T> {
    /// Drops it where nobody takes any more.
    pub(super) fn put(&self, work: T) {
        let mut state = self.0.state();
        if state.closed {
            return;
        }
        state.waiting.push(work);
        // A system call, so it is made for the one that completes the number.
        if state.waiting.len() == state.wanted {
            drop(state);
            self.0.enough.notify_one();
        }
    }
}

impl<T> Drop for Giver<T> {
    fn drop(&mut self) {
        self.0.state().closed = true;
        self.0.enough.notify_one();
    }
}

impl<T> Taker<T> {
    /// Waits until there is something, then a moment until `expected` are there; at most `most` of them, the first ones first. `None`
    /// once it is closed and empty.
    pub(super) fn take(&self, expected: usize, most: usize) -> Option<Vec<T>> {
        let Inbox { enough, .. } = &*self.inbox;
        let mut state = self.inbox.state();
        state.wanted = 1;
        state = enough.wait_while(state, State::lacks).unwrap_or_else(PoisonError::into_inner);
        if state.waiting.len() < expected {
            state.wanted = expected;
            let waited = enough.wait_timeout_while(state, self.linger, State::lacks);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        state.wanted = 0;
        let number = state.waiting.len().min(most);
        let left = state.waiting.split_off(number);
        let taken = std::mem::replace(&mut state.waiting, left);
        (!taken.is_empty()).then_some(taken)
    }
}

impl<T> Drop for Taker<T> {
    fn drop(&mut self) {
        let mut state = self.inbox.state();
        state.closed = true;
        let left = std::mem::take(&mut state.waiting);
        drop(state);
        drop(left);
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    /// Longer than any test takes.
    const LONG: Duration = Duration::from_secs(600);

    #[test]
    fn who_comes_alone_is_taken_at_once_and_what_waits_is_taken_together_in_its_order() {
        let (giver, taker) = inbox(LONG);
        giver.put(1);
        assert_eq!(taker.take(1, 9), Some(vec![1]));
        (2..7).for_each(|n| giver.put(n));
        assert_eq!(taker.take(1, 3), Some(vec![2, 3, 4]));
        assert_eq!(taker.take(2, 3), Some(vec![5, 6]));
    }

    #[test]
    fn as_many_as_the_last_time_are_waited_for_and_no_longer_than_a_moment() {
        let (giver, taker) = inbox(LONG);
        let taken = thread::scope(|scope| {
            let taking = scope.spawn(|| taker.take(3, 9));
            (0..3).for_each(|n| giver.put(n));
            taking.join().unwrap()
        });
        assert_eq!(taken, Some(vec![0, 1, 2]));
        let (giver, taker) = inbox(Duration::ZERO);
        giver.put(1);
        assert_eq!(taker.take(3, 9), Some(vec![1]));
    }

    #[test]
    fn what_was_put_in_before_the_end_is_taken_without_waiting_for_more() {
        let (giver, taker) = inbox(LONG);
        giver.put(1);
        drop(giver);
        assert_eq!((taker.take(3, 9), taker.take(3, 9)), (Some(vec![1]), None));
    }

    #[test]
    fn what_nobody_will_take_is_dropped() {
        let (giver, taker) = inbox(LONG);
        let work = Arc::new(());
        giver.put(work.clone());
        drop(taker);
        giver.put(work.clone());
        assert_eq!(Arc::strong_count(&work), 1);
    }
}
