//! A keystore that is not there, does not answer, dies, or is another one than before.

use super::desktop::Desktop;
use super::driver::{APP, Driver};
use std::time::Duration;

const SHORT: Duration = Duration::from_secs(2);

/// How often each of the threads writes and reads. gnome-keyring writes its whole file each time: 200 take 100 seconds.
const ROUNDS: &str = "20";

/// Asks again while the call that was given up is still under way, for ten seconds at most.
fn once_free(driver: &mut Driver, words: &[&str]) -> String {
    for _ in 0..1000 {
        let answer = driver.ask(words);
        if answer != "Err(TimedOut)" {
            return answer;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    "never".to_owned()
}

fn vault_of(desktop: &Desktop) -> String {
    desktop.folder().join("home/vault.db").display().to_string()
}

#[test]
fn without_a_session_bus_there_is_no_keystore_and_nothing_is_written() {
    let desktop = Desktop::without_bus();
    let mut driver = Driver::start(&desktop);
    for words in [&["look"][..], &["test"], &["read", "a"], &["write", "a", "b"], &["await", "60000"]] {
        let (answer, took) = driver.ask_timed(words);
        assert!(answer.contains("Absent(\"the session bus does not answer\")"), "{words:?}: {answer}");
        assert!(took < SHORT, "{words:?}: {took:?}");
    }
    assert!(driver.ask(&["vault", &vault_of(&desktop)]).contains("Absent"));
    assert!(!desktop.folder().join("home/vault.db").exists());
}

#[test]
fn on_a_bus_without_a_secret_service_there_is_no_keystore() {
    let desktop = Desktop::with_bus();
    let mut driver = Driver::start(&desktop);
    for words in [&["look"][..], &["read", "a"], &["write", "a", "b"]] {
        let (answer, took) = driver.ask_timed(words);
        assert!(answer.contains("Absent(\"no program provides one\")"), "{words:?}: {answer}");
        assert!(took < SHORT, "{words:?}: {took:?}");
    }
}

#[test]
fn a_keystore_that_appears_later_is_found_by_the_same_process() {
    let mut desktop = Desktop::with_bus();
    let mut driver = Driver::start(&desktop);
    assert!(driver.ask(&["write", "a", "b"]).contains("Absent"));
    desktop.start_keystore();
    assert_eq!(driver.ask(&["write", "a", "b"]), "Ok(())");
}

#[test]
fn a_self_test_of_a_working_keystore_names_it_and_leaves_nothing_behind() {
    let desktop = Desktop::unlocked();
    let mut driver = Driver::start(&desktop);
    let answer = driver.ask(&["test"]);
    assert!(answer.starts_with("Ready(") && answer.contains("gnome-keyring") && answer.contains("Lasting"), "{answer}");
    assert!(desktop.names(APP, "").is_empty());
}

#[test]
fn a_keystore_killed_and_restarted_between_get_and_set_costs_one_reconnection() {
    let mut desktop = Desktop::unlocked();
    let mut driver = Driver::start(&desktop);
    assert_eq!(driver.ask(&["write", "a", "before"]), "Ok(())");
    for _ in 0..3 {
        desktop.kill_keystore();
        desktop.start_keystore();
        assert_eq!(driver.ask(&["read", "a"]), "Ok(Some(\"before\"))");
        desktop.kill_keystore();
        assert!(driver.ask(&["read", "a"]).contains("Absent"));
        desktop.start_keystore();
        assert_eq!(driver.ask(&["write", "a", "before"]), "Ok(())");
    }
}

#[test]
fn a_keystore_whose_answers_are_late_times_out_once_and_heals_when_it_goes_on() {
    let desktop = Desktop::unlocked();
    let mut driver = Driver::start(&desktop);
    assert_eq!(driver.ask(&["write", "a", "kept"]), "Ok(())");
    desktop.hold_keystore(true);
    let (answer, took) = driver.ask_timed(&["read", "a"]);
    assert_eq!(answer, "Err(TimedOut)");
    assert!((Duration::from_secs(3)..Duration::from_secs(7)).contains(&took), "{took:?}");
    assert_eq!(driver.ask(&["look"]), "Silent");
    desktop.hold_keystore(false);
    assert_eq!(once_free(&mut driver, &["read", "a"]), "Ok(Some(\"kept\"))");
}

#[test]
fn a_keystore_that_never_answers_holds_no_exit_and_one_that_replaces_it_works() {
    let mut desktop = Desktop::with_bus();
    let silent = desktop.start_silent_keystore();
    let mut driver = Driver::start(&desktop);
    let (answer, took) = driver.ask_timed(&["read", "a"]);
    assert_eq!(answer, "Err(TimedOut)");
    assert!(took < Duration::from_secs(7), "{took:?}");
    assert!(driver.ask(&["vault", &vault_of(&desktop)]).contains("TimedOut"));
    assert!(!desktop.folder().join("home/vault.db").exists());

    let mut other = Driver::start(&desktop);
    other.tell(&["read", "a"]);
    assert_eq!(other.answer().0, "Err(TimedOut)");
    assert!(other.ends_well(), "with a thread that still waits");

    silent.close().unwrap();
    desktop.start_keystore();
    assert_eq!(once_free(&mut driver, &["write", "a", "b"]), "Ok(())");
}

#[test]
fn another_program_that_answers_for_the_keystore_is_named_beside_the_one_that_has_the_key() {
    let mut desktop = Desktop::unlocked();
    let path = vault_of(&desktop);
    assert_eq!(Driver::start(&desktop).ask(&["vault", &path]), "open");
    let before = std::fs::read(&path).unwrap();

    desktop.kill_keystore();
    desktop.start_another("kwalletd6");
    let answer = Driver::start(&desktop).ask(&["vault", &path]);
    assert!(answer.contains("Changed"), "{answer}");
    assert!(answer.contains("gnome-keyring") && answer.contains("kwallet"), "{answer}");
    assert_eq!(std::fs::read(&path).unwrap(), before);
    assert!(desktop.names("dev.pilotlight.test", "kek-").is_empty(), "no key was made");

    desktop.kill_keystore();
    desktop.start_keystore();
    assert_eq!(Driver::start(&desktop).ask(&["vault", &path]), "open");
}

#[test]
fn sixteen_threads_in_two_processes_lose_no_update_and_the_keystore_lives() {
    let desktop = Desktop::unlocked();
    let (mut one, mut other) = (Driver::start(&desktop), Driver::start(&desktop));
    one.tell(&["storm", "one", ROUNDS]);
    other.tell(&["storm", "other", ROUNDS]);
    assert_eq!((one.answer().0, other.answer().0), ("lost 0".to_owned(), "lost 0".to_owned()));
    assert_eq!(desktop.names(APP, "").len(), 32);
    assert!(one.ask(&["test"]).starts_with("Ready("));
}
