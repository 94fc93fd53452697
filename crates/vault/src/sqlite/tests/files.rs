use super::{Home, NOW, ONE};
use crate::sqlite::SqliteVault;
use crate::{Vault, VaultError};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use std::path::Path;
use std::sync::Arc;

fn open_at(home: &Home, path: &Path) -> Result<SqliteVault, VaultError> {
    SqliteVault::open(path, Arc::new(home.keystore.clone()), NOW)
}

#[test]
fn a_uri_or_a_relative_path_is_refused() {
    let home = Home::new();
    for path in ["file:/tmp/vault.db?mode=memory", "vault.db", "", "/", "app/vault.db"] {
        assert!(matches!(open_at(&home, Path::new(path)), Err(VaultError::UnsafePath(_))), "{path}");
    }
    assert!(home.keystore.inner.names().is_empty());
}

#[test]
fn no_file_holds_a_payload_in_any_plain_form() {
    let canary = b"Zm9vYmFyQ2FuYXJ5VG9rZW5NdXN0Tm90QXBwZWFyMTIzNDU2Nzg5";
    let home = Home::new();
    let vault = home.open().unwrap();
    vault.create(&ONE, canary).unwrap();
    vault.commit(&ONE, 1, &[&b"x"[..], canary].concat()).unwrap();
    vault.commit(&ONE, 2, b"other").unwrap();
    vault.commit(&ONE, 3, canary).unwrap();
    drop(vault);
    let utf16: Vec<u8> = canary.iter().flat_map(|byte| [*byte, 0]).collect();
    let reversed: Vec<u8> = canary.iter().rev().copied().collect();
    let mut needles: Vec<Vec<u8>> = canary.windows(12).map(<[u8]>::to_vec).collect();
    needles.extend([utf16[..24].to_vec(), reversed[..12].to_vec()]);
    for skip in 0..3 {
        needles.push(STANDARD_NO_PAD.encode(&canary[skip..skip + 12]).into_bytes());
        needles.push(URL_SAFE_NO_PAD.encode(&canary[skip..skip + 12]).into_bytes());
    }
    let mut files = 0;
    for entry in std::fs::read_dir(home.beside("")).unwrap() {
        files += 1;
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        for needle in &needles {
            assert!(!bytes.windows(needle.len()).any(|window| window == needle.as_slice()));
        }
    }
    assert!(files >= 2);
}

#[test]
fn equal_payloads_look_different_and_their_lengths_are_rounded() {
    let home = Home::with_two_records();
    let vault = home.open().unwrap();
    vault.commit(&ONE, 1, b"payload two").unwrap();
    let database = vault.database();
    let mut statement = database.connection.prepare("SELECT nonce, ct FROM token").unwrap();
    let rows: Vec<(Vec<u8>, Vec<u8>)> =
        statement.query_map((), |row| Ok((row.get(0)?, row.get(1)?))).unwrap().map(Result::unwrap).collect();
    assert_ne!(rows[0].0, rows[1].0);
    assert_ne!(rows[0].1, rows[1].1);
    assert_eq!((rows[0].1.len(), rows[1].1.len()), (272, 272));
}

#[cfg(unix)]
mod unix {
    use super::{NOW, ONE, open_at};
    use crate::sqlite::SqliteVault;
    use crate::sqlite::tests::Home;
    use crate::{Vault, VaultError};
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::path::Path;

    fn mode(path: &Path) -> u32 {
        fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
    }

    #[test]
    fn the_folder_is_0700_and_every_file_0600() {
        let home = Home::new();
        let vault = home.open().unwrap();
        vault.create(&ONE, b"payload").unwrap();
        assert_eq!(mode(&home.beside("")), 0o700);
        // While it is open its log is there too.
        let mut database = vault.database();
        let transaction = database.connection.transaction().unwrap();
        transaction.execute("UPDATE vault SET epoch=epoch+1", ()).unwrap();
        let mut names = Vec::new();
        for entry in fs::read_dir(home.beside("")).unwrap() {
            let path = entry.unwrap().path();
            assert_eq!(mode(&path), 0o600, "{}", path.display());
            names.push(path.file_name().unwrap().to_owned());
        }
        names.sort();
        assert_eq!(names, ["vault.db", "vault.db-shm", "vault.db-wal", "vault.lock"]);
    }

