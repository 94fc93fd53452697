//! What a crash just before a commit leaves: the files and the keystore as they are at that moment.

use super::Home;
use crate::keystore::{FaultyKeystore, Keystore};
use crate::sqlite::SqliteVault;
use std::path::Path;
use std::sync::{Arc, Mutex};

/// Homes as they were, in order.
#[derive(Clone, Default)]
pub(super) struct Crashes(Arc<Mutex<Vec<Home>>>);

impl Crashes {
    pub(super) fn take(&self) -> Vec<Home> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

fn copy_of(keystore: &FaultyKeystore) -> FaultyKeystore {
    let copy = FaultyKeystore::default();
    for name in keystore.inner.names() {
        for entry in keystore.inner.read_all(&name).unwrap() {
            copy.inner.plant(&name, &entry);
        }
    }
    copy
}

/// Copies the home of `vault` before each commit of this handle. The log's index is not copied: it is made anew from the
/// log, as after a power cut.
pub(super) fn before_each_commit(home: &Home, vault: &SqliteVault) -> Crashes {
    let crashes = Crashes::default();
    let (kept, keystore, from) = (crashes.clone(), home.keystore.clone(), home.beside(""));
    let hook = move || {
        let copy = Home { keystore: copy_of(&keystore), ..Home::new() };
        copy_files(&from, &copy.beside(""));
        kept.0.lock().unwrap().push(copy);
        false
    };
    vault.database().connection.commit_hook(Some(hook)).unwrap();
    crashes
}

fn copy_files(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let name = entry.unwrap().file_name();
        if name != "vault.db-shm" {
            std::fs::copy(from.join(&name), to.join(&name)).unwrap();
        }
    }
}
