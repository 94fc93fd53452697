//! The anchor: a note in the keystore of the last epoch written, which shows that a whole older file was put back.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use subtle::ConstantTimeEq;

use super::schema::{FORMAT, MIN_FORMAT};
use super::state::{STRATEGY, State};
use crate::envelope::{Fields, Keys};
use crate::{Keystore, KeystoreError, VaultError, base32};

/// By how much the anchor may lag before it is remarked on: every commit that the keystore slept through adds one.
const USUAL_LAG: u64 = 64;

/// What is known of the vault outside of its file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Anchor {
    pub(crate) epoch: u64,
    digest: [u8; 16],
    min_format: u32,
    strategy: String,
}

/// Under which name the anchor of a vault is kept.
pub(crate) fn name_of(vault_id: &[u8; 16]) -> String {
    format!("anchor-{}", base32::encode(vault_id))
}

impl Anchor {
    pub(super) fn of(state: &State) -> Self {
        Self::at(STRATEGY, MIN_FORMAT, state.epoch, &state.manifest)
    }

    /// The anchor of a vault of any strategy that stands at this epoch, with this digest of its rows.
    pub(crate) fn at(strategy: &str, min_format: u32, epoch: u64, whole: &[u8; 32]) -> Self {
        let mut digest = [0; 16];
        digest.copy_from_slice(&whole[..16]);
        Self { epoch, digest, min_format, strategy: strategy.to_owned() }
    }

    fn mac(&self, keys: &Keys) -> [u8; 16] {
        let fields = Fields::of("pilotlight/v1/anchor")
            .text(&keys.identity.app)
            .bytes(&keys.identity.vault_id)
            .number(self.epoch)
            .bytes(&self.digest)
            .number(self.min_format.into())
            .text(&self.strategy);
        let mut mac = [0; 16];
        mac.copy_from_slice(&keys.mac(&fields)[..16]);
        mac
    }

    /// `pa1.<epoch>.<digest>.<oldest format>.<strategy>.<MAC>`
    pub(crate) fn to_text(&self, keys: &Keys) -> String {
        let (digest, mac) = (URL_SAFE_NO_PAD.encode(self.digest), URL_SAFE_NO_PAD.encode(self.mac(keys)));
        format!("pa1.{}.{digest}.{}.{}.{mac}", self.epoch, self.min_format, self.strategy)
    }

    /// Reads [`Self::to_text`]; `None` where its MAC is not of this vault.
    pub(crate) fn parse(text: &str, keys: &Keys) -> Option<Self> {
        let parts: Vec<&str> = text.split('.').take(7).collect();
        let [mark, epoch, digest, min_format, strategy, mac] = parts[..] else { return None };
        let anchor = Self {
            epoch: epoch.parse().ok()?,
            digest: URL_SAFE_NO_PAD.decode(digest).ok()?.try_into().ok()?,
            min_format: min_format.parse().ok()?,
            strategy: strategy.to_owned(),
        };
        let mac = URL_SAFE_NO_PAD.decode(mac).ok()?;
        (mark == "pa1" && bool::from(anchor.mac(keys)[..].ct_eq(&mac[..]))).then_some(anchor)
    }

    /// The furthest anchor that the keystore has of this vault. Entries with another MAC are nobody's.
    pub(crate) fn read(keystore: &dyn Keystore, keys: &Keys) -> Result<Option<Self>, KeystoreError> {
        let texts = keystore.read_all(&name_of(&keys.identity.vault_id))?;
        Ok(texts.iter().filter_map(|text| Self::parse(text, keys)).max_by_key(|anchor| anchor.epoch))
    }

    /// Writes this anchor unless a later one is there: two processes may write in any order, and a lag is harmless
    /// where a step back would not be noticed.
    pub(crate) fn write_forward(&self, keystore: &dyn Keystore, keys: &Keys) -> Result<(), KeystoreError> {
        if Self::read(keystore, keys)?.is_some_and(|kept| kept.epoch >= self.epoch) {
            return Ok(());
        }
        keystore.write(&name_of(&keys.identity.vault_id), &self.to_text(keys))
    }
}

/// Compares a vault with its anchor, which must have been read *before* the vault's state: another process may write
/// both in between, and the vault goes first.
///
/// Says whether the anchor is to be written anew.
pub(super) fn check(state: &State, anchor: Option<&Anchor>) -> Result<bool, VaultError> {
    compare(&Anchor::of(state), FORMAT, anchor)
}

