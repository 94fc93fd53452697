//! The tables of a vault with ordinary columns, word for word as SQLite keeps them.

use crate::sqlite::connect::Layout;

/// The format this code writes; `user_version` of the file.
pub(super) const FORMAT: u32 = 1;

/// The oldest format this code reads.
pub(super) const MIN_FORMAT: u32 = 1;

/// What marks such a file: "PLVC", for a vault of columns.
pub(super) const LAYOUT: Layout = Layout { application: 0x504C_5643, formats: MIN_FORMAT..=FORMAT, tables: &TABLES };

/// Name and definition of every table. An attempt stands in the row of its grant, so that neither is there alone.
const TABLES: [(&str, &str); 2] = [
    (
        "record",
        "CREATE TABLE record(
  grant_id BLOB PRIMARY KEY CHECK(length(grant_id)=16),
  generation INTEGER NOT NULL CHECK(generation>0),
  payload BLOB NOT NULL CHECK(length(payload)<=65536),
  attempt_key BLOB CHECK(length(attempt_key)=16),
  attempt_started_ms INTEGER CHECK((attempt_started_ms IS NULL)=(attempt_key IS NULL))
) STRICT, WITHOUT ROWID",
    ),
    (
        "vault",
        "CREATE TABLE vault(
  id INTEGER PRIMARY KEY CHECK(id=1),
  strategy TEXT NOT NULL CHECK(length(strategy)<=64),
  app TEXT NOT NULL CHECK(length(app)<=256),
  epoch INTEGER NOT NULL CHECK(epoch>0),
  digest BLOB CHECK(length(digest)=32)
) STRICT",
    ),
];
