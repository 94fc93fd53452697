//! The server's own keys: those of its MACs and those of its signatures, each with its successors. They stand in a file of
//! their own ([`KeySource`]), never in the store, so that a copy of the store is no copy of everybody's tokens.
//!
//! ```text
//!            announced          active                    superseded
//!  rotate ────────────▶ active_from ───────▶ the next one's active_from ───────▶ no token of it is left
//!            (known to every process and in the JWKS before its first token; verified until the last one is over)
//! ```
//! Which key makes a token follows from an instant that every process knows alike. So a repeat gets the very same refresh
//! token, also from another process and also across a change of keys.

mod file;
mod live;

use std::fmt;
use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use pilotlight_oauth::Timestamp;
use serde_json::{Value, json};
use sha2::Sha256;
use zeroize::Zeroizing;

pub use file::{KeySource, KeysError, NewSigningKey, rotate_keys};
pub(crate) use live::LiveKeys;

use crate::signer::{Signer, SigningAlgorithm};
use crate::system::{NoEntropy, make_random};

/// How long a signing key stays in the JWKS at least, after the next one took over: access tokens may have been longer
/// lived before the server was last started.
const LEAST_JWKS: Duration = Duration::from_secs(24 * 3600);

/// The keys of a store of format 1, which had them beside the data.
pub struct OldKeys {
    /// The key of every MAC.
    pub mac: Zeroizing<[u8; 32]>,
    /// The ES256 signing key, PKCS #8.
    pub signing: Zeroizing<Vec<u8>>,
}

impl fmt::Debug for OldKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OldKeys(redacted)")
    }
}

/// What a store may know of a MAC key: enough to notice that another one is in use. Not secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyName {
    /// Counted from 1.
    pub version: u16,
    /// A MAC of nothing under the key.
    pub fingerprint: [u8; 16],
}

impl KeyName {
    /// What a store notes when a server comes with keys of these names; `None` where they are not the store's, or a copy
    /// from before it saw a newer one. With those the server would refuse genuine tokens, and sign people out.
    #[must_use]
    pub fn admit(newest_seen: Option<Self>, ours: &[Self]) -> Option<Self> {
        let known = newest_seen.is_none_or(|seen| ours.contains(&seen));
        ours.iter().copied().max_by_key(|name| name.version).filter(|_| known)
    }
}

/// The key of refresh tokens, of pages' tickets, and of nothing that leaves the server.
pub(crate) struct MacKey(Zeroizing<[u8; 32]>);

impl MacKey {
    pub(crate) fn new(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// A MAC under this key, for one purpose: the label keeps one kind of token from passing for another.
    pub(crate) fn mac(&self, label: &'static [u8]) -> Hmac<Sha256> {
        // HMAC's own padding (RFC 2104 section 2), written out, so that there is no length that could be wrong.
        let mut block = Zeroizing::new([0; 64]);
        block[..32].copy_from_slice(&*self.0);
        let mut mac = <Hmac<Sha256> as KeyInit>::new((&*block).into());
        mac.update(label);
        mac
    }
}

impl MacKey {
    /// What this version seals with.
    pub(crate) fn seal_key(&self) -> SealKey {
        let mut key = Zeroizing::new([0; 32]);
        key.copy_from_slice(&self.mac(b"pilotlight seal key v1").finalize().into_bytes());
        key
    }
}

/// One version of the MAC key.
pub(crate) struct VersionedMac {
    pub(crate) version: u16,
    pub(crate) active_from: Timestamp,
    pub(crate) key: MacKey,
}

impl VersionedMac {
    fn name(&self) -> KeyName {
        let mut fingerprint = [0; 16];
        fingerprint.copy_from_slice(&self.key.mac(b"pilotlight key name v1").finalize().into_bytes()[..16]);
        KeyName { version: self.version, fingerprint }
    }
}

/// One signing key.
pub(crate) struct VersionedSigner {
    pub(crate) active_from: Timestamp,
    pub(crate) signer: Signer,
}

/// All keys, as one reading of the file gave them: at least one of each kind, the oldest first.
pub(crate) struct KeySet {
    macs: Vec<VersionedMac>,
    signers: Vec<VersionedSigner>,
    /// The names of MAC keys that leaked.
    dropped: Vec<KeyName>,
    /// What MAC keys that are gone sealed with.
    seals: Vec<(u16, SealKey)>,
}

/// The key of what the store keeps sealed. It follows from a MAC key, and outlives it: what it sealed is a person's, and
/// cannot be made anew.
pub(crate) type SealKey = Zeroizing<[u8; 32]>;

impl KeySet {
    /// `None` where one kind is missing or not in order.
    pub(crate) fn new(macs: Vec<VersionedMac>, signers: Vec<VersionedSigner>, dropped: Vec<KeyName>) -> Option<Self> {
        let in_order = macs.is_sorted_by(|a, b| a.version < b.version && a.active_from <= b.active_from)
            && signers.is_sorted_by_key(|signer| signer.active_from);
        (in_order && !macs.is_empty() && !signers.is_empty()).then_some(Self {
            macs,
            signers,
            dropped,
            seals: Vec::new(),
        })
    }

