//! Many processes at once, lost answers, wrong clocks, and copies made while it writes.

use rustix::process::Signal;

use super::{Attack, Attacker};
use crate::cell::{Cell, Known, Seen};
use crate::judge::{Judge, Sentence, successor};
use crate::protocol::{Answer, Place, Request};
use crate::snapshot::Snapshot;
use crate::subject::Live;
use crate::system::{self, Stopwatch};
use crate::verdict::{Evidence, Finding, Halt, Outcome};

pub(super) const ATTACKS: &[Attack] = &[
    Attack {
        name: "race",
        attacker: Attacker::Fault,
        title: "Many processes rotate the same token at once",
        how: "Let eight processes read the record and commit a successor of the same generation in the same instant, many times over.",
        right: "Exactly one of them wins each generation, and its value is what is read afterwards.",
        quick: true,
        as_plain_user: false,
        run: race,
    },
    Attack {
        name: "many-writers",
        attacker: Attacker::Fault,
        title: "Many processes keep records of their own at once",
        how: "Let four processes create and rotate records of their own at the same time, and read all of them from a fifth.",
        right: "No confirmed record is lost or mixed up.",
        quick: true,
        as_plain_user: false,
        run: many_writers,
    },
    Attack {
        name: "stopped-holder",
        attacker: Attacker::Fault,
        title: "A process is stopped in the middle of a commit",
        how: "Stop a process (SIGSTOP) at a random moment of a commit and let another one commit; then kill the stopped one and try again.",
        right: "The other one gets its turn or an error within ten seconds, and its turn at once when the stopped one is gone.",
        quick: false,
        as_plain_user: false,
        run: stopped_holder,
    },
    Attack {
        name: "lost-answer",
        attacker: Attacker::Fault,
        title: "The server's answer is lost, and the program is killed",
        how: "Note the attempt, spend the token at an authorization server with reuse detection, lose the answer, kill the program, start it again, and do what the store says was under way.",
        right: "The store remembers the attempt and its key: the server repeats its answer, and the grant lives.",
        quick: true,
        as_plain_user: false,
        run: lost_answer,
    },
    Attack {
        name: "wrong-clock",
        attacker: Attacker::Fault,
        title: "Set the clock back by a day and ahead by ten years",
        how: "Open, read and rotate while the clock says 1970, yesterday, and ten years from now.",
        right: "Everything is as it was: no clock decides what is kept.",
        quick: true,
        as_plain_user: false,
        run: wrong_clock,
    },
    Attack {
        name: "hot-copy",
        attacker: Attacker::Fault,
        title: "Copy the files while the program writes",
        how: "Copy the home file by file while a token is rotated again and again, and open each copy.",
        right: "A copy holds a value that was committed, or is refused; never a mixture.",
        quick: true,
        as_plain_user: false,
        run: hot_copy,
    },
];

/// Processes that have the store open; none for a store that each process has for itself.
pub(super) fn together(cell: &mut Cell, count: usize, known: &Known) -> Result<Vec<Live>, Halt> {
    let mut lives = vec![];
    for _ in 0..count {
        lives.push(cell.open(&cell.place())?);
    }
    match lives.first_mut().map(|live| live.load(&known.id)) {
        Some(Ok(Some(_))) => Ok(lives),
        Some(Ok(None)) => Halt::not_applicable("each process has a store of its own"),
        Some(Err(trouble)) => Halt::inconclusive(format!("it cannot be opened by {count} processes: {trouble}")),
        None => Ok(lives),
    }
}

fn race(cell: &mut Cell) -> Outcome {
    let known = cell.seed(&cell.place(), 1)?;
    let lives = together(cell, 8, &known[0])?;
    compete(cell, lives, known[0].clone())
}

/// Lets these processes commit successors of the same generation again and again; what is wrong with what comes of it.
pub(super) fn compete(cell: &mut Cell, mut lives: Vec<Live>, mut current: Known) -> Outcome {
    let (mut rounds, mut evidence) = (0, vec![]);
    while (rounds < 5 || !cell.is_over()) && rounds < 200 && evidence.is_empty() {
        rounds += 1;
        let successors: Vec<Known> = lives.iter().map(|_| current.next()).collect();
        for (live, next) in lives.iter_mut().zip(&successors) {
            cell.usable(live.send(&Request::Commit {
                id: &next.id,
                expected: current.generation,
                payload: &next.payload,
            }))?;
        }
        let answers: Vec<_> = lives.iter_mut().map(Live::answer).collect();
        let winners: Vec<&Known> = answers
            .iter()
            .zip(&successors)
            .filter_map(|(answer, next)| matches!(answer, Ok(Answer::Generation(_))).then_some(next))
            .collect();
        let broken = answers.iter().filter_map(|answer| answer.as_ref().err()).find(|trouble| trouble.is_breakdown());
        evidence.extend(broken.map(|trouble| Evidence::new("the store", format!("a process broke down: {trouble}"))));
        if winners.len() > 1 {
            evidence.push(Evidence::new(
                "the store",
                format!(
                    "{} processes were told that they had rotated generation {}",
                    winners.len(),
                    current.generation
                ),
            ));
        }
        let seen = cell.read_anew(&cell.place(), &current.id)?;
        match winners.first() {
            Some(winner) if !seen.is(winner) => {
                evidence.push(Evidence::new(
                    "the store",
                    format!("one was told that it had won, and what is read is {}", seen.words()),
                ));
            }
            Some(winner) => current = (*winner).clone(),
            None if seen.is(&current) => {}
            None => {
                evidence.push(Evidence::new("the store", format!("nobody won, and what is read is {}", seen.words())))
            }
        }
    }
    cell.did(format!("Let {} processes commit the same generation at once, {rounds} times.", lives.len()));
    Ok(Finding::of(evidence, "At most one process won each generation, and its value was there."))
}