    #[test]
    fn a_folder_or_file_of_ours_that_was_open_to_others_is_closed() {
        let home = Home::with_two_records();
        fs::set_permissions(home.beside(""), Permissions::from_mode(0o755)).unwrap();
        fs::set_permissions(home.path(), Permissions::from_mode(0o644)).unwrap();
        home.open().unwrap();
        assert_eq!((mode(&home.beside("")), mode(&home.path())), (0o700, 0o600));
    }

    #[test]
    fn a_shared_folder_is_refused_and_left_as_it_is() {
        let home = Home::new();
        let shared = home.folder.path().join("shared");
        fs::create_dir(&shared).unwrap();
        fs::set_permissions(&shared, Permissions::from_mode(0o1777)).unwrap();
        assert!(matches!(open_at(&home, &shared.join("vault.db")), Err(VaultError::UnsafePath(_))));
        assert_eq!(mode(&shared), 0o1777);
    }

    #[test]
    fn a_symbolic_link_in_place_of_folder_file_or_lock_is_refused() {
        let home = Home::with_two_records();
        let elsewhere = home.folder.path().join("link");
        symlink(home.beside(""), &elsewhere).unwrap();
        assert!(matches!(open_at(&home, &elsewhere.join("vault.db")), Err(VaultError::UnsafePath(_))));

        let target = home.beside("target.db");
        fs::rename(home.path(), &target).unwrap();
        let before = fs::read(&target).unwrap();
        symlink(&target, home.path()).unwrap();
        assert!(matches!(home.open(), Err(VaultError::UnsafePath(_))));
        assert_eq!(fs::read(&target).unwrap(), before);

        fs::remove_file(home.path()).unwrap();
        symlink(home.beside("nowhere"), home.path()).unwrap();
        assert!(matches!(home.open(), Err(VaultError::UnsafePath(_))), "a link to nothing is a link");
        assert!(!home.beside("nowhere").exists());

        fs::remove_file(home.path()).unwrap();
        fs::remove_file(home.beside("vault.lock")).unwrap();
        symlink(home.beside("nowhere"), home.beside("vault.lock")).unwrap();
        assert!(matches!(home.open(), Err(VaultError::UnsafePath(_))));
        assert!(!home.beside("nowhere").exists());
    }

    #[test]
    fn a_link_further_up_is_followed_once() {
        let home = Home::new();
        let real = home.folder.path().join("real");
        fs::create_dir(&real).unwrap();
        symlink(&real, home.folder.path().join("home")).unwrap();
        let path = home.folder.path().join("home/app/vault.db");
        open_at(&home, &path).unwrap().create(&ONE, b"payload").unwrap();
        assert!(real.join("app/vault.db").exists());
        assert!(open_at(&home, &path).unwrap().load(&ONE).unwrap().is_some());
    }

    #[test]
    fn a_second_name_a_folder_and_a_socket_are_refused() {
        let home = Home::with_two_records();
        fs::hard_link(home.path(), home.beside("second.db")).unwrap();
        assert!(matches!(home.open(), Err(VaultError::UnsafePath(_))));

        fs::remove_file(home.path()).unwrap();
        fs::create_dir(home.path()).unwrap();
        assert!(matches!(home.open(), Err(VaultError::UnsafePath(_))));

        fs::remove_dir(home.path()).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(home.path()).unwrap();
        assert!(matches!(home.open(), Err(VaultError::UnsafePath(_))));
    }

    #[test]
    fn a_link_in_place_of_the_vault_can_be_set_aside() {
        let home = Home::with_two_records();
        let target = home.beside("target.db");
        fs::rename(home.path(), &target).unwrap();
        symlink(&target, home.path()).unwrap();
        let aside = SqliteVault::set_aside(&home.path(), NOW).unwrap();
        assert!(fs::symlink_metadata(&aside).unwrap().is_symlink());
        assert!(target.exists());
        assert!(home.open().is_ok());
    }
}
