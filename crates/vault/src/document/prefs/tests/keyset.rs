//! What Tink may have written, and what it may not.

use super::{ENABLED, Gcm, Keyset, PREFIX_TINK, SYMMETRIC, Siv, hex_of};
use crate::VaultError;
use crate::document::prefs::keyset::{Cipher, bytes_of};
use crate::document::prefs::master::{MasterKey, StoredKey};
use crate::document::prefs::proto::{push_bytes, push_number};
use proptest::prelude::*;

/// One key of a keyset that is spelled out field by field.
#[derive(Clone)]
struct Spelled {
    url: &'static str,
    material: Vec<u8>,
    kind: u32,
    status: u32,
    id: u32,
    prefix: u32,
}

impl Spelled {
    fn gcm(id: u32) -> Self {
        let mut material = Vec::new();
        push_bytes(&mut material, Gcm::KEY_FIELD, &[7; 32]);
        Self { url: Gcm::TYPE_URL, material, kind: SYMMETRIC, status: ENABLED, id, prefix: PREFIX_TINK }
    }
}

fn spell(primary: u32, keys: &[Spelled]) -> Vec<u8> {
    let mut message = Vec::new();
    push_number(&mut message, 1, primary);
    for key in keys {
        let mut data = Vec::new();
        push_bytes(&mut data, 1, key.url.as_bytes());
        push_bytes(&mut data, 2, &key.material);
        push_number(&mut data, 3, key.kind);
        let mut entry = Vec::new();
        push_bytes(&mut entry, 1, &data);
        push_number(&mut entry, 2, key.status);
        push_number(&mut entry, 3, key.id);
        push_number(&mut entry, 4, key.prefix);
        push_bytes(&mut message, 2, &entry);
    }
    message
}

/// Why a keyset is refused.
fn refusal(message: &[u8]) -> String {
    match Keyset::<Gcm>::parse(message) {
        Ok(_) => "nothing".to_owned(),
        Err(VaultError::Damaged(why)) => why,
        Err(error) => panic!("{error}"),
    }
}

fn refusal_of(change: impl Fn(&mut Spelled)) -> String {
    let mut key = Spelled::gcm(5);
    change(&mut key);
    refusal(&spell(5, &[key]))
}

#[test]
fn a_keyset_reads_back_and_only_under_its_master_key() {
    let (master, other) = (StoredKey::make().unwrap(), StoredKey::make().unwrap());
    let keyset = Keyset::<Siv>::make().unwrap();
    let text = keyset.wrap(&master).unwrap();
    let again = Keyset::<Siv>::unwrap(&text, &master).unwrap().unwrap();
    let sealed = keyset.seal(b"file", b"name").unwrap();
    assert_eq!(again.seal(b"file", b"name").unwrap(), sealed);
    assert_eq!(again.open(b"file", &sealed).unwrap().as_slice(), b"name");
    assert!(Keyset::<Siv>::unwrap(&text, &other).unwrap().is_none());
    assert!(matches!(Keyset::<Gcm>::unwrap(&text, &master), Err(VaultError::Damaged(_))), "the keys of names");
}

#[test]
fn a_keyset_that_is_not_encrypted_is_refused_as_that() {
    let master = StoredKey::make().unwrap();
    let whole = Keyset::<Gcm>::make().unwrap().to_message();
    let no_primary = spell(0, &[Spelled::gcm(5)]);
    for (message, why) in [(whole.as_slice(), "is not encrypted"), (&no_primary, "")] {
        match Keyset::<Gcm>::unwrap(&hex_of(message), &master) {
            Err(VaultError::Damaged(told)) => assert!(told.ends_with(why), "{told}"),
            Ok(None) => assert!(why.is_empty()),
            other => panic!("{:?}", other.map(|_| ())),
        }
    }
}

#[test]
fn each_thing_that_tink_would_let_pass_has_its_refusal() {
    assert_eq!(refusal(&spell(5, &[Spelled::gcm(5)])), "nothing");
    assert_eq!(refusal_of(|key| key.prefix = 3), "its keyset has a key whose ciphertexts do not name it");
    assert_eq!(refusal_of(|key| key.url = Siv::TYPE_URL), "its keyset has a key of another kind");
    assert_eq!(refusal_of(|key| key.kind = 4), "its keyset has a key of another kind");
    assert_eq!(refusal_of(|key| key.status = 0), "its keyset has a key of unknown status");
    assert_eq!(refusal_of(|key| key.status = 9), "its keyset has a key of unknown status");
    assert_eq!(refusal_of(|key| key.status = 2), "its keyset has no primary key that may be used");
    assert_eq!(refusal_of(|key| key.id = 6), "its keyset has no primary key that may be used");
    assert_eq!(refusal_of(|key| key.id = 0), "its keyset is malformed");
    let twice = [Spelled::gcm(5), Spelled::gcm(5)];
    assert_eq!(refusal(&spell(5, &twice)), "its keyset has two keys of one id");
    let keys = |count| (1..=count).map(Spelled::gcm).collect::<Vec<_>>();
    assert_eq!(refusal(&spell(5, &keys(100))), "nothing");
    assert_eq!(refusal(&spell(5, &keys(101))), "its keyset has too many keys");
    assert_eq!(refusal(&spell(0, &keys(1))), "its keyset is malformed");
    assert_eq!(refusal(&spell(5, &[])), "its keyset has no primary key that may be used");
}

