use super::{Check, Origin, Persistence, State, probe};
use crate::KeystoreError;
use crate::keystore::{FaultyKeystore, Keystore, KeystoreSecret};
use std::time::Duration;

fn gnome() -> Origin {
    Origin {
        kind: "secret-service".to_owned(),
        provider: Some("gnome-keyring".to_owned()),
        persistence: Some(Persistence::Lasting),
    }
}

#[test]
fn an_origin_reads_back_from_its_record() {
    for (origin, record) in [
        (gnome(), "secret-service/gnome-keyring:lasting"),
        (Origin::of("keychain"), "keychain"),
        (Origin { persistence: Some(Persistence::Passing), ..Origin::of("keyutils") }, "keyutils:passing"),
    ] {
        assert_eq!(origin.to_record(), record);
        assert_eq!(Origin::from_record(record), origin);
    }
    assert_eq!(Origin::from_record("strange:words").kind, "strange:words");
}

#[test]
fn another_keystore_is_one_that_is_certainly_not_the_same() {
    let kwallet = Origin { provider: Some("kwallet".to_owned()), ..gnome() };
    assert!(kwallet.differs_from(&gnome()));
    assert!(!Origin::of("secret-service").differs_from(&gnome()), "any program may provide it");
    assert!(Origin::of("keyutils").differs_from(&gnome()));

    let state = State::Ready(kwallet).for_vault_of(&gnome());
    assert_eq!(
        state,
        State::Changed { was: "secret-service (gnome-keyring)".to_owned(), is: "secret-service (kwallet)".to_owned() }
    );
    assert_eq!(State::Locked.for_vault_of(&gnome()), State::Locked, "a locked one may be either");
}

#[test]
fn a_probe_tells_every_failure_by_a_state_of_its_own() {
    let keystore = FaultyKeystore::default();
    assert_eq!(probe(&keystore, Check::SelfTest), State::Ready(Origin::of("memory")));
    assert!(keystore.inner.names().is_empty(), "the self-test leaves nothing behind");
    for (error, state) in [
        (KeystoreError::Absent("no bus".to_owned()), State::Absent("no bus".to_owned())),
        (KeystoreError::Locked, State::Locked),
        (KeystoreError::TimedOut, State::Silent),
        (KeystoreError::Failed("tired".to_owned()), State::Failed("the keystore failed: tired".to_owned())),
    ] {
        keystore.fail(error);
        assert_eq!(probe(&keystore, Check::Look), state);
        assert_eq!(probe(&keystore, Check::SelfTest), state);
    }
}

#[test]
fn only_a_self_test_finds_a_keystore_that_keeps_nothing() {
    let keystore = FaultyKeystore::default();
    keystore.fail_writes(KeystoreError::Unsuitable("it is full".to_owned()));
    assert!(matches!(probe(&keystore, Check::Look), State::Ready(_)));
    assert_eq!(probe(&keystore, Check::SelfTest), State::Unsuitable("it is full".to_owned()));

    assert_eq!(probe(&Forgetful, Check::SelfTest), State::Unsuitable("what was written is not there".to_owned()));
    assert!(matches!(probe(&Passing, Check::Look), State::Unsuitable(_)));
}

#[test]
fn whoever_waits_for_a_locked_keystore_is_woken_when_it_is_unlocked() {
    let keystore = FaultyKeystore::default();
    keystore.fail(KeystoreError::Locked);
    assert_eq!(keystore.await_unlocked(Duration::ZERO), Err(KeystoreError::Locked));
    let waiting = keystore.clone();
    let waiter = std::thread::spawn(move || waiting.await_unlocked(Duration::from_secs(600)));
    keystore.heal();
    assert_eq!(waiter.join().unwrap(), Ok(()));
    assert_eq!(keystore.unlocks(), 0, "nobody was asked");
}

/// Takes everything and keeps nothing.
struct Forgetful;

impl Keystore for Forgetful {
    fn kind(&self) -> &'static str {
        "forgetful"
    }
    fn read(&self, _: &str) -> Result<Option<KeystoreSecret>, KeystoreError> {
        Ok(None)
    }
    fn write(&self, _: &str, _: &str) -> Result<(), KeystoreError> {
        Ok(())
    }
    fn delete(&self, _: &str) -> Result<(), KeystoreError> {
        Ok(())
    }
}

/// Says that it keeps only until the end of the session.
struct Passing;

impl Keystore for Passing {
    fn kind(&self) -> &'static str {
        "passing"
    }
    fn look(&self) -> Result<Origin, KeystoreError> {
        Ok(Origin { persistence: Some(Persistence::Passing), ..Origin::of(self.kind()) })
    }
    fn read(&self, _: &str) -> Result<Option<KeystoreSecret>, KeystoreError> {
        Ok(None)
    }
    fn write(&self, _: &str, _: &str) -> Result<(), KeystoreError> {
        Ok(())
    }
    fn delete(&self, _: &str) -> Result<(), KeystoreError> {
        Ok(())
    }
}
