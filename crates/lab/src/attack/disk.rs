//! The disk below the process: power cuts, torn sectors, calls that fail, no room.

use std::time::Duration;

use super::crash::{lasting, look};
use super::{Attack, Attacker};
use crate::cell::{Cell, Known, Seen, read_back};
use crate::protocol::Request;
use crate::snapshot::Snapshot;
use crate::system::{self, Stopwatch};
use crate::tracer::{SYNCS, Trace};
use crate::verdict::{Evidence, Finding, Halt, Outcome};

pub(super) const ATTACKS: &[Attack] = &[
    Attack {
        name: "unsynced-commit",
        attacker: Attacker::Fault,
        title: "Power cut right after a confirmed commit",
        how: "Watch the system calls of a commit; take back what was written, renamed or removed and not synced when the commit was confirmed, as a power cut does, and read the record.",
        right: "The new value: whatever it takes was synced before the commit was confirmed.",
        quick: false,
        as_plain_user: false,
        run: unsynced_commit,
    },
    Attack {
        name: "torn-writes",
        attacker: Attacker::Fault,
        title: "Power cut with half of the sectors written",
        how: "Kill the process at each sync of a commit and let a random half of the sectors that it had not synced be what they were before.",
        right: "The old value or the new one.",
        quick: false,
        as_plain_user: false,
        run: torn_writes,
    },
    Attack {
        name: "failing-disk",
        attacker: Attacker::Fault,
        title: "The disk is full, fails, or is read-only, at each call",
        how: "Let each single write, sync, opening, renaming and truncation of a commit fail in turn (ENOSPC, EIO, EROFS, EDQUOT, EMFILE), and read the record in the same process and in a new one.",
        right: "An error of its own kind and the old value, or success and the new one.",
        quick: false,
        as_plain_user: false,
        run: failing_disk,
    },
    Attack {
        name: "full-disk",
        attacker: Attacker::Fault,
        title: "Fill the disk",
        how: "Let the store work on a file system of 512 KiB and keep records until it refuses; then read all of them, make room, and go on.",
        right: "A refusal, every confirmed record whole, and work goes on when there is room.",
        quick: false,
        as_plain_user: false,
        run: full_disk,
    },
];

fn unsynced_commit(cell: &mut Cell) -> Outcome {
    let known = lasting(cell)?;
    let next = known.next();
    if cell.redis.is_some() {
        return Halt::not_applicable("the Redis server decides what it syncs");
    }
    let trace = Trace::of(cell, &[])?;
    let mut live = cell.start_as(&trace.launch(cell))?;
    cell.usable(live.open(&cell.place()))?;
    let (before, old) = (trace.lines().len(), Snapshot::take(&cell.home())?);
    cell.usable(live.commit(&next.id, known.generation, &next.payload))?;
    // Before the lines: a log that the copy finds emptied was copied and synced in them.
    let new = Snapshot::take(&cell.home())?;
    let lines = trace.lines();
    live.end();
    let home = cell.home().display().to_string();
    let unsynced = crate::tracer::unsynced(lines.get(before..).unwrap_or_default(), &home);
    let syncs = lines.iter().skip(before).filter(|line| line.contains("fsync(") || line.contains("fdatasync(")).count();
    cell.did(format!(
        "Watched a commit: {} system calls, of which {syncs} sync the disk.",
        lines.len().saturating_sub(before)
    ));
    let mut evidence = vec![];
    for (file, what) in unsynced {
        if is_lost_without(cell, &next, &file, &old, &new)? {
            let what = format!("{what}, and not synced when the commit was confirmed: lost in a power cut");
            evidence.push(Evidence::new(file, what));
        }
    }
    Ok(Finding::of(evidence, "Whatever the commit takes was synced before it was confirmed."))
}

