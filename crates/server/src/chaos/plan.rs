//! Which request meets which fault: a pure function of the plan, the request's number and its path.

use super::fault::Fault;
use super::script::{Script, ScriptError};

/// What is going to happen. Made with [`Plan::script`] or [`Plan::seeded`], then narrowed.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    course: Course,
    paths: Option<Vec<String>>,
    spared: u64,
}

#[derive(Debug, Clone, PartialEq)]
enum Course {
    Script(Script),
    Random { seed: u64, rate: f64, faults: Vec<Fault> },
}

impl Plan {
    /// One line a request, as [`Fault`] is written; `#` begins a comment. `loop` at the end begins again from the top; without
    /// it, everything passes after the last line.
    ///
    /// # Errors
    /// [`ScriptError`], with the line's number.
    pub fn script(text: &str) -> Result<Self, ScriptError> {
        Script::parse(text).map(|script| Self::new(Course::Script(script)))
    }

    /// A share of `rate` of all requests, from 0 to 1, meets one of [`Fault::any`], each equally often. The same seed gives
    /// the same run.
    #[must_use]
    pub fn seeded(seed: u64, rate: f64) -> Self {
        Self::new(Course::Random { seed, rate, faults: Fault::any() })
    }

    const fn new(course: Course) -> Self {
        Self { course, paths: None, spared: 0 }
    }

    /// Draws from these faults instead; one that stands there twice comes twice as often. A script is not changed by this.
    #[must_use]
    pub fn among(mut self, chosen: impl IntoIterator<Item = Fault>) -> Self {
        if let Course::Random { faults, .. } = &mut self.course {
            *faults = chosen.into_iter().collect();
        }
        self
    }

    /// Concerns these paths alone, without their queries. Other requests pass and are not counted.
    #[must_use]
    pub fn only<P: Into<String>>(mut self, paths: impl IntoIterator<Item = P>) -> Self {
        self.paths = Some(paths.into_iter().map(Into::into).collect());
        self
    }

    /// Lets so many of the requests that it concerns pass before it begins: to sign in first, for instance.
    #[must_use]
    pub const fn after(mut self, requests: u64) -> Self {
        self.spared = requests;
        self
    }

    /// Whether requests for that path are counted.
    #[must_use]
    pub fn concerns(&self, path: &str) -> bool {
        self.paths.as_ref().is_none_or(|paths| paths.iter().any(|concerned| concerned == path))
    }

    /// What happens to the request of that number, counted from 0 over the requests that the plan concerns.
    #[must_use]
    pub fn fault(&self, number: u64, path: &str) -> Fault {
        let Some(number) = number.checked_sub(self.spared).filter(|_| self.concerns(path)) else {
            return Fault::Pass;
        };
        match &self.course {
            Course::Script(script) => script.fault(number),
            Course::Random { seed, rate, faults } => {
                let draw = mix(mix(*seed).wrapping_add(number));
                let chosen = faults.get(below(mix(draw), faults.len())).copied();
                chosen.filter(|_| share(draw) < *rate).unwrap_or(Fault::Pass)
            }
        }
    }
}

/// One step of SplitMix64 (Steele, Lea and Flood, 2014): neighbouring inputs give unrelated outputs.
const fn mix(input: u64) -> u64 {
    let z = input.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// As a number from 0 to 1, 1 left out.
#[expect(clippy::cast_precision_loss, reason = "53 bits are what a double holds")]
fn share(draw: u64) -> f64 {
    (draw >> 11) as f64 / (1_u64 << 53) as f64
}

/// As a number below `length`; 0 where that is 0.
fn below(draw: u64, length: usize) -> usize {
    let scaled = (u128::from(draw) * length as u128) >> 64;
    usize::try_from(scaled).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    fn run(plan: &Plan, length: u64) -> Vec<Fault> {
        (0..length).map(|number| plan.fault(number, "/token")).collect()
    }

    proptest! {
        #[test]
        fn the_same_seed_gives_the_same_run_and_another_seed_another(seed: u64, other: u64) {
            prop_assume!(seed != other);
            let plan = Plan::seeded(seed, 0.5);
            prop_assert_eq!(run(&plan, 200), run(&Plan::seeded(seed, 0.5), 200));
            prop_assert_ne!(run(&plan, 200), run(&Plan::seeded(other, 0.5), 200));
        }

        #[test]
        fn faults_are_as_frequent_as_the_rate_says(seed: u64, rate in 0.0..=1.0) {
            let met = run(&Plan::seeded(seed, rate), 4000).iter().filter(|fault| **fault != Fault::Pass).count();
            // Six standard deviations, 0.5 / sqrt(4000) being the largest.
            prop_assert!((met as f64 / 4000.0 - rate).abs() < 0.048, "{met}");
        }

        #[test]
        fn only_chosen_faults_are_drawn_and_all_of_them(seed: u64, chosen in prop::collection::vec(prop::sample::select(Fault::any()), 1..8)) {
            let drawn: HashSet<Fault> = run(&Plan::seeded(seed, 1.0).among(chosen.clone()), 1000).into_iter().collect();
            prop_assert_eq!(drawn, chosen.into_iter().collect());
        }

        #[test]
        fn a_plan_spares_the_first_requests_and_moves_the_rest(seed: u64, spared in 0_u64..50) {
            let (plan, later) = (Plan::seeded(seed, 0.9), Plan::seeded(seed, 0.9).after(spared));
            for number in 0..spared {
                prop_assert_eq!(later.fault(number, "/token"), Fault::Pass);
            }
            prop_assert_eq!(later.fault(spared + 7, "/token"), plan.fault(7, "/token"));
        }

        #[test]
        fn any_rate_and_number_are_fine(seed: u64, rate: f64, number: u64, spared: u64) {
            let plan = Plan::seeded(seed, rate).after(spared);
            let _ = plan.fault(number, "/token");
            prop_assert_eq!(plan.among([]).fault(number, "/token"), Fault::Pass);
        }
    }

    #[test]
    fn a_rate_of_zero_or_none_leaves_everything_alone_and_of_one_nothing() {
        assert!(run(&Plan::seeded(1, 0.0), 500).iter().all(|fault| *fault == Fault::Pass));
        assert!(run(&Plan::seeded(1, f64::NAN), 500).iter().all(|fault| *fault == Fault::Pass));
        assert!(run(&Plan::seeded(1, 1.0), 500).iter().all(|fault| *fault != Fault::Pass));
    }

    #[test]
    fn a_path_that_is_not_meant_is_left_alone() {
        let plan = Plan::script("hang\nloop").unwrap().only(["/token", "/token/refresh"]);
        assert_eq!((plan.fault(0, "/token"), plan.fault(1, "/token/refresh")), (Fault::Hang, Fault::Hang));
        for path in ["/", "/tokens", "/token/", "/jwks"] {
            assert!(!plan.concerns(path));
            assert_eq!(plan.fault(0, path), Fault::Pass);
        }
    }

    #[test]
    fn the_run_of_a_seed_is_fixed_for_ever() {
        // So that a run that failed last year can be run again. Change this only with the docs of `seeded`.
        let written: Vec<String> = run(&Plan::seeded(42, 0.5), 8).iter().map(ToString::to_string).collect();
        assert_eq!(
            written.join(", "),
            "delay 500, pass, refuse, answer 429 json retry-after=1, pass, pass, pass, pass"
        );
    }
}
