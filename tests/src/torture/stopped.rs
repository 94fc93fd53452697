//! A process that is stopped while it holds the lock of a grant, and those who wait for it.

use std::{
    fs,
    time::{Duration, Instant},
};

use super::{Bench, Failure, Keys, Side, Victim};
use crate::{process::signal, wait};

/// How many processes wait.
const WAITING: usize = 4;

/// What the waiting ones came to.
#[derive(Debug)]
pub struct Waiting {
    /// What each of them came to: the number of its refresh.
    pub came_to: Vec<Result<u64, Failure>>,
    /// How long they waited, from the start of the first of them.
    pub waited: Duration,
    /// What those came to that tried when the stopped one had gone on.
    pub afterwards: Vec<Result<u64, Failure>>,
    /// How the server answered all refresh tokens, in order.
    pub outcomes: Vec<String>,
}

/// One process holds the lock, since its request does not get through, and is stopped; others come to wait. Then the stopped one
/// is killed: the lock must be free at once, and the first of the others takes up the attempt that it left behind.
pub fn kill_the_stopped_holder() -> Waiting {
    let (bench, mut holder) = stopped_holder();
    let start = Instant::now();
    let mut others: Vec<Victim> = (0..WAITING).map(|_| bench.victim(&["refresh", "1"])).collect();
    others.iter().for_each(wait_until_it_waits);
    holder.kill();
    bench.wire().release();
    let came_to = others.iter_mut().map(Victim::first_refresh).collect();
    let waited = start.elapsed();
    bench.wait_for_quiet();
    Waiting { came_to, waited, afterwards: Vec::new(), outcomes: bench.server().refreshes() }
}

/// The same, but nobody kills it: the others give up when their patience ends, and when the stopped one goes on, all can refresh.
pub fn outwait_the_stopped_holder() -> Waiting {
    let (bench, mut holder) = stopped_holder();
    let start = Instant::now();
    let mut others: Vec<Victim> = (0..WAITING).map(|_| bench.victim(&["refresh", "1"])).collect();
    let came_to = others.iter_mut().map(Victim::first_refresh).collect();
    let waited = start.elapsed();
    signal("CONT", holder.id());
    bench.wire().release();
    // Its own deadline passed while it was stopped, or the answer is there first: either is fine, and it ends.
    let _ = holder.first_refresh();
    let afterwards = (0..WAITING).map(|_| bench.victim(&["refresh", "1"]).first_refresh()).collect();
    Waiting { came_to, waited, afterwards, outcomes: bench.server().refreshes() }
}

impl Waiting {
    /// What should not have been: nobody may get by a stopped holder, nor be told anything but that the grant is busy, and
    /// afterwards everybody must get on.
    pub fn troubles_of_outwaiting(&self) -> Vec<String> {
        let busy =
            |came_to: &&Result<u64, Failure>| came_to.as_ref().is_err_and(|failure| failure.code == "grant_busy");
        let wrong = self.came_to.iter().filter(|came_to| !busy(came_to));
        wrong.chain(self.afterwards.iter().filter(|came_to| came_to.is_err())).map(|it| format!("{it:?}")).collect()
    }
}

/// A bench, and a process that is stopped while it holds the lock and waits for its answer.
fn stopped_holder() -> (Bench, Victim) {
    let bench = Bench::wired(Keys::Passed);
    bench.wire().hold(Side::Requests);
    let holder = bench.victim(&["refresh", "1"]);
    wait::until("the holder's request", || (bench.wire().held() == 1).then_some(()));
    signal("STOP", holder.id());
    (bench, holder)
}

/// Waits until a process has the lock's file open, which is before it asks for the lock the first time.
fn wait_until_it_waits(victim: &Victim) {
    wait::until("a process that waits for the lock", || {
        let open = fs::read_dir(format!("/proc/{}/fd", victim.id())).ok()?;
        let links = open.flatten().filter_map(|entry| fs::read_link(entry.path()).ok());
        links.into_iter().any(|file| file.parent().is_some_and(|folder| folder.ends_with("locks"))).then_some(())
    });
}
