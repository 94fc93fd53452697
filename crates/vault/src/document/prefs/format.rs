//! From the file's bytes to records and back: everything is checked before anything is believed.

use std::collections::{BTreeMap, BTreeSet};

use zeroize::Zeroizing;

use super::keyset::{Gcm, Keyset, Siv};
use super::master::MasterKey;
use super::text::{self, Line, MANIFEST, Manifest};
use super::xml::{self, Entries};
use crate::document::{Document, Entry};
use crate::error::damaged;
use crate::{GrantId, VaultError};

/// Under these names the keysets stand among the preferences.
pub(super) const NAMES_KEYSET: &str = "__androidx_security_crypto_encrypted_prefs_key_keyset__";
pub(super) const VALUES_KEYSET: &str = "__androidx_security_crypto_encrypted_prefs_value_keyset__";

/// What the file says of its keys, and the preferences as they stand in it.
pub(super) struct Sealed {
    names: String,
    values: String,
    preferences: Entries,
}

impl Sealed {
    /// Reads the file's XML. No key is needed for it.
    pub(super) fn read(file: &[u8]) -> Result<Self, VaultError> {
        let (mut names, mut values) = (None, None);
        let (mut preferences, mut seen) = (Entries::new(), BTreeSet::new());
        for (name, text) in xml::read(file)? {
            if !seen.insert(name.clone()) {
                return Err(damaged("one preference stands in it twice"));
            }
            match name.as_str() {
                NAMES_KEYSET => names = Some(text),
                VALUES_KEYSET => values = Some(text),
                _ => preferences.push((name, text)),
            }
        }
        match (names, values) {
            (Some(names), Some(values)) => Ok(Self { names, values, preferences }),
            _ => Err(damaged("a keyset is missing")),
        }
    }
}

/// Both keysets of one file, open, and the texts that they were opened from.
pub(super) struct Keysets {
    names_text: String,
    values_text: String,
    names: Keyset<Siv>,
    values: Keyset<Gcm>,
}

impl Keysets {
    /// New ones, wrapped under `master`.
    pub(super) fn make(master: &dyn MasterKey) -> Result<Self, VaultError> {
        let (names, values) = (Keyset::<Siv>::make()?, Keyset::<Gcm>::make()?);
        Ok(Self { names_text: names.wrap(master)?, values_text: values.wrap(master)?, names, values })
    }

    /// Those of a file. [`VaultError::WrongKey`] where the master key opens neither: had one been changed, the other
    /// would still open.
    pub(super) fn open(sealed: &Sealed, master: &dyn MasterKey) -> Result<Self, VaultError> {
        let names = Keyset::<Siv>::unwrap(&sealed.names, master)?;
        let values = Keyset::<Gcm>::unwrap(&sealed.values, master)?;
        let (names_text, values_text) = (sealed.names.clone(), sealed.values.clone());
        match (names, values) {
            (Some(names), Some(values)) => Ok(Self { names_text, values_text, names, values }),
            (None, None) => Err(VaultError::WrongKey),
            _ => Err(damaged("one of its keysets was changed")),
        }
    }

    /// Whether these were opened from that file.
    pub(super) fn are_of(&self, sealed: &Sealed) -> bool {
        self.names_text == sealed.names && self.values_text == sealed.values
    }
}

/// The file that holds `document`. `name` is the file's, without `.xml`: every preference's name is bound to it.
pub(super) fn encode(name: &str, app: &str, keysets: &Keysets, document: &Document) -> Result<Vec<u8>, VaultError> {
    let mut lines = BTreeMap::new();
    let mut preferences = Vec::with_capacity(document.entries.len() + 1);
    for (id, entry) in &document.entries {
        let text = text::of_entry(entry)?;
        lines.insert(*id, Line::of(entry.generation, &text));
        preferences.push(seal(name, keysets, &id.to_string(), &text)?);
    }
    let manifest = Manifest { app: app.to_owned(), epoch: document.epoch, lines };
    preferences.push(seal(name, keysets, MANIFEST, &manifest.to_text()?)?);
    let reserved = [(NAMES_KEYSET, keysets.names_text.as_str()), (VALUES_KEYSET, keysets.values_text.as_str())];
    let sealed = preferences.iter().map(|(name, text)| (name.as_str(), text.as_str()));
    Ok(xml::write(reserved.into_iter().chain(sealed)))
}

/// One preference as `EncryptedSharedPreferences` seals it: the value is bound to the text of the sealed name.
fn seal(file: &str, keysets: &Keysets, name: &str, text: &str) -> Result<(String, String), VaultError> {
    let name = keysets.names.seal(file.as_bytes(), name.as_bytes())?;
    let value = keysets.values.seal(name.as_bytes(), &text::to_value(text)?)?;
    Ok((name, value))
}

/// Reads [`encode`], and what Tink makes of the same strings.
pub(super) fn decode(name: &str, app: &str, keysets: &Keysets, sealed: &Sealed) -> Result<Document, VaultError> {
    let mut manifest = None;
    let mut found = BTreeMap::new();
    for (sealed_name, sealed_value) in &sealed.preferences {
        let opened = keysets.names.open(name.as_bytes(), sealed_name);
        let opened = opened.ok_or_else(|| damaged("the name of a preference does not open"))?;
        if opened.as_slice() == MANIFEST.as_bytes() {
            let text = open(keysets, sealed_name, sealed_value).ok_or_else(|| damaged("its manifest does not open"))?;
            if let Some(version) = Manifest::newer(&text) {
                return Err(VaultError::NewerFormat(version));
            }
            let parsed = Manifest::parse(&text).ok_or_else(|| damaged("its manifest is malformed"))?;
            if manifest.replace(parsed).is_some() {
                return Err(damaged("it has two manifests"));
            }
            continue;
        }
        let id = std::str::from_utf8(&opened).ok().and_then(|text| text.parse::<GrantId>().ok());
        let id = id.ok_or_else(|| damaged("a preference in it is none of ours"))?;
        let text = open(keysets, sealed_name, sealed_value).ok_or(VaultError::Tampered(id))?;
        // After a rotation of Tink's one name may stand under two keys.
        if found.insert(id, text).is_some() {
            return Err(damaged("one record stands in it twice"));
        }
    }
    compare(app, &manifest.ok_or_else(|| damaged("its manifest is missing"))?, &found)
}

fn open(keysets: &Keysets, sealed_name: &str, sealed_value: &str) -> Option<Zeroizing<String>> {
    let value = keysets.values.open(sealed_name.as_bytes(), sealed_value)?;
    text::of_value(&value).map(|text| Zeroizing::new(text.to_owned()))
}

/// The document, if the records are those of the manifest.
fn compare(
    app: &str,
    manifest: &Manifest,
    found: &BTreeMap<GrantId, Zeroizing<String>>,
) -> Result<Document, VaultError> {
    if manifest.app != app {
        return Err(damaged("it belongs to another app"));
    }
    if manifest.lines.len() != found.len() || !manifest.lines.keys().eq(found.keys()) {
        return Err(damaged("a record was removed or added"));
    }
    let mut entries = BTreeMap::new();
    for ((id, text), line) in found.iter().zip(manifest.lines.values()) {
        let entry: Entry = text::to_entry(text).ok_or(VaultError::Tampered(*id))?;
        // A record that opens and is not the one of the manifest was put back by itself.
        if Line::of(entry.generation, text) != *line {
            return Err(VaultError::Tampered(*id));
        }
        entries.insert(*id, entry);
    }
    Ok(Document { epoch: manifest.epoch, entries })
}

#[cfg(test)]
#[path = "tests/format.rs"]
mod tests;
