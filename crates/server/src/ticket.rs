//! What the sign-in pages carry from one step to the next, in a hidden field, under a MAC: no session is kept here.
//!
//! The MAC binds a ticket to a cookie of the same browser, so that nobody can have somebody else post a form of theirs (RFC
//! 6749 section 10.12). It ends after ten minutes.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac};
use pilotlight_oauth::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use crate::grant::Thumbprint;
use crate::keys::{KeySet, MacKey};

const LIFE: Duration = Duration::from_secs(10 * 60);

/// A checked authorization request, RFC 6749 section 4.1.1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Asked {
    pub(crate) client: String,
    pub(crate) redirect_uri: String,
    pub(crate) state: Option<String>,
    pub(crate) scope: String,
    pub(crate) challenge: String,
    pub(crate) nonce: Option<String>,
    #[serde(default)]
    pub(crate) resources: Vec<String>,
    /// `dpop_jkt`.
    #[serde(default)]
    pub(crate) bound_to: Option<Thumbprint>,
}

/// What a device's page was asked for: the user's code, once a person typed one that waits for an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DeviceAsked {
    pub(crate) user_code: Option<String>,
}

/// What a page may be asked for. A ticket for one kind opens no other.
pub(crate) trait Asking: Serialize + DeserializeOwned {
    /// Parts the MACs of one kind from those of the others.
    const LABEL: &'static [u8];
}

impl Asking for Asked {
    const LABEL: &'static [u8] = b"pilotlight ticket v1";
}

impl Asking for DeviceAsked {
    const LABEL: &'static [u8] = b"pilotlight device ticket v1";
}

/// Who signed in on the page before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SignedIn {
    pub(crate) subject: String,
    pub(crate) at: Timestamp,
}

/// A step of the way: the request, and the person once the password was right.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ticket<T> {
    pub(crate) asked: T,
    pub(crate) signed_in: Option<SignedIn>,
    expires_at: Timestamp,
}

impl<T: Asking> Ticket<T> {
    pub(crate) fn new(asked: T, signed_in: Option<SignedIn>, now: Timestamp) -> Self {
        Self { asked, signed_in, expires_at: now.plus(LIFE) }
    }

    /// The hidden field's value.
    pub(crate) fn seal(&self, keys: &KeySet, cookie: &str, now: Timestamp) -> String {
        // Strings, numbers and nothing else: this cannot fail, and an empty ticket would open nothing.
        let bytes = serde_json::to_vec(self).unwrap_or_default();
        let mac = mac(T::LABEL, &keys.mac_at(now).key, &bytes, cookie).finalize().into_bytes();
        format!("{}.{}", URL_SAFE_NO_PAD.encode(bytes), URL_SAFE_NO_PAD.encode(mac))
    }

    /// The ticket, if it is ours, of this browser, and in time.
    pub(crate) fn open(keys: &KeySet, sealed: &str, cookie: &str, now: Timestamp) -> Option<Self> {
        let (bytes, tag) = sealed.split_once('.')?;
        let bytes = URL_SAFE_NO_PAD.decode(bytes).ok()?;
        let tag = URL_SAFE_NO_PAD.decode(tag).ok()?;
        // The key may have changed since it was sealed.
        keys.macs().find(|known| mac(T::LABEL, &known.key, &bytes, cookie).verify_slice(&tag).is_ok())?;
        let ticket: Self = serde_json::from_slice(&bytes).ok()?;
        (now < ticket.expires_at).then_some(ticket)
    }
}

fn mac(label: &'static [u8], key: &MacKey, bytes: &[u8], cookie: &str) -> Hmac<Sha256> {
    let mut mac = key.mac(label);
    // Its length first, so that no byte can move from one to the other.
    mac.update(&u64::try_from(cookie.len()).unwrap_or(u64::MAX).to_be_bytes());
    mac.update(cookie.as_bytes());
    mac.update(bytes);
    mac
}
