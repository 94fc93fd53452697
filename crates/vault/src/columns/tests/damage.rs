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

/// Every place near the border of a page, where headers, initialisation vectors and MACs lie; of the others every `step`th.
fn places(length: usize, step: usize) -> impl DoubleEndedIterator<Item = usize> {
    (0..length).filter(move |place| {
        let within = place % 4096;
        !(40..=4096 - 100).contains(&within) || place.is_multiple_of(step)
    })
}

/// One bit of every `step`th byte, another one each time. Bytes of empty space are passed over.
pub(super) fn flips<S: Site>(step: usize, check: impl Fn(&S, &dyn Display)) {
    let site = S::with_two_records();
    let whole = site.bytes();
    for place in places(whole.len(), step) {
        if whole[place.saturating_sub(1)..(place + 2).min(whole.len())] == [0; 3] {
            continue;
        }
        for byte in [whole[place] ^ (1 << (place % 8)), whole[place]] {
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

/// Every `step`th length that is too short, and some that are too long.
pub(super) fn cuts<S: Site>(step: usize, check: impl Fn(&S, &dyn Display)) {
    let site = S::with_two_records();
    let whole = site.bytes();
    for tail in [vec![0; 4096], b"junk".repeat(1024), vec![1]] {
        site.put(&[&whole[..], &tail].concat());
        check(&site, &tail.len());
    }
    for length in places(whole.len(), step).rev() {
        file_of(&site).set_len(length as u64).unwrap();
        assert!(site.open().is_err(), "{length}");
        assert_eq!(site.file().metadata().unwrap().len(), length as u64, "left as it is");
    }
}
