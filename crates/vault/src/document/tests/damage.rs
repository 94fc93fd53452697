//! Whatever bytes stand in the file: the old value, or an error that says what it is.

use super::{Home, Kind, ONE, TWO};
use crate::{Listed, Vault, VaultError};
use std::fs;
use std::io::{Seek, SeekFrom, Write};

/// Both records as they were written, or an error; never anything else.
fn assert_old_or_error(vault: &dyn Vault, what: &str) {
    match vault.list() {
        Ok(listed) => {
            let records = listed.into_iter().map(|listed| match listed {
                Listed::Record(record) => (record.id, record.generation, record.payload.to_vec()),
                Listed::Damaged { id } => panic!("{what}: {id}"),
            });
            let expected = [(ONE, 1, b"payload one".to_vec()), (TWO, 1, b"payload two".to_vec())];
            assert!(records.eq(expected), "{what}");
        }
        Err(VaultError::Damaged(_) | VaultError::NewerFormat(_) | VaultError::Tampered(_)) => {}
        Err(error) => panic!("{what}: {error:?}"),
    }
}

#[test]
fn a_flipped_bit_anywhere_gives_the_old_value_or_an_error() {
    for kind in Kind::ALL {
        let home = Home::with_two_records(kind);
        let (vault, bytes) = (home.open().unwrap(), fs::read(home.file()).unwrap());
        let mut file = fs::File::options().write(true).open(home.file()).unwrap();
        let mut put = |place: usize, byte: u8| {
            file.seek(SeekFrom::Start(place as u64)).unwrap();
            file.write_all(&[byte]).unwrap();
        };
        // The preferences are long, and slow to read: two or three bits of each byte.
        for bit in (0..bytes.len() * 8).step_by(if kind == Kind::Prefs { 3 } else { 1 }) {
            put(bit / 8, bytes[bit / 8] ^ (1 << (bit % 8)));
            assert_old_or_error(&*vault, &format!("{kind:?}, bit {bit}"));
            if bit % 8 == 3 {
                assert!(vault.commit(&ONE, 7, b"other").is_err(), "{kind:?}, bit {bit}");
            }
            put(bit / 8, bytes[bit / 8]);
        }
        assert_eq!(vault.load(&ONE).unwrap().unwrap().payload.as_slice(), b"payload one");
    }
}

#[test]
fn a_file_cut_off_at_any_byte_is_damaged_and_never_an_empty_vault() {
    for kind in Kind::ALL {
        let home = Home::with_two_records(kind);
        let (vault, bytes) = (home.open().unwrap(), fs::read(home.file()).unwrap());
        // The last character of some is a line break that nothing needs.
        for length in 0..bytes.len() - 1 {
            fs::write(home.file(), &bytes[..length]).unwrap();
            assert!(matches!(vault.load(&ONE), Err(VaultError::Damaged(_))), "{kind:?} {length}");
            // To open it again costs a stretched passphrase once the header is whole, or much XML.
            if !matches!(kind, Kind::Sealed | Kind::Prefs) || length < 120 || length % 32 == 0 {
                let again = home.open().map(drop);
                assert!(matches!(again, Err(VaultError::Damaged(_))), "{kind:?} {length}: {again:?}");
            }
            assert_eq!(fs::read(home.file()).unwrap(), &bytes[..length]);
        }
        fs::write(home.file(), [&bytes[..], &bytes[..]].concat()).unwrap();
        assert!(matches!(vault.load(&ONE), Err(VaultError::Damaged(_))), "{kind:?}");
    }
}

#[test]
fn a_file_that_goes_back_while_it_is_open_is_noticed() {
    for kind in Kind::FILES {
        let home = Home::with_two_records(kind);
        let vault = home.open().unwrap();
        let older = fs::read(home.file()).unwrap();
        vault.commit(&ONE, 1, b"second").unwrap();
        fs::write(home.file(), &older).unwrap();
        assert!(matches!(vault.load(&ONE), Err(VaultError::RolledBack { found: 3, expected: 4 })), "{kind:?}");
        assert!(matches!(vault.commit(&ONE, 1, b"lost"), Err(VaultError::RolledBack { .. })), "{kind:?}");
        assert!(vault.changed_elsewhere().unwrap());
        assert_eq!(fs::read(home.file()).unwrap(), older);
    }
}

#[test]
fn a_vault_that_was_moved_away_while_it_is_open_is_not_an_empty_one() {
    for kind in Kind::ALL {
        let home = Home::with_two_records(kind);
        let vault = home.open().unwrap();
        let aside = kind.set_aside(&home.path()).unwrap();
        assert_eq!(aside, home.beside(&format!("{}.lost-1800000000000", home.name())));
        for _ in 0..2 {
            assert!(matches!(vault.load(&ONE), Err(VaultError::Io(_))), "{kind:?}");
            assert!(matches!(vault.create(&ONE, b"new"), Err(VaultError::Io(_))), "{kind:?}");
        }
        assert!(!home.file().exists());
        // A new one in its place is not this one either.
        let other = home.open().unwrap();
        assert!(other.load(&ONE).unwrap().is_none());
        assert!(vault.load(&ONE).is_err(), "{kind:?}");
        // The one that was set aside is whole.
        drop(other);
        kind.remove_whole(&home.path()).unwrap();
        fs::rename(aside, home.file()).unwrap();
        assert_eq!(home.open().unwrap().load(&TWO).unwrap().unwrap().payload.as_slice(), b"payload two");
    }
}
