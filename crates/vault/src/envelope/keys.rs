//! The hierarchy of keys: a KEK, from the keystore for instance, wraps the DEK, HKDF-SHA256 (RFC 5869) derives all others from it.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, ExposeSecretMut};
use sha2::Sha256;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::{Aead, Ciphertext, Fields};
use crate::{VaultError, random};

/// 32 bytes in a locked page, wiped on drop.
pub(crate) type SecretKey = crate::locked::LockedKey;

/// Whose vault this is; part of every AAD and the salt of every derivation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) app: String,
    pub(crate) vault_id: [u8; 16],
}

fn make_key() -> Result<SecretKey, VaultError> {
    let mut key = SecretKey::zeroed();
    random::fill(key.expose_secret_mut())?;
    Ok(key)
}

/// HKDF-SHA256 of `key`.
pub(crate) fn derive(key: &SecretKey, salt: &[u8], info: &Fields) -> SecretKey {
    let mut derived = SecretKey::zeroed();
    // 32 bytes are far below HKDF's limit of 255 blocks, so this cannot fail.
    let expanded =
        Hkdf::<Sha256>::new(Some(salt), key.expose_secret()).expand(info.as_bytes(), derived.expose_secret_mut());
    debug_assert!(expanded.is_ok());
    derived
}

/// A public value that shows that a key is the right one without showing the key.
fn check_value(key: &SecretKey, salt: &[u8], purpose: &Fields) -> [u8; 16] {
    let derived = derive(key, salt, purpose);
    let mut value = [0; 16];
    value.copy_from_slice(&derived.expose_secret()[..16]);
    value
}

/// A key encryption key: what a protector gives, and the keystore keeps.
pub(crate) struct Kek(SecretKey);

impl Kek {
    pub(crate) fn make() -> Result<Self, VaultError> {
        Ok(Self(make_key()?))
    }

    /// A key that comes from elsewhere: stretched, derived, unsealed.
    pub(crate) fn of(key: SecretKey) -> Self {
        Self(key)
    }

    /// One line of ASCII, because some keystores keep text only and one of them damages line breaks.
    pub(crate) fn to_text(&self, generation: u32) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(64));
        text.push_str("pk1.");
        text.push_str(&generation.to_string());
        text.push('.');
        URL_SAFE_NO_PAD.encode_string(self.0.expose_secret(), &mut text);
        text
    }

    /// Reads [`Self::to_text`]; `None` for all that is not `pk1.<generation>.<32 bytes in base64url>`.
    pub(crate) fn parse(text: &str, generation: u32) -> Option<Self> {
        let encoded = text
            .strip_prefix("pk1.")
            .and_then(|rest| rest.split_once('.'))
            .filter(|(number, _)| *number == generation.to_string())
            .map(|(_, encoded)| encoded)?;
        let mut bytes = Zeroizing::new([0_u8; 48]);
        if URL_SAFE_NO_PAD.decode_slice(encoded, bytes.as_mut_slice()) != Ok(32) {
            return None;
        }
        let mut key = SecretKey::zeroed();
        key.expose_secret_mut().copy_from_slice(&bytes[..32]);
        Some(Self(key))
    }

    /// Stored beside the wrapped DEK: tells another key from a damaged slot.
    pub(crate) fn check_value(&self, vault_id: &[u8; 16]) -> [u8; 16] {
        check_value(&self.0, vault_id, &Fields::of("pilotlight/v1/kek-check"))
    }

    /// Whether `stored` is this key's check value, in constant time.
    pub(crate) fn matches(&self, vault_id: &[u8; 16], stored: &[u8]) -> bool {
        self.check_value(vault_id).ct_eq(stored).into()
    }

    /// Wraps the DEK of `keys`, with the cipher that it seals with.
    pub(crate) fn wrap(&self, keys: &Keys, aad: &Fields) -> Result<Ciphertext, VaultError> {
        keys.aead.seal(&self.0, aad.as_bytes(), keys.dek.expose_secret())
    }

    /// The DEK that [`Self::wrap`] wrapped, as `dek_id` of this vault; `None` where the slot was altered.
    pub(crate) fn unwrap(&self, dek: &DekId<'_>, aad: &Fields, nonce: &[u8], ct: &[u8]) -> Option<Keys> {
        dek.keys(&dek.aead.open(&self.0, aad.as_bytes(), nonce, ct)?)
    }
}

