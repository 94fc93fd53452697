//! Slows down guessing of passwords (RFC 6749 section 10.10): by user name and by address.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use pilotlight_oauth::Timestamp;

const WINDOW: Duration = Duration::from_secs(60);
/// Failures of one name within the window. Counted for unknown names too, so that it tells nothing about them.
const PER_NAME: u32 = 10;
/// Failures from one address within the window: more, as many people may share one.
const PER_ADDRESS: u32 = 50;
/// The same for codes of second factors, of which three in a million are right at any moment: so one in seven hundred
/// guessers, who know the password already, gets through in a day (RFC 4226 section 7.3).
const SECOND_FACTORS: u32 = 5;
const SECOND_FACTOR_WINDOW: Duration = Duration::from_secs(15 * 60);
/// Clients registered from one address within the window.
const REGISTRATIONS: u32 = 5;
/// Names kept at once. Past it the windows that have ended are dropped.
const MOST: usize = 10_000;

#[derive(Clone, PartialEq, Eq, Hash)]
enum Who {
    Name(String),
    /// A person who types the codes of devices, by `sub`.
    Codes(String),
    /// A person whose password was right, by `sub`.
    SecondFactor(String),
    /// A network, as [`network_of`] has it.
    Address(IpAddr),
    /// Who registers clients; one for all where the address is not known.
    Registration(Option<IpAddr>),
}

impl Who {
    /// How many failures there may be, within which time.
    fn rule(&self) -> (u32, Duration) {
        match self {
            Self::Name(_) | Self::Codes(_) => (PER_NAME, WINDOW),
            Self::SecondFactor(_) => (SECOND_FACTORS, SECOND_FACTOR_WINDOW),
            Self::Address(_) => (PER_ADDRESS, WINDOW),
            Self::Registration(_) => (REGISTRATIONS, WINDOW),
        }
    }
}

/// Whom an address belongs to: of IPv6 the first 64 bits, for one machine has all the addresses that begin with them (RFC 4291
/// section 2.5.4) and could take a new one for each guess.
fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
        v4 @ IpAddr::V4(_) => v4,
    }
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

    /// The same for the codes of a second factor.
    pub(crate) fn admit_second(
        &self,
        subject: &str,
        peer: Option<IpAddr>,
        now: Timestamp,
    ) -> Result<Attempt, Duration> {
        self.admit_one(Who::SecondFactor(subject.to_owned()), peer, now)
    }

    /// The same for clients that register themselves, the successful ones included.
    pub(crate) fn admit_registration(&self, peer: Option<IpAddr>, now: Timestamp) -> Result<Attempt, Duration> {
        self.admit_one(Who::Registration(peer.map(network_of)), None, now)
    }

    fn admit_one(&self, who: Who, peer: Option<IpAddr>, now: Timestamp) -> Result<Attempt, Duration> {
        let mut windows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if windows.len() >= MOST {
            windows.retain(|who, window| now < window.since.plus(who.rule().1));
        }
        let whos: Vec<Who> =
            [Some(who), peer.map(|peer| Who::Address(network_of(peer)))].into_iter().flatten().collect();
        for who in &whos {
            let (most, length) = who.rule();
            if let Some(window) = windows.get(who).filter(|w| now < w.since.plus(length) && w.failures >= most) {
                return Err(window.since.plus(length).since(now));
            }
        }
        for who in &whos {
            let window = windows.entry(who.clone()).or_insert(Window { since: now, failures: 0 });
            if now >= window.since.plus(who.rule().1) {
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
    fn five_wrong_codes_of_a_second_factor_wait_for_a_quarter_of_an_hour() {
        let limiter = Limiter::default();
        let start = Timestamp::from_secs(1000);
        for _ in 0..SECOND_FACTORS {
            assert!(limiter.admit_second("subject", None, start).is_ok());
        }
        let later = start.plus(Duration::from_secs(14 * 60));
        assert_eq!(limiter.admit_second("subject", None, later).err(), Some(Duration::from_secs(60)));
        assert!(limiter.admit("subject", None, later).is_ok(), "the password is counted apart");
        assert!(limiter.admit_second("subject", None, start.plus(SECOND_FACTOR_WINDOW)).is_ok());
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
    fn all_addresses_of_one_ipv6_network_count_as_one() {
        let limiter = Limiter::default();
        let now = Timestamp::from_secs(1000);
        let address = |network: u16, host: u16| Some(IpAddr::from([0x2001, 0xdb8, 0, network, 7, 7, 7, host]));
        let hosts = 0..u16::try_from(PER_ADDRESS * 2).unwrap();
        let admitted = hosts.filter(|n| limiter.admit(&format!("n{n}"), address(1, *n), now).is_ok()).count();
        assert_eq!(admitted, PER_ADDRESS as usize);
        assert!(limiter.admit("other", address(2, 1), now).is_ok(), "the network beside it");
        for host in 0..REGISTRATIONS {
            assert!(limiter.admit_registration(address(3, u16::try_from(host).unwrap()), now).is_ok());
        }
        assert!(limiter.admit_registration(address(3, 99), now).is_err());
        let mapped = "::ffff:192.0.2.1".parse().unwrap();
        assert_eq!(network_of(mapped), IpAddr::from([192, 0, 2, 1]), "IPv4 stays whole");
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
