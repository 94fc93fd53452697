//! The ciphers a vault may be sealed with, chosen when its data key is made.

use aes_gcm::Aes256Gcm;
use aes_gcm::aead::{AeadCore, AeadInOut, KeyInit, KeySizeUser, Nonce};
use aes_gcm_siv::Aes256GcmSiv;
use chacha20poly1305::XChaCha20Poly1305;
use secrecy::ExposeSecret;
use zeroize::Zeroizing;

use super::{SecretKey, TAG};
use crate::{VaultError, random};

/// With which cipher a vault seals. It belongs to the vault's data key and cannot be changed in the file: another one
/// means another data key.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Aead {
    /// AES-256-GCM (NIST SP 800-38D): the fastest where the processor knows AES, as nearly all do.
    #[default]
    Aes256Gcm,
    /// AES-256-GCM-SIV (RFC 8452): stays safe where a nonce repeats, e.g. in a machine that was cloned while it ran.
    Aes256GcmSiv,
    /// XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha): constant time without AES instructions, nonces of 192 bits.
    XChaCha20Poly1305,
}

/// A ciphertext with its tag, and the nonce it was made with, which is as long as its cipher wants it.
pub(crate) struct Ciphertext {
    pub(crate) nonce: Vec<u8>,
    pub(crate) ct: Vec<u8>,
}

impl Aead {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Aes256Gcm, Self::Aes256GcmSiv, Self::XChaCha20Poly1305];

    /// What stands for it in rows, AAD, the sealed state and the anchor.
    pub(crate) fn number(self) -> u32 {
        match self {
            Self::Aes256Gcm => super::ALG_AES_256_GCM,
            Self::Aes256GcmSiv => 2,
            Self::XChaCha20Poly1305 => 3,
        }
    }

    pub(crate) fn of(number: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|aead| i64::from(aead.number()) == number)
    }

    /// The name people read, e.g. `aes-256-gcm`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Aes256Gcm => "aes-256-gcm",
            Self::Aes256GcmSiv => "aes-256-gcm-siv",
            Self::XChaCha20Poly1305 => "xchacha20-poly1305",
        }
    }

    /// The reverse of [`Self::name`].
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|aead| aead.name() == name)
    }

    /// Seals `plaintext` under a fresh random nonce. Never a counter: a restored file or a cloned machine would repeat it.
    pub(crate) fn seal(self, key: &SecretKey, aad: &[u8], plaintext: &[u8]) -> Result<Ciphertext, VaultError> {
        match self {
            Self::Aes256Gcm => seal::<Aes256Gcm, 12>(key, aad, plaintext),
            Self::Aes256GcmSiv => seal::<Aes256GcmSiv, 12>(key, aad, plaintext),
            Self::XChaCha20Poly1305 => seal::<XChaCha20Poly1305, 24>(key, aad, plaintext),
        }
    }

    /// Opens what [`Self::seal`] made; `None` where cipher, key, nonce, AAD or ciphertext is another one.
    pub(crate) fn open(self, key: &SecretKey, aad: &[u8], nonce: &[u8], ct: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        match self {
            Self::Aes256Gcm => open::<Aes256Gcm, 12>(key, aad, nonce, ct),
            Self::Aes256GcmSiv => open::<Aes256GcmSiv, 12>(key, aad, nonce, ct),
            Self::XChaCha20Poly1305 => open::<XChaCha20Poly1305, 24>(key, aad, nonce, ct),
        }
    }
}

fn seal<C, const NONCE: usize>(key: &SecretKey, aad: &[u8], plaintext: &[u8]) -> Result<Ciphertext, VaultError>
where
    C: AeadCore + AeadInOut + KeyInit + KeySizeUser,
    Nonce<C>: From<[u8; NONCE]>,
{
    let nonce = random::make::<NONCE>()?;
    // Room for the tag from the start: growing would leave a copy of the plaintext behind.
    let mut buffer = Zeroizing::new(Vec::with_capacity(plaintext.len() + TAG));
    buffer.extend_from_slice(plaintext);
    cipher::<C>(key)?
        .encrypt_in_place(&Nonce::<C>::from(nonce), aad, &mut *buffer)
        .map_err(|_| VaultError::TooLarge(plaintext.len()))?;
    Ok(Ciphertext { nonce: nonce.to_vec(), ct: std::mem::take(&mut *buffer) })
}

