//! A small store of sealed JSON, right in everything but the one flaw it is asked for.
//!
//! One file, `store.json`: `{"records": {ID: {"generation": N, "nonce": …, "sealed": …}}, "seal": …}`, each record sealed with
//! AES-256-GCM under a key from the keystore, bound to its id and generation, and a seal over all of them; replaced as a whole
//! by writing, syncing and renaming.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::PathBuf;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use pilotlight_lab::FolderKeystore;
use pilotlight_lab::protocol::{Entry, Held, Place, Refusal, Store};
use pilotlight_vault::Keystore as _;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::rand::{SecureRandom as _, SystemRandom};
use rustix::fs::{FlockOperation, fcntl_lock};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// What is wrong with the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// Nothing that its design could avoid: what the others are measured by.
    None,
    /// Every record is sealed with the same nonce.
    FixedNonce,
    /// Records are not bound to what they belong to.
    NoAad,
    /// The key lies in a file beside the store.
    KeyBeside,
    /// The file is written over in place.
    NotAtomic,
    /// The new file is renamed before it is on the disk.
    NotSynced,
    /// A record that does not open is told as none.
    Silent,
    /// Files are made as the umask allows.
    Open,
    /// The generation is not compared.
    LastWins,
    /// A missing key is made anew.
    NewKey,
    /// Errors tell what they are about.
    Talkative,
    /// The lock is the process's and not the open file's.
    RecordLock,
}

impl FromStr for Flaw {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        Ok(match name {
            "none" => Self::None,
            "fixed-nonce" => Self::FixedNonce,
            "no-aad" => Self::NoAad,
            "key-beside" => Self::KeyBeside,
            "not-atomic" => Self::NotAtomic,
            "not-synced" => Self::NotSynced,
            "silent" => Self::Silent,
            "open" => Self::Open,
            "last-wins" => Self::LastWins,
            "new-key" => Self::NewKey,
            "talkative" => Self::Talkative,
            "record-lock" => Self::RecordLock,
            _ => return Err(()),
        })
    }
}

const ENTRY: &str = "kek-broken-1";

#[derive(Clone, Serialize, Deserialize)]
struct Sealed {
    generation: u64,
    nonce: String,
    sealed: String,
}

type Records = BTreeMap<String, Sealed>;

/// The file.
#[derive(Default, Serialize, Deserialize)]
struct Document {
    records: Records,
    /// Proves that these are all records: nothing, sealed, bound to them.
    seal: Option<Sealed>,
}

/// The store.
pub(crate) struct Broken {
    flaw: Flaw,
    open: Option<(Place, LessSafeKey)>,
}

fn io(error: &std::io::Error) -> Refusal {
    Refusal::new("io", error.kind().to_string())
}

fn damaged(what: &str) -> Refusal {
    Refusal::new("damaged", what)
}

impl Broken {
    pub(crate) fn new(flaw: Flaw) -> Self {
        Self { flaw, open: None }
    }

    fn opened(&self) -> Result<&(Place, LessSafeKey), Refusal> {
        self.open.as_ref().ok_or_else(|| Refusal::new("other", "not open"))
    }

    fn file(place: &Place) -> PathBuf {
        place.home.join("store.json")
    }

    fn key(&self, place: &Place) -> Result<LessSafeKey, Refusal> {
        let exists = Self::file(place).exists();
        let text = if self.flaw == Flaw::KeyBeside {
            let beside = place.home.join("key");
            let kept = fs::read_to_string(&beside).ok();
            let text = kept.map_or_else(fresh_key, Ok)?;
            write_closed(&beside, text.as_bytes())?;
            text
        } else {
            let keystore = FolderKeystore::in_folder(&place.keystore).map_err(|error| io(&error))?;
            let found = keystore.read(ENTRY).map_err(|error| Refusal::new("keystore", error.to_string()))?;
            match found {
                Some(text) => text.as_str().to_owned(),
                None if exists && self.flaw != Flaw::NewKey => return Err(Refusal::new("key-lost", "the key is gone")),
                None => {
                    let text = fresh_key()?;
                    keystore.write(ENTRY, &text).map_err(|error| Refusal::new("keystore", error.to_string()))?;
                    text
                }
            }
        };
        let bytes = Zeroizing::new(URL_SAFE_NO_PAD.decode(text).map_err(|_| Refusal::new("key-corrupt", "not a key"))?);
        UnboundKey::new(&AES_256_GCM, &bytes)
            .map(LessSafeKey::new)
            .map_err(|_| Refusal::new("key-corrupt", "not a key"))
    }

