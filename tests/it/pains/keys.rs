//! 8, 9, 11, 12, 15, 16 and 18: the key that the keystore keeps, and does not.

use std::sync::Arc;
use std::time::Duration;

use pilotlight::parts::Keystore;
use pilotlight::storage::VaultStatus;
use pilotlight::values::ExposeSecret as _;
use pilotlight::{Config, ErrorCode, Pilotlight, Status};
use pilotlight_vault::KeystoreError;
use pilotlight_vault::keystore::{KeystoreSecret, MemoryKeystore};

use super::world::{HOUR, TTL, World, sign_in, status, token, with_body};

/// Everything that somebody may ask of a process; each call must end with `code`, and the vault must stay as it is.
async fn refuses_everything(world: &World, process: &Pilotlight, code: ErrorCode) {
    let (file, sent) = (world.vault(), world.server.requests());
    assert_eq!(process.accounts().await.unwrap_err().code(), code);
    assert_eq!(token(process).await.unwrap_err().code(), code);
    assert_eq!(process.refresh("work").await.unwrap_err().code(), code);
    assert_eq!(sign_in(process).await.unwrap_err().code(), code);
    assert_eq!(world.vault(), file, "the vault's file was changed");
    assert_eq!(world.server.requests(), sent, "a token was sent");
}

/// Starts over, and finds the old vault kept beside the new one.
async fn starts_over(world: &World, process: &Pilotlight) {
    let before = world.vault();
    let aside = process.start_over().await.unwrap();
    assert_eq!(std::fs::read(aside).unwrap(), before, "the old vault is kept");
    sign_in(process).await.unwrap();
    assert_eq!(status(process).await, Status::SignedIn);
}

#[tokio::test(start_paused = true)]
async fn pain_08_a_key_that_cannot_be_read_now_is_never_replaced() {
    let world = World::signed_in().await;
    let first = token(&world.process()).await.unwrap();
    let entries = world.keystore.inner.names();
    for (error, code) in [
        (KeystoreError::Absent("no bus".into()), ErrorCode::KeystoreAbsent),
        (KeystoreError::Locked, ErrorCode::KeystoreLocked),
        (KeystoreError::TimedOut, ErrorCode::KeystoreTimeout),
        (KeystoreError::Failed("it is tired".into()), ErrorCode::KeystoreFailed),
    ] {
        world.keystore.fail(error);
        let process = world.process();
        refuses_everything(&world, &process, code).await;
        assert_eq!(process.start_over().await.unwrap_err().code(), code, "no way to throw it away either");
        assert_eq!(world.keystore.inner.names(), entries, "a key was made");
        world.keystore.heal();
        assert_eq!(token(&process).await.unwrap(), first, "the same process goes on");
    }
}

#[tokio::test(start_paused = true)]
async fn pain_09_started_before_the_keystore_is_unlocked_it_waits_and_asks_nothing() {
    let world = World::signed_in().await;
    world.keystore.fail(KeystoreError::Locked);
    let process = world.process();
    let task = tokio::spawn(process.clone().keep_fresh());
    tokio::time::sleep(8 * HOUR).await;
    let VaultStatus::Unavailable(why) = process.vault_status() else { panic!("it is open") };
    assert_eq!(why.code(), ErrorCode::KeystoreLocked);
    assert!(process.wake_ups() < 200, "{} looks in eight hours", process.wake_ups());
    world.keystore.heal();
    tokio::time::sleep(Duration::from_secs(301)).await;
    task.abort();
    assert!(matches!(process.vault_status(), VaultStatus::Ready { .. }));
    assert_eq!(world.server.refreshes(), 1, "the token that ended meanwhile was refreshed by itself");
    assert!(world.browser.opened().is_empty());
}

#[tokio::test(start_paused = true)]
async fn pain_09_a_keystore_that_is_locked_later_stops_nothing() {
    let world = World::signed_in().await;
    let process = world.process();
    token(&process).await.unwrap();
    world.keystore.fail(KeystoreError::Locked);
    for refreshes in 1..=5 {
        tokio::time::advance(TTL).await;
        token(&process).await.unwrap();
        assert_eq!(world.server.refreshes(), refreshes);
    }
    drop(process);
    world.keystore.heal();
    token(&world.process()).await.unwrap();
    assert_eq!((world.server.refreshes(), world.server.reuses()), (5, 0));
}

/// Takes everything and keeps nothing, as the stand-in does that some libraries fall back to.
struct Forgetful;

