//! KEKs that a person knows.

use secrecy::{ExposeSecret, SecretString};

use super::{Candidates, KekRef, Protector};
use crate::VaultError;
use crate::envelope::Kek;
use crate::passphrase::Stretching;

/// See [`Means::passphrase`](super::Means::passphrase).
pub(super) struct PassphraseProtector {
    passphrase: SecretString,
}

impl PassphraseProtector {
    pub(super) const KIND: &'static str = "passphrase";

    pub(super) fn new(passphrase: SecretString) -> Self {
        Self { passphrase }
    }
}

impl Protector for PassphraseProtector {
    fn kind(&self) -> &'static str {
        Self::KIND
    }

    fn make(&self, _vault_id: &[u8; 16], _taken: &[KekRef]) -> Result<(KekRef, Kek), VaultError> {
        if self.passphrase.expose_secret().is_empty() {
            return Err(VaultError::PassphraseNeeded);
        }
        let stretching = Stretching::make()?;
        let kek = Kek::of(stretching.key(&self.passphrase)?);
        Ok((KekRef { name: "argon2id".to_owned(), params: stretching.to_bytes().to_vec() }, kek))
    }

    fn candidates(&self, _vault_id: &[u8; 16], reference: &KekRef) -> Result<Candidates, VaultError> {
        let stretching = Stretching::from_bytes(&reference.params)?;
        let kek = Kek::of(stretching.key(&self.passphrase)?);
        Ok(Candidates { keks: vec![kek], otherwise: VaultError::WrongPassphrase })
    }
}