    fn document(&self) -> Result<Records, Refusal> {
        let (place, _) = self.opened()?;
        let bytes = match fs::read(Self::file(place)) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Records::new()),
            Err(error) => return Err(io(&error)),
        };
        let document: Document = serde_json::from_slice(&bytes).map_err(|_| damaged("not the store's JSON"))?;
        if self.flaw != Flaw::NoAad {
            let seal = document.seal.as_ref().ok_or_else(|| damaged("the seal is missing"))?;
            self.unseal(&all(&document.records)?, seal).map_err(|_| damaged("the seal does not hold"))?;
        }
        Ok(document.records)
    }

    fn aad(&self, id: &str, generation: u64) -> Vec<u8> {
        if self.flaw == Flaw::NoAad { vec![] } else { format!("{id} {generation}").into_bytes() }
    }

    fn seal(&self, id: &str, generation: u64, payload: &str) -> Result<Sealed, Refusal> {
        let mut nonce = [7; 12];
        if self.flaw != Flaw::FixedNonce {
            SystemRandom::new().fill(&mut nonce).map_err(|_| Refusal::new("other", "no randomness"))?;
        }
        let mut bytes = payload.as_bytes().to_vec();
        let aad = Aad::from(self.aad(id, generation));
        let sealing = self.opened()?.1.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), aad, &mut bytes);
        sealing.map_err(|_| Refusal::new("other", "sealing failed"))?;
        Ok(Sealed { generation, nonce: URL_SAFE_NO_PAD.encode(nonce), sealed: URL_SAFE_NO_PAD.encode(bytes) })
    }

    fn unseal(&self, id: &str, record: &Sealed) -> Result<Held, Refusal> {
        let tampered = || Refusal::new("tampered", "the record does not open");
        let nonce = URL_SAFE_NO_PAD.decode(&record.nonce).map_err(|_| tampered())?;
        let mut bytes = URL_SAFE_NO_PAD.decode(&record.sealed).map_err(|_| tampered())?;
        let nonce = Nonce::try_assume_unique_for_key(&nonce).map_err(|_| tampered())?;
        let aad = Aad::from(self.aad(id, record.generation));
        let opened = self.opened()?.1.open_in_place(nonce, aad, &mut bytes).map_err(|_| tampered())?;
        let payload = String::from_utf8(opened.to_vec()).map_err(|_| tampered())?;
        Ok(Held { generation: record.generation, payload: Zeroizing::new(payload), attempt: None })
    }

    /// Runs `change` on the document while no other process does, and saves it.
    fn change<T>(&self, change: impl FnOnce(&mut Records) -> Result<T, Refusal>) -> Result<T, Refusal> {
        let (place, _) = self.opened()?;
        let turn = File::create(place.home.join("lock")).map_err(|error| io(&error))?;
        let locked = match self.flaw {
            Flaw::RecordLock => fcntl_lock(&turn, FlockOperation::LockExclusive).map_err(Into::into),
            _ => turn.lock(),
        };
        locked.map_err(|error| io(&error))?;
        let mut records = self.document()?;
        let result = change(&mut records)?;
        let seal = Some(self.seal(&all(&records)?, 0, "")?);
        let bytes = serde_json::to_vec(&Document { records, seal }).map_err(|_| damaged("no JSON"))?;
        self.save(&Self::file(place), &bytes)?;
        Ok(result)
    }

    fn save(&self, file: &PathBuf, bytes: &[u8]) -> Result<(), Refusal> {
        let write = |file: &PathBuf| {
            let mode = if self.flaw == Flaw::Open { 0o666 } else { 0o600 };
            fs::OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(file)
        };
        if self.flaw == Flaw::NotAtomic {
            let mut out = write(file).map_err(|error| io(&error))?;
            // In pieces, as a library with a small buffer writes.
            return bytes.chunks(64).try_for_each(|part| out.write_all(part)).map_err(|error| io(&error));
        }
        let new = file.with_extension("new");
        let mut out = write(&new).map_err(|error| io(&error))?;
        out.write_all(bytes).map_err(|error| io(&error))?;
        if self.flaw != Flaw::NotSynced {
            out.sync_all().map_err(|error| io(&error))?;
        }
        fs::rename(&new, file).map_err(|error| io(&error))?;
        let folder = file.parent().map(File::open).transpose().map_err(|error| io(&error))?;
        folder.map_or(Ok(()), |folder| folder.sync_all()).map_err(|error| io(&error))
    }
}

