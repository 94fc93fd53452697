//! What a keystore does to a program: it is away, locked, silent, moody; it loses, mangles and doubles entries.

use std::path::PathBuf;

use super::{Attack, Attacker};
use crate::cell::{Cell, Known, Seen, read_back};
use crate::keystore::Entries;
use crate::snapshot::Snapshot;
use crate::system::Stopwatch;
use crate::verdict::{Evidence, Finding, Halt, Outcome};

const RIGHT: &str = "The value or an error of its own kind within ten seconds; no token is written readable, no new key takes the old one's place, and everything is back when the keystore is.";

/// A fault that heals.
const fn passing(name: &'static str, title: &'static str, how: &'static str, run: fn(&mut Cell) -> Outcome) -> Attack {
    Attack { name, attacker: Attacker::Fault, title, how, right: RIGHT, quick: true, as_plain_user: false, run }
}

pub(super) const ATTACKS: &[Attack] = &[
    passing(
        "keystore-absent",
        "No keystore answers",
        "Open the store, read and write while nobody answers for the keystore; then let it answer again.",
        |cell| fault(cell, "absent"),
    ),
    passing(
        "keystore-locked",
        "The keystore is locked",
        "The same while it is locked and the person dismisses the prompt.",
        |cell| fault(cell, "locked"),
    ),
    passing(
        "keystore-silent",
        "The keystore does not answer in time",
        "The same while every call runs into its deadline.",
        |cell| fault(cell, "silent"),
    ),
    passing(
        "keystore-moody",
        "Every third call of the keystore fails",
        "Open, read, rotate and close again and again while every third call fails.",
        |cell| fault(cell, "every-third-fails"),
    ),
    passing(
        "keystore-read-only",
        "The keystore takes nothing new",
        "The same while it gives entries out and takes none.",
        |cell| fault(cell, "read-only"),
    ),
    Attack {
        name: "keystore-narrow",
        attacker: Attacker::Fault,
        title: "The keystore takes short entries only",
        how: "Keep a record of 8 KiB in a keystore that takes 1,280 characters at most, as Windows does, and read an earlier record.",
        right: "The record is kept whole, or refused before anything changes; the earlier one is there.",
        quick: true,
        as_plain_user: false,
        run: narrow,
    },
    Attack {
        name: "key-deleted",
        attacker: Attacker::Fault,
        title: "The keystore loses its entries",
        how: "Delete every entry of the keystore while it is unlocked, and open the store.",
        right: "An error that says so. No new key is made without the person's word, and putting the entries back brings everything back.",
        quick: true,
        as_plain_user: false,
        run: deleted,
    },
    Attack {
        name: "key-damaged",
        attacker: Attacker::Fault,
        title: "The keystore gives damaged entries",
        how: "Cut each entry by a character, lengthen it, put a newline, bytes that are no text, and another valid key in its place, one at a time.",
        right: "The value or an error; the damaged entry is in no message.",
        quick: true,
        as_plain_user: false,
        run: damaged,
    },
    Attack {
        name: "key-planted",
        attacker: Attacker::SameUser,
        title: "Another program plants a second entry of the same name",
        how: "Add a second entry beside each one, with another valid key in it, as any program of the user can in a Secret Service, and read and rotate.",
        right: "The own entry is found, or an error; the planted key is never used.",
        quick: true,
        as_plain_user: false,
        run: planted,
    },
    Attack {
        name: "keystore-replaced",
        attacker: Attacker::Fault,
        title: "Another keystore answers after an update of the desktop",
        how: "Let another keystore answer that has none of the entries, and open the store.",
        right: "An error; no new key is made over the old store; when the old keystore is back, everything is.",
        quick: true,
        as_plain_user: false,
        run: replaced,
    },
];

/// A store with one record that needs the keystore.
fn needing(cell: &mut Cell) -> Result<Known, Halt> {
    let known = cell.seed(&cell.place(), 1)?;
    let used = cell.entries().files();
    if used.is_empty() {
        return Halt::not_applicable("it does not use the keystore");
    }
    Ok(known[0].clone())
}

pub(super) fn too_late(watch: Stopwatch, what: &str) -> Option<Evidence> {
    let took = watch.elapsed();
    (took.as_secs() >= 10).then(|| Evidence::new("the store", format!("{what} took {} s", took.as_secs())))
}

