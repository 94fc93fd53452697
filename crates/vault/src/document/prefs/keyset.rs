//! Tink's keysets: several keys of one kind, one of which is used to seal, kept encrypted under the master key.
//!
//! Messages and field numbers are those of Tink's `tink.proto`, `aes_siv.proto` and `aes_gcm.proto`; what a ciphertext
//! begins with is in Tink's "Wire format". Where Tink is lenient this is not: a keyset that is not encrypted, a key of
//! another kind, a key whose ciphertexts do not name it, and anything unknown are refused.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, ExposeSecretMut, SecretBox};
use zeroize::Zeroizing;

use super::cipher;
use super::master::MasterKey;
use super::proto::{self, Fields, Value};
use crate::{VaultError, random};

/// More keys than anybody rotates through.
const MOST_KEYS: usize = 100;
/// The longest keyset that is read, in bytes before hexadecimal: 100 keys with their descriptions are half of it.
const LONGEST: usize = 64 * 1024;

/// `KeyStatusType`.
const ENABLED: u32 = 1;
const DISABLED: u32 = 2;
const DESTROYED: u32 = 3;
/// `OutputPrefixType.TINK`: ciphertexts begin with 1 and the key's id.
const PREFIX_TINK: u32 = 1;
/// `KeyMaterialType.SYMMETRIC`.
const SYMMETRIC: u32 = 1;
/// Length of that beginning, in bytes.
const PREFIX: usize = 5;

/// A cipher that keys of a keyset belong to.
pub(super) trait Cipher {
    /// Its key's message, e.g. `AesSivKey`.
    const TYPE_URL: &'static str;
    /// The fields of that message before the key itself: the version, and for GCM parameters that are always empty.
    const KEY_FIELD: u64;
    type Key: AsRef<[u8]> + AsMut<[u8]> + zeroize::Zeroize;
    fn blank() -> Self::Key;
    fn seal(key: &Self::Key, aad: &[u8], plaintext: &[u8]) -> Result<Vec<u8>, VaultError>;
    fn open(key: &Self::Key, aad: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>>;
}

/// AES-256-SIV: names.
pub(super) enum Siv {}
/// AES-256-GCM: values.
pub(super) enum Gcm {}

impl Cipher for Siv {
    const TYPE_URL: &'static str = "type.googleapis.com/google.crypto.tink.AesSivKey";
    const KEY_FIELD: u64 = 2;
    type Key = [u8; 64];
    fn blank() -> Self::Key {
        [0; 64]
    }
    fn seal(key: &Self::Key, aad: &[u8], plaintext: &[u8]) -> Result<Vec<u8>, VaultError> {
        cipher::siv_seal(key, aad, plaintext)
    }
    fn open(key: &Self::Key, aad: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        cipher::siv_open(key, aad, sealed)
    }
}

impl Cipher for Gcm {
    const TYPE_URL: &'static str = "type.googleapis.com/google.crypto.tink.AesGcmKey";
    const KEY_FIELD: u64 = 3;
    type Key = [u8; 32];
    fn blank() -> Self::Key {
        [0; 32]
    }
    fn seal(key: &Self::Key, aad: &[u8], plaintext: &[u8]) -> Result<Vec<u8>, VaultError> {
        cipher::gcm_seal(key, aad, plaintext)
    }
    fn open(key: &Self::Key, aad: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        cipher::gcm_open(key, aad, sealed)
    }
}

struct Key<C: Cipher> {
    id: u32,
    material: SecretBox<C::Key>,
}

/// The keys of a keyset that may be used.
pub(super) struct Keyset<C: Cipher> {
    primary: u32,
    keys: Vec<Key<C>>,
}

fn refused(why: &str) -> VaultError {
    VaultError::Damaged(format!("its keyset {why}"))
}

fn malformed() -> VaultError {
    refused("is malformed")
}

impl<C: Cipher> Keyset<C> {
    /// A keyset of one random key.
    pub(super) fn make() -> Result<Self, VaultError> {
        let mut material = SecretBox::new(Box::new(C::blank()));
        random::fill(material.expose_secret_mut().as_mut())?;
        let mut id = 0;
        while id == 0 {
            id = u32::from_be_bytes(random::make()?);
        }
        Ok(Self { primary: id, keys: vec![Key { id, material }] })
    }

