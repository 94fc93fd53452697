//! Files that are not what they should be: links, pipes, folders, and names that change under the program's hands.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use super::{Attack, Attacker};
use crate::canary::files_below;
use crate::cell::{Cell, Known, Seen, read_back};
use crate::snapshot::Snapshot;
use crate::verdict::{Evidence, Finding, Halt, Outcome};

pub(super) const ATTACKS: &[Attack] = &[
    Attack {
        name: "planted-links",
        attacker: Attacker::Tamperer,
        title: "Put links, pipes and folders in the files' places",
        how: "Replace each file, one at a time, by a symbolic link and a hard link to somebody's notes, a dangling link, a pipe and a folder; then the whole home by a link. Open the store and write.",
        right: "The program refuses or works beside it; it neither hangs nor writes into the notes.",
        quick: true,
        as_plain_user: false,
        run: planted_links,
    },
    Attack {
        name: "changing-names",
        attacker: Attacker::Tamperer,
        title: "Exchange the folder with a link while it is opened",
        how: "Exchange the home with a symbolic link to another folder thousands of times a second while the store is opened and written.",
        right: "Nothing is written in the other folder.",
        quick: false,
        as_plain_user: false,
        run: changing_names,
    },
    Attack {
        name: "conflict-copies",
        attacker: Attacker::Fault,
        title: "A synchronised folder leaves a conflict copy",
        how: "Put yesterday's copies beside the files, named as synchronising programs name them, and read the record.",
        right: "The newest value; the copies are left alone.",
        quick: true,
        as_plain_user: false,
        run: conflict_copies,
    },
];

const NOTES: &[u8] = b"somebody's notes, which are none of the program's business\n";

const PLANTED: [&str; 5] = ["a symbolic link", "a hard link", "a dangling link", "a pipe", "a folder"];

fn plant(what: usize, path: &Path, notes: &Path) -> Result<(), Halt> {
    if path.is_dir() {
        fs::remove_dir_all(path)?;
    } else if path.symlink_metadata().is_ok() {
        fs::remove_file(path)?;
    }
    match what {
        0 => symlink(notes, path)?,
        1 => fs::hard_link(notes, path)?,
        2 => symlink(notes.with_extension("not-there"), path)?,
        3 => rustix::fs::mknodat(
            rustix::fs::CWD,
            path,
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
            0,
        )
        .map_err(std::io::Error::from)?,
        _ => fs::create_dir(path)?,
    }
    Ok(())
}

fn planted_links(cell: &mut Cell) -> Outcome {
    if cell.redis.is_some() {
        return Halt::not_applicable("its files are those of the Redis server");
    }
    let known = cell.seed(&cell.place(), 1)?;
    let files = Snapshot::take(&cell.home())?;
    if files.files.is_empty() {
        return Halt::not_applicable("it keeps no file");
    }
    let keystore = Snapshot::take(&cell.keystore())?;
    let notes = cell.folder.join("notes");
    let mut evidence = vec![];
    let mut tried = 0;
    for file in &files.files {
        for (what, words) in PLANTED.iter().enumerate() {
            let _ = fs::remove_dir_all(cell.home());
            files.put(&cell.home())?;
            keystore.put(&cell.keystore())?;
            fs::write(&notes, NOTES)?;
            plant(what, &cell.home().join(&file.name), &notes)?;
            tried += 1;
            let did = format!("{words} in place of {}", file.called());
            let mut live = cell.start()?;
            let seen = read_back(&mut live, &cell.place(), &known[0].id);
            if let Seen::Broken(how) = &seen {
                evidence.push(Evidence::new(file.called(), format!("{did}: the program broke down: {how}")));
                continue;
            }
            let fresh = Known::new("fresh");
            // Whether it is taken or not, it must not go into the notes.
            let _ = live.open(&cell.place()).and_then(|()| live.create(&fresh.id, &fresh.payload));
            live.end();
            if fs::read(&notes)? != NOTES {
                evidence.push(Evidence::new("somebody's notes", format!("{did}: the program wrote into them")));
            }
            if notes.with_extension("not-there").exists() {
                evidence.push(Evidence::new("a new file elsewhere", format!("{did}: the program made it")));
                fs::remove_file(notes.with_extension("not-there"))?;
            }
        }
    }
    cell.did(format!(
        "Put {tried} links, pipes and folders in the places of {} files, and read and wrote after each.",
        files.files.len()
    ));
    Ok(Finding::of(evidence, "The program refused each or worked beside it, and the notes were not touched."))
}

