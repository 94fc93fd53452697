//! The attacks and faults: who does what, and what must come of it.

mod bus;
mod ciphertext;
mod crash;
mod disk;
mod keystore;
mod meddling;
mod memory;
mod paths;
mod planted;
mod rollback;
mod structure;
mod swap;
mod tampering;
mod theft;
mod turns;

use std::sync::LazyLock;

use serde::Serialize;

pub(crate) use theft::peak_memory;

use crate::cell::Cell;
use crate::verdict::Outcome;

/// Who attacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Attacker {
    /// Has the disk, or a copy of the files; the machine is off.
    DiskThief,
    /// Another user of the machine, without root.
    OtherUser,
    /// Another program of the same user.
    SameUser,
    /// May alter our files and cannot decrypt them.
    Tamperer,
    /// Nobody: a crash, a full disk, a keystore that is away.
    Fault,
}

impl Attacker {
    /// What it is called in reports.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::DiskThief => "Thief of the disk or of a backup",
            Self::OtherUser => "Another user of the machine",
            Self::SameUser => "Another program of the same user",
            Self::Tamperer => "Somebody who alters the files",
            Self::Fault => "Faults: crash, disk, keystore, clock",
        }
    }
}

/// One attack.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Attack {
    /// Its name, on command lines and in reports.
    pub name: &'static str,
    /// Who does it.
    pub attacker: Attacker,
    /// What it is, in a few words.
    pub title: &'static str,
    /// How it is done.
    pub how: &'static str,
    /// What must come of it.
    pub right: &'static str,
    /// Whether it is part of the quick subset, which a build server runs.
    pub quick: bool,
    /// Whether it is done as a plain user even where the lab runs as root, for whom nothing is closed.
    pub as_plain_user: bool,
    #[serde(skip)]
    pub(crate) run: fn(&mut Cell) -> Outcome,
}

/// Every attack, in the order of the report.
#[must_use]
pub fn attacks() -> &'static [Attack] {
    static ALL: LazyLock<Vec<Attack>> = LazyLock::new(|| {
        let families = [
            theft::ATTACKS,
            ciphertext::ATTACKS,
            memory::ATTACKS,
            swap::ATTACKS,
            tampering::ATTACKS,
            structure::ATTACKS,
            planted::ATTACKS,
            rollback::ATTACKS,
            paths::ATTACKS,
            crash::ATTACKS,
            disk::ATTACKS,
            turns::ATTACKS,
            meddling::ATTACKS,
            keystore::ATTACKS,
            bus::ATTACKS,
        ];
        families.concat()
    });
    &ALL
}

/// The attack of this name.
#[must_use]
pub fn attack(name: &str) -> Option<&'static Attack> {
    attacks().iter().find(|attack| attack.name == name)
}
