//! From what a person or the keystore has to the vault's keys, with every way to fail told apart (P4).

use rusqlite::Connection;

use super::fault::damaged;
use super::schema::{ACTIVE, BY_DEK, OPENS_ONLY};
use super::slots::{self, Slot};
use crate::envelope::{Aead, Identity, Keyring, Keys, Means, Protector};
use crate::{KeystoreError, VaultError};

/// A data key, as the file says.
struct Dek {
    dek_id: u32,
    aead: Aead,
    kcv: Vec<u8>,
}

/// What the file says of its keys.
struct Locked {
    identity: Identity,
    active: Dek,
    slots: Vec<Slot>,
    /// Those that only open, each with the slots that the active one opens.
    older: Vec<(Dek, Vec<Slot>)>,
}

/// The vault's keys, and what opened them.
pub(super) struct Unlocked {
    pub(super) keyring: Keyring,
    /// The kind of protector.
    pub(super) by: &'static str,
}

/// Opens the vault's keys by the first of `means` that can, in their order.
pub(super) fn unlock(
    connection: &mut Connection,
    format: u32,
    app: &str,
    means: &[Means],
) -> Result<Unlocked, VaultError> {
    // Read and let go: the keystore may take seconds, and others want to write meanwhile.
    let snapshot = connection.transaction()?;
    let locked = read(&snapshot, format, app)?;
    snapshot.finish()?;

    let mut failed = None;
    for protector in means.iter().map(Means::protector) {
        match locked.open_by(protector) {
            None => {}
            Some(Ok(active)) => {
                let older = locked.open_older(&active)?;
                return Ok(Unlocked { keyring: Keyring { active, older }, by: protector.kind() });
            }
            // The last means are those that the person just gave.
            Some(Err(error)) => failed = Some(error),
        }
    }
    Err(failed.unwrap_or_else(|| locked.needs()))
}

fn read(connection: &Connection, format: u32, app: &str) -> Result<Locked, VaultError> {
    let (vault_id, active): ([u8; 16], u32) =
        connection
            .query_row("SELECT vault_id, dek_id FROM vault WHERE id=1", (), |row| Ok((row.get(0)?, row.get(1)?)))?;
    let one = deks(connection, format, ACTIVE)?.into_iter().find(|dek| dek.dek_id == active);
    let slots = slots::read(connection, active)?;
    if slots.is_empty() {
        return Err(damaged("no key slot is left"));
    }
    let mut older = Vec::new();
    for dek in deks(connection, format, OPENS_ONLY)? {
        let slots = slots::read(connection, dek.dek_id)?;
        older.push((dek, slots));
    }
    let active = one.ok_or_else(|| damaged("the vault's key is not among its keys"))?;
    Ok(Locked { identity: Identity { app: app.to_owned(), vault_id }, active, slots, older })
}

fn deks(connection: &Connection, format: u32, status: i64) -> Result<Vec<Dek>, VaultError> {
    // Format 1 knew AES-256-GCM alone.
    let query = if format == 1 { "SELECT dek_id, 1, kcv FROM dek" } else { "SELECT dek_id, alg, kcv FROM dek" };
    let mut statement = connection.prepare(&format!("{query} WHERE status=?1"))?;
    let mut rows = statement.query([status])?;
    let mut deks = Vec::new();
    while let Some(row) = rows.next()? {
        let aead = Aead::of(row.get(1)?).ok_or_else(|| damaged("a key has an unknown cipher"))?;
        deks.push(Dek { dek_id: row.get(0)?, aead, kcv: row.get(2)? });
    }
    Ok(deks)
}

impl Dek {
    /// Whether these are its keys, for the cipher that it names.
    fn is(&self, keys: &Keys) -> bool {
        keys.aead == self.aead && keys.matches(&self.kcv)
    }
}

impl Locked {
    /// The keys that a rekey has not put away yet.
    fn open_older(&self, active: &Keys) -> Result<Vec<Keys>, VaultError> {
        let open = |(dek, slots): &(Dek, Vec<Slot>)| {
            slots
                .iter()
                .filter(|slot| slot.protector == BY_DEK)
                .find_map(|slot| slot.unwrap_by(active))
                .filter(|keys| dek.is(keys))
                .ok_or_else(|| damaged("the key before this one does not open"))
        };
        self.older.iter().map(open).collect()
    }

    /// What opening takes, where nothing that was given is of any use.
    fn needs(&self) -> VaultError {
        let has = |kind: &str| self.slots.iter().any(|slot| slot.protector == kind);
        if has("passphrase") {
            VaultError::PassphraseNeeded
        } else if has("os-keystore") {
            KeystoreError::Absent("the vault's key is in one, and none was given".to_owned()).into()
        } else {
            let kinds: Vec<_> = self.slots.iter().map(|slot| slot.protector.as_str()).collect();
            VaultError::Unavailable(format!("the vault opens by {} only", kinds.join(", ")))
        }
    }

    /// Tries the slots of one kind; `None` where there is none.
    fn open_by(&self, protector: &dyn Protector) -> Option<Result<Keys, VaultError>> {
        let first = self.try_slots(protector)?;
        // Looked for twice before it is said to be gone.
        let gone = matches!(&first, Err(VaultError::KeyLost | VaultError::Keystore(KeystoreError::Unsuitable(_))));
        if gone && protector.settle() { self.try_slots(protector) } else { Some(first) }
    }

    /// The first slot that opens wins, and a key that does not fit says more than one that is missing.
    fn try_slots(&self, protector: &dyn Protector) -> Option<Result<Keys, VaultError>> {
        let mut failed = None;
        for slot in self.slots.iter().filter(|slot| slot.protector == protector.kind()) {
            match self.try_slot(protector, slot) {
                Ok(keys) => return Some(Ok(keys)),
                Err(VaultError::KeyLost) if failed.is_some() => {}
                Err(error) => failed = Some(error),
            }
        }
        failed.map(Err)
    }

    fn try_slot(&self, protector: &dyn Protector, slot: &Slot) -> Result<Keys, VaultError> {
        let candidates = protector.candidates(&self.identity.vault_id, &slot.reference)?;
        let fitting = candidates.keks.iter().find(|kek| slot.is_of(&self.identity, kek));
        let Some(kek) = fitting else { return Err(candidates.otherwise) };
        match slot.unwrap(&self.identity, kek) {
            Some(keys) if self.active.is(&keys) => Ok(keys),
            Some(_) => Err(damaged("the key's check value was changed")),
            None => Err(damaged("the wrapped key was changed")),
        }
    }
}
