//! The event journal: what happened to each grant and why, without any token (P8). One JSON object a line, shared by all
//! processes, bounded: at 1 MiB the file becomes `journal.1.jsonl` and a new one begins.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use pilotlight_oauth::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{Error, ErrorCode, Home};

const LARGEST: u64 = 1024 * 1024;
/// No line is longer, so this much of the end always holds a whole one.
const TAIL: u64 = 16 * 1024;

/// What kind of thing happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum EventKind {
    /// A person signed in.
    SignedIn,
    /// The tokens were refreshed.
    Refreshed,
    /// An attempt of an earlier run, whose outcome was unknown, was taken up again.
    Resumed,
    /// A refresh did not succeed; the grant is kept.
    RefreshFailed,
    /// New tokens could not be saved; they are kept in memory.
    SaveFailed,
    /// The grant ended, on proof.
    Ended,
    /// The person signed out.
    SignedOut,
    /// An unusable vault was set aside on the person's word.
    StartedOver,
}

impl EventKind {
    /// The name as scripts see it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SignedIn => "signed-in",
            Self::Refreshed => "refreshed",
            Self::Resumed => "resumed",
            Self::RefreshFailed => "refresh-failed",
            Self::SaveFailed => "save-failed",
            Self::Ended => "ended",
            Self::SignedOut => "signed-out",
            Self::StartedOver => "started-over",
        }
    }
}

/// One entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JournalEntry {
    /// Increasing by one.
    pub seq: u64,
    /// When.
    pub at: Timestamp,
    /// The account's name; empty where it concerns all.
    pub account: String,
    /// What.
    pub kind: EventKind,
    /// One sentence, free of secrets.
    pub text: String,
}

/// The journal of one [`Home`].
#[derive(Debug, Clone)]
pub(crate) struct Journal {
    path: PathBuf,
}

impl Journal {
    pub(crate) fn new(home: &Home) -> Self {
        Self { path: home.journal() }
    }

    /// Appends one entry, under a lock shared with other processes.
    pub(crate) fn append(
        &self,
        at: Timestamp,
        account: &str,
        kind: EventKind,
        text: &str,
    ) -> Result<JournalEntry, Error> {
        if let Some(folder) = self.path.parent() {
            crate::files::make_private_folder(folder)?;
        }
        self.write(at, account, kind, text).map_err(|error| unwritable(&error))
    }

    fn write(&self, at: Timestamp, account: &str, kind: EventKind, text: &str) -> std::io::Result<JournalEntry> {
        let guard = self.open_append(&self.path.with_extension("lock"))?;
        guard.lock()?;
        let mut file = self.open_append(&self.path)?;
        let last = last_line(&mut file)?;
        let seq = last.entry.map_or_else(|| self.last_archived_seq(), |entry| entry.seq) + 1;
        if file.metadata()?.len() >= LARGEST {
            std::fs::rename(&self.path, self.archive())?;
            file = self.open_append(&self.path)?;
        }
        let text = text.chars().take(400).collect();
        let entry = JournalEntry { seq, at, account: account.to_owned(), kind, text };
        let mut line = String::new();
        if last.torn {
            line.push('\n');
        }
        line.push_str(&serde_json::to_string(&entry)?);
        line.push('\n');
        file.write_all(line.as_bytes())?;
        Ok(entry)
    }

    /// The newest `limit` entries, newest first; of one account where it is named. Lines that a crash cut off are passed over.
    pub(crate) fn newest(&self, account: Option<&str>, limit: usize) -> Result<Vec<JournalEntry>, Error> {
        let mut entries = read_all(&self.archive()).map_err(|error| unwritable(&error))?;
        entries.extend(read_all(&self.path).map_err(|error| unwritable(&error))?);
        let wanted = |entry: &JournalEntry| account.is_none_or(|name| entry.account == name);
        Ok(entries.into_iter().rev().filter(wanted).take(limit).collect())
    }

