//! Removing a vault whole, with its keys: after its grants were moved elsewhere.

use std::path::Path;

use super::{Opening, SqliteVault, anchor, connect, slots};
use crate::VaultError;
use crate::place::{Place, remove_if_there};

impl SqliteVault {
    /// Removes the vault at `path`, the keys that `opening` can reach and its anchor. Removing what is not there is fine.
    ///
    /// The keys go first: without them, whatever the disk keeps of the file cannot be opened any more.
    pub fn remove_whole(path: &Path, opening: &Opening) -> Result<(), VaultError> {
        let Some(place) = Place::find(path)? else { return Ok(()) };
        let _lock = place.lock()?;
        if place.exists()? {
            forget_keys(&place, opening)?;
        }
        // The file last: what lies beside it would stand in the way of a new vault.
        for suffix in ["-journal", "-wal", "-shm", ""] {
            remove_if_there(&place.beside(suffix))?;
        }
        place.sync()
    }
}

fn forget_keys(place: &Place, opening: &Opening) -> Result<(), VaultError> {
    let (connection, _format) = connect::open(&place.file())?;
    let (vault_id, dek_id): ([u8; 16], u32) =
        connection
            .query_row("SELECT vault_id, dek_id FROM vault WHERE id=1", (), |row| Ok((row.get(0)?, row.get(1)?)))?;
    for slot in slots::read(&connection, dek_id)? {
        for means in opening.means.iter().filter(|means| means.kind() == slot.protector) {
            means.protector().forget(&vault_id, &slot.reference)?;
        }
    }
    if let Some(keystore) = &opening.anchors {
        keystore.delete(&anchor::name_of(&vault_id))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::{Opening, SqliteVault};
    use crate::keystore::MemoryKeystore;
    use crate::{GrantId, Vault};

    #[test]
    fn a_vault_is_removed_with_its_key_and_its_anchor_and_a_new_one_can_be_made() {
        let (folder, keystore) = (tempfile::tempdir().unwrap(), Arc::new(MemoryKeystore::default()));
        let path = folder.path().join("home").join("vault.db");
        let opening = Opening::new(1).keystore(keystore.clone());
        let vault = SqliteVault::open_with(&path, &opening).unwrap();
        vault.create(&GrantId::from_bytes([1; 16]), b"record").unwrap();
        vault.flush_anchor();
        drop(vault);
        assert_eq!(keystore.names().len(), 2);
        SqliteVault::remove_whole(&path, &opening).unwrap();
        SqliteVault::remove_whole(&path, &opening).unwrap();
        assert_eq!(keystore.names().len(), 0, "{:?}", keystore.names());
        assert!(!path.exists());
        assert!(SqliteVault::open_with(&path, &opening).unwrap().list().unwrap().is_empty());
    }
}
