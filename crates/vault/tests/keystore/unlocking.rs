//! A keystore that waits for the person: prompts that are dismissed or not answered, and programs that wait with it.

use super::desktop::Desktop;
use super::driver::Driver;
use std::time::Duration;

const SHORT: Duration = Duration::from_secs(2);

#[test]
fn a_locked_keystore_is_told_at_once_and_nobody_is_asked_by_a_look() {
    let desktop = Desktop::locked();
    let (_prompter, prompts) = desktop.start_prompter(false);
    let mut driver = Driver::start(&desktop);
    for words in [&["look"][..], &["test"], &["quietly", "read", "a"], &["quietly", "write", "a", "b"]] {
        let (answer, took) = driver.ask_timed(words);
        assert!(["Locked", "Err(Locked)"].contains(&answer.as_str()), "{words:?}: {answer}");
        assert!(took < SHORT, "{words:?}: {took:?}");
    }
    assert!(prompts.try_recv().is_err());
}

#[test]
fn a_prompt_that_is_never_answered_keeps_a_call_no_longer_than_its_deadline() {
    let desktop = Desktop::unlocked();
    let path = desktop.folder().join("home/vault.db");
    let mut driver = Driver::start(&desktop);
    assert_eq!(driver.ask(&["vault", &path.display().to_string()]), "open");
    let before = std::fs::read(&path).unwrap();
    desktop.lock();
    let (_prompter, prompts) = desktop.start_prompter(false);

    let (answer, took) = driver.ask_timed(&["vault", &path.display().to_string()]);
    assert!(answer.contains("Locked"), "{answer}");
    assert!(took < Duration::from_secs(7), "{took:?}");
    prompts.recv().unwrap();
    let (answer, took) = driver.ask_timed(&["read", "a"]);
    assert_eq!(answer, "Err(Locked)");
    assert!(took < SHORT, "the prompt still stands, and holds no other call: {took:?}");
    assert_eq!(std::fs::read(&path).unwrap(), before);

    desktop.unlock();
    assert_eq!(driver.ask(&["vault", &path.display().to_string()]), "open");
    assert!(driver.ends_well());
    assert!(prompts.try_recv().is_err(), "one prompt in all");
}

#[test]
fn a_dismissed_prompt_is_an_answer_and_comes_back_only_at_the_persons_wish() {
    let desktop = Desktop::locked();
    let (_prompter, prompts) = desktop.start_prompter(true);
    let mut driver = Driver::start(&desktop);
    for _ in 0..4 {
        assert_eq!(driver.ask(&["read", "a"]), "Err(Locked)");
        assert_eq!(driver.ask(&["write", "a", "b"]), "Err(Locked)");
    }
    prompts.recv().unwrap();
    assert!(prompts.try_recv().is_err(), "asked once");
    assert_eq!(driver.ask(&["unlock", "60000"]), "Err(Locked)");
    prompts.recv().unwrap();
    desktop.unlock();
    assert_eq!(driver.ask(&["write", "a", "b"]), "Ok(())");
}

#[test]
fn an_unlocking_that_nobody_answers_ends_with_the_callers_patience() {
    let desktop = Desktop::locked();
    let (_prompter, prompts) = desktop.start_prompter(false);
    let mut driver = Driver::start(&desktop);
    let (answer, took) = driver.ask_timed(&["unlock", "300"]);
    assert_eq!(answer, "Err(Locked)");
    assert!(took < SHORT, "{took:?}");
    prompts.recv().unwrap();
}

#[test]
fn an_unlocking_ends_when_the_person_unlocks_elsewhere() {
    let desktop = Desktop::locked();
    let (_prompter, prompts) = desktop.start_prompter(false);
    let mut driver = Driver::start(&desktop);
    driver.tell(&["unlock", "60000"]);
    prompts.recv().unwrap();
    desktop.unlock();
    let (answer, took) = driver.answer();
    assert_eq!(answer, "Ok(())");
    assert!(took < Duration::from_secs(10), "{took:?}");
}

#[test]
fn a_program_started_before_the_keystore_is_unlocked_waits_and_goes_on() {
    let desktop = Desktop::locked();
    let (_prompter, prompts) = desktop.start_prompter(false);
    let mut driver = Driver::start(&desktop);
    driver.tell(&["await", "60000"]);
    desktop.unlock();
    assert_eq!(driver.answer().0, "Ok(())");
    assert_eq!(driver.ask(&["write", "a", "b"]), "Ok(())");
    assert!(prompts.try_recv().is_err(), "nobody was asked");

    desktop.lock();
    let (answer, took) = driver.ask_timed(&["await", "200"]);
    assert_eq!(answer, "Err(Locked)");
    assert!(took < SHORT, "{took:?}");
}

#[test]
fn a_keystore_that_ends_while_it_asks_ends_the_unlocking() {
    let mut desktop = Desktop::locked();
    let (_prompter, prompts) = desktop.start_prompter(false);
    let mut driver = Driver::start(&desktop);
    driver.tell(&["unlock", "60000"]);
    prompts.recv().unwrap();
    desktop.kill_keystore();
    let (answer, took) = driver.answer();
    assert!(answer.contains("Failed") || answer.contains("Absent"), "{answer}");
    assert!(took < Duration::from_secs(10), "{took:?}");
}