/// As [`check`], for a vault that stands at `now`, by code that writes `format`.
pub(crate) fn compare(now: &Anchor, format: u32, anchor: Option<&Anchor>) -> Result<bool, VaultError> {
    let Some(anchor) = anchor else {
        tracing::warn!("the vault's anchor is missing from the keystore; an older copy would not have been noticed");
        return Ok(true);
    };
    if anchor.min_format > format {
        return Err(VaultError::NewerFormat(anchor.min_format));
    }
    if anchor.strategy != now.strategy {
        return Err(VaultError::Damaged(format!("its grants were moved to the strategy {}", anchor.strategy)));
    }
    if now.epoch < anchor.epoch || (now.epoch == anchor.epoch && now.digest != anchor.digest) {
        return Err(VaultError::RolledBack { found: now.epoch, expected: anchor.epoch });
    }
    let lag = now.epoch - anchor.epoch;
    if lag > USUAL_LAG {
        tracing::warn!(lag, "the keystore has long not taken the vault's anchor");
    }
    Ok(lag > 0)
}

#[cfg(test)]
mod tests {
    use super::{Anchor, check, name_of};
    use crate::VaultError;
    use crate::envelope::{Identity, Keys};
    use crate::keystore::{Keystore, MemoryKeystore};
    use crate::sqlite::state::State;
    use proptest::prelude::*;

    fn keys() -> Keys {
        Keys::make(Identity { app: "test".to_owned(), vault_id: [1; 16] }, 1).unwrap()
    }

    fn state(epoch: u64) -> State {
        State { epoch, manifest: [9; 32] }
    }

    #[test]
    fn only_a_vaults_own_anchor_is_read() {
        let (ours, other) = (keys(), keys());
        let anchor = Anchor::of(&state(5));
        let text = anchor.to_text(&ours);
        assert_eq!(Anchor::parse(&text, &ours), Some(anchor));
        assert_eq!(Anchor::parse(&text, &other), None);
        for (from, to) in [("pa1.5.", "pa1.6."), ("pa1", "pa2"), ("sqlite-aead", "plain"), (".1.", ".0.")] {
            assert_ne!(text.replace(from, to), text);
            assert_eq!(Anchor::parse(&text.replace(from, to), &ours), None, "{to}");
        }
    }

    #[test]
    fn an_anchor_never_moves_back() {
        let (keys, keystore) = (keys(), MemoryKeystore::default());
        for (written, kept) in [(5, 5), (7, 7), (6, 7), (7, 7), (8, 8)] {
            Anchor::of(&state(written)).write_forward(&keystore, &keys).unwrap();
            assert_eq!(Anchor::read(&keystore, &keys).unwrap().unwrap().epoch, kept);
        }
    }

    #[test]
    fn the_furthest_of_several_anchors_counts_and_garbage_does_not() {
        let (keys, keystore) = (keys(), MemoryKeystore::default());
        let name = name_of(&[1; 16]);
        keystore.plant(&name, "garbage");
        assert_eq!(Anchor::read(&keystore, &keys), Ok(None));
        keystore.plant(&name, &Anchor::of(&state(4)).to_text(&keys));
        keystore.plant(&name, &Anchor::of(&state(3)).to_text(&keys));
        assert_eq!(Anchor::read(&keystore, &keys).unwrap().unwrap().epoch, 4);
    }

    #[test]
    fn a_vault_ahead_of_its_anchor_opens_and_one_behind_does_not() {
        let anchor = Anchor::of(&state(10));
        assert!(!check(&state(10), Some(&anchor)).unwrap());
        assert!(check(&state(11), Some(&anchor)).unwrap());
        assert!(check(&state(10_000), Some(&anchor)).unwrap(), "a lagging anchor locks nobody out");
        assert!(check(&state(1), None).unwrap());
        assert!(matches!(check(&state(9), Some(&anchor)), Err(VaultError::RolledBack { found: 9, expected: 10 })));
        let other = State { epoch: 10, manifest: [8; 32] };
        assert!(matches!(check(&other, Some(&anchor)), Err(VaultError::RolledBack { found: 10, expected: 10 })));
    }

    #[test]
    fn another_strategy_or_a_later_format_is_refused() {
        let moved = Anchor { strategy: "passphrase".to_owned(), ..Anchor::of(&state(1)) };
        assert!(matches!(check(&state(1), Some(&moved)), Err(VaultError::Damaged(_))));
        let newer = Anchor { min_format: 2, ..Anchor::of(&state(1)) };
        assert!(matches!(check(&state(1), Some(&newer)), Err(VaultError::NewerFormat(2))));
    }

    #[test]
    fn the_anchors_name_has_no_character_that_a_keystore_divides_names_by() {
        let keystore = MemoryKeystore::default();
        Anchor::of(&state(1)).write_forward(&keystore, &keys()).unwrap();
        assert!(keystore.names().iter().all(|name| !name.contains(['.', '@', '/'])));
        assert!(keystore.read(&name_of(&[1; 16])).unwrap().is_some());
    }

    proptest! {
        #[test]
        fn any_text_can_be_read(text in ".{0,200}") {
            prop_assert_eq!(Anchor::parse(&text, &keys()), None);
        }
    }
}
