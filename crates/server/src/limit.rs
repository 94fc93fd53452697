//! Slows down guessing of passwords (RFC 6749 section 10.10): by user name and by address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use pilotlight_oauth::Timestamp;

const WINDOW: Duration = Duration::from_secs(60);
/// Failures of one name within the window. Counted for unknown names too, so that it tells nothing about them.
const PER_NAME: u32 = 10;
/// Failures from one address within the window: more, as many people may share one.
const PER_ADDRESS: u32 = 50;
/// Clients registered from one address within the window.
const REGISTRATIONS: u32 = 5;
/// Names kept at once. Past it the windows that have ended are dropped.
const MOST: usize = 10_000;

#[derive(Clone, PartialEq, Eq, Hash)]
enum Who {
    Name(String),
    /// A person who types the codes of devices, by `sub`.
    Codes(String),
    Address(IpAddr),
    /// Who registers clients; one for all where the address is not known.
    Registration(Option<IpAddr>),
}

struct Window {
    since: Timestamp,
    failures: u32,
}

/// Counts failed sign-ins.
#[derive(Default)]
pub(crate) struct Limiter(Mutex<HashMap<Who, Window>>);

/// An attempt that was let in, and counts as a failure unless it is taken back.
pub(crate) struct Attempt(Vec<Who>);

impl Limiter {
    /// Lets an attempt in, or says how long to wait. The attempt counts at once: a thousand guesses at the same moment
    /// cannot all pass before the first has failed.
    pub(crate) fn admit(&self, name: &str, peer: Option<IpAddr>, now: Timestamp) -> Result<Attempt, Duration> {
        self.admit_one(Who::Name(name.to_lowercase()), peer, now)
    }

    /// The same for the codes of devices that a person types (RFC 8628 section 5.1).
    pub(crate) fn admit_code(&self, subject: &str, peer: Option<IpAddr>, now: Timestamp) -> Result<Attempt, Duration> {
        self.admit_one(Who::Codes(subject.to_owned()), peer, now)
    }

    /// The same for clients that register themselves, the successful ones included.
    pub(crate) fn admit_registration(&self, peer: Option<IpAddr>, now: Timestamp) -> Result<Attempt, Duration> {
        self.admit_one(Who::Registration(peer), None, now)
    }

    fn admit_one(&self, who: Who, peer: Option<IpAddr>, now: Timestamp) -> Result<Attempt, Duration> {
        let mut windows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if windows.len() >= MOST {
            windows.retain(|_, window| now < window.since.plus(WINDOW));
        }
        let whos: Vec<Who> = [Some(who), peer.map(Who::Address)].into_iter().flatten().collect();
        for who in &whos {
            let most = match who {
                Who::Address(_) => PER_ADDRESS,
                Who::Registration(_) => REGISTRATIONS,
                Who::Name(_) | Who::Codes(_) => PER_NAME,
            };
            if let Some(window) = windows.get(who).filter(|w| now < w.since.plus(WINDOW) && w.failures >= most) {
                return Err(window.since.plus(WINDOW).since(now));
            }
        }
        for who in &whos {
            let window = windows.entry(who.clone()).or_insert(Window { since: now, failures: 0 });
            if now >= window.since.plus(WINDOW) {
                *window = Window { since: now, failures: 0 };
            }
            window.failures += 1;
        }
        Ok(Attempt(whos))
    }

    /// The attempt succeeded: it was no failure.
    pub(crate) fn forgive(&self, attempt: Attempt) {
        let mut windows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for who in attempt.0 {
            if let Some(window) = windows.get_mut(&who) {
                window.failures = window.failures.saturating_sub(1);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_eleventh_failure_in_a_minute_waits_and_the_next_minute_is_free() {
        let limiter = Limiter::default();
        let start = Timestamp::from_secs(1000);
        for _ in 0..PER_NAME {
            assert!(limiter.admit("Ada", None, start).is_ok());
        }
        let wait = limiter.admit("ada", None, start.plus(Duration::from_secs(20))).err();
        assert_eq!(wait, Some(Duration::from_secs(40)));
        assert!(limiter.admit("grace", None, start).is_ok(), "another name is free");
        assert!(limiter.admit("ada", None, start.plus(WINDOW)).is_ok());
    }

    #[test]
    fn a_success_does_not_count() {
        let limiter = Limiter::default();
        let now = Timestamp::from_secs(1000);
        for _ in 0..1000 {
            let attempt = limiter.admit("ada", Some(IpAddr::from([127, 0, 0, 1])), now);
            limiter.forgive(attempt.ok().unwrap());
        }
    }

    #[test]
    fn many_names_from_one_address_are_slowed_down_too() {
        let limiter = Limiter::default();
        let now = Timestamp::from_secs(1000);
        let peer = Some(IpAddr::from([192, 0, 2, 1]));
        let admitted = (0..PER_ADDRESS * 2).filter(|n| limiter.admit(&format!("n{n}"), peer, now).is_ok()).count();
        assert_eq!(admitted, PER_ADDRESS as usize);
    }
}
