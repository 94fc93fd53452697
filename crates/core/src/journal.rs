//! The event journal: what happened to each grant and why, without any token (P8). One JSON object a line, shared by all
//! processes, bounded: at 1 MiB the file becomes `journal.1.jsonl` and a new one begins.
//!
//! Each line carries the hash of the one before it, so a line that was changed, dropped or put in shows. The chain has no
//! key: it tells of damage and of careless hands, not of somebody who rewrites all that follows.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use pilotlight_oauth::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::{Error, ErrorCode, Home};

const LARGEST: u64 = 1024 * 1024;
/// No line is longer, so this much of the end always holds a whole one.
const TAIL: u64 = 16 * 1024;
/// Characters that an entry keeps of its sentence, and of a program's path.
const LONGEST_TEXT: usize = 400;
const LONGEST_PROGRAM: usize = 1024;

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
    /// Every grant was moved to another strategy, or a strategy was chosen.
    Moved,
    /// The vault's keys, or the ways to open it, were changed.
    KeysChanged,
    /// An access token was lent to another program, or several were.
    Lent,
    /// Another program was refused one, or several.
    Refused,
    /// Other sign-ins of the same person were ended at the service.
    DevicesEnded,
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
            Self::Moved => "moved",
            Self::KeysChanged => "keys-changed",
            Self::Lent => "lent",
            Self::Refused => "refused",
            Self::DevicesEnded => "devices-ended",
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
    /// The file of the program that a lend or a refusal is about. Entries of older versions have it in their sentence alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub program: Option<String>,
    /// The chain: the first 128 bits of the SHA-256 of the line before, in base64url; empty in the first line of all.
    pub prev: String,
}

/// Whether the journal's chain holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chain {
    /// Every line follows from the one before.
    Whole,
    /// The line of this number does not follow from the one before: something was changed, dropped or put in.
    Broken(u64),
}

/// The journal of one [`Home`].
#[derive(Debug, Clone)]
pub(crate) struct Journal {
    path: PathBuf,
    /// Where this process left the file, so that the next line need not read it again if nobody else wrote.
    left: Arc<Mutex<Option<Left>>>,
}

#[derive(Debug, Clone)]
struct Left {
    length: u64,
    seq: u64,
    hash: String,
}

impl Journal {
    pub(crate) fn new(home: &Home) -> Self {
        Self { path: home.journal(), left: Arc::default() }
    }

    /// Appends one entry, under a lock shared with other processes.
    pub(crate) fn append(
        &self,
        at: Timestamp,
        account: &str,
        kind: EventKind,
        (text, program): (&str, Option<&str>),
    ) -> Result<JournalEntry, Error> {
        if let Some(folder) = self.path.parent() {
            crate::files::make_private_folder(folder)?;
        }
        self.write(at, account, kind, (text, program)).map_err(|error| unwritable(&error))
    }

    fn write(
        &self,
        at: Timestamp,
        account: &str,
        kind: EventKind,
        (text, program): (&str, Option<&str>),
    ) -> std::io::Result<JournalEntry> {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        let guard = self.open_append(&self.path.with_extension("lock"))?;
        guard.lock()?;
        let mut file = self.open_append(&self.path)?;
        let length = file.metadata()?.len();
        let last = match left.take().filter(|left| left.length == length) {
            Some(left) => Last { seq: left.seq, hash: left.hash, torn: false },
            None => last_line(&mut file)?.map_or_else(|| self.last_archived(), Ok)?,
        };
        let mut length = length;
        if length >= LARGEST {
            std::fs::rename(&self.path, self.archive())?;
            (file, length) = (self.open_append(&self.path)?, 0);
        }
        let text = text.chars().take(LONGEST_TEXT).collect();
        let program = program.map(|program| program.chars().take(LONGEST_PROGRAM).collect());
        // A line that somebody planted may bear the last number there is.
        let seq = last.seq.saturating_add(1);
        let entry = JournalEntry { seq, at, account: account.to_owned(), kind, text, program, prev: last.hash };
        let line = serde_json::to_string(&entry)?;
        let ending = if last.torn { "\n" } else { "" };
        let written = format!("{ending}{line}\n");
        file.write_all(written.as_bytes())?;
        *left = Some(Left { length: length + written.len() as u64, seq: entry.seq, hash: hash(line.as_bytes()) });
        Ok(entry)
    }

    /// Follows the chain through both files.
    pub(crate) fn verify(&self) -> Result<Chain, Error> {
        let mut bytes = read_bytes(&self.archive()).map_err(|error| unwritable(&error))?;
        bytes.extend(read_bytes(&self.path).map_err(|error| unwritable(&error))?);
        Ok(follow(&bytes))
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

    /// The end of the older file, where the newer one has no line yet.
    fn last_archived(&self) -> std::io::Result<Last> {
        let nothing = Last { seq: 0, hash: String::new(), torn: false };
        match File::open(self.archive()) {
            Ok(mut file) => Ok(last_line(&mut file)?.map_or(nothing, |last| Last { torn: false, ..last })),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(nothing),
            Err(error) => Err(error),
        }
    }

    fn open_append(&self, path: &Path) -> std::io::Result<File> {
        let mut options = OpenOptions::new();
        options.read(true).append(true).create(true);
        crate::files::private(&mut options);
        options.open(path)
    }
}

/// What the next line follows.
struct Last {
    seq: u64,
    hash: String,
    /// The file does not end with a line's end: a crash cut the last write short.
    torn: bool,
}

/// The last whole line, if there is one.
fn last_line(file: &mut File) -> std::io::Result<Option<Last>> {
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL)))?;
    let mut bytes = vec![];
    file.read_to_end(&mut bytes)?;
    let torn = bytes.last().is_some_and(|byte| *byte != b'\n');
    let whole = |line: &[u8]| {
        let entry: JournalEntry = serde_json::from_slice(line).ok()?;
        Some(Last { seq: entry.seq, hash: hash(line), torn })
    };
    Ok(bytes.split(|byte| *byte == b'\n').rev().find_map(whole))
}

