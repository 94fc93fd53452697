//! Reading: what a thief of the disk or of a backup gets, and what another user does.

use std::path::Path;
use std::process::Command;

use super::{Attack, Attacker};
use crate::canary::files_below;
use crate::cell::{Cell, Known, Seen, read_back};
use crate::protocol::Place;
use crate::snapshot::Snapshot;
use crate::subject::{Launch, Live};
use crate::system;
use crate::verdict::{Evidence, Finding, Halt, Outcome};

pub(super) const ATTACKS: &[Attack] = &[
    Attack {
        name: "read-files",
        attacker: Attacker::DiskThief,
        title: "Read every file",
        how: "Keep three tokens, end the program, and search all files and their names for any twelve bytes of a token or of a key, in six forms.",
        right: "Nothing is found.",
        quick: true,
        as_plain_user: false,
        run: read_files,
    },
    Attack {
        name: "read-leftovers",
        attacker: Attacker::DiskThief,
        title: "Look for tokens that were replaced or removed",
        how: "Rotate one token three times, remove another record, end the program, and search every byte of every file for the old ones: free pages, logs, temporary files.",
        right: "Nothing is found.",
        quick: true,
        as_plain_user: false,
        run: read_leftovers,
    },
    Attack {
        name: "read-disk-image",
        attacker: Attacker::DiskThief,
        title: "Read the raw disk below the files",
        how: "Let the store work on an ext4 image of its own, rotate and remove tokens, unmount it, and search the whole image, free blocks and journal too.",
        right: "No token, not even a removed one, stands readable on the disk.",
        quick: false,
        as_plain_user: false,
        run: read_disk_image,
    },
    Attack {
        name: "clone-files",
        attacker: Attacker::DiskThief,
        title: "Open a copy of the files on another machine",
        how: "Copy all files to a home whose keystore is empty (and whose TPM is another one), guess a passphrase, and open the copy with the program itself.",
        right: "No token is given out, and no new key is made over the copy as if it were empty.",
        quick: true,
        as_plain_user: false,
        run: clone_files,
    },
    Attack {
        name: "clone-files-and-keystore",
        attacker: Attacker::DiskThief,
        title: "Open a copy of the files and of an unlocked keystore's file",
        how: "Copy the files together with the keystore's, as a backup of the whole home has them, the keystore's password being blank or known; the TPM is another one and the passphrase is guessed.",
        right: "No token is given out.",
        quick: true,
        as_plain_user: false,
        run: clone_files_and_keystore,
    },
    Attack {
        name: "guess-passphrase",
        attacker: Attacker::DiskThief,
        title: "Guess the passphrase, and lower what a guess costs",
        how: "Open with wrong passphrases and measure what each guess costs; then write the largest number over every place of the first 256 bytes, where costs are noted, and open with the right one.",
        right: "A guess costs at least 50 ms, and no edited cost makes the program take more than 1 GiB or 10 s.",
        quick: false,
        as_plain_user: false,
        run: guess_passphrase,
    },
    Attack {
        name: "other-user",
        attacker: Attacker::OtherUser,
        title: "Open every file as another user",
        how: "Let the program make its files under the umasks 0000, 0002, 0022 and 0077, and try to open and list each of them as the user nobody.",
        right: "Everything is refused.",
        quick: true,
        as_plain_user: false,
        run: other_user,
    },
];

fn read_files(cell: &mut Cell) -> Outcome {
    let known = cell.seed(&cell.place(), 3)?;
    if let Some(redis) = &cell.redis {
        redis.save();
        cell.did("Let Redis write its dump into the home folder.");
    }
    let files = files_below(&cell.home());
    let bytes: u64 = files.iter().filter_map(|file| file.metadata().ok()).map(|about| about.len()).sum();
    cell.did(format!("Kept 3 tokens, ended the program, searched {} files ({bytes} bytes).", files.len()));
    let mut evidence = cell.in_files(&cell.search(&known.iter().collect::<Vec<_>>()));
    evidence.extend(cell.in_files(&cell.key_search()));
    Ok(Finding::of(evidence, "No part of a token or key stands in any file."))
}

/// Rotates one record three times and removes another; the tokens that are no more.
fn rotate_and_remove(cell: &Cell, live: &mut Live) -> Result<Vec<Known>, Halt> {
    let mut current = Known::new("the first refresh token");
    let removed = Known::new("the refresh token of a removed record");
    let mut gone = vec![];
    for record in [&current, &removed] {
        cell.usable(live.create(&record.id, &record.payload))?;
    }
    for _ in 0..3 {
        let next = current.next();
        cell.usable(live.commit(&next.id, current.generation, &next.payload))?;
        gone.push(std::mem::replace(&mut current, next));
    }
    cell.usable(live.remove(&removed.id))?;
    gone.push(removed);
    cell.usable(live.close())?;
    Ok(gone)
}

