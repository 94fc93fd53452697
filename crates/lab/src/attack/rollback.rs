//! Going back in time: an older copy is put back, and the authorization server is the judge of what follows.

use super::structure::foreign;
use super::{Attack, Attacker};
use crate::cell::{Cell, Known, Seen, read_back};
use crate::judge::{Judge, Sentence, successor};
use crate::protocol::Place;
use crate::snapshot::Snapshot;
use crate::subject::Live;
use crate::verdict::{Evidence, Finding, Halt, Outcome};

pub(super) const ATTACKS: &[Attack] = &[
    Attack {
        name: "restore-files",
        attacker: Attacker::Tamperer,
        title: "Put yesterday's files back",
        how: "Copy the files, rotate the token at the server twice, put the copy back, and spend what the store gives out. An authorization server with reuse detection is the judge.",
        right: "The store says that the files are an older copy; the spent token is not sent.",
        quick: true,
        as_plain_user: false,
        run: restore_files,
    },
    Attack {
        name: "restore-files-and-keystore",
        attacker: Attacker::Tamperer,
        title: "Put yesterday's files and keystore back",
        how: "The same with the keystore's files, as restoring a whole home folder does.",
        right: "The store says that it is an older copy; the spent token is not sent.",
        quick: true,
        as_plain_user: false,
        run: restore_everything,
    },
    Attack {
        name: "foreign-store",
        attacker: Attacker::Tamperer,
        title: "Put a whole other store in its place",
        how: "Make a second store on the same machine, with a keystore of its own and a record of the same id, put all its files in the first one's place, and read the record.",
        right: "An error: the store is not the one that was here.",
        quick: true,
        as_plain_user: false,
        run: foreign_store,
    },
    Attack {
        name: "two-clones",
        attacker: Attacker::Tamperer,
        title: "Refresh from two clones of the machine",
        how: "Copy files and keystore to a second machine (with a TPM of its own, and no passphrase) and let both refresh in turns at one authorization server.",
        right: "The copy cannot spend the token.",
        quick: true,
        as_plain_user: false,
        run: two_clones,
    },
];

/// A store whose record holds the first token of a judge's grant.
fn granted(cell: &mut Cell) -> Result<(Judge, Known), Halt> {
    let (judge, known) = Judge::new()?;
    let mut live = cell.open(&cell.place())?;
    cell.usable(live.create(&known.id, &known.payload))?;
    cell.usable(live.close())?;
    live.end();
    Ok((judge, known))
}

/// One refresh: read, spend, keep.
fn refresh(live: &mut Live, place: &Place, judge: &mut Judge, known: &Known) -> Result<Result<Known, String>, Halt> {
    let seen = match live.open(place) {
        Ok(()) => Seen::of(live.load(&known.id)),
        Err(trouble) => Seen::of(Err(trouble)),
    };
    let Seen::Record { generation, payload } = seen else {
        let _ = live.close();
        return Ok(Err(seen.words()));
    };
    let spent = judge.spend(&payload, None)?;
    let Sentence::Granted(token) = spent else {
        let _ = live.close();
        return Ok(Err(format!("{spent:?}")));
    };
    let next = successor(&Known { generation, ..known.clone() }, token);
    let kept = live.commit(&next.id, generation, &next.payload);
    let _ = live.close();
    Ok(kept.map(|_| next).map_err(|trouble| trouble.to_string()))
}

