//! The process ends in the middle of a commit.

use std::time::Duration;

use super::{Attack, Attacker};
use crate::cell::{Cell, Known, Seen};
use crate::protocol::{Answer, Request};
use crate::snapshot::Snapshot;
use crate::system::{self, Stopwatch};
use crate::tracer::{CALLS, Trace};
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
        name: "kill-during-first-open",
        attacker: Attacker::Fault,
        title: "kill -9 while the store is made",
        how: "Open a store where there is none, kill the process at a random moment of that, open it again in a new process, keep a record and read it. Again and again, each time in a new place.",
        right: "The store opens, and keeps what it is given.",
        quick: false,
        as_plain_user: false,
        run: kill_during_first_open,
    },
];

/// Reads the record in a new process; what is wrong with it, and whether it has moved on.
pub(super) fn look(
    cell: &Cell,
    current: &Known,
    next: &Known,
    confirmed: bool,
) -> Result<(Seen, Option<String>), Halt> {
    let seen = cell.read_anew(&cell.place(), &current.id)?;
    let right = if confirmed { vec![next] } else { vec![current, next] };
    let refused =
        matches!(seen, Seen::Refused(_)).then(|| format!("the store does not open any more: {}", seen.words()));
    let wrong = seen.wrong(&right).or(refused);
    Ok((seen, wrong))
}

/// A record that outlives its process.
pub(super) fn lasting(cell: &mut Cell) -> Result<Known, Halt> {
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
        cell.free_tpm()?;
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

fn kill_during_first_open(cell: &mut Cell) -> Outcome {
    if cell.redis.is_some() {
        return Halt::not_applicable("it is made in one step by the Redis server");
    }
    lasting(cell)?;
    let (mut kills, mut evidence) = (0, vec![]);
    let mut longest = Duration::ZERO;
    while kills < 60 && (kills < 4 || !cell.is_over()) && evidence.is_empty() {
        let place = cell.place_at(&format!("first-{kills}"), &format!("first-keystore-{kills}"));
        let mut live = cell.start()?;
        let watch = Stopwatch::start();
        cell.usable(live.send(&Request::Open(place.clone())))?;
        // The first one is waited for: it shows how long it takes.
        if kills == 0 {
            cell.usable(live.answer())?;
            longest = watch.elapsed();
        } else {
            let [random] = system::random::<1>();
            std::thread::sleep(longest.mul_f64(f64::from(random) / 200.0));
        }
        live.kill();
        cell.free_tpm()?;
        kills += 1;
        let (mut live, record) = (cell.start()?, Known::new("a token"));
        let kept = live.open(&place).and_then(|()| live.create(&record.id, &record.payload));
        let seen = Seen::of(kept.and_then(|_| live.load(&record.id)));
        if !seen.is(&record) {
            let what = format!("killed while the store was made; afterwards it gave {}", seen.words());
            evidence.push(Evidence::new("the store", what));
        }
    }
    cell.did(format!(
        "Killed the process {kills} times while it made a store ({} ms), and opened, wrote and read after each.",
        longest.as_millis()
    ));
    Ok(Finding::of(evidence, "After every kill the store opened and kept what it was given."))
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