fn many_writers(cell: &mut Cell) -> Outcome {
    let known = cell.seed(&cell.place(), 1)?;
    let mut lives = together(cell, 4, &known[0])?;
    let mut kept: Vec<Known> = vec![];
    let (mut refused, mut evidence) = (0, vec![]);
    for _ in 0..8 {
        let records: Vec<Known> = lives.iter().map(|_| Known::new("a token")).collect();
        for (live, record) in lives.iter_mut().zip(&records) {
            cell.usable(live.send(&Request::Create { id: &record.id, payload: &record.payload }))?;
        }
        let created: Vec<bool> = lives.iter_mut().map(|live| live.answer().is_ok()).collect();
        let successors: Vec<Known> = records.iter().map(Known::next).collect();
        for ((live, next), _) in lives.iter_mut().zip(&successors).zip(&created).filter(|(_, created)| **created) {
            cell.usable(live.send(&Request::Commit { id: &next.id, expected: 1, payload: &next.payload }))?;
        }
        for ((live, created), (record, next)) in lives.iter_mut().zip(&created).zip(records.into_iter().zip(successors))
        {
            if !created {
                refused += 1;
                continue;
            }
            kept.push(if live.answer().is_ok() { next } else { record });
        }
    }
    let mut reader = cell.open(&cell.place())?;
    for record in &kept {
        let seen = Seen::of(reader.load(&record.id));
        if !seen.is(record) {
            evidence.push(Evidence::new("the store", format!("a confirmed record is not there: {}", seen.words())));
            break;
        }
    }
    let listed = cell.usable(reader.list())?;
    let whole = listed.iter().filter(|entry| entry.record.is_some()).count();
    if whole != listed.len() || kept.iter().any(|record| !listed.iter().any(|entry| entry.id == record.id)) {
        evidence
            .push(Evidence::new("the store", format!("the list has {} records, {whole} of them whole", listed.len())));
    }
    cell.did(format!(
        "Let 4 processes keep and rotate records at once: {} were confirmed, {refused} refused; read all from a fifth.",
        kept.len()
    ));
    Ok(Finding::of(evidence, "Every confirmed record was there, with its own value."))
}

fn stopped_holder(cell: &mut Cell) -> Outcome {
    let known = cell.seed(&cell.place(), 2)?;
    let mut mine = known[1].clone();
    let mut other = together(cell, 1, &mine)?;
    let (mut stops, mut refused, mut slowest, mut evidence) = (0, 0, 0, vec![]);
    while (stops < 3 || !cell.is_over()) && stops < 40 && evidence.is_empty() {
        let mut holder = cell.open(&cell.place())?;
        let Some(theirs) = holder.load(&known[0].id).ok().flatten() else { break };
        let next = Known { generation: theirs.generation, ..known[0].clone() }.next();
        cell.usable(holder.send(&Request::Commit {
            id: &next.id,
            expected: theirs.generation,
            payload: &next.payload,
        }))?;
        let [random] = system::random::<1>();
        std::thread::sleep(std::time::Duration::from_micros(u64::from(random) * 20));
        holder.signal(Signal::STOP);
        stops += 1;
        let watch = Stopwatch::start();
        let Some(live) = other.first_mut() else { break };
        let ours = mine.next();
        let told = live.commit(&ours.id, mine.generation, &ours.payload);
        slowest = slowest.max(watch.elapsed().as_millis());
        match told {
            Ok(_) => mine = ours,
            Err(trouble) if trouble.is_breakdown() => {
                evidence.push(Evidence::new("the store", format!("beside a stopped process: {trouble}")));
            }
            Err(_) => {
                refused += 1;
                holder.kill();
                let ours = mine.next();
                match live.commit(&ours.id, mine.generation, &ours.payload) {
                    Ok(_) => mine = ours,
                    Err(trouble) => evidence.push(Evidence::new(
                        "the store",
                        format!("the stopped process was killed, and still: {trouble}"),
                    )),
                }
            }
        }
    }
    cell.did(format!("Stopped a process in the middle of a commit {stops} times: another one was refused {refused} times, and waited {slowest} ms at most."));
    Ok(Finding::of(
        evidence,
        "The other process got its turn or an error in time, and its turn when the stopped one was gone.",
    ))
}

