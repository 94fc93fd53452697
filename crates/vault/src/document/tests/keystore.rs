//! `keystore-only`.

use super::{APP, Home, Kind, ONE, TWO};
use crate::document::KeystoreVault;
use crate::keystore::{FaultyKeystore, KeystoreSecret};
use crate::{GrantId, Keystore, KeystoreError, MAX_PAYLOAD, Vault, VaultError, model};
use proptest::prelude::*;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tempfile::TempDir;

crate::vault_suite!(|| Home::new(Kind::Keystore));

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn the_entries_do_what_the_memory_does(steps in model::steps()) {
        model::does_what_the_memory_does(&Home::new(Kind::Keystore), &steps)?;
    }
}

/// A folder and a keystore that fails on command.
struct Faulty {
    folder: TempDir,
    keystore: FaultyKeystore,
}

impl Faulty {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), keystore: FaultyKeystore::default() }
    }

    /// With a vault of one record that needs several entries.
    fn with_a_record() -> Self {
        let faulty = Self::new();
        faulty.open().unwrap().create(&ONE, &long(1)).unwrap();
        faulty
    }

    fn home(&self) -> PathBuf {
        self.folder.path().join("app")
    }

    fn open(&self) -> Result<KeystoreVault, VaultError> {
        KeystoreVault::open(&self.home(), APP, Arc::new(self.keystore.clone()))
    }

    fn names(&self) -> Vec<String> {
        self.keystore.inner.names()
    }

    /// The name of the head: the shortest one.
    fn head(&self) -> String {
        self.names().into_iter().min_by_key(String::len).unwrap()
    }
}

fn long(number: u8) -> Vec<u8> {
    vec![number; 2000 + 900 * usize::from(number)]
}

/// A write without trouble asks for nothing that is not there: that is dear where absence has to be proved.
#[test]
fn a_write_asks_only_for_entries_that_are_there() {
    let faulty = Faulty::with_a_record();
    let vault = faulty.open().unwrap();
    let calls = faulty.keystore.calls();
    vault.commit(&ONE, 1, b"short").unwrap();
    // Head and four chunks as they are, the head again, one chunk and its reading back, the head's switch, four deletions.
    assert_eq!(faulty.keystore.calls() - calls, 5 + 1 + 2 + 1 + 4);
}

/// Dies at a given call, before it is done or after, and answers nothing from then on.
struct Dying {
    inner: FaultyKeystore,
    calls: AtomicUsize,
    last: usize,
    does_the_last: bool,
}

impl Dying {
    fn step<T>(&self, call: impl FnOnce() -> Result<T, KeystoreError>) -> Result<T, KeystoreError> {
        let number = self.calls.fetch_add(1, Ordering::SeqCst) + 1;
        if number < self.last {
            return call();
        }
        if number == self.last && self.does_the_last {
            call()?;
        }
        Err(KeystoreError::TimedOut)
    }
}

impl Keystore for Dying {
    fn kind(&self) -> &'static str {
        "memory"
    }
    fn read(&self, name: &str) -> Result<Option<KeystoreSecret>, KeystoreError> {
        self.step(|| self.inner.read(name))
    }
    fn write(&self, name: &str, secret: &str) -> Result<(), KeystoreError> {
        self.step(|| self.inner.write(name, secret))
    }
    fn delete(&self, name: &str) -> Result<(), KeystoreError> {
        self.step(|| self.inner.delete(name))
    }
}

#[test]
fn a_crash_at_any_call_of_a_write_leaves_the_old_record_or_the_new_one_and_the_next_write_sweeps() {
    let mut outcomes = [0; 2];
    for (last, does_the_last) in (1..60).flat_map(|last| [(last, false), (last, true)]) {
        let faulty = Faulty::with_a_record();
        let calls = AtomicUsize::new(0);
        let dying = Arc::new(Dying { inner: faulty.keystore.clone(), calls, last, does_the_last });
        let earlier = faulty.open().unwrap();
        let outcome = KeystoreVault::open(&faulty.home(), APP, dying).and_then(|vault| vault.commit(&ONE, 1, &long(2)));

        let vault = if last % 3 == 0 { earlier } else { faulty.open().unwrap() };
        let record = vault.load(&ONE).unwrap().unwrap();
        assert_eq!(record.payload.as_slice(), long(u8::try_from(record.generation).unwrap()), "{last}");
        assert!(outcome.is_err() || record.generation == 2, "{last}");
        outcomes[usize::from(record.generation == 2)] += 1;
        // One entry fewer than before, and nothing of what the crash left.
        assert_eq!(vault.commit(&ONE, record.generation, b"short").unwrap(), record.generation + 1);
        assert_eq!(faulty.names().len(), 2, "{last} {does_the_last}: {:?}", faulty.names());
    }
    assert!(outcomes.iter().all(|count| *count > 5), "{outcomes:?}");
}

