use crate::keystore::MemoryKeystore;
use crate::{SqlcipherVault, VaultError};
use std::sync::Arc;

#[test]
fn a_build_without_sqlcipher_says_so_and_makes_neither_file_nor_key() {
    let folder = tempfile::tempdir().unwrap();
    let (home, keystore) = (folder.path().join("app"), MemoryKeystore::default());
    let refused = SqlcipherVault::open(&home, "test", Arc::new(keystore.clone()));
    assert!(matches!(&refused, Err(VaultError::Unavailable(why)) if why.contains("SQLCipher")), "{refused:?}");
    assert!(!home.exists() && keystore.names().is_empty());
    assert!(SqlcipherVault::remove_whole(&home, &keystore).is_ok(), "nothing is there");
}
