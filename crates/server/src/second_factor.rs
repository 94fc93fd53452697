//! The second factor of a person: the secret of an authenticator app, and recovery codes for the day it is lost.
//!
//! Both stand in the store sealed by AES-256-GCM, under a key that follows from the server's key file, and bound to the person:
//! whoever steals the store can make no code, and whoever can write to it cannot give one person's factor to another.

use pilotlight_oauth::Timestamp;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::keys::KeySet;
use crate::store::User;
use crate::system::{NoEntropy, make_random};
use crate::totp;

const LABEL: &[u8] = b"pilotlight second factor v1";
/// How many recovery codes a person gets.
const RECOVERY_CODES: usize = 10;
/// Letters and digits without look-alikes: ten of thirty are 2⁴⁹ codes, of which five may be tried in a quarter of an hour.
const ALPHABET: &[u8; 30] = b"ABCDEFGHJKMNPQRSTVWXYZ23456789";
const RECOVERY_LENGTH: usize = 10;
const HASH: usize = 16;

/// A second factor, open.
pub(crate) struct SecondFactor {
    pub(crate) secret: Zeroizing<[u8; totp::SECRET]>,
    /// Halves of SHA-256 of the recovery codes that are left.
    recovery: Vec<[u8; HASH]>,
}

/// The store's sealed second factor cannot be opened: by none of the keys, or it is another person's.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("a person's second factor cannot be opened with the server's keys")]
pub(crate) struct Unopened;

impl SecondFactor {
    /// Of a secret that the person's app has, and new recovery codes, which are told this once.
    pub(crate) fn new(secret: Zeroizing<[u8; totp::SECRET]>) -> Result<(Self, Vec<String>), NoEntropy> {
        let codes = (0..RECOVERY_CODES).map(|_| make_recovery_code()).collect::<Result<Vec<_>, _>>()?;
        let recovery = codes.iter().filter_map(|code| hash_recovery_code(code)).collect();
        Ok((Self { secret, recovery }, codes))
    }

    pub(crate) fn recovery_codes_left(&self) -> usize {
        self.recovery.len()
    }

    /// The person with this second factor, sealed with the key of `now`.
    pub(crate) fn seal_into(&self, user: &User, keys: &KeySet, now: Timestamp) -> Result<User, NoEntropy> {
        let (version, key) = keys.seal_at(now);
        let nonce: [u8; NONCE_LEN] = make_random()?;
        let mut text = Zeroizing::new(self.secret.to_vec());
        text.extend(self.recovery.iter().flatten());
        let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &*key).map_err(|_| NoEntropy)?);
        let (nonce, aad) = (Nonce::assume_unique_for_key(nonce), aad(&user.subject));
        let mut sealed = [&version.to_be_bytes()[..], nonce.as_ref()].concat();
        let tag = key.seal_in_place_separate_tag(nonce, aad, &mut text).map_err(|_| NoEntropy)?;
        sealed.extend_from_slice(&text);
        sealed.extend_from_slice(tag.as_ref());
        Ok(User { totp: Some(sealed), ..user.clone() })
    }

    /// The person's, if they have one.
    pub(crate) fn of(user: &User, keys: &KeySet) -> Result<Option<Self>, Unopened> {
        user.totp.as_deref().map(|sealed| open(sealed, &user.subject, keys).ok_or(Unopened)).transpose()
    }

    /// The person after this code, if it is a right one: a code of the app counts once, and so does a recovery code.
    pub(crate) fn take(
        mut self,
        user: &User,
        typed: &str,
        keys: &KeySet,
        now: Timestamp,
    ) -> Result<Option<User>, NoEntropy> {
        if let Some(step) = totp::verify(&self.secret, typed, now, user.totp_last_step) {
            let after = self.seal_into(user, keys, now)?;
            return Ok(Some(User { totp_last_step: Some(step), ..after }));
        }
        let Some(hash) = hash_recovery_code(typed) else { return Ok(None) };
        let Some(at) = self.recovery.iter().position(|known| known.ct_eq(&hash).into()) else { return Ok(None) };
        self.recovery.remove(at);
        self.seal_into(user, keys, now).map(Some)
    }
}

fn aad(subject: &str) -> Aad<Vec<u8>> {
    Aad::from([LABEL, subject.as_bytes()].concat())
}

fn open(sealed: &[u8], subject: &str, keys: &KeySet) -> Option<SecondFactor> {
    let (version, rest) = sealed.split_first_chunk::<2>()?;
    let (nonce, text) = rest.split_first_chunk::<NONCE_LEN>()?;
    let key = keys.seal_of(u16::from_be_bytes(*version))?;
    let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &*key).ok()?);
    let mut text = Zeroizing::new(text.to_vec());
    let plain = key.open_in_place(Nonce::assume_unique_for_key(*nonce), aad(subject), &mut text).ok()?;
    let (secret, hashes) = plain.split_first_chunk::<{ totp::SECRET }>()?;
    let hashes = hashes.chunks(HASH).map(|hash| hash.try_into().ok());
    Some(SecondFactor { secret: Zeroizing::new(*secret), recovery: hashes.collect::<Option<_>>()? })
}

