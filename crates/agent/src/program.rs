//! Which program asks.

use std::path::{Path, PathBuf};

/// How far up the parents are followed.
const GENERATIONS: usize = 16;

/// The executable of the process, or of its nearest ancestor that is not `own`: our own command line asks for whoever ran it.
/// None where the system does not tell.
pub(crate) fn asking(pid: i32, own: &Path) -> Option<PathBuf> {
    let mut pid = pid;
    for _ in 0..GENERATIONS {
        let executable = std::fs::read_link(format!("/proc/{pid}/exe")).ok()?;
        if executable != own {
            return Some(executable);
        }
        pid = parent(&std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)?;
    }
    None
}

/// The parent in a line of `/proc/PID/stat`. The name in brackets before it may hold anything, brackets too.
fn parent(stat: &str) -> Option<i32> {
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok().filter(|pid| *pid > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_pretend_another_parent() {
        assert_eq!(parent("7 (a) S 1 (b) S 42 7 7"), Some(42));
        assert_eq!(parent("7 (a) S 0 7"), None);
        assert_eq!(parent(""), None);
    }

    #[test]
    fn our_own_program_asks_for_its_parent() {
        let own = std::env::current_exe().unwrap();
        let pid = i32::try_from(std::process::id()).unwrap();
        assert_ne!(asking(pid, &own), Some(own.clone()));
        assert_eq!(asking(pid, Path::new("/another")), Some(own));
    }
}
