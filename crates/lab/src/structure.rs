//! Alterations that keep a file's form: what somebody does who knows SQLite, JSON and XML, and has no key.

use rusqlite::types::Value as Cell;
use rusqlite::{Connection, params_from_iter};
use serde_json::Value;

use crate::verdict::Halt;

/// One altered file, and what was done to it.
pub(crate) struct Altered {
    pub(crate) did: String,
    pub(crate) bytes: Vec<u8>,
}

/// A file that can be taken apart.
pub(crate) enum Form {
    Sqlite,
    Json(Value),
    Xml(String),
}

impl Form {
    /// What kind of file this is; none where its parts cannot be told apart without a key.
    pub(crate) fn of(bytes: &[u8]) -> Option<Self> {
        if bytes.starts_with(b"SQLite format 3\0") {
            return Some(Self::Sqlite);
        }
        if let Ok(value @ (Value::Object(_) | Value::Array(_))) = serde_json::from_slice(bytes) {
            return Some(Self::Json(value));
        }
        let text = std::str::from_utf8(bytes).ok()?;
        text.trim_start().starts_with('<').then(|| Self::Xml(text.to_owned()))
    }
}

/// A table and its rows.
pub(crate) struct Table {
    pub(crate) name: String,
    pub(crate) columns: Vec<String>,
    pub(crate) rows: Vec<Vec<Cell>>,
}

/// An SQLite file in the hands of a tamperer.
pub(crate) struct Sqlite {
    file: tempfile::NamedTempFile,
    pub(crate) connection: Connection,
}

impl Sqlite {
    pub(crate) fn open(bytes: &[u8]) -> Result<Self, Halt> {
        let file = tempfile::NamedTempFile::new()?;
        let mut bytes = bytes.to_vec();
        // A file in the mode of the write-ahead log is altered in place all the same.
        let was_wal = bytes.get(18) == Some(&2);
        if was_wal {
            bytes[18] = 1;
            bytes[19] = 1;
        }
        std::fs::write(file.path(), &bytes)?;
        let connection = Connection::open(file.path())?;
        connection.pragma_update(None, "journal_mode", "MEMORY")?;
        connection.pragma_update(None, "ignore_check_constraints", true)?;
        connection.pragma_update(None, "foreign_keys", false)?;
        Ok(Self { file, connection })
    }

    pub(crate) fn tables(&self) -> Result<Vec<Table>, Halt> {
        let sql = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name";
        let names: Vec<String> =
            self.connection.prepare(sql)?.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
        names.into_iter().map(|name| self.table(name)).collect()
    }

    fn table(&self, name: String) -> Result<Table, Halt> {
        let mut statement = self.connection.prepare(&format!("SELECT * FROM \"{name}\""))?;
        let columns: Vec<String> = statement.column_names().map(str::to_owned).collect();
        let rows = statement
            .query_map([], |row| (0..columns.len()).map(|at| row.get(at)).collect::<Result<Vec<Cell>, _>>())?;
        let rows = rows.collect::<Result<Vec<_>, _>>()?;
        Ok(Table { name, columns, rows })
    }

    /// The file with these rows in place of the table's own; none where its rules forbid them.
    pub(crate) fn with_rows(&self, table: &Table, rows: &[Vec<Cell>]) -> Result<Option<Vec<u8>>, Halt> {
        self.connection.execute_batch("SAVEPOINT tamper")?;
        let replaced = self.replace(table, rows);
        if replaced.is_err() {
            self.connection.execute_batch("ROLLBACK TO tamper; RELEASE tamper")?;
            return Ok(None);
        }
        self.connection.execute_batch("RELEASE tamper")?;
        let bytes = self.bytes()?;
        self.replace(table, &table.rows)?;
        Ok(Some(bytes))
    }

    fn replace(&self, table: &Table, rows: &[Vec<Cell>]) -> Result<(), rusqlite::Error> {
        self.connection.execute(&format!("DELETE FROM \"{}\"", table.name), [])?;
        let marks = vec!["?"; table.columns.len()].join(", ");
        let columns = table.columns.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ");
        let sql = format!("INSERT INTO \"{}\" ({columns}) VALUES ({marks})", table.name);
        rows.iter().try_for_each(|row| self.connection.execute(&sql, params_from_iter(row)).map(drop))
    }

    /// The file after some SQL of the tamperer's.
    pub(crate) fn after(bytes: &[u8], sql: &str) -> Result<Option<Vec<u8>>, Halt> {
        let file = Self::open(bytes)?;
        if file.connection.execute_batch(sql).is_err() {
            return Ok(None);
        }
        file.bytes().map(Some)
    }

    pub(crate) fn bytes(&self) -> Result<Vec<u8>, Halt> {
        Ok(std::fs::read(self.file.path())?)
    }
}