/// Whether the commit is gone when what was done to `file` never reached the disk. Where a log has it as well, it is not.
fn is_lost_without(cell: &Cell, next: &Known, file: &str, old: &Snapshot, new: &Snapshot) -> Result<bool, Halt> {
    let before =
        |name: &std::path::Path| old.files.iter().find(|kept| kept.name == name).map(|kept| kept.bytes.clone());
    let cut = match new.files.iter().position(|kept| kept.called() == file) {
        Some(index) => new.with(index, before(&new.files[index].name).unwrap_or_default()),
        // What was done to a folder: names that came and went.
        None => old.clone(),
    };
    cut.put(&cell.home())?;
    let seen = cell.read_anew(&cell.place(), &next.id)?;
    Ok(matches!(seen, Seen::Refused(_)) || seen.wrong(&[next]).is_some())
}

fn torn_writes(cell: &mut Cell) -> Outcome {
    let known = lasting(cell)?;
    let (home, keystore) = (Snapshot::take(&cell.home())?, Snapshot::take(&cell.keystore())?);
    if home.bytes() == 0 || cell.redis.is_some() {
        return Halt::not_applicable("it keeps no file of its own that could be torn");
    }
    let (mut torn, mut evidence) = (0, vec![]);
    for sync in 1..=30 {
        if (cell.is_over() && torn > 0) || !evidence.is_empty() {
            break;
        }
        home.put(&cell.home())?;
        keystore.put(&cell.keystore())?;
        let next = known.next();
        let cut = match between_syncs(cell, &known, &next, sync)? {
            Some(cut) => cut,
            None if sync == 1 => {
                home.put(&cell.home())?;
                keystore.put(&cell.keystore())?;
                let cut = without_syncs(cell, &known, &next)?;
                if tear(&cut.before, &cut.after, &cut.synced).is_none() {
                    return Halt::not_applicable("a commit changes no byte of its files: there is nothing to tear");
                }
                cut
            }
            None => break,
        };
        let keys = Snapshot::take(&cell.keystore())?;
        let mut live = cell.start()?;
        for _ in 0..12 {
            let Some(mixed) = tear(&cut.before, &cut.after, &cut.synced) else { break };
            mixed.put(&cell.home())?;
            keys.put(&cell.keystore())?;
            torn += 1;
            let seen = read_back(&mut live, &cell.place(), &known.id);
            let right = if cut.confirmed { vec![&next] } else { vec![&known, &next] };
            let refused =
                matches!(seen, Seen::Refused(_)).then(|| format!("the store does not open any more: {}", seen.words()));
            if let Some(wrong) = seen.wrong(&right).or(refused) {
                evidence.push(Evidence::new(
                    "the store",
                    format!("power cut behind sync {sync}, half of the sectors written: {wrong}"),
                ));
                break;
            }
        }
    }
    if torn == 0 {
        return Halt::inconclusive("no sector was written between two syncs that could be seen");
    }
    cell.did(format!("Cut the power behind each sync of a commit, {torn} mixtures of old and new sectors in all."));
    Ok(Finding::of(evidence, "Every mixture opened, with the old value or the new one."))
}

/// What a commit wrote between two of its syncs.
struct Cut {
    before: Snapshot,
    after: Snapshot,
    /// What other threads synced in between: it is on the disk as it is.
    synced: Vec<String>,
    confirmed: bool,
}

/// The same for a store that syncs nothing: all that a confirmed commit wrote may be on the disk or not.
fn without_syncs(cell: &Cell, known: &Known, next: &Known) -> Result<Cut, Halt> {
    let before = Snapshot::take(&cell.home())?;
    let trace = Trace::of(cell, &[])?;
    let mut live = cell.start_as(&trace.launch(cell))?;
    cell.usable(live.open(&cell.place()))?;
    cell.usable(live.commit(&next.id, known.generation, &next.payload))?;
    let after = Snapshot::take(&cell.home())?;
    live.kill();
    if trace.lines().iter().any(|line| line.contains("sync(")) {
        return Halt::inconclusive("it syncs, and could not be stopped there in time");
    }
    Ok(Cut { before, after, synced: vec![], confirmed: true })
}

