//! What opens a vault, and what does not.

use super::{APP, Home, NAME, ONE, place};
use crate::redis::{RedisKey, RedisVault};
use crate::{Vault, VaultError};
use secrecy::{SecretBox, SecretString};

fn by<'a>(home: &'a Home) -> impl Fn(&RedisKey<'_>) -> Result<RedisVault, VaultError> + 'a {
    |key| RedisVault::open(&home.url(), NAME, APP, key)
}

#[test]
fn a_passphrase_opens_what_it_closed_and_another_one_is_told_as_wrong() {
    let (home, right, wrong) = (Home::new(), SecretString::from("correct horse"), SecretString::from("correct horsf"));
    let open = by(&home);
    open(&RedisKey::Passphrase(&right)).unwrap().create(&ONE, b"payload").unwrap();
    assert!(matches!(open(&RedisKey::Passphrase(&wrong)), Err(VaultError::WrongPassphrase)));
    assert!(matches!(open(&home.key()), Err(VaultError::PassphraseNeeded)));
    let record = open(&RedisKey::Passphrase(&right)).unwrap().load(&ONE).unwrap().unwrap();
    assert_eq!(record.payload.as_slice(), b"payload");
}

#[test]
fn other_bytes_another_app_and_a_passphrase_do_not_open_a_vault_of_bytes() {
    let home = Home::with_two_records();
    let (other, passphrase) = (SecretBox::new(Box::new([8; 32])), SecretString::from("any"));
    assert!(matches!(by(&home)(&RedisKey::Bytes(&other)), Err(VaultError::WrongKey)));
    assert!(matches!(by(&home)(&RedisKey::Passphrase(&passphrase)), Err(VaultError::WrongKey)));
    let elsewhere = RedisVault::open(&home.url(), NAME, "another app", &home.key());
    assert!(matches!(elsewhere, Err(VaultError::Damaged(_))), "{elsewhere:?}");
    assert!(home.open().unwrap().load(&ONE).unwrap().is_some());
}

#[test]
fn a_changed_key_opens_at_once_and_the_old_one_no_longer() {
    let (home, passphrase) = (Home::with_two_records(), SecretString::from("a new one"));
    let (vault, elsewhere) = (home.open().unwrap(), home.open().unwrap());
    vault.change_key(&RedisKey::Passphrase(&passphrase)).unwrap();
    assert!(matches!(home.open(), Err(VaultError::PassphraseNeeded)));
    let opened = by(&home)(&RedisKey::Passphrase(&passphrase)).unwrap();
    assert_eq!(opened.load(&ONE).unwrap().unwrap().payload.as_slice(), b"payload one");
    assert_eq!(elsewhere.commit(&ONE, 1, b"by a host that had it open").unwrap(), 2);
    assert!(matches!(elsewhere.change_key(&home.key()), Err(VaultError::Busy)), "it knows another header");
    vault.change_key(&home.key()).unwrap();
    assert_eq!(home.open().unwrap().load(&ONE).unwrap().unwrap().generation, 2);
}

#[test]
fn of_many_hosts_that_make_one_vault_one_key_stays() {
    let home = Home::new();
    std::thread::scope(|scope| {
        for number in 0..8_u8 {
            let home = &home;
            scope.spawn(move || {
                let vault = home.open().unwrap();
                vault.create(&crate::GrantId::from_bytes([number; 16]), &[number]).unwrap();
            });
        }
    });
    let listed = home.open().unwrap().list().unwrap();
    assert_eq!(listed.iter().filter(|entry| matches!(entry, crate::Listed::Record(_))).count(), 8);
}

#[test]
fn no_vault_is_made_over_the_remains_of_one() {
    let home = Home::with_two_records();
    home.tell(&["HDEL", &place("vault"), "header"]);
    assert!(matches!(home.open(), Err(VaultError::Damaged(_))));
    home.tell(&["DEL", &place("vault")]);
    assert!(matches!(home.open(), Err(VaultError::Damaged(_))));
}

#[test]
fn a_later_format_is_told_as_such() {
    let home = Home::with_two_records();
    let mut later = b"PLVR\0\0\0\x02".to_vec();
    later.resize(200, 0);
    let mut connection = home.connection();
    redis::cmd("HSET").arg(place("vault")).arg("header").arg(later).exec(&mut connection).unwrap();
    assert!(matches!(home.open(), Err(VaultError::NewerFormat(2))));
}
