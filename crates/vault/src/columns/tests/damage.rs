//! A file flipped and cut, byte by byte.

use super::{ONE, Site, TWO};
#[cfg(feature = "sqlcipher")]
use crate::Listed;
use crate::Vault;
use std::fmt::Display;
use std::fs::File;
use std::io::{Seek, SeekFrom, Write};

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

/// Changes the file in place: to write it whole each time would wait for the disk.
fn file_of<S: Site>(site: &S) -> File {
    File::options().write(true).open(site.file()).unwrap()
}

/// One bit of every byte, another one each time.
pub(super) fn every_flip<S: Site>(check: impl Fn(&S, &dyn Display)) {
    let site = S::with_two_records();
    let whole = site.bytes();
    for (place, byte) in whole.iter().enumerate() {
        for byte in [byte ^ (1 << (place % 8)), *byte] {
            let mut file = file_of(&site);
            file.seek(SeekFrom::Start(place as u64)).unwrap();
            file.write_all(&[byte]).unwrap();
            drop(file);
            if byte != whole[place] {
                check(&site, &place);
            }
        }
    }
    assert_eq!(site.bytes(), whole, "reading changes nothing");
}

/// Every length that is too short, and some that are too long.
pub(super) fn every_cut<S: Site>(check: impl Fn(&S, &dyn Display)) {
    let site = S::with_two_records();
    let whole = site.bytes();
    for tail in [vec![0; 4096], b"junk".repeat(1024), vec![1]] {
        site.put(&[&whole[..], &tail].concat());
        check(&site, &tail.len());
    }
    for length in (0..whole.len() as u64).rev() {
        file_of(&site).set_len(length).unwrap();
        assert!(site.open().is_err(), "{length}");
        assert_eq!(site.file().metadata().unwrap().len(), length, "left as it is");
    }
}
