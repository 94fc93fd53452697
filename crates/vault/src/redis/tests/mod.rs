//! The strategy under test: its suite, its keys, its wire, and what stands in Redis.

mod faults;
mod keys;
mod processes;
mod proxy;
mod tampering;

use redis::{Client, Connection, cmd};
use secrecy::{SecretBox, SecretString};

use super::{RedisKey, RedisVault};
use crate::suite::Bench;
use crate::testing::RedisServer;
use crate::{GrantId, Vault, VaultError};

const APP: &str = "test";
const NAME: &str = "shared";
const ONE: GrantId = GrantId::from_bytes([1; 16]);
const TWO: GrantId = GrantId::from_bytes([2; 16]);

/// A Redis for one vault, and the key of that vault.
struct Home {
    server: RedisServer,
    key: SecretBox<[u8; 32]>,
}

impl Home {
    fn new() -> Self {
        Self { server: RedisServer::start(), key: SecretBox::new(Box::new([7; 32])) }
    }

    /// A home of two records.
    fn with_two_records() -> Self {
        let home = Self::new();
        let vault = home.open().unwrap();
        vault.create(&ONE, b"payload one").unwrap();
        vault.create(&TWO, b"payload two").unwrap();
        home
    }

    fn url(&self) -> SecretString {
        self.server.url().into()
    }

    fn key(&self) -> RedisKey<'_> {
        RedisKey::Bytes(&self.key)
    }

    fn open(&self) -> Result<RedisVault, VaultError> {
        RedisVault::open(&self.url(), NAME, APP, &self.key())
    }

    /// What somebody with another program would speak to it by.
    fn connection(&self) -> Connection {
        Client::open(self.server.url()).unwrap().get_connection().unwrap()
    }

    /// Sends one command by another connection.
    fn tell(&self, words: &[&str]) {
        let mut command = cmd(words[0]);
        for word in &words[1..] {
            command.arg(word);
        }
        command.query::<redis::Value>(&mut self.connection()).unwrap();
    }
}

fn place(part: &str) -> String {
    format!("{{pilotlight:{NAME}}}:{part}")
}

impl Bench for Home {
    fn handle(&self) -> Box<dyn Vault> {
        Box::new(self.open().unwrap())
    }
}

crate::vault_suite!(Home::new);

#[test]
fn debug_shows_strategy_and_name_and_neither_key_nor_address() {
    let home = Home::new();
    let shown = format!("{:?} {:?}", home.open().unwrap(), home.key());
    assert!(shown.contains("redis") && shown.contains(NAME), "{shown}");
    assert!(!shown.contains("sock") && !shown.contains('7') && !shown.contains("header"), "{shown}");
}

#[test]
fn nothing_of_a_payload_stands_in_redis_and_lengths_show_in_steps() {
    let home = Home::new();
    let vault = home.open().unwrap();
    vault.create(&ONE, b"a canary in the payload").unwrap();
    vault.create(&TWO, &[b'x'; 200]).unwrap();
    let values: Vec<Vec<u8>> = cmd("HVALS").arg(place("records")).query(&mut home.connection()).unwrap();
    assert_eq!(values[0].len(), values[1].len());
    assert!(values.iter().all(|value| !value.windows(6).any(|window| window == b"canary" || window == b"xxxxxx")));
}

#[test]
fn two_vaults_in_one_redis_know_nothing_of_each_other() {
    let home = Home::with_two_records();
    let open = || RedisVault::open(&home.url(), "other", APP, &home.key());
    let other = open().unwrap();
    assert!(other.list().unwrap().is_empty());
    other.create(&ONE, b"of the other").unwrap();
    assert_eq!(home.open().unwrap().load(&ONE).unwrap().unwrap().payload.as_slice(), b"payload one");
    RedisVault::remove_all(&home.url(), NAME).unwrap();
    assert_eq!(open().unwrap().load(&ONE).unwrap().unwrap().payload.as_slice(), b"of the other");
}

#[test]
fn all_keys_of_a_vault_have_one_hash_slot_and_other_names_are_refused() {
    let home = Home::with_two_records();
    home.open()
        .unwrap()
        .begin_attempt(&ONE, 1, None, &crate::Attempt { idempotency_key: [1; 16], started_at_ms: 1 })
        .unwrap();
    let mut names: Vec<String> = cmd("KEYS").arg("*").query(&mut home.connection()).unwrap();
    names.sort_unstable();
    assert_eq!(names, [place("attempts"), place("records"), place("vault")]);
    for name in ["", "a b", "a}b", "{a", "ä", &"a".repeat(65)] {
        let refused = RedisVault::open(&home.url(), name, APP, &home.key());
        assert!(matches!(refused, Err(VaultError::Unavailable(_))), "{name}");
    }
}

#[test]
fn a_vault_is_found_set_aside_and_removed_whole() {
    let home = Home::with_two_records();
    let (url, left) = (home.url(), || cmd("DBSIZE").query::<u64>(&mut home.connection()).unwrap());
    assert!(RedisVault::exists(&url, NAME).unwrap());
    assert!(RedisVault::set_aside(&url, NAME, 1).unwrap().ends_with("lost-1"));
    assert!(!RedisVault::exists(&url, NAME).unwrap());
    assert!(matches!(RedisVault::set_aside(&url, NAME, 1), Err(VaultError::NotFound)));
    assert_eq!(left(), 2);
    assert!(home.open().unwrap().list().unwrap().is_empty());
    assert!(matches!(RedisVault::set_aside(&url, NAME, 1), Err(VaultError::Io(_))), "the name is taken");
    RedisVault::remove_all(&url, NAME).unwrap();
    assert!(!RedisVault::exists(&url, NAME).unwrap());
    assert_eq!(left(), 2, "what was set aside stays");
}

#[test]
fn settings_that_lose_commits_are_remarked_on() {
    let home = Home::new();
    let vault = home.open().unwrap();
    assert_eq!(vault.examine().unwrap().len(), 1, "no append-only file");
    home.tell(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]);
    assert_eq!(vault.examine().unwrap().len(), 2);
    home.tell(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]);
    home.tell(&["CONFIG", "SET", "appendonly", "yes"]);
    assert_eq!(vault.examine().unwrap(), [""; 0]);
}
