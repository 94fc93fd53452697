//! The server's own keys. They are kept in the store, so that tokens survive a restart.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use sha2::Sha256;
use zeroize::{Zeroize, Zeroizing};

use crate::system::{NoEntropy, make_random};

/// What a store keeps of the keys.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyMaterial {
    /// The key of every MAC the server makes.
    pub mac: [u8; 32],
    /// The ES256 signing key, PKCS #8.
    pub signing: Vec<u8>,
}

impl fmt::Debug for KeyMaterial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyMaterial(redacted)")
    }
}

impl Drop for KeyMaterial {
    fn drop(&mut self) {
        self.mac.zeroize();
        self.signing.zeroize();
    }
}

impl KeyMaterial {
    /// New keys from the operating system's randomness.
    pub(crate) fn make() -> Result<Self, NoEntropy> {
        let signing = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new())
            .map_err(|_| NoEntropy)?;
        Ok(Self { mac: make_random()?, signing: signing.as_ref().to_vec() })
    }
}

/// The key of refresh tokens, of pages' tickets, and of nothing that leaves the server.
pub(crate) struct MacKey(Zeroizing<[u8; 32]>);

impl MacKey {
    pub(crate) fn new(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// A MAC under this key, for one purpose: the label keeps one kind of token from passing for another.
    pub(crate) fn mac(&self, label: &'static [u8]) -> Hmac<Sha256> {
        // HMAC's own padding (RFC 2104 section 2), written out, so that there is no length that could be wrong.
        let mut block = Zeroizing::new([0; 64]);
        block[..32].copy_from_slice(&*self.0);
        let mut mac = <Hmac<Sha256> as KeyInit>::new((&*block).into());
        mac.update(label);
        mac
    }
}
