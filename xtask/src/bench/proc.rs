//! What the kernel tells of a process.

use std::fs;

use crate::failure::Failure;

/// A clock tick of `/proc/PID/stat`, in microseconds: USER_HZ is 100 on every Linux.
const TICK_MICROS: f64 = 10_000.0;

/// Resident memory and this process' share of it, in kilobytes.
pub(super) fn memory(pid: u32) -> Result<(u64, u64), Failure> {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    let of = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|line| line.trim().split(' ').next()?.parse().ok()).unwrap_or(0)
    };
    Ok((of("Rss:"), of("Pss:")))
}

/// Time of the processor that all threads took, ended ones included, in microseconds.
pub(super) fn cpu(pid: u32) -> Result<f64, Failure> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let fields = text.rsplit_once(')').map(|(_, rest)| rest.split_whitespace()).into_iter().flatten();
    // User and system time are the 14th and 15th of all, the 12th and 13th behind the name.
    Ok(fields.skip(11).take(2).filter_map(|field| field.parse::<f64>().ok()).sum::<f64>() * TICK_MICROS)
}

/// How often its threads have waited for something and were woken.
pub(super) fn wake_ups(pid: u32) -> Result<u64, Failure> {
    let mut all = 0;
    for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
        let status = fs::read_to_string(thread?.path().join("status")).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
        all += line.and_then(|line| line.trim().parse::<u64>().ok()).unwrap_or(0);
    }
    Ok(all)
}

/// Its threads.
pub(super) fn threads(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/task")).map_or(0, Iterator::count)
}

/// The processes that it started.
pub(super) fn children(pid: u32) -> Vec<u32> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    text.split_whitespace().filter_map(|pid| pid.parse().ok()).collect()
}
