//! The promises of the project that the server keeps: a lost answer is survived, nobody is signed out by accident.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use pilotlight_oauth::Timestamp;
use pilotlight_server::client::Client;
use pilotlight_server::code::{Code, Exchange, Exchanged};
use pilotlight_server::device::{Decision, Device, Poll, Polled};
use pilotlight_server::grant::{Grant, GrantId, Outcome, Reason, Redemption};
use pilotlight_server::pushed::Pushed;
use pilotlight_server::store::User;
use pilotlight_server::{Config, KeyName, KeySource, MemoryStore, SqliteStore, Store, StoreError};
use serde_json::json;

use crate::kit::{ISSUER, World, request};

#[tokio::test]
async fn a_lost_answer_is_given_again_to_the_same_key() {
    let world = World::new();
    let token = world.refresh_token().await;
    let lost = world.refresh_keyed(&token, "attempt-1").await.text("refresh_token");
    world.pass(Duration::from_secs(3600));
    let again = world.refresh_keyed(&token, "attempt-1").await;
    assert_eq!(again.text("refresh_token"), lost, "the same successor, an hour later");
    assert_eq!(world.userinfo(&again.text("access_token")).await.status, 200, "with a fresh access token");
    assert_eq!(world.refresh_keyed(&lost, "attempt-2").await.status, 200);
    let stats = world.server.stats();
    assert_eq!((stats.rotated, stats.repeated, stats.reused), (2, 1, 0));
}

#[tokio::test]
async fn the_same_token_with_another_key_is_reuse() {
    let world = World::new();
    let token = world.refresh_token().await;
    world.refresh_keyed(&token, "mine").await;
    let answer = world.refresh_keyed(&token, "a thief's").await;
    assert_eq!(answer.text("reason"), "reused");
}

#[tokio::test]
async fn fifty_requests_at_once_with_one_key_get_one_successor() {
    let world = Arc::new(World::new());
    let token = world.refresh_token().await;
    let mut requests = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let (world, token) = (world.clone(), token.clone());
        requests.spawn(async move { world.refresh_keyed(&token, "one").await.text("refresh_token") });
    }
    let mut successors = requests.join_all().await;
    successors.sort();
    successors.dedup();
    assert_eq!(successors.len(), 1);
    assert_eq!(world.refresh(&successors[0]).await.status, 200);
}

#[tokio::test]
async fn fifty_requests_at_once_without_key_get_one_successor_inside_the_window() {
    let world = Arc::new(World::new());
    let token = world.refresh_token().await;
    let mut requests = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let (world, token) = (world.clone(), token.clone());
        requests.spawn(async move { world.refresh(&token).await.text("refresh_token") });
    }
    let mut successors = requests.join_all().await;
    successors.dedup();
    assert_eq!(successors.len(), 1);
    assert_eq!(world.refresh(&successors[0]).await.status, 200);
}

#[tokio::test]
async fn fifty_requests_at_once_without_key_give_one_successor_and_end_the_grant() {
    let world = Arc::new(World::strict());
    let token = world.refresh_token().await;
    let mut requests = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let (world, token) = (world.clone(), token.clone());
        requests.spawn(async move { world.refresh(&token).await });
    }
    let answers = requests.join_all().await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1);
    assert_eq!(world.server.stats().reused, 1);
    let winner = answers.iter().find(|answer| answer.status == 200).unwrap();
    assert_eq!(world.refresh(&winner.text("refresh_token")).await.text("reason"), "revoked");
}

#[tokio::test]
async fn everything_survives_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("server.db");
    let config = Config { keys: KeySource::File(folder.path().join("keys")), ..Config::new(ISSUER) };
    let world = World::with(config.clone(), Arc::new(SqliteStore::open(&path).unwrap()));
    let tokens = world.tokens().await;
    let code = world.code().await;
    let keys = world.fetch("/jwks").await.body;
    let lost = world.refresh_keyed(&tokens.text("refresh_token"), "k").await.text("refresh_token");
    drop(world);
    let world = World::over(config, Arc::new(SqliteStore::open(&path).unwrap()));
    assert_eq!(world.fetch("/jwks").await.body, keys);
    assert_eq!(world.userinfo(&tokens.text("access_token")).await.status, 200);
    let again = world.refresh_keyed(&tokens.text("refresh_token"), "k").await;
    assert_eq!(again.text("refresh_token"), lost);
    assert_eq!(world.exchange(&code, &[]).await.status, 200);
}

