//! How long the long tests are: short by themselves, whole in `cargo xtask torture --server`, which names a seed by
//! `PILOTLIGHT_TORTURE` and prints what they tell.

use std::time::Duration;

/// The seed of the short runs.
const SEED: u64 = 4400;

/// The seed of a whole run.
#[expect(clippy::disallowed_methods, reason = "the one place where the tests read the environment")]
fn whole() -> Option<u64> {
    Some(std::env::var("PILOTLIGHT_TORTURE").ok()?.parse().expect("PILOTLIGHT_TORTURE is a number"))
}

/// Whether they run whole.
pub(crate) fn is_whole() -> bool {
    whole().is_some()
}

/// How many rounds.
pub(crate) fn rounds(short: usize, long: usize) -> usize {
    if is_whole() { long } else { short }
}

/// Numbers that follow from the seed (SplitMix64): the same in each run of it.
pub(crate) struct Draws(u64);

impl Draws {
    pub(crate) fn new() -> Self {
        Self(whole().unwrap_or(SEED))
    }

    /// From 0 to `most`.
    pub(crate) fn up_to(&mut self, most: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % (most + 1)
    }

    /// A moment of up to two milliseconds: about as long as a refresh takes.
    pub(crate) fn moment(&mut self) -> Duration {
        Duration::from_micros(self.up_to(2000))
    }
}

/// Tells what a whole run came to.
pub(crate) fn tell(what: &str, came_to: &str) {
    if let Some(seed) = whole() {
        println!("torture: {what}; seed {seed}: {came_to}");
    }
}