/// The store is back where it was, and the token is spent: what does it give out, and what does the server say?
fn spend_after(cell: &mut Cell, judge: &mut Judge, first: &Known) -> Outcome {
    let seen = cell.read_anew(&cell.place(), &first.id)?;
    match seen {
        Seen::Record { payload, .. } if payload == first.payload => {
            let sentence = judge.spend(&payload, None)?;
            let said = match sentence {
                Sentence::Ended => {
                    "the server took it for theft and ended the grant: the person has to sign in again".to_owned()
                }
                other => format!("the server said {other:?}"),
            };
            Ok(Finding::Fell(vec![Evidence::new(
                "the store",
                format!("it gave the spent token out without a word; {said}"),
            )]))
        }
        Seen::Record { .. } => Ok(Finding::Withstood(
            "The store gave the newest token out: putting files back changed nothing.".to_owned(),
        )),
        Seen::Refused(why) => Ok(Finding::Withstood(format!(
            "The store refused to use it ({why}); the spent token was not sent, the grant lives."
        ))),
        other => {
            Ok(Finding::Fell(other.wrong(&[]).map(|wrong| Evidence::new("the store", wrong)).into_iter().collect()))
        }
    }
}

fn restore(cell: &mut Cell, with_keystore: bool) -> Outcome {
    let (mut judge, first) = granted(cell)?;
    let (home, keystore) = (Snapshot::take(&cell.home())?, Snapshot::take(&cell.keystore())?);
    if home.bytes() == 0 && (!with_keystore || keystore.bytes() == 0) {
        return Halt::not_applicable("it keeps no file that could be put back");
    }
    let mut live = cell.start()?;
    let mut current = first.clone();
    for _ in 0..2 {
        current = match refresh(&mut live, &cell.place(), &mut judge, &current)? {
            Ok(next) => next,
            Err(why) => return Halt::inconclusive(format!("a refresh without any attack failed: {why}")),
        };
    }
    live.end();
    home.put(&cell.home())?;
    if with_keystore {
        keystore.put(&cell.keystore())?;
    }
    let what = if with_keystore { "files and the keystore" } else { "files" };
    cell.did(format!(
        "Copied the {what}, refreshed twice at the authorization server, put the copy back, and let the program go on."
    ));
    spend_after(cell, &mut judge, &first)
}

fn restore_files(cell: &mut Cell) -> Outcome {
    restore(cell, false)
}

fn restore_everything(cell: &mut Cell) -> Outcome {
    restore(cell, true)
}

fn foreign_store(cell: &mut Cell) -> Outcome {
    let (known, _) = cell.seed_files(1)?;
    let (other, files) = foreign(cell, &known[0])?;
    files.put(&cell.home())?;
    let seen = cell.read_anew(&cell.place(), &other.id)?;
    cell.did(format!(
        "Put the {} files of another store in the place of this one's and read the record.",
        files.files.len()
    ));
    let evidence: Vec<_> =
        seen.wrong(&[&known[0]]).map(|wrong| Evidence::new("the store", wrong)).into_iter().collect();
    Ok(Finding::of(evidence, format!("The store gave {}.", seen.words())))
}

fn two_clones(cell: &mut Cell) -> Outcome {
    let (mut judge, first) = granted(cell)?;
    let clone = Place { passphrase: "a guess".to_owned(), ..cell.place_at("clone", "clone-keystore") };
    crate::cell::copy(&cell.home(), &clone.home)?;
    crate::cell::copy(&cell.keystore(), &clone.keystore)?;
    let mut live = cell.start()?;
    let own = refresh(&mut live, &cell.place(), &mut judge, &first)?;
    live.end();
    if let Some(tpm) = &mut cell.tpm {
        tpm.replace()?;
    }
    let mut live = cell.start()?;
    let seen = read_back(&mut live, &clone, &first.id);
    cell.did("Copied files and keystore, refreshed on the first machine, then on the second.");
    let Seen::Record { payload, .. } = seen else {
        return Ok(Finding::Withstood(format!(
            "The clone opened nothing ({}), and the first machine goes on.",
            seen.words()
        )));
    };
    let sentence = judge.spend(&payload, None)?;
    let after = own.ok().map(|record| judge.spend(&record.payload, None)).transpose()?;
    Ok(Finding::Fell(vec![Evidence::new(
        "the clone",
        format!(
            "it gave the token out; the server's answer to the second machine: {sentence:?}, and to the first one afterwards: {after:?}"
        ),
    )]))
}
