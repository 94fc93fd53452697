//! From the keystore's entry to the key of the file, with every way to fail told apart (P4).

use subtle::ConstantTimeEq;

use super::key::{CipherKey, Salt};
use crate::keystore::KeystoreSecret;
use crate::{Keystore, KeystoreError, VaultError, base32};

/// Under which name the key of a file is kept.
pub(super) fn name_of(salt: &Salt) -> String {
    format!("sqlcipher-{}", base32::encode(salt.as_bytes()))
}

/// Keeps the key of a file that is about to appear.
pub(super) fn keep(key: &CipherKey, app: &str, salt: &Salt, keystore: &dyn Keystore) -> Result<(), VaultError> {
    let (name, text) = (name_of(salt), key.to_text(app, salt));
    keystore.write(&name, &text)?;
    let kept = keystore.read(&name)?;
    if kept.is_some_and(|kept| bool::from(kept.as_bytes().ct_eq(text.as_bytes()))) {
        Ok(())
    } else {
        Err(KeystoreError::Unsuitable("the new key does not read back".to_owned()).into())
    }
}

/// The key of the file with this salt. It is the right one: what does not open under it is damaged.
pub(super) fn unlock(app: &str, salt: &Salt, keystore: &dyn Keystore) -> Result<CipherKey, VaultError> {
    let name = name_of(salt);
    let mut texts = keystore.read_all(&name)?;
    if texts.is_empty() {
        // A keystore that has only just started may answer before it has loaded its entries.
        keystore.settle();
        texts = keystore.read_all(&name)?;
    }
    choose(app, salt, &texts)
}

fn choose(app: &str, salt: &Salt, texts: &[KeystoreSecret]) -> Result<CipherKey, VaultError> {
    let mut strangers = false;
    for text in texts {
        match CipherKey::parse(text, app, salt) {
            Some((key, true)) => return Ok(key),
            Some(_) => strangers = true,
            None => {}
        }
    }
    Err(match (texts.len(), strangers) {
        (0, _) => VaultError::KeyLost,
        (1, true) => VaultError::WrongKey,
        (1, false) => VaultError::KeyCorrupt,
        (several, _) => KeystoreError::Ambiguous(several).into(),
    })
}
