//! What strace writes: system calls, when they began, and how long they took.

use std::{collections::HashMap, path::Path, process::Command};

/// One system call of any thread.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Call {
    /// The id of the thread that made it.
    pub(super) thread: String,
    /// When it was made and when it returned, in seconds.
    pub(super) begun: f64,
    pub(super) ended: f64,
    pub(super) name: String,
    /// Its arguments, file descriptors with what they are open on.
    pub(super) arguments: String,
    pub(super) returned: i64,
}

/// `strace` of these calls over all threads and children, into `log`; the program goes behind it.
pub(super) fn of(log: &Path, calls: &str) -> Command {
    let mut command = Command::new("strace");
    // The filter in the kernel lets all other calls pass at full speed.
    command.args(["--follow-forks", "--seccomp-bpf", "-ttt", "-T", "-y", "-q", "-e", "signal=none", "-s", "64"]);
    command.args(["-e", &format!("trace={calls}")]).arg("-o").arg(log).arg("--");
    command
}

/// The calls that returned, in the order in which they were made.
pub(super) fn read(log: &str) -> Vec<Call> {
    let mut unfinished: HashMap<&str, (f64, String)> = HashMap::new();
    let mut calls = Vec::new();
    for line in log.lines() {
        let Some((thread, rest)) = line.split_once(' ') else { continue };
        let Some((time, rest)) = rest.trim_start().split_once(' ') else { continue };
        let Ok(time) = time.parse::<f64>() else { continue };
        if let Some(begin) = rest.strip_suffix("<unfinished ...>") {
            unfinished.insert(thread, (time, begin.to_owned()));
        } else if let Some((_, end)) = rest.strip_prefix("<... ").and_then(|rest| rest.split_once(" resumed>")) {
            let Some((begun, begin)) = unfinished.remove(thread) else { continue };
            calls.extend(whole(thread, begun, &format!("{begin}{end}")));
        } else {
            calls.extend(whole(thread, time, rest));
        }
    }
    calls.sort_by(|one: &Call, other| one.begun.total_cmp(&other.begun));
    calls
}

/// `name(arguments) = returned … <seconds>`; nothing for signals, exits and calls that never returned.
fn whole(thread: &str, begun: f64, text: &str) -> Option<Call> {
    let (name, rest) = text.split_once('(')?;
    let (arguments, outcome) = rest.rsplit_once(" = ")?;
    let returned = outcome.split([' ', '<']).next()?.parse().ok()?;
    let took: f64 = outcome.rsplit_once('<')?.1.strip_suffix('>')?.parse().ok()?;
    let arguments = arguments.trim_end().trim_end_matches(')').trim_end().to_owned();
    Some(Call { thread: thread.to_owned(), begun, ended: begun + took, name: name.to_owned(), arguments, returned })
}

#[cfg(test)]
mod tests {
    use super::read;

    const LOG: &str = "\
100   1700000000.100000 recvfrom(9<socket:[1]>, \"HTTP/1.1 200 OK = \"..., 8192, 0, NULL, NULL) = 120 <0.000020>
101   1700000000.200000 fdatasync(7</h/vault.db-wal> <unfinished ...>
100   1700000000.201000 recvfrom(9<socket:[1]>, 0x1, 8192, 0, NULL, NULL) = -1 EAGAIN (Resource temporarily unavailable) <0.000010>
101   1700000000.203000 <... fdatasync resumed>) = 0 <0.003000>
100   1700000000.300000 +++ exited with 0 +++
101   1700000000.400000 read(3, <unfinished ...>
";

    #[test]
    fn calls_are_read_with_their_times_whoever_came_between() {
        let calls = read(LOG);
        let names: Vec<_> = calls.iter().map(|call| (call.name.as_str(), call.returned)).collect();
        assert_eq!(names, [("recvfrom", 120), ("fdatasync", 0), ("recvfrom", -1)]);
        assert_eq!(calls[1].arguments, "7</h/vault.db-wal>");
        assert!((calls[1].ended - 1_700_000_000.203).abs() < 1e-6);
    }
}
