//! What stands at the head of a vault in Redis: whose it is, and its DEK, wrapped.

use secrecy::{ExposeSecret, ExposeSecretMut, SecretBox, SecretString};

use crate::envelope::{ALG_AES_256_GCM, Aead, DekId, Fields, Identity, Kek, Keys, NONCE, SecretKey, TAG};
use crate::passphrase::Stretching;
use crate::{VaultError, random};

/// "PLVR".
const MAGIC: [u8; 4] = *b"PLVR";
/// The layout below.
const FORMAT: u32 = 1;
/// The DEK of a vault that was never rekeyed.
const FIRST_DEK: u32 = 1;
/// The KEK is what the caller gave.
const BY_BYTES: u32 = 1;
/// The KEK is a passphrase, stretched.
const BY_PASSPHRASE: u32 = 2;

/// How much of the header tells one vault from another, in bytes: all up to what a change of its key changes.
const IDENTITY: usize = 32;
/// How much of it the wrapping is bound to.
const BOUND: usize = 68;
/// The whole of it.
const LENGTH: usize = 160;

/// What opens a vault that several hosts share.
pub enum RedisKey<'a> {
    /// What a person, or a program's configuration, knows. Stretched by Argon2id.
    Passphrase(&'a SecretString),
    /// 32 random bytes, from a file or an environment that only those hosts can read.
    Bytes(&'a SecretBox<[u8; 32]>),
}

/// Does not show the key.
impl std::fmt::Debug for RedisKey<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Passphrase(_) => "Passphrase",
            Self::Bytes(_) => "Bytes",
        })
    }
}

/// Its bytes:
///
/// ```text
///   0 "PLVR"   4 format   8 vault id (16)   24 dek id   28 algorithm   32 protector   36 stretching (32)
///  68 check value of the KEK (16)   84 of the DEK (16)   100 nonce (12)   112 DEK, sealed (48)   160
/// ```
#[derive(Clone)]
pub(super) struct Header(Vec<u8>);

impl Header {
    /// For a new vault of `app`, and its keys.
    pub(super) fn make(app: &str, key: &RedisKey<'_>) -> Result<(Self, Keys), VaultError> {
        let keys = Keys::make(Identity { app: app.to_owned(), vault_id: random::make()? }, FIRST_DEK, Aead::Aes256Gcm)?;
        Ok((Self::wrap(&keys, key)?, keys))
    }

    /// The DEK of `keys` under `key`.
    pub(super) fn wrap(keys: &Keys, key: &RedisKey<'_>) -> Result<Self, VaultError> {
        let stretching = match key {
            RedisKey::Passphrase(_) => Some(Stretching::make()?),
            RedisKey::Bytes(_) => None,
        };
        let kek = kek(stretching, key)?;
        let mut bytes = Vec::with_capacity(LENGTH);
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&FORMAT.to_be_bytes());
        bytes.extend_from_slice(&keys.identity.vault_id);
        bytes.extend_from_slice(&keys.dek_id.to_be_bytes());
        bytes.extend_from_slice(&ALG_AES_256_GCM.to_be_bytes());
        bytes.extend_from_slice(&stretching.map_or(BY_BYTES, |_| BY_PASSPHRASE).to_be_bytes());
        bytes.extend_from_slice(&stretching.map_or([0; 32], Stretching::to_bytes));
        let sealed = kek.wrap(keys, &aad(&keys.identity.app, &bytes))?;
        bytes.extend_from_slice(&kek.check_value(&keys.identity.vault_id));
        bytes.extend_from_slice(&keys.check_value());
        bytes.extend_from_slice(&sealed.nonce);
        bytes.extend_from_slice(&sealed.ct);
        Ok(Self(bytes))
    }

    /// Reads what a vault has; everything that is not in it is [`VaultError::Damaged`] or [`VaultError::NewerFormat`].
    pub(super) fn read(bytes: &[u8]) -> Result<Self, VaultError> {
        if bytes.first_chunk() != Some(&MAGIC) {
            return Err(damaged("its header is not one of ours"));
        }
        match number(bytes, 4) {
            Some(FORMAT) if bytes.len() == LENGTH => Ok(Self(bytes.to_vec())),
            Some(newer) if newer > FORMAT => Err(VaultError::NewerFormat(newer)),
            _ => Err(damaged("its header is not whole")),
        }
    }

    /// The keys of the vault, for `app` and by `key`.
    pub(super) fn unlock(&self, app: &str, key: &RedisKey<'_>) -> Result<Keys, VaultError> {
        let bytes = &self.0;
        let (Some(dek_id), Some(ALG_AES_256_GCM), Some(protector)) =
            (number(bytes, 24), number(bytes, 28), number(bytes, 32))
        else {
            return Err(damaged("its header names an unknown algorithm"));
        };
        let stretching = match (protector, key) {
            (BY_PASSPHRASE, RedisKey::Passphrase(_)) => Some(Stretching::from_bytes(&bytes[36..BOUND])?),
            (BY_PASSPHRASE, RedisKey::Bytes(_)) => return Err(VaultError::PassphraseNeeded),
            (BY_BYTES, RedisKey::Bytes(_)) if bytes[36..BOUND] == [0; 32] => None,
            (BY_BYTES, RedisKey::Passphrase(_)) => return Err(VaultError::WrongKey),
            _ => return Err(damaged("its header names an unknown kind of key")),
        };
        let mut vault_id = [0; 16];
        vault_id.copy_from_slice(&bytes[8..24]);
        let identity = Identity { app: app.to_owned(), vault_id };
        let kek = kek(stretching, key)?;
        let (nonce, ct) = bytes[100..].split_at(NONCE);
        let known = kek.matches(&vault_id, &bytes[BOUND..84]);
        let dek = DekId { identity: &identity, dek_id, aead: Aead::Aes256Gcm };
        match kek.unwrap(&dek, &aad(app, &bytes[..BOUND]), nonce, ct) {
            Some(keys) if known && keys.matches(&bytes[84..100]) => Ok(keys),
            None if !known && stretching.is_some() => Err(VaultError::WrongPassphrase),
            None if !known => Err(VaultError::WrongKey),
            // One of key and check value is right and the other is not.
            _ => Err(damaged("its wrapped key was altered, or is another app's")),
        }
    }

    /// What tells this vault from another one, whatever key opens it.
    pub(super) fn identity(&self) -> &[u8] {
        &self.0[..IDENTITY]
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

const _: () = assert!(112 + 32 + TAG == LENGTH);

fn kek(stretching: Option<Stretching>, key: &RedisKey<'_>) -> Result<Kek, VaultError> {
    let key = match (key, stretching) {
        (RedisKey::Passphrase(passphrase), Some(stretching)) => stretching.key(passphrase)?,
        (RedisKey::Bytes(bytes), None) => {
            let mut key = SecretKey::new(Box::new([0; 32]));
            key.expose_secret_mut().copy_from_slice(bytes.expose_secret());
            key
        }
        _ => return Err(VaultError::WrongKey),
    };
    Ok(Kek::of(key))
}

fn aad(app: &str, bound: &[u8]) -> Fields {
    Fields::of("pilotlight/v1/redis-dek").text(app).bytes(bound)
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

pub(super) fn damaged(why: &str) -> VaultError {
    VaultError::Damaged(format!("in Redis: {why}"))
}
