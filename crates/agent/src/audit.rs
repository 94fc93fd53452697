//! Which lends and refusals go into the journal: the first of a program and an account at once, and then how many there were,
//! once an hour at most. Ten thousand requests are two lines. However many programs and accounts there are, an hour has so many
//! lines and no more; what comes after that is counted.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Duration;

use pilotlight::Pilotlight;
use pilotlight::journal::EventKind;
use pilotlight::values::Timestamp;

const PERIOD: Duration = Duration::from_secs(3600);
/// So many programs and accounts are counted apart.
const LARGEST: usize = 1024;
/// So many lines are written in a period.
const LINES: u32 = 240;

/// One line for the journal.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) account: String,
    pub(crate) kind: EventKind,
    pub(crate) text: String,
    pub(crate) program: String,
}

/// What is counted together.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Entry {
    pub(crate) program: PathBuf,
    pub(crate) account: String,
    /// What was other than the account's usual token, in words.
    pub(crate) what: String,
    pub(crate) lent: bool,
}

/// What was counted since it was last written.
#[derive(Default)]
pub(crate) struct Ledger {
    counts: HashMap<Entry, Count>,
    /// When the period began, and its lines.
    period: Option<(Timestamp, u32)>,
}

#[derive(Default, Clone, Copy)]
struct Count {
    /// When its last line was written.
    since: Option<Timestamp>,
    /// How many came after that.
    more: u64,
}

impl Ledger {
    /// Counts one, and gives the line that is due. `parents` is asked for who ran the program when there is one.
    pub(crate) fn enter(
        &mut self,
        now: Timestamp,
        entry: Entry,
        parents: impl FnOnce() -> Vec<PathBuf>,
    ) -> Option<Line> {
        if self.counts.len() >= LARGEST && !self.counts.contains_key(&entry) {
            // Whoever makes so many names has them all counted anew.
            self.counts.clear();
        }
        let (begun, lines) = self.period.filter(|(begun, _)| is_within(*begun, now)).unwrap_or((now, 0));
        let count = self.counts.entry(entry.clone()).or_default();
        if lines >= LINES || count.since.is_some_and(|since| is_within(since, now)) {
            count.more += 1;
            return None;
        }
        let before = std::mem::replace(count, Count { since: Some(now), more: 0 }).more;
        self.period = Some((begun, lines + 1));
        Some(entry.line(before, &parents()))
    }

    /// The lines of what was counted and not written, when the agent ends.
    pub(crate) fn close(&mut self) -> Vec<Line> {
        let counts = std::mem::take(self).counts;
        counts.into_iter().filter(|(_, count)| count.more > 0).map(|(entry, count)| entry.rest(count.more)).collect()
    }
}

impl Line {
    pub(crate) async fn write_to(&self, pilotlight: &Pilotlight) {
        pilotlight.note_program(&self.account, self.kind, &self.text, &self.program).await;
    }
}

impl Entry {
    fn line(self, before: u64, parents: &[PathBuf]) -> Line {
        let mut text = self.begin();
        for (n, parent) in parents.iter().take(4).enumerate() {
            text += if n == 0 { ", run by " } else { ", " };
            text += &parent.display().to_string();
        }
        text += &match before {
            0 => ".".to_owned(),
            more => format!("; {more} more since the line before."),
        };
        self.with(text)
    }

    fn rest(self, more: u64) -> Line {
        let text = format!("{}: {more} more since the line before.", self.begin());
        self.with(text)
    }

    fn begin(&self) -> String {
        let verb = if self.lent { "Lent to" } else { "Refused to" };
        format!("{verb} {}{}", self.program.display(), self.what)
    }

    fn with(self, text: String) -> Line {
        let kind = if self.lent { EventKind::Lent } else { EventKind::Refused };
        Line { account: self.account, kind, text, program: self.program.display().to_string() }
    }
}

/// A clock that was set back begins a new period.
fn is_within(begun: Timestamp, now: Timestamp) -> bool {
    now >= begun && now.since(begun) < PERIOD
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: Timestamp = Timestamp::from_secs(1_000_000);

    fn entry(program: &str, account: &str, lent: bool) -> Entry {
        Entry { program: program.into(), account: account.into(), what: String::new(), lent }
    }

    #[test]
    fn ten_thousand_lends_are_two_lines() {
        let mut ledger = Ledger::default();
        let curl = entry("/usr/bin/curl", "work", true);
        let parents = || vec![PathBuf::from("/usr/bin/bash"), PathBuf::from("/usr/sbin/sshd")];
        let first = ledger.enter(AT, curl.clone(), parents).unwrap();
        assert_eq!(first.text, "Lent to /usr/bin/curl, run by /usr/bin/bash, /usr/sbin/sshd.");
        assert_eq!((first.account.as_str(), first.kind), ("work", EventKind::Lent));
        assert_eq!(first.program, "/usr/bin/curl");
        for _ in 1..10_000 {
            assert_eq!(ledger.enter(AT, curl.clone(), Vec::new), None);
        }
        let lines = ledger.close();
        assert_eq!(lines.len(), 1);
        assert_eq!(lines[0].text, "Lent to /usr/bin/curl: 9999 more since the line before.");
        assert!(ledger.close().is_empty());
    }

    #[test]
    fn each_program_account_and_outcome_has_its_own_line_and_after_an_hour_another() {
        let mut ledger = Ledger::default();
        let curl = entry("/usr/bin/curl", "work", false);
        let narrow = Entry { what: " for \"api\"".into(), ..curl.clone() };
        let others = [entry("/usr/bin/curl", "work", true), entry("/usr/bin/curl", "home", true), narrow];
        for case in std::iter::once(&curl).chain(&others) {
            assert!(ledger.enter(AT, case.clone(), Vec::new).is_some(), "{case:?}");
            assert!(ledger.enter(AT, case.clone(), Vec::new).is_none(), "{case:?}");
        }
        let later = ledger.enter(AT.plus(PERIOD), curl, Vec::new).unwrap();
        assert_eq!(later.text, "Refused to /usr/bin/curl; 1 more since the line before.");
        assert_eq!(later.kind, EventKind::Refused);
    }

    #[test]
    fn however_many_names_there_are_an_hour_has_so_many_lines() {
        let mut ledger = Ledger::default();
        let mut enter = |now, n: usize| ledger.enter(now, entry("/tmp/evil", &n.to_string(), false), Vec::new);
        let lines = (0..3 * LARGEST).filter(|n| enter(AT, *n).is_some()).count();
        assert_eq!(lines, LINES as usize);
        assert!(enter(AT.plus(PERIOD), 0).is_some());
        assert!(ledger.counts.len() <= LARGEST);
    }
}
