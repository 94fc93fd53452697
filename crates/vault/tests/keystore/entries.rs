//! Entries as they should not be: planted beside ours, altered, deleted, with strange names, and too long.

use super::desktop::Desktop;
use super::driver::{APP, Driver};

/// A desktop with a vault whose key is in the keystore: its path and the name of the key's entry.
fn with_vault() -> (Desktop, Driver, String, String) {
    let desktop = Desktop::unlocked();
    let path = desktop.folder().join("home/vault.db").display().to_string();
    let mut driver = Driver::start(&desktop);
    assert_eq!(driver.ask(&["vault", &path]), "open");
    let mut names = desktop.names(APP, "kek-");
    assert_eq!(names.len(), 1);
    (desktop, driver, path, names.remove(0))
}

#[test]
fn a_deleted_key_is_lost_and_no_other_is_made() {
    let (desktop, mut driver, path, name) = with_vault();
    assert_eq!(driver.ask(&["delete", &name]), "Ok(())");
    assert!(driver.ask(&["vault", &path]).starts_with("KeyLost"));
    assert!(desktop.names(APP, "kek-").is_empty());
}

#[test]
fn a_key_that_is_garbage_of_any_form_is_corrupt_and_stands_in_no_error() {
    let (desktop, mut driver, path, name) = with_vault();
    let bytes = |length: usize| {
        let text: String = "CANARY".chars().cycle().take(length * 4 / 3 + 1).collect();
        format!("pk1.1.{text}").into_bytes()
    };
    let with_newline = b"pk1.1.CANARY\n".to_vec();
    let no_text = [b"CANARY".as_slice(), &[0xff, 0xfe, 0x80]].concat();
    for garbage in [Vec::new(), bytes(31), bytes(33), with_newline, no_text] {
        assert_eq!(driver.ask(&["delete", &name]), "Ok(())");
        desktop.plant(APP, &name, &garbage);
        let answer = driver.ask(&["vault", &path]);
        assert!(answer.starts_with("KeyCorrupt"), "{answer}");
        assert!(!answer.contains("CANARY"));
    }
}

#[test]
fn of_entries_planted_beside_ours_the_one_that_opens_the_vault_is_used() {
    let (desktop, mut driver, path, name) = with_vault();
    desktop.plant(APP, &name, b"planted");
    desktop.plant(APP, &name, b"pk1.1.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
    assert_eq!(driver.ask(&["read", &name]), "Err(Ambiguous(3))", "none is taken to be the first");
    assert_eq!(driver.ask(&["vault", &path]), "open");
}

#[test]
fn entries_planted_where_ours_is_gone_are_ambiguous_and_never_picked() {
    let (desktop, mut driver, path, name) = with_vault();
    assert_eq!(driver.ask(&["delete", &name]), "Ok(())");
    desktop.plant(APP, &name, b"planted");
    desktop.plant(APP, &name, b"planted too");
    assert!(driver.ask(&["vault", &path]).contains("Ambiguous(2)"));
}

#[test]
fn an_entry_with_more_attributes_than_ours_answers_to_our_name_too() {
    let (desktop, mut driver, path, name) = with_vault();
    // A search matches every item that has at least our attributes, in every collection.
    desktop.plant(APP, &name, b"planted");
    assert_eq!(driver.ask(&["vault", &path]), "open");
    assert_eq!(driver.ask(&["write", &name, "x"]), "Err(Ambiguous(2))", "nothing of a stranger's is overwritten");
}

#[test]
fn names_that_look_alike_are_entries_of_their_own() {
    let desktop = Desktop::unlocked();
    let mut driver = Driver::start(&desktop);
    let names = ["a", "a.b", "a@b", "b.a", "A", "ä", "a\u{308}", "名前", "🔥", "a b", "a%20b", "a/b", "a\\b", "'\""];
    for name in names {
        assert_eq!(driver.ask(&["write", name, &format!("of {name}")]), "Ok(())", "{name}");
    }
    for name in names {
        assert_eq!(driver.ask(&["read", name]), format!("{:?}", Ok::<_, ()>(Some(format!("of {name}")))));
    }
    assert_eq!(desktop.names(APP, "").len(), names.len());
}

#[test]
fn long_secrets_are_kept_whole() {
    let desktop = Desktop::unlocked();
    let mut driver = Driver::start(&desktop);
    for length in [1281, 2561, 100 * 1024] {
        let secret = "0123456789abcdef".repeat(length / 16 + 1);
        assert_eq!(driver.ask(&["write", "long", &secret]), "Ok(())", "{length}");
        assert!(driver.ask(&["read", "long"]).contains(&secret), "{length}");
    }
}
