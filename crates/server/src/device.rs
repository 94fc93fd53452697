//! Sign-in on another device, RFC 8628: a television shows a short code, and a person types it elsewhere. The rule, pure.
//!
//! The device's own code has the user's code in front, so that a request is one record under one name whichever of the two
//! comes, and a store needs no second way to it. Of both only hashes are kept.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use pilotlight_oauth::{Scope, Timestamp};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::grant::{Grant, GrantId, Thumbprint, covers};
use crate::methods::Methods;
use crate::origin::Origin;
use crate::system::{NoEntropy, make_random};

/// `grant_type` of the device at the token endpoint, RFC 8628 section 3.4.
pub(crate) const DEVICE_GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";
/// How long a person has to find the page and sign in.
pub(crate) const LIFE: Duration = Duration::from_secs(10 * 60);
/// How long a device waits between two questions at first, in seconds (RFC 8628 section 3.2).
pub(crate) const INTERVAL: u32 = 5;
/// By how much it waits longer each time it asked too soon, in seconds (RFC 8628 section 3.5).
const SLOWER: u32 = 5;
/// How far before its time a question is still in time: clocks and networks tremble.
const TOLERANCE: Duration = Duration::from_millis(500);

/// Consonants without look-alikes, and without vowels, which could make a word (RFC 8628 section 6.1).
const ALPHABET: &[u8; 20] = b"BCDFGHJKLMNPQRSTVWXZ";
/// 20⁸ codes are 2³⁴; guesses are limited, and need an account.
const USER_CODE: usize = 8;
const PREFIX: &str = "pldc_";

/// The request of a device that waits for a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// SHA-256 of the user's code: the name of the request.
    pub name: [u8; 32],
    /// SHA-256 of the device's code.
    pub hash: [u8; 32],
    /// The client that asks.
    pub client: String,
    /// What it asks for.
    pub scope: Scope,
    /// The resource servers that it asks for; see [`Grant::resources`].
    pub resources: Vec<String>,
    /// Where it is.
    pub device: Origin,
    /// The end of both codes.
    pub expires_at: Timestamp,
    /// How long the device has to wait between two questions, in seconds.
    pub interval: u32,
    /// When it asked last.
    pub polled_at: Option<Timestamp>,
    /// What came of it so far.
    pub state: DeviceState,
}

/// How far a device's request is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeviceState {
    /// Nobody has answered.
    Pending,
    /// Somebody said yes.
    Allowed(Allowed),
    /// Somebody said no.
    Denied,
    /// The device has its tokens.
    Spent(GrantId),
}

/// Who said yes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allowed {
    /// Their `sub`.
    pub subject: String,
    /// When they had signed in.
    pub at: Timestamp,
    /// How they had.
    pub methods: Methods,
}

/// A device asks whether somebody has answered.
#[derive(Debug, Clone)]
pub struct Poll {
    /// SHA-256 of the user's code in the device's code.
    pub name: [u8; 32],
    /// SHA-256 of the device's code.
    pub hash: [u8; 32],
    /// The client that asks.
    pub client: String,
    /// The resources asked for; none asks for all of them.
    pub resources: Vec<String>,
    /// The key that the request proves to have (RFC 9449).
    pub proven: Option<Thumbprint>,
    /// Whether the grant is bound to that key.
    pub binds: bool,
    /// The name of the grant, if it comes to one.
    pub new_grant: GrantId,
    /// The absolute end of the grant.
    pub ends_at: Option<Timestamp>,
    /// How often the grant may be refreshed.
    pub uses: Option<u32>,
    /// When it asks.
    pub now: Timestamp,
}

/// What came of a [`Poll`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Polled {
    /// The new grant, and how its person had signed in.
    Granted(Box<Grant>, Methods),
    /// Nobody has answered.
    Pending,
    /// The same, and it was asked too soon.
    TooSoon,
    /// Somebody said no.
    Denied,
    /// Too late.
    Expired,
    /// Presented before. The grant it gave has been revoked by this very step.
    Again(GrantId),
    /// No such code, or another client's.
    Unknown,
    /// A resource that it did not ask for at first. Nothing is spent.
    WrongTarget,
}

/// What a person said to a device's request.
#[derive(Debug, Clone)]
pub struct Decision {
    /// SHA-256 of the user's code.
    pub name: [u8; 32],
    /// Who said yes; `None`: no.
    pub allowed_by: Option<Allowed>,
    /// When.
    pub now: Timestamp,
}

impl DeviceState {
    /// From what stores keep in columns of their own.
    pub(crate) fn from_parts(denied: bool, allowed: Option<(String, Timestamp)>, spent: Option<GrantId>) -> Self {
        match (spent, allowed) {
            (Some(grant), _) => Self::Spent(grant),
            (None, Some((marked, at))) => {
                let (methods, subject) = Methods::unmark(&marked);
                Self::Allowed(Allowed { subject: subject.to_owned(), at, methods })
            }
            (None, None) if denied => Self::Denied,
            (None, None) => Self::Pending,
        }
    }

    /// As stores keep it: the person, with how they signed in behind, and when.
    pub(crate) fn allowed(&self) -> Option<(String, Timestamp)> {
        match self {
            Self::Allowed(by) => Some((by.methods.mark(by.subject.clone()), by.at)),
            _ => None,
        }
    }

    pub(crate) fn spent(&self) -> Option<GrantId> {
        match self {
            Self::Spent(grant) => Some(*grant),
            _ => None,
        }
    }
}