fn changing_names(cell: &mut Cell) -> Outcome {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    if cell.redis.is_some() {
        return Halt::not_applicable("its files are those of the Redis server");
    }
    let known = cell.seed(&cell.place(), 1)?;
    if files_below(&cell.home()).is_empty() {
        return Halt::not_applicable("it keeps no file");
    }
    let (other, link) = (cell.folder.join("other"), cell.folder.join("link"));
    fs::create_dir(&other)?;
    fs::set_permissions(&other, std::os::unix::fs::PermissionsExt::from_mode(0o700))?;
    symlink(&other, &link)?;
    let over = AtomicBool::new(false);
    let home = cell.home();
    let mut opened = 0;
    let mut evidence = vec![];
    let (cell_ref, place) = (&*cell, cell.place());
    let exchanges = std::thread::scope(|scope| -> Result<u64, Halt> {
        let turning = scope.spawn(|| {
            let mut exchanges = 0_u64;
            while !over.load(Ordering::Relaxed) {
                exchanges += u64::from(renameat_with(CWD, &home, CWD, &link, RenameFlags::EXCHANGE).is_ok());
            }
            if home.is_symlink() {
                let _ = renameat_with(CWD, &home, CWD, &link, RenameFlags::EXCHANGE);
            }
            exchanges
        });
        let mut live = cell_ref.start()?;
        while !cell_ref.is_over() && opened < 500 && evidence.is_empty() {
            let fresh = Known::new("fresh");
            let made = live.open(&place).and_then(|()| live.create(&fresh.id, &fresh.payload));
            opened += 1;
            if made.as_ref().is_err_and(crate::subject::Trouble::is_breakdown) {
                evidence.push(Evidence::new("the store", "the program broke down"));
            }
            let _ = live.close();
            evidence.extend(written_in(cell_ref, &other, &[&known[0], &fresh]));
        }
        live.end();
        over.store(true, Ordering::Relaxed);
        turning.join().map_err(|_| Halt::Inconclusive("the exchanging thread failed".to_owned()))
    })?;
    let seen = cell.read_anew(&cell.place(), &known[0].id)?;
    if let Some(wrong) = seen.wrong(&[&known[0]]) {
        evidence.push(Evidence::new("the store", format!("afterwards: {wrong}")));
    }
    cell.did(format!(
        "Exchanged the home with a link {exchanges} times while the store was opened and written {opened} times."
    ));
    Ok(Finding::of(evidence, "Nothing was written through the link."))
}

/// What the program wrote in a folder that is not its own, and whether it can be read there.
fn written_in(cell: &Cell, other: &Path, known: &[&Known]) -> Vec<Evidence> {
    let files = files_below(other);
    let named: Vec<_> =
        files.iter().filter_map(|file| file.file_name()).map(|name| name.to_string_lossy().into_owned()).collect();
    if named.is_empty() {
        return vec![];
    }
    let readable = cell.search(known).in_folder(other, "the other folder");
    let sealed = if readable.is_empty() { "no token is readable in them" } else { "with a readable token" };
    let what = format!("the program wrote there: {} ({sealed})", named.join(", "));
    let mut evidence = vec![Evidence::new("the other folder", what)];
    evidence.extend(readable);
    evidence
}

fn conflict_copies(cell: &mut Cell) -> Outcome {
    let (known, before) = cell.seed_files(1)?;
    let next = known[0].next();
    let mut live = cell.open(&cell.place())?;
    cell.usable(live.commit(&next.id, known[0].generation, &next.payload))?;
    cell.usable(live.close())?;
    live.end();
    let mut planted = vec![];
    for file in before.files.iter().filter(|file| !file.bytes.is_empty()) {
        let name = file.called();
        let (stem, ending) = name.rsplit_once('.').unwrap_or((&name, ""));
        for other in [
            format!("{stem} (1).{ending}"),
            format!("{stem} (conflicted copy).{ending}"),
            format!("{name}.bak"),
            format!("{name}~"),
        ] {
            fs::write(cell.home().join(&other), &file.bytes)?;
            planted.push(other);
        }
    }
    let seen = cell.read_anew(&cell.place(), &next.id)?;
    let mut evidence: Vec<_> =
        seen.wrong(&[&next]).map(|wrong| Evidence::new("the store", wrong)).into_iter().collect();
    if let Seen::Refused(why) = &seen {
        evidence.push(Evidence::new("the store", format!("the copies beside it keep it from opening: {why}")));
    }
    let gone: Vec<_> = planted.iter().filter(|name| !cell.home().join(name).exists()).cloned().collect();
    evidence.extend(gone.into_iter().map(|name| Evidence::new(name, "the program removed it")));
    cell.did(format!(
        "Put {} conflict copies with yesterday's token beside the files and read the record.",
        planted.len()
    ));
    Ok(Finding::of(evidence, "It gave the newest value and left the copies alone."))
}