/// Reading while the keystore fails.
fn judge(cell: &Cell, known: &Known, what: &str) -> Result<(Seen, Vec<Evidence>), Halt> {
    let watch = Stopwatch::start();
    let mut live = cell.start()?;
    let seen = read_back(&mut live, &cell.place(), &known.id);
    let mut evidence: Vec<_> = too_late(watch, what).into_iter().collect();
    evidence.extend(seen.wrong(&[known]).map(|wrong| Evidence::new("the store", format!("{what}: {wrong}"))));
    Ok((seen, evidence))
}

/// After the fault everything must be as it was.
pub(super) fn healed(cell: &Cell, known: &[&Known]) -> Result<Vec<Evidence>, Halt> {
    let first = known[0];
    let seen = cell.read_anew(&cell.place(), &first.id)?;
    let wrong = match &seen {
        Seen::Refused(why) => Some(format!("it refuses still: {why}")),
        other => other.wrong(known),
    };
    Ok(wrong
        .map(|wrong| Evidence::new("the store", format!("after the keystore was well again: {wrong}")))
        .into_iter()
        .collect())
}

fn readable_now(cell: &Cell, known: &[&Known], before: &[Evidence]) -> Vec<Evidence> {
    cell.in_files(&cell.search(known)).into_iter().filter(|found| !before.contains(found)).collect()
}

fn fault(cell: &mut Cell, fault: &str) -> Outcome {
    let known = needing(cell)?;
    through(cell, &known, fault, |cell| Ok(cell.entries().fault(fault)?), |cell| Ok(cell.entries().heal()?))
}

/// Reads and writes while something is wrong with the keystore, and again when it is well.
pub(super) fn through(
    cell: &mut Cell,
    known: &Known,
    fault: &str,
    begin: impl FnOnce(&mut Cell) -> Result<(), Halt>,
    heal: impl FnOnce(&mut Cell) -> Result<(), Halt>,
) -> Outcome {
    let next = known.next();
    let fresh = Known::new("a new record's token");
    let before = cell.in_files(&cell.search(&[known]));
    begin(cell)?;
    let (seen, mut evidence) = judge(cell, known, "reading")?;
    let mut live = cell.start()?;
    let watch = Stopwatch::start();
    let opened = live.open(&cell.place());
    let mut right = vec![known];
    if opened.is_ok() {
        if live.commit(&next.id, known.generation, &next.payload).is_ok() {
            right = vec![&next];
        } else {
            right.push(&next);
        }
        // Whether it is taken or refused, it must not stand readable anywhere.
        let _ = live.create(&fresh.id, &fresh.payload);
    }
    evidence.extend(too_late(watch, "writing"));
    live.end();
    evidence.extend(readable_now(cell, &[known, &next, &fresh], &before));
    heal(cell)?;
    evidence.extend(healed(cell, &right)?);
    let committed = if right.len() == 1 && right[0] == &next { "a commit was taken" } else { "a commit was refused" };
    cell.did(format!(
        "Made the keystore fail ({fault}): reading gave {}, {committed}; healed it and read again.",
        seen.words()
    ));
    Ok(Finding::of(
        evidence,
        "It answered in time, wrote nothing readable, and everything was there when the keystore was well again.",
    ))
}

fn narrow(cell: &mut Cell) -> Outcome {
    let known = needing(cell)?;
    cell.entries().fault("at-most 1280")?;
    let mut large = Known::new("a large record's token");
    large.payload.push_str(&format!("&filler={}", "x".repeat(8000)));
    let mut live = cell.open(&cell.place())?;
    let created = live.create(&large.id, &large.payload);
    live.end();
    let mut evidence = vec![];
    for record in [&known, &large] {
        let seen = cell.read_anew(&cell.place(), &record.id)?;
        let must_be_there = record == &known || created.is_ok();
        let wrong = match &seen {
            Seen::Nothing if !must_be_there => None,
            Seen::Refused(why) if must_be_there => Some(format!("it cannot be read: {why}")),
            other => other.wrong(&[record]),
        };
        evidence.extend(wrong.map(|wrong| Evidence::new("the store", format!("{}: {wrong}", record.canary.name))));
    }
    let said = created.map_or_else(|trouble| format!("refused ({trouble})"), |_| "kept whole".to_owned());
    cell.did(format!("Kept a record of 8 KiB where entries have 1,280 characters at most: it was {said}."));
    Ok(Finding::of(evidence, "Nothing was cut, and the earlier record is there."))
}

fn new_entries(cell: &Cell, before: &[PathBuf]) -> Vec<Evidence> {
    let name = |file: &PathBuf| crate::keystore::entry_name(file);
    let made = cell.entries().files().into_iter().filter(|file| !before.contains(file));
    made.map(|file| Evidence::new("the keystore", format!("a new entry was made without asking: {}", name(&file))))
        .collect()
}

