//! The whole file: who changes it without the master key changes nothing that is believed.

use std::collections::{BTreeMap, BTreeSet};

use super::{Keysets, NAMES_KEYSET, Sealed, VALUES_KEYSET, decode, encode, seal};
use crate::document::prefs::master::StoredKey;
use crate::document::prefs::text::{Line, MANIFEST, Manifest, of_entry};
use crate::document::prefs::xml::{self, Entries};
use crate::document::{Document, Entry};
use crate::{Attempt, GrantId, VaultError};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

const NAME: &str = "pilotlight-test";
const APP: &str = "dev.example";
const ONE: GrantId = GrantId::from_bytes([1; 16]);
const TWO: GrantId = GrantId::from_bytes([2; 16]);

fn entry(generation: u64, payload: &[u8]) -> Entry {
    let attempt = Attempt { idempotency_key: [5; 16], started_at_ms: 256 };
    Entry { generation, payload: Zeroizing::new(payload.to_vec()), attempt: Some(attempt) }
}

fn document() -> Document {
    Document { epoch: 4, entries: BTreeMap::from([(ONE, entry(3, b"one")), (TWO, entry(1, b""))]) }
}

struct Bench {
    master: StoredKey,
    keysets: Keysets,
}

impl Bench {
    fn new() -> Self {
        let master = StoredKey::make().unwrap();
        Self { keysets: Keysets::make(&master).unwrap(), master }
    }

    fn file(&self, document: &Document) -> Vec<u8> {
        encode(NAME, APP, &self.keysets, document).unwrap()
    }

    fn read(&self, file: &[u8]) -> Result<Document, VaultError> {
        let sealed = Sealed::read(file)?;
        decode(NAME, APP, &Keysets::open(&sealed, &self.master)?, &sealed)
    }

    /// What becomes of a file whose entries were changed: reserved names first, then records by id, then the manifest.
    fn changed(&self, change: impl FnOnce(&mut Entries)) -> VaultError {
        let mut entries = xml::read(&self.file(&document())).unwrap();
        change(&mut entries);
        let file = xml::write(entries.iter().map(|(name, text)| (name.as_str(), text.as_str())));
        match self.read(&file) {
            Err(error) => error,
            Ok(_) => panic!("it was believed"),
        }
    }
}

fn says(error: &VaultError, words: &str) -> bool {
    matches!(error, VaultError::Damaged(why) if why.contains(words))
}

#[test]
fn a_document_reads_back_and_shows_nothing_of_itself() {
    let bench = Bench::new();
    let file = bench.file(&document());
    let again = bench.read(&file).unwrap();
    assert_eq!((again.epoch, again.entries.len()), (4, 2));
    let one = &again.entries[&ONE];
    assert_eq!((one.generation, one.payload.as_slice()), (3, b"one".as_slice()));
    assert_eq!(one.attempt.as_ref().unwrap().idempotency_key, [5; 16]);
    let text = String::from_utf8(file).unwrap();
    assert!(!text.contains(&ONE.to_string()) && !text.contains(APP) && !text.contains(MANIFEST));
}

#[test]
fn names_repeat_themselves_and_values_do_not() {
    let bench = Bench::new();
    let (one, other) = (bench.file(&document()), bench.file(&document()));
    let (one, other) = (xml::read(&one).unwrap(), xml::read(&other).unwrap());
    for ((name, text), (other_name, other_text)) in one.iter().zip(&other).skip(2) {
        assert_eq!(name, other_name);
        assert_ne!(text, other_text);
    }
}

#[test]
fn an_entry_that_is_moved_removed_doubled_or_added_is_seen() {
    let bench = Bench::new();
    let swapped = bench.changed(|entries| {
        let text = entries[2].1.clone();
        entries[2].1 = std::mem::replace(&mut entries[3].1, text);
    });
    assert!(matches!(swapped, VaultError::Tampered(ONE)), "{swapped}");
    assert!(says(&bench.changed(|entries| drop(entries.remove(2))), "removed or added"));
    assert!(says(&bench.changed(|entries| drop(entries.remove(4))), "manifest is missing"));
    assert!(says(&bench.changed(|entries| drop(entries.remove(0))), "keyset is missing"));
    assert!(says(&bench.changed(|entries| drop(entries.remove(1))), "keyset is missing"));
    assert!(says(&bench.changed(|entries| entries.push(entries[2].clone())), "stands in it twice"));
    assert!(says(&bench.changed(|entries| entries.push(entries[0].clone())), "stands in it twice"));
    assert!(says(&bench.changed(|entries| entries.push(("AAAA".to_owned(), "AAAA".to_owned()))), "does not open"));
    let renamed = bench.changed(|entries| entries[2].0 = entries[4].0.replace('A', "B"));
    assert!(says(&renamed, "does not open"), "{renamed}");
}

#[test]
fn one_record_put_back_by_itself_is_seen() {
    let bench = Bench::new();
    let mut earlier = document();
    // Of the same generation: only the attempt differs.
    earlier.entries.get_mut(&ONE).unwrap().attempt = None;
    let earlier = xml::read(&bench.file(&earlier)).unwrap();
    let error = bench.changed(|entries| entries[2] = earlier[2].clone());
    assert!(matches!(error, VaultError::Tampered(ONE)), "{error}");
    let error = bench.changed(|entries| entries[4] = earlier[4].clone());
    assert!(matches!(error, VaultError::Tampered(ONE)), "{error}");
}

