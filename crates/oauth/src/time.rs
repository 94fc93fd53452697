//! Instants on the wall clock, handed in by the caller.

use std::fmt;
use std::time::Duration;

use jiff::fmt::rfc2822::DateTimeParser;
use serde::{Deserialize, Serialize};

/// Milliseconds since the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    /// From milliseconds since the Unix epoch.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// From seconds since the Unix epoch; far-off values saturate.
    #[must_use]
    pub const fn from_secs(secs: i64) -> Self {
        Self(secs.saturating_mul(1000))
    }

    /// Milliseconds since the Unix epoch.
    #[must_use]
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// Seconds since the Unix epoch, rounded down.
    #[must_use]
    pub const fn as_secs(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// The time from `earlier` to `self`; zero where `earlier` is the later one.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// `self + by`, saturating.
    #[must_use]
    pub fn plus(self, by: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(by.as_millis()).unwrap_or(i64::MAX)))
    }

    /// `self - by`, saturating.
    #[must_use]
    pub fn minus(self, by: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(by.as_millis()).unwrap_or(i64::MAX)))
    }
}

/// RFC 3339 in UTC, e.g. `2026-11-05T09:30:00Z`; instants outside the years 0 to 9999 show the nearest inside.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const YEAR_ZERO: i64 = -62_167_219_200_000;
        let instant = jiff::Timestamp::from_millisecond(self.0.max(YEAR_ZERO)).unwrap_or(jiff::Timestamp::MAX);
        fmt::Display::fmt(&instant, f)
    }
}

/// The longest wait a server may ask for: a mistyped header must not silence us for a day.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);

/// Reads `Retry-After` (RFC 9110 section 10.2.3), seconds or an HTTP date, as a wait from `now` of at most one hour.
/// `None` where it is neither; a date in the past is no wait.
#[must_use]
pub fn retry_after(value: &str, now: Timestamp) -> Option<Duration> {
    let value = value.trim_matches([' ', '\t']);
    let wait = if !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit()) {
        value.parse().map_or(LONGEST_WAIT, Duration::from_secs)
    } else {
        http_date(value)?.since(now)
    };
    Some(wait.min(LONGEST_WAIT))
}

/// Reads an HTTP date (RFC 9110 section 5.6.7), as in `Date`.
#[must_use]
pub fn http_date(value: &str) -> Option<Timestamp> {
    // An HTTP date has 29 characters; the date parser also takes comments of any length.
    let value = value.trim_matches([' ', '\t']);
    if value.is_empty() || value.len() > 64 {
        return None;
    }
    let date = DateTimeParser::new().relaxed_weekday(true).parse_timestamp(value).ok()?;
    Some(Timestamp(date.as_millisecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const AT: Timestamp = Timestamp::from_secs(784_111_777);

    #[test]
    fn rfc9110_section_5_6_7_the_example_date_is_read() {
        assert_eq!(retry_after(DATE, AT), Some(Duration::ZERO));
        assert_eq!(retry_after(DATE, AT.minus(Duration::from_secs(90))), Some(Duration::from_secs(90)));
        assert_eq!(retry_after(DATE, AT.plus(Duration::from_secs(90))), Some(Duration::ZERO));
    }

    #[test]
    fn rfc9110_section_10_2_3_seconds_are_read() {
        assert_eq!(retry_after("120", AT), Some(Duration::from_secs(120)));
        assert_eq!(retry_after(" 0\t", AT), Some(Duration::ZERO));
    }

    #[test]
    fn a_wait_is_capped_at_one_hour() {
        let hour = Some(Duration::from_secs(3600));
        assert_eq!(retry_after("3601", AT), hour);
        assert_eq!(retry_after("99999999999999999999999999", AT), hour);
        assert_eq!(retry_after("Fri, 31 Dec 9999 23:59:59 GMT", AT), None, "beyond what a date can be");
        assert_eq!(retry_after("Thu, 30 Dec 9999 00:00:00 GMT", AT), hour);
        assert_eq!(retry_after(DATE, Timestamp::from_millis(i64::MIN)), hour);
    }

    #[test]
    fn anything_else_says_nothing() {
        let commented = format!("{DATE} ({})", "x".repeat(100_000));
        for text in ["", " ", "-1", "+1", "1.5", "1 0", "soon", "1994-11-06T08:49:37Z", &commented] {
            assert_eq!(retry_after(text, AT), None, "{text}");
        }
    }

    #[test]
    fn an_instant_shows_as_rfc3339_in_utc() {
        assert_eq!(AT.to_string(), "1994-11-06T08:49:37Z");
        assert_eq!(Timestamp::from_millis(1).to_string(), "1970-01-01T00:00:00.001Z");
        assert_eq!(Timestamp::from_millis(i64::MIN).to_string(), "0000-01-01T00:00:00Z");
        assert!(Timestamp::from_millis(i64::MAX).to_string().starts_with("9999-12-30T"));
    }

    #[test]
    fn arithmetic_saturates() {
        let (first, last) = (Timestamp::from_millis(i64::MIN), Timestamp::from_millis(i64::MAX));
        assert_eq!(last.plus(Duration::MAX), last);
        assert_eq!(first.minus(Duration::MAX), first);
        assert_eq!(first.since(last), Duration::ZERO);
        assert_eq!(last.since(first), Duration::from_millis(i64::MAX as u64));
        assert_eq!(Timestamp::from_secs(i64::MAX), last);
        assert_eq!(Timestamp::from_millis(-1).as_secs(), -1);
    }
}
