//! Text for a terminal: harmless, aligned, and with times that a person can read.

use std::time::Duration;

use pilotlight::values::{Timestamp, is_unprintable};

/// `text` without anything that a terminal would obey or that would turn or hide its neighbours. Services name accounts and
/// word their refusals, and those words are shown.
pub(crate) fn harmless(text: &str) -> String {
    text.chars().filter(|c| !is_unprintable(*c)).collect()
}

/// `text` in fewer than `columns` characters, with a mark where some are left out.
pub(crate) fn cut(text: &str, columns: usize) -> String {
    if text.chars().count() < columns {
        return text.to_owned();
    }
    let kept: String = text.chars().take(columns.saturating_sub(2)).collect();
    format!("{kept}…")
}

/// `in 4 min`, `now`, `2 h ago`: rounded down to one unit.
pub(crate) fn relative(at: Timestamp, now: Timestamp) -> String {
    let (ahead, ago) = (at.since(now), now.since(at));
    match (ahead.as_secs(), ago.as_secs()) {
        (0, 0) => "now".to_owned(),
        (0, _) => format!("{} ago", span(ago)),
        _ => format!("in {}", span(ahead)),
    }
}

/// A span in its largest unit.
pub(crate) fn span(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min", seconds / 60),
        3_600..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// `2026-11-05T09:30:00Z`: to the second.
pub(crate) fn exact(at: Timestamp) -> String {
    Timestamp::from_secs(at.as_secs()).to_string()
}

/// `1 time`, `12 times`.
pub(crate) fn times(count: u64) -> String {
    if count == 1 { "1 time".to_owned() } else { format!("{count} times") }
}

/// Rows with their cells below one another, two spaces apart; the last cell of a row is not padded.
pub(crate) fn table<const N: usize>(rows: &[[String; N]]) -> String {
    let mut widths = [0; N];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    for row in rows {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_000_000);

    #[test]
    fn what_is_too_long_for_a_line_ends_in_a_mark() {
        assert_eq!(cut("0123456789", 11), "0123456789");
        assert_eq!(cut("0123456789", 10), "01234567…");
        assert_eq!(cut("0123456789", 0), "…");
    }

    #[test]
    fn a_terminal_obeys_nothing_that_a_service_says() {
        assert_eq!(harmless("\u{1b}[31mred\u{1b}[0m\u{7}"), "[31mred[0m");
        assert_eq!(harmless("\u{9b}2Jcleared\r\nover"), "2Jclearedover");
        assert_eq!(harmless("\u{1b}]0;title\u{9c}"), "]0;title");
        assert_eq!(harmless("gnp\u{202e}exe.\u{200b}\u{2066}x\u{feff}"), "gnpexe.x");
        assert_eq!(harmless("Zoë 好 🔥"), "Zoë 好 🔥");
    }

    #[test]
    fn times_are_told_in_one_unit() {
        let after = |seconds| relative(NOW.plus(Duration::from_secs(seconds)), NOW);
        let before = |seconds| relative(NOW.minus(Duration::from_secs(seconds)), NOW);
        assert_eq!(relative(NOW, NOW), "now");
        assert_eq!([1, 59, 60, 299].map(after), ["in 1 s", "in 59 s", "in 1 min", "in 4 min"]);
        assert_eq!([3_599, 3_600, 172_799, 172_800].map(before), ["59 min ago", "1 h ago", "47 h ago", "2 days ago"]);
    }

    #[test]
    fn half_a_second_is_now_on_both_sides() {
        let half = Duration::from_millis(999);
        assert_eq!([relative(NOW.plus(half), NOW), relative(NOW.minus(half), NOW)], ["now", "now"]);
    }

    #[test]
    fn times_at_the_ends_of_the_calendar_do_not_panic() {
        let ends = [Timestamp::from_millis(i64::MIN), Timestamp::from_millis(i64::MAX)];
        assert!(relative(ends[0], ends[1]).ends_with("days ago"));
        assert!(relative(ends[1], ends[0]).ends_with("days"));
        assert!(ends.map(exact).iter().all(|text| text.ends_with('Z')));
    }

    #[test]
    fn an_exact_time_is_told_to_the_second() {
        assert_eq!(exact(Timestamp::from_millis(784_111_777_250)), "1994-11-06T08:49:37Z");
    }

    #[test]
    fn cells_stand_below_one_another_by_characters_not_bytes() {
        let rows = [["NAME", "STATE", "WHO"], ["Zoë", "signed in", ""], ["x", "ended", "alex"]]
            .map(|row| row.map(str::to_owned));
        assert_eq!(table(&rows), "NAME  STATE      WHO\nZoë   signed in\nx     ended      alex\n");
        assert_eq!(table::<2>(&[]), "");
    }
}
