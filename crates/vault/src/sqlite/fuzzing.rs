//! The parsers of `vault.db` and its anchor, each as a function from any bytes; see `crate::fuzzing`.

use std::cell::OnceCell;
use std::sync::{Arc, LazyLock};

use rusqlite::Connection;
use rusqlite::types::Value;

use super::anchor::Anchor;
use super::set::Sum;
use super::slots;
use super::state::State;
use crate::envelope::protector::origin_and_generation;
use crate::envelope::{Aead, Fields, Identity, Kek, Keys, MacKey, unpad};
use crate::passphrase::Stretching;

/// The longest slot that its table takes, in bytes of parameters.
const LONGEST_PARAMS: usize = 255;

fn identity() -> Identity {
    Identity { app: "app".to_owned(), vault_id: [1; 16] }
}

fn numbers(bytes: &[u8]) -> [u8; 32] {
    let mut numbers = [0; 32];
    numbers.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
    numbers
}

/// An entry that stands in the keystore: any program of the user may have written it.
pub(crate) fn anchor(bytes: &[u8]) {
    /// What an anchor of today takes of the keys is their cipher alone.
    static KEYS: LazyLock<Vec<Keys>> =
        LazyLock::new(|| Aead::ALL.into_iter().filter_map(|aead| Keys::make(identity(), 1, aead).ok()).collect());
    let key = MacKey::of(&[4; 32]);
    let read = |text: &str| Anchor::parse(text, &identity(), &key);
    let text = String::from_utf8_lossy(bytes);
    assert_eq!(read(&text), None, "nobody writes one without the key");

    let number = numbers(bytes);
    let epoch = u64::from_be_bytes(*number.first_chunk().unwrap_or(&[0; 8]));
    let state = State {
        epoch,
        strategy: "sqlite-aead".to_owned(),
        sum: Sum::of_bytes(&number),
        anchor_key: Arc::new(MacKey::of(&[4; 32])),
    };
    let keys = &KEYS[usize::from(number[31]) % KEYS.len()];
    for anchor in [Anchor::of(&state, keys), Anchor::of_format_1(epoch, number, "sqlite-aead")] {
        let written = anchor.to_text(&identity(), &key);
        assert_eq!(read(&written).as_ref(), Some(&anchor));
        // One character changed, anywhere: this anchor or none, never another one.
        let mut changed = written.into_bytes();
        let (place, to) = (usize::from(number[30]) % changed.len(), number[29] & 0x7f);
        changed[place] = to;
        let changed = String::from_utf8(changed).unwrap_or_default();
        assert!(read(&changed).is_none_or(|read| read == anchor));
    }
}

/// What is sealed in table `vault`.
pub(crate) fn state(bytes: &[u8]) {
    let epoch = u64::from_be_bytes(*bytes.first_chunk().unwrap_or(&[0; 8]));
    let rest = bytes.get(8..).unwrap_or_default();
    for text in [Some(rest), unpad(rest)].into_iter().flatten() {
        if let Some(state) = State::parse(text, epoch) {
            assert_eq!(state.to_fields().as_bytes(), text);
        }
    }
    let strategy = String::from_utf8_lossy(rest).into_owned();
    let state = State {
        epoch,
        strategy,
        sum: Sum::of_bytes(&numbers(rest)),
        anchor_key: Arc::new(MacKey::of(&numbers(bytes))),
    };
    let written: Fields = state.to_fields();
    let read = State::parse(written.as_bytes(), epoch).unwrap_or_else(|| panic!("what is written does not read"));
    assert_eq!((read.epoch, &read.strategy, read.sum), (state.epoch, &state.strategy, state.sum));
}

thread_local! {
    /// `dek_slot` without what it demands of its values: those who alter a file may alter that too.
    static TABLE: OnceCell<Connection> = const { OnceCell::new() };
}

fn table() -> Connection {
    let connection = Connection::open_in_memory().unwrap_or_else(|error| panic!("{error}"));
    let made =
        connection.execute_batch("CREATE TABLE dek_slot(dek_id, slot_id, protector, kek_ref, alg, params, nonce, ct)");
    made.unwrap_or_else(|error| panic!("{error}"));
    connection
}

/// A row of table `dek_slot`: four bytes say how the rest is cut into its values.
pub(crate) fn slot(bytes: &[u8]) {
    let Some((head, mut rest)) = bytes.split_first_chunk::<4>() else { return };
    let [alg, types, name, params] = *head;
    let mut next = |length: u8, is_text: bool| {
        let (value, left) = rest.split_at(usize::from(length).min(rest.len()));
        rest = left;
        if is_text { Value::Text(String::from_utf8_lossy(value).into_owned()) } else { Value::Blob(value.to_vec()) }
    };
    let row = [
        next(16, types & 1 != 0),
        next(12, types & 2 == 0),
        next(name, types & 4 == 0),
        Value::Integer(alg.into()),
        next(params, types & 8 != 0),
        next(if alg == 3 { 24 } else { 12 }, types & 16 != 0),
        next(48, types & 32 != 0),
    ];
    TABLE.with(|table_of_thread| {
        let connection = table_of_thread.get_or_init(table);
        let put = "INSERT INTO dek_slot VALUES(1,?1,?2,?3,?4,?5,?6,?7)";
        let done = connection
            .execute("DELETE FROM dek_slot", ())
            .and_then(|_| connection.execute(put, rusqlite::params_from_iter(row)));
        done.unwrap_or_else(|error| panic!("{error}"));
        for slot in slots::read(connection, 1).unwrap_or_default() {
            assert!(
                slot.unwrap(&identity(), &Kek::of(key())).is_none(),
                "nobody wraps a key without the key that wraps"
            );
            let _ = origin_and_generation(&slot.reference);
            if let Ok(stretching) = Stretching::from_bytes(&slot.reference.params) {
                assert_eq!(stretching.to_bytes(), slot.reference.params[..]);
            }
            assert!(slot.reference.params.len() <= LONGEST_PARAMS);
        }
    });
}

fn key() -> crate::envelope::SecretKey {
    crate::envelope::SecretKey::from([7; 32])
}
