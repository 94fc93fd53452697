//! SQLCipher's key and salt, and how the key stands in the keystore.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret, ExposeSecretMut, SecretBox};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::envelope::{Fields, MacKey, SecretKey, derive};
use crate::{VaultError, random};

/// How many bytes of the salt are random; the rest is their checksum.
const RANDOM: usize = 12;

/// The first sixteen bytes of the file, the only ones in the clear. SQLCipher derives the MAC key of the pages with it. Ours
/// names the vault's key in the keystore, and carries a checksum, so that damage here is not taken for a lost key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Salt([u8; 16]);

impl Salt {
    pub(super) fn make() -> Result<Self, VaultError> {
        Ok(Self::around(random::make()?))
    }

    fn around(random: [u8; RANDOM]) -> Self {
        let digest = Sha256::new().chain_update(b"pilotlight/v1/sqlcipher-salt").chain_update(random).finalize();
        let mut salt = [0; 16];
        salt[..RANDOM].copy_from_slice(&random);
        salt[RANDOM..].copy_from_slice(&digest[..16 - RANDOM]);
        Self(salt)
    }

    /// Reads what SQLCipher prints; `None` for a salt that is not of our making.
    pub(super) fn of_hex(text: &str) -> Option<Self> {
        let bytes: Vec<u8> = (0..text.len())
            .step_by(2)
            .map(|place| text.get(place..place + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok()))
            .collect::<Option<_>>()?;
        let salt = Self(bytes.try_into().ok()?);
        let random = *salt.0.first_chunk::<RANDOM>()?;
        (Self::around(random) == salt).then_some(salt)
    }

    pub(super) fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

/// The key of the pages.
pub(super) struct CipherKey(SecretKey);

impl CipherKey {
    pub(super) fn make() -> Result<Self, VaultError> {
        let mut key = SecretBox::new(Box::new([0; 32]));
        random::fill(key.expose_secret_mut())?;
        Ok(Self(key))
    }

    /// The key of MACs over rows, anchors and check values, derived from this one.
    pub(super) fn mac_key(&self, salt: &Salt) -> MacKey {
        MacKey::of(derive(&self.0, &salt.0, &Fields::of("pilotlight/v1/mac-key")).expose_secret())
    }

    /// Shows that a key is the one of this file and this app, without opening the file.
    fn check_value(&self, app: &str, salt: &Salt) -> [u8; 16] {
        let fields = Fields::of("pilotlight/v1/sqlcipher-check").text(app).bytes(&salt.0);
        let mut value = [0; 16];
        value.copy_from_slice(&self.mac_key(salt).mac(&fields)[..16]);
        value
    }

    /// `pc1.<key>.<check value>`: one line of ASCII, because some keystores keep text only.
    pub(super) fn to_text(&self, app: &str, salt: &Salt) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(96));
        text.push_str("pc1.");
        URL_SAFE_NO_PAD.encode_string(self.0.expose_secret(), &mut text);
        text.push('.');
        URL_SAFE_NO_PAD.encode_string(self.check_value(app, salt), &mut text);
        text
    }

    /// Reads [`Self::to_text`], and says whether the key is the one of this file. `None` for what is not a key at all.
    pub(super) fn parse(text: &str, app: &str, salt: &Salt) -> Option<(Self, bool)> {
        let (encoded, check) = text.strip_prefix("pc1.")?.split_once('.')?;
        let mut bytes = Zeroizing::new([0_u8; 48]);
        if URL_SAFE_NO_PAD.decode_slice(encoded, bytes.as_mut_slice()) != Ok(32) {
            return None;
        }
        let mut key = SecretKey::new(Box::new([0; 32]));
        key.expose_secret_mut().copy_from_slice(&bytes[..32]);
        let check: [u8; 16] = URL_SAFE_NO_PAD.decode(check).ok()?.try_into().ok()?;
        let key = Self(key);
        let matches = key.check_value(app, salt).ct_eq(&check).into();
        Some((key, matches))
    }

    /// `PRAGMA key` with these bytes as they are: SQLCipher stretches no key that is given so. With a `salt`, for a new file.
    pub(super) fn statement(&self, salt: Option<&Salt>) -> Zeroizing<String> {
        // Room for all of it from the start: growing would leave a copy behind.
        let mut text = Zeroizing::new(String::with_capacity(128));
        text.push_str("PRAGMA key = \"x'");
        push_hex(&mut text, self.0.expose_secret());
        if let Some(salt) = salt {
            push_hex(&mut text, &salt.0);
        }
        text.push_str("'\"");
        text
    }
}

fn push_hex(text: &mut String, bytes: &[u8]) {
    for byte in bytes {
        for digit in [byte >> 4, byte & 15] {
            text.push(char::from(b"0123456789abcdef"[usize::from(digit)]));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{CipherKey, Salt};

    fn hex(salt: &Salt) -> String {
        salt.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn a_salt_with_any_bit_flipped_is_not_ours() {
        let salt = Salt::make().unwrap();
        assert_eq!(Salt::of_hex(&hex(&salt)), Some(salt.clone()));
        for bit in 0..128 {
            let mut other = salt.clone();
            other.0[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Salt::of_hex(&hex(&other)), None, "{bit}");
        }
        for nonsense in ["", "0", "zz", "é", &hex(&salt)[..30], &format!("{}00", hex(&salt))] {
            assert_eq!(Salt::of_hex(nonsense), None, "{nonsense}");
        }
    }

    #[test]
    fn a_key_reads_back_and_knows_its_file_and_app() {
        let (key, salt) = (CipherKey::make().unwrap(), Salt::make().unwrap());
        let text = key.to_text("app", &salt);
        let (read, ours) = CipherKey::parse(&text, "app", &salt).unwrap();
        assert!(ours);
        assert_eq!(*read.statement(None), *key.statement(None));
        assert!(!CipherKey::parse(&text, "other", &salt).unwrap().1);
        assert!(!CipherKey::parse(&text, "app", &Salt::make().unwrap()).unwrap().1);
        for nonsense in ["", "pc1.", "pc1.AAAA.AAAA", &text[..text.len() - 1], &text.replace("pc1", "pc2")] {
            assert!(CipherKey::parse(nonsense, "app", &salt).is_none(), "{nonsense}");
        }
    }

    #[test]
    fn the_statement_is_written_in_place_without_growing() {
        let (key, salt) = (CipherKey::make().unwrap(), Salt::make().unwrap());
        for text in [key.statement(None), key.statement(Some(&salt))] {
            assert_eq!(text.capacity(), 128);
            assert!(text.starts_with("PRAGMA key = \"x'") && text.ends_with("'\""));
        }
        assert!(key.to_text("app", &salt).capacity() == 96);
    }
}