#[test]
fn crashes_one_after_another_leave_no_more_than_the_next_write_sweeps() {
    let faulty = Faulty::with_a_record();
    for last in 1..40 {
        let calls = AtomicUsize::new(0);
        let dying = Arc::new(Dying { inner: faulty.keystore.clone(), calls, last, does_the_last: last % 2 == 0 });
        if let Ok(vault) = KeystoreVault::open(&faulty.home(), APP, dying) {
            let generation = faulty.open().unwrap().load(&ONE).unwrap().unwrap().generation;
            drop(vault.commit(&ONE, generation, &long(u8::try_from(last % 5).unwrap())));
        }
        assert!(faulty.open().unwrap().load(&ONE).unwrap().is_some());
    }
    let vault = faulty.open().unwrap();
    let generation = vault.load(&ONE).unwrap().unwrap().generation;
    vault.commit(&ONE, generation, b"short").unwrap();
    assert_eq!(faulty.names().len(), 2, "{:?}", faulty.names());
}

#[test]
fn a_crash_while_a_vault_is_made_leaves_none_or_a_whole_one() {
    for (last, does_the_last) in (1..12).flat_map(|last| [(last, false), (last, true)]) {
        let faulty = Faulty::new();
        let calls = AtomicUsize::new(0);
        let dying = Arc::new(Dying { inner: faulty.keystore.clone(), calls, last, does_the_last });
        drop(KeystoreVault::open(&faulty.home(), APP, dying));
        let vault = faulty.open().unwrap();
        assert!(vault.list().unwrap().is_empty());
        vault.create(&ONE, b"payload").unwrap();
        assert_eq!(faulty.open().unwrap().load(&ONE).unwrap().unwrap().payload.as_slice(), b"payload");
    }
}

#[test]
fn no_entry_is_longer_than_windows_takes() {
    let faulty = Faulty::with_a_record();
    let vault = faulty.open().unwrap();
    vault.create(&TWO, &vec![7; MAX_PAYLOAD]).unwrap();
    for name in faulty.names() {
        let secret = faulty.keystore.inner.read(&name).unwrap().unwrap();
        assert!(secret.encode_utf16().count() * 2 <= 2560 && secret.is_ascii(), "{name}");
        assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-'), "{name}");
    }
}

#[test]
fn what_is_too_large_for_the_keystore_is_refused_before_anything_changes() {
    let faulty = Faulty::with_a_record();
    let vault = faulty.open().unwrap();
    vault.create(&TWO, &vec![7; MAX_PAYLOAD]).unwrap();
    let (names, calls) = (faulty.names(), faulty.keystore.calls());
    let third = vault.create(&GrantId::from_bytes([3; 16]), &vec![7; MAX_PAYLOAD]);
    assert!(matches!(third, Err(VaultError::TooLarge(length)) if length > 2 * MAX_PAYLOAD), "{third:?}");
    assert_eq!(faulty.names(), names);
    // The head twice, and the parts of what is there.
    assert_eq!(faulty.keystore.calls() - calls, names.len() + 1);
    assert_eq!(vault.list().unwrap().len(), 2);
}

#[test]
fn a_keystore_that_cannot_be_asked_is_told_as_what_it_is_and_changes_nothing() {
    let faulty = Faulty::with_a_record();
    let vault = faulty.open().unwrap();
    let names = faulty.names();
    for error in [KeystoreError::Locked, KeystoreError::TimedOut, KeystoreError::Absent("none".to_owned())] {
        faulty.keystore.fail(error.clone());
        let expected =
            |answer: Result<(), VaultError>| matches!(answer, Err(VaultError::Keystore(told)) if told == error);
        assert!(expected(vault.load(&ONE).map(drop)));
        assert!(expected(vault.commit(&ONE, 1, b"second").map(drop)));
        assert!(expected(vault.changed_elsewhere().map(drop)));
        assert!(expected(faulty.open().map(drop)));
        assert!(expected(KeystoreVault::remove_whole(&faulty.home(), Arc::new(faulty.keystore.clone()))));
        faulty.keystore.heal();
        assert_eq!(faulty.names(), names);
        assert!(KeystoreVault::exists(&faulty.home()).unwrap());
    }
    assert_eq!(vault.commit(&ONE, 1, b"second").unwrap(), 2);
}

#[test]
fn no_vault_is_named_where_the_keystore_keeps_nothing() {
    let faulty = Faulty::new();
    faulty.keystore.fail_writes(KeystoreError::Locked);
    assert!(matches!(faulty.open(), Err(VaultError::Keystore(KeystoreError::Locked))));
    assert!(!KeystoreVault::exists(&faulty.home()).unwrap());
}

#[test]
fn a_keystore_that_has_forgotten_the_vault_is_asked_twice_and_nothing_is_made_in_its_place() {
    let faulty = Faulty::with_a_record();
    let name = faulty.head();
    let head = faulty.keystore.inner.read(&name).unwrap().unwrap();
    faulty.keystore.inner.delete(&name).unwrap();
    let names = faulty.names();
    assert!(matches!(faulty.open(), Err(VaultError::KeyLost)));
    assert_eq!((faulty.keystore.settled(), faulty.names()), (1, names));
    faulty.keystore.appear_at_settle(&name, &head);
    assert!(faulty.open().unwrap().load(&ONE).unwrap().is_some());
}

