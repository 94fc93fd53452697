//! The living process, as another program of the same user sees it.

use std::os::unix::fs::FileExt as _;

use super::{Attack, Attacker};
use crate::canary::{Canary, Search, files_below};
use crate::cell::{Cell, Known, Seen, read_back};
use crate::protocol::Place;
use crate::subject::{Launch, Live};
use crate::system::{self, Stopwatch};
use crate::verdict::{Evidence, Finding, Halt, Outcome};

pub(super) const ATTACKS: &[Attack] = &[
    Attack {
        name: "read-memory",
        attacker: Attacker::SameUser,
        title: "Read the memory of the running program",
        how: "While the store is open and has just read a token, read /proc/PID/mem as the same user, who is not root, and search it.",
        right: "The system refuses, because the program has closed itself.",
        quick: true,
        as_plain_user: true,
        run: read_memory,
    },
    Attack {
        name: "memory-leftovers",
        attacker: Attacker::SameUser,
        title: "Look for keys and tokens in memory after the store was closed",
        how: "Start the program open to debuggers, let it keep, read and rotate a token, close the store, and search all of its memory.",
        right: "Neither token nor key is left.",
        quick: true,
        as_plain_user: false,
        run: memory_leftovers,
    },
    Attack {
        name: "core-dump",
        attacker: Attacker::SameUser,
        title: "Crash the program and read its core",
        how: "Allow core files of any size, crash the program with SIGSEGV while the store is open, and search every file that appears.",
        right: "No core falls, or none with a token in it.",
        quick: true,
        as_plain_user: true,
        run: core_dump,
    },
    Attack {
        name: "surroundings",
        attacker: Attacker::SameUser,
        title: "Read arguments, environment and open files",
        how: "Search /proc/PID/cmdline, environ, maps and the names of open files, and the temporary folder, while the store is open.",
        right: "No token and no key is there.",
        quick: true,
        as_plain_user: false,
        run: surroundings,
    },
    Attack {
        name: "errors-and-logs",
        attacker: Attacker::SameUser,
        title: "Read what the program says when things go wrong",
        how: "Provoke conflicts, records that are too large, damaged files, a moody keystore and requests that make no sense; search every message and all of standard error for tokens and keys.",
        right: "No token and no key is in any of them.",
        quick: true,
        as_plain_user: false,
        run: errors_and_logs,
    },
    Attack {
        name: "ask-keystore",
        attacker: Attacker::SameUser,
        title: "Ask the keystore as the program does",
        how: "Run the program's own code as another process of the same user, with the same files, keystore and chip, and no passphrase.",
        right: "No token is given out.",
        quick: true,
        as_plain_user: false,
        run: ask_keystore,
    },
    Attack {
        name: "watched-start",
        attacker: Attacker::SameUser,
        title: "Start the program in one's own hands",
        how: "Start the program under a tracer, as a replaced launcher or a preloaded library would, let it keep a token, and search what the tracer saw.",
        right: "No token is seen.",
        quick: false,
        as_plain_user: true,
        run: watched_start,
    },
];

/// An open store that has just kept, read and rotated a record.
pub(super) fn busy(cell: &Cell, live: &mut Live) -> Result<(Known, Known), Halt> {
    cell.usable(live.open(&cell.place()))?;
    let known = Known::new("the refresh token");
    cell.usable(live.create(&known.id, &known.payload))?;
    cell.usable(live.load(&known.id))?;
    let next = known.next();
    cell.usable(live.commit(&next.id, known.generation, &next.payload))?;
    cell.usable(live.load(&next.id))?;
    Ok((known, next))
}

/// The writable memory of a process, part by part; an error where the system does not let us.
pub(super) fn memory(id: u32, mut part: impl FnMut(u64, &[u8])) -> std::io::Result<u64> {
    let maps = std::fs::read_to_string(format!("/proc/{id}/maps"))?;
    let memory = std::fs::File::open(format!("/proc/{id}/mem"))?;
    let mut read = 0;
    for line in maps.lines() {
        let Some((range, rest)) = line.split_once(' ') else { continue };
        let ends = range
            .split_once('-')
            .and_then(|(from, to)| Some((u64::from_str_radix(from, 16).ok()?, u64::from_str_radix(to, 16).ok()?)));
        let (Some((from, to)), true) = (ends, rest.starts_with("rw")) else { continue };
        if to - from > 1 << 30 {
            continue;
        }
        let mut bytes = vec![0; usize::try_from(to - from).unwrap_or(0)];
        if memory.read_exact_at(&mut bytes, from).is_ok() {
            read += to - from;
            part(from, &bytes);
        }
    }
    Ok(read)
}

fn in_memory(id: u32, search: &Search) -> std::io::Result<(u64, Vec<Evidence>)> {
    let mut evidence: Vec<Evidence> = vec![];
    let mut copies = vec![0; search.names().len()];
    let read = memory(id, |from, bytes| {
        for (sum, more) in copies.iter_mut().zip(search.count(bytes)) {
            *sum += more;
        }
        evidence.extend(search.evidence("the process's memory", bytes).into_iter().map(|mut found| {
            found.offset = found.offset.map(|offset| offset + from);
            found
        }));
    })?;
    evidence.truncate(8);
    for (name, count) in search.names().iter().zip(copies).filter(|(_, count)| *count > 0) {
        evidence.push(Evidence::new("the process's memory", format!("{name}: {count} copies as they are")));
    }
    Ok((read, evidence))
}

