//! What the pages carry from one step to the next, in a hidden field or an address, under a MAC: nothing of it is kept here.
//!
//! The MAC binds a ticket to a cookie of the same browser, so that nobody can have somebody else post a form of theirs (RFC
//! 6749 section 10.12), and so that an address with a ticket is of no use elsewhere.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac};
use pilotlight_oauth::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::grant::Thumbprint;
use crate::keys::{KeySet, MacKey};

/// For steps of a way that a person goes without a stop.
const SHORT: Duration = Duration::from_secs(10 * 60);
/// For a page that a person may leave open.
const LONG: Duration = Duration::from_secs(2 * 3600);

/// A checked authorization request, RFC 6749 section 4.1.1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Asked {
    pub(crate) client: String,
    pub(crate) redirect_uri: String,
    pub(crate) state: Option<String>,
    pub(crate) scope: String,
    pub(crate) challenge: String,
    pub(crate) nonce: Option<String>,
    /// The person has to have shown since then who they are (`prompt=login`, `max_age`).
    pub(crate) since: Option<Timestamp>,
    /// The person has to be asked, even if they said yes before (`prompt=consent`).
    pub(crate) ask: bool,
    /// The person it has to be (`id_token_hint`).
    pub(crate) subject: Option<String>,
    /// Whom the client expects (`login_hint`).
    pub(crate) hint: Option<String>,
    pub(crate) resources: Vec<String>,
    /// `dpop_jkt`.
    pub(crate) bound_to: Option<Thumbprint>,
}

/// What a person signs in for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Goal {
    Authorize(Box<Asked>),
    /// With the code that a device shows, if the address had it.
    Device(Option<String>),
    Account,
}

/// A sign-in under way, and whose password was right, where the second factor is still to come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SigningIn {
    pub(crate) goal: Goal,
    pub(crate) passed: Option<String>,
}

/// A request that the person of a session is asked about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Consenting {
    pub(crate) asked: Asked,
    pub(crate) session: String,
}

/// The page where the person of a session types the code of a device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TypingCode {
    pub(crate) session: String,
}

/// The code of a device that waits, which the person of a session is asked about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DeviceAsked {
    pub(crate) user_code: String,
    pub(crate) session: String,
}

/// The account pages of a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct OwnAccount {
    pub(crate) session: String,
}

/// A new second factor, which counts once the person's app shows a code of it.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct NewSecret {
    pub(crate) session: String,
    pub(crate) secret: Zeroizing<[u8; crate::totp::SECRET]>,
}

/// A sign-out that the person is asked about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SigningOut {
    pub(crate) session: Option<String>,
    /// The grant of a client that ends with it.
    pub(crate) grant: Option<String>,
    pub(crate) return_to: Option<String>,
}

/// What a page may be about. A ticket for one kind opens no other.
pub(crate) trait Asking: Serialize + DeserializeOwned {
    /// Parts the MACs of one kind from those of the others.
    const LABEL: &'static [u8];
    const LIFE: Duration = SHORT;
}

impl Asking for Asked {
    const LABEL: &'static [u8] = b"pilotlight ticket v2";
}

impl Asking for SigningIn {
    const LABEL: &'static [u8] = b"pilotlight sign-in ticket v1";
}

impl Asking for Consenting {
    const LABEL: &'static [u8] = b"pilotlight consent ticket v1";
}

impl Asking for TypingCode {
    const LABEL: &'static [u8] = b"pilotlight device ticket v2";
}

impl Asking for DeviceAsked {
    const LABEL: &'static [u8] = b"pilotlight device consent ticket v1";
}

impl Asking for OwnAccount {
    const LABEL: &'static [u8] = b"pilotlight account ticket v1";
    const LIFE: Duration = LONG;
}

impl Asking for NewSecret {
    const LABEL: &'static [u8] = b"pilotlight second factor ticket v1";
}

impl Asking for SigningOut {
    const LABEL: &'static [u8] = b"pilotlight sign-out ticket v1";
    const LIFE: Duration = LONG;
}

#[derive(Serialize, Deserialize)]
struct Ticket<T> {
    asked: T,
    expires_at: Timestamp,
}

/// The value of a hidden field, or of `ticket` in an address.
pub(crate) fn seal<T: Asking>(asked: T, keys: &KeySet, cookie: &str, now: Timestamp) -> String {
    let ticket = Ticket { asked, expires_at: now.plus(T::LIFE) };
    // Strings, numbers and nothing else: this cannot fail, and an empty ticket would open nothing.
    let bytes = Zeroizing::new(serde_json::to_vec(&ticket).unwrap_or_default());
    let mac = mac(T::LABEL, &keys.mac_at(now).key, &bytes, cookie).finalize().into_bytes();
    format!("{}.{}", URL_SAFE_NO_PAD.encode(&*bytes), URL_SAFE_NO_PAD.encode(mac))
}

/// What was sealed, if it is ours, of this browser, and in time.
pub(crate) fn open<T: Asking>(sealed: &str, keys: &KeySet, cookie: &str, now: Timestamp) -> Option<T> {
    let (bytes, tag) = sealed.split_once('.')?;
    let bytes = Zeroizing::new(URL_SAFE_NO_PAD.decode(bytes).ok()?);
    let tag = URL_SAFE_NO_PAD.decode(tag).ok()?;
    // The key may have changed since it was sealed.
    keys.macs().find(|known| mac(T::LABEL, &known.key, &bytes, cookie).verify_slice(&tag).is_ok())?;
    let ticket: Ticket<T> = serde_json::from_slice(&bytes).ok()?;
    (now < ticket.expires_at).then_some(ticket.asked)
}

fn mac(label: &'static [u8], key: &MacKey, bytes: &[u8], cookie: &str) -> Hmac<Sha256> {
    let mut mac = key.mac(label);
    // Its length first, so that no byte can move from one to the other.
    mac.update(&u64::try_from(cookie.len()).unwrap_or(u64::MAX).to_be_bytes());
    mac.update(cookie.as_bytes());
    mac.update(bytes);
    mac
}
