//! Making a vault: the key is safe in the keystore before the file appears under its name.

use rusqlite::{Connection, params};
use subtle::ConstantTimeEq;

use super::anchor::Anchor;
use super::connect;
use super::fault::{damaged, io};
use super::place::{Place, remove_if_there};
use super::schema::{ACTIVE, APPLICATION_ID, FORMAT, TABLES};
use super::state::{self, State};
use super::unlock::{self, PROTECTOR, Slot};
use crate::envelope::{ALG_AES_256_GCM, Identity, Kek, Keys};
use crate::keystore::{Origin, Persistence};
use crate::{Keystore, KeystoreError, VaultError, random};

/// The generation of a vault's first KEK.
const FIRST: u32 = 1;

/// Makes a vault where there is none; to be called under the folder's lock.
///
/// A crash at any point leaves either no vault, and at most a key in the keystore that nothing needs, or a whole one.
pub(super) fn make(place: &Place, app: &str, keystore: &dyn Keystore, now_ms: i64) -> Result<(), VaultError> {
    // SQLite would play a journal that lies there back into our new file.
    if place.beside("-journal").symlink_metadata().is_ok() {
        return Err(damaged("its journal is there and the vault is not"));
    }
    for suffix in [".new", ".new-journal"] {
        remove_if_there(&place.beside(suffix))?;
    }
    let origin = keystore.look()?;
    if origin.persistence == Some(Persistence::Passing) {
        let why = "it forgets everything when the session ends";
        return Err(KeystoreError::Unsuitable(why.to_owned()).into());
    }
    let identity = Identity { app: app.to_owned(), vault_id: random::make()? };
    let (kek, keys) = (Kek::make(FIRST)?, Keys::make(identity, 1)?);
    let path = place.make_empty(".new")?;
    let made = fill(&path, &kek, &keys, &origin, now_ms).and_then(|first| {
        keep_key(&kek, &keys, keystore)?;
        if let Err(error) = Anchor::of(&first).write_forward(keystore, &keys) {
            tracing::warn!(%error, "the new vault's anchor could not be written");
        }
        std::fs::rename(&path, place.file()).map_err(|error| io("the new vault file", &error))
    });
    if made.is_err() {
        remove_if_there(&path)?;
    }
    made?;
    place.sync()
}

fn keep_key(kek: &Kek, keys: &Keys, keystore: &dyn Keystore) -> Result<(), VaultError> {
    let (name, text) = (unlock::name_of(&keys.identity.vault_id, FIRST), kek.to_text());
    keystore.write(&name, &text)?;
    let kept = keystore.read(&name)?;
    if kept.is_some_and(|kept| bool::from(kept.as_bytes().ct_eq(text.as_bytes()))) {
        Ok(())
    } else {
        Err(KeystoreError::Unsuitable("the new key does not read back".to_owned()).into())
    }
}

/// Tables, wrapped key and first state, in one transaction.
fn fill(path: &std::path::Path, kek: &Kek, keys: &Keys, origin: &Origin, now_ms: i64) -> Result<State, VaultError> {
    let mut connection = connect::connect(path)?;
    let transaction = connection.transaction()?;
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", FORMAT)?;
    for (_, definition) in TABLES {
        transaction.execute(definition, ())?;
    }
    insert_keys(&transaction, kek, keys, origin, now_ms)?;
    let first = State { epoch: 1, manifest: state::manifest(&transaction, keys)? };
    let sealed = first.seal(keys)?;
    transaction.execute(
        "INSERT INTO vault(id, vault_id, format, epoch, dek_id, state_nonce, state_ct) VALUES(1,?1,?2,?3,?4,?5,?6)",
        params![keys.identity.vault_id, FORMAT, 1, keys.dek_id, sealed.nonce, sealed.ct],
    )?;
    transaction.commit()?;
    // Closed before the rename: SQLite knows its journal by the name it opened.
    connection.close().map_err(|(_, error)| error)?;
    Ok(first)
}

fn insert_keys(
    connection: &Connection,
    kek: &Kek,
    keys: &Keys,
    origin: &Origin,
    now_ms: i64,
) -> Result<(), VaultError> {
    connection.execute(
        "INSERT INTO dek(dek_id, status, kcv, created_at) VALUES(?1,?2,?3,?4)",
        params![keys.dek_id, ACTIVE, keys.check_value(), now_ms],
    )?;
    let slot = Slot {
        dek_id: keys.dek_id,
        slot_id: random::make()?,
        kek_ref: format!("{}/{FIRST}", origin.to_record()),
        params: kek.check_value(&keys.identity.vault_id).to_vec(),
    };
    let wrapped = kek.wrap(keys, &slot.aad(&keys.identity))?;
    connection.execute(
        "INSERT INTO dek_slot(dek_id, slot_id, protector, kek_ref, alg, params, nonce, ct) VALUES(?1,?2,?3,?4,?5,?6,?7,?8)",
        params![
            slot.dek_id,
            slot.slot_id,
            PROTECTOR,
            slot.kek_ref,
            ALG_AES_256_GCM,
            slot.params,
            wrapped.nonce,
            wrapped.ct
        ],
    )?;
    Ok(())
}
