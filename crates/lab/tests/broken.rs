//! Each store that is broken on purpose falls to the attack that is meant for it, and the one that is not does not.
#![cfg(target_os = "linux")]

use std::time::Duration;

use pilotlight_lab::{CellReport, Plan, Subject, Verdict, attack, run};

/// One attack on the store with this flaw.
fn attacked(flaw: &str, name: &str) -> CellReport {
    let workbench = env!("CARGO_BIN_EXE_pilotlight-lab-workbench");
    let subject = Subject::Program { name: flaw.to_owned(), command: vec![workbench.to_owned(), flaw.to_owned()] };
    let mut plan = Plan::new(vec![subject], vec![attack(name).expect("an attack of this name")]);
    plan.program = Some(workbench.into());
    plan.budget = Duration::from_secs(2);
    run(&plan, |_| ()).expect("the lab runs").cells.remove(0)
}

/// The flaw is caught, with evidence that holds this word, and without the flaw nothing is.
fn is_caught(flaw: &str, name: &str, word: &str) {
    let fell = attacked(flaw, name);
    assert_eq!(fell.verdict, Verdict::Fell, "{fell:?}");
    assert!(fell.evidence.iter().any(|evidence| evidence.what.contains(word)), "{fell:?}");
    let sound = attacked("none", name);
    assert_eq!(sound.verdict, Verdict::Withstood, "{sound:?}");
}

#[test]
fn a_fixed_nonce_is_caught_by_waiting_for_the_same_ciphertext() {
    is_caught("fixed-nonce", "repeated-nonce", "the same 72 bytes");
}

#[test]
fn aad_that_was_left_out_is_caught_by_exchanging_records() {
    is_caught("no-aad", "swap-records", "another value");
}

#[test]
fn a_generation_outside_the_aad_is_caught_by_editing_numbers() {
    is_caught("no-aad", "edit-numbers", "generation 2 for what was generation 1");
}

#[test]
fn a_key_beside_the_data_is_caught_by_opening_a_copy_of_the_files() {
    is_caught("key-beside", "clone-files", "gave the token out");
}

#[test]
fn a_write_in_place_is_caught_by_killing_it_at_each_system_call() {
    is_caught("not-atomic", "kill-at-each-call", "killed at call");
}

#[test]
fn a_rename_without_a_sync_is_caught_by_watching_what_a_commit_syncs() {
    is_caught("not-synced", "unsynced-commit", "lost in a power cut");
}

#[test]
fn a_damaged_record_that_is_told_as_none_is_caught_by_flipping_bits() {
    is_caught("silent", "flip-bits", "no such record");
}

#[test]
fn a_generation_that_is_not_compared_is_caught_by_a_race() {
    is_caught("last-wins", "race", "had rotated generation");
}

#[test]
fn a_lock_that_any_closing_of_the_file_drops_is_caught_by_touching_the_files_within_the_process() {
    is_caught("record-lock", "files-touched-within", "told that");
}

#[test]
fn a_key_that_is_made_anew_is_caught_by_deleting_the_old_one() {
    is_caught("new-key", "key-deleted", "a new entry was made");
}

#[test]
fn an_error_that_tells_a_token_is_caught_by_reading_errors() {
    is_caught("talkative", "errors-and-logs", "the refresh token");
}

#[test]
fn files_that_are_open_to_others_are_caught_by_another_user_or_it_is_said_that_root_is_needed() {
    let cell = attacked("open", "other-user");
    match cell.verdict {
        Verdict::Fell => assert!(cell.evidence.iter().any(|evidence| evidence.what.contains("reads it")), "{cell:?}"),
        Verdict::Inconclusive { ref why } => assert!(why.contains("root"), "{cell:?}"),
        _ => panic!("{cell:?}"),
    }
}
