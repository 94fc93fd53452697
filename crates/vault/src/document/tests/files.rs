//! Where the vault lies, and what lies beside it.

use super::{Home, Kind, ONE};
use crate::VaultError;
use crate::place::{Hold, Place};
use std::fs;

#[test]
fn a_relative_home_is_refused() {
    for kind in Kind::ALL {
        for path in ["app", ""] {
            assert!(matches!(kind.open(path.as_ref()).map(drop), Err(VaultError::UnsafePath(_))), "{kind:?}");
        }
    }
}

#[test]
fn a_vault_exists_from_its_making_to_its_removal_and_asking_makes_nothing() {
    for kind in Kind::ALL {
        let home = Home::new(kind);
        assert!(!kind.exists(&home.path()).unwrap());
        kind.remove_whole(&home.path()).unwrap();
        assert!(matches!(kind.set_aside(&home.path()), Err(VaultError::NotFound)));
        assert!(!home.path().exists());
        home.open().unwrap().create(&ONE, b"payload").unwrap();
        assert!(kind.exists(&home.path()).unwrap());
        for other in Kind::ALL.into_iter().filter(|other| *other != kind) {
            assert!(!other.exists(&home.path()).unwrap());
            other.remove_whole(&home.path()).unwrap();
        }
        fs::write(home.beside(&format!("{}.new", home.name())), b"left by a crash").unwrap();
        for _ in 0..2 {
            kind.remove_whole(&home.path()).unwrap();
            assert!(!kind.exists(&home.path()).unwrap());
        }
        let left: Vec<_> = fs::read_dir(home.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["vault.lock"], "{kind:?}");
        assert!(home.keystore().names().is_empty());
    }
}

#[test]
fn what_a_crash_left_is_swept_by_the_next_write_and_read_by_nobody() {
    for kind in Kind::FILES {
        let home = Home::with_two_records(kind);
        let unfinished = home.beside(&format!("{}.new", home.name()));
        let whole = fs::read(home.file()).unwrap();
        for left in [&b""[..], &whole[..whole.len() / 2], &whole] {
            fs::write(&unfinished, left).unwrap();
            let vault = home.open().unwrap();
            let generation = vault.load(&ONE).unwrap().unwrap().generation;
            vault.commit(&ONE, generation, b"next").unwrap();
            assert!(!unfinished.exists(), "{kind:?}");
        }
    }
}

#[test]
fn a_lock_that_is_held_makes_others_busy_and_one_that_is_shared_lets_readers_in() {
    let home = Home::with_two_records(Kind::Plain);
    let place = Place::prepare(&home.file()).unwrap();
    let alone = place.hold(Hold::Alone, 1).unwrap();
    for hold in [Hold::Alone, Hold::Shared] {
        assert!(matches!(place.hold(hold, 1).map(drop), Err(VaultError::Busy)));
    }
    drop(alone);
    let shared = place.hold(Hold::Shared, 1).unwrap();
    assert!(place.hold(Hold::Shared, 1).is_ok());
    assert!(matches!(place.hold(Hold::Alone, 1).map(drop), Err(VaultError::Busy)));
    assert!(home.open().unwrap().load(&ONE).unwrap().is_some());
    // A lock whose file is gone keeps nobody out, and nobody takes it for the new one.
    fs::remove_file(home.beside("vault.lock")).unwrap();
    let alone = place.hold(Hold::Alone, 1).unwrap();
    assert!(matches!(place.hold(Hold::Alone, 1).map(drop), Err(VaultError::Busy)));
    drop((shared, alone));
}

#[cfg(unix)]
mod unix {
    use super::super::{Home, Kind, ONE};
    use crate::VaultError;
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::path::Path;

    fn mode(path: &Path) -> u32 {
        fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
    }

