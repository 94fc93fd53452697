//! From what a person or the keystore has to the vault's keys, with every way to fail told apart (P4).

use rusqlite::Connection;

use super::fault::damaged;
use super::schema::ACTIVE;
use super::slots::{self, Slot};
use crate::envelope::{Identity, Keyring, Keys, Means, Protector};
use crate::{KeystoreError, VaultError};

/// What the file says of its keys.
struct Locked {
    identity: Identity,
    kcv: Vec<u8>,
    slots: Vec<Slot>,
}

/// The vault's keys, and what opened them.
pub(super) struct Unlocked {
    pub(super) keyring: Keyring,
    /// The kind of protector.
    pub(super) by: &'static str,
}

/// Opens the DEK by the first of `means` that can, in their order.
pub(super) fn unlock(connection: &mut Connection, app: &str, means: &[Means]) -> Result<Unlocked, VaultError> {
    // Read and let go: the keystore may take seconds, and others want to write meanwhile.
    let snapshot = connection.transaction()?;
    let locked = read(&snapshot, app)?;
    snapshot.finish()?;

    let mut failed = None;
    for protector in means.iter().map(Means::protector) {
        match locked.open_by(protector) {
            None => {}
            Some(Ok(active)) => {
                return Ok(Unlocked { keyring: Keyring { active, older: Vec::new() }, by: protector.kind() });
            }
            // The last means are those that the person just gave.
            Some(Err(error)) => failed = Some(error),
        }
    }
    Err(failed.unwrap_or_else(|| locked.needs()))
}

fn read(connection: &Connection, app: &str) -> Result<Locked, VaultError> {
    let (vault_id, dek_id): ([u8; 16], u32) =
        connection
            .query_row("SELECT vault_id, dek_id FROM vault WHERE id=1", (), |row| Ok((row.get(0)?, row.get(1)?)))?;
    let kcv = connection
        .query_row("SELECT kcv FROM dek WHERE dek_id=?1 AND status=?2", (dek_id, ACTIVE), |row| row.get(0))?;
    let slots = slots::read(connection, dek_id)?;
    if slots.is_empty() {
        return Err(damaged("no key slot is left"));
    }
    Ok(Locked { identity: Identity { app: app.to_owned(), vault_id }, kcv, slots })
}

impl Locked {
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
            Some(keys) if keys.matches(&self.kcv) => Ok(keys),
            Some(_) => Err(damaged("the key's check value was changed")),
            None => Err(damaged("the wrapped key was changed")),
        }
    }
}
