//! A document as bytes, in one spelling only: what is sealed, kept in the keystore, or summed up by a digest.
//!
//! ```text
//!   epoch 8 │ records 4 │ per record, by id: id 16 │ generation 8 │ attempt 1: 0, or 1 and key 16, started 8 │ length 4 │ payload
//! ```

use zeroize::Zeroizing;

use super::{Document, Entry};
use crate::error::damaged;
use crate::{Attempt, GrantId, MAX_PAYLOAD, Payload, VaultError};

/// A greater one is none of ours, and would have no next one.
const LAST_NUMBER: u64 = i64::MAX.cast_unsigned();

fn length_of(document: &Document) -> usize {
    let entries = document.entries.values();
    12 + entries.map(|entry| 29 + entry.payload.len() + entry.attempt.as_ref().map_or(0, |_| 24)).sum::<usize>()
}

/// The bytes of `document`, in a buffer that did not grow.
pub(super) fn encode(document: &Document) -> Result<Payload, VaultError> {
    let length = length_of(document);
    let small = |number: usize| u32::try_from(number).map_err(|_| VaultError::TooLarge(length));
    let mut bytes = Zeroizing::new(Vec::with_capacity(length));
    bytes.extend_from_slice(&document.epoch.to_be_bytes());
    bytes.extend_from_slice(&small(document.entries.len())?.to_be_bytes());
    for (id, entry) in &document.entries {
        bytes.extend_from_slice(id.as_bytes());
        bytes.extend_from_slice(&entry.generation.to_be_bytes());
        match &entry.attempt {
            None => bytes.push(0),
            Some(attempt) => {
                bytes.push(1);
                bytes.extend_from_slice(&attempt.idempotency_key);
                bytes.extend_from_slice(&attempt.started_at_ms.to_be_bytes());
            }
        }
        bytes.extend_from_slice(&small(entry.payload.len())?.to_be_bytes());
        bytes.extend_from_slice(&entry.payload);
    }
    Ok(bytes)
}

/// Reads [`encode`], and nothing else.
pub(super) fn decode(bytes: &[u8]) -> Result<Document, VaultError> {
    read(bytes).ok_or_else(|| damaged("its records are not readable"))
}

/// Whether a document may say this of an epoch or a generation.
pub(super) fn is_count(number: u64) -> bool {
    (1..LAST_NUMBER).contains(&number)
}

fn read(bytes: &[u8]) -> Option<Document> {
    let mut rest = Rest(bytes);
    let mut document = Document { epoch: rest.count()?, ..Document::default() };
    for _ in 0..u32::from_be_bytes(rest.take()?) {
        let id = GrantId::from_bytes(rest.take()?);
        // In order, and so each once.
        if document.entries.last_key_value().is_some_and(|(last, _)| *last >= id) {
            return None;
        }
        let generation = rest.count()?;
        let attempt = match rest.take::<1>()? {
            [0] => None,
            [1] => {
                let idempotency_key = rest.take()?;
                Some(Attempt { idempotency_key, started_at_ms: i64::from_be_bytes(rest.take()?) })
            }
            _ => return None,
        };
        let length = usize::try_from(u32::from_be_bytes(rest.take()?)).ok().filter(|length| *length <= MAX_PAYLOAD)?;
        let payload = Zeroizing::new(rest.slice(length)?.to_vec());
        document.entries.insert(id, Entry { generation, payload, attempt });
    }
    rest.0.is_empty().then_some(document)
}

struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn slice(&mut self, length: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(head)
    }

    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.slice(N)?.try_into().ok()
    }

    fn count(&mut self) -> Option<u64> {
        Some(u64::from_be_bytes(self.take()?)).filter(|number| is_count(*number))
    }
}

#[cfg(test)]
mod tests {
    use super::{decode, encode};
    use crate::document::tests::two_records;
    use proptest::prelude::*;

    #[test]
    fn the_bytes_never_change_between_versions() {
        let expected = [
            &[0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 2][..],
            &[1; 16],
            &[0, 0, 0, 0, 0, 0, 0, 3, 1],
            &[5; 16],
            &[0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 3],
            b"one",
            &[2; 16],
            &[0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0],
        ]
        .concat();
        assert_eq!(*encode(&two_records()).unwrap(), expected);
        assert_eq!(*encode(&decode(&expected).unwrap()).unwrap(), expected);
    }

    #[test]
    fn numbers_without_a_next_one_and_records_out_of_order_are_refused() {
        let bytes = encode(&two_records()).unwrap();
        let changed = |place: usize, to: &[u8]| {
            let mut changed = bytes.to_vec();
            changed[place..place + to.len()].copy_from_slice(to);
            decode(&changed)
        };
        for (place, to) in
            [(0, &[0; 8][..]), (0, &[255; 8]), (28, &[0; 8]), (28, &[127, 255, 255, 255, 255, 255, 255, 255])]
        {
            assert!(changed(place, to).is_err(), "{place} {to:?}");
        }
        for id in [[1; 16], [0; 16]] {
            assert!(changed(bytes.len() - 29, &id).is_err(), "{id:?}");
        }
        for length in 0..bytes.len() {
            assert!(decode(&bytes[..length]).is_err(), "{length}");
        }
        assert!(decode(&[&bytes[..], &[0]].concat()).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_the_spelling_of_a_document_or_refused(bytes in proptest::collection::vec(0..4_u8, 0..120)) {
            if let Ok(document) = decode(&bytes) {
                prop_assert_eq!(encode(&document).unwrap().to_vec(), bytes);
            }
        }
    }
}
