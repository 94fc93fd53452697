//! The parsers of documents, each as a function from any bytes; see `crate::fuzzing`.

use zeroize::Zeroizing;

use super::entries::Head;
use super::plain::Json;
use super::{Document, Entry, Format, body, sealed_header};
use crate::envelope::{pad, unpad};
use crate::{Attempt, GrantId};

/// `vault.pl1`, up to where a key is needed.
pub(crate) fn encrypted_file(bytes: &[u8]) {
    let take_apart = |bytes: &[u8]| {
        let Ok(parts) = sealed_header::parts(bytes) else { return };
        assert_eq!(parts.header.to_bytes(), parts.header_bytes);
        assert_eq!([parts.header_bytes, parts.nonce, parts.ct].concat(), bytes);
    };
    take_apart(bytes);
    // The sum keeps nearly everything out, so the same bytes again under a sum that holds.
    let mut summed = bytes.to_vec();
    sealed_header::sum_anew(&mut summed);
    take_apart(&summed);
}

/// What is sealed in `vault.pl1`, and what `keystore-only` keeps.
pub(crate) fn body(bytes: &[u8]) {
    if let Ok(document) = body::decode(bytes) {
        assert_eq!(bytes_of(&document), bytes);
    }
    if let Some(document) = unpad(bytes).and_then(|text| body::decode(text).ok()) {
        let padded = pad(&bytes_of(&document)).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(padded.as_slice(), bytes);
    }
    let document = document_of(bytes);
    let written = bytes_of(&document);
    let read = body::decode(&written).unwrap_or_else(|error| panic!("what is written does not read: {error}"));
    assert_eq!(bytes_of(&read), written);
}

/// `vault.json`.
pub(crate) fn plain_file(bytes: &[u8]) {
    if let Ok(document) = Json.decode(bytes) {
        assert_reads_back(&Json, &document);
    }
    assert_reads_back(&Json, &document_of(bytes));
}

/// The head entry of `keystore-only`.
pub(crate) fn keystore_head(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Ok(head) = Head::parse(&text) {
        assert_eq!(head.to_text(), text);
    }
}

fn assert_reads_back(format: &impl Format, document: &Document) {
    let written = format.encode(document).unwrap_or_else(|error| panic!("{error}"));
    let read = format.decode(&written).unwrap_or_else(|error| panic!("what is written does not read: {error}"));
    assert_eq!(bytes_of(&read), bytes_of(document));
}

/// A document in the one spelling that the body has, for comparing.
fn bytes_of(document: &Document) -> Vec<u8> {
    body::encode(document).unwrap_or_else(|error| panic!("{error}")).to_vec()
}

/// A document that the bytes choose: any of them can be written.
pub(in crate::document) fn document_of(bytes: &[u8]) -> Document {
    let number = |bytes: &[u8]| {
        let mut number = [0; 8];
        number.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
        (u64::from_be_bytes(number) >> 1).clamp(1, u64::try_from(i64::MAX).unwrap_or(1) - 1)
    };
    let mut document = Document { epoch: number(bytes), ..Document::default() };
    for chunk in bytes.chunks(48) {
        let mut id = [0; 16];
        id.iter_mut().zip(chunk).for_each(|(to, from)| *to = *from);
        let attempt = chunk.first_chunk::<40>().filter(|chunk| chunk[39] % 2 == 0).map(|chunk| {
            let mut idempotency_key = [0; 16];
            idempotency_key.copy_from_slice(&chunk[16..32]);
            Attempt { idempotency_key, started_at_ms: number(&chunk[31..]).cast_signed() }
        });
        let payload = Zeroizing::new(chunk.iter().rev().copied().collect());
        let entry = Entry { generation: number(&chunk[chunk.len() / 2..]), payload, attempt };
        document.entries.insert(GrantId::from_bytes(id), entry);
    }
    document
}
