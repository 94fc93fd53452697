//! What the preferences say, once they are open: one string for each record, and one for all of them.
//!
//! A record's preference is named by its grant id; its string is base64url of
//!
//! ```text
//! length of what follows (4 bytes) ‖ 1 ‖ generation (8) ‖ 0, or 1 ‖ idempotency key (16) ‖ started (8) ‖ payload ‖ zeros
//! ```
//!
//! The manifest's is named [`MANIFEST`]; its string is base64url of
//!
//! ```text
//! length of what follows (4 bytes) ‖ 1 ‖ length of the app's id (2) ‖ app's id ‖ epoch (8)
//!   ‖ for each record, by id: grant id (16) ‖ generation (8) ‖ SHA-256 of its string (32) ‖ zeros
//! ```
//!
//! Numbers are big endian, and the zeros fill up to a multiple of 256 bytes.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::document::Entry;
use crate::envelope::{pad, unpad};
use crate::{Attempt, Generation, GrantId, MAX_PAYLOAD, VaultError};

/// The name of the preference that lists the others.
pub(super) const MANIFEST: &str = "pilotlight.manifest";

/// The version of both layouts.
const VERSION: u8 = 1;
/// `EncryptedType.STRING`.
const STRING: i32 = 0;

/// A string as `EncryptedSharedPreferences` puts it in a value: type and length as signed numbers, then UTF-8.
pub(super) fn to_value(text: &str) -> Result<Zeroizing<Vec<u8>>, VaultError> {
    let length = i32::try_from(text.len()).map_err(|_| VaultError::TooLarge(text.len()))?;
    let mut value = Zeroizing::new(Vec::with_capacity(8 + text.len()));
    value.extend_from_slice(&STRING.to_be_bytes());
    value.extend_from_slice(&length.to_be_bytes());
    value.extend_from_slice(text.as_bytes());
    Ok(value)
}

/// The string of a value; `None` for the other types and for a length that is not the string's.
pub(super) fn of_value(value: &[u8]) -> Option<&str> {
    let (kind, rest) = value.split_first_chunk::<4>()?;
    let (length, text) = rest.split_first_chunk::<4>()?;
    if i32::from_be_bytes(*kind) != STRING || usize::try_from(i32::from_be_bytes(*length)) != Ok(text.len()) {
        return None;
    }
    std::str::from_utf8(text).ok()
}

/// Pads and encodes. The text is wiped when it is dropped.
pub(super) fn encode(bytes: &[u8]) -> Result<Zeroizing<String>, VaultError> {
    let padded = pad(bytes)?;
    // base64 makes 4 characters of 3 bytes: room for all of them, since growing would leave copies behind.
    let mut text = Zeroizing::new(String::with_capacity(padded.len().div_ceil(3) * 4));
    URL_SAFE_NO_PAD.encode_string(padded.as_slice(), &mut text);
    Ok(text)
}

fn decode(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    let mut padded = Zeroizing::new(vec![0; text.len().div_ceil(4) * 3]);
    let length = URL_SAFE_NO_PAD.decode_slice(text, &mut padded).ok()?;
    let bytes = unpad(padded.get(..length)?)?;
    Some(Zeroizing::new(bytes.to_vec()))
}

/// The string of one record.
pub(super) fn of_entry(entry: &Entry) -> Result<Zeroizing<String>, VaultError> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(64 + entry.payload.len()));
    bytes.push(VERSION);
    bytes.extend_from_slice(&entry.generation.to_be_bytes());
    bytes.push(entry.attempt.is_some().into());
    if let Some(attempt) = &entry.attempt {
        bytes.extend_from_slice(&attempt.idempotency_key);
        bytes.extend_from_slice(&attempt.started_at_ms.to_be_bytes());
    }
    bytes.extend_from_slice(&entry.payload);
    encode(&bytes)
}

/// Reads [`of_entry`].
pub(super) fn to_entry(text: &str) -> Option<Entry> {
    let bytes = decode(text)?;
    let ([VERSION], rest) = bytes.split_first_chunk::<1>()? else { return None };
    let (generation, rest) = rest.split_first_chunk::<8>()?;
    let generation = Generation::from_be_bytes(*generation);
    let (attempt, payload) = match rest.split_first()? {
        (0, payload) => (None, payload),
        (1, rest) => {
            let (key, rest) = rest.split_first_chunk::<16>()?;
            let (started, payload) = rest.split_first_chunk::<8>()?;
            let attempt = Attempt { idempotency_key: *key, started_at_ms: i64::from_be_bytes(*started) };
            (Some(attempt), payload)
        }
        _ => return None,
    };
    if generation == 0 || payload.len() > MAX_PAYLOAD {
        return None;
    }
    Some(Entry { generation, payload: Zeroizing::new(payload.to_vec()), attempt })
}

/// What the manifest says of one record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    generation: Generation,
    digest: [u8; 32],
}

impl Line {
    pub(super) fn of(generation: Generation, text: &str) -> Self {
        Self { generation, digest: Sha256::digest(text.as_bytes()).into() }
    }
}

/// What all records are: shows one that was removed, doubled, or put back by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Manifest {
    pub(super) app: String,
    pub(super) epoch: u64,
    pub(super) lines: BTreeMap<GrantId, Line>,
}

impl Manifest {
    pub(super) fn to_text(&self) -> Result<Zeroizing<String>, VaultError> {
        let app = u16::try_from(self.app.len()).map_err(|_| VaultError::TooLarge(self.app.len()))?;
        let mut bytes = vec![VERSION];
        bytes.extend_from_slice(&app.to_be_bytes());
        bytes.extend_from_slice(self.app.as_bytes());
        bytes.extend_from_slice(&self.epoch.to_be_bytes());
        for (id, line) in &self.lines {
            bytes.extend_from_slice(id.as_bytes());
            bytes.extend_from_slice(&line.generation.to_be_bytes());
            bytes.extend_from_slice(&line.digest);
        }
        encode(&bytes)
    }

    /// The version that a later one of us wrote, if it did.
    pub(super) fn newer(text: &str) -> Option<u32> {
        decode(text)?.first().copied().filter(|version| *version > VERSION).map(u32::from)
    }

    /// Reads [`Self::to_text`]; the records have to stand in order and once each.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let bytes = decode(text)?;
        let ([VERSION], rest) = bytes.split_first_chunk::<1>()? else { return None };
        let (length, rest) = rest.split_first_chunk::<2>()?;
        let (app, rest) = rest.split_at_checked(u16::from_be_bytes(*length).into())?;
        let (epoch, rest) = rest.split_first_chunk::<8>()?;
        let (records, rest) = rest.as_chunks::<56>();
        let mut lines = BTreeMap::new();
        for record in records {
            let (id, record) = record.split_first_chunk::<16>()?;
            let (generation, digest) = record.split_first_chunk::<8>()?;
            let line = Line { generation: Generation::from_be_bytes(*generation), digest: digest.try_into().ok()? };
            let id = GrantId::from_bytes(*id);
            if lines.last_key_value().is_some_and(|(last, _)| *last >= id) {
                return None;
            }
            lines.insert(id, line);
        }
        let app = std::str::from_utf8(app).ok()?.to_owned();
        rest.is_empty().then_some(Self { app, epoch: u64::from_be_bytes(*epoch), lines })
    }
}

#[cfg(test)]
#[path = "tests/text.rs"]
mod tests;