/// Values of two records in each other's place, one column or field at a time.
pub(crate) fn swapped(bytes: &[u8]) -> Result<Vec<Altered>, Halt> {
    let mut all = vec![];
    match Form::of(bytes) {
        Some(Form::Sqlite) => {
            let file = Sqlite::open(bytes)?;
            for table in file.tables()?.iter().filter(|table| table.rows.len() > 1) {
                for column in 0..table.columns.len() {
                    let mut rows = table.rows.clone();
                    let other = rows[1][column].clone();
                    rows[1][column] = std::mem::replace(&mut rows[0][column], other);
                    let did = format!("exchanged {} of two rows of {}", table.columns[column], table.name);
                    all.extend(file.with_rows(table, &rows)?.map(|bytes| Altered { did, bytes }));
                }
            }
        }
        Some(Form::Json(value)) => {
            for at in places(&value) {
                for (one, other) in pairs(&value, &at) {
                    let mut altered = value.clone();
                    let (first, second) = (altered.pointer(&one).cloned(), altered.pointer(&other).cloned());
                    if let (Some(first), Some(second)) = (first, second)
                        && first != second
                    {
                        set(&mut altered, &one, second);
                        set(&mut altered, &other, first);
                        all.push(Altered {
                            did: format!("exchanged {one} and {other}"),
                            bytes: altered.to_string().into_bytes(),
                        });
                    }
                }
            }
        }
        Some(Form::Xml(text)) => {
            let values = elements(&text);
            for (at, one) in values.iter().enumerate() {
                for other in &values[at + 1..] {
                    let (first, second) = (&text[one.clone()], &text[other.clone()]);
                    let parts = [&text[..one.start], second, &text[one.end..other.start], first, &text[other.end..]];
                    all.push(Altered { did: "exchanged two values".to_owned(), bytes: parts.concat().into_bytes() });
                }
            }
        }
        None => {}
    }
    Ok(all)
}

/// Rows, fields or values of `other` in the place of those of `bytes`, one at a time: from another store, or from yesterday.
pub(crate) fn spliced(bytes: &[u8], other: &[u8]) -> Result<Vec<Altered>, Halt> {
    let mut all = vec![];
    match (Form::of(bytes), Form::of(other)) {
        (Some(Form::Sqlite), Some(Form::Sqlite)) => {
            let (file, foreign) = (Sqlite::open(bytes)?, Sqlite::open(other)?);
            let foreign = foreign.tables()?;
            for table in &file.tables()? {
                let Some(from) = foreign.iter().find(|one| one.name == table.name && one.columns == table.columns)
                else {
                    continue;
                };
                if from.rows == table.rows {
                    continue;
                }
                let did = format!("put the other file's rows of {} in", table.name);
                all.extend(file.with_rows(table, &from.rows)?.map(|bytes| Altered { did, bytes }));
                for column in 0..table.columns.len() {
                    let mut rows = table.rows.clone();
                    for (row, from) in rows.iter_mut().zip(&from.rows) {
                        row[column] = from[column].clone();
                    }
                    let did = format!("put the other file's {} into the rows of {}", table.columns[column], table.name);
                    all.extend(file.with_rows(table, &rows)?.map(|bytes| Altered { did, bytes }));
                }
            }
        }
        (Some(Form::Json(value)), Some(Form::Json(foreign))) => {
            for at in places(&value).into_iter().filter(|at| !at.is_empty()) {
                if let Some(from) = foreign.pointer(&at).filter(|from| value.pointer(&at) != Some(from)) {
                    let mut altered = value.clone();
                    set(&mut altered, &at, from.clone());
                    all.push(Altered {
                        did: format!("put the other file's {at} in"),
                        bytes: altered.to_string().into_bytes(),
                    });
                }
            }
        }
        (Some(Form::Xml(text)), Some(Form::Xml(foreign))) => {
            for one in elements(&text) {
                for from in elements(&foreign) {
                    let parts = [&text[..one.start], &foreign[from], &text[one.end..]];
                    all.push(Altered {
                        did: "put a value of the other file in".to_owned(),
                        bytes: parts.concat().into_bytes(),
                    });
                }
            }
        }
        _ => {}
    }
    Ok(all)
}

/// Rows, fields or values taken away or doubled, one at a time.
pub(crate) fn removed(bytes: &[u8]) -> Result<Vec<Altered>, Halt> {
    let mut all = vec![];
    match Form::of(bytes) {
        Some(Form::Sqlite) => {
            let file = Sqlite::open(bytes)?;
            for table in &file.tables()? {
                for at in 0..table.rows.len() {
                    let mut rows = table.rows.clone();
                    let row = rows.remove(at);
                    let did = format!("removed a row of {}", table.name);
                    all.extend(file.with_rows(table, &rows)?.map(|bytes| Altered { did, bytes }));
                    rows.extend([row.clone(), row]);
                    let did = format!("doubled a row of {}", table.name);
                    all.extend(file.with_rows(table, &rows)?.map(|bytes| Altered { did, bytes }));
                }
            }
        }
        Some(Form::Json(value)) => {
            for at in places(&value).into_iter().filter(|at| !at.is_empty()) {
                let mut altered = value.clone();
                let (above, key) = at.rsplit_once('/').unwrap_or_default();
                match altered.pointer_mut(above) {
                    Some(Value::Object(fields)) => drop(fields.remove(&key.replace("~1", "/").replace("~0", "~"))),
                    Some(Value::Array(items)) => {
                        drop(key.parse().ok().filter(|at| *at < items.len()).map(|at| items.remove(at)))
                    }
                    _ => continue,
                }
                all.push(Altered { did: format!("removed {at}"), bytes: altered.to_string().into_bytes() });
            }
        }
        Some(Form::Xml(text)) => {
            for line in text.lines().filter(|line| line.contains("</string>")) {
                all.push(Altered { did: "removed a value".to_owned(), bytes: text.replacen(line, "", 1).into_bytes() });
            }
        }
        None => {}
    }
    Ok(all)
}

