//! The two ciphers of the format, as Tink writes them: AES-256-SIV (RFC 5297) and AES-256-GCM (NIST SP 800-38D).

use aes_gcm::Aes256Gcm;
use aes_gcm::aead::{AeadInOut, KeyInit, Nonce};
use aes_siv::siv::Aes256Siv;
use zeroize::Zeroizing;

use crate::{VaultError, random};

/// Length of GCM's nonce, in bytes.
pub(super) const NONCE: usize = 12;
/// What either cipher adds for authenticity, in bytes.
pub(super) const TAG: usize = 16;

/// `nonce ‖ ciphertext ‖ tag` under a random nonce.
pub(super) fn gcm_seal(key: &[u8; 32], aad: &[u8], plaintext: &[u8]) -> Result<Vec<u8>, VaultError> {
    let nonce = random::make::<NONCE>()?;
    let mut buffer = Zeroizing::new(Vec::with_capacity(NONCE + plaintext.len() + TAG));
    buffer.extend_from_slice(&nonce);
    buffer.extend_from_slice(plaintext);
    let tag = Aes256Gcm::new(key.into())
        .encrypt_inout_detached(&Nonce::<Aes256Gcm>::from(nonce), aad, (&mut buffer[NONCE..]).into())
        .map_err(|_| VaultError::TooLarge(plaintext.len()))?;
    buffer.extend_from_slice(&tag);
    Ok(std::mem::take(&mut *buffer))
}

/// Opens [`gcm_seal`].
pub(super) fn gcm_open(key: &[u8; 32], aad: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (nonce, rest) = sealed.split_first_chunk::<NONCE>()?;
    let mut buffer = Zeroizing::new(rest.to_vec());
    Aes256Gcm::new(key.into()).decrypt_in_place(&Nonce::<Aes256Gcm>::from(*nonce), aad, &mut *buffer).ok()?;
    Some(buffer)
}

/// `tag ‖ ciphertext`; equal inputs give equal outputs, which is what makes a name findable.
pub(super) fn siv_seal(key: &[u8; 64], aad: &[u8], plaintext: &[u8]) -> Result<Vec<u8>, VaultError> {
    Aes256Siv::new(key.into()).encrypt([aad], plaintext).map_err(|_| VaultError::TooLarge(plaintext.len()))
}

/// Opens [`siv_seal`].
pub(super) fn siv_open(key: &[u8; 64], aad: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    Aes256Siv::new(key.into()).decrypt([aad], sealed).ok().map(Zeroizing::new)
}

#[cfg(test)]
mod tests {
    use super::{gcm_open, gcm_seal, siv_open, siv_seal};

    #[test]
    fn gcm_covers_key_aad_and_every_byte() {
        let sealed = gcm_seal(&[1; 32], b"aad", b"text").unwrap();
        assert_eq!(gcm_open(&[1; 32], b"aad", &sealed).unwrap().as_slice(), b"text");
        assert!(gcm_open(&[2; 32], b"aad", &sealed).is_none());
        assert!(gcm_open(&[1; 32], b"aae", &sealed).is_none());
        for place in 0..sealed.len() {
            let mut other = sealed.clone();
            other[place] ^= 1;
            assert!(gcm_open(&[1; 32], b"aad", &other).is_none(), "{place}");
            assert!(gcm_open(&[1; 32], b"aad", &sealed[..place]).is_none(), "{place}");
        }
    }

    #[test]
    fn siv_covers_key_aad_and_every_byte_and_repeats_itself() {
        let sealed = siv_seal(&[1; 64], b"aad", b"text").unwrap();
        assert_eq!(siv_seal(&[1; 64], b"aad", b"text").unwrap(), sealed);
        assert_eq!(siv_open(&[1; 64], b"aad", &sealed).unwrap().as_slice(), b"text");
        assert!(siv_open(&[2; 64], b"aad", &sealed).is_none());
        assert!(siv_open(&[1; 64], b"aae", &sealed).is_none());
        for place in 0..sealed.len() {
            let mut other = sealed.clone();
            other[place] ^= 1;
            assert!(siv_open(&[1; 64], b"aad", &other).is_none(), "{place}");
            assert!(siv_open(&[1; 64], b"aad", &sealed[..place]).is_none(), "{place}");
        }
    }
}
