//! A key that only this machine's TPM 2.0 can give back.
//!
//! ```text
//!   TPM: storage seed ──▶ primary key (P-256, derived anew each time, the same until the TPM is cleared)
//!                            │ wraps                      │ ECDH: the salt of a session, so that the wires hear nothing
//!   vault-tpm.db: slot  ◀────┴── sealed KEK ── unwraps ──▶ DEK
//! ```
//!
//! Another platform's chip takes the same seat: Android Keystore's, or a Secure Enclave, would be one more `Protector`
//! whose slot keeps what that chip has wrapped.

mod bytes;
mod command;
mod device;
mod session;

pub use device::TpmDevice;

use secrecy::{ExposeSecret, ExposeSecretMut};

use self::bytes::{Reader, Writer};
use self::command::{Blob, Tpm};
use crate::envelope::{Candidates, Kek, KekRef, Protector, SecretKey};
use crate::{VaultError, random};

/// The version of what a slot keeps.
const VERSION: u8 = 1;

/// KEKs that a TPM has sealed; a slot keeps the sealed form, which is of no use without that TPM.
pub(crate) struct TpmProtector {
    device: TpmDevice,
}

impl TpmProtector {
    pub(crate) const fn new(device: TpmDevice) -> Self {
        Self { device }
    }

    /// Seals, and sees that it can be unsealed.
    fn seal(&self, key: &SecretKey) -> Result<Vec<u8>, VaultError> {
        let mut tpm = Tpm::connect(&self.device)?;
        let primary = tpm.primary()?;
        let mut session = tpm.session(&primary)?;
        let blob = tpm.seal(&mut session, &primary, key.expose_secret())?;
        let again = tpm.unseal(&mut session, &primary, &blob)?;
        if again.is_none_or(|again| again.as_slice() != key.expose_secret()) {
            return Err(VaultError::Unavailable("the TPM does not give back what it seals".to_owned()));
        }
        let params = Writer::new().byte(VERSION).raw(&primary.name).sized(&blob.private).sized(&blob.public);
        Ok(params.as_bytes().to_vec())
    }

    /// `None` where this TPM's storage key is not the one that sealed.
    fn unseal(&self, params: &[u8]) -> Result<Option<SecretKey>, VaultError> {
        let mut reader = Reader(params);
        let read = (|| {
            let (version, name) = (reader.byte()?, reader.raw(34)?);
            let blob = Blob { private: reader.sized()?.to_vec(), public: reader.sized()?.to_vec() };
            (version == VERSION && reader.0.is_empty()).then_some((name, blob))
        })();
        let (name, blob) = read.ok_or_else(|| damaged("what the TPM sealed is not readable"))?;
        let mut tpm = Tpm::connect(&self.device)?;
        let primary = tpm.primary()?;
        if primary.name != name {
            return Ok(None);
        }
        let mut session = tpm.session(&primary)?;
        let secret = tpm.unseal(&mut session, &primary, &blob)?;
        let secret =
            secret.filter(|secret| secret.len() == 32).ok_or_else(|| damaged("what the TPM sealed was changed"))?;
        let mut key = SecretKey::new(Box::new([0; 32]));
        key.expose_secret_mut().copy_from_slice(&secret);
        Ok(Some(key))
    }
}

fn damaged(why: &str) -> VaultError {
    VaultError::Damaged(why.to_owned())
}

impl Protector for TpmProtector {
    fn kind(&self) -> &'static str {
        "tpm2"
    }

    fn make(&self, _vault_id: &[u8; 16], _taken: &[KekRef]) -> Result<(KekRef, Kek), VaultError> {
        let mut key = SecretKey::new(Box::new([0; 32]));
        random::fill(key.expose_secret_mut())?;
        let params = self.seal(&key)?;
        Ok((KekRef { name: "storage-hierarchy/ecc-p256".to_owned(), params }, Kek::of(key)))
    }

    fn candidates(&self, _vault_id: &[u8; 16], reference: &KekRef) -> Result<Candidates, VaultError> {
        Ok(match self.unseal(&reference.params)? {
            Some(key) => Candidates { keks: vec![Kek::of(key)], otherwise: VaultError::WrongKey },
            None => Candidates {
                keks: Vec::new(),
                otherwise: VaultError::TpmLost("it was cleared, or this is another machine's".to_owned()),
            },
        })
    }
}

#[cfg(test)]
mod tests;
