//! Altering records: what somebody does who knows the file's form and has no key.

use super::tampering::Trials;
use super::{Attack, Attacker};
use crate::cell::{Cell, EVIL, HOST, Known, Seen};
use crate::digest;
use crate::protocol::Place;
use crate::snapshot::Snapshot;
use crate::structure::{self, Altered, Form};
use crate::verdict::{Evidence, Finding, Halt, Outcome};

pub(super) const ATTACKS: &[Attack] = &[
    Attack {
        name: "swap-records",
        attacker: Attacker::Tamperer,
        title: "Exchange parts of two records",
        how: "Exchange each column or field of two records, and whole records, one at a time, and read one of them.",
        right: "The record's own value or an error; never the other's.",
        quick: true,
        as_plain_user: false,
        run: swap_records,
    },
    Attack {
        name: "foreign-record",
        attacker: Attacker::Tamperer,
        title: "Put in a record or a key of another store",
        how: "Make a second store with other keys and a record of the same id, and put its rows, fields and wrapped keys into the first one's file, one at a time.",
        right: "The own value or an error; never the other store's.",
        quick: true,
        as_plain_user: false,
        run: foreign_record,
    },
    Attack {
        name: "old-record",
        attacker: Attacker::Tamperer,
        title: "Put yesterday's record into today's file",
        how: "Copy the file, rotate the token, and put rows, fields and values of the copy back into the new file, one at a time.",
        right: "The new value or an error; never the old one, whose token is spent.",
        quick: true,
        as_plain_user: false,
        run: old_record,
    },
    Attack {
        name: "remove-records",
        attacker: Attacker::Tamperer,
        title: "Remove or double a part",
        how: "Remove each row or field of the file, and double each row, one at a time, and read the record.",
        right: "The value or an error; never \"there is none\", which signs the person out without a word.",
        quick: true,
        as_plain_user: false,
        run: remove_records,
    },
    Attack {
        name: "edit-numbers",
        attacker: Attacker::Tamperer,
        title: "Edit counters, versions and the names of ciphers",
        how: "Set each number and each short word that stands readable in the file to its neighbours and to nothing, one at a time.",
        right: "The value at its own generation, or an error. Nothing weaker is accepted.",
        quick: true,
        as_plain_user: false,
        run: edit_numbers,
    },
    Attack {
        name: "redirect-tokens",
        attacker: Attacker::Tamperer,
        title: "Redirect the token to another server",
        how: "Write a thief's host over the token endpoint wherever it stands readable, and see where a refresh would be sent.",
        right: "The token endpoint cannot be altered: no request leaves for the other host.",
        quick: true,
        as_plain_user: false,
        run: redirect_tokens,
    },
    Attack {
        name: "another-app",
        attacker: Attacker::Tamperer,
        title: "Open the store as another program's",
        how: "Let a build with another app id open the same files and the same keystore.",
        right: "An error: the store says whose it is.",
        quick: true,
        as_plain_user: false,
        run: another_app,
    },
    Attack {
        name: "readable-keyset",
        attacker: Attacker::Tamperer,
        title: "Replace the wrapped keyset by a readable one",
        how: "Write a Tink keyset of the attacker's, not encrypted, where the encrypted keysets of the preferences stand: Tink itself accepts that.",
        right: "An error.",
        quick: true,
        as_plain_user: false,
        run: readable_keyset,
    },
];

/// So many alterations are tried however long they take.
const FEW: usize = 200;

/// Tries every alteration that `alter` makes of any file; the evidence of what was accepted.
fn try_all(
    cell: &mut Cell,
    files: &Snapshot,
    right: Vec<&Known>,
    alter: impl Fn(usize, &[u8]) -> Result<Vec<Altered>, Halt>,
) -> Outcome {
    if files.files.iter().all(|file| Form::of(&file.bytes).is_none()) {
        return Halt::not_applicable(
            "its files are sealed as a whole: there are no parts to lay hands on (flip-bits and cut-files try the rest)",
        );
    }
    let mut kinds: Vec<String> = vec![];
    let (finding, tried) = {
        let mut trials = Trials::new(cell, right)?;
        for (index, file) in files.files.iter().enumerate() {
            let mut all = alter(index, &file.bytes)?;
            all.extend(digest::renewed(&all));
            for altered in all {
                // There are not many: a busy machine is no reason to leave the telling one out.
                if trials.tried >= FEW && !trials.go_on() {
                    break;
                }
                trials.attempt(&files.with(index, altered.bytes), &file.called(), None, &altered.did)?;
                kinds.push(altered.did);
            }
        }
        let tried = trials.tried;
        (trials.finding(), tried)
    };
    if tried == 0 {
        return Halt::not_applicable("there is no such part in its files");
    }
    kinds.dedup();
    let examples = kinds.iter().take(4).map(|kind| kind.as_str()).collect::<Vec<_>>().join("; ");
    cell.did(format!("Made {tried} alterations and read the record after each, for instance: {examples}."));
    Ok(finding)
}

