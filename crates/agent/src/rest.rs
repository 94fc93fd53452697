//! Gives pages of memory back that only work needs, while there is none.
//!
//! A program that has everything in it maps far more of its text than waiting takes: what starting, TLS and the vault
//! needed stays mapped, with sixteen pages around each that was touched. The kernel keeps it in its cache of files in any
//! case; whatever is needed again is mapped again, without reading the disk (docs/decisions/0116).

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use rustix::mm::{Advice, madvise};
use tokio::sync::{Notify, watch};

/// Work comes in bursts: so long there has to have been none.
const QUIET: Duration = Duration::from_secs(5);

/// What was done for others, counted.
#[derive(Default)]
pub(crate) struct Work {
    count: AtomicU64,
    /// Whether the next work is to be told of.
    rests: AtomicBool,
    begun: Notify,
}

impl Work {
    /// One more request was answered.
    pub(crate) fn done(&self) {
        self.count.fetch_add(1, Ordering::Relaxed);
        if self.rests.load(Ordering::Relaxed) && self.rests.swap(false, Ordering::Relaxed) {
            self.begun.notify_one();
        }
    }

    /// Gives back what is not needed, each time that work, or a change of the accounts, was followed by quiet. Wakes for
    /// nothing else.
    pub(crate) async fn rest_between(&self, mut changes: watch::Receiver<u64>) {
        loop {
            let mut seen = self.count.load(Ordering::Relaxed);
            loop {
                tokio::time::sleep(QUIET).await;
                let changed = changes.has_changed().unwrap_or(false);
                changes.mark_unchanged();
                let count = self.count.load(Ordering::Relaxed);
                if !changed && count == seen {
                    break;
                }
                seen = count;
            }
            rest();
            // Work that comes just before this is told of by what comes next.
            self.rests.store(true, Ordering::Relaxed);
            tokio::select! {
                () = self.begun.notified() => {}
                changed = changes.changed() => if changed.is_err() { return std::future::pending().await },
            }
        }
    }
}

/// Where the system does not tell what is mapped, everything stays as it is.
fn rest() {
    let Ok(smaps) = File::open("/proc/self/smaps") else { return };
    for range in unwritten(BufReader::new(smaps)) {
        give_back(range);
    }
    give_back_what_was_freed();
}

/// The allocator keeps what was freed for the next time, such as the records of a thousand accounts.
#[cfg(target_env = "gnu")]
#[expect(unsafe_code, reason = "a function of the C library without arguments that could be wrong (malloc_trim(3))")]
fn give_back_what_was_freed() {
    // SAFETY: it may be called at any time, from any thread.
    unsafe { libc::malloc_trim(0) };
}

#[cfg(not(target_env = "gnu"))]
const fn give_back_what_was_freed() {}

#[expect(
    unsafe_code,
    reason = "the pages are of files, can be written by nobody and never were: the next access maps the same bytes again"
)]
fn give_back(range: Range<usize>) {
    let begin = std::ptr::with_exposed_provenance_mut(range.start);
    // SAFETY: see the reason above; `unwritten` takes no other ranges.
    let given = unsafe { madvise(begin, range.len(), Advice::LinuxDontNeed) };
    if let Err(error) = given {
        tracing::debug!(%error, "a part of the program stays mapped");
    }
}

/// The mappings of files that cannot be written, and of which no page was ever written: what the loader relocated has
/// anonymous pages, and is left alone (proc(5), `smaps`).
fn unwritten(mut smaps: impl BufRead) -> Vec<Range<usize>> {
    let mut found = vec![];
    let mut current = None;
    let mut line = String::new();
    // One line at a time: the whole is larger than what waiting otherwise takes.
    while smaps.read_line(&mut line).is_ok_and(|length| length > 0) {
        if let Some(range) = mapping(&line) {
            current = range;
        } else if line.strip_prefix("Anonymous:").is_some_and(|size| size.trim() == "0 kB") {
            found.extend(current.take());
        }
        line.clear();
    }
    found
}

/// The first line of a mapping: `begin-end perms offset device inode path`. The range, where it is a file's and read-only.
fn mapping(line: &str) -> Option<Option<Range<usize>>> {
    let mut words = line.split_ascii_whitespace();
    let (begin, end) = words.next()?.split_once('-')?;
    let address = |text| usize::from_str_radix(text, 16).ok();
    let range = address(begin)?..address(end)?;
    let permissions = words.next()?;
    let of_file =
        words.nth(2).is_some_and(|inode| inode != "0") && words.next().is_some_and(|path| path.starts_with('/'));
    Some(
        (of_file && permissions.starts_with('r') && permissions.ends_with('p') && !permissions.contains('w'))
            .then_some(range),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_that_nobody_writes_are_given_back() {
        let part = |head: &str, anonymous: u32| format!("{head}\nSize: 4 kB\nAnonymous: {anonymous} kB\nVmFlags: rd\n");
        let smaps = [
            part("1000-2000 r--p 00000000 fd:00 77 /usr/bin/pilotlight", 0),
            part("2000-5000 r-xp 00001000 fd:00 77 /usr/bin/pilotlight", 0),
            part("5000-6000 r--p 00004000 fd:00 77 /usr/bin/pilotlight", 4),
            part("6000-7000 rw-p 00005000 fd:00 77 /usr/bin/pilotlight", 0),
            part("7000-8000 r--s 00000000 fd:00 78 /home/somebody/file", 0),
            part("8000-9000 rw-p 00000000 00:00 0 [heap]", 0),
            part("9000-a000 r-xp 00000000 00:00 0 [vdso]", 0),
            part("a000-b000 r--p 00000000 00:00 0", 0),
        ];
        assert_eq!(unwritten(smaps.concat().as_bytes()), [0x1000..0x2000, 0x2000..0x5000]);
        assert_eq!(unwritten(&b"nonsense\nAnonymous: 0 kB\n"[..]), []);
    }

    #[test]
    fn a_process_that_gave_back_its_text_goes_on_working() {
        for _ in 0..3 {
            rest();
            assert_eq!("after".repeat(2), "afterafter");
        }
        let smaps = File::open("/proc/self/smaps").unwrap();
        assert!(unwritten(BufReader::new(smaps)).len() > 1, "this very program has text");
    }
}
