//! Keys from what a person knows: Argon2id (RFC 9106), its parameters bounded, so that a file can neither make the
//! guessing cheap nor the machine run out of memory.

use argon2::{Algorithm, Argon2, Params, Version};
use secrecy::{ExposeSecret, ExposeSecretMut, SecretString};

use crate::envelope::SecretKey;
use crate::{VaultError, random};

/// The least that is accepted from a file: what OWASP calls the minimum, 19 MiB and two passes.
const LEAST_MEMORY_KIB: u32 = 19 * 1024;
const LEAST_PASSES: u32 = 2;
/// The most: a file that asks for more is not one of ours.
const MOST_MEMORY_KIB: u32 = 1024 * 1024;
const MOST_PASSES: u32 = 64;
const MOST_LANES: u32 = 16;

/// How a passphrase becomes a key. Stands beside what the key seals, and in its AAD.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stretching {
    /// Memory in KiB.
    pub(crate) memory_kib: u32,
    /// Passes over it.
    pub(crate) passes: u32,
    /// Lanes.
    pub(crate) lanes: u32,
    /// Random, so that no two vaults share a table of guesses.
    pub(crate) salt: [u8; 16],
}

impl Stretching {
    /// For a new vault: 64 MiB and three passes, RFC 9106's choice where memory is dear (section 4), in one lane.
    pub(crate) fn make() -> Result<Self, VaultError> {
        Ok(Self { memory_kib: 64 * 1024, passes: 3, lanes: 1, salt: random::make()? })
    }

    /// The least that a vault may ask for, so that tests of many vaults do not spend their time here.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn make_cheap() -> Result<Self, VaultError> {
        Ok(Self { memory_kib: LEAST_MEMORY_KIB, passes: LEAST_PASSES, lanes: 1, salt: random::make()? })
    }

    /// Whether a vault may ask for this. [`VaultError::Damaged`] where it is weaker or costlier than any of ours.
    pub(crate) fn checked(self) -> Result<Self, VaultError> {
        let sound = (LEAST_MEMORY_KIB..=MOST_MEMORY_KIB).contains(&self.memory_kib)
            && (LEAST_PASSES..=MOST_PASSES).contains(&self.passes)
            && (1..=MOST_LANES).contains(&self.lanes);
        if sound { Ok(self) } else { Err(VaultError::Damaged("its passphrase settings are out of bounds".to_owned())) }
    }

    /// The key. Takes a good part of a second, and the memory that was asked for.
    pub(crate) fn key(self, passphrase: &SecretString) -> Result<SecretKey, VaultError> {
        let checked = self.checked()?;
        let refused = |_| VaultError::Io("the system has too little memory for the passphrase".to_owned());
        let params = Params::new(checked.memory_kib, checked.passes, checked.lanes, Some(32)).map_err(refused)?;
        let mut key = SecretKey::new(Box::new([0; 32]));
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into(passphrase.expose_secret().as_bytes(), &self.salt, key.expose_secret_mut())
            .map_err(refused)?;
        Ok(key)
    }

    /// All of it, for storing and for the AAD: algorithm, version, memory, passes, lanes, salt; 32 bytes.
    pub(crate) fn to_bytes(self) -> [u8; 32] {
        let mut bytes = [0; 32];
        bytes[0] = 2; // Argon2id, as RFC 9106 section 3.1 numbers the types
        bytes[1] = 0x13; // the RFC's version
        bytes[4..8].copy_from_slice(&self.memory_kib.to_be_bytes());
        bytes[8..12].copy_from_slice(&self.passes.to_be_bytes());
        bytes[12..16].copy_from_slice(&self.lanes.to_be_bytes());
        bytes[16..].copy_from_slice(&self.salt);
        bytes
    }

    /// Reads [`Self::to_bytes`], and checks the bounds.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self, VaultError> {
        let unknown = || VaultError::Damaged("its passphrase settings are not readable".to_owned());
        let bytes: &[u8; 32] = bytes.try_into().map_err(|_| unknown())?;
        let number = |at: usize| u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let mut salt = [0; 16];
        salt.copy_from_slice(&bytes[16..]);
        let read = Self { memory_kib: number(4), passes: number(8), lanes: number(12), salt };
        if read.to_bytes() == *bytes { read.checked() } else { Err(unknown()) }
    }
}

#[cfg(test)]
mod tests {
    use super::Stretching;
    use secrecy::{ExposeSecret, SecretString};

    const LEAST: Stretching = Stretching { memory_kib: 19 * 1024, passes: 2, lanes: 1, salt: [7; 16] };

    #[test]
    fn a_key_depends_on_the_passphrase_and_on_every_setting() {
        let key = |stretching: Stretching, passphrase: &str| {
            *stretching.key(&SecretString::from(passphrase)).unwrap().expose_secret()
        };
        let ours = key(LEAST, "correct horse");
        assert_eq!(ours, key(LEAST, "correct horse"));
        for other in [
            key(LEAST, "correct horsf"),
            key(Stretching { passes: 3, ..LEAST }, "correct horse"),
            key(Stretching { memory_kib: 20 * 1024, ..LEAST }, "correct horse"),
            key(Stretching { salt: [8; 16], ..LEAST }, "correct horse"),
        ] {
            assert_ne!(ours, other);
        }
    }

    #[test]
    fn settings_that_are_too_cheap_or_too_costly_are_refused() {
        assert!(Stretching::make().unwrap().checked().is_ok());
        for bad in [
            Stretching { memory_kib: 8, ..LEAST },
            Stretching { memory_kib: 8 * 1024 * 1024, ..LEAST },
            Stretching { passes: 1, ..LEAST },
            Stretching { passes: u32::MAX, ..LEAST },
            Stretching { lanes: 0, ..LEAST },
            Stretching { lanes: 255, ..LEAST },
        ] {
            assert!(bad.checked().is_err() && Stretching::from_bytes(&bad.to_bytes()).is_err(), "{bad:?}");
            assert!(bad.key(&SecretString::from("any")).is_err());
        }
    }

    #[test]
    fn settings_read_back_and_any_other_bytes_are_refused() {
        let bytes = LEAST.to_bytes();
        assert_eq!(Stretching::from_bytes(&bytes).unwrap(), LEAST);
        for place in 0..4 {
            let mut changed = bytes;
            changed[place] ^= 1;
            assert!(Stretching::from_bytes(&changed).is_err(), "{place}");
        }
        assert!(Stretching::from_bytes(&bytes[..31]).is_err());
        assert!(Stretching::from_bytes(b"").is_err());
    }
}
