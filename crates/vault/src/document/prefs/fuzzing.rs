//! The parsers of `encrypted-prefs`, each as a function from any bytes; see `crate::fuzzing`.

use zeroize::Zeroizing;

use super::format::Sealed;
use super::keyset::{Cipher, Gcm, Keyset, Siv};
use super::master::{MasterKey, StoredKey};
use super::text::{self, Manifest};
use super::xml;
use crate::VaultError;
use crate::document::Entry;
use crate::document::fuzzing::document_of;

/// The file, before any key is needed.
pub(crate) fn prefs_xml(bytes: &[u8]) {
    if let Ok(entries) = xml::read(bytes) {
        let pairs = entries.iter().map(|(name, text)| (name.as_str(), text.as_str()));
        assert_eq!(xml::read(&xml::write(pairs)).ok(), Some(entries));
    }
    let _ = Sealed::read(bytes);
}

/// Leaves what it wraps as it is, so that what stands behind the encryption is reached.
struct Open;

impl MasterKey for Open {
    fn wrap(&self, plaintext: &[u8]) -> Result<Vec<u8>, VaultError> {
        Ok(plaintext.to_vec())
    }

    fn unwrap(&self, wrapped: &[u8]) -> Result<Option<Zeroizing<Vec<u8>>>, VaultError> {
        Ok(Some(Zeroizing::new(wrapped.to_vec())))
    }
}

/// A keyset, as hexadecimal text and as the message within.
pub(crate) fn tink_keyset(bytes: &[u8]) {
    keyset_of::<Siv>(bytes);
    keyset_of::<Gcm>(bytes);
}

fn keyset_of<C: Cipher>(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let read = [Keyset::<C>::parse(bytes).ok(), Keyset::<C>::unwrap(&text, &Open).ok().flatten()];
    for keyset in read.into_iter().flatten() {
        let wrapped = keyset.wrap(&Open).unwrap_or_else(|error| panic!("{error}"));
        let again = Keyset::<C>::unwrap(&wrapped, &Open).unwrap_or_else(|error| panic!("{error}"));
        let again = again.unwrap_or_else(|| panic!("what is wrapped does not open"));
        assert_eq!(again.wrap(&Open).ok(), Some(wrapped));
        // What is sealed by the keyset opens by the one that was read back.
        let sealed = keyset.seal(b"aad", bytes).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(again.open(b"aad", &sealed).as_ref().map(|opened| opened.as_slice()), Some(bytes));
        assert!(again.open(b"aad", &text).is_none(), "nobody seals without the key");
    }
}

/// What the preferences say, once they are open, and the key that the keystore keeps.
pub(crate) fn prefs_text(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes).into_owned();
    let padded = text::encode(bytes).unwrap_or_else(|error| panic!("{error}"));
    for text in [&text, &*padded] {
        if let Some(entry) = text::to_entry(text) {
            assert_eq!(written(&entry), *text);
        }
        if let Some(manifest) = Manifest::parse(text) {
            assert_eq!(manifest.to_text().ok().as_ref().map(|again| again.as_str()), Some(text.as_str()));
        }
        let _ = Manifest::newer(text);
        if let Some(key) = StoredKey::parse(text) {
            assert_eq!(key.to_text().as_str(), text);
        }
    }
    if let Some(text) = text::of_value(bytes) {
        assert_eq!(text::to_value(text).ok().as_ref().map(|value| value.as_slice()), Some(bytes));
    }
    for entry in document_of(bytes).entries.values() {
        let text = written(entry);
        assert_eq!(text::to_entry(&text).as_ref().map(written), Some(text));
    }
}

fn written(entry: &Entry) -> String {
    text::of_entry(entry).unwrap_or_else(|error| panic!("{error}")).to_string()
}
