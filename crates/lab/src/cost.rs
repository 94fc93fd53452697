//! What the strategies cost: time, disk, syncs, calls of the keystore, memory.
//!
//! The store runs in a process of its own and answers by lines, as in the matrix; that round trip is measured too and
//! taken off.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::attack::peak_memory;
use crate::cell::{Cell, Known, Orders};
use crate::run::RunError;
use crate::snapshot::Snapshot;
use crate::subject::{Live, Subject, Trouble};
use crate::system::Stopwatch;
use crate::tracer::Trace;
use crate::verdict::Halt;

/// The numbers of records that are measured, where there is time.
pub const SIZES: [u32; 6] = [1, 10, 100, 1_000, 10_000, 100_000];
/// So often each thing is done for its figures, where it is quick.
const TIMES: usize = 101;

/// The middle and the slow end of many times, in microseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Times {
    /// Half of them took no longer.
    pub p50: u64,
    /// Of twenty, nineteen took no longer.
    pub p95: u64,
}

impl Times {
    fn of(mut all: Vec<Duration>, wire: Duration) -> Self {
        all.sort_unstable();
        let at = |share: usize| {
            let one = all.get((all.len().saturating_sub(1)) * share / 100).copied().unwrap_or_default();
            u64::try_from(one.saturating_sub(wire).as_micros()).unwrap_or(u64::MAX)
        };
        Self { p50: at(50), p95: at(95) }
    }
}

/// What one strategy costs at one number of records.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cost {
    /// The strategy's name.
    pub strategy: String,
    /// How many records it held.
    pub records: u32,
    /// Opening it.
    pub open: Times,
    /// Reading one record.
    pub read: Times,
    /// Replacing one record, durably.
    pub commit: Times,
    /// A whole rotation as a client does it: note the attempt, where the store can, read, replace.
    pub rotate: Times,
    /// Its files, in bytes.
    pub bytes: u64,
    /// How often a commit syncs the disk; none where no tracer is there to count.
    pub syncs: Option<u32>,
    /// Calls of the keystore for one opening and one commit.
    pub keystore_calls: u64,
    /// The most memory its process had, in KiB.
    pub memory_kib: u64,
}

/// What to measure.
#[derive(Debug, Clone)]
pub struct Measurement {
    /// What is measured.
    pub subjects: Vec<Subject>,
    /// No more records than this.
    pub largest: u32,
    /// How long filling one store may take; larger numbers of records are left out then.
    pub patience: Duration,
    /// As in [`crate::Plan`].
    pub program: Option<std::path::PathBuf>,
    /// Set to stop.
    pub stop: Arc<AtomicBool>,
}

impl Measurement {
    /// These subjects, with as many records as `largest`.
    #[must_use]
    pub fn new(subjects: Vec<Subject>, largest: u32) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        Self { subjects, largest, patience: Duration::from_secs(20), program: None, stop }
    }
}

/// Measures, and tells of each figure: the strategy, the number of records, and why it was left out, if it was.
///
/// # Errors
/// Where the throw-away folder cannot be used.
pub fn measure(what: &Measurement, mut told: impl FnMut(&str, u32, Option<&str>)) -> Result<Vec<Cost>, RunError> {
    let program = what.program.clone().map_or_else(std::env::current_exe, Ok)?;
    let mut costs = vec![];
    for subject in &what.subjects {
        let mut slow: Option<String> = None;
        for records in SIZES.into_iter().filter(|size| *size <= what.largest) {
            if what.stop.load(Ordering::Relaxed) {
                return Ok(costs);
            }
            if let Some(why) = &slow {
                told(subject.name(), records, Some(why));
                continue;
            }
            told(subject.name(), records, None);
            let folder = tempfile::Builder::new().prefix("pilotlight-lab-cost-").tempdir()?;
            match one(subject, records, &program, folder.path(), what.patience) {
                Ok(cost) => costs.push(cost),
                Err(halt) => {
                    let why = halt.to_string();
                    told(subject.name(), records, Some(&why));
                    slow = Some(why);
                }
            }
        }
    }
    Ok(costs)
}

fn one(subject: &Subject, records: u32, program: &Path, folder: &Path, patience: Duration) -> Result<Cost, Halt> {
    let orders = Orders {
        subject: subject.clone(),
        attack: String::new(),
        folder: folder.to_owned(),
        program: program.to_owned(),
        budget_ms: 0,
    };
    let cell = Cell::new(&orders)?;
    let place = cell.place();
    let mut live = cell.open(&place)?;
    let known = fill(&cell, &mut live, records, patience)?;
    let mut current = known[known.len() / 2].clone();
    let wire = wire(&mut live)?;
    let is_lasting = reopens(&cell, &mut live, &current)?;
    let open = if is_lasting { opening(&cell, &mut live)? } else { Times::default() };
    let before = cell.usable(live.stats())?.keystore_calls;
    if is_lasting {
        cell.usable(live.close())?;
        cell.usable(live.open(&place))?;
    }
    let opened = cell.usable(live.stats())?.keystore_calls;
    let read = timed(wire, |at| cell.usable(live.load(&known[at * 7919 % known.len()].id)).map(drop))?;
    let begun = cell.usable(live.stats())?.keystore_calls;
    let commit = timed(wire, |_| commit(&cell, &mut live, &mut current))?;
    let committed = cell.usable(live.stats())?.keystore_calls;
    let rotate = timed(wire, |_| rotate(&cell, &mut live, &mut current))?;
    let memory_kib = peak_memory(live.id());
    cell.usable(live.close())?;
    live.end();
    if let Some(redis) = &cell.redis {
        redis.save();
    }
    Ok(Cost {
        strategy: subject.name().to_owned(),
        records,
        open,
        read,
        commit,
        rotate,
        bytes: Snapshot::take(&cell.home())?.bytes() as u64 + Snapshot::take(&cell.keystore())?.bytes() as u64,
        syncs: syncs(&cell, &current).ok(),
        keystore_calls: opened - before + (committed - begun).div_ceil(TIMES as u64),
        memory_kib,
    })
}