/// Which data key this is.
#[derive(Clone, Copy)]
pub(crate) struct DekId<'vault> {
    pub(crate) identity: &'vault Identity,
    pub(crate) dek_id: u32,
    pub(crate) aead: Aead,
}

impl DekId<'_> {
    fn keys(&self, plain: &[u8]) -> Option<Keys> {
        if plain.len() != 32 {
            return None;
        }
        let mut dek = SecretKey::zeroed();
        dek.expose_secret_mut().copy_from_slice(plain);
        Some(Keys { dek, dek_id: self.dek_id, aead: self.aead, identity: self.identity.clone() })
    }
}

/// A data encryption key of one vault, and what is derived from it.
pub(crate) struct Keys {
    dek: SecretKey,
    pub(crate) dek_id: u32,
    pub(crate) aead: Aead,
    pub(crate) identity: Identity,
}

impl Keys {
    pub(crate) fn make(identity: Identity, dek_id: u32, aead: Aead) -> Result<Self, VaultError> {
        Ok(Self { dek: make_key()?, dek_id, aead, identity })
    }

    /// The purpose of a derivation. Another cipher has other keys, so that no key is ever used by two; the first cipher
    /// is not named, because vaults were made before there was a second one.
    fn purpose(&self, purpose: &str) -> Fields {
        match self.aead {
            Aead::Aes256Gcm => Fields::of(purpose),
            other => Fields::of(purpose).number(other.number().into()),
        }
    }

    fn derive(&self, purpose: &str) -> SecretKey {
        derive(&self.dek, &self.identity.vault_id, &self.purpose(purpose))
    }

    /// The check value of DEK and cipher, stored in table `dek`.
    pub(crate) fn check_value(&self) -> [u8; 16] {
        check_value(&self.dek, &self.identity.vault_id, &self.purpose("pilotlight/v1/dek-check"))
    }

    /// Whether `stored` is the DEK's check value, in constant time.
    pub(crate) fn matches(&self, stored: &[u8]) -> bool {
        self.check_value().ct_eq(stored).into()
    }

    /// What to look for in memory, so that the looking finds no copy of its own.
    #[cfg(test)]
    pub(crate) fn inverted_dek(&self) -> Vec<u8> {
        self.dek.expose_secret().iter().map(|byte| !byte).collect()
    }

    /// A key of one record: limits what one key seals, and backs up the AAD.
    pub(crate) fn record_key(&self, table: &str, record: &[u8; 16]) -> SecretKey {
        let info = self.purpose("pilotlight/v1/record-key").text(table).bytes(record);
        derive(&self.dek, &self.identity.vault_id, &info)
    }

    /// The key of the sealed state in table `vault`.
    pub(crate) fn state_key(&self) -> SecretKey {
        self.derive("pilotlight/v1/state-key")
    }

    /// The key that attempts are authenticated with; of a vault's first DEK, anchors too.
    pub(crate) fn mac_key(&self) -> MacKey {
        MacKey(self.derive("pilotlight/v1/mac-key"))
    }

    /// The key of the sum over all rows.
    pub(crate) fn set_key(&self) -> MacKey {
        MacKey(self.derive("pilotlight/v2/set-key"))
    }

    /// HMAC-SHA256 of `fields` under [`Self::mac_key`].
    pub(crate) fn mac(&self, fields: &Fields) -> [u8; 32] {
        self.mac_key().mac(fields)
    }

    /// What every AAD begins with: purpose, app, vault, DEK, algorithm.
    pub(crate) fn aad(&self, purpose: &str) -> Fields {
        Fields::of(purpose)
            .text(&self.identity.app)
            .bytes(&self.identity.vault_id)
            .number(self.dek_id.into())
            .number(self.aead.number().into())
    }

    /// Wraps another DEK of this vault under this one, which takes its place.
    pub(crate) fn wrap(&self, older: &Self, aad: &Fields) -> Result<Ciphertext, VaultError> {
        older.aead.seal(&self.derive("pilotlight/v2/dek-key"), aad.as_bytes(), older.dek.expose_secret())
    }

