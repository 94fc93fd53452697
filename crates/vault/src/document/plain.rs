//! `plain-file`: JSON that anybody can read who can read the file.

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::{Document, DocumentVault, Entry, FileBacking, Format, body, document_in_home, vault_by_document};
use crate::error::damaged;
use crate::{Attempt, GrantId, MAX_PAYLOAD, Payload, VaultError};

const STRATEGY: &str = "plain-file";

/// The form of the file that this version writes, and the latest it reads.
const FORMAT: u32 = 1;

/// For whoever opens the file.
const NOTE: &str = "Nothing in this file is encrypted. Whoever reads it is signed in. A change by hand is refused.";

/// `plain-file`: all records in `vault.json`, unencrypted.
///
/// Nothing protects them but the rights of the file (0600 in a folder 0700): other users of the machine are kept out, and
/// nobody else is. For tests, for disks that are encrypted anyway, and for comparing with.
#[derive(Debug)]
pub struct PlainFileVault {
    document: DocumentVault<Json, FileBacking>,
}

vault_by_document!(PlainFileVault);
document_in_home!(PlainFileVault, "vault.json");

impl PlainFileVault {
    /// Opens the vault in the folder `home`, or makes one where there is none. `home` is absolute; it is made if it is
    /// missing, and closed to others.
    pub fn open(home: &Path) -> Result<Self, VaultError> {
        Ok(Self { document: DocumentVault::open(Json, FileBacking::new(&home.join(Self::FILE))?)? })
    }
}

/// The form of `vault.json`.
#[derive(Debug)]
pub(super) struct Json;

/// Read before the rest, which a later version may spell otherwise.
#[derive(Deserialize)]
struct Version {
    strategy: String,
    format: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Page {
    strategy: String,
    format: u32,
    note: String,
    epoch: u64,
    /// SHA-256 of the records, in base64url: tells what rotted, and hinders nobody who knows how to compute it.
    digest: String,
    records: Vec<Line>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    grant: String,
    generation: u64,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    attempt: Option<Begun>,
    /// In base64url.
    payload: Zeroizing<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Begun {
    idempotency_key: String,
    started_at_ms: i64,
}

fn base64url(bytes: &[u8]) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(bytes.len().div_ceil(3) * 4));
    URL_SAFE_NO_PAD.encode_string(bytes, &mut text);
    text
}

fn digest_of(document: &Document) -> Result<String, VaultError> {
    Ok(URL_SAFE_NO_PAD.encode(Sha256::digest(&*body::encode(document)?)))
}

impl Line {
    fn of(id: &GrantId, entry: &Entry) -> Self {
        let attempt = entry.attempt.as_ref().map(|attempt| Begun {
            idempotency_key: URL_SAFE_NO_PAD.encode(attempt.idempotency_key),
            started_at_ms: attempt.started_at_ms,
        });
        Self { grant: id.to_string(), generation: entry.generation, attempt, payload: base64url(&entry.payload) }
    }

    fn entry(self) -> Option<(GrantId, Entry)> {
        let attempt = match self.attempt {
            None => None,
            Some(begun) => {
                let key = URL_SAFE_NO_PAD.decode(begun.idempotency_key).ok()?;
                Some(Attempt { idempotency_key: key.try_into().ok()?, started_at_ms: begun.started_at_ms })
            }
        };
        let payload = Zeroizing::new(URL_SAFE_NO_PAD.decode(self.payload.as_bytes()).ok()?);
        if !body::is_count(self.generation) || payload.len() > MAX_PAYLOAD {
            return None;
        }
        Some((self.grant.parse().ok()?, Entry { generation: self.generation, payload, attempt }))
    }
}

impl Format for Json {
    fn strategy(&self) -> &'static str {
        STRATEGY
    }

    fn encode(&self, document: &Document) -> Result<Payload, VaultError> {
        let page = Page {
            strategy: STRATEGY.to_owned(),
            format: FORMAT,
            note: NOTE.to_owned(),
            epoch: document.epoch,
            digest: digest_of(document)?,
            records: document.entries.iter().map(|(id, entry)| Line::of(id, entry)).collect(),
        };
        let room = page.records.iter().map(|line| 512 + line.payload.len()).sum::<usize>() + 512;
        let mut bytes = Zeroizing::new(Vec::with_capacity(room));
        serde_json::to_writer_pretty(&mut *bytes, &page)
            .map_err(|_| VaultError::Io("the records cannot be written as JSON".to_owned()))?;
        bytes.push(b'\n');
        Ok(bytes)
    }

    fn decode(&self, bytes: &[u8]) -> Result<Document, VaultError> {
        // The words of these errors may repeat what was read, and are passed on nowhere.
        let unreadable = |_| damaged("it is not the JSON of a vault");
        let version: Version = serde_json::from_slice(bytes).map_err(unreadable)?;
        if version.strategy != STRATEGY || version.format == 0 {
            return Err(damaged("it is no plain file of ours"));
        }
        if version.format > FORMAT {
            return Err(VaultError::NewerFormat(version.format));
        }
        let page: Page = serde_json::from_slice(bytes).map_err(unreadable)?;
        let mut document = Document { epoch: page.epoch, ..Document::default() };
        for line in page.records {
            let (id, entry) = line.entry().ok_or_else(|| damaged("a record is not readable"))?;
            if document.entries.insert(id, entry).is_some() {
                return Err(damaged("a record stands there twice"));
            }
        }
        if !body::is_count(document.epoch) || digest_of(&document)? != page.digest {
            return Err(damaged("its records are not those that were written"));
        }
        Ok(document)
    }
}
