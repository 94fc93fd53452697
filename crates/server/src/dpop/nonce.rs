//! Nonces of ours, RFC 9449 section 8: a MAC of the minute, so that nothing is kept of them, and every process with the
//! same keys knows them.

use axum::http::{HeaderName, HeaderValue};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::Mac;
use pilotlight_oauth::Timestamp;
use subtle::ConstantTimeEq;

use crate::keys::KeySet;

/// The header that brings a nonce, RFC 9449 section 8.1.
pub(crate) const DPOP_NONCE: HeaderName = HeaderName::from_static("dpop-nonce");
/// A nonce is taken in its own minute and in the next one.
const SLOT_SECS: i64 = 60;

/// As it stands in `DPoP-Nonce`: 32 characters of base64url.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Nonce([u8; 32]);

impl Nonce {
    /// The header's value.
    pub(crate) fn header(&self) -> HeaderValue {
        // base64url is always one.
        HeaderValue::from_bytes(&self.0).unwrap_or(HeaderValue::from_static(""))
    }
}

/// The nonce of this minute.
pub(crate) fn make_nonce(keys: &KeySet, now: Timestamp) -> Nonce {
    of_slot(keys, now.as_secs().div_euclid(SLOT_SECS))
}

/// Whether that was made just now.
pub(crate) fn is_nonce(keys: &KeySet, text: &str, now: Timestamp) -> bool {
    let slot = now.as_secs().div_euclid(SLOT_SECS);
    // One ahead, for the clocks of several processes are never quite the same.
    [slot, slot - 1, slot + 1].into_iter().any(|slot| of_slot(keys, slot).0.ct_eq(text.as_bytes()).into())
}

fn of_slot(keys: &KeySet, slot: i64) -> Nonce {
    let since = Timestamp::from_secs(slot.saturating_mul(SLOT_SECS));
    let mut mac = keys.mac_at(since).key.mac(b"pilotlight dpop nonce v1");
    mac.update(&slot.to_be_bytes());
    let mut text = [b'A'; 32];
    // 24 bytes are 32 characters: it always fits.
    let written = URL_SAFE_NO_PAD.encode_slice(&mac.finalize().into_bytes()[..24], &mut text);
    debug_assert_eq!(written, Ok(32), "24 bytes are 32 characters");
    Nonce(text)
}