    #[test]
    fn the_folder_is_0700_and_every_file_0600_also_where_they_were_open_to_others() {
        for kind in Kind::ALL {
            let home = Home::with_two_records(kind);
            assert_eq!(mode(&home.path()), 0o700);
            for name in [home.name(), "vault.lock"] {
                assert_eq!(mode(&home.beside(name)), 0o600, "{name}");
            }
            fs::set_permissions(home.path(), Permissions::from_mode(0o755)).unwrap();
            fs::set_permissions(home.file(), Permissions::from_mode(0o644)).unwrap();
            home.open().unwrap().load(&ONE).unwrap();
            assert_eq!((mode(&home.path()), mode(&home.file())), (0o700, 0o600), "{kind:?}");
        }
    }

    #[test]
    fn a_link_a_second_name_a_folder_and_a_socket_are_refused_by_open_handles_too() {
        for kind in Kind::ALL {
            let home = Home::with_two_records(kind);
            let (vault, target) = (home.open().unwrap(), home.beside("target"));
            let refused = |what: &str| {
                assert!(matches!(home.open().map(drop), Err(VaultError::UnsafePath(_))), "{kind:?} {what}");
                assert!(matches!(vault.load(&ONE), Err(VaultError::UnsafePath(_))), "{kind:?} {what}");
                assert!(matches!(vault.remove(&ONE), Err(VaultError::UnsafePath(_))), "{kind:?} {what}");
            };
            fs::hard_link(home.file(), &target).unwrap();
            refused("second name");
            fs::remove_file(home.file()).unwrap();
            let before = fs::read(&target).unwrap();
            symlink(&target, home.file()).unwrap();
            refused("link");
            assert_eq!(fs::read(&target).unwrap(), before);
            fs::remove_file(home.file()).unwrap();
            symlink(home.beside("nowhere"), home.file()).unwrap();
            refused("link to nothing");
            assert!(!home.beside("nowhere").exists());
            fs::remove_file(home.file()).unwrap();
            fs::create_dir(home.file()).unwrap();
            refused("folder");
            fs::remove_dir(home.file()).unwrap();
            let _socket = std::os::unix::net::UnixListener::bind(home.file()).unwrap();
            refused("socket");
        }
    }

    #[test]
    fn a_link_in_place_of_the_unfinished_file_is_removed_and_not_followed() {
        for kind in Kind::FILES {
            let home = Home::with_two_records(kind);
            let target = home.folder.path().join("target");
            fs::write(&target, b"somebody's").unwrap();
            symlink(&target, home.beside(&format!("{}.new", home.name()))).unwrap();
            home.open().unwrap().commit(&ONE, 1, b"second").unwrap();
            assert_eq!(fs::read(&target).unwrap(), b"somebody's");
            assert!(fs::symlink_metadata(home.file()).unwrap().is_file());
        }
    }

    #[test]
    fn a_link_in_place_of_the_lock_is_refused() {
        for kind in Kind::ALL {
            let home = Home::with_two_records(kind);
            let vault = home.open().unwrap();
            fs::remove_file(home.beside("vault.lock")).unwrap();
            symlink(home.beside("nowhere"), home.beside("vault.lock")).unwrap();
            assert!(matches!(vault.load(&ONE), Err(VaultError::UnsafePath(_))), "{kind:?}");
            assert!(!home.beside("nowhere").exists());
        }
    }

    #[test]
    fn a_folder_that_cannot_be_written_keeps_the_old_value_and_reads_it() {
        for kind in Kind::FILES {
            let home = Home::with_two_records(kind);
            let vault = home.open().unwrap();
            fs::set_permissions(home.path(), Permissions::from_mode(0o500)).unwrap();
            let refused = fs::write(home.beside("probe"), b"").is_err();
            let outcome = vault.commit(&ONE, 1, b"second");
            // To root everything is writable.
            assert_eq!(matches!(outcome, Err(VaultError::Io(_))), refused, "{outcome:?}");
            let generation = if refused { 1 } else { 2 };
            assert_eq!(home.open().unwrap().load(&ONE).unwrap().unwrap().generation, generation);
            fs::set_permissions(home.path(), Permissions::from_mode(0o700)).unwrap();
        }
    }
}