/// Entries go, the store must say so, entries come back.
fn without_entries(cell: &mut Cell, take: impl Fn(&Entries) -> std::io::Result<()>, did: &str) -> Outcome {
    let known = needing(cell)?;
    let keystore = Snapshot::take(&cell.keystore())?;
    take(&cell.entries())?;
    let left = cell.entries().files();
    let (seen, mut evidence) = judge(cell, &known, did)?;
    evidence.extend(new_entries(cell, &left));
    keystore.put(&cell.keystore())?;
    evidence.extend(healed(cell, &[&known])?);
    cell.did(format!("{did}: reading gave {}. Then put the entries back and read again.", seen.words()));
    Ok(Finding::of(evidence, "It said so, made no new key, and everything was back with the entries."))
}

fn deleted(cell: &mut Cell) -> Outcome {
    without_entries(cell, |entries| entries.files().iter().try_for_each(std::fs::remove_file), "Deleted every entry")
}

fn replaced(cell: &mut Cell) -> Outcome {
    without_entries(cell, Entries::replace, "Let another keystore answer")
}

/// An entry as it should not be.
fn damages(secret: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let mut other = secret.to_vec();
    for byte in other.iter_mut().rev().skip(1).take(30) {
        // Another key of the same form.
        *byte = match *byte {
            b'a'..=b'y' | b'A'..=b'Y' | b'0'..=b'8' => *byte + 1,
            kept => kept,
        };
    }
    vec![
        ("a character less", secret[..secret.len().saturating_sub(1)].to_vec()),
        ("a character more", [secret, b"A"].concat()),
        ("a newline behind it", [secret, b"\n"].concat()),
        ("bytes that are no text", vec![0xff, 0xfe, 0x00, 0x80]),
        ("nothing", vec![]),
        ("another value of the same form", other),
    ]
}

fn damaged(cell: &mut Cell) -> Outcome {
    let known = needing(cell)?;
    let keystore = Snapshot::take(&cell.keystore())?;
    let home = Snapshot::take(&cell.home())?;
    let keys = cell.key_search();
    let (mut evidence, mut tried) = (vec![], 0);
    for file in cell.entries().files() {
        for (what, bytes) in damages(&std::fs::read(&file)?) {
            if evidence.len() >= 5 || cell.is_over() && tried > 0 {
                break;
            }
            home.put(&cell.home())?;
            keystore.put(&cell.keystore())?;
            std::fs::write(&file, &bytes)?;
            tried += 1;
            let (seen, found) = judge(cell, &known, &format!("{what} for {}", crate::keystore::entry_name(&file)))?;
            evidence.extend(found);
            if let Seen::Refused(why) = seen {
                evidence.extend(keys.evidence("the error message", why.as_bytes()));
            }
        }
    }
    home.put(&cell.home())?;
    keystore.put(&cell.keystore())?;
    evidence.extend(healed(cell, &[&known])?);
    cell.did(format!(
        "Damaged the keystore's entries in {tried} ways, reading the record after each, and put them back."
    ));
    Ok(Finding::of(
        evidence,
        "Each damage was an error of its own or made no difference, and no message held any of the entry.",
    ))
}

fn planted(cell: &mut Cell) -> Outcome {
    let known = needing(cell)?;
    for file in cell.entries().files() {
        let secret = String::from_utf8_lossy(&std::fs::read(&file)?).into_owned();
        let other: String = if secret.len() == 43 {
            crate::canary::Canary::new("planted").text
        } else {
            secret.chars().rev().collect()
        };
        Entries::plant(&file, &other)?;
    }
    let next = known.next();
    let (seen, mut evidence) = judge(cell, &known, "with planted entries")?;
    let mut live = cell.start()?;
    let committed = live.open(&cell.place()).and_then(|()| live.commit(&next.id, known.generation, &next.payload));
    live.end();
    for planted in cell.entries().files().iter().filter(|file| file.to_string_lossy().contains('+')) {
        std::fs::remove_file(planted)?;
    }
    let right = if committed.is_ok() { vec![&next] } else { vec![&known, &next] };
    evidence.extend(healed(cell, &right)?);
    let said = committed.map_or_else(|trouble| trouble.to_string(), |_| "taken".to_owned());
    cell.did(format!(
        "Planted a second entry beside each one: reading gave {}, a commit was {said}. Removed them and read again.",
        seen.words()
    ));
    Ok(Finding::of(evidence, "No planted key was used, and everything was there afterwards."))
}
