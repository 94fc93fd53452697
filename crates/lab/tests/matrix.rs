//! A part of the real matrix, quick enough for every build.
#![cfg(target_os = "linux")]

use std::sync::atomic::Ordering;
use std::time::Duration;

use pilotlight_lab::{Attack, Event, Plan, Report, Subject, Verdict, attack, attacks, run};

fn plan(strategies: &[&str], attacks: Vec<&'static Attack>) -> Plan {
    let subjects = strategies.iter().map(|name| Subject::Strategy((*name).to_owned())).collect();
    let mut plan = Plan::new(subjects, attacks);
    plan.program = Some(env!("CARGO_BIN_EXE_pilotlight-lab-workbench").into());
    plan.budget = Duration::from_millis(100);
    plan
}

fn matrix(strategies: &[&str]) -> Report {
    run(&plan(strategies, attacks().iter().filter(|attack| attack.quick).collect()), |_| ()).expect("the lab runs")
}

/// Attacks that find by chance or in time: in moments they may find less than in a long run.
const BY_CHANCE: [&str; 6] =
    ["flip-bits", "cut-files", "kill-during-commit", "race", "files-touched-within", "damage-log"];

/// The verdicts are those in docs/storage.md, which a full run made.
#[track_caller]
fn the_docs_say_the_same(report: &Report) {
    let docs = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/storage.md");
    let docs = std::fs::read_to_string(docs).expect("the document with the table");
    for cell in report.cells.iter().filter(|cell| !BY_CHANCE.contains(&cell.attack.as_str())) {
        let now = match cell.verdict {
            Verdict::Withstood => '✓',
            Verdict::FellAsExpected { .. } => '!',
            Verdict::NotApplicable { .. } => '–',
            // Said aloud in the report; a machine that cannot try it proves nothing.
            Verdict::Fell | Verdict::Inconclusive { .. } => continue,
        };
        let then = Report::sign_in(&docs, &cell.strategy, &cell.attack);
        assert!(then == Some(now) || then == Some('?'), "docs/storage.md says {then:?} of this: {cell:#?}");
    }
}

#[track_caller]
fn nothing_fell_that_should_not(report: &Report) {
    let faults: Vec<_> = report.faults().collect();
    assert!(faults.is_empty(), "{faults:#?}");
    the_docs_say_the_same(report);
}

#[test]
fn the_default_strategy_withstands_everything_but_the_honest_limits() {
    let report = matrix(&["sqlite-aead"]);
    nothing_fell_that_should_not(&report);
    for name in ["read-files", "flip-bits", "restore-files", "kill-during-commit", "race", "key-deleted"] {
        assert_eq!(report.cell("sqlite-aead", name).unwrap().verdict, Verdict::Withstood, "{name}");
    }
    // What nobody can withstand is shown, not hidden.
    for name in ["ask-keystore", "two-clones", "clone-files-and-keystore"] {
        assert_eq!(report.cell("sqlite-aead", name).unwrap().verdict.word(), "fell-as-expected", "{name}");
    }
}

#[test]
fn the_plain_strategies_visibly_fall() {
    let report = matrix(&["plain-file", "plain-sqlite"]);
    nothing_fell_that_should_not(&report);
    for strategy in ["plain-file", "plain-sqlite"] {
        for name in ["read-files", "clone-files", "restore-files"] {
            let cell = report.cell(strategy, name).unwrap();
            assert_eq!(cell.verdict.word(), "fell-as-expected", "{cell:?}");
            assert!(!cell.evidence.is_empty());
        }
    }
    let read = &report.cell("plain-sqlite", "read-files").unwrap().evidence[0];
    assert!(read.file == "vault-plain.db" && read.offset.is_some(), "{read:?}");
}

#[test]
fn the_other_strategies_fall_nowhere_where_they_should_not() {
    nothing_fell_that_should_not(&matrix(&["memory", "keystore-only", "encrypted-prefs"]));
}

#[test]
fn a_digest_without_a_key_hinders_nobody_who_computes_it_anew() {
    let report = matrix(&["plain-file"]);
    for name in ["edit-numbers", "remove-records", "redirect-tokens"] {
        let cell = report.cell("plain-file", name).unwrap();
        assert_eq!(cell.verdict.word(), "fell-as-expected", "{cell:?}");
    }
}

#[test]
fn a_real_keystore_that_restarts_costs_nothing_and_answers_strangers_or_it_is_said_what_is_missing() {
    let attacks = ["bus-restarts", "bus-asked"].map(|name| attack(name).unwrap());
    let report = run(&plan(&["sqlite-aead"], attacks.to_vec()), |_| ()).expect("the lab runs");
    for (name, word) in [("bus-restarts", "withstood"), ("bus-asked", "fell-as-expected")] {
        let cell = report.cell("sqlite-aead", name).unwrap();
        let missing = matches!(&cell.verdict, Verdict::Inconclusive { why } if why.contains("is not installed"));
        assert!(missing || cell.verdict.word() == word, "{cell:?}");
    }
}

#[test]
fn columns_of_another_run_take_the_place_of_those_of_the_same_strategy_and_are_told_apart() {
    let of = |strategies: &[&str]| run(&plan(strategies, vec![attack("read-files").unwrap()]), |_| ()).unwrap();
    let (mut report, mut other) = (of(&["memory", "plain-file"]), of(&["plain-file"]));
    other.cells[0].verdict = Verdict::NotApplicable { why: "another build".to_owned() };
    report.take_columns_of(other);
    assert_eq!(report.strategies(), ["memory", "plain-file"]);
    assert_eq!(report.cell("plain-file", "read-files").unwrap().verdict.word(), "not-applicable");
    assert_eq!(report.cell("memory", "read-files").unwrap().verdict.word(), "withstood");
    assert!(report.html().contains("plain-file in a run of its own: Pilotlight"));
}

#[test]
fn a_run_that_was_stopped_goes_on_where_it_ended() {
    let folder = tempfile::tempdir().unwrap();
    let mut plan = plan(&["memory", "plain-file"], vec![attack("read-files").unwrap(), attack("another-app").unwrap()]);
    plan.state = Some(folder.path().join("state.jsonl"));
    let stop = std::sync::Arc::clone(&plan.stop);
    let first =
        run(&plan, |event| stop.store(matches!(event, Event::Ended { done: 2, .. }), Ordering::Relaxed)).unwrap();
    assert!(first.stopped);
    assert_eq!(first.cells.len(), 2);
    plan.stop.store(false, Ordering::Relaxed);
    let mut began = vec![];
    let second = run(&plan, |event| {
        if let Event::Began { strategy, attack, .. } = event {
            began.push((strategy, attack));
        }
    })
    .unwrap();
    assert!(!second.stopped);
    assert_eq!(second.cells.len(), 4);
    assert_eq!(second.cells[..2], first.cells[..]);
    assert_eq!(began.len(), 2, "{began:?}");
}

#[test]
fn a_program_that_cannot_be_started_is_inconclusive_and_ends_nothing_else() {
    let mut plan = plan(&[], vec![attack("read-files").unwrap()]);
    plan.subjects = vec![Subject::Program { name: "absent".to_owned(), command: vec!["/not/there".to_owned()] }];
    let report = run(&plan, |_| ()).unwrap();
    assert_eq!(report.cells[0].verdict.word(), "inconclusive");
    let json = serde_json::to_string(&report).unwrap();
    assert_eq!(serde_json::from_str::<Report>(&json).unwrap(), report);
}
