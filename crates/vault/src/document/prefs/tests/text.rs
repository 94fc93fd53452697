//! Records and manifests as strings.

use std::collections::BTreeMap;

use super::{Line, Manifest, decode, encode, of_entry, of_value, to_entry, to_value};
use crate::document::Entry;
use crate::{Attempt, GrantId, MAX_PAYLOAD};
use proptest::prelude::*;
use zeroize::Zeroizing;

fn entry(length: usize, attempt: Option<Attempt>) -> Entry {
    Entry { generation: 3, payload: Zeroizing::new(vec![9; length]), attempt }
}

fn manifest() -> Manifest {
    let line = |number| (GrantId::from_bytes([number; 16]), Line::of(number.into(), "text"));
    Manifest { app: "dev.example".to_owned(), epoch: 7, lines: BTreeMap::from([1, 2, 3].map(line)) }
}

#[test]
fn records_read_back() {
    let attempt = Attempt { idempotency_key: [5; 16], started_at_ms: -1 };
    for (length, attempt) in [(0, None), (0, Some(attempt.clone())), (MAX_PAYLOAD, Some(attempt)), (500, None)] {
        let entry = entry(length, attempt);
        let again = to_entry(&of_entry(&entry).unwrap()).unwrap();
        assert_eq!((again.generation, &again.payload, &again.attempt), (3, &entry.payload, &entry.attempt));
    }
}

#[test]
fn the_string_of_a_record_never_changes_between_versions() {
    let attempt = Attempt { idempotency_key: [5; 16], started_at_ms: 256 };
    let bytes =
        [&[0, 0, 0, 37][..], &[1, 0, 0, 0, 0, 0, 0, 0, 3, 1], &[5; 16], &[0, 0, 0, 0, 0, 0, 1, 0], &[9; 3], &[0; 215]]
            .concat();
    let text = of_entry(&entry(3, Some(attempt))).unwrap();
    let mut padded = decode(&text).unwrap().to_vec();
    padded.splice(..0, [0, 0, 0, 37]);
    padded.resize(256, 0);
    assert_eq!(padded, bytes);
}

#[test]
fn a_record_that_is_not_whole_is_refused() {
    for bytes in [
        &[][..],
        &[2, 0, 0, 0, 0, 0, 0, 0, 1, 0],
        &[1, 0, 0, 0, 0, 0, 0, 0, 1],
        &[1, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        &[1, 0, 0, 0, 0, 0, 0, 0, 1, 2],
        &[1, 0, 0, 0, 0, 0, 0, 0, 1, 1, 5],
    ] {
        assert!(to_entry(&encode(bytes).unwrap()).is_none(), "{bytes:?}");
    }
    let text = of_entry(&entry(3, None)).unwrap();
    for other in [&text[1..], &text[..text.len() - 1], "", "AAAA", &format!("{}=", *text)] {
        assert!(to_entry(other).is_none());
    }
    assert!(
        to_entry(&encode(&[&[1, 0, 0, 0, 0, 0, 0, 0, 1, 0][..], &vec![0; MAX_PAYLOAD + 1]].concat()).unwrap())
            .is_none()
    );
}

#[test]
fn manifests_read_back_and_lines_out_of_order_do_not() {
    let manifest = manifest();
    let text = manifest.to_text().unwrap();
    assert_eq!(Manifest::parse(&text), Some(manifest));
    let bytes = decode(&text).unwrap();
    let lines = 1 + 2 + "dev.example".len() + 8;
    let mut swapped = bytes.to_vec();
    swapped[lines..].rotate_left(56);
    let mut doubled = bytes.to_vec();
    doubled.extend_from_within(lines + 112..);
    let mut version = bytes.to_vec();
    version[0] = 2;
    for other in [swapped, doubled, version, bytes[1..].to_vec(), bytes[..bytes.len() - 1].to_vec(), Vec::new()] {
        assert_eq!(Manifest::parse(&encode(&other).unwrap()), None);
    }
}

#[test]
fn a_value_is_a_type_a_length_and_a_string() {
    assert_eq!(to_value("ab").unwrap().as_slice(), [0, 0, 0, 0, 0, 0, 0, 2, b'a', b'b']);
    assert_eq!(of_value(&to_value("").unwrap()), Some(""));
    for value in [
        &[][..],
        &[0, 0, 0, 0],
        &[0, 0, 0, 0, 0, 0, 0],
        &[0, 0, 0, 2, 0, 0, 0, 1, b'a'],       // a number
        &[0, 0, 0, 0, 0, 0, 0, 2, b'a'],       // longer than it is
        &[0, 0, 0, 0, 0, 0, 0, 0, b'a'],       // shorter than it is
        &[0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff], // less than nothing
        &[0, 0, 0, 0, 0, 0, 0, 1, 0xff],       // no UTF-8
    ] {
        assert_eq!(of_value(value), None, "{value:?}");
    }
}

proptest! {
    #[test]
    fn any_string_is_a_record_or_refused(text in "[A-Za-z0-9_=-]{0,400}", bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(to_entry(&text).is_none());
        prop_assert!(Manifest::parse(&text).is_none());
        drop(to_entry(&encode(&bytes).unwrap()));
        if let Some(manifest) = Manifest::parse(&encode(&bytes).unwrap()) {
            let again = decode(&manifest.to_text().unwrap()).unwrap();
            prop_assert_eq!(again.as_slice(), bytes.as_slice());
        }
        prop_assert!(of_value(&bytes).is_none_or(|text| text.len() + 8 == bytes.len()));
    }
}
