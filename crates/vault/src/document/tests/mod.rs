//! The strategies of one document under test.

mod plain;

use std::collections::BTreeMap;
use std::path::PathBuf;

use tempfile::TempDir;
use zeroize::Zeroizing;

use super::{Document, Entry};
use crate::{Attempt, GrantId};

const ONE: GrantId = GrantId::from_bytes([1; 16]);
const TWO: GrantId = GrantId::from_bytes([2; 16]);
const NOW: i64 = 1_800_000_000_000;

/// A document with an attempt and an empty payload in it.
pub(super) fn two_records() -> Document {
    let attempt = Attempt { idempotency_key: [5; 16], started_at_ms: 256 };
    let one = Entry { generation: 3, payload: Zeroizing::new(b"one".to_vec()), attempt: Some(attempt) };
    let two = Entry { generation: 1, payload: Zeroizing::default(), attempt: None };
    Document { epoch: 9, entries: BTreeMap::from([(ONE, one), (TWO, two)]) }
}

/// A folder for one vault.
struct Home(TempDir);

impl Home {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("app")
    }

    fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }
}