    /// What [`Self::wrap`] wrapped; `None` where the slot was altered.
    pub(crate) fn unwrap(&self, dek: &DekId<'_>, aad: &Fields, nonce: &[u8], ct: &[u8]) -> Option<Self> {
        dek.keys(&dek.aead.open(&self.derive("pilotlight/v2/dek-key"), aad.as_bytes(), nonce, ct)?)
    }
}

/// The data keys of a vault: one that seals, and while a rekey is under way those that only open.
pub(crate) struct Keyring {
    pub(crate) active: Keys,
    pub(crate) older: Vec<Keys>,
}

impl Keyring {
    /// The key of this number.
    pub(crate) fn of(&self, dek_id: i64) -> Option<&Keys> {
        std::iter::once(&self.active).chain(&self.older).find(|keys| i64::from(keys.dek_id) == dek_id)
    }
}

/// A key for HMAC-SHA256 (RFC 2104).
pub(crate) struct MacKey(SecretKey);

impl MacKey {
    pub(crate) fn of(bytes: &[u8; 32]) -> Self {
        let mut key = SecretKey::zeroed();
        key.expose_secret_mut().copy_from_slice(bytes);
        Self(key)
    }

    pub(crate) fn expose(&self) -> &[u8; 32] {
        self.0.expose_secret()
    }

    pub(crate) fn mac(&self, fields: &Fields) -> [u8; 32] {
        let mut mac = self.start();
        mac.update(fields.as_bytes());
        mac.finalize().into_bytes().into()
    }

    /// A MAC under way; cloned for each of many messages, it spares the hashing of the key.
    pub(crate) fn start(&self) -> Hmac<Sha256> {
        // HMAC pads a short key with zeros to the block of its hash; done here, so that no length can be wrong.
        let mut block = Zeroizing::new([0_u8; 64]);
        block[..32].copy_from_slice(self.0.expose_secret());
        Hmac::<Sha256>::new((&*block).into())
    }
}

#[cfg(test)]
pub(crate) fn key_of(bytes: [u8; 32]) -> SecretKey {
    SecretKey::from(bytes)
}

#[cfg(test)]
mod tests {
    use super::{DekId, Identity, Kek, Keys, key_of};
    use crate::envelope::{Aead, Fields};
    use secrecy::ExposeSecret;

    fn identity() -> Identity {
        Identity { app: "test".to_owned(), vault_id: [3; 16] }
    }

    fn keys_for(aead: Aead) -> Keys {
        Keys { dek: key_of([5; 32]), dek_id: 1, aead, identity: identity() }
    }

    fn fixed_keys() -> Keys {
        keys_for(Aead::Aes256Gcm)
    }

    #[test]
    fn a_kek_reads_back_from_its_text() {
        let kek = Kek::make().unwrap();
        let text = kek.to_text(7);
        assert!(text.starts_with("pk1.7."));
        assert_eq!(text.len(), 6 + 43);
        let again = Kek::parse(&text, 7).unwrap();
        assert_eq!(again.0.expose_secret(), kek.0.expose_secret());
    }

    #[test]
    fn a_text_that_is_no_kek_is_refused() {
        let text = Kek::make().unwrap().to_text(1);
        assert!(Kek::parse(&text, 2).is_none(), "another generation");
        for broken in [
            String::new(),
            "pk1".to_owned(),
            "pk1.1.".to_owned(),
            text[..text.len() - 1].to_owned(),
            format!("{}A", *text),
            format!("{}\n", *text),
            text.replacen("pk1", "pk2", 1),
            format!("pk1.1.{}", "é".repeat(30)),
            format!("pk1.1.{}", "A".repeat(100_000)),
        ] {
            assert!(Kek::parse(&broken, 1).is_none(), "{}", broken.len());
        }
    }