/// Stops the process at its syncs number `sync` and `sync + 1` and copies its files each time; none where it has fewer.
fn between_syncs(cell: &Cell, known: &Known, next: &Known, sync: u32) -> Result<Option<Cut>, Halt> {
    let trace = Trace::of(cell, &[&format!("inject={SYNCS}:signal=SIGSTOP:when={sync}..{}", sync + 1)])?;
    let mut live = cell.start_as(&trace.launch(cell))?;
    let commit = Request::Commit { id: &next.id, expected: known.generation, payload: &next.payload };
    let sent = live.send(&Request::Open(cell.place())).and_then(|()| live.send(&commit));
    cell.usable(sent)?;
    if !stopped(&trace, &mut live, 1) {
        return Ok(None);
    }
    let before = Snapshot::take(&cell.home())?;
    live.signal(rustix::process::Signal::CONT);
    let again = stopped(&trace, &mut live, 2);
    let after = Snapshot::take(&cell.home())?;
    let confirmed = !again || live.has_answered(2);
    let synced = trace.synced_between_stops(again);
    live.kill();
    Ok(Some(Cut { before, after, synced, confirmed }))
}

/// Waits until the traced process has been stopped so often; false where it answered everything before.
fn stopped(trace: &Trace, live: &mut crate::subject::Live, times: usize) -> bool {
    let watch = Stopwatch::start();
    while watch.elapsed() < Duration::from_secs(5) {
        let stops = trace.lines().iter().filter(|line| line.contains("--- SIGSTOP {")).count();
        if stops >= times {
            return true;
        }
        if live.has_answered(2) {
            return false;
        }
        std::thread::sleep(Duration::from_millis(3));
    }
    false
}

/// A file that was written over is old or new by chance, sector by sector; one that another was renamed to, as a whole. None
/// where nothing differs.
fn tear(before: &Snapshot, after: &Snapshot, synced: &[String]) -> Option<Snapshot> {
    let mut mixed = after.clone();
    let mut differs = false;
    for file in &mut mixed.files {
        if synced.iter().any(|path| path.ends_with(&format!("/{}", file.called()))) {
            continue;
        }
        let chances = system::random::<64>();
        let named = before.files.iter().find(|old| old.name == file.name);
        if let Some(old) = named.filter(|old| old.inode != file.inode) {
            differs = true;
            if chances[0] & 1 == 0 {
                file.bytes.clone_from(&old.bytes);
                continue;
            }
        }
        let old = before.files.iter().find(|old| old.inode == file.inode).map_or(&[][..], |old| &old.bytes);
        for (at, sector) in file.bytes.chunks_mut(512).enumerate() {
            let was = old.get(at * 512..).unwrap_or_default();
            let was = &was[..was.len().min(sector.len())];
            if was == sector {
                continue;
            }
            differs = true;
            if chances[at / 8 % 64] >> (at % 8) & 1 == 0 {
                sector.fill(0);
                sector[..was.len()].copy_from_slice(was);
            }
        }
    }
    differs.then_some(mixed)
}

/// Which calls fail, and how.
const FAILURES: [(&str, &str); 6] = [
    ("write,pwrite64,pwritev,writev", "ENOSPC"),
    ("write,pwrite64,pwritev,writev", "EDQUOT"),
    ("fsync,fdatasync", "EIO"),
    ("ftruncate,fallocate", "ENOSPC"),
    ("openat", "EMFILE"),
    ("rename,renameat,renameat2,unlink,unlinkat", "EROFS"),
];