    /// For tests of MACs.
    #[cfg(test)]
    pub(crate) fn of_macs(macs: Vec<VersionedMac>) -> Self {
        let alg = SigningAlgorithm::Es256;
        let signer = Signer::new(alg, &crate::signer::make_signing_key(alg).unwrap().unwrap()).unwrap();
        Self::new(macs, vec![VersionedSigner { active_from: Timestamp::from_secs(0), signer }], Vec::new()).unwrap()
    }

    /// The key that made what was made at `then`.
    pub(crate) fn mac_at(&self, then: Timestamp) -> &VersionedMac {
        let active = self.macs.iter().rev().find(|mac| mac.active_from <= then);
        active.unwrap_or(&self.macs[0])
    }

    /// The key of that version.
    pub(crate) fn mac_of(&self, version: u16) -> Option<&VersionedMac> {
        self.macs.iter().find(|mac| mac.version == version)
    }

    /// All of them, the newest first.
    pub(crate) fn macs(&self) -> impl Iterator<Item = &VersionedMac> {
        self.macs.iter().rev()
    }

    /// Whether a key of that version may be one that this process has not read yet.
    pub(crate) fn may_come(&self, version: u16) -> bool {
        self.macs.last().is_some_and(|newest| version > newest.version)
    }

    /// With the seal keys of MAC keys that are gone.
    pub(crate) fn with_seals(self, seals: Vec<(u16, SealKey)>) -> Self {
        Self { seals, ..self }
    }

    /// The key that seals at `now`, and its version.
    pub(crate) fn seal_at(&self, now: Timestamp) -> (u16, SealKey) {
        let mac = self.mac_at(now);
        (mac.version, mac.key.seal_key())
    }

    /// The seal key of that version.
    pub(crate) fn seal_of(&self, version: u16) -> Option<SealKey> {
        let gone = || self.seals.iter().find(|(known, _)| *known == version).map(|(_, key)| key.clone());
        self.mac_of(version).map(|mac| mac.key.seal_key()).or_else(gone)
    }

    /// Of all MAC keys, those that leaked included.
    pub(crate) fn names(&self) -> Vec<KeyName> {
        self.dropped.iter().copied().chain(self.macs.iter().map(VersionedMac::name)).collect()
    }

    /// The key that signs at `now`.
    pub(crate) fn signer_at(&self, now: Timestamp) -> &Signer {
        let active = self.signers.iter().rev().find(|signer| signer.active_from <= now);
        &active.unwrap_or(&self.signers[0]).signer
    }

    /// The key with that `kid`, however old.
    pub(crate) fn signer_of(&self, kid: &str) -> Option<&Signer> {
        self.signers.iter().map(|versioned| &versioned.signer).find(|signer| signer.kid() == kid)
    }

    pub(crate) fn same_signers(&self, other: &Self) -> bool {
        let kids =
            |set: &Self| set.signers.iter().map(|versioned| versioned.signer.kid().to_owned()).collect::<Vec<_>>();
        kids(self) == kids(other)
    }

    /// The public keys as a JWK set, RFC 7517 section 5: those announced, the one that signs, and those before it until
    /// every token is over that they signed, of which none lived longer than `longest`.
    pub(crate) fn jwks(&self, now: Timestamp, longest: Duration) -> Value {
        json!({"keys": self.shown(now, longest).map(Signer::jwk).collect::<Vec<_>>()})
    }

    /// The algorithms of those keys, each once.
    pub(crate) fn algorithms(&self, now: Timestamp, longest: Duration) -> Vec<&'static str> {
        let mut algorithms = Vec::new();
        for alg in self.shown(now, longest).map(|signer| signer.alg().as_str()) {
            if !algorithms.contains(&alg) {
                algorithms.push(alg);
            }
        }
        algorithms
    }

    fn shown(&self, now: Timestamp, longest: Duration) -> impl Iterator<Item = &Signer> {
        let successors = self.signers.iter().skip(1).map(|next| Some(next.active_from)).chain([None]);
        let needed =
            move |until: Option<Timestamp>| until.is_none_or(|until| now < until.plus(longest.max(LEAST_JWKS)));
        let shown = self.signers.iter().zip(successors).filter(move |(_, superseded)| needed(*superseded));
        shown.map(|(versioned, _)| &versioned.signer)
    }

    /// What the newest key signs with, also before its time has come.
    pub(crate) fn newest_algorithm(&self) -> Option<SigningAlgorithm> {
        self.signers.last().map(|newest| newest.signer.alg())
    }
}

fn make_mac_key() -> Result<Zeroizing<[u8; 32]>, NoEntropy> {
    Ok(Zeroizing::new(make_random()?))
}
