//! Which lends and refusals go into the journal: the first of a program and an account at once, and then how many there were,
//! once an hour at most. Ten thousand requests are two lines. However many programs and accounts there are, an hour has so many
//! lines and no more; what comes after that is counted.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

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
}

/// What was counted since it was last written.
#[derive(Default)]
pub(crate) struct Ledger {
    counts: HashMap<PathBuf, HashMap<String, [Count; 2]>>,
    size: usize,
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
        (program, account, lent): (&Path, &str, bool),
        parents: impl FnOnce() -> Vec<PathBuf>,
    ) -> Option<Line> {
        let known = self.counts.get_mut(program).and_then(|accounts| accounts.get_mut(account));
        let count = match known {
            Some(counts) => &mut counts[usize::from(lent)],
            None => {
                if self.size >= LARGEST {
                    (self.counts, self.size) = (HashMap::new(), 0);
                }
                self.size += 1;
                let accounts = self.counts.entry(program.to_owned()).or_default();
                &mut accounts.entry(account.to_owned()).or_default()[usize::from(lent)]
            }
        };
        if count.since.is_some_and(|since| is_within(since, now)) {
            count.more += 1;
            return None;
        }
        let (begun, lines) = self.period.filter(|(begun, _)| is_within(*begun, now)).unwrap_or((now, 0));
        if lines >= LINES {
            count.more += 1;
            return None;
        }
        self.period = Some((begun, lines + 1));
        let before = std::mem::replace(count, Count { since: Some(now), more: 0 }).more;
        Some(line(program, account, lent, before, &parents()))
    }

    /// The lines of what was counted and not written, when the agent ends.
    pub(crate) fn close(&mut self) -> Vec<Line> {
        let counts = std::mem::take(self).counts;
        let all = counts.into_iter().flat_map(|(program, accounts)| {
            accounts.into_iter().flat_map(move |(account, counts)| {
                let program = program.clone();
                [false, true].into_iter().filter_map(move |lent| {
                    let more = counts[usize::from(lent)].more;
                    (more > 0).then(|| rest(&program, &account, lent, more))
                })
            })
        });
        all.collect()
    }
}

/// A clock that was set back begins a new period.
fn is_within(begun: Timestamp, now: Timestamp) -> bool {
    now >= begun && now.since(begun) < PERIOD
}

fn line(program: &Path, account: &str, lent: bool, before: u64, parents: &[PathBuf]) -> Line {
    let mut text = format!("{} {}", verb(lent), program.display());
    if let Some(first) = parents.first() {
        text += &format!(", run by {}", first.display());
        text.extend(parents.iter().skip(1).take(3).map(|parent| format!(", {}", parent.display())));
    }
    text += &match before {
        0 => ".".to_owned(),
        more => format!("; {more} more since the line before."),
    };
    Line { account: account.to_owned(), kind: kind(lent), text }
}

fn rest(program: &Path, account: &str, lent: bool, more: u64) -> Line {
    let text = format!("{} {}: {more} more since the line before.", verb(lent), program.display());
    Line { account: account.to_owned(), kind: kind(lent), text }
}

const fn verb(lent: bool) -> &'static str {
    if lent { "Lent to" } else { "Refused to" }
}

const fn kind(lent: bool) -> EventKind {
    if lent { EventKind::Lent } else { EventKind::Refused }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: Timestamp = Timestamp::from_secs(1_000_000);

    #[test]
    fn ten_thousand_lends_are_two_lines() {
        let mut ledger = Ledger::default();
        let curl = Path::new("/usr/bin/curl");
        let parents = || vec![PathBuf::from("/usr/bin/bash"), PathBuf::from("/usr/sbin/sshd")];
        let first = ledger.enter(AT, (curl, "work", true), parents).unwrap();
        assert_eq!(first.text, "Lent to /usr/bin/curl, run by /usr/bin/bash, /usr/sbin/sshd.");
        assert_eq!((first.account.as_str(), first.kind), ("work", EventKind::Lent));
        for _ in 1..10_000 {
            assert_eq!(ledger.enter(AT, (curl, "work", true), Vec::new), None);
        }
        let lines = ledger.close();
        assert_eq!(lines.len(), 1);
        assert_eq!(lines[0].text, "Lent to /usr/bin/curl: 9999 more since the line before.");
        assert!(ledger.close().is_empty());
    }

    #[test]
    fn each_program_account_and_outcome_has_its_own_line_and_after_an_hour_another() {
        let mut ledger = Ledger::default();
        let (curl, git) = (Path::new("/usr/bin/curl"), Path::new("/usr/bin/git"));
        let cases = [(curl, "work", true), (curl, "work", false), (curl, "home", true), (git, "work", true)];
        for case in cases {
            assert!(ledger.enter(AT, case, Vec::new).is_some(), "{case:?}");
            assert!(ledger.enter(AT, case, Vec::new).is_none(), "{case:?}");
        }
        let later = ledger.enter(AT.plus(PERIOD), cases[1], Vec::new).unwrap();
        assert_eq!(later.text, "Refused to /usr/bin/curl; 1 more since the line before.");
        assert_eq!(later.kind, EventKind::Refused);
    }

    #[test]
    fn however_many_names_there_are_an_hour_has_so_many_lines() {
        let mut ledger = Ledger::default();
        let mut enter = |now, n: usize| ledger.enter(now, (Path::new("/tmp/evil"), &n.to_string(), false), Vec::new);
        let lines = (0..3 * LARGEST).filter(|n| enter(AT, *n).is_some()).count();
        assert_eq!(lines, LINES as usize);
        assert!(enter(AT.plus(PERIOD), 0).is_some());
        assert!(ledger.size <= LARGEST);
    }
}
