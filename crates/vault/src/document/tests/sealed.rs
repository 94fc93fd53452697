//! `encrypted-file`.

use super::{APP, Home, Kind, ONE, TWO, passphrase, two_records};
use crate::document::EncryptedFileVault;
use crate::{Vault, VaultError, model};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use proptest::prelude::*;
use secrecy::SecretString;
use std::fs;

crate::vault_suite!(|| Home::new(Kind::Sealed));

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn the_file_does_what_the_memory_does(steps in model::steps()) {
        model::does_what_the_memory_does(&Home::new(Kind::Sealed), &steps)?;
    }
}

fn open(home: &Home, passphrase: &str) -> Result<EncryptedFileVault, VaultError> {
    EncryptedFileVault::open_cheaply(&home.path(), APP, &SecretString::from(passphrase))
}

#[test]
fn a_wrong_passphrase_is_neither_damage_nor_a_new_vault() {
    let home = Home::with_two_records(Kind::Sealed);
    let before = fs::read(home.file()).unwrap();
    for wrong in ["correct horse battery stapl", "correct horse battery staple ", "x"] {
        assert!(matches!(open(&home, wrong), Err(VaultError::WrongPassphrase)), "{wrong}");
    }
    assert!(matches!(open(&home, ""), Err(VaultError::PassphraseNeeded)));
    assert_eq!(fs::read(home.file()).unwrap(), before);
}

#[test]
fn no_vault_is_made_with_an_empty_passphrase() {
    let home = Home::new(Kind::Sealed);
    assert!(matches!(open(&home, ""), Err(VaultError::PassphraseNeeded)));
    assert!(!home.file().exists());
}

#[test]
fn a_vault_opens_for_the_app_that_made_it() {
    let home = Home::with_two_records(Kind::Sealed);
    let other = EncryptedFileVault::open_cheaply(&home.path(), "com.example.other", &passphrase());
    assert!(matches!(other, Err(VaultError::Damaged(_))));
}

#[test]
fn a_new_vault_has_the_full_settings_and_one_write_keeps_them() {
    let home = Home::new(Kind::Sealed);
    let vault = EncryptedFileVault::open(&home.path(), APP, &passphrase()).unwrap();
    vault.create(&ONE, b"payload").unwrap();
    let bytes = fs::read(home.file()).unwrap();
    assert_eq!(bytes[16..32], [2, 0x13, 0, 0, 0, 1, 0, 0, 0, 0, 0, 3, 0, 0, 0, 1]);
}

#[test]
fn a_changed_passphrase_opens_what_was_there_and_the_older_one_nothing() {
    let home = Home::with_two_records(Kind::Sealed);
    let (vault, other) = (open(&home, "correct horse battery staple").unwrap(), home.open().unwrap());
    let salt = |bytes: Vec<u8>| bytes[32..48].to_vec();
    let before = salt(fs::read(home.file()).unwrap());
    let (wrong, new) = (SecretString::from("wrong"), SecretString::from("new"));
    assert!(matches!(vault.change_passphrase(&wrong, &new), Err(VaultError::WrongPassphrase)));
    assert!(matches!(vault.change_passphrase(&passphrase(), &"".into()), Err(VaultError::PassphraseNeeded)));
    assert_eq!(salt(fs::read(home.file()).unwrap()), before);

    vault.change_passphrase(&passphrase(), &new).unwrap();
    assert_ne!(salt(fs::read(home.file()).unwrap()), before);
    assert!(matches!(open(&home, "correct horse battery staple"), Err(VaultError::WrongPassphrase)));
    for vault in [&vault, &open(&home, "new").unwrap()] {
        assert_eq!(vault.load(&TWO).unwrap().unwrap().payload.as_slice(), b"payload two");
    }
    assert_eq!(vault.commit(&ONE, 1, b"second").unwrap(), 2);

    // A handle of before is told, and changes nothing until it has the new one.
    assert!(matches!(other.load(&ONE), Err(VaultError::PassphraseNeeded)));
    assert!(matches!(other.commit(&ONE, 2, b"lost"), Err(VaultError::PassphraseNeeded)));
    assert!(other.changed_elsewhere().unwrap());
    assert_eq!(vault.load(&ONE).unwrap().unwrap().payload.as_slice(), b"second");
}

#[test]
fn an_open_handle_goes_on_with_the_new_passphrase() {
    let home = Home::with_two_records(Kind::Sealed);
    let [one, other] = [(); 2].map(|()| open(&home, "correct horse battery staple").unwrap());
    one.change_passphrase(&passphrase(), &"new".into()).unwrap();
    assert!(matches!(other.change_passphrase(&passphrase(), &"newer".into()), Err(VaultError::PassphraseNeeded)));
    assert!(matches!(other.unlock(&passphrase()), Err(VaultError::WrongPassphrase)));
    other.unlock(&"new".into()).unwrap();
    assert_eq!(other.commit(&ONE, 1, b"second").unwrap(), 2);
    assert_eq!(one.load(&ONE).unwrap().unwrap().generation, 2);
}

