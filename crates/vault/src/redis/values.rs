//! What stands behind one grant: a sealed record, and the attempt that is open.
//!
//! ```text
//! record    0 generation (8)   8 dek id   12 algorithm   16 nonce (12)   28 ciphertext
//! attempt   0 generation (8)   8 idempotency key (16)   24 begun at (8)   32 MAC (32)
//! ```

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::envelope::{ALG_AES_256_GCM, Fields, Keys, NONCE, TAG, open, pad, seal, unpad};
use crate::{Attempt, Generation, GrantId, MAX_PAYLOAD, Record, VaultError};

const HEAD: usize = 16;
/// The longest record, in bytes: what is longer was not written by us, and is not read.
const LONGEST: usize = HEAD + NONCE + MAX_PAYLOAD + 512 + TAG;
const ATTEMPT: usize = 64;

fn head(keys: &Keys, generation: Generation) -> [u8; HEAD] {
    let mut head = [0; HEAD];
    head[..8].copy_from_slice(&generation.to_be_bytes());
    head[8..12].copy_from_slice(&keys.dek_id.to_be_bytes());
    head[12..].copy_from_slice(&ALG_AES_256_GCM.to_be_bytes());
    head
}

fn aad(keys: &Keys, id: &GrantId, head: &[u8; HEAD]) -> Fields {
    keys.aad("pilotlight/v1/record").text("redis").bytes(id.as_bytes()).bytes(head)
}

/// The bytes of a record.
pub(super) fn seal_record(
    keys: &Keys,
    id: &GrantId,
    generation: Generation,
    payload: &[u8],
) -> Result<Vec<u8>, VaultError> {
    if payload.len() > MAX_PAYLOAD {
        return Err(VaultError::TooLarge(payload.len()));
    }
    let head = head(keys, generation);
    let key = keys.record_key("redis", id.as_bytes());
    let sealed = seal(&key, aad(keys, id, &head).as_bytes(), &pad(payload)?)?;
    Ok([&head[..], &sealed.nonce, &sealed.ct].concat())
}

/// Opens a record and its attempt; `None` where anything in them is not as it was written.
pub(super) fn open_record(keys: &Keys, id: &GrantId, value: &[u8], attempt: Option<&[u8]>) -> Option<Record> {
    if value.len() > LONGEST {
        return None;
    }
    let (found, sealed) = value.split_first_chunk::<HEAD>()?;
    let generation = generation_of(found)?;
    if *found != head(keys, generation) {
        return None;
    }
    let (nonce, ct) = sealed.split_at_checked(NONCE)?;
    let opened = open(&keys.record_key("redis", id.as_bytes()), aad(keys, id, found).as_bytes(), nonce, ct)?;
    let payload = Zeroizing::new(unpad(&opened)?.to_vec());
    let attempt = match attempt {
        None => None,
        Some(bytes) => Some(open_attempt(keys, id, generation, bytes)?),
    };
    Some(Record { id: *id, generation, payload, attempt })
}

/// The generation that a value begins with, unverified.
pub(super) fn generation_of(value: &[u8]) -> Option<Generation> {
    value.first_chunk().map(|bytes| Generation::from_be_bytes(*bytes))
}

/// The bytes of an attempt: no secret, but it must not be altered or moved. Equal attempts have equal bytes.
pub(super) fn attempt_bytes(keys: &Keys, id: &GrantId, generation: Generation, attempt: &Attempt) -> Vec<u8> {
    let mac = keys.mac(
        &Fields::of("pilotlight/v1/attempt")
            .text("redis")
            .text(&keys.identity.app)
            .bytes(&keys.identity.vault_id)
            .bytes(id.as_bytes())
            .bytes(&attempt.idempotency_key)
            .number(generation)
            .signed(attempt.started_at_ms),
    );
    let (generation, started) = (generation.to_be_bytes(), attempt.started_at_ms.to_be_bytes());
    [&generation[..], &attempt.idempotency_key, &started, &mac].concat()
}

fn open_attempt(keys: &Keys, id: &GrantId, generation: Generation, bytes: &[u8]) -> Option<Attempt> {
    if bytes.len() != ATTEMPT {
        return None;
    }
    let (mut idempotency_key, mut started) = ([0; 16], [0; 8]);
    idempotency_key.copy_from_slice(&bytes[8..24]);
    started.copy_from_slice(&bytes[24..32]);
    let attempt = Attempt { idempotency_key, started_at_ms: i64::from_be_bytes(started) };
    bool::from(attempt_bytes(keys, id, generation, &attempt).ct_eq(bytes)).then_some(attempt)
}