    /// The ciphertext of the primary key as base64 text, with the prefix that names the key.
    pub(super) fn seal(&self, aad: &[u8], plaintext: &[u8]) -> Result<String, VaultError> {
        let key = self.key(self.primary).ok_or_else(|| refused("has no primary key"))?;
        let sealed = C::seal(key.material.expose_secret(), aad, plaintext)?;
        let mut prefixed = Vec::with_capacity(PREFIX + sealed.len());
        prefixed.push(PREFIX_TINK as u8);
        prefixed.extend_from_slice(&self.primary.to_be_bytes());
        prefixed.extend_from_slice(&sealed);
        Ok(STANDARD.encode(prefixed))
    }

    /// Opens with the one key that the ciphertext names; no other is tried.
    pub(super) fn open(&self, aad: &[u8], text: &str) -> Option<Zeroizing<Vec<u8>>> {
        let prefixed = STANDARD.decode(text).ok()?;
        let (prefix, sealed) = prefixed.split_first_chunk::<PREFIX>()?;
        let [start, id @ ..] = *prefix;
        if u32::from(start) != PREFIX_TINK {
            return None;
        }
        C::open(self.key(u32::from_be_bytes(id))?.material.expose_secret(), aad, sealed)
    }

    fn key(&self, id: u32) -> Option<&Key<C>> {
        self.keys.iter().find(|key| key.id == id)
    }

    /// The keyset as `EncryptedKeyset`, in hexadecimal.
    pub(super) fn wrap(&self, master: &dyn MasterKey) -> Result<String, VaultError> {
        let mut message = Vec::new();
        proto::push_bytes(&mut message, 2, &master.wrap(&self.to_message())?);
        proto::push_bytes(&mut message, 3, &self.description());
        Ok(hex_of(&message))
    }

    /// Reads [`Self::wrap`] and what Tink writes; `None` where the master key does not open it.
    pub(super) fn unwrap(text: &str, master: &dyn MasterKey) -> Result<Option<Self>, VaultError> {
        let message = bytes_of(text).ok_or_else(malformed)?;
        let sealed = match proto::singular::<3>(&message) {
            Some([None, Some(sealed), _]) => sealed.bytes().ok_or_else(malformed)?,
            // Tink reads such a keyset as it stands when it does not open as an encrypted one: whoever may write the
            // file could choose the keys.
            Some([Some(Value::Number(_)), ..]) => return Err(refused("is not encrypted")),
            _ if Self::parse(&message).is_ok() => return Err(refused("is not encrypted")),
            _ => return Err(malformed()),
        };
        master.unwrap(sealed)?.map(|opened| Self::parse(&opened)).transpose()
    }

    /// The message `Keyset`.
    fn to_message(&self) -> Zeroizing<Vec<u8>> {
        // Room for all of it from the start: growing would leave copies of the keys behind.
        let mut message = Zeroizing::new(Vec::with_capacity(16 + 256 * self.keys.len()));
        proto::push_number(&mut message, 1, self.primary);
        for key in &self.keys {
            let mut material = Zeroizing::new(Vec::with_capacity(80));
            proto::push_bytes(&mut material, C::KEY_FIELD, key.material.expose_secret().as_ref());
            let mut data = Zeroizing::new(Vec::with_capacity(160));
            proto::push_bytes(&mut data, 1, C::TYPE_URL.as_bytes());
            proto::push_bytes(&mut data, 2, &material);
            proto::push_number(&mut data, 3, SYMMETRIC);
            let mut entry = Zeroizing::new(Vec::with_capacity(192));
            proto::push_bytes(&mut entry, 1, &data);
            proto::push_number(&mut entry, 2, ENABLED);
            proto::push_number(&mut entry, 3, key.id);
            proto::push_number(&mut entry, 4, PREFIX_TINK);
            proto::push_bytes(&mut message, 2, &entry);
        }
        message
    }