#[test]
fn an_entry_that_is_gone_altered_or_planted_is_told_and_removes_nothing() {
    let faulty = Faulty::with_a_record();
    let head = faulty.head();
    for name in faulty.names() {
        let secret = faulty.keystore.inner.read(&name).unwrap().unwrap();
        for altered in ["", "AAAA", "not base64!", &secret[1..], &format!("{}A", &secret[..secret.len() - 1])] {
            if altered == secret.as_str() {
                continue;
            }
            faulty.keystore.inner.write(&name, altered).unwrap();
            assert!(matches!(faulty.open(), Err(VaultError::Damaged(_))), "{name} {altered}");
        }
        faulty.keystore.inner.delete(&name).unwrap();
        let lost = faulty.open().map(drop);
        assert!(matches!(lost, Err(VaultError::KeyLost)) == (name == head) && lost.is_err(), "{name}");
        faulty.keystore.inner.plant(&name, &secret);
        faulty.keystore.inner.plant(&name, "planted");
        let planted = faulty.open().map(drop);
        assert!(matches!(planted, Err(VaultError::Keystore(KeystoreError::Ambiguous(2)))), "{name}");
        faulty.keystore.inner.delete(&name).unwrap();
        faulty.keystore.inner.write(&name, &secret).unwrap();
    }
    assert_eq!(*faulty.open().unwrap().load(&ONE).unwrap().unwrap().payload, long(1));
}

#[test]
fn entries_of_another_epoch_app_or_vault_do_not_fit() {
    let faulty = Faulty::with_a_record();
    let other = KeystoreVault::open(&faulty.home(), "com.example.other", Arc::new(faulty.keystore.clone()));
    assert!(matches!(other, Err(VaultError::Damaged(_))));
    // The older head with the chunks of the newer document under its names.
    let (head, older) = (faulty.head(), faulty.keystore.inner.read(&faulty.head()).unwrap().unwrap());
    let vault = faulty.open().unwrap();
    vault.begin_attempt(&ONE, 1, None, &crate::Attempt { idempotency_key: [1; 16], started_at_ms: 1 }).unwrap();
    for name in faulty.names().into_iter().filter(|name| *name != head) {
        let secret = faulty.keystore.inner.read(&name).unwrap().unwrap();
        faulty.keystore.inner.write(&name.replace("-3-", "-2-"), &secret).unwrap();
    }
    faulty.keystore.inner.write(&head, &older).unwrap();
    assert!(matches!(faulty.open(), Err(VaultError::Damaged(_))));
}

#[test]
fn homes_share_a_keystore_without_sharing_a_vault() {
    let (one, folder) = (Faulty::with_a_record(), tempfile::tempdir().unwrap());
    let keystore = || Arc::new(one.keystore.clone());
    let other = KeystoreVault::open(folder.path(), APP, keystore()).unwrap();
    assert!(other.load(&ONE).unwrap().is_none());
    other.create(&ONE, b"other").unwrap();
    KeystoreVault::remove_whole(folder.path(), keystore()).unwrap();
    assert_eq!(*one.open().unwrap().load(&ONE).unwrap().unwrap().payload, long(1));
}

#[test]
fn a_removal_that_fails_half_way_is_done_again() {
    for nth in 1..12 {
        let faulty = Faulty::with_a_record();
        faulty.keystore.fail_nth_call(nth, KeystoreError::TimedOut);
        let remove = || KeystoreVault::remove_whole(&faulty.home(), Arc::new(faulty.keystore.clone()));
        if remove().is_err() {
            assert!(KeystoreVault::exists(&faulty.home()).unwrap());
            remove().unwrap();
        }
        assert!(!KeystoreVault::exists(&faulty.home()).unwrap());
        assert!(faulty.names().is_empty(), "{nth}: {:?}", faulty.names());
    }
}

#[test]
fn each_write_stirs_the_file_that_others_watch_and_leaves_its_words() {
    let faulty = Faulty::with_a_record();
    let path = faulty.home().join(KeystoreVault::FILE);
    let words = fs::read_to_string(&path).unwrap();
    assert!(words.starts_with("pilotlight keystore-only 1 ") && words.ends_with('\n'));
    let epoch = std::time::SystemTime::UNIX_EPOCH;
    fs::File::options().write(true).open(&path).unwrap().set_modified(epoch).unwrap();
    let vault = faulty.open().unwrap();
    vault.load(&ONE).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().modified().unwrap(), epoch);
    vault.commit(&ONE, 1, b"second").unwrap();
    assert!(fs::metadata(&path).unwrap().modified().unwrap() > epoch);
    assert_eq!(fs::read_to_string(&path).unwrap(), words);
}
