//! An account on another machine: each desktop is one.

use std::fs;

use pilotlight_tests::process::Process;
use pilotlight_tests::{Keystore, Person, PrivateDesktop, Server, leaks, wait};
use serde_json::Value;
use url::Url;

use crate::program::{command, run, run_with, signed_in, token};

/// Runs it with the vault's own keystore, and answers the code that it shows as a person would.
fn by_code(desktop: &PrivateDesktop, arguments: &[&str]) {
    let mut process = Process::start(&mut command(desktop, &[arguments, &["--json"]].concat()));
    let (_, said) = process.collect();
    let invitation = wait::until("the code", || said.lines().iter().find(|line| line.contains("user_code")).cloned());
    let invitation: Value = serde_json::from_str(&invitation).unwrap();
    let code = invitation["user_code"].as_str().unwrap().to_owned();
    let page = Url::parse(invitation["verification_uri"].as_str().unwrap()).unwrap();
    Person { code, ..Person::demo() }.visit(&page).expect("the pages of the sign-in");
    wait::until("the end of the sign-in", || process.has_ended().then_some(()));
}

#[test]
fn where_the_service_knows_codes_no_token_is_copied_and_each_machine_has_its_own_sign_in() {
    let server = Server::demo().start();
    server.administer(&["client", "add", "tv", "--device"]);
    let [here, there] = [(); 2].map(|()| PrivateDesktop::start(Keystore::Unlocked));
    let service = ["--issuer", server.issuer(), "--client-id", "tv", "--flow", "device"];
    by_code(&here, &[&["sign-in", "work"], &service[..]].concat());
    let file = here.folder().join("work.json");
    let ran = run(&here, &["export", "work", "--to", file.to_str().unwrap(), "--json"]);
    assert_eq!((ran.code, &ran.json()["moved"]), (0, &false.into()), "{}", ran.err);
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.contains(server.issuer()) && !text.contains("token"), "{text}");
    by_code(&there, &["import", file.to_str().unwrap(), "--name", "laptop"]);
    assert_eq!(run(&there, &["token", "laptop", "--refresh"]).code, 0);
    assert_eq!(run(&there, &["sign-out", "laptop", "--json"]).json()["revoked"], true);
    // What ends there goes on here.
    token(&here, &["--refresh"]);
}

#[test]
fn otherwise_the_sign_in_moves_sealed_and_is_of_use_on_one_machine_alone() {
    let server = Server::demo().start();
    let here = signed_in(&server);
    let there = PrivateDesktop::start(Keystore::Unlocked);
    let lent = token(&here, &[]);
    let file = here.folder().join("work.sealed");
    let file = file.to_str().unwrap();
    let export = ["export", "work", "--to", file, "--with-token", "--passphrase-stdin"];
    let ran = run_with(&here, &export, "correct horse\n");
    assert!(ran.code == 0 && ran.err.contains("signed in here no more"), "{}", ran.err);
    assert_eq!(run(&here, &["token", "work"]).code, 3);
    assert!(leaks::Secret::new(&lent).traces_below(here.folder()).is_empty(), "the token in plain");
    assert_eq!(run_with(&here, &export, "correct horse\n").code, 2, "it is there already");

    let import = ["import", file, "--passphrase-stdin", "--json"];
    let wrong = run_with(&there, &import, "wrong\n");
    assert_eq!((wrong.code, wrong.error().as_str()), (5, "wrong_passphrase"));
    let ran = run_with(&there, &import, "correct horse\n");
    assert_eq!((ran.code, &ran.json()["refreshes"]), (0, &1.into()), "{}", ran.err);
    assert!(!fs::exists(file).unwrap());
    assert_ne!(token(&there, &[]), lent, "the copy in the file was of no use from the first moment");
    token(&there, &["--refresh"]);
    assert_eq!(server.living_grants(), 1);
}