#[tokio::test]
async fn a_store_restored_from_a_backup_is_healed_by_the_next_refresh() {
    let folder = tempfile::tempdir().unwrap();
    let (live, backup) = (folder.path().join("live.db"), folder.path().join("backup.db"));
    let config = Config { keys: KeySource::File(folder.path().join("keys")), ..Config::new(ISSUER) };
    let world = World::with(config.clone(), Arc::new(SqliteStore::open(&live).unwrap()));
    let token = world.refresh_token().await;
    let copy = rusqlite::Connection::open(&live).unwrap();
    copy.execute("VACUUM INTO ?1", [backup.to_str().unwrap()]).unwrap();
    let newer = world.refresh(&token).await.text("refresh_token");
    let newest = world.refresh(&newer).await.text("refresh_token");
    let world = World::over(config, Arc::new(SqliteStore::open(&backup).unwrap()));
    let answer = world.refresh(&newest).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(world.server.stats().healed, 1);
    assert_eq!(world.refresh(&token).await.text("reason"), "reused", "what was old before the backup stays old");
}

#[tokio::test]
async fn a_person_added_elsewhere_can_sign_in_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("server.db");
    let world = World::with(Config::new(ISSUER), Arc::new(SqliteStore::open(&path).unwrap()));
    let elsewhere = SqliteStore::open(&path).unwrap();
    pilotlight_server::add_user(&elsewhere, "ada", &"countess".to_owned().into()).unwrap();
    let answer = world.post_json("/login", &[], &json!({"username": "ada", "password": "countess"})).await;
    assert_eq!(answer.status, 200);
    let grant = elsewhere.grants().unwrap()[0].id;
    elsewhere.revoke(grant, Reason::Operator, Timestamp::from_secs(0)).unwrap();
    let body = json!({"refresh_token": answer.text("refresh_token")});
    assert_eq!(world.post_json("/token/refresh", &[], &body).await.text("reason"), "revoked");
}

const DEVICE_GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// Works until it is told to fail.
#[derive(Default)]
struct FailingStore {
    inner: MemoryStore,
    failing: AtomicBool,
}

impl FailingStore {
    fn inner(&self) -> Result<&MemoryStore, StoreError> {
        if self.failing.load(Ordering::SeqCst) { Err(StoreError::Damaged("on purpose")) } else { Ok(&self.inner) }
    }
}

impl Store for FailingStore {
    fn newest_key(&self) -> Result<Option<KeyName>, StoreError> {
        self.inner()?.newest_key()
    }
    fn admit_keys(&self, ours: &[KeyName]) -> Result<bool, StoreError> {
        self.inner()?.admit_keys(ours)
    }
    fn add_user(&self, user: &User) -> Result<bool, StoreError> {
        self.inner()?.add_user(user)
    }
    fn user_named(&self, name: &str) -> Result<Option<User>, StoreError> {
        self.inner()?.user_named(name)
    }
    fn user(&self, subject: &str) -> Result<Option<User>, StoreError> {
        self.inner()?.user(subject)
    }
    fn users(&self) -> Result<Vec<User>, StoreError> {
        self.inner()?.users()
    }
    fn change_user(&self, before: &User, after: &User) -> Result<bool, StoreError> {
        self.inner()?.change_user(before, after)
    }
    fn remove_user(&self, subject: &str) -> Result<bool, StoreError> {
        self.inner()?.remove_user(subject)
    }
    fn set_password(&self, name: &str, password_hash: &str) -> Result<bool, StoreError> {
        self.inner()?.set_password(name, password_hash)
    }
    fn add_client(&self, client: &Client) -> Result<bool, StoreError> {
        self.inner()?.add_client(client)
    }
    fn put_client(&self, client: &Client) -> Result<(), StoreError> {
        self.inner()?.put_client(client)
    }
    fn registered_clients(&self) -> Result<u64, StoreError> {
        self.inner()?.registered_clients()
    }
    fn client(&self, id: &str) -> Result<Option<Client>, StoreError> {
        self.inner()?.client(id)
    }
    fn add_grant(&self, grant: &Grant) -> Result<(), StoreError> {
        self.inner()?.add_grant(grant)
    }
    fn grant(&self, id: GrantId) -> Result<Option<Grant>, StoreError> {
        self.inner()?.grant(id)
    }
    fn grants(&self) -> Result<Vec<Grant>, StoreError> {
        self.inner()?.grants()
    }
    fn grants_of(&self, subject: &str) -> Result<Vec<Grant>, StoreError> {
        self.inner()?.grants_of(subject)
    }
    fn redeem(&self, presented: &Redemption) -> Result<Outcome, StoreError> {
        self.inner()?.redeem(presented)
    }
    fn revoke(&self, id: GrantId, reason: Reason, now: Timestamp) -> Result<Option<bool>, StoreError> {
        self.inner()?.revoke(id, reason, now)
    }
    fn add_code(&self, code: &Code) -> Result<(), StoreError> {
        self.inner()?.add_code(code)
    }
    fn exchange(&self, presented: &Exchange) -> Result<Exchanged, StoreError> {
        self.inner()?.exchange(presented)
    }
    fn add_device(&self, device: &Device) -> Result<bool, StoreError> {
        self.inner()?.add_device(device)
    }
    fn device(&self, name: &[u8; 32]) -> Result<Option<Device>, StoreError> {
        self.inner()?.device(name)
    }
    fn decide_device(&self, decision: &Decision) -> Result<bool, StoreError> {
        self.inner()?.decide_device(decision)
    }
    fn poll_device(&self, poll: &Poll) -> Result<Polled, StoreError> {
        self.inner()?.poll_device(poll)
    }
    fn add_pushed(&self, pushed: &Pushed) -> Result<(), StoreError> {
        self.inner()?.add_pushed(pushed)
    }
    fn take_pushed(&self, hash: &[u8; 32]) -> Result<Option<Pushed>, StoreError> {
        self.inner()?.take_pushed(hash)
    }
    fn forget(&self, codes_before: Timestamp, grants_before: Timestamp) -> Result<usize, StoreError> {
        self.inner()?.forget(codes_before, grants_before)
    }
}

