//! A file flipped and cut, byte by byte.

use super::{ONE, Site, TWO};
use crate::{Listed, Vault};
use std::fmt::Display;

/// Reads everything; any answer is fine.
pub(super) fn read_all<S: Site>(site: &S, _what: &dyn Display) {
    let Ok(vault) = site.open() else { return };
    drop((vault.load(&ONE), vault.load(&TWO), vault.list()));
}

/// The old value, or a typed error; never another value.
#[cfg(feature = "sqlcipher")]
pub(super) fn assert_old_value_or_error<S: Site>(site: &S, what: &dyn Display) {
    let Ok(vault) = site.open() else { return };
    for (id, payload) in [(ONE, b"payload one"), (TWO, b"payload two")] {
        match vault.load(&id) {
            Ok(record) => assert_eq!(record.expect("never `none`").payload.as_slice(), payload, "{what}"),
            Err(error) => drop(error),
        }
    }
    for listed in vault.list().unwrap_or_default() {
        if let Listed::Record(record) = listed {
            let payload = if record.id == ONE { b"payload one" } else { b"payload two" };
            assert_eq!(record.payload.as_slice(), payload, "{what}");
        }
    }
}

/// One bit of every byte, another one each time.
pub(super) fn every_flip<S: Site>(check: impl Fn(&S, &dyn Display)) {
    let site = S::with_two_records();
    let whole = site.bytes();
    for place in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[place] ^= 1 << (place % 8);
        site.put(&bytes);
        check(&site, &place);
    }
}

/// Every length that is too short, and some that are too long.
pub(super) fn every_cut<S: Site>(check: impl Fn(&S, &dyn Display)) {
    let site = S::with_two_records();
    let whole = site.bytes();
    for length in 0..whole.len() {
        site.put(&whole[..length]);
        assert!(site.open().is_err(), "{length}");
        assert_eq!(site.bytes().len(), length, "left as it is");
    }
    for tail in [vec![0; 4096], b"junk".repeat(1024), vec![1]] {
        site.put(&[&whole[..], &tail].concat());
        check(&site, &tail.len());
    }
}