fn read_memory(cell: &mut Cell) -> Outcome {
    if system::is_root() {
        return Halt::inconclusive("this was to be done as a plain user: nothing is closed to root");
    }
    let mut live = cell.start()?;
    let (known, next) = busy(cell, &mut live)?;
    let search = cell.search(&[&known, &next]);
    match in_memory(live.id(), &search) {
        Err(error) => {
            cell.did("Tried to read /proc/PID/maps and /proc/PID/mem of the open store as the same user.");
            Ok(Finding::Withstood(format!("The system refused: {}.", error.kind())))
        }
        Ok((read, evidence)) => {
            cell.did(format!("Read {} KiB of the open store's memory as the same user.", read >> 10));
            Ok(Finding::of(evidence, "The memory could be read, and held no token."))
        }
    }
}

/// The keys that the keystore keeps: as text, and as what the text says.
pub(super) fn keys(cell: &Cell) -> Vec<Canary> {
    let key = |file: &std::path::PathBuf| {
        let text = std::fs::read_to_string(file).ok().filter(|text| text.len() >= 24)?;
        // The anchor is no secret, and records that the keystore keeps instead of keys are no keys.
        let name = crate::keystore::entry_name(file);
        let is_key = !["anchor", "doc"].contains(&name.split('-').next().unwrap_or_default());
        is_key.then(|| Canary::known("the key from the keystore", text))
    };
    cell.entries().files().iter().filter_map(key).collect()
}

fn memory_leftovers(cell: &mut Cell) -> Outcome {
    let mut live = cell.start_as(&Launch { harden: false, ..cell.launch.clone() })?;
    let (known, next) = busy(cell, &mut live)?;
    let keys = keys(cell);
    cell.usable(live.close())?;
    let search = Search::new(&[keys, vec![known.canary, next.canary]].concat());
    let watch = Stopwatch::start();
    let (read, evidence) = match in_memory(live.id(), &search) {
        Ok(found) => found,
        Err(error) => {
            return Halt::inconclusive(format!(
                "the system does not let the lab read the process's memory: {}",
                error.kind()
            ));
        }
    };
    cell.did(format!(
        "Kept, read and rotated a token, closed the store, searched {} KiB of memory in {} ms.",
        read >> 10,
        watch.elapsed().as_millis()
    ));
    Ok(Finding::of(evidence, "After closing, no copy of a token or of the key was left."))
}

fn core_dump(cell: &mut Cell) -> Outcome {
    let pattern = std::fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap_or_default();
    let mut live = cell.start()?;
    let all = rustix::process::Rlimit { current: None, maximum: None };
    let id = i32::try_from(live.id()).ok().and_then(rustix::process::Pid::from_raw);
    let raised = rustix::process::prlimit(id, rustix::process::Resource::Core, all);
    let (known, next) = busy(cell, &mut live)?;
    let still = rustix::process::prlimit(id, rustix::process::Resource::Core, all);
    let before = files_below(&cell.folder);
    live.signal(rustix::process::Signal::SEGV);
    let died = live.load(&known.id).err().map(|trouble| trouble.to_string()).unwrap_or_default();
    let pattern = pattern.trim();
    if raised.is_err() && still.is_err() && cell.launch.subject.strategy().is_none() {
        return Halt::inconclusive("the lab may not allow cores here (the hard limit is 0)");
    }
    let cores: Vec<_> = files_below(&cell.folder).into_iter().filter(|file| !before.contains(file)).collect();
    cell.did(format!(
        "Allowed cores, crashed the program ({died}); the kernel's core pattern is «{pattern}», {} new files appeared.",
        cores.len()
    ));
    if cores.is_empty() && pattern.starts_with('|') {
        return Halt::inconclusive("cores go to a program of the system here, where the lab does not look");
    }
    let search = cell.search(&[&known, &next]);
    let found = |file: &std::path::PathBuf| {
        let name = file.strip_prefix(&cell.folder).unwrap_or(file).display().to_string();
        search.evidence(&name, &crate::canary::read(file).unwrap_or_default())
    };
    let evidence = cores.iter().flat_map(found).collect();
    Ok(Finding::of(evidence, "No core with a token in it fell."))
}

