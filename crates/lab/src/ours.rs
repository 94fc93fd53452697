//! The strategies of Pilotlight, spoken to like any other store.

use std::sync::Arc;

use pilotlight_vault::{
    Attempt, GrantId, Keystore, KeystoreError, Listed, OsKeystore, Record, Strategy, Vault, VaultError, Vaults,
};
use secrecy::SecretString;
use zeroize::Zeroizing;

use crate::keystore::FolderKeystore;
use crate::protocol::{Entry, Held, Place, Refusal, Stats, Store};

/// One strategy as a [`Store`].
pub(crate) struct Ours {
    strategy: Strategy,
    keystore: Option<Arc<FolderKeystore>>,
    vaults: Option<Vaults>,
    vault: Option<Arc<dyn Vault>>,
}

impl Ours {
    pub(crate) fn new(strategy: Strategy) -> Self {
        Self { strategy, keystore: None, vaults: None, vault: None }
    }

    fn vault(&self) -> Result<&dyn Vault, Refusal> {
        self.vault.as_deref().ok_or_else(|| Refusal::new("other", "the store is not open"))
    }
}

impl Store for Ours {
    fn open(&mut self, place: &Place) -> Result<(), Refusal> {
        let keystore = self.keystore_of(place)?;
        let vaults = Vaults {
            home: place.home.clone(),
            app: place.app.clone(),
            keystore,
            passphrase: self.typed(&place.passphrase),
            redis: place.redis.clone().map(SecretString::from),
            tpm: place.tpm.clone(),
            now_ms: place.now_ms,
        };
        self.vault = None;
        self.vault = Some(vaults.open(self.strategy).map_err(|error| refusal(&error))?);
        self.vaults = Some(vaults);
        Ok(())
    }

    fn create(&mut self, id: &str, payload: &str) -> Result<u64, Refusal> {
        self.vault()?.create(&grant(id)?, payload.as_bytes()).map_err(|error| refusal(&error))
    }

    fn create_all(&mut self, records: &[(&str, &str)]) -> Result<(), Refusal> {
        let record = |(id, payload): &(&str, &str)| {
            let payload = Zeroizing::new(payload.as_bytes().to_vec());
            Ok(Record { id: grant(id)?, generation: 1, payload, attempt: None })
        };
        let records = records.iter().map(record).collect::<Result<Vec<_>, Refusal>>()?;
        self.vault()?.create_all(&records).map_err(|error| refusal(&error))
    }

    fn load(&mut self, id: &str) -> Result<Option<Held>, Refusal> {
        let record = self.vault()?.load(&grant(id)?).map_err(|error| refusal(&error))?;
        record.as_ref().map(held).transpose()
    }

    fn list(&mut self) -> Result<Vec<Entry>, Refusal> {
        let listed = self.vault()?.list().map_err(|error| refusal(&error))?;
        let entry = |listed: &Listed| match listed {
            Listed::Record(record) => Ok(Entry { id: text(&record.id), record: Some(held(record)?) }),
            Listed::Damaged { id } => Ok(Entry { id: text(id), record: None }),
        };
        listed.iter().map(entry).collect()
    }

    fn commit(&mut self, id: &str, expected: u64, payload: &str) -> Result<u64, Refusal> {
        self.vault()?.commit(&grant(id)?, expected, payload.as_bytes()).map_err(|error| refusal(&error))
    }

    fn remove(&mut self, id: &str) -> Result<(), Refusal> {
        self.vault()?.remove(&grant(id)?).map_err(|error| refusal(&error))
    }

    fn close(&mut self) {
        self.vault = None;
        self.vaults = None;
    }