impl Keystore for Forgetful {
    fn kind(&self) -> &'static str {
        "memory"
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

#[tokio::test(start_paused = true)]
async fn pain_11_a_keystore_that_keeps_nothing_is_found_out_before_anybody_signs_in() {
    let world = World::new(|server| server);
    let process = Pilotlight::new(Config { keystore: Arc::new(Forgetful), ..world.config.clone() });
    assert_eq!(sign_in(&process).await.unwrap_err().code(), ErrorCode::KeystoreFailed);
    assert_eq!(world.server.requests(), 0, "a password was spent on what cannot be kept");
    assert!(!world.config.home.vault().exists());
    sign_in(&world.process()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn pain_11_a_keystore_that_forgets_at_a_reboot_is_told_and_its_vault_kept() {
    let world = World::signed_in().await;
    let after = Pilotlight::new(Config { keystore: Arc::new(MemoryKeystore::default()), ..world.config.clone() });
    refuses_everything(&world, &after, ErrorCode::KeyLost).await;
}

/// The same entries or none, behind a keystore of another kind.
struct Kwallet(MemoryKeystore);

impl Keystore for Kwallet {
    fn kind(&self) -> &'static str {
        "kwallet"
    }
    fn read(&self, name: &str) -> Result<Option<KeystoreSecret>, KeystoreError> {
        self.0.read(name)
    }
    fn write(&self, name: &str, secret: &str) -> Result<(), KeystoreError> {
        self.0.write(name, secret)
    }
    fn delete(&self, name: &str) -> Result<(), KeystoreError> {
        self.0.delete(name)
    }
}

#[tokio::test(start_paused = true)]
async fn pain_12_a_keystore_of_another_kind_is_told_by_both_names_and_gets_no_key() {
    let world = World::signed_in().await;
    let other = MemoryKeystore::default();
    let process = Pilotlight::new(Config { keystore: Arc::new(Kwallet(other.clone())), ..world.config.clone() });
    refuses_everything(&world, &process, ErrorCode::KeystoreChanged).await;
    let error = process.accounts().await.unwrap_err();
    assert!(error.message().contains("memory") && error.message().contains("kwallet"), "{error}");
    assert!(!error.can_start_over(), "the key is where it was; nothing is lost");
    assert!(other.names().iter().all(|name| !name.starts_with("kek-")), "{:?}", other.names());
    assert_eq!(status(&world.process()).await, Status::SignedIn, "back at the first one, all is well");
}

#[tokio::test(start_paused = true)]
async fn pain_15_what_the_keystore_keeps_stays_below_windows_limit_whatever_the_tokens_are() {
    const LIMIT: usize = 1280;
    let world = World::new(|server| server);
    let long = |body: &[u8], letters: usize| {
        let mut json: serde_json::Value = serde_json::from_slice(body).unwrap();
        if json.get("access_token").is_some() {
            json["access_token"] = format!("eyJ{}", "A".repeat(letters)).into();
            json["id_token"] = serde_json::Value::Null;
        }
        json.to_string().into_bytes()
    };
    let process = world.process_behind(move |answer| {
        let body = long(answer.body.expose_secret(), 8 * 1024);
        Ok(with_body(answer, body))
    });
    sign_in(&process).await.unwrap();
    for _ in 0..20 {
        process.refresh("work").await.unwrap();
    }
    drop(process);
    let entries = world.keystore.inner.names();
    assert!(entries.len() >= 2, "{entries:?}");
    for name in entries {
        let kept = world.keystore.inner.read(&name).unwrap().unwrap();
        let units = name.encode_utf16().count() + kept.encode_utf16().count();
        assert!(units < LIMIT / 4, "{name}: {units} UTF-16 units");
    }
    assert_eq!(token(&world.process()).await.unwrap().len(), 3 + 8 * 1024, "it comes back whole");
}

#[tokio::test(start_paused = true)]
async fn pain_16_a_key_that_does_not_open_the_vault_is_told_and_the_person_can_start_over() {
    for (planted, code) in [(None, ErrorCode::WrongKey), (Some("not a key at all"), ErrorCode::KeyCorrupt)] {
        let (world, other) = (World::signed_in().await, World::signed_in().await);
        let key = other.keystore.inner.read(&other.keystore.inner.name_of("kek-")).unwrap().unwrap();
        let name = world.keystore.inner.name_of("kek-");
        world.keystore.inner.write(&name, planted.unwrap_or(&key)).unwrap();
        let process = world.process();
        refuses_everything(&world, &process, code).await;
        starts_over(&world, &process).await;
    }
}

#[tokio::test(start_paused = true)]
async fn pain_18_a_vault_restored_without_its_key_is_told_kept_and_can_be_replaced() {
    let world = World::signed_in().await;
    let elsewhere = World::new(|server| server);
    std::fs::create_dir(elsewhere.config.home.path()).unwrap();
    elsewhere.put_vault(&world.vault());
    // Not a loop of crashes: each start says the same.
    for _ in 0..3 {
        refuses_everything(&elsewhere, &elsewhere.process(), ErrorCode::KeyLost).await;
    }
    assert!(elsewhere.keystore.inner.names().is_empty(), "no key is made over a vault");
    starts_over(&elsewhere, &elsewhere.process()).await;
}
