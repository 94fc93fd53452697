//! Times of one thing done often, and what they were.

use std::{
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::failure::Failure;

/// Times, sorted: in microseconds where they are taken here.
#[derive(Clone, Debug, Default)]
pub(in crate::bench) struct Times(Vec<f64>);

impl Times {
    /// Of doing it so often.
    pub(in crate::bench) fn of(count: usize, mut work: impl FnMut() -> Result<(), Failure>) -> Result<Self, Failure> {
        let mut times = Self::default();
        for _ in 0..count {
            times.add(&mut work)?;
        }
        Ok(times.sorted())
    }

    pub(in crate::bench) fn add(&mut self, work: &mut impl FnMut() -> Result<(), Failure>) -> Result<(), Failure> {
        let begun = now();
        work()?;
        self.0.push(begun.elapsed().as_secs_f64() * 1e6);
        Ok(())
    }

    /// A time that was taken elsewhere.
    pub(in crate::bench) fn put(&mut self, time: f64) {
        self.0.push(time);
    }

    pub(in crate::bench) fn sorted(mut self) -> Self {
        self.0.sort_by(f64::total_cmp);
        self
    }

    /// The time that this share of all stayed below.
    pub(in crate::bench) fn at(&self, share: f64) -> f64 {
        let place = (self.0.len() as f64 * share) as usize;
        self.0.get(place.min(self.0.len().saturating_sub(1))).copied().unwrap_or(f64::NAN)
    }

    pub(in crate::bench) fn to_json(&self) -> Value {
        json!({ "p50": self.at(0.5), "p95": self.at(0.95), "p99": self.at(0.99), "max": self.at(1.0), "count": self.0.len() })
    }
}

pub(in crate::bench) fn now() -> Instant {
    crate::progress::now()
}

/// Runs the command to its end without looking at what it says.
pub(in crate::bench) fn succeed(command: &mut Command) -> Result<(), Failure> {
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status()?;
    let name = crate::progress::line_of(command);
    if status.success() { Ok(()) } else { Err(Failure::new(format!("{name}: {status}"))) }
}

/// Waits until it is so, at most ten seconds.
pub(in crate::bench) fn until(what: &str, mut is_so: impl FnMut() -> bool) -> Result<(), Failure> {
    let deadline = now() + Duration::from_secs(10);
    while !is_so() {
        if now() > deadline {
            return Err(Failure::new(format!("{what} did not come")));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}