    fn archive(&self) -> PathBuf {
        self.path.with_extension("1.jsonl")
    }

    fn last_archived_seq(&self) -> u64 {
        File::open(self.archive())
            .ok()
            .and_then(|mut file| last_line(&mut file).ok()?.entry)
            .map_or(0, |entry| entry.seq)
    }

    fn open_append(&self, path: &Path) -> std::io::Result<File> {
        let mut options = OpenOptions::new();
        options.read(true).append(true).create(true);
        crate::files::private(&mut options);
        options.open(path)
    }
}

struct LastLine {
    entry: Option<JournalEntry>,
    /// The file does not end with a line's end: a crash cut the last write short.
    torn: bool,
}

fn last_line(file: &mut File) -> std::io::Result<LastLine> {
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL)))?;
    let mut bytes = vec![];
    file.read_to_end(&mut bytes)?;
    let torn = bytes.last().is_some_and(|byte| *byte != b'\n');
    let entry = bytes.split(|byte| *byte == b'\n').rev().find_map(|line| serde_json::from_slice(line).ok());
    Ok(LastLine { entry, torn })
}

fn read_all(path: &Path) -> std::io::Result<Vec<JournalEntry>> {
    match std::fs::read(path) {
        Ok(bytes) => {
            Ok(bytes.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect())
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(vec![]),
        Err(error) => Err(error),
    }
}

fn unwritable(error: &std::io::Error) -> Error {
    Error::new(ErrorCode::VaultIo, format!("The journal cannot be used: {error}."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn journal() -> (tempfile::TempDir, Journal) {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::new(&Home::at(folder.path().join("home")).unwrap());
        (folder, journal)
    }

    fn append(journal: &Journal, account: &str) -> JournalEntry {
        journal.append(Timestamp::from_secs(1), account, EventKind::Refreshed, "It was refreshed.").unwrap()
    }

    #[test]
    fn entries_come_newest_first_and_by_account() {
        let (_folder, journal) = journal();
        for name in ["a", "b", "a"] {
            append(&journal, name);
        }
        let seqs = |account| journal.newest(account, 10).unwrap().iter().map(|e| e.seq).collect::<Vec<_>>();
        assert_eq!(seqs(None), [3, 2, 1]);
        assert_eq!(seqs(Some("a")), [3, 1]);
        assert_eq!(journal.newest(None, 1).unwrap().len(), 1);
    }

    #[test]
    fn a_line_cut_off_by_a_crash_loses_nothing_else() {
        let (_folder, journal) = journal();
        append(&journal, "a");
        OpenOptions::new().append(true).open(&journal.path).unwrap().write_all(b"{\"seq\":2,\"at\"").unwrap();
        assert_eq!(append(&journal, "b").seq, 2);
        assert_eq!(journal.newest(None, 10).unwrap().len(), 2);
    }

    #[test]
    fn the_journal_is_bounded_and_goes_on_counting() {
        let (_folder, journal) = journal();
        let long = "x".repeat(400);
        for _ in 0..5_000 {
            journal.append(Timestamp::from_secs(1), "a", EventKind::RefreshFailed, &long).unwrap();
        }
        assert_eq!(append(&journal, "a").seq, 5_001);
        let sizes = [&journal.path, &journal.archive()].map(|path| std::fs::metadata(path).unwrap().len());
        assert!(sizes.iter().all(|size| *size < LARGEST + TAIL), "{sizes:?}");
    }

    #[test]
    fn writers_of_many_threads_share_one_count() {
        let (_folder, journal) = journal();
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| (0..20).for_each(|_| drop(append(&journal, "a"))));
            }
        });
        let mut seqs: Vec<u64> = journal.newest(None, 1000).unwrap().iter().map(|e| e.seq).collect();
        seqs.sort_unstable();
        assert_eq!(seqs, (1..=160).collect::<Vec<_>>());
    }
}
