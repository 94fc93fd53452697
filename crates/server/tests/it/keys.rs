//! The server's own keys: where they are, and that changing them signs nobody out.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use pilotlight_server::{
    Clock as _, Config, KeySource, KeysError, MemoryStore, NewSigningKey, OpenError, Server, SqliteStore, rotate_keys,
};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::kit::{ISSUER, World};
use crate::rfc6238;

const ANNOUNCED: Duration = Duration::from_secs(600);

fn config(keys: &Path) -> Config {
    Config { keys: KeySource::File(keys.to_path_buf()), ..Config::new(ISSUER) }
}

/// A folder, and the names of a key file and a store in it.
fn places() -> (TempDir, PathBuf, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let (keys, store) = (folder.path().join("keys"), folder.path().join("server.db"));
    (folder, keys, store)
}

fn open(config: Config, store: &Path) -> Result<Server, OpenError> {
    let store = Arc::new(SqliteStore::open(store).unwrap());
    Server::open(config, store, Arc::new(pilotlight_server::SystemClock))
}

impl World {
    async fn rotate(&self, keys: &Path) {
        rotate_keys(keys, self.clock.now(), ANNOUNCED, false, &NewSigningKey::Alike).unwrap();
        self.server.read_keys_again().await;
    }

    async fn kids(&self) -> Vec<String> {
        let jwks = self.fetch("/jwks").await.json();
        jwks["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
    }
}

fn kid(token: &str) -> String {
    let header = crate::kit::part(token, 0);
    header["kid"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn oidc_core_section_10_1_1_a_new_signing_key_is_in_the_jwks_before_it_signs_and_the_old_one_until_its_tokens_are_over()
 {
    let (_folder, keys, _) = places();
    let world = World::with(config(&keys), Arc::new(MemoryStore::new()));
    let before = world.tokens().await.text("access_token");
    world.rotate(&keys).await;
    let kids = world.kids().await;
    assert_eq!((kids.len(), kid(&before)), (2, kids[0].clone()));
    let announced = world.tokens().await.text("access_token");
    assert_eq!(kid(&announced), kids[0], "known, and not in use yet");
    world.pass(ANNOUNCED);
    let after = world.tokens().await.text("access_token");
    assert_eq!(kid(&after), kids[1]);
    for token in [&before, &announced, &after] {
        assert_eq!(world.userinfo(token).await.status, 200);
    }
    assert_eq!(world.kids().await, kids, "what it signed is not over");
    world.pass(Duration::from_secs(24 * 3600));
    assert_eq!(world.kids().await, kids[1..]);
}

#[tokio::test]
async fn refresh_tokens_outlive_a_change_of_the_mac_key_and_a_repeat_across_it_is_the_very_same() {
    let (_folder, keys, _) = places();
    let world = World::with(config(&keys), Arc::new(MemoryStore::new()));
    let (idle, busy) = (world.refresh_token().await, world.refresh_token().await);
    world.rotate(&keys).await;
    let lost = world.refresh_keyed(&busy, "k").await.text("refresh_token");
    world.pass(ANNOUNCED);
    assert_eq!(world.refresh_keyed(&busy, "k").await.text("refresh_token"), lost);
    for _ in 0..3 {
        world.rotate(&keys).await;
        world.pass(ANNOUNCED);
    }
    assert_eq!(world.refresh(&lost).await.status, 200);
    assert_eq!(world.refresh(&idle).await.status, 200);
}

#[tokio::test]
async fn a_token_of_a_key_that_this_process_has_not_read_is_503_until_it_has() {
    let (folder, keys, store) = places();
    let world = World::with(config(&keys), Arc::new(SqliteStore::open(&store).unwrap()));
    let copy = folder.path().join("copy");
    std::fs::copy(&keys, &copy).unwrap();
    let other = World::over(config(&copy), Arc::new(SqliteStore::open(&store).unwrap()));
    world.rotate(&keys).await;
    world.pass(ANNOUNCED);
    other.pass(ANNOUNCED);
    let token = world.refresh_token().await;
    let answer = other.refresh(&token).await;
    assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (503, "1"), "{answer:?}");
    let revoking = other.form("/revoke", &[("token", &token), ("client_id", "pilotlight")]).await;
    assert_eq!(revoking.status, 503, "a sign-out is not lost either");
    std::fs::copy(&keys, &copy).unwrap();
    other.pass(Duration::from_secs(1));
    assert_eq!(other.refresh(&token).await.status, 200, "it looks by itself");
}

#[tokio::test]
async fn after_a_leak_nothing_of_the_old_keys_is_taken() {
    let (_folder, keys, _) = places();
    let world = World::with(config(&keys), Arc::new(MemoryStore::new()));
    let tokens = world.tokens().await;
    rotate_keys(&keys, world.clock.now(), ANNOUNCED, true, &NewSigningKey::Alike).unwrap();
    world.server.read_keys_again().await;
    assert_eq!(world.refresh(&tokens.text("refresh_token")).await.text("reason"), "unknown");
    assert_eq!(world.userinfo(&tokens.text("access_token")).await.status, 401);
    assert_eq!(world.kids().await.len(), 1);
    assert_eq!(world.refresh(&world.refresh_token().await).await.status, 200);
    let world = World::over(config(&keys), world.store.clone());
    assert_eq!(world.refresh(&world.refresh_token().await).await.status, 200, "after a restart too");
}

#[tokio::test]
async fn after_a_leak_nobody_is_signed_in_and_second_factors_go_on() {
    let (_folder, keys, _) = places();
    let world = World::with(config(&keys), Arc::new(MemoryStore::new()));
    let (cookie, app, codes) = rfc6238::set_up(&world).await;
    for _ in 0..2 {
        rotate_keys(&keys, world.clock.now(), ANNOUNCED, true, &NewSigningKey::Alike).unwrap();
        world.server.read_keys_again().await;
        assert!(world.visit(&cookie, "/account").await.body.contains("to see your account"));
        assert_eq!(rfc6238::by_password(&world, &app.code(&world)).await.status, 200);
        world.pass(Duration::from_secs(30));
    }
    rotate_keys(&keys, world.clock.now(), ANNOUNCED, true, &NewSigningKey::Alike).unwrap();
    let after = World::over(config(&keys), world.store.clone());
    assert_eq!(rfc6238::by_password(&after, &codes[0]).await.status, 200, "after a restart too");
}

#[tokio::test]
async fn nothing_secret_is_in_the_store() {
    let (folder, keys, store) = places();
    let world = World::with(config(&keys), Arc::new(SqliteStore::open(&store).unwrap()));
    let token = world.refresh_token().await;
    let token = world.refresh_keyed(&token, "a-key-of-its-own").await.text("refresh_token");
    let file: Value = serde_json::from_slice(&std::fs::read(&keys).unwrap()).unwrap();
    let texts = [&file["mac"][0]["key"], &file["signing"][0]["pkcs8"], &json!(token[5..])].map(|text| {
        let text = text.as_str().unwrap().to_owned();
        assert!(text.len() > 40);
        text
    });
    let mut secrets = vec![b"a-key-of-its-own".to_vec(), b"$argon2".to_vec()];
    for text in texts {
        use base64::Engine as _;
        secrets.push(base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(&text).unwrap());
        secrets.push(text.into_bytes());
    }
    let mut bytes = Vec::new();
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let path = entry.unwrap().path();
        if path != keys {
            bytes.extend(std::fs::read(path).unwrap());
        }
    }
    let has = |secret: &[u8]| bytes.windows(secret.len()).any(|window| window == secret);
    assert_eq!(
        secrets.iter().map(|secret| has(secret)).collect::<Vec<_>>(),
        [false, true, false, false, false, false, false, false]
    );
}

#[test]
fn other_keys_than_the_stores_own_are_refused_rather_than_everybodys_tokens() {
    let (folder, keys, store) = places();
    open(config(&keys), &store).unwrap();
    let copy = folder.path().join("copy");
    std::fs::copy(&keys, &copy).unwrap();
    rotate_keys(&keys, pilotlight_oauth::Timestamp::from_secs(1_900_000_000), ANNOUNCED, false, &NewSigningKey::Alike)
        .unwrap();
    open(config(&keys), &store).unwrap();
    assert!(matches!(open(config(&copy), &store), Err(OpenError::WrongKeys)), "a copy from before the rotation");
    let another = folder.path().join("another");
    open(config(&another), &folder.path().join("another.db")).unwrap();
    assert!(matches!(open(config(&another), &store), Err(OpenError::WrongKeys)));
    let missing = folder.path().join("missing");
    assert!(matches!(open(config(&missing), &store), Err(OpenError::Keys(KeysError::Missing(_)))));
    assert!(!missing.exists(), "none is made that could be taken for it");
    assert!(matches!(open(Config::new(ISSUER), &store), Err(OpenError::WrongKeys)), "keys of the moment");
    open(config(&keys), &store).unwrap();
}

#[test]
fn a_damaged_key_file_is_refused_and_left_alone() {
    let (_folder, keys, store) = places();
    open(config(&keys), &store).unwrap();
    let good = std::fs::read_to_string(&keys).unwrap();
    for bad in [String::new(), "{}".to_owned(), good.replace("\"format\": 1", "\"format\": 2"), good[..99].to_owned()] {
        std::fs::write(&keys, &bad).unwrap();
        assert!(matches!(open(config(&keys), &store), Err(OpenError::Keys(KeysError::Damaged))), "{bad}");
        assert!(
            rotate_keys(&keys, pilotlight_oauth::Timestamp::from_secs(0), ANNOUNCED, false, &NewSigningKey::Alike)
                .is_err()
        );
        assert_eq!(std::fs::read_to_string(&keys).unwrap(), bad);
    }
}

#[test]
fn two_rotations_at_once_are_one_and_an_error() {
    let (folder, keys, store) = places();
    open(config(&keys), &store).unwrap();
    let now = pilotlight_oauth::Timestamp::from_secs(1_900_000_000);
    std::fs::write(folder.path().join("keys.new"), "").unwrap();
    assert!(matches!(rotate_keys(&keys, now, ANNOUNCED, false, &NewSigningKey::Alike), Err(KeysError::UnderWay(_))));
    std::fs::remove_file(folder.path().join("keys.new")).unwrap();
    rotate_keys(&keys, now, ANNOUNCED, false, &NewSigningKey::Alike).unwrap();
    rotate_keys(&keys, now, Duration::ZERO, false, &NewSigningKey::Alike).unwrap();
    open(config(&keys), &store).unwrap();
}

#[cfg(unix)]
#[test]
fn the_key_file_belongs_to_its_owner_alone_or_is_refused() {
    use std::os::unix::fs::PermissionsExt as _;
    let (_folder, keys, store) = places();
    open(config(&keys), &store).unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&keys), 0o600);
    rotate_keys(&keys, pilotlight_oauth::Timestamp::from_secs(1_900_000_000), ANNOUNCED, false, &NewSigningKey::Alike)
        .unwrap();
    assert_eq!(mode(&keys), 0o600);
    for (open_to, taken) in [(0o440, true), (0o604, false), (0o620, false)] {
        std::fs::set_permissions(&keys, std::fs::Permissions::from_mode(open_to)).unwrap();
        assert_eq!(open(config(&keys), &store).is_ok(), taken, "{open_to:o}");
    }
}