fn make_recovery_code() -> Result<String, NoEntropy> {
    let mut letters = String::with_capacity(RECOVERY_LENGTH);
    while letters.len() < RECOVERY_LENGTH {
        // 240 is a multiple of 30: bytes above it would make some letters more likely.
        let even = make_random::<16>()?.into_iter().filter(|byte| *byte < 240);
        let even = even.map(|byte| char::from(ALPHABET[usize::from(byte) % ALPHABET.len()]));
        letters.extend(even.take(RECOVERY_LENGTH - letters.len()));
    }
    Ok(format!("{}-{}", &letters[..RECOVERY_LENGTH / 2], &letters[RECOVERY_LENGTH / 2..]))
}

/// As people type it: in any case, with or without the dash. `None` for what cannot be one.
fn hash_recovery_code(typed: &str) -> Option<[u8; HASH]> {
    let letters = typed.chars().filter(|c| !c.is_whitespace() && *c != '-').map(|c| c.to_ascii_uppercase());
    let code: String = letters.take(RECOVERY_LENGTH + 1).collect();
    let whole = code.len() == RECOVERY_LENGTH && code.bytes().all(|byte| ALPHABET.contains(&byte));
    let digest: [u8; 32] = Sha256::digest(&code).into();
    whole.then(|| digest.first_chunk().copied()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::{MacKey, VersionedMac};

    const NOW: Timestamp = Timestamp::from_secs(59);

    fn keys(byte: u8) -> KeySet {
        let key = MacKey::new([byte; 32]);
        KeySet::of_macs(vec![VersionedMac { version: 1, active_from: Timestamp::from_secs(0), key }])
    }

    fn ada() -> User {
        User::new("a".repeat(32), "ada".to_owned(), String::new())
    }

    fn with_factor() -> (User, Vec<String>) {
        let (factor, codes) = SecondFactor::new(Zeroizing::new(*b"12345678901234567890")).unwrap();
        (factor.seal_into(&ada(), &keys(1), NOW).unwrap(), codes)
    }

    fn take(user: &User, typed: &str) -> Option<User> {
        SecondFactor::of(user, &keys(1)).unwrap().unwrap().take(user, typed, &keys(1), NOW).unwrap()
    }

    #[test]
    fn a_code_of_the_app_counts_once() {
        let (user, _) = with_factor();
        // RFC 6238 appendix B, the last six digits.
        let after = take(&user, "287082").unwrap();
        assert_eq!(after.totp_last_step, Some(1));
        assert_eq!(take(&after, "287082"), None);
        assert_eq!(take(&user, "287083"), None);
    }

    #[test]
    fn a_recovery_code_counts_once_in_any_case_and_without_its_dash() {
        let (user, codes) = with_factor();
        assert_eq!(codes.len(), RECOVERY_CODES);
        let after = take(&user, &format!(" {} ", codes[3].to_lowercase().replace('-', ""))).unwrap();
        let left = SecondFactor::of(&after, &keys(1)).unwrap().unwrap().recovery_codes_left();
        assert_eq!(left, RECOVERY_CODES - 1);
        assert_eq!(take(&after, &codes[3]), None);
        assert!(take(&after, &codes[4]).is_some());
        for wrong in ["", "AAAAA-AAAAA", "ABCDE", &"B".repeat(100_000)] {
            assert_eq!(take(&user, wrong), None, "{wrong}");
        }
    }

    #[test]
    fn what_was_sealed_opens_for_its_person_and_its_key_alone() {
        let (user, _) = with_factor();
        assert!(SecondFactor::of(&user, &keys(2)).is_err(), "another key");
        let other = User { subject: "b".repeat(32), ..user.clone() };
        assert!(SecondFactor::of(&other, &keys(1)).is_err(), "another person");
        let sealed = user.totp.clone().unwrap();
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            let changed = User { totp: Some(changed), ..user.clone() };
            assert!(SecondFactor::of(&changed, &keys(1)).is_err(), "byte {at}");
            let cut = User { totp: Some(sealed[..at].to_vec()), ..user.clone() };
            assert!(SecondFactor::of(&cut, &keys(1)).is_err(), "cut at {at}");
        }
        assert!(!sealed.windows(20).any(|bytes| bytes == b"12345678901234567890"));
    }

    #[test]
    fn what_a_key_sealed_opens_after_the_key_is_gone() {
        let (user, _) = with_factor();
        let old = keys(1).seal_of(1).unwrap();
        let key = MacKey::new([2; 32]);
        let newer = VersionedMac { version: 2, active_from: Timestamp::from_secs(0), key };
        let after = KeySet::of_macs(vec![newer]).with_seals(vec![(1, old)]);
        assert!(SecondFactor::of(&user, &after).unwrap().is_some());
        let resealed = SecondFactor::of(&user, &after).unwrap().unwrap().seal_into(&user, &after, NOW).unwrap();
        assert_eq!(resealed.totp.unwrap()[..2], [0, 2], "sealed anew with the newer key");
    }
}
