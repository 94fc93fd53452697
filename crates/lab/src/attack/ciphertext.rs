//! What ciphertexts give away by themselves: nonces that come again, and equal values that look alike.

use super::{Attack, Attacker};
use crate::cell::{Cell, Known};
use crate::snapshot::Snapshot;
use crate::verdict::{Evidence, Finding, Halt, Outcome};

pub(super) const ATTACKS: &[Attack] = &[
    Attack {
        name: "repeated-nonce",
        attacker: Attacker::DiskThief,
        title: "Wait for the same ciphertext twice",
        how: "Write two values in turns, put an older copy of the files back in between, and compare every 72 bytes that each write changed with those that any earlier write had changed: a nonce used twice shows.",
        right: "Nothing that a write changed ever comes again.",
        quick: true,
        as_plain_user: false,
        run: repeated_nonce,
    },
    Attack {
        name: "equal-tokens",
        attacker: Attacker::DiskThief,
        title: "See which records hold the same value",
        how: "Keep the same value in two records, and count the sequences of 72 bytes that stand twice in the files; compare with a store whose two records differ.",
        right: "Equal values look no more alike than different ones.",
        quick: true,
        as_plain_user: false,
        run: equal_tokens,
    },
];

/// So many bytes that look random are no accident when they come again: more than a checksum in hexadecimal digits has.
const SEQUENCE: usize = 72;

/// Every sequence of the files that looks random.
fn sequences(files: &Snapshot) -> impl Iterator<Item = &[u8]> {
    files.files.iter().flat_map(|file| file.bytes.windows(SEQUENCE)).filter(|window| {
        let mut seen = [false; 256];
        window.iter().for_each(|byte| seen[usize::from(*byte)] = true);
        // Of a text only what encodes something: its quotes and names come again by its form.
        let is_form = window.iter().all(u8::is_ascii)
            && !window.iter().all(|byte| byte.is_ascii_alphanumeric() || b"+/-_".contains(byte));
        !is_form && seen.iter().filter(|seen| **seen).count() >= 16
    })
}

/// Stores that do not encrypt have no nonce to repeat.
fn must_encrypt(cell: &Cell, known: &Known) -> Result<(), Halt> {
    if cell.in_files(&cell.search(&[known])).is_empty() {
        Ok(())
    } else {
        Halt::not_applicable("it encrypts nothing (see read-files)")
    }
}

fn repeated_nonce(cell: &mut Cell) -> Outcome {
    use std::collections::HashSet;
    let (known, older) = cell.seed_files(1)?;
    must_encrypt(cell, &known[0])?;
    let keystore = Snapshot::take(&cell.keystore())?;
    // Without a word in common, so that nothing but the nonce can make their ciphertexts alike.
    let values = [0, 1].map(|_| (0..5).map(|_| Known::new("").canary.text).collect::<String>());
    let (mut ever, mut writes, mut evidence) = (HashSet::<Vec<u8>>::new(), 0_usize, vec![]);
    let mut before: HashSet<Vec<u8>> = sequences(&older).map(<[u8]>::to_vec).collect();
    // Ids and salts stand there from the beginning, and come again with other neighbours.
    let lasting: HashSet<&[u8]> = older.files.iter().flat_map(|file| file.bytes.windows(8)).collect();
    let (mut live, mut generation) = (cell.open(&cell.place())?, 1);
    while (writes < 12 || !cell.is_over()) && writes < 400 && evidence.is_empty() {
        if writes % 12 == 11 && cell.redis.is_none() {
            cell.usable(live.close())?;
            older.put(&cell.home())?;
            keystore.put(&cell.keystore())?;
            cell.usable(live.open(&cell.place()))?;
            generation = 1;
            before = sequences(&older).map(<[u8]>::to_vec).collect();
        }
        generation = cell.usable(live.commit(&known[0].id, generation, &values[writes % 2]))?;
        writes += 1;
        let now = Snapshot::take(&cell.home())?;
        let all: HashSet<Vec<u8>> = sequences(&now).map(<[u8]>::to_vec).collect();
        for fresh in all.difference(&before).filter(|fresh| !fresh.windows(8).any(|part| lasting.contains(part))) {
            if !ever.insert(fresh.clone()) {
                let place = now.files.iter().find_map(|file| {
                    let at = file.bytes.windows(SEQUENCE).position(|window| window == fresh)?;
                    Some((file.called(), at as u64))
                });
                let (file, at) = place.unwrap_or_default();
                let what = format!(
                    "write {writes} left the same {SEQUENCE} bytes as an earlier one: {}",
                    crate::canary::hex(fresh)
                );
                evidence.push(Evidence::at(file, at, what));
                break;
            }
        }
        before = all;
    }
    cell.did(format!("Wrote two values in turns {writes} times, an older copy put back before every twelfth, and compared what each write had changed."));
    Ok(Finding::of(evidence, format!("Of {} changed sequences of {SEQUENCE} bytes none came twice.", ever.len())))
}

fn equal_tokens(cell: &mut Cell) -> Outcome {
    let known = Known::new("a token");
    let mut doubled = [0; 2];
    for (at, equal) in [false, true].into_iter().enumerate() {
        let place = cell.place_at(["different", "equal"][at], ["different-keys", "equal-keys"][at]);
        let mut live = cell.open(&place)?;
        let other = Known::new("another token");
        cell.usable(live.create(&known.id, &known.payload))?;
        cell.usable(live.create(&other.id, if equal { &known.payload } else { &other.payload }))?;
        cell.usable(live.close())?;
        live.end();
        let files = Snapshot::take(&place.home)?;
        if files.bytes() == 0 {
            return Halt::not_applicable("it keeps no file that could be looked at");
        }
        if !cell.search(&[&known]).in_folder(&place.home, "").is_empty() {
            return Halt::not_applicable("it encrypts nothing (see read-files)");
        }
        let (mut seen, mut twice) = (std::collections::HashSet::new(), 0);
        for window in sequences(&files) {
            twice += usize::from(!seen.insert(window));
        }
        doubled[at] = twice;
    }
    let [different, equal] = doubled;
    cell.did(format!("Counted sequences of {SEQUENCE} bytes that stand twice: {different} where two records differ, {equal} where they are equal."));
    // A few may stand twice by the file's own form.
    let evidence = (equal > different + 8).then(|| {
        Evidence::new(
            "the files",
            format!("{} sequences more stand twice where two records hold the same value", equal - different),
        )
    });
    Ok(Finding::of(evidence.into_iter().collect(), "Equal values look no more alike than different ones."))
}