#[tokio::test]
async fn trouble_with_the_store_is_503_at_every_endpoint_and_ends_nothing() {
    let store = Arc::new(FailingStore::default());
    let world = World::with(Config::new(ISSUER), store.clone());
    let oauth = world.tokens().await;
    let person = json!({"username": "demo", "password": "demo"});
    let plain = world.post_json("/login", &[], &person).await;
    let code = world.code().await;
    let begun = world.form("/device_authorization", &[("client_id", "pilotlight")]).await;
    let device =
        [("grant_type", DEVICE_GRANT), ("client_id", "pilotlight"), ("device_code", &*begun.text("device_code"))];
    let sent = url::Url::parse(&format!("{ISSUER}{}", request(&[]))).unwrap();
    let pushed: Vec<(String, String)> = sent.query_pairs().into_owned().collect();
    let pushed: Vec<(&str, &str)> = pushed.iter().map(|(name, value)| (&**name, &**value)).collect();
    store.failing.store(true, Ordering::SeqCst);
    let body = json!({"refresh_token": plain.text("refresh_token")});
    let answers = [
        world.refresh(&oauth.text("refresh_token")).await,
        world.post_json("/token/refresh", &[], &body).await,
        world.post_json("/login", &[], &person).await,
        world.exchange(&code, &[]).await,
        world.userinfo(&oauth.text("access_token")).await,
        world.form("/revoke", &[("token", &oauth.text("refresh_token")), ("client_id", "pilotlight")]).await,
        world.fetch(&request(&[])).await,
        world.form("/introspect", &[("token", "x"), ("client_id", "api"), ("client_secret", "x")]).await,
        world.form("/device_authorization", &[("client_id", "pilotlight")]).await,
        world.form("/token", &device).await,
        world.form("/par", &pushed).await,
    ];
    for answer in &answers {
        assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (503, "1"), "{answer:?}");
        assert!(!answer.body.contains("invalid_"), "{answer:?}");
    }
    store.failing.store(false, Ordering::SeqCst);
    assert_eq!(world.refresh(&oauth.text("refresh_token")).await.status, 200);
    assert_eq!(world.post_json("/token/refresh", &[], &body).await.status, 200);
    assert_eq!(world.exchange(&code, &[]).await.status, 200);
    world.form("/token", &device).await.assert_error(400, "authorization_pending");
}

#[tokio::test]
async fn rfc7009_section_2_2_1_with_the_store_away_a_revocation_is_503_and_works_when_it_is_repeated() {
    let store = Arc::new(FailingStore::default());
    let world = World::with(Config::new(ISSUER), store.clone());
    let tokens = world.tokens().await;
    let token = [("token", &*tokens.text("refresh_token")), ("client_id", "pilotlight")];
    store.failing.store(true, Ordering::SeqCst);
    let refused = world.form("/revoke", &token).await;
    assert_eq!((refused.status.as_u16(), refused.header("retry-after")), (503, "1"));
    store.failing.store(false, Ordering::SeqCst);
    assert_eq!(world.form("/revoke", &token).await.status, 200);
    assert_eq!(world.refresh(&tokens.text("refresh_token")).await.text("reason"), "revoked");
}