    /// The message `KeysetInfo`, which says in the clear what keys there are. Nothing is decided by it here.
    fn description(&self) -> Vec<u8> {
        let mut message = Vec::new();
        proto::push_number(&mut message, 1, self.primary);
        for key in &self.keys {
            let mut entry = Vec::new();
            proto::push_bytes(&mut entry, 1, C::TYPE_URL.as_bytes());
            proto::push_number(&mut entry, 2, ENABLED);
            proto::push_number(&mut entry, 3, key.id);
            proto::push_number(&mut entry, 4, PREFIX_TINK);
            proto::push_bytes(&mut message, 2, &entry);
        }
        message
    }

    /// Reads the message `Keyset`.
    pub(super) fn parse(message: &[u8]) -> Result<Self, VaultError> {
        let (mut primary, mut ids, mut keys) = (None, Vec::new(), Vec::new());
        for field in Fields::of(message) {
            match field.ok_or_else(malformed)? {
                (1, value) if primary.is_none() => primary = Some(value.number().ok_or_else(malformed)?),
                (2, Value::Bytes(entry)) => {
                    if ids.len() == MOST_KEYS {
                        return Err(refused("has too many keys"));
                    }
                    let (id, key) = parse_key(entry)?;
                    if ids.contains(&id) {
                        return Err(refused("has two keys of one id"));
                    }
                    ids.push(id);
                    keys.extend(key);
                }
                _ => return Err(malformed()),
            }
        }
        let primary = primary.ok_or_else(malformed)?;
        if !keys.iter().any(|key| key.id == primary) {
            return Err(refused("has no primary key that may be used"));
        }
        Ok(Self { primary, keys })
    }
}

/// Reads `Keyset.Key`: its id, and the key where it is enabled.
fn parse_key<C: Cipher>(entry: &[u8]) -> Result<(u32, Option<Key<C>>), VaultError> {
    let fields = proto::singular::<4>(entry).ok_or_else(malformed)?;
    let [data, status, id, prefix] = fields;
    let number = |value: Option<Value<'_>>| value.and_then(Value::number).filter(|number| *number != 0);
    let id = number(id).ok_or_else(malformed)?;
    if number(prefix) != Some(PREFIX_TINK) {
        return Err(refused("has a key whose ciphertexts do not name it"));
    }
    match number(status) {
        Some(ENABLED) => {}
        // Neither seals nor opens anything; a destroyed one has no key in it.
        Some(DISABLED | DESTROYED) => return Ok((id, None)),
        _ => return Err(refused("has a key of unknown status")),
    }
    let data = data.and_then(Value::bytes).and_then(proto::singular::<3>).ok_or_else(malformed)?;
    let [url, value, kind] = data;
    if url.and_then(Value::bytes) != Some(C::TYPE_URL.as_bytes()) || number(kind) != Some(SYMMETRIC) {
        return Err(refused("has a key of another kind"));
    }
    let material = value.and_then(Value::bytes).and_then(parse_material::<C>).ok_or_else(malformed)?;
    Ok((id, Some(Key { id, material })))
}

/// Reads `AesSivKey` or `AesGcmKey` of version 0 and the one length that is allowed.
fn parse_material<C: Cipher>(message: &[u8]) -> Option<SecretBox<C::Key>> {
    let fields = proto::singular::<3>(message)?;
    let mut found = None;
    for (number, value) in (1..).zip(fields) {
        match value {
            None => {}
            Some(value) if number == C::KEY_FIELD => found = value.bytes(),
            // The version, and GCM's parameters, which have no fields.
            Some(Value::Number(0)) if number == 1 => {}
            Some(Value::Bytes([])) if number == 2 => {}
            Some(_) => return None,
        }
    }
    let mut material = SecretBox::new(Box::new(C::blank()));
    let (room, found) = (material.expose_secret_mut().as_mut(), found?);
    if room.len() != found.len() {
        return None;
    }
    room.copy_from_slice(found);
    Some(material)
}

fn hex_of(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |bits: u8| char::from(DIGITS[usize::from(bits)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// Lower-case hexadecimal, as Tink writes it.
fn bytes_of(text: &str) -> Option<Vec<u8>> {
    let digit = |character: u8| match character {
        b'0'..=b'9' => Some(character - b'0'),
        b'a'..=b'f' => Some(character - b'a' + 10),
        _ => None,
    };
    if text.len() > 2 * LONGEST {
        return None;
    }
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect()
}

#[cfg(test)]
#[path = "tests/keyset.rs"]
mod tests;