fn swap_records(cell: &mut Cell) -> Outcome {
    let (known, files) = cell.seed_files(2)?;
    try_all(cell, &files, vec![&known[0]], |_, bytes| structure::swapped(bytes))
}

fn foreign_record(cell: &mut Cell) -> Outcome {
    let (known, files) = cell.seed_files(1)?;
    let (_, foreign) = foreign(cell, &known[0])?;
    try_all(cell, &files, known.iter().collect(), |index, bytes| {
        let name = &files.files[index].name;
        let other = foreign.files.iter().find(|file| file.name == *name);
        other.map_or(Ok(vec![]), |other| structure::spliced(bytes, &other.bytes))
    })
}

/// The files of another store, of the same person on the same machine, which holds a record of the same id.
pub(super) fn foreign(cell: &mut Cell, known: &Known) -> Result<(Known, Snapshot), Halt> {
    if cell.redis.is_some() {
        return Halt::not_applicable("it keeps no file that could be attacked");
    }
    let other = cell.place_at("other-home", "other-keystore");
    let mut live = cell.open(&other)?;
    let foreign = Known { id: known.id.clone(), ..Known::new("the other store's token") };
    cell.usable(live.create(&foreign.id, &foreign.payload))?;
    cell.usable(live.close())?;
    live.end();
    Ok((foreign, Snapshot::take(&other.home)?))
}

/// A store whose record was rotated; the record before, the record now, and the files before and now.
pub(super) fn rotated(cell: &mut Cell) -> Result<(Known, Known, Snapshot, Snapshot), Halt> {
    let (known, before) = cell.seed_files(1)?;
    let next = known[0].next();
    let mut live = cell.open(&cell.place())?;
    cell.usable(live.commit(&next.id, known[0].generation, &next.payload))?;
    cell.usable(live.close())?;
    live.end();
    Ok((known[0].clone(), next, before, Snapshot::take(&cell.home())?))
}

fn old_record(cell: &mut Cell) -> Outcome {
    let (_, now, before, after) = rotated(cell)?;
    try_all(cell, &after, vec![&now], |index, bytes| {
        let name = &after.files[index].name;
        before
            .files
            .iter()
            .find(|file| file.name == *name)
            .map_or(Ok(vec![]), |old| structure::spliced(bytes, &old.bytes))
    })
}

fn remove_records(cell: &mut Cell) -> Outcome {
    let (known, files) = cell.seed_files(2)?;
    try_all(cell, &files, vec![&known[0]], |_, bytes| structure::removed(bytes))
}

fn edit_numbers(cell: &mut Cell) -> Outcome {
    let (known, files) = cell.seed_files(1)?;
    try_all(cell, &files, known.iter().collect(), |_, bytes| structure::edited(bytes))
}

fn redirect_tokens(cell: &mut Cell) -> Outcome {
    let (known, files) = cell.seed_files(1)?;
    let mut replaced = 0;
    let mut altered = files.clone();
    for file in &mut altered.files {
        for at in 0..file.bytes.len().saturating_sub(HOST.len() - 1) {
            if file.bytes[at..].starts_with(HOST.as_bytes()) {
                file.bytes[at..at + HOST.len()].copy_from_slice(EVIL.as_bytes());
                replaced += 1;
            }
        }
        if let Some((bytes, places)) = digest::with_another_host(&file.bytes, HOST, EVIL) {
            file.bytes = bytes;
            replaced += places;
        }
    }
    cell.did(format!("Looked for the token endpoint's host in every file, wrote another one over it in {replaced} places, and read the record."));
    if replaced == 0 {
        return Ok(Finding::Withstood(
            "The token endpoint stands readable nowhere: there is nothing to write over.".to_owned(),
        ));
    }
    altered.put(&cell.home())?;
    let seen = cell.read_anew(&cell.place(), &known[0].id)?;
    let evidence = match &seen {
        Seen::Record { payload, .. } if payload.contains(EVIL) => {
            vec![Evidence::new("the store", format!("the refresh token would be sent to https://{EVIL}/token"))]
        }
        _ => seen.wrong(&[&known[0]]).map(|wrong| Evidence::new("the store", wrong)).into_iter().collect(),
    };
    Ok(Finding::of(evidence, "The altered address was refused."))
}

