//! Salted sessions: what goes to the chip and comes from it is encrypted and authenticated under a key that both agree on
//! by ECDH, so that somebody who listens on the wires to the chip hears no key (TPM 2.0 Library, part 1, sections 19 and 21).

use aes_gcm::aes::Aes128;
use aes_gcm::aes::cipher::{BlockCipherEncrypt, KeyInit as _};
use hmac::{Hmac, Mac};
use ring::agreement::{ECDH_P256, EphemeralPrivateKey, UnparsedPublicKey, agree_ephemeral};
use ring::rand::SystemRandom;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::bytes::{Reader, Writer};
use super::device::not_an_answer;
use crate::{VaultError, random};

/// Goes on after the command, instead of ending with it.
const CONTINUE: u8 = 0x01;
/// The first parameter of the command is encrypted.
pub(super) const DECRYPT: u8 = 0x20;
/// The first parameter of the answer is.
pub(super) const ENCRYPT: u8 = 0x40;

type Secret = Zeroizing<[u8; 32]>;

/// A point of P-256, as 32 bytes each.
pub(super) struct Point {
    pub(super) x: [u8; 32],
    pub(super) y: [u8; 32],
}

/// What a salt was made from, until the TPM has answered.
pub(super) struct Salt {
    salt: Secret,
    nonce: [u8; 32],
}

impl Salt {
    /// A salt that only the holder of `theirs` can have too. Gives it with the parameters of `TPM2_StartAuthSession`.
    pub(super) fn make(theirs: &Point) -> Result<(Self, Writer), VaultError> {
        let failed = |_| VaultError::Unavailable("the TPM's key is not a point of P-256".to_owned());
        let random = SystemRandom::new();
        let ours = EphemeralPrivateKey::generate(&ECDH_P256, &random).map_err(failed)?;
        let public = ours.compute_public_key().map_err(failed)?;
        let (our_x, our_y) = public.as_ref().get(1..65).unwrap_or_default().split_at(32);
        let point = UnparsedPublicKey::new(&ECDH_P256, [&[4][..], &theirs.x, &theirs.y].concat());
        // KDFe, part 1, section 11.4.10.3.
        let salt = agree_ephemeral(ours, &point, |shared| -> Secret {
            let hash = Sha256::new().chain_update(1_u32.to_be_bytes()).chain_update(shared);
            Zeroizing::new(hash.chain_update(b"SECRET\0").chain_update(our_x).chain_update(theirs.x).finalize().into())
        })
        .map_err(failed)?;
        let nonce = random::make()?;
        let point = Writer::new().sized(our_x).sized(our_y);
        let parameters = Writer::new()
            .sized(&nonce)
            .sized(point.as_bytes())
            .byte(0) // TPM_SE_HMAC
            .raw(&super::command::AES_128_CFB)
            .short(super::command::SHA256);
        Ok((Self { salt, nonce }, parameters))
    }

    /// The session that the TPM has begun as `handle`, with its nonce.
    pub(super) fn session(self, handle: u32, theirs: &[u8]) -> Session {
        let key = kdfa(&self.salt, b"ATH", theirs, &self.nonce);
        Session { handle, key, ours: self.nonce, theirs: theirs.to_vec() }
    }
}

/// A session that was begun.
pub(super) struct Session {
    pub(super) handle: u32,
    key: Secret,
    ours: [u8; 32],
    theirs: Vec<u8>,
}

impl Session {
    /// Authorises command `code` on objects of these names, whose authorisation value is empty, and encrypts its first
    /// parameter where `attributes` say so. Gives authorisation area and parameters.
    pub(super) fn authorise(
        &mut self,
        code: u32,
        names: &[&[u8]],
        parameters: &[u8],
        attributes: u8,
    ) -> Result<(Writer, Zeroizing<Vec<u8>>), VaultError> {
        let attributes = attributes | CONTINUE;
        self.ours = random::make()?;
        let mut parameters = Zeroizing::new(parameters.to_vec());
        if attributes & DECRYPT != 0 {
            let first = first_of(&mut parameters).ok_or_else(not_an_answer)?;
            self.cipher(&self.ours, &self.theirs).encrypt(first);
        }
        let mut hash = Sha256::new().chain_update(code.to_be_bytes());
        for name in names {
            hash.update(name);
        }
        let digest: [u8; 32] = hash.chain_update(&parameters[..]).finalize().into();
        let mac = self.mac(&digest, &self.ours, &self.theirs, attributes).finalize().into_bytes();
        let area = Writer::new().long(self.handle).sized(&self.ours).byte(attributes).sized(&mac);
        Ok((area, parameters))
    }

