//! Which programs were lent tokens of an account, from the journal.

use pilotlight_oauth::Timestamp;

use crate::Error;
use crate::journal::{EventKind, JournalEntry};
use crate::lifecycle::Pilotlight;

/// So many entries of the journal are looked at.
const LOOKED_AT: usize = 2000;
/// How the sentences of earlier versions' lends and refusals begin; the program's path follows.
const BEGINNINGS: [&str; 2] = ["Lent to ", "Refused to "];
/// What may follow the path; whatever comes first ends it.
const ENDS: [&str; 6] = [", run by ", " for \"", " with the scope \"", ": ", "; ", "."];

/// A program that asked for tokens of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Borrower {
    /// Its file.
    pub program: String,
    /// When it was last lent a token, as far as the journal tells: an hour's later ones are counted, and not timed.
    pub lent_at: Option<Timestamp>,
    /// When it was last refused one.
    pub refused_at: Option<Timestamp>,
}

impl Pilotlight {
    /// The programs that were lent tokens of the account, or were refused them, whoever asked last at the front.
    pub async fn borrowers(&self, name: &str) -> Result<Vec<Borrower>, Error> {
        Ok(borrowers(&self.events(Some(name), LOOKED_AT).await?))
    }
}

/// `entries` are the newest first.
fn borrowers(entries: &[JournalEntry]) -> Vec<Borrower> {
    let mut all: Vec<Borrower> = vec![];
    for entry in entries.iter().filter(|entry| matches!(entry.kind, EventKind::Lent | EventKind::Refused)) {
        let Some(program) = entry.program.as_deref().or_else(|| program_in(&entry.text)) else { continue };
        let at = all.iter().position(|known| known.program == program).unwrap_or_else(|| {
            all.push(Borrower { program: program.to_owned(), lent_at: None, refused_at: None });
            all.len() - 1
        });
        let known = &mut all[at];
        let when = if entry.kind == EventKind::Lent { &mut known.lent_at } else { &mut known.refused_at };
        *when = when.or(Some(entry.at));
    }
    all
}

/// The program in the sentence of a lend or refusal, for the entries of versions that wrote it nowhere else.
fn program_in(text: &str) -> Option<&str> {
    let rest = BEGINNINGS.iter().find_map(|beginning| text.strip_prefix(beginning))?;
    let end = |mark: &&str| match *mark {
        // A full stop stands in many names, and at the end of the sentence.
        "." => rest.strip_suffix('.').map(str::len),
        mark => rest.find(mark),
    };
    let program = &rest[..ENDS.iter().filter_map(end).min()?];
    (!program.is_empty()).then_some(program)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(at: i64, kind: EventKind, text: &str) -> JournalEntry {
        let (at, account, prev) = (Timestamp::from_secs(at), "work".to_owned(), String::new());
        JournalEntry { seq: 1, at, account, kind, text: text.to_owned(), program: None, prev }
    }

    #[test]
    fn a_program_is_found_in_every_sentence_that_an_earlier_agent_wrote() {
        for (text, program) in [
            ("Lent to /usr/bin/curl.", "/usr/bin/curl"),
            ("Lent to /usr/bin/curl, run by /bin/sh, /usr/bin/code.", "/usr/bin/curl"),
            ("Refused to /opt/a b/python3.11; 4 more since the line before.", "/opt/a b/python3.11"),
            ("Lent to /opt/x for y/z for \"api\" with the scope \"read\".", "/opt/x for y/z"),
            ("Lent to /usr/bin/git with the scope \"repo\", run by /bin/sh.", "/usr/bin/git"),
            ("Lent to /usr/bin/curl: 9 more since the line before.", "/usr/bin/curl"),
        ] {
            assert_eq!(program_in(text), Some(program), "{text}");
        }
        for text in ["", "Lent to ", "Lent to .", "Signed in as ada.", "Lent to /usr/bin/curl"] {
            assert_eq!(program_in(text), None, "{text}");
        }
    }

    #[test]
    fn a_program_is_listed_once_with_its_last_lend_and_its_last_refusal() {
        let entries = [
            entry(9, EventKind::Refused, "Refused to /usr/bin/git."),
            entry(8, EventKind::Refreshed, "Lent to nobody."),
            entry(7, EventKind::Lent, "Lent to /usr/bin/curl, run by /bin/sh."),
            entry(6, EventKind::Lent, "Lent to /usr/bin/git."),
            entry(5, EventKind::Lent, "Lent to /usr/bin/curl."),
            JournalEntry { program: Some("/opt/a: b".into()), ..entry(4, EventKind::Lent, "Lent to /opt/a: b.") },
        ];
        let all = borrowers(&entries);
        let at = |secs| Some(Timestamp::from_secs(secs));
        let told: Vec<_> = all.iter().map(|one| (one.program.as_str(), one.lent_at, one.refused_at)).collect();
        assert_eq!(told, [("/usr/bin/git", at(6), at(9)), ("/usr/bin/curl", at(7), None), ("/opt/a: b", at(4), None)]);
    }
}