fn another_app(cell: &mut Cell) -> Outcome {
    let known = cell.seed(&cell.place(), 1)?;
    let place = Place { app: "dev.another.app".to_owned(), ..cell.place() };
    let seen = cell.read_anew(&place, &known[0].id)?;
    cell.did("Kept a token, then opened the same files and keystore under another app id.");
    let evidence = match seen {
        Seen::Record { .. } => {
            vec![Evidence::new("the store", "another program's app id opened it and read the token")]
        }
        Seen::Broken(how) => vec![Evidence::new("the store", format!("it broke down: {how}"))],
        Seen::Nothing | Seen::Refused(_) => vec![],
    };
    Ok(Finding::of(evidence, "The other app id opened nothing."))
}

fn readable_keyset(cell: &mut Cell) -> Outcome {
    let (known, files) = cell.seed_files(1)?;
    let reserved = "__androidx_security_crypto_encrypted_prefs_";
    let index = files.files.iter().position(|file| String::from_utf8_lossy(&file.bytes).contains(reserved));
    let Some(index) = index else {
        return Halt::not_applicable("it keeps no keysets of Tink");
    };
    let file = &files.files[index];
    let mut text = String::from_utf8_lossy(&file.bytes).into_owned();
    for (which, type_url, length) in [("key_keyset__", "AesSivKey", 64), ("value_keyset__", "AesGcmKey", 32)] {
        let Some(at) = text.find(&format!("{reserved}{which}")) else { continue };
        let Some(begin) = text[at..].find('>').map(|more| at + more + 1) else { continue };
        let Some(end) = text[begin..].find('<').map(|more| begin + more) else { continue };
        text.replace_range(begin..end, &crate::canary::hex(&keyset(type_url, length)));
    }
    let (finding, _) = {
        let mut trials = Trials::new(cell, known.iter().collect())?;
        trials.attempt(
            &files.with(index, text.into_bytes()),
            &file.called(),
            None,
            "wrote readable keysets of the attacker's",
        )?;
        let refused = trials.refused;
        if refused == 0 && trials.evidence.is_empty() {
            trials
                .evidence
                .push(Evidence::new(file.called(), "the store opened with a keyset that anybody may have written"));
        }
        (trials.finding(), refused)
    };
    cell.did("Replaced both encrypted keysets by readable ones of the attacker's, and read the record.");
    Ok(finding)
}

/// A Tink keyset with one key that anybody knows: `message Keyset { primary_key_id = 1; Key key = 2; }`.
fn keyset(kind: &str, length: u8) -> Vec<u8> {
    let field = |number: u8, bytes: &[u8]| {
        let mut all = vec![number << 3 | 2, u8::try_from(bytes.len()).unwrap_or(u8::MAX)];
        all.extend_from_slice(bytes);
        all
    };
    let value = field(if kind == "AesSivKey" { 2 } else { 3 }, &vec![7; usize::from(length)]);
    let url = format!("type.googleapis.com/google.crypto.tink.{kind}");
    // KeyData { type_url = 1; value = 2; key_material_type = 3: SYMMETRIC }
    let data = [field(1, url.as_bytes()), field(2, &value), vec![3 << 3, 1]].concat();
    // Key { key_data = 1; status = 2: ENABLED; key_id = 3; output_prefix_type = 4: TINK }
    let data = {
        let mut all = vec![1 << 3 | 2];
        varint(&mut all, data.len());
        all.extend(data);
        all
    };
    let key = [data, vec![2 << 3, 1, 3 << 3, 42, 4 << 3, 1]].concat();
    let mut all = vec![1 << 3, 42, 2 << 3 | 2];
    varint(&mut all, key.len());
    all.extend(key);
    all
}

fn varint(to: &mut Vec<u8>, mut number: usize) {
    while number > 0x7f {
        to.push(0x80 | (number & 0x7f) as u8);
        number >>= 7;
    }
    to.push(number as u8);
}