    /// Checks the answer to what was authorised, and gives its parameters, decrypted where `attributes` say so.
    pub(super) fn verify(
        &mut self,
        code: u32,
        answer: &[u8],
        attributes: u8,
    ) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        let mut reader = Reader(answer);
        let (parameters, nonce, said, mac) = (|| {
            let length = reader.long()? as usize;
            Some((reader.raw(length)?, reader.sized()?, reader.byte()?, reader.sized()?))
        })()
        .ok_or_else(not_an_answer)?;
        let hash = Sha256::new().chain_update(0_u32.to_be_bytes()).chain_update(code.to_be_bytes());
        let digest: [u8; 32] = hash.chain_update(parameters).finalize().into();
        let expected = self.mac(&digest, nonce, &self.ours, said).finalize().into_bytes();
        if !bool::from(expected.ct_eq(mac)) {
            return Err(VaultError::Unavailable("something between here and the TPM changes what it says".to_owned()));
        }
        self.theirs = nonce.to_vec();
        let mut parameters = Zeroizing::new(parameters.to_vec());
        if attributes & ENCRYPT != 0 {
            let first = first_of(&mut parameters).ok_or_else(not_an_answer)?;
            self.cipher(&self.theirs, &self.ours).decrypt(first);
        }
        Ok(parameters)
    }

    fn mac(&self, digest: &[u8; 32], newer: &[u8], older: &[u8], attributes: u8) -> Hmac<Sha256> {
        let mut mac = keyed(&*self.key);
        for part in [&digest[..], newer, older, &[attributes]] {
            mac.update(part);
        }
        mac
    }

    fn cipher(&self, newer: &[u8], older: &[u8]) -> Cfb {
        let material = kdfa(&self.key, b"CFB", newer, older);
        let (key, start) = material.split_at(16);
        let mut last = [0; 16];
        last.copy_from_slice(start);
        let mut fixed = Zeroizing::new([0; 16]);
        fixed.copy_from_slice(key);
        Cfb { cipher: Aes128::new((&*fixed).into()), last }
    }
}

/// What stands in the first parameter, behind its length.
fn first_of(parameters: &mut [u8]) -> Option<&mut [u8]> {
    let (length, rest) = parameters.split_first_chunk_mut::<2>()?;
    rest.get_mut(..usize::from(u16::from_be_bytes(*length)))
}

fn keyed(key: &[u8]) -> Hmac<Sha256> {
    // A key of 32 bytes padded with zeros to the block of its hash, as HMAC does it, so that no length can be wrong.
    let mut block = Zeroizing::new([0_u8; 64]);
    block[..key.len()].copy_from_slice(key);
    hmac::KeyInit::new((&*block).into())
}

/// KDFa with 256 bits, part 1, section 11.4.10.2.
fn kdfa(key: &[u8; 32], label: &[u8], u: &[u8], v: &[u8]) -> Secret {
    let mut mac = keyed(key);
    for part in [&1_u32.to_be_bytes()[..], label, &[0], u, v, &256_u32.to_be_bytes()] {
        mac.update(part);
    }
    Zeroizing::new(mac.finalize().into_bytes().into())
}

/// AES-128 in cipher feedback mode (NIST SP 800-38A, section 6.3), for one text.
struct Cfb {
    cipher: Aes128,
    last: [u8; 16],
}

impl Cfb {
    fn encrypt(mut self, text: &mut [u8]) {
        for block in text.chunks_mut(16) {
            self.step(block);
            self.last[..block.len()].copy_from_slice(block);
        }
    }

    fn decrypt(mut self, text: &mut [u8]) {
        for block in text.chunks_mut(16) {
            let mut sealed = [0; 16];
            sealed[..block.len()].copy_from_slice(block);
            self.step(block);
            self.last = sealed;
        }
    }

    fn step(&self, block: &mut [u8]) {
        let mut stream = self.last.into();
        self.cipher.encrypt_block(&mut stream);
        for (byte, stream) in block.iter_mut().zip(stream) {
            *byte ^= stream;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Aes128, Cfb};
    use aes_gcm::aes::cipher::KeyInit as _;

    /// NIST SP 800-38A, section F.3.13, the first two blocks.
    #[test]
    fn sp_800_38a_f_3_13() {
        let hex = |text: &str| -> Vec<u8> {
            (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
        };
        let key: [u8; 16] = hex("2b7e151628aed2a6abf7158809cf4f3c").try_into().unwrap();
        let cfb = || Cfb { cipher: Aes128::new(&key.into()), last: std::array::from_fn(|at| at as u8) };
        let plain = hex("6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51");
        let mut text = plain.clone();
        cfb().encrypt(&mut text);
        assert_eq!(text, hex("3b3fd92eb72dad20333449f8e83cfb4ac8a64537a0b3a93fcde3cdad9f1ce58b"));
        cfb().decrypt(&mut text);
        assert_eq!(text, plain);
    }
}