    fn begin_attempt(&mut self, id: &str, generation: u64, key: &str) -> Result<(), Refusal> {
        let now_ms = self.vaults.as_ref().map_or(0, |vaults| vaults.now_ms);
        let attempt = Attempt { idempotency_key: *grant(key)?.as_bytes(), started_at_ms: now_ms };
        let id = grant(id)?;
        let seen = self.vault()?.load(&id).map_err(|error| refusal(&error))?.and_then(|record| record.attempt);
        self.vault()?.begin_attempt(&id, generation, seen.as_ref(), &attempt).map_err(|error| refusal(&error))
    }

    fn rekey(&mut self) -> Result<(), Refusal> {
        let vaults = self.vaults.as_ref().ok_or_else(|| Refusal::new("other", "the store is not open"))?;
        match vaults.rekey(self.strategy, None) {
            Err(VaultError::Unavailable(why)) => Err(Refusal::new("unsupported", why)),
            other => other.map_err(|error| refusal(&error)),
        }
    }

    fn stats(&self) -> Stats {
        Stats { keystore_calls: self.keystore.as_ref().map_or(0, |keystore| keystore.calls()) }
    }
}

impl Ours {
    fn keystore_of(&mut self, place: &Place) -> Result<Arc<dyn Keystore>, Refusal> {
        if place.secret_service {
            self.keystore = None;
            return Ok(Arc::new(OsKeystore::new(&place.app)));
        }
        let folder = FolderKeystore::in_folder(&place.keystore);
        let folder = Arc::new(folder.map_err(|error| Refusal::new("io", error.kind().to_string()))?);
        self.keystore = Some(Arc::clone(&folder));
        Ok(folder)
    }

    /// The passphrase goes only where one opens the vault: elsewhere it would be one more way in.
    fn typed(&self, passphrase: &str) -> Option<SecretString> {
        let takes = self.strategy.needs().contains(&pilotlight_vault::Need::Passphrase);
        takes.then(|| SecretString::from(passphrase.to_owned()))
    }
}

/// 32 hexadecimal digits as the name of a record.
fn grant(digits: &str) -> Result<GrantId, Refusal> {
    let mut bytes = [0; 16];
    if digits.len() != 32 || !digits.is_ascii() {
        return Err(Refusal::new("other", "an id has 32 hexadecimal digits"));
    }
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&digits[2 * at..2 * at + 2], 16)
            .map_err(|_| Refusal::new("other", "an id has 32 hexadecimal digits"))?;
    }
    Ok(GrantId::from_bytes(bytes))
}

fn text(id: &GrantId) -> String {
    crate::canary::hex(id.as_bytes())
}

fn held(record: &Record) -> Result<Held, Refusal> {
    let payload = std::str::from_utf8(&record.payload).map_err(|_| Refusal::new("damaged", "the record is no text"))?;
    Ok(Held {
        generation: record.generation,
        payload: Zeroizing::new(payload.to_owned()),
        attempt: record.attempt.as_ref().map(|attempt| crate::canary::hex(&attempt.idempotency_key)),
    })
}

/// The error's kind in one word, and its sentence.
fn refusal(error: &VaultError) -> Refusal {
    use VaultError as E;
    let kind = match error {
        E::Keystore(KeystoreError::TooLong(_)) | E::TooLarge(_) => "too-large",
        E::Keystore(_) => "keystore",
        E::KeyLost | E::TpmLost(_) => "key-lost",
        E::KeyCorrupt => "key-corrupt",
        E::WrongKey | E::WrongPassphrase | E::WrongRecoveryCode | E::PassphraseNeeded => "wrong-key",
        E::Unavailable(_) => "unavailable",
        E::Tampered(_) => "tampered",
        E::Damaged(_) | E::NewerFormat(_) => "damaged",
        E::RolledBack { .. } | E::Moved(_) => "rolled-back",
        E::Conflict { .. } => "conflict",
        E::NotFound => "not-found",
        E::UnsafePath(_) => "unsafe-path",
        E::Io(_) => "io",
        E::Busy => "busy",
        _ => "other",
    };
    Refusal::new(kind, error.to_string())
}