#[test]
fn servers_that_start_at_once_agree_on_one_key_file() {
    let (folder, keys, store) = places();
    SqliteStore::open(&store).unwrap();
    std::thread::scope(|scope| {
        let start = || open(config(&keys), &store).map(drop);
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(start)).collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap().unwrap());
    });
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().starts_with("keys.")), "{left:?}");
}

/// As the first release left it: the keys beside the data.
#[tokio::test]
async fn the_keys_of_an_old_store_move_to_the_key_file_and_sign_nobody_out() {
    let (folder, keys, store) = places();
    let elsewhere = folder.path().join("elsewhere.db");
    let world = World::with(config(&keys), Arc::new(SqliteStore::open(&elsewhere).unwrap()));
    let tokens = world.tokens().await;
    let jwks = world.fetch("/jwks").await.body;
    drop(world);
    put_keys_into_store(&keys, &elsewhere);
    std::fs::rename(&elsewhere, &store).unwrap();
    std::fs::remove_file(&keys).unwrap();
    assert!(matches!(open(Config::new(ISSUER), &store), Err(OpenError::Keys(KeysError::NeedsFile))));
    let world = World::over(config(&keys), Arc::new(SqliteStore::open(&store).unwrap()));
    assert_eq!(world.fetch("/jwks").await.body, jwks);
    assert_eq!(world.refresh(&tokens.text("refresh_token")).await.status, 200);
    assert!(world.store.old_keys().unwrap().is_none());
}

fn put_keys_into_store(keys: &Path, store: &Path) {
    use base64::Engine as _;
    let file: Value = serde_json::from_slice(&std::fs::read(keys).unwrap()).unwrap();
    let bytes = |text: &Value| base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(text.as_str().unwrap()).unwrap();
    let store = rusqlite::Connection::open(store).unwrap();
    store
        .execute_batch("CREATE TABLE keys (one INTEGER PRIMARY KEY, mac BLOB NOT NULL, signing BLOB NOT NULL) STRICT")
        .unwrap();
    let (mac, signing) = (bytes(&file["mac"][0]["key"]), bytes(&file["signing"][0]["pkcs8"]));
    store.execute("INSERT INTO keys VALUES (1, ?1, ?2)", (mac, signing)).unwrap();
}
