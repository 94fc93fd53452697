//! The real thing: a Secret Service on a session's bus, which goes away, is locked, hangs, starts anew, and answers strangers.

use super::keystore::{healed, through, too_late};
use super::{Attack, Attacker};
use crate::bus::Bus;
use crate::cell::{APP, Cell, Known, Seen};
use crate::system::Stopwatch;
use crate::verdict::{Evidence, Finding, Halt, Outcome};

const RIGHT: &str = "The value or an error of its own kind within ten seconds; no token is written readable, and everything is back when the keystore is.";

const fn fault(name: &'static str, title: &'static str, how: &'static str, run: fn(&mut Cell) -> Outcome) -> Attack {
    Attack { name, attacker: Attacker::Fault, title, how, right: RIGHT, quick: false, as_plain_user: false, run }
}

pub(super) const ATTACKS: &[Attack] = &[
    fault(
        "bus-absent",
        "On D-Bus: there is no bus",
        "Keep the key in a gnome-keyring on a private session bus; end both, open the store, read and write; then let both come back.",
        absent,
    ),
    fault(
        "bus-locked",
        "On D-Bus: the keystore is locked, and nobody answers its prompt",
        "The same with a gnome-keyring that was locked, where no program shows its prompts; then unlock it.",
        locked,
    ),
    fault(
        "bus-silent",
        "On D-Bus: the keystore takes calls and answers none",
        "The same while gnome-keyring is stopped (SIGSTOP); then let it go on.",
        silent,
    ),
    fault(
        "bus-restarts",
        "On D-Bus: the keystore is killed and started anew",
        "Kill gnome-keyring while the store is open, commit, start gnome-keyring again, commit in the same process, and read in a new one.",
        restarts,
    ),
    Attack {
        name: "bus-asked",
        attacker: Attacker::SameUser,
        title: "On D-Bus: another program asks the keystore for the key",
        how: "From another process of the same user, search the unlocked gnome-keyring for the program's entries and ask for their secrets.",
        right: "No key is given out.",
        quick: false,
        as_plain_user: false,
        run: asked,
    },
];

/// A store with one record whose keys are kept by the Secret Service.
fn on_bus(cell: &mut Cell) -> Result<Known, Halt> {
    let bus = Bus::start(&cell.folder)?;
    cell.launch.surroundings = bus.surroundings();
    cell.bus = Some(bus);
    let mut live = cell.start()?;
    let known = Known::new("the refresh token");
    match live.open(&cell.place()) {
        Err(trouble) if trouble.is("unsupported") => return Halt::not_applicable(trouble.to_string()),
        told => cell.usable(told)?,
    }
    cell.usable(live.create(&known.id, &known.payload))?;
    cell.usable(live.close())?;
    live.end();
    if bus_of(cell)?.entries_of(APP)?.is_empty() {
        return Halt::not_applicable("it keeps nothing in the Secret Service");
    }
    Ok(known)
}

fn bus_of(cell: &mut Cell) -> Result<&mut Bus, Halt> {
    cell.bus.as_mut().ok_or_else(|| Halt::Inconclusive("there is no bus".to_owned()))
}

fn absent(cell: &mut Cell) -> Outcome {
    let known = on_bus(cell)?;
    let go = |cell: &mut Cell| {
        bus_of(cell)?.go_away();
        Ok(())
    };
    through(cell, &known, "no bus", go, |cell| bus_of(cell)?.come_back())
}

fn locked(cell: &mut Cell) -> Outcome {
    let known = on_bus(cell)?;
    through(cell, &known, "locked", |cell| bus_of(cell)?.lock(), |cell| bus_of(cell)?.come_back())
}

fn silent(cell: &mut Cell) -> Outcome {
    let known = on_bus(cell)?;
    through(cell, &known, "stopped", |cell| bus_of(cell)?.hold(true), |cell| bus_of(cell)?.hold(false))
}

fn restarts(cell: &mut Cell) -> Outcome {
    let known = on_bus(cell)?;
    let mut live = cell.open(&cell.place())?;
    let (mut evidence, mut refused) = (vec![], 0);
    let mut current = known;
    for there in [false, true, false, true] {
        if there {
            bus_of(cell)?.come_back()?;
        } else {
            bus_of(cell)?.kill_keystore();
        }
        let (next, watch) = (current.next(), Stopwatch::start());
        let told = live.commit(&next.id, current.generation, &next.payload);
        evidence.extend(too_late(watch, "a commit"));
        let words = if there { "with the keystore back" } else { "while the keystore was gone" };
        match told {
            Ok(_) => current = next,
            Err(trouble) if trouble.is_breakdown() => {
                evidence.push(Evidence::new("the store", format!("a commit {words}: {trouble}")));
                break;
            }
            Err(_) => refused += 1,
        }
        let seen = Seen::of(live.load(&current.id));
        evidence.extend(seen.wrong(&[&current]).map(|wrong| Evidence::new("the store", format!("{words}: {wrong}"))));
    }
    // Its last words to the keystore come before the next program asks.
    let _ = live.close();
    live.end();
    evidence.extend(healed(cell, &[&current])?);
    cell.did(format!("Killed gnome-keyring twice and started it again while the store was open, and committed each time: {refused} of 4 commits were refused."));
    Ok(Finding::of(evidence, "Every commit was kept or refused with an error, and a new process read the last one."))
}

fn asked(cell: &mut Cell) -> Outcome {
    on_bus(cell)?;
    let entries = bus_of(cell)?.entries_of(APP)?;
    cell.did("Asked the Secret Service from another process of the same user for every entry of the program.");
    let given = |(name, secret): &(String, Vec<u8>)| {
        let kind = name.split('-').next().unwrap_or_default();
        Evidence::new("the Secret Service", format!("it gave out the entry {kind}, {} bytes", secret.len()))
    };
    Ok(Finding::of(entries.iter().map(given).collect(), "It gave nothing out."))
}