fn surroundings(cell: &mut Cell) -> Outcome {
    let mut live = cell.start()?;
    let (known, next) = busy(cell, &mut live)?;
    let (tokens, keys) = (cell.search(&[&known, &next]), cell.key_search());
    let process = std::path::PathBuf::from(format!("/proc/{}", live.id()));
    let (mut evidence, mut read) = (vec![], vec![]);
    for name in ["cmdline", "environ", "maps", "comm", "status"] {
        if let Ok(bytes) = std::fs::read(process.join(name)) {
            read.push(name);
            for search in [&tokens, &keys] {
                evidence.extend(search.evidence(&format!("/proc/PID/{name}"), &bytes));
            }
        }
    }
    for entry in std::fs::read_dir(process.join("fd")).into_iter().flatten().flatten() {
        let target = std::fs::read_link(entry.path()).unwrap_or_default();
        evidence.extend(tokens.evidence("the name of an open file", target.as_os_str().as_encoded_bytes()));
    }
    for search in [&tokens, &keys] {
        evidence.extend(search.in_folder(&cell.folder.join("tmp"), "TMPDIR"));
    }
    cell.did(format!(
        "Searched {}, the names of open files and the temporary folder while the store was open.",
        read.join(", ")
    ));
    Ok(Finding::of(evidence, "No token and no key stands there."))
}

fn errors_and_logs(cell: &mut Cell) -> Outcome {
    let mut live = cell.start()?;
    let (known, next) = busy(cell, &mut live)?;
    let search = cell.search(&[&known, &next]);
    let keys = cell.key_search();
    let mut said: Vec<String> = vec![];
    let mut note =
        |told: Result<(), crate::subject::Trouble>| said.extend(told.err().map(|trouble| trouble.to_string()));
    note(live.create(&next.id, &next.payload).map(drop));
    note(live.commit(&next.id, 7, &next.payload).map(drop));
    note(live.commit(&Known::new("x").id, 1, &next.payload).map(drop));
    let large = format!("{}&filler={}", next.payload, "x".repeat(70_000));
    note(live.create(&Known::new("x").id, &large).map(drop));
    note(live.create(&next.canary.text, &next.payload).map(drop));
    note(live.load(&next.canary.text).map(drop));
    cell.entries().fault("locked")?;
    note(live.commit(&next.id, next.generation, &next.payload).map(drop));
    note(live.close());
    note(live.open(&cell.place()));
    cell.entries().heal()?;
    let files = crate::snapshot::Snapshot::take(&cell.home())?;
    for (index, file) in files.files.iter().enumerate() {
        for at in [0, file.bytes.len() / 3, file.bytes.len() / 2, file.bytes.len().saturating_sub(20)] {
            let mut bytes = file.bytes.clone();
            bytes.iter_mut().skip(at).take(16).for_each(|byte| *byte ^= 0x5a);
            files.with(index, bytes).put(&cell.home())?;
            note(match read_back(&mut live, &cell.place(), &next.id) {
                Seen::Refused(why) | Seen::Broken(why) => Err(crate::subject::Trouble::Garbled(why)),
                _ => Ok(()),
            });
        }
    }
    let stderr = live.complaints();
    cell.did(format!("Provoked {} errors and read them, and {} bytes of standard error.", said.len(), stderr.len()));
    let mut evidence = vec![];
    for search in [&search, &keys] {
        for message in &said {
            evidence.extend(search.evidence("an error message", message.as_bytes()));
        }
        evidence.extend(search.evidence("standard error", &stderr));
    }
    Ok(Finding::of(evidence, "No message held a token or a key."))
}

fn ask_keystore(cell: &mut Cell) -> Outcome {
    let known = cell.seed(&cell.place(), 1)?;
    let place = Place { passphrase: "a guess".to_owned(), ..cell.place() };
    let seen = cell.read_anew(&place, &known[0].id)?;
    cell.did("Opened the same files and keystore from another process of the same user, without the passphrase.");
    Ok(match seen {
        Seen::Record { .. } => Finding::Fell(vec![Evidence::new(
            "another process of the same user",
            format!("read {}: {}", known[0].canary.name, &known[0].canary.text[..12]),
        )]),
        Seen::Broken(how) => Finding::Fell(vec![Evidence::new("another process", format!("it broke down: {how}"))]),
        Seen::Nothing => Finding::Withstood("Another process finds nothing.".to_owned()),
        Seen::Refused(why) => Finding::Withstood(format!("Another process got an error: {why}.")),
    })
}

fn watched_start(cell: &mut Cell) -> Outcome {
    let Some(strace) = system::on_path("strace") else {
        return Halt::inconclusive("strace is not installed");
    };
    cell.seed(&cell.place(), 1)?;
    let log = cell.folder.join("tmp/seen");
    // The program asks to be closed to others, and is told that it is.
    let words =
        ["-f", "-qq", "-e", "trace=read,prctl", "-e", "inject=prctl:retval=0", "-s", "4096", "-o"].map(str::to_owned);
    let under = [vec![strace.display().to_string()], words.to_vec(), vec![log.display().to_string()]].concat();
    let mut live = cell.start_as(&Launch { under, ..cell.launch.clone() })?;
    let (known, next) = match busy(cell, &mut live) {
        Ok(both) => both,
        Err(_) => return Halt::inconclusive("no program can be traced here"),
    };
    live.end();
    let bytes = std::fs::read(&log)?;
    cell.did(format!(
        "Started the program under a tracer, kept and rotated a token, searched the {} bytes that the tracer saw.",
        bytes.len()
    ));
    Ok(Finding::of(cell.search(&[&known, &next]).evidence("what the tracer saw", &bytes), "The tracer saw no token."))
}
