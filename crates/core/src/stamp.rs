//! Whether files have been written, told by looking at them from outside.

use std::path::PathBuf;
#[cfg(unix)]
use std::time::Duration;

use pilotlight_oauth::Timestamp;

use crate::parts::{Clock as _, SystemClock};

/// File systems stamp in ticks: a write within the tick of another may not show. A stamp is trusted when it is older than any
/// tick; where stamps have whole seconds only, than two of those.
#[cfg(unix)]
const TICK: Duration = Duration::from_millis(100);
#[cfg(unix)]
const COARSE_TICK: Duration = Duration::from_secs(3);

/// Which state some files were in: device, inode, length, and the times of the last writing and the last change of each one that
/// is there. Two that are equal, of which the first could be trusted, have nothing between them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp {
    files: Vec<Option<[i128; 5]>>,
}

impl Stamp {
    /// Of these files. None where the system has no such thing, or a file cannot be looked at.
    #[cfg(unix)]
    #[must_use]
    pub fn of(files: &[PathBuf]) -> Option<Self> {
        use std::os::unix::fs::MetadataExt as _;
        let nanos = |seconds: i64, nanos: i64| i128::from(seconds) * 1_000_000_000 + i128::from(nanos);
        let look = |file: &PathBuf| match file.symlink_metadata() {
            Ok(found) => Some(Some([
                found.dev().into(),
                found.ino().into(),
                found.len().into(),
                nanos(found.mtime(), found.mtime_nsec()),
                nanos(found.ctime(), found.ctime_nsec()),
            ])),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Some(None),
            Err(_) => None,
        };
        Some(Self { files: files.iter().map(look).collect::<Option<_>>()? })
    }

    #[cfg(not(unix))]
    #[must_use]
    pub fn of(_: &[PathBuf]) -> Option<Self> {
        None
    }

    /// Of these files, if a later write is sure to show.
    #[must_use]
    pub fn trusted(files: &[PathBuf]) -> Option<Self> {
        // The system's own clock, which stamps files, whatever clock a caller works with.
        Self::of(files).filter(|stamp| stamp.is_settled(SystemClock.now()))
    }

    /// Whether a write that came later than this stamp, which was taken at `now`, would show.
    #[cfg(unix)]
    fn is_settled(&self, now: Timestamp) -> bool {
        self.files.iter().flatten().all(|[_, _, _, written, _]| {
            let coarse = written % 1_000_000_000 == 0;
            let tick = if coarse { COARSE_TICK } else { TICK };
            let age = i128::from(now.as_millis()) * 1_000_000 - written;
            age > i128::try_from(tick.as_nanos()).unwrap_or(i128::MAX)
        })
    }

    #[cfg(not(unix))]
    fn is_settled(&self, _: Timestamp) -> bool {
        false
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_within_a_tick_of_the_clock_is_not_trusted() {
        let at = |millis: i64| Stamp { files: vec![None, Some([1, 2, 3, i128::from(millis) * 1_000_000, 0])] };
        let now = Timestamp::from_millis(1_000_000_500);
        assert!(at(1_000_000_399).is_settled(now));
        assert!(!at(1_000_000_401).is_settled(now));
        assert!(!at(1_000_000_600).is_settled(now), "the clock was set back");
        assert!(!at(999_998_000).is_settled(now), "a file system of whole seconds");
        assert!(at(999_997_000).is_settled(now));
    }
}
