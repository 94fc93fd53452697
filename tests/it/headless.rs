//! Machines without a screen: a code that is typed elsewhere, and a passphrase that systemd brings.

use pilotlight_tests::process::{Output, Process};
use pilotlight_tests::{Answer, Keystore, Person, PrivateDesktop, Server, wait};
use serde_json::Value;
use url::Url;

use crate::program::{command, run, run_to_end, run_with, token};

/// A server whose client `tv` may ask for device codes.
fn server() -> Server {
    let server = Server::demo().start();
    server.administer(&["client", "add", "tv", "--device"]);
    server
}

fn sign_in(desktop: &PrivateDesktop, server: &Server, more: &[&str]) -> (Process, Output, Output) {
    let arguments = ["sign-in", "work", "--issuer", server.issuer(), "--client-id", "tv"];
    let mut ssh = command(desktop, &[&arguments[..], more].concat());
    let mut process = Process::start(ssh.env("SSH_CONNECTION", "192.0.2.1 1 192.0.2.2 22").env("DISPLAY", ":0"));
    let (out, said) = process.collect();
    (process, out, said)
}

/// What stands behind `label` in a line.
fn behind(said: &Output, label: &str) -> String {
    wait::until(label, || {
        said.lines().iter().find_map(|line| line.split_once(label).map(|(_, rest)| rest.trim().to_owned()))
    })
}

#[test]
fn over_ssh_a_person_signs_in_by_typing_the_code_at_the_services_page() {
    let server = server();
    let desktop = PrivateDesktop::start(Keystore::Unlocked);
    let (mut process, _, said) = sign_in(&desktop, &server, &[]);
    let page = behind(&said, "in a browser on any device:");
    let code = behind(&said, "type this code there:");
    assert!(said.text().contains("This is a session over SSH, so you sign in with a code."), "{}", said.text());
    Person { code, ..Person::demo() }.visit(&Url::parse(&page).unwrap()).expect("the pages of the sign-in");
    wait::until("the end of the sign-in", || process.has_ended().then_some(()));
    assert!(said.text().contains("work is signed in as demo at "), "{}", said.text());
    let first = token(&desktop, &[]);
    assert_ne!(token(&desktop, &["--refresh"]), first, "and stays signed in");
}

#[test]
fn who_declines_the_code_signs_nobody_in() {
    let server = server();
    let desktop = PrivateDesktop::start(Keystore::Unlocked);
    let (mut process, out, said) = sign_in(&desktop, &server, &["--flow", "device", "--json"]);
    let invitation = wait::until("the code", || said.lines().iter().find(|line| line.contains("user_code")).cloned());
    let invitation: Value = serde_json::from_str(&invitation).unwrap();
    let (page, code) = (invitation["verification_uri"].as_str().unwrap(), invitation["user_code"].as_str().unwrap());
    let person = Person { code: code.to_owned(), answer: Answer::Deny, ..Person::demo() };
    person.visit(&Url::parse(page).unwrap()).expect("the pages of the sign-in");
    wait::until("the end of the sign-in", || process.has_ended().then_some(()));
    assert!(said.text().contains("sign_in_denied") && out.text().is_empty(), "{}", said.text());
    assert_eq!(run(&desktop, &["token", "work"]).code, 3);
}

#[test]
fn a_service_of_systemd_opens_the_vault_by_the_credential_it_is_given() {
    let server = Server::demo().start();
    let desktop = PrivateDesktop::start(Keystore::Absent);
    assert_eq!(run(&desktop, &["vault", "use", "encrypted-file"]).code, 0);
    let credentials = desktop.folder().join("credentials");
    std::fs::create_dir(&credentials).unwrap();
    std::fs::write(credentials.join("pilotlight-passphrase"), "correct horse\n").unwrap();
    let file = credentials.join("pilotlight-passphrase");
    let service = ["sign-in", "work", "--issuer", server.issuer(), "--client-id", "pilotlight", "--username", "demo"];
    let by_file = ["--passphrase-file", file.to_str().unwrap(), "--password-stdin"];
    assert_eq!(run_with(&desktop, &[&service[..], &by_file].concat(), "demo\n").code, 0);
    for arguments in [&["token", "work"][..], &["header", "work"]] {
        let mut of_service = command(&desktop, arguments);
        let ran = run_to_end(of_service.env("CREDENTIALS_DIRECTORY", &credentials), "");
        assert_eq!(ran.code, 0, "{}", ran.err);
    }
    let mut without = command(&desktop, &["token", "work"]);
    let ran = run_to_end(without.env("CREDENTIALS_DIRECTORY", desktop.folder()), "");
    assert_eq!(ran.code, 2, "no such credential: {}", ran.err);
}
