//! SIGKILL at every system call of one refresh in turn.

use std::{collections::BTreeSet, ops::RangeInclusive, time::Instant};

use super::{
    Bench, Dice, Tally,
    bench::{failure_in, numbers_in, read},
    tracer::{Fate, kill_at},
};

/// Where to kill.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Points {
    /// At the first system call, the second, and so on, until a victim ends before it comes to its.
    All,
    /// At so many of them, chosen by the seed: most of them between the connection to the server and the end of the refresh.
    Sample(u64),
}

/// A victim opens the vault, refreshes once and ends; it is killed at one of its system calls, started again untraced, and must
/// refresh. The server knows the key, so it must never see reuse.
///
/// `progress` is told after every kill.
pub fn sweep(points: Points, seed: u64, progress: &dyn Fn(&Tally)) -> Tally {
    let start = Instant::now();
    let mut run = Run { bench: Bench::direct(), tally: Tally::default() };
    let dice = Dice::new(seed);
    let Some((calls, exchange)) = run.undisturbed() else { return run.tally };
    let chosen: BTreeSet<u64> = match points {
        Points::All => (1..=2 * calls).collect(),
        Points::Sample(count) => (0..count).map(|number| chosen(&dice, number, calls, &exchange)).collect(),
    };
    // How threads wake one another differs from run to run, and with it the number of calls.
    let mut finished = 0;
    for at in chosen {
        finished = if run.kill_one(at) { 0 } else { finished + 1 };
        run.tally.seconds = start.elapsed().as_secs_f64();
        progress(&run.tally);
        if finished == 3 {
            break;
        }
    }
    run.ask_the_server();
    run.tally.seconds = start.elapsed().as_secs_f64();
    run.tally
}

/// One in four anywhere, so that the opening of the vault and the end of the process are struck too.
fn chosen(dice: &Dice, number: u64, calls: u64, exchange: &RangeInclusive<u64>) -> u64 {
    if number.is_multiple_of(4) {
        1 + dice.below(calls)
    } else {
        exchange.start() + dice.below(1 + exchange.end() - exchange.start())
    }
}

struct Run {
    bench: Bench,
    tally: Tally,
}

impl Run {
    /// How many system calls there are, and which of them make the exchange, of a run that nobody kills.
    fn undisturbed(&mut self) -> Option<(u64, RangeInclusive<u64>)> {
        let (command, said) = self.bench.command(&["on-word"]);
        match kill_at(command, &said, u64::MAX) {
            Fate::Finished { calls, exchange } if failure_in(&read(&said)).is_none() => Some((calls, exchange)),
            _ => {
                self.tally.troubles.push(format!("a victim that nobody killed said {:?}", read(&said)));
                None
            }
        }
    }

    /// Whether there was anything to kill.
    fn kill_one(&mut self, at: u64) -> bool {
        let (command, said) = self.bench.command(&["on-word"]);
        let fate = kill_at(command, &said, at);
        let before = read(&said);
        let mut victim = self.bench.victim(&["refresh", "1"]);
        victim.wait_until_it_ended();
        self.judge(&format!("at system call {at}, {fate:?}"), &before, &victim.said());
        let killed = matches!(fate, Fate::Killed { .. });
        self.tally.kills += u64::from(killed);
        killed
    }

    /// What was said before the kill and after it: no failure, one refresh after it, and none that was done undone (P2).
    fn judge(&mut self, place: &str, before: &str, after: &str) {
        let refreshes = |said| numbers_in(said, "refreshed").collect::<Vec<_>>();
        let (done, again) = (refreshes(before), refreshes(after));
        self.tally.refreshes += (done.len() + again.len()) as u64;
        let undone = done.last() > numbers_in(after, "at").next().as_ref();
        let failure = failure_in(before).or_else(|| failure_in(after));
        if undone || again.len() != 1 || failure.is_some() {
            self.tally.troubles.push(format!("{place}: before {before:?}, after {after:?}"));
        }
        if let Some(failure) = failure {
            *self.tally.lost.entry(failure.code).or_default() += 1;
            // The next kill has a grant to strike, whatever became of this one.
            self.bench.sign_in();
        }
    }

    fn ask_the_server(&mut self) {
        let outcomes = self.bench.outcomes();
        self.tally.repeated = outcomes.get("repeated").copied().unwrap_or_default();
        if !outcomes.keys().all(|word| word == "rotated" || word == "repeated") {
            self.tally.troubles.push(format!("the server counts {outcomes:?}"));
        }
    }
}