#[test]
fn keys_have_one_length_and_version_nought() {
    let material = |fields: &dyn Fn(&mut Vec<u8>)| {
        refusal_of(|key| {
            key.material.clear();
            fields(&mut key.material);
        })
    };
    let parameters = |message: &mut Vec<u8>| push_bytes(message, 2, b"");
    let key = |message: &mut Vec<u8>| push_bytes(message, 3, &[7; 32]);
    assert_eq!(
        material(&|message| {
            parameters(message);
            key(message);
        }),
        "nothing"
    );
    for length in [0, 16, 24, 31, 33, 64] {
        assert_eq!(
            material(&|message| push_bytes(message, 3, &vec![7; length])),
            "its keyset is malformed",
            "{length}"
        );
    }
    let version = |message: &mut Vec<u8>| {
        push_number(message, 1, 1);
        key(message);
    };
    let other_parameters = |message: &mut Vec<u8>| {
        push_bytes(message, 2, b"x");
        key(message);
    };
    assert_eq!(material(&version), "its keyset is malformed");
    assert_eq!(material(&other_parameters), "its keyset is malformed");
    assert_eq!(material(&|_| ()), "its keyset is malformed");
}

#[test]
fn a_rotated_keyset_opens_with_both_keys_and_seals_with_the_primary() {
    let mut second = Spelled::gcm(6);
    second.material.clear();
    push_bytes(&mut second.material, Gcm::KEY_FIELD, &[8; 32]);
    let first = Keyset::<Gcm>::parse(&spell(5, &[Spelled::gcm(5)])).unwrap();
    let rotated = Keyset::<Gcm>::parse(&spell(6, &[Spelled::gcm(5), second.clone()])).unwrap();
    let old = first.seal(b"aad", b"text").unwrap();
    assert_eq!(rotated.open(b"aad", &old).unwrap().as_slice(), b"text");
    let new = rotated.seal(b"aad", b"text").unwrap();
    assert!(first.open(b"aad", &new).is_none());
    let mut disabled = Spelled::gcm(5);
    disabled.status = 2;
    let retired = Keyset::<Gcm>::parse(&spell(6, &[disabled, second])).unwrap();
    assert!(retired.open(b"aad", &old).is_none());
    assert_eq!(retired.open(b"aad", &new).unwrap().as_slice(), b"text");
}

#[test]
fn only_lower_case_hexadecimal_of_bounded_length_is_read() {
    assert_eq!(bytes_of("00ff1a"), Some(vec![0, 255, 26]));
    for text in ["0", "0g", "FF", " 00", "é0"] {
        assert_eq!(bytes_of(text), None, "{text}");
    }
    assert!(bytes_of(&"0".repeat(1 << 17)).is_some());
    assert!(bytes_of(&"0".repeat((1 << 17) + 2)).is_none());
}

#[test]
fn an_encrypted_keyset_with_other_fields_is_refused() {
    let master = StoredKey::make().unwrap();
    let wrapped = master.wrap(&spell(5, &[Spelled::gcm(5)])).unwrap();
    let mut message = Vec::new();
    push_bytes(&mut message, 2, &wrapped);
    assert!(Keyset::<Gcm>::unwrap(&hex_of(&message), &master).unwrap().is_some(), "without a description");
    push_bytes(&mut message, 4, b"");
    assert!(matches!(Keyset::<Gcm>::unwrap(&hex_of(&message), &master), Err(VaultError::Damaged(_))));
}

proptest! {
    #[test]
    fn any_bytes_are_a_keyset_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        drop(Keyset::<Gcm>::parse(&bytes));
        let text = hex_of(&bytes);
        prop_assert_eq!(bytes_of(&text), Some(bytes));
        drop(Keyset::<Gcm>::unwrap(&text, &StoredKey::make().unwrap()));
    }

    #[test]
    fn a_keyset_with_a_changed_byte_is_read_or_refused(place in 0..100_usize, byte: u8) {
        let mut message = spell(5, &[Spelled::gcm(5)]);
        let place = place % message.len();
        message[place] = byte;
        drop(Keyset::<Gcm>::parse(&message));
    }
}
