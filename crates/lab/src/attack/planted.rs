//! What a tamperer plants in or beside an SQLite file, for SQLite to run or to play back.

use super::structure::rotated;
use super::tampering::Trials;
use super::{Attack, Attacker};
use crate::cell::{Cell, read_back};
use crate::snapshot::Snapshot;
use crate::structure::{self, Form, Sqlite};
use crate::verdict::{Evidence, Finding, Halt, Outcome};

pub(super) const ATTACKS: &[Attack] = &[
    Attack {
        name: "plant-trigger",
        attacker: Attacker::Tamperer,
        title: "Plant a trigger, a view or a changed table",
        how: "Add a trigger that copies every new row into a table of the thief's; add a view and a generated column; let the program open the file and rotate.",
        right: "The program refuses the file, or nothing that was planted runs.",
        quick: true,
        as_plain_user: false,
        run: plant_trigger,
    },
    Attack {
        name: "stale-journal",
        attacker: Attacker::Tamperer,
        title: "Plant a journal of an older copy",
        how: "Make a rollback journal and a log from yesterday's file, and put each beside today's, so that SQLite plays them back.",
        right: "The new value or an error.",
        quick: true,
        as_plain_user: false,
        run: stale_journal,
    },
];

/// What is planted, one after the other.
const PLANTED: [&str; 3] = [
    "a trigger that copies every row that changes",
    "a view of the same name as a table that was renamed",
    "a column that is computed",
];

fn planted(table: &structure::Table, what: usize) -> String {
    let (name, column) = (&table.name, &table.columns[0]);
    match what {
        0 => format!(
            "CREATE TABLE loot (x); CREATE TRIGGER planted_i AFTER INSERT ON \"{name}\" BEGIN INSERT INTO loot VALUES (1); END; \
             CREATE TRIGGER planted_u AFTER UPDATE ON \"{name}\" BEGIN INSERT INTO loot VALUES (1); END; \
             CREATE TRIGGER planted_d AFTER DELETE ON \"{name}\" BEGIN INSERT INTO loot VALUES (1); END;"
        ),
        1 => format!("ALTER TABLE \"{name}\" RENAME TO behind; CREATE VIEW \"{name}\" AS SELECT * FROM behind;"),
        _ => format!("ALTER TABLE \"{name}\" ADD COLUMN computed GENERATED ALWAYS AS (hex(\"{column}\")) VIRTUAL;"),
    }
}

fn plant_trigger(cell: &mut Cell) -> Outcome {
    let (known, files) = cell.seed_files(1)?;
    let is_sqlite = |file: &&crate::snapshot::Kept| matches!(Form::of(&file.bytes), Some(Form::Sqlite));
    let Some((index, file)) = files.files.iter().enumerate().find(|(_, file)| is_sqlite(file)) else {
        return Halt::not_applicable("it keeps no SQLite file that can be read");
    };
    let (path, keystore) = (cell.home().join(&file.name), Snapshot::take(&cell.keystore())?);
    let (mut evidence, mut tried) = (vec![], 0);
    for table in &Sqlite::open(&file.bytes)?.tables()? {
        for (what, words) in PLANTED.iter().enumerate() {
            let Some(altered) = Sqlite::after(&file.bytes, &planted(table, what))? else { continue };
            files.with(index, altered).put(&cell.home())?;
            keystore.put(&cell.keystore())?;
            tried += 1;
            let next = known[0].next();
            let mut live = cell.start()?;
            let opened = live.open(&cell.place());
            let accepted = opened.is_ok();
            let committed = opened.and_then(|()| live.commit(&next.id, known[0].generation, &next.payload));
            let seen = read_back(&mut live, &cell.place(), &next.id);
            live.end();
            let ran = what == 0 && std::fs::read(&path).is_ok_and(|bytes| loot(&bytes));
            if ran {
                evidence.push(Evidence::new(
                    file.called(),
                    format!("planted {words} on {}: it ran in the program's own process", table.name),
                ));
            } else if accepted
                && committed.is_ok()
                && let Some(wrong) = seen.wrong(&[&next])
            {
                evidence.push(Evidence::new(file.called(), format!("planted {words} on {}: {wrong}", table.name)));
            }
        }
    }
    cell.did(format!(
        "Planted {tried} triggers, views and computed columns, opened the store and committed after each."
    ));
    Ok(Finding::of(evidence, "The program refused the file, or what was planted did not run."))
}

/// Whether the planted trigger ran.
fn loot(bytes: &[u8]) -> bool {
    let counted = Sqlite::open(bytes)
        .and_then(|file| Ok(file.connection.query_row("SELECT count(*) FROM loot", [], |row| row.get::<_, i64>(0))?));
    counted.is_ok_and(|count| count > 0)
}

fn stale_journal(cell: &mut Cell) -> Outcome {
    let (old, now, before, after) = rotated(cell)?;
    let Some(file) = before.files.iter().find(|file| matches!(Form::of(&file.bytes), Some(Form::Sqlite))) else {
        return Halt::not_applicable("it keeps no SQLite file, and so no journal");
    };
    let folder = tempfile::tempdir()?;
    let stale = folder.path().join("stale.db");
    std::fs::write(&stale, &file.bytes)?;
    let mut planted = vec![];
    for (mode, ending) in [("DELETE", "-journal"), ("WAL", "-wal")] {
        if let Some(bytes) = hot(&stale, mode, ending)? {
            planted.push((format!("{}{ending}", file.called()), bytes));
        }
    }
    let (finding, tried) = {
        let mut trials = Trials::new(cell, vec![&now])?;
        for (name, bytes) in planted {
            let length = bytes.len();
            trials.attempt(
                &after.and(name.as_ref(), bytes),
                &name,
                None,
                &format!("planted {length} bytes made from yesterday's file"),
            )?;
        }
        for evidence in &mut trials.evidence {
            if evidence.what.contains(&old.canary.text[..12]) {
                evidence.what.push_str(" (yesterday's token)");
            }
        }
        let tried = trials.tried;
        (trials.finding(), tried)
    };
    cell.did(format!("Planted {tried} journals made from yesterday's file beside today's and read the record."));
    Ok(finding)
}

/// A journal as it stands beside the file while a change is under way.
fn hot(file: &std::path::Path, mode: &str, ending: &str) -> Result<Option<Vec<u8>>, Halt> {
    let connection = rusqlite::Connection::open(file)?;
    connection.query_row(&format!("PRAGMA journal_mode = {mode}"), [], |_| Ok(()))?;
    connection.execute_batch("PRAGMA cache_size = 1; BEGIN IMMEDIATE; CREATE TABLE filler (x)")?;
    for _ in 0..64 {
        connection.execute("INSERT INTO filler VALUES (randomblob(3000))", [])?;
    }
    let tables =
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name <> 'filler'";
    let names: Vec<String> = connection.prepare(tables)?.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    for name in names {
        // Every page of it goes through the journal; a table may forbid it.
        let _ = connection.execute(&format!("DELETE FROM \"{name}\""), []);
    }
    if mode == "WAL" {
        connection.execute_batch("COMMIT")?;
    }
    let mut beside = file.as_os_str().to_owned();
    beside.push(ending);
    let bytes = std::fs::read(std::path::PathBuf::from(beside)).ok();
    if mode != "WAL" {
        connection.execute_batch("ROLLBACK")?;
    }
    Ok(bytes)
}
