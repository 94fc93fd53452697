//! The process, or the disk below it, ends in the middle of a commit.

use std::time::Duration;

use super::{Attack, Attacker};
use crate::cell::{Cell, Known, Seen, read_back};
use crate::protocol::{Answer, Request};
use crate::snapshot::Snapshot;
use crate::system::{self, Stopwatch};
use crate::tracer::{CALLS, SYNCS, Trace};
use crate::verdict::{Evidence, Finding, Halt, Outcome};

/// So many kills at most.
const KILLS: u32 = 200;

const OLD_OR_NEW: &str = "The old value or the new one; the new one where the commit had been confirmed.";

pub(super) const ATTACKS: &[Attack] = &[
    Attack {
        name: "kill-during-commit",
        attacker: Attacker::Fault,
        title: "kill -9 during a commit",
        how: "Send a commit, kill the process with SIGKILL at a random moment of it, start it again and read the record. Again and again.",
        right: OLD_OR_NEW,
        quick: true,
        as_plain_user: false,
        run: kill_during_commit,
    },
    Attack {
        name: "kill-at-each-call",
        attacker: Attacker::Fault,
        title: "kill -9 at each system call of a commit",
        how: "Kill the process at its first write, sync, rename, truncation or removal, start it again and read; then at the second; and so on until a commit comes through.",
        right: OLD_OR_NEW,
        quick: false,
        as_plain_user: false,
        run: kill_at_each_call,
    },
    Attack {
        name: "kill-during-rekey",
        attacker: Attacker::Fault,
        title: "kill -9 while the keys are changed",
        how: "Let the store make its keys anew, kill it at a random moment, start it again and read the record. Again and again.",
        right: "The value: the old keys or the new ones open it.",
        quick: false,
        as_plain_user: false,
        run: kill_during_rekey,
    },
    Attack {
        name: "unsynced-commit",
        attacker: Attacker::Fault,
        title: "Power cut right after a confirmed commit",
        how: "Watch the system calls of a commit: what was written, renamed or removed and not synced when the commit was confirmed is lost in a power cut.",
        right: "Everything that was written is synced before the commit is confirmed.",
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
        how: "Let the store work on a file system of 512 KiB and keep records until it refuses; then read all of them, remove some, and go on.",
        right: "A refusal, every confirmed record whole, and work goes on when there is room.",
        quick: false,
        as_plain_user: false,
        run: full_disk,
    },
];

/// Reads the record in a new process; what is wrong with it, and whether it has moved on.
fn look(cell: &Cell, current: &Known, next: &Known, confirmed: bool) -> Result<(Seen, Option<String>), Halt> {
    let seen = cell.read_anew(&cell.place(), &current.id)?;
    let right = if confirmed { vec![next] } else { vec![current, next] };
    let refused =
        matches!(seen, Seen::Refused(_)).then(|| format!("the store does not open any more: {}", seen.words()));
    let wrong = seen.wrong(&right).or(refused);
    Ok((seen, wrong))
}

/// A record that outlives its process.
fn lasting(cell: &mut Cell) -> Result<Known, Halt> {
    let known = cell.seed(&cell.place(), 2)?;
    if matches!(cell.read_anew(&cell.place(), &known[0].id)?, Seen::Nothing) {
        return Halt::not_applicable("nothing outlives the process, as it says: there is nothing half-written to find");
    }
    Ok(known[0].clone())
}

fn kill_during_commit(cell: &mut Cell) -> Outcome {
    let mut current = lasting(cell)?;
    let mut evidence = vec![];
    let mut longest = Duration::from_micros(300);
    let (mut kills, mut confirmed) = (0, 0);
    while kills < KILLS && (kills < 8 || !cell.is_over()) && evidence.is_empty() {
        let mut live = cell.open(&cell.place())?;
        let next = current.next();
        let watch = Stopwatch::start();
        let commit = Request::Commit { id: &next.id, expected: current.generation, payload: &next.payload };
        cell.usable(live.send(&commit))?;
        // The first one is waited for: it shows how long a commit takes.
        let mut was_confirmed = kills == 0 && matches!(live.answer(), Ok(Answer::Generation(_)));
        if kills == 0 {
            longest = watch.elapsed().min(Duration::from_millis(200));
        } else {
            let [random] = system::random::<1>();
            std::thread::sleep(longest.mul_f64(f64::from(random) / 170.0));
        }
        live.kill();
        was_confirmed |= matches!(live.answer(), Ok(Answer::Generation(_)));
        kills += 1;
        confirmed += u32::from(was_confirmed);
        let (seen, wrong) = look(cell, &current, &next, was_confirmed)?;
        let when = if was_confirmed { "after it had confirmed" } else { "during" };
        evidence.extend(
            wrong.map(|wrong| {
                Evidence::new("the store", format!("killed {when} commit {}: {wrong}", current.generation))
            }),
        );
        if seen.is(&next) {
            current = next;
        }
    }
    cell.did(format!(
        "Killed the process {kills} times at random moments of a commit; {confirmed} of the commits had been confirmed."
    ));
    Ok(Finding::of(
        evidence,
        "After every kill the record was whole: the old value or the new one, and the new one where the commit had been confirmed.",
    ))
}

