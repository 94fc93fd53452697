//! SIGKILL at random instants.

use std::{
    thread,
    time::{Duration, Instant},
};

use super::{
    Bench, Dice, Failure, Keys, Tally,
    bench::{failure_in, numbers_in},
};

/// From the start of a victim until it has refreshed at least once, on a machine with something else to do.
const START: Duration = Duration::from_millis(250);
/// A few refreshes, so that every instant of one is as likely as any other.
const CYCLES: Duration = Duration::from_millis(150);
/// One kill in this many comes while the victim still opens the vault, or recovers from the kill before.
const EARLY: u64 = 3;

/// Kills `kills` victims at instants from `seed`, and restarts after each. With [`Keys::Passed`] no grant may be lost; with
/// [`Keys::Stripped`] only where the server had rotated and the answer died with the victim, and that must be the reason told.
///
/// `progress` is told after every kill.
pub fn kill_at_random_instants(keys: Keys, kills: u64, seed: u64, progress: &dyn Fn(&Tally)) -> Tally {
    let start = Instant::now();
    let bench = if keys == Keys::Passed { Bench::direct() } else { Bench::wired(keys) };
    let mut run = Run { bench, keys, dice: Dice::new(seed), tally: Tally::default(), durable: 0 };
    for _ in 0..kills {
        run.kill_one();
        run.tally.seconds = start.elapsed().as_secs_f64();
        progress(&run.tally);
    }
    run.recover();
    run.ask_the_server();
    run.tally.seconds = start.elapsed().as_secs_f64();
    run.tally
}

struct Run {
    bench: Bench,
    keys: Keys,
    dice: Dice,
    tally: Tally,
    /// The last refresh that a victim called done: it must outlive every kill (P2).
    durable: u64,
}

impl Run {
    fn kill_one(&mut self) {
        let mut victim = self.bench.victim(&["refresh", "0"]);
        let early = self.dice.below(EARLY) == 0;
        let within = if early { START } else { CYCLES };
        let after = Duration::from_micros(self.dice.below(u64::try_from(within.as_micros()).unwrap_or(u64::MAX)));
        if early || victim.first_refresh().is_ok() {
            // Nothing is waited for: the instant of the kill is the input of this test.
            thread::sleep(after);
        }
        victim.kill();
        self.tally.kills += 1;
        self.bench.wait_for_quiet();
        self.judge(&victim.said());
    }

    /// One refresh after the last kill.
    fn recover(&mut self) {
        let mut victim = self.bench.victim(&["refresh", "1"]);
        victim.wait_until_it_ended();
        self.judge(&victim.said());
    }

    fn judge(&mut self, said: &str) {
        if let Some(at) = numbers_in(said, "at").next()
            && at < self.durable
        {
            self.tally.troubles.push(format!("refresh {} was called done, and the vault has {at}", self.durable));
        }
        self.durable = numbers_in(said, "refreshed").last().unwrap_or(self.durable);
        self.tally.refreshes += numbers_in(said, "refreshed").count() as u64;
        if let Some(failure) = failure_in(said) {
            self.lose(said, &failure);
        }
    }

    fn lose(&mut self, said: &str, failure: &Failure) {
        *self.tally.lost.entry(failure.code.clone()).or_default() += 1;
        let at = numbers_in(said, "at").next();
        let rotations = self.bench.rotations();
        // The server was one step ahead of the vault: the answer in between is what died.
        let on_the_wire = at.is_some_and(|at| rotations == at + 1);
        if self.keys == Keys::Passed || failure.code != "lost_answer" || !on_the_wire {
            let kill = self.tally.kills;
            self.tally.troubles.push(format!(
                "after kill {kill}: {failure}; the vault had {at:?} refreshes, the server {rotations} rotations"
            ));
        }
        self.bench.sign_in();
        self.durable = 0;
    }

    fn ask_the_server(&mut self) {
        let outcomes = self.bench.outcomes();
        self.tally.repeated = outcomes.get("repeated").copied().unwrap_or_default();
        let good = |word: &str| word == "rotated" || word == "repeated";
        if self.keys == Keys::Passed && !outcomes.keys().all(|word| good(word)) {
            self.tally.troubles.push(format!("the server counts {outcomes:?}"));
        }
    }
}