#[test]
fn a_file_of_another_name_or_app_is_refused() {
    let bench = Bench::new();
    let sealed = Sealed::read(&bench.file(&document())).unwrap();
    let error = decode("pilotlight-other", APP, &bench.keysets, &sealed).map(|_| ()).unwrap_err();
    assert!(says(&error, "does not open"), "{error}");
    let error = decode(NAME, "dev.other", &bench.keysets, &sealed).map(|_| ()).unwrap_err();
    assert!(says(&error, "another app"), "{error}");
}

#[test]
fn keysets_of_others_are_refused() {
    let (bench, other) = (Bench::new(), Bench::new());
    let theirs = xml::read(&other.file(&document())).unwrap();
    let both = bench.changed(|entries| entries[..2].clone_from_slice(&theirs[..2]));
    assert!(matches!(both, VaultError::WrongKey), "{both}");
    let whole = bench.changed(|entries| entries.clone_from(&theirs));
    assert!(matches!(whole, VaultError::WrongKey), "{whole}");
    for place in 0..2 {
        let one = bench.changed(|entries| entries[place] = theirs[place].clone());
        assert!(says(&one, "one of its keysets was changed"), "{one}");
    }
    // Keysets of the same master key: those of another file, and the two in each other's place.
    let sister = Keysets::make(&bench.master).unwrap();
    let error = bench.changed(|entries| entries[0].1.clone_from(&sister.names_text));
    assert!(says(&error, "does not open"), "{error}");
    let error = bench.changed(|entries| entries[1].1.clone_from(&sister.values_text));
    assert!(matches!(error, VaultError::Tampered(ONE)), "{error}");
    let error = bench.changed(|entries| {
        entries[0].0 = VALUES_KEYSET.to_owned();
        entries[1].0 = NAMES_KEYSET.to_owned();
    });
    assert!(says(&error, "another kind"), "{error}");
}

#[test]
fn what_a_holder_of_the_keys_wrote_amiss_is_refused() {
    let bench = Bench::new();
    let add =
        |name: &str, text: &str| bench.changed(|entries| entries.push(seal(NAME, &bench.keysets, name, text).unwrap()));
    assert!(says(&add("theme", "dark"), "none of ours"));
    assert!(says(&add(&GrantId::from_bytes([3; 16]).to_string(), "x"), "removed or added"));
    let text = of_entry(&entry(9, b"")).unwrap();
    let lines = BTreeMap::from([(ONE, Line::of(9, &text)), (TWO, Line::of(1, "not a record"))]);
    let manifest = Manifest { app: APP.to_owned(), epoch: 1, lines }.to_text().unwrap();
    let error = bench.changed(|entries| {
        entries[2] = seal(NAME, &bench.keysets, &ONE.to_string(), &text).unwrap();
        entries[3] = seal(NAME, &bench.keysets, &TWO.to_string(), "not a record").unwrap();
        entries[4] = seal(NAME, &bench.keysets, MANIFEST, &manifest).unwrap();
    });
    assert!(matches!(error, VaultError::Tampered(TWO)), "{error}");
    let error = bench.changed(|entries| entries[4] = seal(NAME, &bench.keysets, MANIFEST, "x").unwrap());
    assert!(says(&error, "manifest is malformed"), "{error}");
    // One byte, which is a version that is not ours, and its padding.
    let later = URL_SAFE_NO_PAD.encode([&[0, 0, 0, 1, 9][..], &[0; 251]].concat());
    let error = bench.changed(|entries| entries[4] = seal(NAME, &bench.keysets, MANIFEST, &later).unwrap());
    assert!(matches!(error, VaultError::NewerFormat(9)), "{error}");
}

#[test]
fn a_file_flipped_or_cut_anywhere_is_never_believed_to_be_another() {
    let bench = Bench::new();
    let file = bench.file(&document());
    let whole = |file: &[u8]| {
        bench.read(file).is_ok_and(|read| {
            read.epoch == 4 && read.entries[&ONE].payload.as_slice() == b"one" && read.entries.len() == 2
        })
    };
    assert!(whole(&file));
    for place in 0..file.len() {
        let mut flipped = file.clone();
        flipped[place] ^= 1 << (place % 8);
        // White space between the entries, the declaration and the keysets' descriptions decide nothing.
        assert!(bench.read(&flipped).is_err() || whole(&flipped), "{place}");
        if place < file.trim_ascii_end().len() {
            assert!(bench.read(&file[..place]).is_err(), "{place}");
        }
    }
}

/// What Tink 1.16 made of two records under the name `pilotlight-test`, and the master key that it was given: bytes 0 to 31.
/// It opens for ever.
#[test]
fn the_file_never_changes_between_versions() {
    let master = StoredKey::parse("pm1.AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8").unwrap();
    let sealed = Sealed::read(include_bytes!("golden.xml")).unwrap();
    let keysets = Keysets::open(&sealed, &master).unwrap();
    let document = decode(NAME, APP, &keysets, &sealed).unwrap();
    let (one, two) = (&document.entries[&ONE], &document.entries[&TWO]);
    assert_eq!((document.epoch, document.entries.len()), (9, 2));
    assert_eq!(
        (one.generation, one.payload.as_slice(), two.generation, two.payload.as_slice()),
        (3, &b"one"[..], 1, &b""[..])
    );
    assert_eq!(one.attempt, Some(Attempt { idempotency_key: [5; 16], started_at_ms: 256 }));
    // Names are sealed to the same bytes again, and Android would find them.
    let names = |file: &[u8]| xml::read(file).unwrap().into_iter().map(|(name, _)| name).collect::<BTreeSet<_>>();
    let again = encode(NAME, APP, &keysets, &document).unwrap();
    assert_eq!(names(&again), names(include_bytes!("golden.xml")));
}