fn kill_during_rekey(cell: &mut Cell) -> Outcome {
    let known = lasting(cell)?;
    let mut live = cell.open(&cell.place())?;
    let watch = Stopwatch::start();
    match live.rekey() {
        Err(trouble) if trouble.is("unsupported") => return Halt::not_applicable("it cannot change its keys"),
        other => cell.usable(other)?,
    }
    let longest = watch.elapsed();
    live.end();
    let (mut kills, mut evidence) = (0, vec![]);
    while kills < 60 && (kills < 4 || !cell.is_over()) && evidence.is_empty() {
        let mut live = cell.open(&cell.place())?;
        cell.usable(live.send(&Request::Rekey))?;
        let [random] = system::random::<1>();
        std::thread::sleep(longest.mul_f64(f64::from(random) / 200.0));
        live.kill();
        kills += 1;
        let (_, wrong) = look(cell, &known, &known, false)?;
        evidence.extend(
            wrong.map(|wrong| Evidence::new("the store", format!("killed while the keys were changed: {wrong}"))),
        );
    }
    cell.did(format!(
        "Killed the process {kills} times while it made its keys anew ({} ms), and read the record after each.",
        longest.as_millis()
    ));
    Ok(Finding::of(evidence, "After every kill the record was whole."))
}

fn kill_at_each_call(cell: &mut Cell) -> Outcome {
    let known = lasting(cell)?;
    let next = known.next();
    let (home, keystore) = (Snapshot::take(&cell.home())?, Snapshot::take(&cell.keystore())?);
    let (mut kills, mut evidence) = (0, vec![]);
    for call in 1..=400 {
        if (cell.is_over() && kills > 4) || !evidence.is_empty() {
            break;
        }
        if cell.redis.is_none() {
            home.put(&cell.home())?;
        }
        keystore.put(&cell.keystore())?;
        let trace = Trace::of(cell, &[&format!("inject={CALLS}:signal=SIGKILL:when={call}")])?;
        let mut live = cell.start_as(&trace.launch(cell))?;
        let current = if cell.redis.is_some() { newest(cell, &known)? } else { known.clone() };
        let next = if cell.redis.is_some() { current.next() } else { next.clone() };
        let committed =
            live.open(&cell.place()).and_then(|()| live.commit(&next.id, current.generation, &next.payload));
        live.kill();
        let (_, wrong) = look(cell, &current, &next, committed.is_ok())?;
        let name = trace.last_call();
        evidence
            .extend(wrong.map(|wrong| Evidence::new("the store", format!("killed at call {call} ({name}): {wrong}"))));
        if committed.is_ok() {
            break;
        }
        kills += 1;
    }
    cell.did(format!(
        "Killed the process at {kills} system calls one after the other, from its start to a commit that came through."
    ));
    Ok(Finding::of(evidence, "After every kill the record was whole."))
}

/// Where a store that other machines share is now.
fn newest(cell: &Cell, known: &Known) -> Result<Known, Halt> {
    match cell.read_anew(&cell.place(), &known.id)? {
        Seen::Record { generation, payload } => Ok(Known { generation, payload, ..known.clone() }),
        other => Halt::inconclusive(format!("the record cannot be read before the next kill: {}", other.words())),
    }
}

