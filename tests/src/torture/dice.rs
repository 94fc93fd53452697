//! Chance that can be had again.

use pilotlight::parts::Random as _;
use pilotlight::simulation::SeededRandom;

/// Numbers from a seed: the same seed gives the same ones in the same order.
pub struct Dice(SeededRandom);

impl Dice {
    /// Begins at `seed`.
    pub fn new(seed: u64) -> Self {
        Self(SeededRandom::new(seed))
    }

    /// A number from 0 to `end` - 1; 0 where `end` is 0.
    ///
    /// # Panics
    /// Never: the seeded source does not run dry.
    pub fn below(&self, end: u64) -> u64 {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes).expect("the seeded source does not run dry");
        u64::from_le_bytes(bytes) % end.max(1)
    }
}
