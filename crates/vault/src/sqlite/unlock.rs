//! From the keystore's entry to the vault's keys, with every way to fail told apart (P4).

use rusqlite::Connection;

use super::fault::damaged;
use super::schema::ACTIVE;
use crate::envelope::{ALG_AES_256_GCM, Fields, Identity, Kek, Keys, Sealed};
use crate::keystore::{KeystoreSecret, Origin};
use crate::{Keystore, KeystoreError, VaultError, base32};

/// The protector of slots whose KEK the OS keystore keeps.
pub(super) const PROTECTOR: &str = "os-keystore";

/// One wrapping of the DEK, and what it says of its KEK.
pub(super) struct Slot {
    pub(super) dek_id: u32,
    pub(super) slot_id: [u8; 16],
    /// The [record](Origin::to_record) of the keystore and the KEK's generation, e.g.
    /// `secret-service/gnome-keyring:lasting/1`.
    pub(super) kek_ref: String,
    /// The KEK's check value.
    pub(super) params: Vec<u8>,
}

/// Under which name a KEK is kept.
pub(super) fn name_of(vault_id: &[u8; 16], generation: u32) -> String {
    format!("kek-{}-{generation}", base32::encode(vault_id))
}

impl Slot {
    /// What the wrapping is bound to.
    pub(super) fn aad(&self, identity: &Identity) -> Fields {
        Fields::of("pilotlight/v1/dek")
            .text(&identity.app)
            .bytes(&identity.vault_id)
            .number(self.dek_id.into())
            .bytes(&self.slot_id)
            .text(PROTECTOR)
            .text(&self.kek_ref)
            .number(ALG_AES_256_GCM.into())
            .bytes(&self.params)
    }

    /// Keystore and generation of the KEK.
    fn kek(&self) -> Result<(Origin, u32), VaultError> {
        self.kek_ref
            .rsplit_once('/')
            .and_then(|(origin, generation)| Some((Origin::from_record(origin), generation.parse().ok()?)))
            .ok_or_else(|| damaged("a key slot names no key"))
    }
}

/// What the file says of its keys.
struct Locked {
    identity: Identity,
    kcv: Vec<u8>,
    slots: Vec<(Slot, Sealed)>,
}

/// Reads the KEK from the keystore and opens the DEK with it.
pub(super) fn unlock(connection: &mut Connection, app: &str, keystore: &dyn Keystore) -> Result<Keys, VaultError> {
    // Read and let go: the keystore may take seconds, and others want to write meanwhile.
    let snapshot = connection.transaction()?;
    let locked = read(&snapshot, app)?;
    snapshot.finish()?;

    let mut outcome = try_slots(&locked, keystore)?;
    if matches!(outcome, Outcome::NoEntry) {
        // A keystore that has only just started may answer before it has loaded its entries.
        keystore.settle();
        outcome = try_slots(&locked, keystore)?;
    }
    match outcome {
        Outcome::Opened(keys) => Ok(keys),
        Outcome::Failed(error) => Err(error),
        Outcome::NoEntry => Err(lost(&locked, keystore)),
    }
}

enum Outcome {
    Opened(Keys),
    NoEntry,
    Failed(VaultError),
}

/// The key is gone, unless it is another keystore that answers now than the one that was given it.
fn lost(locked: &Locked, keystore: &dyn Keystore) -> VaultError {
    let now = match keystore.look() {
        Ok(now) => now,
        Err(error) => return error.into(),
    };
    let mut then = locked.slots.iter().filter_map(|(slot, _)| slot.kek().ok());
    then.find_map(|(was, _)| now.changed_from(&was)).map_or(VaultError::KeyLost, VaultError::from)
}

fn read(connection: &Connection, app: &str) -> Result<Locked, VaultError> {
    let (vault_id, dek_id): ([u8; 16], u32) =
        connection
            .query_row("SELECT vault_id, dek_id FROM vault WHERE id=1", (), |row| Ok((row.get(0)?, row.get(1)?)))?;
    let kcv = connection
        .query_row("SELECT kcv FROM dek WHERE dek_id=?1 AND status=?2", (dek_id, ACTIVE), |row| row.get(0))?;
    let mut statement = connection.prepare(
        "SELECT slot_id, kek_ref, params, nonce, ct FROM dek_slot WHERE dek_id=?1 AND protector=?2 AND alg=?3",
    )?;
    let slots = statement
        .query_map((dek_id, PROTECTOR, ALG_AES_256_GCM), |row| {
            let slot = Slot { dek_id, slot_id: row.get(0)?, kek_ref: row.get(1)?, params: row.get(2)? };
            Ok((slot, Sealed { nonce: row.get(3)?, ct: row.get(4)? }))
        })?
        .collect::<Result<Vec<_>, _>>()?;
    if slots.is_empty() {
        return Err(damaged("no key slot is left"));
    }
    Ok(Locked { identity: Identity { app: app.to_owned(), vault_id }, kcv, slots })
}

/// Tries every slot; the first that opens wins, and an entry that does not fit says more than one that is missing.
fn try_slots(locked: &Locked, keystore: &dyn Keystore) -> Result<Outcome, VaultError> {
    let mut outcome = Outcome::NoEntry;
    for (slot, sealed) in &locked.slots {
        let (_, generation) = slot.kek()?;
        let entries = keystore.read_all(&name_of(&locked.identity.vault_id, generation))?;
        match try_entries(locked, slot, sealed, generation, &entries) {
            opened @ Outcome::Opened(_) => return Ok(opened),
            failed @ Outcome::Failed(_) => outcome = failed,
            Outcome::NoEntry => {}
        }
    }
    Ok(outcome)
}

/// Any program of the user may add an entry of our name: the one that opens the slot is ours, never just the first.
fn try_entries(locked: &Locked, slot: &Slot, sealed: &Sealed, generation: u32, entries: &[KeystoreSecret]) -> Outcome {
    let mut error = None;
    for entry in entries {
        match try_entry(locked, slot, sealed, generation, entry) {
            Ok(keys) => return Outcome::Opened(keys),
            Err(failed) => error = Some(failed),
        }
    }
    match error {
        None => Outcome::NoEntry,
        Some(error) if entries.len() == 1 => Outcome::Failed(error),
        Some(_) => Outcome::Failed(KeystoreError::Ambiguous(entries.len()).into()),
    }
}

fn try_entry(locked: &Locked, slot: &Slot, sealed: &Sealed, generation: u32, entry: &str) -> Result<Keys, VaultError> {
    let kek = Kek::parse(entry, generation).ok_or(VaultError::KeyCorrupt)?;
    let opened = kek.unwrap(&locked.identity, slot.dek_id, &slot.aad(&locked.identity), &sealed.nonce, &sealed.ct);
    match opened {
        Some(keys) if keys.matches(&locked.kcv) => Ok(keys),
        Some(_) => Err(damaged("the key's check value was changed")),
        None if kek.matches(&locked.identity.vault_id, &slot.params) => Err(damaged("the wrapped key was changed")),
        None => Err(VaultError::WrongKey),
    }
}