/// Every number and short word that stands readable, changed one at a time: counters, versions, names of ciphers.
pub(crate) fn edited(bytes: &[u8]) -> Result<Vec<Altered>, Halt> {
    let mut all = vec![];
    match Form::of(bytes) {
        Some(Form::Sqlite) => {
            let file = Sqlite::open(bytes)?;
            for table in &file.tables()? {
                for (row, column) in
                    (0..table.rows.len()).flat_map(|row| (0..table.columns.len()).map(move |column| (row, column)))
                {
                    for other in others(&table.rows[row][column]) {
                        let mut rows = table.rows.clone();
                        let did = format!(
                            "set {}.{} from {:?} to {other:?}",
                            table.name, table.columns[column], rows[row][column]
                        );
                        rows[row][column] = other;
                        all.extend(file.with_rows(table, &rows)?.map(|bytes| Altered { did, bytes }));
                    }
                }
            }
            let version: i64 = file.connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
            for other in [0, version - 1, version + 1].into_iter().filter(|other| *other != version) {
                let after = Sqlite::after(bytes, &format!("PRAGMA user_version = {other}"))?;
                all.extend(
                    after.map(|bytes| Altered {
                        did: format!("set the file's version from {version} to {other}"),
                        bytes,
                    }),
                );
            }
        }
        Some(Form::Json(value)) => {
            for at in places(&value) {
                let others = match value.pointer(&at) {
                    Some(Value::Number(number)) => {
                        number.as_i64().map_or(vec![], |n| vec![Value::from(n + 1), Value::from(n - 1), Value::from(0)])
                    }
                    Some(Value::String(text)) if text.len() < 24 => vec![Value::from("")],
                    _ => vec![],
                };
                for other in others.into_iter().filter(|other| value.pointer(&at) != Some(other)) {
                    let mut altered = value.clone();
                    let did = format!("set {at} to {other}");
                    set(&mut altered, &at, other);
                    all.push(Altered { did, bytes: altered.to_string().into_bytes() });
                }
            }
        }
        _ => {}
    }
    Ok(all)
}

fn others(cell: &Cell) -> Vec<Cell> {
    let all = match cell {
        Cell::Integer(number) => vec![Cell::Integer(number + 1), Cell::Integer(number - 1), Cell::Integer(0)],
        Cell::Text(text) if text.len() < 64 => vec![Cell::Text(String::new()), Cell::Text("none".to_owned())],
        _ => vec![],
    };
    all.into_iter().filter(|other| other != cell).collect()
}

/// The pointers to everything in a value (RFC 6901).
fn places(value: &Value) -> Vec<String> {
    let mut all = vec![String::new()];
    let mut at = 0;
    while let Some(place) = all.get(at).cloned() {
        match value.pointer(&place) {
            Some(Value::Object(fields)) => {
                all.extend(fields.keys().map(|key| format!("{place}/{}", key.replace('~', "~0").replace('/', "~1"))));
            }
            Some(Value::Array(items)) => all.extend((0..items.len()).map(|item| format!("{place}/{item}"))),
            _ => {}
        }
        at += 1;
    }
    all
}

/// Two values beside each other that can be exchanged: whole, and field by field.
fn pairs(value: &Value, at: &str) -> Vec<(String, String)> {
    let below: Vec<String> = places(value)
        .into_iter()
        .filter(|place| place.rsplit_once('/').is_some_and(|(above, _)| above == at))
        .collect();
    let (Some(one), Some(other)) = (below.first(), below.get(1)) else { return vec![] };
    let kind = |place: &String| value.pointer(place).map(std::mem::discriminant);
    if kind(one) != kind(other) {
        return vec![];
    }
    let fields = value.pointer(one).and_then(Value::as_object).into_iter().flat_map(|fields| fields.keys());
    let mut all: Vec<_> = fields.map(|key| (format!("{one}/{key}"), format!("{other}/{key}"))).collect();
    all.push((one.clone(), other.clone()));
    all
}

fn set(value: &mut Value, at: &str, to: Value) {
    if let Some(place) = value.pointer_mut(at) {
        *place = to;
    }
}

/// Where the texts of a file of Android's preferences stand.
fn elements(text: &str) -> Vec<std::ops::Range<usize>> {
    text.match_indices("</string>").filter_map(|(end, _)| Some(text[..end].rfind('>')? + 1..end)).collect()
}