#[tokio::test]
async fn a_retry_window_of_ten_seconds_answers_clients_without_keys() {
    let world = World::new();
    let token = world.refresh_token().await;
    let lost = world.refresh(&token).await.text("refresh_token");
    world.pass(Duration::from_secs(9));
    assert_eq!(world.refresh(&token).await.text("refresh_token"), lost);
    world.pass(Duration::from_secs(1));
    assert_eq!(world.refresh(&token).await.text("reason"), "reused", "counted from the rotation, not from the repeat");
}

#[tokio::test]
async fn the_retry_window_closes_with_the_first_use_of_the_successor() {
    let world = World::new();
    let token = world.refresh_token().await;
    let next = world.refresh(&token).await.text("refresh_token");
    assert_eq!(world.refresh(&next).await.status, 200);
    assert_eq!(world.refresh(&token).await.text("reason"), "reused");
}

#[tokio::test]
async fn a_revoked_grant_has_no_retry_window() {
    let world = World::new();
    let token = world.refresh_token().await;
    let next = world.refresh(&token).await.text("refresh_token");
    assert_eq!(world.form("/revoke", &[("token", &next), ("client_id", "pilotlight")]).await.status, 200);
    assert_eq!(world.refresh(&token).await.text("reason"), "revoked");
}

#[tokio::test]
async fn without_a_retry_window_a_repeat_without_key_is_reuse() {
    let world = World::strict();
    let token = world.refresh_token().await;
    assert_eq!(world.refresh(&token).await.status, 200);
    assert_eq!(world.refresh(&token).await.text("reason"), "reused");
}

#[tokio::test]
async fn a_duplicate_some_rotations_late_is_refused_and_the_grant_lives_on() {
    let world = World::strict();
    let first = world.refresh_token().await;
    let mut token = first.clone();
    for attempt in 0..8 {
        token = world.refresh_keyed(&token, &format!("attempt-{attempt}")).await.text("refresh_token");
    }
    assert_eq!(world.refresh_keyed(&first, "attempt-0").await.text("reason"), "late_repeat");
    assert_eq!(world.refresh(&token).await.status, 200);
}

#[tokio::test]
async fn the_limit_of_uses_is_told_and_kept() {
    let config = Config { grant_uses: Some(2), ..Config::new(ISSUER) };
    let world = World::with(config, Arc::new(MemoryStore::new()));
    let tokens = world.tokens().await;
    assert_eq!(tokens.json()["refresh_uses_left"], 2);
    let once = world.refresh(&tokens.text("refresh_token")).await;
    assert_eq!((&once.json()["refresh_uses_left"], &once.json()["refresh_expires_in"]), (&json!(1), &json!(2_592_000)));
    let last = world.refresh_keyed(&once.text("refresh_token"), "k").await;
    let told = last.json();
    assert_eq!((&told["refresh_uses_left"], &told["refresh_expires_in"]), (&json!(0), &told["expires_in"]));
    let again = world.refresh_keyed(&once.text("refresh_token"), "k").await;
    assert_eq!(again.text("refresh_token"), last.text("refresh_token"), "a lost answer costs no use");
    assert_eq!(world.refresh(&last.text("refresh_token")).await.text("reason"), "expired");
    assert!(World::new().tokens().await.json().get("refresh_uses_left").is_none());
}

#[tokio::test]
async fn the_absolute_end_is_told_and_kept() {
    let config = Config { grant_ttl: Some(Duration::from_secs(1000)), ..Config::new(ISSUER) };
    let world = World::with(config, Arc::new(MemoryStore::new()));
    let tokens = world.tokens().await;
    assert_eq!((&tokens.json()["refresh_expires_in"], &tokens.json()["expires_in"]), (&json!(1000), &json!(900)));
    world.pass(Duration::from_secs(400));
    let next = world.refresh(&tokens.text("refresh_token")).await;
    assert_eq!((&next.json()["refresh_expires_in"], &next.json()["expires_in"]), (&json!(600), &json!(600)));
    world.pass(Duration::from_secs(600));
    assert_eq!(world.refresh(&next.text("refresh_token")).await.text("reason"), "expired");
}

#[test]
fn rfc8414_section_2_an_issuer_that_no_client_could_trust_is_refused() {
    for bad in ["", "http://auth.example", "https://auth.example/?a=b", "https://auth.example/#f", "ftp://127.0.0.1"] {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        let clock = Arc::new(pilotlight_server::SystemClock);
        assert!(pilotlight_server::Server::open(Config::new(bad), store, clock).is_err(), "{bad}");
    }
}