/// Fills the store, a thousand records at a time where it can; where it is too slow for so many, it says so.
fn fill(cell: &Cell, live: &mut Live, records: u32, patience: Duration) -> Result<Vec<Known>, Halt> {
    let watch = Stopwatch::start();
    let known: Vec<Known> = (0..records).map(|_| Known::new("")).collect();
    let mut at_once = true;
    for (turn, part) in known.chunks(1_000).enumerate() {
        if at_once {
            let pairs: Vec<(&str, &str)> = part.iter().map(|one| (one.id.as_str(), one.payload.as_str())).collect();
            match live.create_all(&pairs) {
                Err(trouble) if trouble.is("unsupported") && turn == 0 => at_once = false,
                Err(trouble @ Trouble::Refused(_)) if records > 1 => {
                    return Halt::not_applicable(format!("it does not take {records} records: {trouble}"));
                }
                told => {
                    cell.usable(told)?;
                    soon_enough(watch, records, patience)?;
                    continue;
                }
            }
        }
        for record in part {
            cell.usable(live.create(&record.id, &record.payload))?;
            soon_enough(watch, records, patience)?;
        }
    }
    Ok(known)
}

fn soon_enough(watch: Stopwatch, records: u32, patience: Duration) -> Result<(), Halt> {
    if watch.elapsed() > patience {
        return Halt::not_applicable(format!("keeping {records} records takes more than {} s", patience.as_secs()));
    }
    Ok(())
}

/// How long a question and its answer take by themselves.
fn wire(live: &mut Live) -> Result<Duration, Halt> {
    let mut all = vec![];
    for _ in 0..TIMES {
        let watch = Stopwatch::start();
        live.stats().map_err(|trouble| Halt::Inconclusive(trouble.to_string()))?;
        all.push(watch.elapsed());
    }
    all.sort_unstable();
    Ok(all[TIMES / 2])
}

fn reopens(cell: &Cell, live: &mut Live, known: &Known) -> Result<bool, Halt> {
    if cell.launch.subject.strategy() == Some(pilotlight_vault::Strategy::Memory) {
        return Ok(false);
    }
    cell.usable(live.close())?;
    cell.usable(live.open(&cell.place()))?;
    Ok(cell.usable(live.load(&known.id))?.is_some())
}

fn opening(cell: &Cell, live: &mut Live) -> Result<Times, Halt> {
    let mut all = vec![];
    let begun = Stopwatch::start();
    while all.len() < 21 && (all.len() < 3 || begun.elapsed() < Duration::from_secs(3)) {
        cell.usable(live.close())?;
        let watch = Stopwatch::start();
        cell.usable(live.open(&cell.place()))?;
        all.push(watch.elapsed());
    }
    Ok(Times::of(all, Duration::ZERO))
}

fn timed(wire: Duration, mut work: impl FnMut(usize) -> Result<(), Halt>) -> Result<Times, Halt> {
    let mut all = vec![];
    for at in 0..TIMES {
        let watch = Stopwatch::start();
        work(at)?;
        all.push(watch.elapsed());
    }
    Ok(Times::of(all, wire))
}

fn commit(cell: &Cell, live: &mut Live, current: &mut Known) -> Result<(), Halt> {
    let next = current.next();
    cell.usable(live.commit(&next.id, current.generation, &next.payload))?;
    *current = next;
    Ok(())
}

fn rotate(cell: &Cell, live: &mut Live, current: &mut Known) -> Result<(), Halt> {
    cell.usable(live.load(&current.id))?;
    match live.begin_attempt(&current.id, current.generation, &current.id) {
        Err(trouble) if trouble.is("unsupported") => {}
        told => cell.usable(told)?,
    }
    commit(cell, live, current)
}

/// How often one commit syncs the disk.
fn syncs(cell: &Cell, current: &Known) -> Result<u32, Halt> {
    const COMMITS: usize = 5;
    let trace = Trace::of(cell, &[])?;
    let mut live = cell.start_as(&trace.launch(cell))?;
    cell.usable(live.open(&cell.place()))?;
    if cell.usable(live.load(&current.id))?.is_none() {
        return Ok(0);
    }
    let mut current = current.clone();
    let count = |trace: &Trace| trace.lines().iter().filter(|line| line.contains("sync(")).count();
    let before = count(&trace);
    for _ in 0..COMMITS {
        commit(cell, &mut live, &mut current)?;
    }
    live.end();
    let all = count(&trace) - before;
    Ok(u32::try_from((all + COMMITS / 2) / COMMITS).unwrap_or(u32::MAX))
}
