//! Which `Idempotency-Key` came with which of the last rotations: what tells a late duplicate from a theft.

use sha2::{Digest, Sha256};

/// The first half of SHA-256 of an `Idempotency-Key`: enough to recognise it, nothing to steal. Whoever presents a consumed
/// token has one guess at its key, for a wrong one ends the grant.
pub type KeyHash = [u8; 16];

const HASH: usize = size_of::<KeyHash>();

/// The hash of a key as it came.
pub(crate) fn hash_key(key: &[u8]) -> KeyHash {
    let mut hash = [0; HASH];
    hash.copy_from_slice(&Sha256::digest(key)[..HASH]);
    hash
}

/// The keys of the last rotations, the newest first; `None` for a rotation without one. A client that sends no keys costs
/// nothing: what is missing at the end is not kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RecentKeys(Vec<Option<KeyHash>>);

impl RecentKeys {
    /// Of these rotations, the newest first.
    #[must_use]
    pub fn new(mut keys: Vec<Option<KeyHash>>) -> Self {
        while keys.last() == Some(&None) {
            keys.pop();
        }
        Self(keys)
    }

    /// The key of the rotation that `later` others have followed; `None` where it had none or is forgotten.
    #[must_use]
    pub fn of_rotation(&self, later: usize) -> Option<KeyHash> {
        self.0.get(later).copied().flatten()
    }

    /// One more rotation; those before the last `most` are forgotten.
    pub(crate) fn push(&mut self, key: Option<KeyHash>, most: usize) {
        let mut keys = std::mem::take(&mut self.0);
        keys.truncate(most.saturating_sub(1));
        keys.insert(0, key);
        *self = Self::new(keys);
    }

    /// As bytes for a store: for each rotation 1 and the hash, or 0.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.0.len() * (1 + HASH));
        for key in &self.0 {
            bytes.push(u8::from(key.is_some()));
            bytes.extend_from_slice(key.as_ref().map_or(&[], <[u8; HASH]>::as_slice));
        }
        bytes
    }

    /// The reverse of [`Self::to_bytes`]; `None` for anything else.
    pub(crate) fn from_bytes(mut bytes: &[u8]) -> Option<Self> {
        let mut keys = Vec::new();
        while let Some((kind, rest)) = bytes.split_first() {
            let (key, rest) = match kind {
                0 => (None, rest),
                1 => {
                    let (key, rest) = rest.split_at_checked(HASH)?;
                    (Some(key.try_into().ok()?), rest)
                }
                _ => return None,
            };
            keys.push(key);
            bytes = rest;
        }
        Some(Self::new(keys))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_oldest_are_forgotten_and_rotations_without_key_keep_their_place() {
        let mut keys = RecentKeys::default();
        for key in [Some([1; 16]), None, Some([3; 16])] {
            keys.push(key, 3);
        }
        assert_eq!([0, 1, 2, 3].map(|later| keys.of_rotation(later)), [Some([3; 16]), None, Some([1; 16]), None]);
        keys.push(None, 3);
        assert_eq!([0, 1, 2, 3].map(|later| keys.of_rotation(later)), [None, Some([3; 16]), None, None]);
    }

    proptest! {
        #[test]
        fn keys_come_back_as_they_were_kept_and_no_bytes_panic(
            keys in prop::collection::vec(prop::option::of(any::<KeyHash>()), 0..9),
            other: Vec<u8>,
        ) {
            let keys = RecentKeys::new(keys);
            prop_assert_eq!(RecentKeys::from_bytes(&keys.to_bytes()), Some(keys));
            if let Some(read) = RecentKeys::from_bytes(&other) {
                prop_assert!(read.to_bytes().len() <= other.len());
            }
        }
    }
}