fn unsynced_commit(cell: &mut Cell) -> Outcome {
    let known = lasting(cell)?;
    let next = known.next();
    if cell.redis.is_some() {
        return Halt::not_applicable("the Redis server decides what it syncs");
    }
    let trace = Trace::of(cell, &[])?;
    let mut live = cell.start_as(&trace.launch(cell))?;
    cell.usable(live.open(&cell.place()))?;
    let before = trace.lines().len();
    cell.usable(live.commit(&next.id, known.generation, &next.payload))?;
    let lines = trace.lines();
    live.end();
    let home = cell.home().display().to_string();
    let unsynced = crate::tracer::unsynced(lines.get(before..).unwrap_or_default(), &home);
    let syncs = lines.iter().skip(before).filter(|line| line.contains("fsync(") || line.contains("fdatasync(")).count();
    cell.did(format!(
        "Watched a commit: {} system calls, of which {syncs} sync the disk.",
        lines.len().saturating_sub(before)
    ));
    let lost = |(file, what): (String, String)| {
        Evidence::new(file, format!("{what}, and not synced when the commit was confirmed: lost in a power cut"))
    };
    Ok(Finding::of(
        unsynced.into_iter().map(lost).collect(),
        "Whatever the commit wrote was synced before it was confirmed.",
    ))
}

fn torn_writes(cell: &mut Cell) -> Outcome {
    let known = lasting(cell)?;
    let next = known.next();
    let (home, keystore) = (Snapshot::take(&cell.home())?, Snapshot::take(&cell.keystore())?);
    if home.bytes() == 0 || cell.redis.is_some() {
        return Halt::not_applicable("it keeps no file of its own that could be torn");
    }
    let (mut torn, mut evidence) = (0, vec![]);
    let mut before = home.clone();
    for sync in 1..=40 {
        if (cell.is_over() && torn > 0) || !evidence.is_empty() {
            break;
        }
        home.put(&cell.home())?;
        keystore.put(&cell.keystore())?;
        let trace = Trace::of(cell, &[&format!("inject={SYNCS}:signal=SIGKILL:when={sync}")])?;
        let mut live = cell.start_as(&trace.launch(cell))?;
        let committed = live.open(&cell.place()).and_then(|()| live.commit(&next.id, known.generation, &next.payload));
        live.kill();
        let after = Snapshot::take(&cell.home())?;
        let keys = Snapshot::take(&cell.keystore())?;
        let mut live = cell.start()?;
        for _ in 0..12 {
            let Some(mixed) = tear(&before, &after) else { break };
            mixed.put(&cell.home())?;
            keys.put(&cell.keystore())?;
            torn += 1;
            let seen = read_back(&mut live, &cell.place(), &known.id);
            let right = if committed.is_ok() { vec![&next] } else { vec![&known, &next] };
            let refused =
                matches!(seen, Seen::Refused(_)).then(|| format!("the store does not open any more: {}", seen.words()));
            if let Some(wrong) = seen.wrong(&right).or(refused) {
                evidence.push(Evidence::new(
                    "the store",
                    format!("power cut at sync {sync}, half of the sectors written: {wrong}"),
                ));
                break;
            }
        }
        if committed.is_ok() {
            break;
        }
        before = after;
    }
    cell.did(format!("Cut the power at each sync of a commit, {torn} mixtures of old and new sectors in all."));
    Ok(Finding::of(evidence, "Every mixture opened, with the old value or the new one."))
}

/// Each sector of 512 bytes that differs is old or new by chance; none where nothing differs.
fn tear(before: &Snapshot, after: &Snapshot) -> Option<Snapshot> {
    let mut mixed = after.clone();
    let mut differs = false;
    for file in &mut mixed.files {
        let old = before.files.iter().find(|old| old.name == file.name).map_or(&[][..], |old| &old.bytes);
        let chances = system::random::<64>();
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
            let Some(hit) = trace.injected() else { continue 'all };
            if !hit.contains("/home/") && !hit.contains("/keystore/") {
                // The program's own pipes and libraries are not the store's disk.
                continue;
            }
            failed += 1;
            refused += u32::from(committed.is_err());
            let did = format!("{error} at {}", crate::tracer::shown(&hit, &cell.folder.display().to_string()));
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
    if live.open(&place).is_err_and(|trouble| trouble.is_breakdown()) {
        return Halt::inconclusive("the system does not let the lab mount a small file system");
    }
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
    for record in kept.iter().take(kept.len() / 2) {
        if let Err(trouble) = live.remove(&record.id) {
            evidence.push(Evidence::new("the store", format!("nothing can be removed from the full disk: {trouble}")));
            break;
        }
    }
    cell.did(format!("Kept records on a file system of 512 KiB until it refused the {}th ({refusal}), read all, removed half of them.", kept.len() + 1));
    Ok(Finding::of(evidence, "Every confirmed record was there, and there was room again after removing some."))
}
