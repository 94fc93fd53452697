//! Proofs that came already, RFC 9449 section 11.1: as many as fit, each for as long as it could be taken again.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use pilotlight_oauth::Timestamp;

use super::LIFE;

/// More within the life of two generations are turned away: 64 MB at the most.
const MOST: usize = 1_000_000;

/// What there is to say of a proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sight {
    First,
    Again,
    /// Nobody can say: too many came.
    Full,
}

/// The proofs that this process has seen, in two generations: the older one is dropped whole when none in it can be taken any more.
#[derive(Debug)]
pub(crate) struct Seen {
    generations: Mutex<Generations>,
    most: usize,
}

#[derive(Debug, Default)]
struct Generations {
    younger: HashSet<[u8; 16]>,
    older: HashSet<[u8; 16]>,
    younger_since: Option<Timestamp>,
}

impl Default for Seen {
    fn default() -> Self {
        Self { generations: Mutex::default(), most: MOST }
    }
}

impl Seen {
    /// Notes a proof.
    pub(crate) fn note(&self, name: [u8; 16], now: Timestamp) -> Sight {
        let mut generations = self.generations.lock().unwrap_or_else(PoisonError::into_inner);
        generations.age(now);
        if generations.older.contains(&name) || generations.younger.contains(&name) {
            return Sight::Again;
        }
        if generations.older.len() + generations.younger.len() >= self.most {
            return Sight::Full;
        }
        generations.younger.insert(name);
        Sight::First
    }
}

impl Generations {
    fn age(&mut self, now: Timestamp) {
        let since = *self.younger_since.get_or_insert(now);
        if now >= since.plus(LIFE) {
            self.older = std::mem::take(&mut self.younger);
            self.younger_since = Some(now);
        }
        if now >= since.plus(LIFE.saturating_mul(2)) {
            // Nobody came for so long that both are over.
            self.older = HashSet::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const START: Timestamp = Timestamp::from_secs(1_800_000_000);

    #[test]
    fn rfc9449_section_11_1_a_proof_is_known_for_as_long_as_it_could_be_taken() {
        for begun in [0, 100, 129, 131] {
            let seen = Seen::default();
            seen.note([9; 16], START);
            let at = START.plus(Duration::from_secs(begun));
            assert_eq!(seen.note([1; 16], at), Sight::First);
            for later in [0, 1, 60, 129] {
                assert_eq!(seen.note([1; 16], at.plus(Duration::from_secs(later))), Sight::Again, "{begun} {later}");
            }
            assert_eq!(seen.note([1; 16], at.plus(LIFE.saturating_mul(2))), Sight::First, "and then forgotten");
        }
    }

    #[test]
    fn too_many_are_turned_away_until_the_oldest_are_over_and_none_comes_twice() {
        let seen = Seen { most: 3, ..Seen::default() };
        let name = |n: u8| [n; 16];
        let sights: Vec<_> = (0..5).map(|n| seen.note(name(n), START)).collect();
        assert_eq!(sights, [Sight::First, Sight::First, Sight::First, Sight::Full, Sight::Full]);
        assert_eq!(seen.note(name(0), START), Sight::Again);
        assert_eq!(seen.note(name(3), START.plus(LIFE)), Sight::Full, "those before may still come");
        assert_eq!(seen.note(name(3), START.plus(LIFE.saturating_mul(2))), Sight::First);
    }
}