fn failing_disk(cell: &mut Cell) -> Outcome {
    let known = lasting(cell)?;
    if cell.redis.is_some() {
        return Halt::not_applicable("the disk is the Redis server's");
    }
    let (home, keystore) = (Snapshot::take(&cell.home())?, Snapshot::take(&cell.keystore())?);
    let next = known.next();
    let (mut failed, mut refused, mut evidence) = (0, 0, vec![]);
    'all: for (calls, error) in FAILURES {
        for call in 1..=120 {
            if evidence.len() > 2 || (cell.is_over() && call > 3) {
                break;
            }
            home.put(&cell.home())?;
            keystore.put(&cell.keystore())?;
            let trace = Trace::of(cell, &[&format!("inject={calls}:error={error}:when={call}")])?;
            let mut live = cell.start_as(&trace.launch(cell))?;
            let committed =
                live.open(&cell.place()).and_then(|()| live.commit(&next.id, known.generation, &next.payload));
            let hits = trace.injected();
            let Some(hit) = hits.first() else { continue 'all };
            if hits.iter().any(|hit| !hit.contains("/home/") && !hit.contains("/keystore/")) {
                // The program's own pipes and libraries are not the store's disk.
                continue;
            }
            failed += 1;
            refused += u32::from(committed.is_err());
            let did = format!("{error} at {}", crate::tracer::shown(hit, &cell.folder.display().to_string()));
            if committed.as_ref().is_err_and(crate::subject::Trouble::is_breakdown) {
                evidence.push(Evidence::new("the store", format!("{did}: the program broke down")));
            }
            live.end();
            let (_, wrong) = look(cell, &known, &next, committed.is_ok())?;
            evidence.extend(wrong.map(|wrong| Evidence::new("the store", format!("{did}: {wrong}"))));
        }
    }
    cell.did(format!("Let {failed} single calls on the store's files fail, one per run; {refused} commits were refused, the others came through all the same."));
    Ok(Finding::of(evidence, "After each failure the record was whole in a new process."))
}

fn full_disk(cell: &mut Cell) -> Outcome {
    if !system::is_root() {
        return Halt::inconclusive("a small file system of one's own needs root");
    }
    if cell.redis.is_some() {
        return Halt::not_applicable("the disk is the Redis server's");
    }
    let small = cell.folder.join("small");
    std::fs::create_dir_all(&small)?;
    let script = "mount -t tmpfs -o size=512k,mode=700 lab \"$0\" && exec \"$@\"";
    let under =
        ["unshare", "-m", "sh", "-c", script].map(str::to_owned).into_iter().chain([small.display().to_string()]);
    let mut live = cell.start_as(&crate::subject::Launch { under: under.collect(), ..cell.launch.clone() })?;
    let place = cell.place_at("small/home", "keystore");
    match live.open(&place) {
        Err(trouble) if trouble.is_breakdown() => {
            return Halt::inconclusive("the system does not let the lab mount a small file system");
        }
        told => cell.usable(told)?,
    }
    // Something else fills the disk too, and goes when it is full. It lies in the view of the store's process.
    let filler = std::path::PathBuf::from(format!("/proc/{}/root{}/filler", live.id(), small.display()));
    std::fs::write(&filler, vec![1; 128 << 10])?;
    let (mut kept, mut refusal) = (vec![], None);
    for _ in 0..200 {
        let mut record = Known::new("a token");
        record.payload.push_str(&format!("&filler={}", "x".repeat(16_000)));
        match live.create(&record.id, &record.payload) {
            Ok(_) => kept.push(record),
            Err(trouble) => {
                refusal = Some(trouble);
                break;
            }
        }
    }
    let Some(refusal) = refusal else {
        return Halt::not_applicable("it fills no disk");
    };
    let mut evidence = vec![];
    if refusal.is_breakdown() {
        evidence.push(Evidence::new("the store", format!("the program broke down when the disk was full: {refusal}")));
    }
    let reopened = live.close().and_then(|()| live.open(&place));
    for record in &kept {
        let seen = Seen::of(reopened.clone().and_then(|()| live.load(&record.id)));
        if !seen.is(record) {
            evidence.push(Evidence::new(
                "the store",
                format!("on the full disk a confirmed record is not there: {}", seen.words()),
            ));
            break;
        }
    }
    std::fs::remove_file(&filler)?;
    let again = Known::new("a token");
    let went_on = live.close().and_then(|()| live.open(&place)).and_then(|()| live.create(&again.id, &again.payload));
    evidence.extend(
        went_on.err().map(|trouble| Evidence::new("the store", format!("there was room again, and still: {trouble}"))),
    );
    cell.did(format!("Kept records on a file system of 512 KiB until it refused the {}th ({refusal}), read all, made room, and went on.", kept.len() + 1));
    Ok(Finding::of(evidence, "Every confirmed record was there, and work went on when there was room."))
}