fn read_leftovers(cell: &mut Cell) -> Outcome {
    let mut live = cell.open(&cell.place())?;
    let gone = rotate_and_remove(cell, &mut live)?;
    live.end();
    if let Some(redis) = &cell.redis {
        redis.save();
    }
    cell.did("Rotated a token three times, removed another record, ended the program, searched every byte of every file for the four old tokens.");
    let evidence = cell.in_files(&cell.search(&gone.iter().collect::<Vec<_>>()));
    Ok(Finding::of(evidence, "None of the old tokens stands in any file."))
}

fn read_disk_image(cell: &mut Cell) -> Outcome {
    if !system::is_root() {
        return Halt::inconclusive("mounting an image needs root");
    }
    if cell.redis.is_some() {
        return Halt::not_applicable("what Redis writes is read by read-files and read-leftovers");
    }
    let (image, mounted) = (cell.folder.join("image"), cell.folder.join("mounted"));
    std::fs::create_dir_all(&mounted)?;
    std::fs::File::create(&image)?.set_len(24 << 20)?;
    let run = |program: &str, words: &[&Path]| -> Result<(), Halt> {
        let ran = Command::new(program).args(words).output();
        match ran {
            Ok(output) if output.status.success() => Ok(()),
            Ok(output) => Halt::inconclusive(format!("{program}: {}", String::from_utf8_lossy(&output.stderr).trim())),
            Err(error) => Halt::inconclusive(format!("{program}: {error}")),
        }
    };
    run("mkfs.ext4", &["-q".as_ref(), "-F".as_ref(), &image])?;
    run("mount", &["-o".as_ref(), "loop".as_ref(), &image, &mounted])?;
    let worked: Result<Vec<Known>, Halt> = (|| {
        let mut live = cell.open(&cell.place_at("mounted/home", "keystore"))?;
        let gone = rotate_and_remove(cell, &mut live)?;
        live.end();
        Ok(gone)
    })();
    run("umount", &[&mounted])?;
    let gone = worked?;
    cell.did("Rotated a token three times and removed another record on an ext4 image, unmounted it, searched all of its 24 MiB.");
    let bytes = std::fs::read(&image)?;
    let evidence = cell.search(&gone.iter().collect::<Vec<_>>()).evidence("the disk image", &bytes);
    Ok(Finding::of(evidence, "None of the old tokens stands anywhere on the disk."))
}

/// Opens a copy with a guessed passphrase; what is wrong with what it says.
fn open_copy(cell: &mut Cell, place: &Place, known: &Known, what: &str) -> Result<Vec<Evidence>, Halt> {
    let place = Place { passphrase: "a guess".to_owned(), ..place.clone() };
    if let Some(tpm) = &mut cell.tpm {
        tpm.replace()?;
    }
    let files = Snapshot::take(&place.home)?;
    let keys = Snapshot::take(&place.keystore)?.files.len();
    let mut live = cell.start()?;
    let seen = read_back(&mut live, &place, &known.id);
    let told = match &seen {
        Seen::Record { .. } => vec![Evidence::new(
            what,
            format!("the program opened it and gave the token out: {}", &known.canary.text[..12]),
        )],
        Seen::Broken(how) => vec![Evidence::new(what, format!("the program broke down: {how}"))],
        Seen::Nothing if files.bytes() > 0 && cell.redis.is_none() => {
            vec![Evidence::new(what, "the program took it for an empty store, and would begin a new one over it")]
        }
        Seen::Refused(_)
            if Snapshot::take(&place.keystore)?.files.iter().filter(|file| file.called() != "turn").count() > keys =>
        {
            vec![Evidence::new("the keystore", "a new key was made although the store belongs to another one")]
        }
        Seen::Nothing | Seen::Refused(_) => vec![],
    };
    cell.did(format!("Opened {what} with the program itself; it gave {}.", seen.words()));
    Ok(told)
}

fn clone_files(cell: &mut Cell) -> Outcome {
    let known = cell.seed(&cell.place(), 1)?;
    let place = cell.place_at("copy", "empty-keystore");
    std::fs::create_dir_all(&place.keystore)?;
    crate::cell::copy(&cell.home(), &place.home)?;
    let evidence = open_copy(cell, &place, &known[0], "a copy of the files")?;
    Ok(Finding::of(evidence, "The copy gave no token away, and no new key was made over it."))
}

