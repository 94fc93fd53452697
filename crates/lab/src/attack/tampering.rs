//! Altering bytes: bits, lengths, and what a journal holds.

use super::{Attack, Attacker};
use crate::cell::{Cell, Known, read_back};
use crate::snapshot::Snapshot;
use crate::subject::Live;
use crate::verdict::{Evidence, Finding, Halt, Outcome};

/// After so many findings more of the same say nothing new.
const ENOUGH: usize = 5;

pub(super) const ATTACKS: &[Attack] = &[
    Attack {
        name: "flip-bits",
        attacker: Attacker::Tamperer,
        title: "Flip each bit",
        how: "Flip one bit of one file, open the store anew and read the record; put the file back; go on with the next bit, spread over the whole file as long as time allows.",
        right: "The value that was kept, or an error of its own kind. Never another value, never \"there is none\", no crash, no hanging.",
        quick: true,
        as_plain_user: false,
        run: flip_bits,
    },
    Attack {
        name: "cut-files",
        attacker: Attacker::Tamperer,
        title: "Cut, empty and extend each file",
        how: "Cut each file at lengths spread over all of it, empty it, and put zeros and junk behind it; open the store anew each time.",
        right: "The value that was kept, or an error. Never \"there is none\".",
        quick: true,
        as_plain_user: false,
        run: cut_files,
    },
    Attack {
        name: "damage-log",
        attacker: Attacker::Tamperer,
        title: "Damage the log of the last writes",
        how: "Kill the program right after a confirmed commit, flip bits in the log that stands beside the file and cut it, and read the record.",
        right: "The newest value or an error: a log that is dropped must not bring an older token back.",
        quick: false,
        as_plain_user: false,
        run: damage_log,
    },
];

/// Altered files, one after the other, each opened by a store that must give the old value or an error.
pub(super) struct Trials<'a> {
    cell: &'a Cell,
    live: Live,
    keystore: Snapshot,
    right: Vec<&'a Known>,
    pub(super) tried: usize,
    pub(super) refused: usize,
    pub(super) evidence: Vec<Evidence>,
}

impl<'a> Trials<'a> {
    pub(super) fn new(cell: &'a Cell, right: Vec<&'a Known>) -> Result<Self, Halt> {
        let keystore = Snapshot::take(&cell.keystore())?;
        Ok(Self { cell, live: cell.start()?, keystore, right, tried: 0, refused: 0, evidence: vec![] })
    }

    /// Whether more trials are worth their time.
    pub(super) fn go_on(&self) -> bool {
        !self.cell.is_over() && self.evidence.len() < ENOUGH
    }

    /// Puts these files in place and reads the first record.
    pub(super) fn attempt(&mut self, files: &Snapshot, file: &str, offset: Option<u64>, did: &str) -> Result<(), Halt> {
        files.put(&self.cell.home())?;
        self.keystore.put(&self.cell.keystore())?;
        let Some(record) = self.right.first() else { return Ok(()) };
        let seen = read_back(&mut self.live, &self.cell.place(), &record.id);
        self.tried += 1;
        if let crate::cell::Seen::Refused(_) = seen {
            self.refused += 1;
        }
        if let Some(wrong) = seen.wrong(&self.right) {
            let what = format!("{did}: {wrong}");
            self.evidence.push(Evidence { file: file.to_owned(), offset, what });
        }
        if let crate::cell::Seen::Broken(_) = seen {
            self.live = self.cell.start()?;
        }
        Ok(())
    }

    /// The verdict, with how often the store noticed.
    pub(super) fn finding(self) -> Finding {
        let (tried, refused) = (self.tried, self.refused);
        let same = tried - refused;
        Finding::of(
            self.evidence,
            format!("{tried} alterations: {refused} were refused with an error, {same} left the value as it was."),
        )
    }
}

/// Numbers below `count` in an order that covers the whole range evenly from the beginning.
pub(super) fn spread(count: u64) -> impl Iterator<Item = u64> {
    // The golden section of the range, made odd and prime to it.
    let mut step = (count as f64 * 0.618_033_988_75) as u64 | 1;
    while count > 1 && gcd(step, count) != 1 {
        step += 2;
    }
    (0..count).map(move |at| (u128::from(at) * u128::from(step) % u128::from(count)) as u64)
}

fn gcd(one: u64, other: u64) -> u64 {
    if other == 0 { one } else { gcd(other, one % other) }
}

/// The file and the byte that the `at`th byte of all files is.
pub(super) fn locate(files: &Snapshot, mut at: usize) -> Option<(usize, usize)> {
    for (index, file) in files.files.iter().enumerate() {
        if at < file.bytes.len() {
            return Some((index, at));
        }
        at -= file.bytes.len();
    }
    None
}

