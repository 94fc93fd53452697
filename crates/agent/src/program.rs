//! Which program asks, and who ran it.

use std::path::PathBuf;

/// How far up the parents are followed.
const GENERATIONS: usize = 16;

/// A process that asks, by what the system tells of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asking {
    /// The process that counts, which may be an ancestor of the one that is connected.
    pub(crate) pid: i32,
    pub(crate) program: PathBuf,
}

/// What both of our programs are called. They stand in one folder.
const OURS: [&str; 2] = ["pilotlight", "pilotlight-desktop"];

/// Our own executables: the one that runs, and the other one beside it. Whichever serves, the command line asks for whoever ran
/// it, and a person may answer in either.
pub(crate) fn ours() -> std::io::Result<Vec<PathBuf>> {
    let running = std::env::current_exe()?;
    if OURS.iter().any(|name| running.ends_with(name)) {
        return Ok(OURS.iter().map(|name| running.with_file_name(name)).collect());
    }
    Ok(vec![running])
}

/// The executable of the process, or of its nearest ancestor that is not `own`: our own command line asks for whoever ran it.
/// None where the system does not tell.
pub(crate) fn asking(pid: i32, own: &[PathBuf]) -> Option<Asking> {
    let mut pid = pid;
    for _ in 0..GENERATIONS {
        let program = executable(pid)?;
        if !own.contains(&program) {
            return Some(Asking { pid, program });
        }
        pid = Stat::of(pid)?.parent?;
    }
    None
}

/// What the process runs.
pub(crate) fn executable(pid: i32) -> Option<PathBuf> {
    std::fs::read_link(format!("/proc/{pid}/exe")).ok()
}

/// Who ran this process, and who ran that. Those that are closed to us are left out.
pub(crate) fn parents(pid: i32) -> Vec<PathBuf> {
    let above = |pid: &i32| Stat::of(*pid)?.parent;
    let line = std::iter::successors(above(&pid), above).take(GENERATIONS);
    line.filter_map(executable).collect()
}

/// When the process was started, in ticks since the machine was: with its number, the name of one run.
pub(crate) fn started(pid: i32) -> Option<u64> {
    Stat::of(pid)?.started
}

/// What a line of `/proc/PID/stat` tells.
struct Stat {
    parent: Option<i32>,
    started: Option<u64>,
}

impl Stat {
    fn of(pid: i32) -> Option<Self> {
        Self::parse(&std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }

    /// The name in brackets may hold anything, brackets too.
    fn parse(stat: &str) -> Option<Self> {
        let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
        let parent = fields.nth(1)?.parse().ok().filter(|pid| *pid > 0);
        // The 4th field was the parent; the start is the 22nd.
        Some(Self { parent, started: fields.nth(17).and_then(|field| field.parse().ok()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_pretend_another_parent() {
        let parent = |stat| Stat::parse(stat)?.parent;
        assert_eq!(parent("7 (a) S 1 (b) S 42 7 7"), Some(42));
        assert_eq!(parent("7 (a) S 0 7"), None);
        assert_eq!(parent(""), None);
    }

    #[test]
    fn our_own_program_asks_for_its_parent() {
        let own = std::env::current_exe().unwrap();
        let pid = i32::try_from(std::process::id()).unwrap();
        let ours = ["/another".into(), own.clone()];
        assert_ne!(asking(pid, &ours).unwrap().program, own);
        assert_eq!(asking(pid, &ours[..1]), Some(Asking { pid, program: own }));
    }

    #[test]
    fn a_process_has_a_start_and_parents() {
        let pid = i32::try_from(std::process::id()).unwrap();
        let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
        let field = stat.rsplit_once(')').unwrap().1.split_whitespace().nth(19).unwrap();
        assert_eq!(started(pid), field.parse().ok());
        assert!(started(1).unwrap() < started(pid).unwrap());
        assert!(!parents(pid).is_empty());
    }
}
