//! What stands before the ciphertext of `vault.pl1`, in the clear. All of it is in the AAD.
//!
//! ```text
//!   "pltvault" 8 │ format 4 │ AEAD 4 │ Argon2id's settings 32 │ vault id 16 │ key check 16 │ epoch 8 │ sum 16 │ nonce 12 │ ciphertext
//! ```
//!
//! The sum tells a header that rotted from a passphrase that is wrong. Somebody who alters the header alters the sum with
//! it: then the passphrase is called wrong, or the tag of the ciphertext does not hold.

use sha2::{Digest, Sha256};

use super::body::is_count;
use crate::VaultError;
use crate::envelope::{ALG_AES_256_GCM, NONCE};
use crate::error::damaged;
use crate::passphrase::Stretching;

const MAGIC: &[u8; 8] = b"pltvault";

/// The form of the file that this version writes, and the latest it reads.
const FORMAT: u32 = 1;

/// How long a header is, in bytes.
const LENGTH: usize = 104;
const SUM: usize = 16;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) stretching: Stretching,
    pub(super) vault_id: [u8; 16],
    /// Tells the right key from every other without showing it.
    pub(super) check: [u8; 16],
    pub(super) epoch: u64,
}

/// A file, taken apart.
pub(super) struct Parts<'a> {
    pub(super) header: Header,
    pub(super) header_bytes: &'a [u8],
    pub(super) nonce: &'a [u8],
    pub(super) ct: &'a [u8],
}

fn sum_of(bytes: &[u8]) -> [u8; SUM] {
    let digest: [u8; 32] = Sha256::digest(bytes).into();
    let mut sum = [0; SUM];
    sum.copy_from_slice(&digest[..SUM]);
    sum
}

impl Header {
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(LENGTH);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&FORMAT.to_be_bytes());
        bytes.extend_from_slice(&ALG_AES_256_GCM.to_be_bytes());
        bytes.extend_from_slice(&self.stretching.to_bytes());
        bytes.extend_from_slice(&self.vault_id);
        bytes.extend_from_slice(&self.check);
        bytes.extend_from_slice(&self.epoch.to_be_bytes());
        bytes.extend_from_slice(&sum_of(&bytes));
        bytes
    }

    /// Whether both were made with the same passphrase, for the same vault.
    pub(super) fn same_key(&self, other: &Self) -> bool {
        (self.stretching, self.vault_id, self.check) == (other.stretching, other.vault_id, other.check)
    }

    fn read(bytes: &[u8]) -> Result<Self, VaultError> {
        let unreadable = || damaged("its header is not readable");
        let (summed, sum) = bytes.split_last_chunk::<SUM>().ok_or_else(unreadable)?;
        if sum_of(summed) != *sum {
            return Err(unreadable());
        }
        let header = Self {
            stretching: Stretching::from_bytes(&summed[16..48])?,
            vault_id: summed[48..64].try_into().map_err(|_| unreadable())?,
            check: summed[64..80].try_into().map_err(|_| unreadable())?,
            epoch: u64::from_be_bytes(summed[80..].try_into().map_err(|_| unreadable())?),
        };
        // What this version would not write, another cipher for instance, it does not read.
        if header.to_bytes() == bytes && is_count(header.epoch) { Ok(header) } else { Err(unreadable()) }
    }
}

/// Puts the sum that holds into the place of the one that stands there.
#[cfg(any(test, feature = "fuzzing"))]
pub(super) fn sum_anew(file: &mut [u8]) {
    if let Some((summed, sum)) = file.get_mut(..LENGTH).and_then(<[u8]>::split_last_chunk_mut::<SUM>) {
        *sum = sum_of(summed);
    }
}

/// Takes a file apart. Nothing of it is authentic yet.
pub(super) fn parts(bytes: &[u8]) -> Result<Parts<'_>, VaultError> {
    let none_of_ours = || damaged("it is no encrypted file of ours");
    let (version, _) = bytes.strip_prefix(MAGIC).and_then(<[u8]>::split_first_chunk::<4>).ok_or_else(none_of_ours)?;
    match u32::from_be_bytes(*version) {
        0 => return Err(none_of_ours()),
        FORMAT => {}
        newer => return Err(VaultError::NewerFormat(newer)),
    }
    let whole =
        bytes.split_at_checked(LENGTH).and_then(|(header, sealed)| Some((header, sealed.split_at_checked(NONCE)?)));
    let (header_bytes, (nonce, ct)) = whole.ok_or_else(|| damaged("it is cut off"))?;
    Ok(Parts { header: Header::read(header_bytes)?, header_bytes, nonce, ct })
}

#[cfg(test)]
mod tests {
    use super::{Header, LENGTH, parts};
    use crate::VaultError;
    use crate::passphrase::Stretching;

    fn header() -> Header {
        let stretching = Stretching { memory_kib: 65_536, passes: 3, lanes: 1, salt: [1; 16] };
        Header { stretching, vault_id: [2; 16], check: [3; 16], epoch: 258 }
    }

    #[test]
    fn the_bytes_never_change_between_versions() {
        let bytes = header().to_bytes();
        let expected = [
            b"pltvault".as_slice(),
            &[0, 0, 0, 1, 0, 0, 0, 1],
            &[2, 0x13, 0, 0, 0, 1, 0, 0, 0, 0, 0, 3, 0, 0, 0, 1],
            &[1; 16],
            &[2; 16],
            &[3; 16],
            &[0, 0, 0, 0, 0, 0, 1, 2],
        ]
        .concat();
        assert_eq!((&bytes[..LENGTH - 16], bytes.len()), (expected.as_slice(), LENGTH));
        let file = [&bytes[..], &[9; 40]].concat();
        assert_eq!(parts(&file).unwrap().header, header());
    }

    #[test]
    fn a_newer_format_is_told_apart_from_another_file() {
        let mut file = [header().to_bytes(), vec![0; 300]].concat();
        file[11] = 2;
        assert!(matches!(parts(&file), Err(VaultError::NewerFormat(2))));
        file[11] = 0;
        assert!(matches!(parts(&file), Err(VaultError::Damaged(_))));
        assert!(matches!(parts(b"SQLite format 3\0"), Err(VaultError::Damaged(_))));
        assert!(matches!(parts(b""), Err(VaultError::Damaged(_))));
    }

    #[test]
    fn another_cipher_and_settings_out_of_bounds_are_refused_although_the_sum_is_right() {
        for (place, byte) in [(15, 2), (16, 1), (20, 255), (27, 255), (80, 255)] {
            let mut bytes = header().to_bytes();
            bytes[place] = byte;
            let sum = super::sum_of(&bytes[..LENGTH - 16]);
            bytes[LENGTH - 16..].copy_from_slice(&sum);
            assert!(matches!(parts(&[bytes, vec![0; 300]].concat()), Err(VaultError::Damaged(_))), "{place}");
        }
    }
}
