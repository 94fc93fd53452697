//! Which `Idempotency-Key` came with which of the last rotations: what tells a late duplicate from a theft.

use sha2::{Digest, Sha256};

/// The first quarter of SHA-256 of an `Idempotency-Key`: enough to recognise it, nothing to steal. Whoever presents a consumed
/// token has one guess at its key, for a wrong one ends the grant.
pub type KeyHash = [u8; 8];

const HASH: usize = size_of::<KeyHash>();
/// Stores from before kept half of it.
const HALF: usize = 16;
const NONE: u8 = 0;
const HALF_HASH: u8 = 1;
const QUARTER_HASH: u8 = 2;

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

    /// As bytes for a store: for each rotation 2 and the hash, or 0.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.0.len() * (1 + HASH));
        for key in &self.0 {
            bytes.push(if key.is_some() { QUARTER_HASH } else { NONE });
            bytes.extend_from_slice(key.as_ref().map_or(&[], <[u8; HASH]>::as_slice));
        }
        bytes
    }

    /// The reverse of [`Self::to_bytes`]; `None` for anything else.
    pub(crate) fn from_bytes(mut bytes: &[u8]) -> Option<Self> {
        let mut keys = Vec::new();
        while let Some((kind, rest)) = bytes.split_first() {
            let length = match *kind {
                NONE => 0,
                HALF_HASH => HALF,
                QUARTER_HASH => HASH,
                _ => return None,
            };
            let (hash, rest) = rest.split_at_checked(length)?;
            keys.push(hash.first_chunk().copied());
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
        for key in [Some([1; 8]), None, Some([3; 8])] {
            keys.push(key, 3);
        }
        assert_eq!([0, 1, 2, 3].map(|later| keys.of_rotation(later)), [Some([3; 8]), None, Some([1; 8]), None]);
        keys.push(None, 3);
        assert_eq!([0, 1, 2, 3].map(|later| keys.of_rotation(later)), [None, Some([3; 8]), None, None]);
    }

    #[test]
    fn of_a_longer_hash_that_an_earlier_version_kept_the_first_part_counts() {
        let mut bytes = vec![HALF_HASH];
        bytes.extend(1..=16);
        assert_eq!(RecentKeys::from_bytes(&bytes), Some(RecentKeys::new(vec![Some([1, 2, 3, 4, 5, 6, 7, 8])])));
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