impl Device {
    /// Applies the rule of RFC 8628 section 3.5. A store calls it inside its atomic step, writes `self` back, and keeps or
    /// revokes the grant named.
    pub fn poll(&mut self, poll: &Poll) -> Polled {
        let same = bool::from(self.hash.ct_eq(&poll.hash)) && self.client == poll.client;
        if !same {
            return Polled::Unknown;
        }
        if let DeviceState::Spent(grant) = self.state {
            return Polled::Again(grant);
        }
        if poll.now >= self.expires_at {
            return Polled::Expired;
        }
        if !covers(&self.resources, &poll.resources) {
            return Polled::WrongTarget;
        }
        match self.state.clone() {
            DeviceState::Allowed(Allowed { subject, at: signed_in_at, methods }) => {
                let scope = self.scope.clone();
                let mut grant = Grant::new(poll.new_grant, subject, self.client.clone(), scope, poll.now);
                grant.authenticated_at = signed_in_at;
                grant.resources.clone_from(&self.resources);
                grant.device = self.device.clone();
                grant.bound_to = poll.proven.filter(|_| poll.binds);
                grant.ends_at = poll.ends_at;
                grant.uses = poll.uses;
                self.state = DeviceState::Spent(grant.id);
                Polled::Granted(Box::new(grant), methods)
            }
            DeviceState::Denied => Polled::Denied,
            DeviceState::Pending | DeviceState::Spent(_) => self.wait(poll.now),
        }
    }

    fn wait(&mut self, now: Timestamp) -> Polled {
        let wait = Duration::from_secs(self.interval.into()).saturating_sub(TOLERANCE);
        let too_soon = self.polled_at.is_some_and(|last| now < last.plus(wait));
        self.polled_at = Some(now);
        if !too_soon {
            return Polled::Pending;
        }
        self.interval = self.interval.saturating_add(SLOWER);
        Polled::TooSoon
    }

    /// Notes what a person said, if nobody has said anything yet and there is time. Whether it counted.
    pub fn decide(&mut self, decision: &Decision) -> bool {
        if self.state != DeviceState::Pending || decision.now >= self.expires_at {
            return false;
        }
        self.state = match &decision.allowed_by {
            Some(by) => DeviceState::Allowed(by.clone()),
            None => DeviceState::Denied,
        };
        true
    }
}

/// The codes of a new request: what the person types, and what the device keeps to itself.
pub(crate) fn make_codes() -> Result<(String, String), NoEntropy> {
    let mut user_code = String::with_capacity(USER_CODE);
    while user_code.len() < USER_CODE {
        // 240 is a multiple of 20: bytes above it would make some letters more likely.
        let even = make_random::<16>()?.into_iter().filter(|byte| *byte < 240);
        let letters = even.map(|byte| char::from(ALPHABET[usize::from(byte) % ALPHABET.len()]));
        user_code.extend(letters.take(USER_CODE - user_code.len()));
    }
    let device_code = format!("{PREFIX}{user_code}{}", URL_SAFE_NO_PAD.encode(make_random::<32>()?));
    Ok((user_code, device_code))
}

/// A user's code as people type it: in any case, with or without the dash (RFC 8628 section 6.1).
pub(crate) fn read_user_code(typed: &str) -> Option<String> {
    let letters = typed.chars().filter(|c| !c.is_whitespace() && *c != '-').map(|c| c.to_ascii_uppercase());
    // One more than there may be, so that a long text costs nothing.
    let code: String = letters.take(USER_CODE + 1).collect();
    (code.len() == USER_CODE && code.bytes().all(|byte| ALPHABET.contains(&byte))).then_some(code)
}

/// A user's code as people read it: in two halves.
pub(crate) fn show_user_code(code: &str) -> String {
    match code.split_at_checked(USER_CODE / 2) {
        Some((left, right)) => format!("{left}-{right}"),
        None => code.to_owned(),
    }
}

/// The name of a request.
pub(crate) fn name_of(user_code: &str) -> [u8; 32] {
    Sha256::digest(user_code).into()
}

/// From a device's code: the name of the request, and the hash of the code.
pub(crate) fn read_device_code(code: &str) -> Option<([u8; 32], [u8; 32])> {
    let user_code = code.strip_prefix(PREFIX)?.get(..USER_CODE)?;
    Some((name_of(user_code), Sha256::digest(code).into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc8628_section_6_1_a_user_code_has_eight_letters_without_vowels_or_look_alikes() {
        let mut seen = std::collections::HashSet::new();
        for _ in 0..200 {
            let (user_code, device_code) = make_codes().unwrap();
            assert_eq!(read_user_code(&user_code), Some(user_code.clone()));
            assert_eq!(read_device_code(&device_code).unwrap().0, name_of(&user_code));
            assert_eq!(device_code.len(), 5 + 8 + 43, "256 bits beside the user's code");
            seen.extend(user_code.bytes());
        }
        assert_eq!(seen.len(), ALPHABET.len(), "every letter comes up");
    }

    #[test]
    fn rfc8628_section_6_1_case_dash_and_spaces_do_not_matter() {
        for typed in ["WDJBMJHT", "wdjb-mjht", " WDJB MJHT ", "w-d-j-b-m-j-h-t"] {
            assert_eq!(read_user_code(typed).as_deref(), Some("WDJBMJHT"), "{typed}");
        }
        for wrong in ["", "WDJBMJH", "WDJBMJHTT", "WDJBMJHA", "WDJBMJH0", "ẆDJBMJHT", &"B".repeat(100_000)] {
            assert_eq!(read_user_code(wrong), None);
        }
        assert_eq!(show_user_code("WDJBMJHT"), "WDJB-MJHT");
        for wrong in ["", "pldc_", "pldc_WDJB", "pldc_ẆẆẆẆẆẆẆ", "WDJBMJHTxxxxx"] {
            assert!(read_device_code(wrong).is_none_or(|(name, _)| name != name_of("WDJBMJHT")), "{wrong}");
        }
    }
}
