//! What a vault's data key may be wrapped by: each protector gives key encryption keys and says what it means when none
//! of them fits. The wrapping itself is the same for all.

mod keystore;
mod passphrase;
mod recovery;

use std::fmt;
use std::sync::Arc;

use secrecy::SecretString;

pub(crate) use keystore::KeystoreProtector;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use keystore::origin_and_generation;
use passphrase::PassphraseProtector;
pub use recovery::RecoveryCode;
use recovery::RecoveryProtector;

use super::Kek;
use crate::{Keystore, VaultError};

/// Names a KEK: what a slot says of it, and what its protector finds it by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KekRef {
    /// For the protector and for people, e.g. `secret-service/1`; 1 to 256 bytes.
    pub(crate) name: String,
    /// What the protector needs to have the KEK again, and is no secret: a salt, a blob sealed by a chip. At most 1000
    /// bytes; bound to the wrapping.
    pub(crate) params: Vec<u8>,
}

/// The keys that may open a slot.
pub(crate) struct Candidates {
    /// More than one where the protector cannot tell them apart; the right one is found by its check value.
    pub(crate) keks: Vec<Kek>,
    /// What it means that none of them fits.
    pub(crate) otherwise: VaultError,
}

/// One way to open a vault. See [`Means`] for those there are.
pub(crate) trait Protector: Send + Sync {
    /// Its name in table `dek_slot`: `os-keystore`, `passphrase`, `recovery-code`, `tpm2`.
    fn kind(&self) -> &'static str;

    /// Makes a KEK for a new slot. What it takes to have it again is durable when this returns, and nothing that an
    /// existing slot needs was touched: `taken` names the KEKs of those.
    fn make(&self, vault_id: &[u8; 16], taken: &[KekRef]) -> Result<(KekRef, Kek), VaultError>;

    /// The keys that may open the slot of this reference. An error where the protector could not be asked, never where
    /// it answers that it has none (P4): that is [`Candidates::otherwise`].
    fn candidates(&self, vault_id: &[u8; 16], reference: &KekRef) -> Result<Candidates, VaultError>;

    /// Whether a second look may find what the first one did not; waits until it may.
    fn settle(&self) -> bool {
        false
    }

    /// Forgets all KEKs of this vault but those `in_use`: what earlier rekeys left behind, cut short or not.
    fn forget_unused(&self, _vault_id: &[u8; 16], _in_use: &[KekRef]) -> Result<(), VaultError> {
        Ok(())
    }

    /// Forgets a KEK whose slot is gone. Forgetting what is not there is fine.
    fn forget(&self, _vault_id: &[u8; 16], _reference: &KekRef) -> Result<(), VaultError> {
        Ok(())
    }
}

/// One of the means to open a vault, or to make one that can be opened by it.
#[derive(Clone)]
pub struct Means(Arc<dyn Protector>);

impl Means {
    /// A random key that the OS keystore keeps.
    pub fn keystore(keystore: Arc<dyn Keystore>) -> Self {
        Self(Arc::new(KeystoreProtector::new(keystore)))
    }

    /// What a person knows, stretched by Argon2id (RFC 9106). It stays in memory, wiped at the end, for as long as these
    /// means do.
    #[must_use]
    pub fn passphrase(passphrase: SecretString) -> Self {
        Self(Arc::new(PassphraseProtector::new(passphrase)))
    }

    /// What a person wrote down. See [`RecoveryCode`].
    #[must_use]
    pub fn recovery_code(code: RecoveryCode) -> Self {
        Self(Arc::new(RecoveryProtector::new(code)))
    }

    /// A random key that a TPM 2.0 seals: this machine opens the vault, and no other.
    #[cfg(all(feature = "tpm", unix))]
    #[must_use]
    pub fn tpm(device: crate::TpmDevice) -> Self {
        Self::of(Arc::new(crate::tpm::TpmProtector::new(device)))
    }

    /// Any other protector.
    #[cfg_attr(
        not(any(test, all(feature = "tpm", unix))),
        expect(dead_code, reason = "for the strategies that only add a protector")
    )]
    pub(crate) fn of(protector: Arc<dyn Protector>) -> Self {
        Self(protector)
    }

    /// Which means these are, as [`SlotInfo::kind`](crate::SlotInfo) names them.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        self.0.kind()
    }

    pub(crate) fn protector(&self) -> &dyn Protector {
        &*self.0
    }
}

/// Their kind alone.
impl fmt::Debug for Means {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Means").field(&self.kind()).finish()
    }
}
