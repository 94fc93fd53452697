//! What would reach the swap file: the pages that the kernel may write there.

use std::collections::HashSet;

use super::memory::{busy, keys, memory};
use super::{Attack, Attacker};
use crate::canary::Search;
use crate::cell::Cell;
use crate::subject::Launch;
use crate::verdict::{Evidence, Finding, Halt, Outcome};

pub(super) const ATTACKS: &[Attack] = &[Attack {
    name: "swappable-memory",
    attacker: Attacker::DiskThief,
    title: "Look at the memory that may go to swap",
    how: "Start the program open to debuggers, let it keep, read and rotate a token, and while the store stands open and idle, search every page that the kernel may write to the swap file: all that are not locked in memory (VmFlags of /proc/PID/smaps).",
    right: "Neither a token nor the keystore's key is there.",
    quick: true,
    as_plain_user: false,
    run: swappable_memory,
}];

/// Where the mappings begin that are locked in memory.
fn locked(id: u32) -> std::io::Result<HashSet<u64>> {
    let smaps = std::fs::read_to_string(format!("/proc/{id}/smaps"))?;
    let (mut begins, mut locked) = (0, HashSet::new());
    for line in smaps.lines() {
        if let Some(flags) = line.strip_prefix("VmFlags:") {
            if flags.split(' ').any(|flag| flag == "lo") {
                locked.insert(begins);
            }
        } else if let Some((from, _)) = line.split_once('-')
            && let Ok(from) = u64::from_str_radix(from, 16)
        {
            begins = from;
        }
    }
    Ok(locked)
}

fn swappable_memory(cell: &mut Cell) -> Outcome {
    let mut live = cell.start_as(&Launch { harden: false, ..cell.launch.clone() })?;
    let (known, next) = busy(cell, &mut live)?;
    // What it last said is wiped when it is asked for something else.
    cell.usable(live.stats())?;
    let search = Search::new(&[keys(cell), vec![known.canary, next.canary]].concat());
    let refused = |error: std::io::Error| {
        Halt::Inconclusive(format!("the process's memory cannot be read here: {}", error.kind()))
    };
    let locked = locked(live.id()).map_err(refused)?;
    let (mut evidence, mut searched): (Vec<Evidence>, u64) = (vec![], 0);
    memory(live.id(), |from, bytes| {
        if locked.contains(&from) {
            return;
        }
        searched += bytes.len() as u64;
        evidence.extend(search.evidence("memory that may go to swap", bytes).into_iter().map(|mut found| {
            found.offset = found.offset.map(|offset| offset + from);
            found
        }));
    })
    .map_err(refused)?;
    evidence.truncate(8);
    cell.did(format!(
        "Kept, read and rotated a token; with the store open and idle, searched {} KiB of its memory that may go to swap, and passed over {} mappings that are locked.",
        searched >> 10,
        locked.len()
    ));
    Ok(Finding::of(evidence, "No token, and not the keystore's key, stood in a page that may be swapped."))
}
