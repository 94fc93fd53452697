//! The `Date` header, moved.

use jiff::fmt::rfc2822::{DateTimeParser, DateTimePrinter};

/// An HTTP date (RFC 9110 section 5.6.7) moved by `seconds`; `None` where it is none, or would leave the years 0 to 9999.
pub(crate) fn shifted(date: &str, seconds: i64) -> Option<String> {
    let before = DateTimeParser::new().relaxed_weekday(true).parse_timestamp(date.trim()).ok()?;
    let after = before.checked_add(jiff::SignedDuration::from_secs(seconds)).ok()?;
    DateTimePrinter::new().timestamp_to_rfc9110_string(&after).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_moved_over_midnight_and_leap_days() {
        let moved = |seconds| shifted("Thu, 29 Feb 2024 23:00:00 GMT", seconds).unwrap();
        assert_eq!(moved(7200), "Fri, 01 Mar 2024 01:00:00 GMT");
        assert_eq!(moved(-86_400), "Wed, 28 Feb 2024 23:00:00 GMT");
        assert_eq!(moved(0), "Thu, 29 Feb 2024 23:00:00 GMT");
    }

    #[test]
    fn what_is_no_date_or_leaves_the_calendar_stays() {
        assert_eq!(shifted("yesterday", 1), None);
        assert_eq!(shifted("Fri, 31 Dec 1999 00:00:00 GMT", i64::MAX), None);
    }
}