fn clone_files_and_keystore(cell: &mut Cell) -> Outcome {
    let known = cell.seed(&cell.place(), 1)?;
    let place = cell.place_at("copy", "keystore-copy");
    crate::cell::copy(&cell.home(), &place.home)?;
    crate::cell::copy(&cell.keystore(), &place.keystore)?;
    let evidence = open_copy(cell, &place, &known[0], "a copy of the files and the keystore")?;
    Ok(Finding::of(
        evidence,
        "Files and keystore together are not enough: the passphrase or the chip is missing, or there is nothing.",
    ))
}

fn guess_passphrase(cell: &mut Cell) -> Outcome {
    let (known, files) = cell.seed_files(1)?;
    let guess = Place { passphrase: "a guess".to_owned(), ..cell.place() };
    let mut live = cell.start()?;
    let mut costs = vec![];
    for _ in 0..5 {
        let watch = system::Stopwatch::start();
        if live.open(&guess).is_ok() {
            return Halt::not_applicable("it is not opened by a passphrase");
        }
        costs.push(watch.elapsed());
    }
    costs.sort_unstable();
    let cost = costs[2];
    let mut evidence = vec![];
    if cost.as_millis() < 50 {
        evidence.push(Evidence::new("the store", format!("a guess costs {} ms only", cost.as_millis())));
    }
    let mut edits = 0;
    for (index, file) in files.files.iter().enumerate() {
        for at in 0..file.bytes.len().saturating_sub(4).min(256) {
            if cell.is_over() || !evidence.is_empty() {
                break;
            }
            for large in [[0xff, 0xff, 0xff, 0x7f], [0x7f, 0xff, 0xff, 0xff]] {
                let mut bytes = file.bytes.clone();
                bytes[at..at + 4].copy_from_slice(&large);
                files.with(index, bytes).put(&cell.home())?;
                edits += 1;
                let seen = read_back(&mut live, &cell.place(), &known[0].id);
                let taken = peak_memory(live.id());
                if taken > 1 << 20 {
                    evidence.push(Evidence::at(
                        file.called(),
                        at as u64,
                        format!("an edited cost made the program take {} MiB", taken >> 10),
                    ));
                }
                if let Some(wrong) = seen.wrong(&[&known[0]]) {
                    evidence.push(Evidence::at(file.called(), at as u64, format!("wrote {large:02x?} there: {wrong}")));
                    live = cell.start()?;
                }
            }
        }
    }
    cell.did(format!(
        "Guessed 5 passphrases and edited the costs in {edits} ways. A guess costs {} ms on this machine.",
        cost.as_millis()
    ));
    Ok(Finding::of(
        evidence,
        format!("A guess costs {} ms; edited costs are refused before they are paid.", cost.as_millis()),
    ))
}

/// The most memory that a process has had, in KiB.
pub(crate) fn peak_memory(id: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}

fn other_user(cell: &mut Cell) -> Outcome {
    if !system::is_root() {
        return Halt::inconclusive("becoming another user needs root");
    }
    let mut evidence = vec![];
    let mut tried = 0;
    // The folders above are open, as a home folder's are on many systems.
    std::fs::set_permissions(&cell.folder, std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
    for umask in ["0000", "0002", "0022", "0077"] {
        let place = cell.place_at(&format!("made-{umask}/home"), "keystore");
        let above = cell.folder.join(format!("made-{umask}"));
        std::fs::create_dir_all(&above)?;
        std::fs::set_permissions(&above, std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
        let mut live = cell.start_as(&Launch { umask: Some(umask), ..cell.launch.clone() })?;
        cell.usable(live.open(&place))?;
        let known = Known::new("a refresh token");
        cell.usable(live.create(&known.id, &known.payload))?;
        // Logs and locks stand there only while it is open.
        for file in files_below(&above).into_iter().chain([place.home.clone()]) {
            tried += 1;
            if let Some(read) = read_as_nobody(&file) {
                let name = file.strip_prefix(&above).unwrap_or(&file).display().to_string();
                evidence.push(Evidence::new(name, format!("made under umask {umask}: another user {read}")));
            }
        }
    }
    if tried == 4 && evidence.is_empty() && files_below(&cell.folder.join("made-0000")).is_empty() {
        return Halt::not_applicable("it keeps no file that could be opened");
    }
    cell.did(format!("Made the store under four umasks, tried {tried} files and folders as the user nobody."));
    Ok(Finding::of(evidence, "Nothing could be opened or listed."))
}

/// What the user nobody can do with it.
fn read_as_nobody(file: &Path) -> Option<&'static str> {
    use std::os::unix::process::CommandExt as _;
    let run = |program: &str| {
        let mut command = Command::new(program);
        command.arg(file).uid(65534).gid(65534).stdin(std::process::Stdio::null());
        command.output().is_ok_and(|output| output.status.success())
    };
    if file.is_dir() { run("ls").then_some("lists it") } else { run("cat").then_some("reads it") }
}