#[test]
fn another_vault_in_its_place_is_not_this_one_although_the_passphrase_is() {
    let home = Home::with_two_records(Kind::Sealed);
    let vault = open(&home, "correct horse battery staple").unwrap();
    let other = Home::with_two_records(Kind::Sealed);
    fs::copy(other.file(), home.file()).unwrap();
    assert!(matches!(vault.load(&ONE), Err(VaultError::PassphraseNeeded)));
    assert!(matches!(vault.unlock(&passphrase()), Err(VaultError::Damaged(_))));
}

#[test]
fn no_file_holds_a_payload_in_any_plain_form_and_lengths_are_rounded() {
    let canary = b"Zm9vYmFyQ2FuYXJ5VG9rZW5NdXN0Tm90QXBwZWFyMTIzNDU2Nzg5";
    let home = Home::new(Kind::Sealed);
    let vault = home.open().unwrap();
    vault.create(&ONE, canary).unwrap();
    let mut needles: Vec<Vec<u8>> = canary.windows(12).map(<[u8]>::to_vec).collect();
    for skip in 0..3 {
        needles.push(STANDARD_NO_PAD.encode(&canary[skip..skip + 12]).into_bytes());
        needles.push(URL_SAFE_NO_PAD.encode(&canary[skip..skip + 12]).into_bytes());
    }
    needles.push(ONE.as_bytes().to_vec());
    let long = fs::read(home.file()).unwrap();
    for entry in fs::read_dir(home.path()).unwrap() {
        let bytes = fs::read(entry.unwrap().path()).unwrap();
        for needle in &needles {
            assert!(!bytes.windows(needle.len()).any(|window| window == needle.as_slice()));
        }
    }
    vault.commit(&ONE, 1, b"short").unwrap();
    let short = fs::read(home.file()).unwrap();
    assert_eq!((long.len(), short.len()), (104 + 12 + 256 + 16, 104 + 12 + 256 + 16));
    assert!(long[104..].windows(8).all(|window| !short[104..].windows(8).any(|other| other == window)));
}

#[test]
fn debug_shows_the_strategy_and_no_key() {
    let home = Home::new(Kind::Sealed);
    let shown = format!("{:?}", open(&home, "x").unwrap());
    assert!(shown.contains("encrypted-file") && !shown.contains("key") && !shown.contains("salt"), "{shown}");
}

/// What version 1 writes, in base64; computed with Python's cryptography, from the words of this crate alone. It opens for
/// ever.
const GOLDEN: &str = "\
    cGx0dmF1bHQAAAABAAAAAQITAAAAAEwAAAAAAgAAAAEAAQIDBAUGBwgJCgsMDQ4PoKGio6SlpqeoqaqrrK2uryOWwWaIJKSqo0jnjNrm7ZoAAA\
    AAAAAACYSdkV5hkYXRtfGU8NNgnLgHBwcHBwcHBwcHBwfqShl2pINormvz7tALy6pVGpMiPCqnxXvRnHR3UmSeSNI5TNQHnDcxNaFgg+1WHOT6\
    NMMv9YjabGh2EimVbKJMkjiDJx/hzXXCbE4zxMgSWHERl4YraYS2EKr6Q9abHJ5PMmIoH9l5zwwPbqT5hhiPiOOBtoenVqtDgbxfGhyl4IBm/f\
    hGVODjTcyCj7xbM5gYudv3Wl1rPdxPG00Edv4plH6Tzh4GVSNqZhFfQmzkJxOE0J3t0Gbnia3baUMSZCv9pdPnv/YdLVrckPQJcz1ruKmZb9CX\
    QsAFST/ZiG/S07sisGnJz2Vhym2toU/+9GZk4Sn59c0RhdSEEV88S89UEDFxL4tIHf0qhgfMh0zLRw\
";

#[test]
fn a_file_that_others_sealed_by_the_same_rules_opens() {
    let home = Home::new(Kind::Sealed);
    fs::create_dir(home.path()).unwrap();
    fs::write(home.file(), STANDARD_NO_PAD.decode(GOLDEN).unwrap()).unwrap();
    let vault = open(&home, "correct horse battery staple").unwrap();
    let document = two_records();
    for (id, entry) in document.entries {
        let record = vault.load(&id).unwrap().unwrap();
        assert_eq!((record.generation, &record.payload), (entry.generation, &entry.payload));
        assert_eq!(record.attempt, entry.attempt);
    }
    // Its settings stay as they are.
    vault.commit(&ONE, 3, b"next").unwrap();
    assert_eq!(fs::read(home.file()).unwrap()[..80], STANDARD_NO_PAD.decode(GOLDEN).unwrap()[..80]);
}