    #[test]
    fn only_the_key_that_wrapped_unwraps_and_only_for_the_same_slot() {
        for aead in Aead::ALL {
            let (kek, other, keys) = (Kek::make().unwrap(), Kek::make().unwrap(), keys_for(aead));
            let (identity, aad) = (identity(), Fields::of("slot").number(1));
            let dek = DekId { identity: &identity, dek_id: 1, aead };
            let slot = kek.wrap(&keys, &aad).unwrap();
            assert_eq!(slot.ct.len(), 48);
            let opened = kek.unwrap(&dek, &aad, &slot.nonce, &slot.ct).unwrap();
            assert!(opened.matches(&keys.check_value()));
            assert!(other.unwrap(&dek, &aad, &slot.nonce, &slot.ct).is_none());
            assert!(kek.unwrap(&dek, &Fields::of("slot").number(2), &slot.nonce, &slot.ct).is_none());
            for cipher in Aead::ALL.into_iter().filter(|cipher| *cipher != aead) {
                assert!(kek.unwrap(&DekId { aead: cipher, ..dek }, &aad, &slot.nonce, &slot.ct).is_none());
            }
        }
    }

    #[test]
    fn a_data_key_wraps_the_one_before_it() {
        let (new, old) = (Keys::make(identity(), 2, Aead::XChaCha20Poly1305).unwrap(), fixed_keys());
        let (identity, aad) = (identity(), Fields::of("dek"));
        let wrapped = new.wrap(&old, &aad).unwrap();
        let dek = DekId { identity: &identity, dek_id: 1, aead: old.aead };
        let opened = new.unwrap(&dek, &aad, &wrapped.nonce, &wrapped.ct).unwrap();
        assert_eq!(opened.dek.expose_secret(), old.dek.expose_secret());
        assert!(old.unwrap(&dek, &aad, &wrapped.nonce, &wrapped.ct).is_none());
    }

    #[test]
    fn check_values_tell_keys_and_vaults_apart() {
        let (one, other) = (Kek::make().unwrap(), Kek::make().unwrap());
        assert!(one.matches(&[3; 16], &one.check_value(&[3; 16])));
        assert!(!other.matches(&[3; 16], &one.check_value(&[3; 16])));
        assert!(!one.matches(&[4; 16], &one.check_value(&[3; 16])));
        assert!(!one.matches(&[3; 16], b""));
    }

    #[test]
    fn derived_keys_differ_by_purpose_table_and_record() {
        let keys = fixed_keys();
        let derived = [
            *keys.record_key("token", &[1; 16]).expose_secret(),
            *keys.record_key("token", &[2; 16]).expose_secret(),
            *keys.record_key("other", &[1; 16]).expose_secret(),
            *keys.state_key().expose_secret(),
            keys.mac(&Fields::of("a")),
            keys.mac(&Fields::of("b")),
        ];
        let other_ciphers = [Aead::Aes256GcmSiv, Aead::XChaCha20Poly1305].map(keys_for);
        let theirs = other_ciphers.iter().flat_map(|keys| {
            [
                *keys.record_key("token", &[1; 16]).expose_secret(),
                *keys.state_key().expose_secret(),
                *keys.set_key().expose(),
            ]
        });
        let all: Vec<_> = derived.into_iter().chain([*keys.set_key().expose()]).chain(theirs).collect();
        for (place, key) in all.iter().enumerate() {
            assert!(!all[..place].contains(key));
        }
    }

    #[test]
    fn the_check_value_names_the_cipher_too() {
        let values = Aead::ALL.map(|aead| keys_for(aead).check_value());
        assert!(values[0] != values[1] && values[1] != values[2] && values[0] != values[2]);
    }

    /// An old vault must open for ever: these values are HKDF and HMAC over the fields as RFC 5869 and RFC 2104 say,
    /// and were computed with Python's hmac module.
    #[test]
    fn derivations_never_change_between_versions() {
        let keys = fixed_keys();
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        assert_eq!(hex(&keys.check_value()), "a5b3ff0966d473d54f765f7a5af67f5a");
        assert_eq!(
            hex(keys.record_key("token", &[1; 16]).expose_secret()),
            "5279f33190920adbe6c44fe00eebbfc0e69a95ac9c4b48b1e844e88414fa68ec"
        );
        assert_eq!(
            hex(&keys.mac(&Fields::of("pilotlight/v1/test").number(1))),
            "a2d792e758a50312248ddd756d0bb6c85da30e2458647012b9180b9375583dbb"
        );
    }
}
