//! The commands are one set, written in four places: the plugin's build script (for the ACL), its handler, its permission
//! sets, and the package by which windows call them.

use std::{collections::BTreeSet, fs};

use pilotlight_tests::binaries::repository;

fn text(file: &str) -> String {
    fs::read_to_string(repository().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// What stands between each `before` and the next character that no command's name has.
fn names_after(text: &str, before: &str) -> BTreeSet<String> {
    text.split(before)
        .skip(1)
        .map(|rest| rest.chars().take_while(|c| c.is_ascii_lowercase() || matches!(c, '_' | '-')).collect::<String>())
        .map(|name| name.replace('-', "_"))
        .collect()
}

#[test]
fn every_command_is_declared_handled_permitted_and_called_under_one_name() {
    let build = text("crates/plugin/build.rs");
    let declared = build.split_once("= &[").expect("a list").1.split_once("];").expect("its end").0;
    let declared: BTreeSet<String> = names_after(declared, "\"").into_iter().filter(|n| !n.is_empty()).collect();
    assert!(declared.contains("snapshot") && declared.len() >= 8, "{declared:?}");
    let library = text("crates/plugin/src/lib.rs");
    let handler = library.split_once("generate_handler![").expect("a list").1.split_once(']').expect("its end").0;
    assert_eq!(names_after(handler, "::"), declared);
    assert_eq!(names_after(&text("crates/plugin/permissions/sets.toml"), "\"allow-"), declared);
    let package = ["commands.ts", "fetch.ts"].map(|file| text(&format!("crates/plugin/guest-js/src/{file}"))).concat();
    assert_eq!(names_after(&package, "plugin:pilotlight|"), declared);
}

#[test]
fn the_main_window_is_given_the_sets_and_nothing_of_tauris_own_but_events() {
    let capability: serde_json::Value = serde_json::from_str(&text("src-tauri/capabilities/main.json")).unwrap();
    assert_eq!(capability["windows"], serde_json::json!(["main"]));
    let given: BTreeSet<&str> =
        capability["permissions"].as_array().unwrap().iter().map(|p| p.as_str().unwrap()).collect();
    let events = ["core:event:allow-listen", "core:event:allow-unlisten"];
    // The lab's commands know no grant: they make stores of their own.
    let sets = ["pilotlight:read", "pilotlight:sign-in", "pilotlight:manage", "pilotlight:settings", "lab:default"];
    // An answer goes to the program that asked.
    let sets = sets.into_iter().chain(["questions:default"]);
    assert_eq!(given, events.into_iter().chain(sets).collect());
}

#[test]
fn the_window_calls_the_labs_commands_and_tauri_knows_no_others() {
    let build = text("src-tauri/build.rs");
    let declared: BTreeSet<String> = build
        .split(".commands(&[")
        .nth(1)
        .and_then(|rest| rest.split(']').next())
        .map(|list| names_after(list, "\""))
        .unwrap();
    let declared: BTreeSet<String> = declared.into_iter().filter(|name| !name.is_empty()).collect();
    assert_eq!(names_after(&text("ui/src/api.ts"), "plugin:lab|"), declared);
    let handled = text("src-tauri/src/lab.rs");
    let handled = handled.split("generate_handler![").nth(1).and_then(|rest| rest.split(']').next()).unwrap();
    assert_eq!(handled.split(", ").map(str::to_owned).collect::<BTreeSet<_>>(), declared);
    assert!(
        !text("src-tauri/src/lab.rs").contains("Pilotlight"),
        "the lab's commands have a way to the person's grants"
    );
}

#[test]
fn the_window_answers_questions_and_can_do_nothing_else_with_them() {
    let build = text("src-tauri/build.rs");
    let declared = build.split(".commands(&[").nth(2).and_then(|rest| rest.split(']').next()).unwrap();
    let declared: BTreeSet<String> = names_after(declared, "\"").into_iter().filter(|name| !name.is_empty()).collect();
    assert_eq!(declared, ["answer", "list"].map(str::to_owned).into());
    assert_eq!(names_after(&text("ui/src/api.ts"), "plugin:questions|"), declared);
    let handled = text("src-tauri/src/lending.rs");
    let handled = handled.split("generate_handler![").nth(1).and_then(|rest| rest.split(']').next()).unwrap();
    assert_eq!(names_after(handled, "questions::"), declared);
    assert!(
        !text("src-tauri/src/questions.rs").contains("Pilotlight,"),
        "the answers have a way to the person's grants"
    );
}

#[test]
fn only_one_file_of_the_window_knows_tauri() {
    let sources = pilotlight_tests::leaks::files_below(&repository().join("ui/src"));
    // The package's types are for everybody; its functions reach the host.
    let reaches_the_host = |line: &str| {
        line.contains("@tauri-apps") || (line.contains("import {") && line.contains("tauri-plugin-pilotlight-api"))
    };
    let knowing: Vec<_> = sources
        .iter()
        .filter(|file| fs::read_to_string(file).is_ok_and(|text| text.lines().any(reaches_the_host)))
        .map(|file| file.file_name().unwrap().to_string_lossy().into_owned())
        .collect();
    assert_eq!(knowing, ["api.ts"]);
}

#[test]
fn every_error_code_of_the_core_has_its_words_in_both_languages() {
    let words = text("ui/src/text/en.ts") + &text("ui/src/text/zh.ts");
    let missing: Vec<&str> = pilotlight::ErrorCode::ALL
        .iter()
        .map(|code| code.as_str())
        // With the space before it: `locked` is also the end of `keystore_locked`.
        .filter(|code| words.matches(&format!(" {code}:")).count() != 2)
        .collect();
    assert!(missing.is_empty(), "without words in the window: {missing:?}");
}