fn lost_answer(cell: &mut Cell) -> Outcome {
    let (mut judge, first) = Judge::new()?;
    let key = system::random::<16>();
    let mut live = cell.open(&cell.place())?;
    cell.usable(live.create(&first.id, &first.payload))?;
    let noted = match live.begin_attempt(&first.id, 1, &crate::canary::hex(&key)) {
        Err(trouble) if trouble.is("unsupported") => false,
        other => cell.usable(other).map(|()| true)?,
    };
    // The server rotates; its answer never arrives.
    judge.spend(&first.payload, noted.then_some(key))?;
    live.kill();
    let mut live = cell.open(&cell.place())?;
    let Some(held) = cell.usable(live.load(&first.id))? else {
        return Halt::not_applicable("nothing outlives the process");
    };
    let remembered = held.attempt.as_deref().and_then(bytes);
    let sentence = judge.spend(&held.payload, remembered)?;
    cell.did(format!(
        "Spent the token, lost the answer, killed the program; it remembered {}; the server said {}.",
        if remembered.is_some() { "the attempt" } else { "no attempt" },
        said(&sentence)
    ));
    Ok(match sentence {
        Sentence::Granted(token) => {
            let next = successor(&Known { generation: held.generation, ..first.clone() }, token);
            cell.usable(live.commit(&next.id, held.generation, &next.payload))?;
            Finding::Withstood("The repeated request got the same successor, and it was kept.".to_owned())
        }
        _ => Finding::Fell(vec![Evidence::new(
            "the store",
            "it does not remember what was under way: the server took the second request for theft and ended the grant",
        )]),
    })
}

fn said(sentence: &Sentence) -> &'static str {
    match sentence {
        Sentence::Granted(_) => "yes",
        Sentence::Ended => "that the grant is over",
        Sentence::Refused(_) => "no",
    }
}

fn bytes(digits: &str) -> Option<[u8; 16]> {
    let mut bytes = [0; 16];
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(digits.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    Some(bytes)
}

fn wrong_clock(cell: &mut Cell) -> Outcome {
    const DAY: i64 = 86_400_000;
    let known = cell.seed(&cell.place(), 1)?;
    let mut current = known[0].clone();
    if matches!(cell.read_anew(&cell.place(), &current.id)?, Seen::Nothing) {
        return Halt::not_applicable("nothing outlives the process");
    }
    let now = system::now_ms();
    let mut evidence = vec![];
    for (clock, words) in [(0, "1970"), (now - DAY, "yesterday"), (now + 3650 * DAY, "ten years ahead"), (now, "today")]
    {
        let place = Place { now_ms: clock, ..cell.place() };
        let mut live = cell.start()?;
        let next = current.next();
        let told = live.open(&place).and_then(|()| live.commit(&next.id, current.generation, &next.payload));
        match told {
            Ok(_) => current = next,
            Err(trouble) => evidence.push(Evidence::new("the store", format!("the clock said {words}: {trouble}"))),
        }
        live.end();
        let seen = cell.read_anew(&place, &current.id)?;
        if !seen.is(&current) {
            evidence
                .push(Evidence::new("the store", format!("the clock said {words}: what is read is {}", seen.words())));
        }
    }
    cell.did("Opened, rotated and read while the clock said 1970, yesterday, ten years ahead, and today.");
    Ok(Finding::of(evidence, "No clock made a difference."))
}

fn hot_copy(cell: &mut Cell) -> Outcome {
    let (known, _) = cell.seed_files(1)?;
    if cell.redis.is_some() {
        return Halt::not_applicable("its file is the Redis server's dump");
    }
    let mut written = vec![known[0].clone()];
    let mut writer = cell.open(&cell.place())?;
    let place = cell.place_at("copy", "keystore-copy");
    let (mut copies, mut refused, mut evidence) = (0, 0, vec![]);
    let mut reader = cell.start()?;
    while (copies < 5 || !cell.is_over()) && copies < 60 && evidence.is_empty() {
        // Copies begin while a commit is on its way.
        let next = written[written.len() - 1].next();
        cell.usable(writer.send(&Request::Commit {
            id: &next.id,
            expected: next.generation - 1,
            payload: &next.payload,
        }))?;
        Snapshot::take(&cell.home())?.put(&place.home)?;
        let told = writer.answer();
        Snapshot::take(&cell.keystore())?.put(&place.keystore)?;
        if told.is_ok() {
            written.push(next);
        }
        copies += 1;
        let seen = crate::cell::read_back(&mut reader, &place, &known[0].id);
        refused += u32::from(matches!(seen, Seen::Refused(_)));
        let right: Vec<&Known> = written.iter().collect();
        evidence.extend(seen.wrong(&right).map(|wrong| Evidence::new("a copy", wrong)));
    }
    cell.did(format!(
        "Copied the files {copies} times while a token was rotated and opened each copy; {refused} were refused."
    ));
    Ok(Finding::of(evidence, "Every copy held a committed value or was refused."))
}