fn open<C, const NONCE: usize>(key: &SecretKey, aad: &[u8], nonce: &[u8], ct: &[u8]) -> Option<Zeroizing<Vec<u8>>>
where
    C: AeadCore + AeadInOut + KeyInit + KeySizeUser,
    Nonce<C>: From<[u8; NONCE]>,
{
    let nonce: [u8; NONCE] = nonce.try_into().ok()?;
    let mut buffer = Zeroizing::new(ct.to_vec());
    cipher::<C>(key).ok()?.decrypt_in_place(&Nonce::<C>::from(nonce), aad, &mut *buffer).ok()?;
    Some(buffer)
}

fn cipher<C: KeyInit>(key: &SecretKey) -> Result<C, VaultError> {
    // All of them take 32 bytes; said as an error and not as a panic.
    C::new_from_slice(key.expose_secret())
        .map_err(|_| VaultError::Unavailable("the cipher takes other keys".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::Aead;
    use crate::envelope::{key_of, open, seal};

    #[test]
    fn the_tag_covers_cipher_key_aad_nonce_and_text() {
        let key = key_of([1; 32]);
        for aead in Aead::ALL {
            let sealed = aead.seal(&key, b"aad", b"text").unwrap();
            let (nonce, ct) = (&sealed.nonce[..], &sealed.ct[..]);
            assert_eq!(aead.open(&key, b"aad", nonce, ct).unwrap().as_slice(), b"text");
            assert!(aead.open(&key_of([2; 32]), b"aad", nonce, ct).is_none());
            assert!(aead.open(&key, b"aae", nonce, ct).is_none());
            assert!(aead.open(&key, b"aad", &vec![0; nonce.len()], ct).is_none());
            assert!(aead.open(&key, b"aad", &nonce[1..], ct).is_none());
            assert!(aead.open(&key, b"aad", nonce, &ct[1..]).is_none());
            assert!(aead.open(&key, b"aad", nonce, b"short").is_none());
            for other in Aead::ALL.into_iter().filter(|other| *other != aead) {
                assert!(other.open(&key, b"aad", nonce, ct).is_none(), "{aead:?} as {other:?}");
            }
        }
    }

    #[test]
    fn equal_plaintexts_give_different_ciphertexts_under_every_cipher() {
        let key = key_of([1; 32]);
        for aead in Aead::ALL {
            let (one, other) = (aead.seal(&key, b"", b"same").unwrap(), aead.seal(&key, b"", b"same").unwrap());
            assert!(one.nonce != other.nonce && one.ct != other.ct);
        }
    }

    #[test]
    fn numbers_and_names_are_their_own_and_never_change() {
        assert_eq!(Aead::ALL.map(Aead::number), [1, 2, 3]);
        assert_eq!(Aead::ALL.map(Aead::name), ["aes-256-gcm", "aes-256-gcm-siv", "xchacha20-poly1305"]);
        for aead in Aead::ALL {
            assert_eq!(Aead::of(aead.number().into()), Some(aead));
        }
        assert!([0, 4, -1, i64::MAX].into_iter().all(|number| Aead::of(number).is_none()));
    }

    #[test]
    fn what_was_sealed_before_there_was_a_choice_opens() {
        let key = key_of([3; 32]);
        let old = seal(&key, b"aad", b"text").unwrap();
        assert_eq!(Aead::Aes256Gcm.open(&key, b"aad", &old.nonce, &old.ct).unwrap().as_slice(), b"text");
        let new = Aead::Aes256Gcm.seal(&key, b"aad", b"text").unwrap();
        assert_eq!(open(&key, b"aad", &new.nonce, &new.ct).unwrap().as_slice(), b"text");
    }
}
