//! Sealing: AES-256-GCM (NIST SP 800-38D) or another [`Aead`], random nonces, canonical AAD and padded plaintext.

mod aead;
mod fields;
mod keys;
pub(crate) mod protector;

pub use aead::Aead;
pub(crate) use aead::Ciphertext;
pub(crate) use fields::Fields;
#[cfg(test)]
pub(crate) use keys::key_of;
pub(crate) use keys::{DekId, Identity, Kek, Keyring, Keys, MacKey, SecretKey, derive};
#[cfg(all(feature = "tpm", unix))]
pub(crate) use protector::Candidates;
pub(crate) use protector::{KekRef, KeystoreProtector, Protector};
pub use protector::{Means, RecoveryCode};

use aes_gcm::Aes256Gcm;
use aes_gcm::aead::{AeadInOut, KeyInit, Nonce};
use secrecy::ExposeSecret;
use zeroize::Zeroizing;

use crate::{VaultError, random};

/// The number that stands for AES-256-GCM in rows and AAD.
pub(crate) const ALG_AES_256_GCM: u32 = 1;

/// Length of a nonce, in bytes.
pub(crate) const NONCE: usize = 12;

/// What GCM adds to the plaintext, in bytes.
pub(crate) const TAG: usize = 16;

/// Plaintexts are padded to a multiple of this, in bytes: lengths say little, and most updates keep their size.
const BLOCK: usize = 256;

/// A ciphertext with its tag, and the nonce it was made with.
pub(crate) struct Sealed {
    pub(crate) nonce: [u8; NONCE],
    pub(crate) ct: Vec<u8>,
}

/// Seals `plaintext` under a fresh random nonce. Never a counter: a restored file or a cloned machine would repeat it.
pub(crate) fn seal(key: &SecretKey, aad: &[u8], plaintext: &[u8]) -> Result<Sealed, VaultError> {
    let nonce = random::make::<NONCE>()?;
    // Room for the tag from the start: growing would leave a copy of the plaintext behind.
    let mut buffer = Zeroizing::new(Vec::with_capacity(plaintext.len() + TAG));
    buffer.extend_from_slice(plaintext);
    Aes256Gcm::new(key.expose_secret().into())
        .encrypt_in_place(&Nonce::<Aes256Gcm>::from(nonce), aad, &mut *buffer)
        .map_err(|_| VaultError::TooLarge(plaintext.len()))?;
    Ok(Sealed { nonce, ct: std::mem::take(&mut *buffer) })
}

/// Opens what [`seal`] made; `None` where key, nonce, AAD or ciphertext is another one.
pub(crate) fn open(key: &SecretKey, aad: &[u8], nonce: &[u8], ct: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let nonce: [u8; NONCE] = nonce.try_into().ok()?;
    let mut buffer = Zeroizing::new(ct.to_vec());
    Aes256Gcm::new(key.expose_secret().into())
        .decrypt_in_place(&Nonce::<Aes256Gcm>::from(nonce), aad, &mut *buffer)
        .ok()?;
    Some(buffer)
}

/// Length, payload, zeros up to a multiple of 256 bytes.
pub(crate) fn pad(payload: &[u8]) -> Result<Zeroizing<Vec<u8>>, VaultError> {
    let length = u32::try_from(payload.len()).map_err(|_| VaultError::TooLarge(payload.len()))?;
    let padded = (4 + payload.len()).next_multiple_of(BLOCK);
    let mut text = Zeroizing::new(Vec::with_capacity(padded));
    text.extend_from_slice(&length.to_be_bytes());
    text.extend_from_slice(payload);
    text.resize(padded, 0);
    Ok(text)
}

/// What [`pad`] padded; `None` where it did not.
pub(crate) fn unpad(text: &[u8]) -> Option<&[u8]> {
    let (length, rest) = text.split_first_chunk::<4>()?;
    let (payload, padding) = rest.split_at_checked(u32::from_be_bytes(*length) as usize)?;
    (text.len().is_multiple_of(BLOCK) && padding.len() < BLOCK && padding.iter().all(|byte| *byte == 0))
        .then_some(payload)
}

#[cfg(test)]
mod tests {
    use super::{open, pad, seal, unpad};
    use crate::envelope::keys::key_of;
    use proptest::prelude::*;

    #[test]
    fn equal_plaintexts_give_different_ciphertexts() {
        let key = key_of([1; 32]);
        let (one, other) = (seal(&key, b"", b"same").unwrap(), seal(&key, b"", b"same").unwrap());
        assert_ne!(one.nonce, other.nonce);
        assert_ne!(one.ct, other.ct);
    }

    #[test]
    fn the_tag_covers_key_aad_nonce_and_text() {
        let key = key_of([1; 32]);
        let sealed = seal(&key, b"aad", b"text").unwrap();
        assert_eq!(open(&key, b"aad", &sealed.nonce, &sealed.ct).unwrap().as_slice(), b"text");
        assert!(open(&key_of([2; 32]), b"aad", &sealed.nonce, &sealed.ct).is_none());
        assert!(open(&key, b"aae", &sealed.nonce, &sealed.ct).is_none());
        assert!(open(&key, b"aad", &[0; 12], &sealed.ct).is_none());
        assert!(open(&key, b"aad", &sealed.nonce[..11], &sealed.ct).is_none());
        assert!(open(&key, b"aad", &sealed.nonce, &sealed.ct[1..]).is_none());
        assert!(open(&key, b"aad", &sealed.nonce, b"short").is_none());
    }

    #[test]
    fn lengths_show_in_steps_of_256_bytes() {
        for (payload, padded) in [(0, 256), (252, 256), (253, 512), (65_536, 65_792)] {
            assert_eq!(pad(&vec![7; payload]).unwrap().len(), padded);
        }
    }

    proptest! {
        #[test]
        fn what_is_padded_comes_back(payload in proptest::collection::vec(any::<u8>(), 0..2000)) {
            let padded = pad(&payload).unwrap();
            prop_assert_eq!(unpad(&padded), Some(&payload[..]));
        }

        #[test]
        fn unpadding_takes_any_bytes(text in proptest::collection::vec(any::<u8>(), 0..600)) {
            if let Some(payload) = unpad(&text) {
                prop_assert_eq!(&pad(payload).unwrap()[..], &text[..]);
            }
        }
    }
}