fn flip_bits(cell: &mut Cell) -> Outcome {
    let (known, files) = cell.seed_files(1)?;
    let bits = files.bytes() as u64 * 8;
    let (finding, tried) = {
        let mut trials = Trials::new(cell, known.iter().collect())?;
        for bit in spread(bits) {
            let Some((index, at)) = locate(&files, (bit / 8) as usize) else { continue };
            let mut bytes = files.files[index].bytes.clone();
            bytes[at] ^= 1 << (bit % 8);
            let did = format!("flipped bit {} of byte {at}", bit % 8);
            trials.attempt(&files.with(index, bytes), &files.files[index].called(), Some(at as u64), &did)?;
            if !trials.go_on() {
                break;
            }
        }
        let tried = trials.tried;
        (trials.finding(), tried)
    };
    cell.did(format!("Kept a token, then flipped {tried} of {bits} bits, one at a time, spread evenly over all files, and read the record each time."));
    Ok(finding)
}

/// What is done to a file's length, one after the other.
fn lengths(bytes: &[u8]) -> impl Iterator<Item = (String, Vec<u8>)> + '_ {
    let extended = [("zeros", 0_u8), ("junk", 0xa5)].into_iter().flat_map(move |(what, byte)| {
        [1_usize, 512, 4096]
            .map(|more| (format!("put {more} bytes of {what} behind it"), [bytes, &vec![byte; more]].concat()))
    });
    let cut = spread(bytes.len() as u64)
        .map(|length| (format!("cut it to {length} bytes"), bytes[..length as usize].to_vec()));
    extended.chain(cut)
}

fn cut_files(cell: &mut Cell) -> Outcome {
    let (known, files) = cell.seed_files(1)?;
    let (finding, tried) = {
        let mut trials = Trials::new(cell, known.iter().collect())?;
        // Turn by turn, so that a large file does not take all the time.
        let mut turns: Vec<_> = files.files.iter().map(|file| lengths(&file.bytes)).collect();
        let mut going = true;
        while going && trials.go_on() {
            going = false;
            for (index, turn) in turns.iter_mut().enumerate() {
                let Some((did, bytes)) = turn.next() else { continue };
                going = true;
                trials.attempt(&files.with(index, bytes), &files.files[index].called(), None, &did)?;
            }
        }
        let tried = trials.tried;
        (trials.finding(), tried)
    };
    cell.did(format!(
        "Changed the length of {} files in {tried} ways and read the record after each.",
        files.files.len()
    ));
    Ok(finding)
}

fn damage_log(cell: &mut Cell) -> Outcome {
    let known = cell.seed(&cell.place(), 1)?;
    let next = known[0].next();
    let mut live = cell.open(&cell.place())?;
    cell.usable(live.commit(&next.id, known[0].generation, &next.payload))?;
    live.kill();
    let files = Snapshot::take(&cell.home())?;
    let is_log = |name: &str| name.ends_with("-wal") || name.ends_with("-journal");
    let logs: Vec<usize> = (0..files.files.len())
        .filter(|at| is_log(&files.files[*at].called()) && !files.files[*at].bytes.is_empty())
        .collect();
    if logs.is_empty() {
        return Halt::not_applicable("no log stands beside the file after a confirmed commit");
    }
    let (finding, tried) = {
        let mut trials = Trials::new(cell, vec![&next])?;
        for index in logs {
            let file = &files.files[index];
            for at in spread(file.bytes.len() as u64).map(|at| at as usize) {
                if !trials.go_on() {
                    break;
                }
                let mut flipped = file.bytes.clone();
                flipped[at] ^= 0x10;
                trials.attempt(
                    &files.with(index, flipped),
                    &file.called(),
                    Some(at as u64),
                    &format!("flipped a bit of byte {at}"),
                )?;
                trials.attempt(
                    &files.with(index, file.bytes[..at].to_vec()),
                    &file.called(),
                    None,
                    &format!("cut it to {at} bytes"),
                )?;
            }
        }
        let tried = trials.tried;
        (trials.finding(), tried)
    };
    cell.did(format!(
        "Killed the program after a confirmed commit, altered its log in {tried} ways and read the record after each."
    ));
    Ok(finding)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_spread_meets_every_number_once() {
        for count in [1, 2, 3, 10, 97, 1024, 6000] {
            let mut all: Vec<u64> = spread(count).collect();
            all.sort_unstable();
            assert_eq!(all, (0..count).collect::<Vec<_>>(), "{count}");
        }
    }
}
