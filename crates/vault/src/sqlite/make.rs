//! Making a vault: the key is safe in the keystore before the file appears under its name.

use std::sync::Arc;

use rusqlite::{Connection, params};

use super::anchor::Anchor;
use super::connect;
use super::fault::{damaged, io};
use super::opening::Opening;
use super::schema::{ACTIVE, APPLICATION_ID, FORMAT, TABLES};
use super::set::Summing;
use super::slots::Slot;
use super::state::State;
use crate::envelope::{Identity, KekRef, Keys, Means};
use crate::place::{Place, remove_if_there};
use crate::{VaultError, random};

/// Makes a vault where there is none; to be called under the folder's lock.
///
/// A crash at any point leaves either no vault, and at most a key in the keystore that nothing needs, or a whole one.
pub(super) fn make(place: &Place, opening: &Opening) -> Result<(), VaultError> {
    // SQLite would play a journal that lies there back into our new file.
    if ["-journal", "-wal"].iter().any(|suffix| place.beside(suffix).symlink_metadata().is_ok()) {
        return Err(damaged("its journal is there and the vault is not"));
    }
    if opening.means.is_empty() {
        return Err(VaultError::Unavailable("a new vault needs a way to be opened".to_owned()));
    }
    for suffix in [".new", ".new-journal", ".new-wal", ".new-shm"] {
        remove_if_there(&place.beside(suffix))?;
    }
    let identity = Identity { app: opening.app.clone(), vault_id: random::make()? };
    let keys = Keys::make(identity, 1, opening.aead)?;
    let mut kept = Vec::new();
    let made = wrap(&keys, &opening.means, &mut kept).and_then(|slots| write(place, opening, &keys, &slots));
    if made.is_err() {
        for (means, reference) in kept {
            if let Err(error) = means.protector().forget(&keys.identity.vault_id, &reference) {
                tracing::warn!(%error, "a key that was made for nothing stays behind");
            }
        }
        remove_if_there(&place.beside(".new"))?;
    }
    // From the rename on there is a vault, which needs its keys whatever follows.
    made?;
    place.sync()
}

/// Wraps the new DEK by all of `means`; their keys are safe before the file appears, and are noted in `kept`.
fn wrap<'means>(
    keys: &Keys,
    means: &'means [Means],
    kept: &mut Vec<(&'means Means, KekRef)>,
) -> Result<Vec<Slot>, VaultError> {
    let mut slots = Vec::new();
    for means in means {
        let taken: Vec<_> = kept
            .iter()
            .filter(|(other, _)| other.kind() == means.kind())
            .map(|(_, reference)| reference.clone())
            .collect();
        let (reference, kek) = means.protector().make(&keys.identity.vault_id, &taken)?;
        kept.push((means, reference.clone()));
        slots.push(Slot::wrap(keys, means.kind(), reference, &kek)?);
    }
    Ok(slots)
}

fn write(place: &Place, opening: &Opening, keys: &Keys, slots: &[Slot]) -> Result<(), VaultError> {
    let path = place.make_empty(".new")?;
    let first = fill(&path, opening, keys, slots)?;
    if let Some(keystore) = &opening.anchors
        && let Err(error) = Anchor::of(&first, keys).write_forward(&**keystore, &keys.identity, &first.anchor_key)
    {
        tracing::warn!(%error, "the new vault's anchor could not be written");
    }
    std::fs::rename(&path, place.file()).map_err(|error| io("the new vault file", &error))
}

/// Tables, wrapped key and first state, in one transaction.
fn fill(path: &std::path::Path, opening: &Opening, keys: &Keys, slots: &[Slot]) -> Result<State, VaultError> {
    let mut connection = connect::connect(path)?;
    let transaction = connection.transaction()?;
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", FORMAT)?;
    for (_, definition) in TABLES {
        transaction.execute(definition, ())?;
    }
    insert_key(&transaction, keys, opening.now_ms)?;
    for slot in slots {
        slot.insert(&transaction)?;
    }
    let first = State {
        epoch: 1,
        strategy: opening.strategy.to_owned(),
        sum: Summing::with(keys).whole(&transaction)?,
        anchor_key: Arc::new(keys.mac_key()),
    };
    first.insert(&transaction, keys)?;
    transaction.commit()?;
    connect::log_ahead(&connection)?;
    // Closed before the rename: SQLite knows its log by the name it opened, and removes it with the last connection.
    connection.close().map_err(|(_, error)| error)?;
    Ok(first)
}

/// Notes a data key as the active one.
pub(super) fn insert_key(connection: &Connection, keys: &Keys, now_ms: i64) -> Result<(), VaultError> {
    connection.execute(
        "INSERT INTO dek(dek_id, status, alg, kcv, created_at) VALUES(?1,?2,?3,?4,?5)",
        params![keys.dek_id, ACTIVE, keys.aead.number(), keys.check_value(), now_ms],
    )?;
    Ok(())
}
