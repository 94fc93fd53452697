//! Other code in the store's own process that touches its files.

use super::turns::{compete, together};
use super::{Attack, Attacker};
use crate::cell::Cell;
use crate::verdict::{Halt, Outcome};

pub(super) const ATTACKS: &[Attack] = &[Attack {
    name: "files-touched-within",
    attacker: Attacker::Fault,
    title: "Other code in the same process opens and closes the files",
    how: "Let three processes rotate the same token at once while a thread of each opens, reads and closes every file of the home without pause, as a linked backup library or scanner would: POSIX drops a process's record locks when it closes any descriptor of the file.",
    right: "Exactly one of them wins each generation, and its value is what is read afterwards.",
    quick: true,
    as_plain_user: false,
    run: files_touched_within,
}];

fn files_touched_within(cell: &mut Cell) -> Outcome {
    let known = cell.seed(&cell.place(), 1)?;
    if cell.redis.is_some() {
        return Halt::not_applicable("its files are those of the Redis server");
    }
    let mut lives = together(cell, 3, &known[0])?;
    for live in &mut lives {
        match live.meddle() {
            Err(trouble) if trouble.is("unsupported") => {
                return Halt::not_applicable("its program cannot be told to touch its own files");
            }
            told => cell.usable(told)?,
        }
    }
    compete(cell, lives, known[0].clone())
}
