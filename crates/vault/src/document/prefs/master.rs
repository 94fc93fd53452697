//! The master key, which wraps the keysets and nothing else.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret, ExposeSecretMut, SecretBox};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::cipher;
use crate::{Keystore, KeystoreError, VaultError, random};

/// AES-256-GCM under a key that stands outside the file: `nonce ‖ ciphertext ‖ tag`, no associated data, no prefix.
///
/// This is the seam for Android. There the key is made inside Android Keystore under an alias (`KeyGenParameterSpec` with
/// block mode GCM and no padding), never leaves it, and `Cipher` with `AES/GCM/NoPadding` does both steps, drawing the
/// nonce itself: an implementation calls it over JNI and puts the nonce first. `unwrap` then answers `None` for
/// `AEADBadTagException`, [`VaultError::KeyLost`] where the alias is gone, and a [`KeystoreError`] for all else, since
/// the keystores of some makers fail for a moment and Tink's answer, a new keyset over the old one, loses everything.
/// What [`StoredKey`] does also works there, with `android-native-keyring-store` behind [`Keystore`]: that store wraps
/// our text under such a key.
pub(crate) trait MasterKey: Send + Sync {
    fn wrap(&self, plaintext: &[u8]) -> Result<Vec<u8>, VaultError>;

    /// What [`Self::wrap`] wrapped; `None` where this is another key or the bytes were changed.
    fn unwrap(&self, wrapped: &[u8]) -> Result<Option<Zeroizing<Vec<u8>>>, VaultError>;
}

/// A master key that an OS keystore keeps as one line of text.
pub(crate) struct StoredKey(SecretBox<[u8; 32]>);

impl StoredKey {
    /// A random key.
    pub(super) fn make() -> Result<Self, VaultError> {
        let mut key = SecretBox::new(Box::new([0; 32]));
        random::fill(key.expose_secret_mut())?;
        Ok(Self(key))
    }

    /// `pm1.` and 32 bytes in base64url: one line of ASCII, because some keystores keep text only.
    pub(super) fn to_text(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(48));
        text.push_str("pm1.");
        URL_SAFE_NO_PAD.encode_string(self.0.expose_secret(), &mut text);
        text
    }

    /// Reads [`Self::to_text`] and nothing else.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut bytes = Zeroizing::new([0_u8; 48]);
        if URL_SAFE_NO_PAD.decode_slice(text.strip_prefix("pm1.")?, bytes.as_mut_slice()) != Ok(32) {
            return None;
        }
        let mut key = SecretBox::new(Box::new([0; 32]));
        key.expose_secret_mut().copy_from_slice(&bytes[..32]);
        Some(Self(key))
    }

    /// Keeps the key under `name` and sees that it reads back.
    pub(super) fn keep(&self, keystore: &dyn Keystore, name: &str) -> Result<(), VaultError> {
        let text = self.to_text();
        keystore.write(name, &text)?;
        match keystore.read(name)? {
            Some(kept) if bool::from(kept.as_bytes().ct_eq(text.as_bytes())) => Ok(()),
            _ => Err(KeystoreError::Unsuitable("the new key does not read back".to_owned()).into()),
        }
    }
}

impl MasterKey for StoredKey {
    fn wrap(&self, plaintext: &[u8]) -> Result<Vec<u8>, VaultError> {
        cipher::gcm_seal(self.0.expose_secret(), b"", plaintext)
    }

    fn unwrap(&self, wrapped: &[u8]) -> Result<Option<Zeroizing<Vec<u8>>>, VaultError> {
        Ok(cipher::gcm_open(self.0.expose_secret(), b"", wrapped))
    }
}

#[cfg(test)]
mod tests {
    use super::{MasterKey, StoredKey};

    #[test]
    fn a_key_reads_back_from_its_text_and_nothing_else_does() {
        let key = StoredKey::make().unwrap();
        let text = key.to_text();
        assert_eq!(text.len(), 4 + 43);
        let wrapped = key.wrap(b"keyset").unwrap();
        let again = StoredKey::parse(&text).unwrap();
        assert_eq!(again.unwrap(&wrapped).unwrap().unwrap().as_slice(), b"keyset");
        assert!(StoredKey::make().unwrap().unwrap(&wrapped).unwrap().is_none());
        for broken in ["", "pm1.", &text[1..], &text[..46], &format!("{}A", *text), &format!("{}\n", *text)] {
            assert!(StoredKey::parse(broken).is_none(), "{}", broken.len());
        }
        assert!(StoredKey::parse(&format!("pm1.{}", "A".repeat(100_000))).is_none());
    }
}
