//! Whatever bytes stand in Redis, the answer is the old value or a typed error.

use super::{Home, ONE, TWO, place};
use crate::redis::RedisVault;
use crate::{Attempt, Listed, Vault, VaultError};
use redis::{Connection, cmd};

const ATTEMPT: Attempt = Attempt { idempotency_key: [4; 16], started_at_ms: 4 };

fn stored(connection: &mut Connection, part: &str, field: &str) -> Vec<u8> {
    cmd("HGET").arg(place(part)).arg(field).query(connection).unwrap()
}

fn put(connection: &mut Connection, part: &str, field: &str, value: &[u8]) {
    cmd("HSET").arg(place(part)).arg(field).arg(value).exec(connection).unwrap();
}

/// A home of two records, the first with an attempt.
fn home() -> Home {
    let home = Home::with_two_records();
    home.open().unwrap().begin_attempt(&ONE, 1, None, &ATTEMPT).unwrap();
    home
}

/// Reads by `vault`, and says whether the old value came.
fn reads(vault: Result<RedisVault, VaultError>) -> bool {
    let vault = match vault {
        Ok(vault) => vault,
        Err(error) => return refused(&error),
    };
    if let Ok(listed) = vault.list() {
        assert_eq!(listed.len(), 2);
        assert!(matches!(&listed[1], Listed::Record(two) if two.payload.as_slice() == b"payload two"));
    }
    match vault.load(&ONE) {
        Ok(record) => {
            let record = record.expect("damage is never absence");
            assert_eq!((record.generation, record.payload.as_slice()), (1, &b"payload one"[..]));
            assert_eq!(record.attempt, Some(ATTEMPT));
            true
        }
        Err(error) => refused(&error),
    }
}

fn refused(error: &VaultError) -> bool {
    let typed = matches!(
        error,
        VaultError::Damaged(_)
            | VaultError::Tampered(_)
            | VaultError::WrongKey
            | VaultError::PassphraseNeeded
            | VaultError::NewerFormat(_)
            | VaultError::RolledBack { .. }
    );
    assert!(typed, "{error:?}");
    false
}

/// Every bit of one value flipped, and the value cut at every length: counts how often the old value came.
fn survivors(part: &str, field: &str, reopened: bool) -> usize {
    let home = home();
    let mut connection = home.connection();
    let (old, open) = (stored(&mut connection, part, field), home.open().unwrap());
    let mut damaged: Vec<Vec<u8>> = (0..old.len()).map(|length| old[..length].to_vec()).collect();
    damaged.extend((0..old.len() * 8).map(|bit| {
        let mut value = old.clone();
        value[bit / 8] ^= 1 << (bit % 8);
        value
    }));
    damaged.push([&old[..], b"\0"].concat());
    let mut survived = 0;
    for value in damaged {
        put(&mut connection, part, field, &value);
        if reopened {
            survived += usize::from(reads(home.open()));
        } else {
            match open.load(&ONE) {
                Ok(record) => assert!(record.is_some()),
                Err(error) => assert!(!refused(&error)),
            }
            // Nothing is committed over what cannot be read, and nothing gets lost by trying.
            let begun = open.begin_attempt(&ONE, 1, Some(&ATTEMPT), &ATTEMPT);
            survived += usize::from(begun.is_ok() && part != "vault" && stored(&mut connection, part, field) != old);
        }
    }
    put(&mut connection, part, field, &old);
    assert!(reads(home.open()));
    survived
}

#[test]
fn a_flipped_bit_or_a_cut_in_the_header_gives_an_error() {
    assert_eq!(survivors("vault", "header", true), 0);
}

#[test]
fn a_flipped_bit_or_a_cut_in_a_record_gives_an_error() {
    assert_eq!(survivors("records", &ONE.to_string(), true), 0);
}

#[test]
fn a_flipped_bit_or_a_cut_in_an_attempt_gives_an_error_and_is_not_overwritten() {
    assert_eq!(survivors("attempts", &ONE.to_string(), true), 0);
    assert_eq!(survivors("attempts", &ONE.to_string(), false), 0);
}

#[test]
fn a_flipped_bit_or_a_cut_in_the_epoch_changes_no_value() {
    // Another number is another epoch; anything else is an error.
    assert!(survivors("vault", "epoch", true) > 0);
    survivors("vault", "epoch", false);
}

#[test]
fn a_key_of_another_type_is_damage() {
    for part in ["vault", "records", "attempts"] {
        let home = home();
        let vault = home.open().unwrap();
        home.tell(&["SET", &place(part), "text"]);
        assert!(matches!(vault.load(&ONE), Err(VaultError::Damaged(_))), "{part}");
        assert!(matches!(vault.list(), Err(VaultError::Damaged(_))), "{part}");
        assert!(matches!(vault.commit(&ONE, 1, b"x"), Err(VaultError::Damaged(_))), "{part}");
        let opened = home.open();
        assert!(part != "vault" || matches!(opened, Err(VaultError::Damaged(_))), "{opened:?}");
    }
}

#[test]
fn a_record_or_an_attempt_of_another_grant_is_refused() {
    let home = home();
    let (vault, mut connection) = (home.open().unwrap(), home.connection());
    for part in ["attempts", "records"] {
        let ones = stored(&mut connection, part, &ONE.to_string());
        put(&mut connection, part, &TWO.to_string(), &ones);
        assert!(matches!(vault.load(&TWO), Err(VaultError::Tampered(TWO))), "{part}");
    }
    assert!(matches!(vault.list().unwrap()[..], [Listed::Record(_), Listed::Damaged { id: TWO }]));
    put(&mut connection, "records", "no grant", b"any");
    assert!(matches!(vault.list(), Err(VaultError::Damaged(_))));
}

#[test]
fn an_older_record_put_back_is_refused_where_the_newer_one_was_seen() {
    let home = home();
    let (vault, mut connection) = (home.open().unwrap(), home.connection());
    let old = stored(&mut connection, "records", &ONE.to_string());
    vault.commit(&ONE, 1, b"newer").unwrap();
    assert!(vault.load(&ONE).unwrap().is_some());
    put(&mut connection, "records", &ONE.to_string(), &old);
    assert!(matches!(vault.load(&ONE), Err(VaultError::Tampered(ONE))));
    // Whoever did not see it cannot know: docs/storage/redis.md says so.
    assert_eq!(home.open().unwrap().load(&ONE).unwrap().unwrap().generation, 1);
}