/// What the seal over all records is bound to.
fn all(records: &Records) -> Result<String, Refusal> {
    serde_json::to_string(records).map_err(|_| damaged("no JSON"))
}

fn fresh_key() -> Result<String, Refusal> {
    let mut bytes = [0; 32];
    SystemRandom::new().fill(&mut bytes).map_err(|_| Refusal::new("other", "no randomness"))?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

fn write_closed(file: &PathBuf, bytes: &[u8]) -> Result<(), Refusal> {
    let open = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(file);
    open.and_then(|mut file| file.write_all(bytes)).map_err(|error| io(&error))
}

impl Store for Broken {
    fn open(&mut self, place: &Place) -> Result<(), Refusal> {
        fs::create_dir_all(&place.home).map_err(|error| io(&error))?;
        if self.flaw != Flaw::Open {
            fs::set_permissions(&place.home, fs::Permissions::from_mode(0o700)).map_err(|error| io(&error))?;
        }
        self.open = Some((place.clone(), self.key(place)?));
        match self.document() {
            Err(_) if self.flaw == Flaw::Silent => Ok(()),
            read => read.map(drop),
        }
    }

    fn create(&mut self, id: &str, payload: &str) -> Result<u64, Refusal> {
        let sealed = self.seal(id, 1, payload)?;
        self.change(|document| {
            if document.contains_key(id) {
                let about = if self.flaw == Flaw::Talkative { payload } else { "the id" };
                return Err(Refusal::new("conflict", format!("there is a record already: {about}")));
            }
            document.insert(id.to_owned(), sealed);
            Ok(1)
        })
    }

    fn load(&mut self, id: &str) -> Result<Option<Held>, Refusal> {
        let opened = match self.document() {
            Ok(document) => document.get(id).map(|record| self.unseal(id, record)).transpose(),
            Err(refusal) => Err(refusal),
        };
        if self.flaw == Flaw::Silent { Ok(opened.unwrap_or_default()) } else { opened }
    }

    fn list(&mut self) -> Result<Vec<Entry>, Refusal> {
        let entry = |(id, record): (&String, &Sealed)| Entry { id: id.clone(), record: self.unseal(id, record).ok() };
        Ok(self.document()?.iter().map(entry).collect())
    }

    fn commit(&mut self, id: &str, expected: u64, payload: &str) -> Result<u64, Refusal> {
        let sealed = self.seal(id, expected + 1, payload)?;
        self.change(|document| {
            let record = document.get(id).ok_or_else(|| Refusal::new("not-found", "no such record"))?;
            if record.generation != expected && self.flaw != Flaw::LastWins {
                return Err(Refusal::new("conflict", "another generation"));
            }
            document.insert(id.to_owned(), sealed);
            Ok(expected + 1)
        })
    }

    fn remove(&mut self, id: &str) -> Result<(), Refusal> {
        self.change(|document| {
            document.remove(id);
            Ok(())
        })
    }

    fn close(&mut self) {
        self.open = None;
    }
}
