//! The file's name and its folder. What may happen to any document's file is tried in `document/tests`.

use super::{Home, NOW, PrefsVault};
use crate::{Vault, VaultError};

fn damage(error: &VaultError, words: &str) -> bool {
    matches!(error, VaultError::Damaged(why) if why.contains(words))
}

#[test]
fn a_file_under_another_name_finds_no_key_and_two_files_are_not_chosen_from() {
    let home = Home::with_two_records();
    let file = home.file();
    let other = file.with_file_name(format!("vault-{}.xml", "a".repeat(26)));
    std::fs::copy(&file, &other).unwrap();
    assert!(damage(&home.refusal(), "two of them"));
    std::fs::remove_file(&file).unwrap();
    assert!(matches!(home.refusal(), VaultError::KeyLost));
    // With the key under the other name too: every name in it is bound to the file's.
    let name = home.keystore.inner.name_of("master-");
    let text = crate::Keystore::read(&home.keystore.inner, &name).unwrap().unwrap();
    home.keystore.inner.plant(&format!("master-{}", "a".repeat(26)), &text);
    assert!(damage(&home.refusal(), "does not open"));
}

#[test]
fn a_moved_folder_opens() {
    let home = Home::with_two_records();
    let elsewhere = home.folder.path().join("elsewhere");
    std::fs::rename(home.path(), &elsewhere).unwrap();
    let vault = PrefsVault::open(&elsewhere, super::APP, &home.keystore).unwrap();
    assert_eq!(vault.list().unwrap().len(), 2);
}

#[test]
fn an_unusable_vault_is_set_aside_and_a_new_one_has_a_key_of_its_own() {
    let home = Home::with_two_records();
    assert!(PrefsVault::exists(&home.path()).unwrap());
    std::fs::write(home.file(), "nonsense").unwrap();
    assert!(matches!(home.refusal(), VaultError::Damaged(_)));
    let aside = PrefsVault::set_aside(&home.path(), NOW).unwrap();
    assert_eq!(std::fs::read(aside).unwrap(), b"nonsense");
    assert!(!PrefsVault::exists(&home.path()).unwrap());
    assert!(matches!(PrefsVault::set_aside(&home.path(), NOW), Err(VaultError::NotFound)));
    assert!(home.open().unwrap().list().unwrap().is_empty());
    assert_eq!(home.keystore.inner.names().len(), 2);
}

#[test]
fn what_a_crash_left_of_a_vault_that_was_never_whole_is_removed() {
    let home = Home::new();
    std::fs::create_dir(home.path()).unwrap();
    let left = format!("vault-{}.xml.new", "a".repeat(26));
    std::fs::write(home.path().join(&left), "half").unwrap();
    std::fs::write(home.path().join("somebody.xml.new"), "else's").unwrap();
    assert!(!PrefsVault::exists(&home.path()).unwrap());
    drop(home.open().unwrap());
    assert_eq!(home.files(".new"), ["somebody.xml.new"]);
}

#[test]
fn many_that_make_one_vault_make_one_file() {
    let home = Home::new();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| drop(home.open().unwrap()));
        }
    });
    drop(home.file());
    assert_eq!(home.keystore.inner.names().len(), 1);
}