fn hash(line: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(&Sha256::digest(line)[..16])
}

/// Follows the chain through the lines of both files.
pub(crate) fn follow(bytes: &[u8]) -> Chain {
    let mut before: Option<(u64, String)> = None;
    for line in bytes.split(|byte| *byte == b'\n') {
        // A line that a crash cut short is no entry, and the next one was chained to the last whole one.
        let Ok(entry) = serde_json::from_slice::<JournalEntry>(line) else { continue };
        let next = |(seq, hash): &(u64, String)| seq.checked_add(1) == Some(entry.seq) && entry.prev == *hash;
        if !before.as_ref().is_none_or(next) {
            return Chain::Broken(entry.seq);
        }
        before = Some((entry.seq, hash(line)));
    }
    Chain::Whole
}

fn read_all(path: &Path) -> std::io::Result<Vec<JournalEntry>> {
    Ok(entries_in(&read_bytes(path)?))
}

/// The entries among the lines, in their order.
pub(crate) fn entries_in(bytes: &[u8]) -> Vec<JournalEntry> {
    bytes.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect()
}

/// Nothing where there is no file.
fn read_bytes(path: &Path) -> std::io::Result<Vec<u8>> {
    match std::fs::read(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(vec![]),
        read => read,
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
        journal.append(Timestamp::from_secs(1), account, EventKind::Refreshed, ("It was refreshed.", None)).unwrap()
    }

    #[test]
    fn a_planted_line_with_the_last_number_there_is_stops_nobody_and_shows() {
        let (_folder, journal) = journal();
        append(&journal, "a");
        let planted = format!(
            "{{\"seq\":{},\"at\":1,\"account\":\"a\",\"kind\":\"ended\",\"text\":\"\",\"prev\":\"\"}}\n",
            u64::MAX
        );
        let whole = std::fs::read_to_string(&journal.path).unwrap();
        std::fs::write(&journal.path, whole + &planted).unwrap();
        assert_eq!(append(&journal, "a").seq, u64::MAX);
        assert_eq!(journal.verify().unwrap(), Chain::Broken(u64::MAX));
        assert_eq!(journal.newest(None, 9).unwrap().len(), 3);
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
        assert_eq!(journal.verify().unwrap(), Chain::Whole);
    }

    #[test]
    fn a_line_that_was_changed_dropped_or_put_in_breaks_the_chain() {
        let (_folder, journal) = journal();
        (0..5).for_each(|_| drop(append(&journal, "a")));
        assert_eq!(journal.verify().unwrap(), Chain::Whole);
        let whole = std::fs::read_to_string(&journal.path).unwrap();
        let lines: Vec<&str> = whole.lines().collect();
        let put_in = [&lines[..2], &lines[1..]].concat();
        let changed = whole.replacen("refreshed.", "revoked.", 3).replacen("revoked.", "refreshed.", 2);
        for (tampered, at) in [(lines[1..].join("\n"), None), (put_in.join("\n"), Some(2)), (changed, Some(4))] {
            std::fs::write(&journal.path, tampered).unwrap();
            assert_eq!(journal.verify().unwrap(), at.map_or(Chain::Whole, Chain::Broken));
        }
        std::fs::write(&journal.path, [&lines[..2], &lines[3..]].concat().join("\n")).unwrap();
        assert_eq!(journal.verify().unwrap(), Chain::Broken(4));
    }

    #[test]
    fn a_program_is_kept_beside_its_sentence_and_lines_without_one_are_read_as_they_were() {
        let (_folder, journal) = journal();
        append(&journal, "a");
        let earlier = std::fs::read_to_string(&journal.path).unwrap();
        assert!(!earlier.contains("program"), "an entry about no program is as it was: {earlier}");
        let longest = "\u{1}".repeat(5000);
        for program in ["/opt/a, run by b/curl", &longest] {
            journal.append(Timestamp::from_secs(2), "a", EventKind::Lent, (&longest, Some(program))).unwrap();
        }
        assert_eq!(append(&journal, "b").seq, 4, "the longest line there can be is found again");
        let programs: Vec<_> = journal.newest(None, 9).unwrap().into_iter().map(|entry| entry.program).collect();
        let kept = [Some(&longest[..LONGEST_PROGRAM]), Some("/opt/a, run by b/curl"), None];
        assert_eq!(programs.iter().map(Option::as_deref).collect::<Vec<_>>(), [&[None], &kept[..]].concat());
        assert_eq!(journal.verify().unwrap(), Chain::Whole);
    }

    #[test]
    fn the_journal_is_bounded_and_goes_on_counting() {
        let (_folder, journal) = journal();
        let long = "x".repeat(400);
        for _ in 0..5_000 {
            journal.append(Timestamp::from_secs(1), "a", EventKind::RefreshFailed, (&long, None)).unwrap();
        }
        assert_eq!(append(&journal, "a").seq, 5_001);
        let sizes = [&journal.path, &journal.archive()].map(|path| std::fs::metadata(path).unwrap().len());
        assert_eq!(journal.verify().unwrap(), Chain::Whole);
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
        assert_eq!(journal.verify().unwrap(), Chain::Whole);
    }
}
