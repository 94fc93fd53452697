//! The command line against a real server and a real keystore: each outcome with its words and its exit code, and whatever
//! goes wrong loses nothing.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    os::unix::fs::symlink,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use pilotlight_tests::{Keystore, Person, PrivateDesktop, Server, binaries, process::Process, wait};

use super::program::{Ran, command, run, run_with, sign_in, signed_in, token};
use serde_json::Value;

/// A home-made service, whose answer to each path the test decides: a content type and a body.
struct HomeMade {
    origin: String,
}

impl HomeMade {
    fn answering(mut answer: impl FnMut(&str) -> (&'static str, String) + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        thread::spawn(move || listener.incoming().for_each(|stream| serve(&stream.unwrap(), &mut answer)));
        Self { origin }
    }

    fn sign_in(&self, desktop: &PrivateDesktop) -> Ran {
        let (login, refresh) = (format!("{}/login", self.origin), format!("{}/refresh", self.origin));
        let service = ["--dialect", "plain-json", "--login-url", &login, "--refresh-url", &refresh];
        run_with(
            desktop,
            &[&["sign-in", "work", "--username", "demo", "--password-stdin"][..], &service].concat(),
            "pw",
        )
    }
}

fn serve(stream: &TcpStream, answer: &mut impl FnMut(&str) -> (&'static str, String)) {
    let mut reader = BufReader::new(stream);
    let (mut path, mut length) = (String::new(), 0);
    for line in reader.by_ref().lines() {
        let line = line.unwrap().to_ascii_lowercase();
        match line.split_once([' ', ':']) {
            Some(("post", rest)) => rest.split(' ').next().unwrap().clone_into(&mut path),
            Some(("content-length", value)) => length = value.trim().parse().unwrap(),
            Some(_) => {}
            None => break,
        }
    }
    reader.read_exact(&mut vec![0; length]).unwrap();
    let (kind, body) = answer(&path);
    let head =
        format!("HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close", body.len());
    write!(&mut &*stream, "{head}\r\n\r\n{body}").unwrap();
}

fn pair(number: usize) -> (&'static str, String) {
    let body = format!(r#"{{"access_token":"access-{number}","refresh_token":"refresh-{number}","expires_in":3600}}"#);
    ("application/json", body)
}

#[test]
fn an_account_goes_through_its_whole_life() {
    let server = Server::demo().start();
    let desktop = signed_in(&server);
    let first = token(&desktop, &[]);
    assert_eq!(token(&desktop, &["--min-ttl", "60"]), first, "it lives long enough");
    let second = token(&desktop, &["--refresh"]);
    assert_ne!(second, first);
    wait::until("the rotation in the server's log", || (server.rotations() == 1).then_some(()));

    let lent = run(&desktop, &["token", "work", "--json"]).json();
    assert_eq!([&lent["access_token"], &lent["token_type"]], [second.as_str(), "Bearer"]);
    assert!(lent["expires_in"].as_u64().is_some_and(|seconds| seconds > 60), "{lent}");
    assert!(lent["expires_at"].as_str().is_some_and(|at| at.ends_with('Z')), "{lent}");

    let status = run(&desktop, &["status", "--json"]).json();
    assert_eq!((&status["vault"]["state"], &status["damaged"]), (&"ready".into(), &serde_json::json!([])));
    let account = &status["accounts"][0];
    assert_eq!(
        (&account["name"], &account["refreshes"], &account["reason"]),
        (&"work".into(), &1.into(), &Value::Null)
    );
    assert_eq!(account["service"].as_str().unwrap().trim_end_matches('/'), server.issuer().trim_end_matches('/'));
    let kinds: Vec<_> = run(&desktop, &["events", "work", "--json"]).json().as_array().unwrap().clone();
    assert_eq!(
        kinds.iter().map(|event| event["kind"].as_str().unwrap()).collect::<Vec<_>>(),
        ["refreshed", "signed-in"]
    );

    let out = run(&desktop, &["sign-out", "work", "--json"]);
    assert_eq!((out.code, &out.json()["revoked"], &out.json()["service"]), (0, &true.into(), &"revoked".into()));
    let gone = run(&desktop, &["token", "work", "--json"]);
    assert_eq!((gone.code, gone.error().as_str()), (3, "no_such_account"));
}

#[test]
fn people_read_tables_and_sentences() {
    let server = Server::demo().start();
    let desktop = PrivateDesktop::start(Keystore::Unlocked);
    let nobody = run(&desktop, &["status"]);
    assert_eq!((nobody.code, nobody.out.as_str()), (0, ""));
    assert!(nobody.err.contains("Begin with: pilotlight sign-in"), "{}", nobody.err);

    let arguments = ["sign-in", "work", "--issuer", server.issuer(), "--client-id", "pilotlight"];
    let ran = run_with(&desktop, &[&arguments[..], &["--username", "demo", "--password-stdin"]].concat(), "demo");
    assert_eq!((ran.code, ran.out.as_str()), (0, ""), "{}", ran.err);
    assert!(ran.err.starts_with("work is signed in as ") && ran.err.contains(server.issuer()), "{}", ran.err);

    let accounts = run(&desktop, &["accounts"]).out;
    assert!(accounts.starts_with("NAME  STATE      PERSON") && accounts.contains("\nwork  signed in  "), "{accounts}");
    let status = run(&desktop, &["status", "work"]).out;
    assert!(status.contains("\n  access token  expires in ") && status.contains("\n  signed in     "), "{status}");
    assert!(run(&desktop, &["events"]).out.contains("  work  signed-in  Signed in as "));
    let out = run(&desktop, &["sign-out", "work", "--local-only"]);
    assert_eq!((out.code, out.out.as_str()), (0, ""));
    assert!(out.err.contains("here only"), "{}", out.err);
}

/// `$BROWSER` for the program: a command line split at spaces, so the program is reached by a link whose path has none.
fn browser(desktop: &PrivateDesktop, answer: &str) -> String {
    let link = desktop.folder().join("person");
    symlink(binaries::built("pilotlight-person"), &link).unwrap();
    format!("{} {} demo demo {answer}", link.display(), desktop.folder().join("visit").display())
}

#[test]
fn a_person_signs_in_with_the_browser() {
    let server = Server::demo().start();
    let desktop = PrivateDesktop::start(Keystore::Unlocked);
    let arguments = ["sign-in", "work", "--issuer", server.issuer(), "--client-id", "pilotlight"];
    let output = command(&desktop, &arguments).env("BROWSER", browser(&desktop, "allow")).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), output.stdout), (Some(0), vec![]), "{said}");
    assert!(said.contains("if nothing opens, open this address:\nhttp://127.0.0.1:"), "{said}");
    assert!(token(&desktop, &[]).len() > 20);
}

#[test]
fn a_declined_sign_in_says_so() {
    let server = Server::demo().start();
    let desktop = PrivateDesktop::start(Keystore::Unlocked);
    let arguments = ["sign-in", "work", "--issuer", server.issuer(), "--client-id", "pilotlight", "--json"];
    let output = command(&desktop, &arguments).env("BROWSER", browser(&desktop, "deny")).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains(r#""code":"sign_in_denied""#), "{said}");
}

#[test]
fn where_no_browser_opens_the_printed_address_serves() {
    let server = Server::demo().start();
    let desktop = PrivateDesktop::start(Keystore::Unlocked);
    let client = ["--client-id", "pilotlight", "--flow", "browser"];
    let mut command = command(&desktop, &[&["sign-in", "work", "--issuer", server.issuer()], &client[..]].concat());
    // No browser is on this path, and no program that looks for one.
    command.env("BROWSER", "").env("PATH", desktop.folder());
    let mut program = Process::start(&mut command);
    let (_, said) = program.collect();
    let address = wait::until("the address", || said.lines().into_iter().find(|line| line.starts_with("http")));
    wait::until("the excuse", || said.text().contains("Open the address above").then_some(()));
    let visit = Person::demo().visit(&address.parse().unwrap()).unwrap();
    assert!(visit.came_back, "{:?}", visit.pages);
    wait::until("the end of the sign-in", || program.has_ended().then_some(()));
    assert!(token(&desktop, &[]).len() > 20, "{}", said.text());
}

#[test]
fn a_wrong_password_is_told_and_keeps_nothing() {
    let server = Server::demo().start();
    let desktop = PrivateDesktop::start(Keystore::Unlocked);
    let ran = sign_in(&desktop, &server, "swordfish");
    assert_eq!((ran.code, ran.error().as_str()), (3, "wrong_credentials"));
    assert!(!ran.err.contains("swordfish"), "{}", ran.err);
    assert_eq!(run(&desktop, &["accounts", "--json"]).json(), serde_json::json!([]));
    assert_eq!(sign_in(&desktop, &server, "demo").code, 0);
    let again = sign_in(&desktop, &server, "demo");
    assert_eq!((again.code, again.error().as_str()), (2, "name_taken"));
}

#[test]
fn a_server_that_is_down_signs_nobody_out() {
    let mut server = Server::demo().start();
    let desktop = signed_in(&server);
    let first = token(&desktop, &[]);
    server.stop();
    let ran = run(&desktop, &["token", "work", "--refresh", "--json"]);
    assert_eq!((ran.code, ran.error().as_str()), (4, "offline"));
    assert_eq!(token(&desktop, &[]), first, "what is left of the token is still lent");
    assert_eq!(run(&desktop, &["status", "work"]).code, 0);
    server.resume();
    assert_ne!(token(&desktop, &["--refresh"]), first);
    server.stop();
    let out = run(&desktop, &["sign-out", "work", "--json"]);
    assert_eq!((out.code, &out.json()["revoked"], &out.json()["service"]), (0, &false.into(), &"not-told".into()));
    assert_eq!(run(&desktop, &["accounts", "--json"]).json(), serde_json::json!([]));
}

#[test]
fn an_ended_grant_is_told_with_its_reason() {
    let server = Server::demo().start();
    let desktop = signed_in(&server);
    server.revoke_person("demo");
    let ran = run(&desktop, &["token", "work", "--refresh", "--json"]);
    assert_eq!((ran.code, ran.error().as_str()), (3, "grant_refused"));
    let status = run(&desktop, &["status", "work", "--json"]);
    let account = status.json()["accounts"][0].clone();
    assert_eq!((status.code, &account["state"], &account["reason"]), (3, &"ended".into(), &"grant_refused".into()));
    assert_eq!(run(&desktop, &["status", "--json"]).code, 0, "the question was about all accounts");
    assert_eq!(sign_in(&desktop, &server, "demo").code, 0, "an ended account makes room for its successor");
}

#[test]
fn an_account_is_explained_however_it_is_and_after_it_is_gone() {
    let server = Server::demo().start();
    let desktop = signed_in(&server);
    let explain = |name| run(&desktop, &["explain", name, "--json"]);
    let fine = explain("work");
    let json = fine.json();
    assert_eq!((fine.code, &json["hint"], &json["timeline"][0]["kind"]), (0, &Value::Null, &"signed-in".into()));
    assert!(json["until"].as_str().is_some_and(|at| at.ends_with('Z')), "{json}");

    server.revoke_person("demo");
    assert_eq!(run(&desktop, &["token", "work", "--refresh"]).code, 3);
    let ended = explain("work");
    assert_eq!((ended.code, &ended.json()["until"]), (0, &Value::Null), "an explanation is no failure");
    assert!(ended.json()["hint"].as_str().is_some_and(|hint| hint.starts_with("Sign in again.")), "{}", ended.out);
    let text = run(&desktop, &["explain", "work"]).out;
    assert!(text.contains("\n  since      ") && text.contains("  signed-in  Signed in as "), "{text}");

    assert_eq!(run(&desktop, &["sign-out", "work"]).code, 0);
    let gone = explain("work");
    assert_eq!(gone.code, 0, "{}", gone.err);
    assert!(gone.json()["sentence"].as_str().is_some_and(|told| told.contains("no account called")), "{}", gone.out);
    let unheard_of = explain("nobody");
    assert_eq!((unheard_of.code, unheard_of.error().as_str()), (3, "no_such_account"));
}

#[test]
fn a_changed_journal_is_noticed() {
    let server = Server::demo().start();
    let desktop = signed_in(&server);
    token(&desktop, &["--refresh"]);
    let whole = run(&desktop, &["events", "--verify"]);
    assert_eq!((whole.code, whole.err.as_str()), (0, ""));
    assert!(whole.out.starts_with("The journal is whole"), "{}", whole.out);
    let journal = desktop.pilotlight_home().join("journal.jsonl");
    let text = fs::read_to_string(&journal).unwrap();
    fs::write(&journal, text.replacen("Signed in as", "Signed in to", 1)).unwrap();
    let changed = run(&desktop, &["events", "--verify", "--json"]);
    assert_eq!((changed.code, changed.json()), (5, serde_json::json!({ "whole": false, "broken_at": 2 })));
}

#[test]
fn a_clock_that_is_wrong_is_told_of_beside_the_result() {
    // The pair's content type brings another line of the head along.
    let service = HomeMade::answering(|_| ("application/json\r\nDate: Thu, 01 Jan 2099 00:00:00 GMT", pair(1).1));
    let desktop = PrivateDesktop::start(Keystore::Unlocked);
    let ran = service.sign_in(&desktop);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(ran.err.contains("the clock of this computer is ") && ran.err.contains(" days slow by "), "{}", ran.err);
}

#[test]
fn a_page_instead_of_tokens_signs_nobody_out() {
    let portal = Arc::new(Mutex::new(false));
    let switch = Arc::clone(&portal);
    let mut number = 0;
    let service = HomeMade::answering(move |_| {
        number += 1;
        if *portal.lock().unwrap() { ("text/html", "<h1>Welcome to the hotel</h1>".into()) } else { pair(number) }
    });
    let desktop = PrivateDesktop::start(Keystore::Unlocked);
    let ran = service.sign_in(&desktop);
    assert_eq!(ran.code, 0, "{}", ran.err);
    *switch.lock().unwrap() = true;
    let ran = run(&desktop, &["token", "work", "--refresh", "--json"]);
    assert_eq!((ran.code, ran.error().as_str()), (7, "server_misbehaved"));
    assert_eq!(token(&desktop, &[]), "access-1");
    *switch.lock().unwrap() = false;
    assert_eq!(token(&desktop, &["--refresh"]), "access-3");
}

#[test]
fn without_a_keystore_nothing_is_written_and_nobody_is_asked_for_tokens() {
    let server = Server::demo().start();
    for (keystore, code) in [(Keystore::Absent, "keystore_absent"), (Keystore::NoBus, "keystore_absent")] {
        let desktop = PrivateDesktop::start(keystore);
        let ran = sign_in(&desktop, &server, "demo");
        assert_eq!((ran.code, ran.error().as_str()), (6, code));
        assert!(!desktop.pilotlight_home().join("vault.db").exists());
    }
}

#[test]
fn a_locked_keystore_is_waited_for_not_replaced() {
    let server = Server::demo().start();
    let desktop = signed_in(&server);
    let first = token(&desktop, &[]);
    desktop.lock_keystore();
    for arguments in [["token", "work", "--json"], ["status", "work", "--json"]] {
        let ran = run(&desktop, &arguments);
        assert_eq!((ran.code, ran.error().as_str()), (6, "keystore_locked"));
    }
    let ran = run(&desktop, &["start-over", "--yes", "--json"]);
    assert_eq!(
        (ran.code, ran.error().as_str()),
        (6, "keystore_locked"),
        "a vault that may open later is not set aside"
    );
    desktop.unlock_keystore();
    assert_eq!(token(&desktop, &[]), first);
}

#[test]
fn a_damaged_vault_is_told_and_set_aside_only_on_the_persons_word() {
    let server = Server::demo().start();
    let desktop = signed_in(&server);
    let vault = desktop.pilotlight_home().join("vault.db");
    let whole = fs::read(&vault).unwrap();
    let damaged = [&b"not a database at all"[..], &whole[21..]].concat();
    fs::write(&vault, &damaged).unwrap();
    for arguments in [&["token", "work", "--json"][..], &["accounts", "--json"], &["sign-out", "work", "--json"]] {
        let ran = run(&desktop, arguments);
        assert_eq!((ran.code, ran.error().as_str()), (5, "vault_damaged"), "{arguments:?}");
    }
    let unasked = run(&desktop, &["start-over", "--json"]);
    assert_eq!((unasked.code, unasked.error().as_str()), (2, "bad_input"));
    assert_eq!(fs::read(&vault).unwrap(), damaged, "nothing touches it unasked");

    let ran = run(&desktop, &["start-over", "--yes", "--json"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let aside = ran.json()["set_aside"].as_str().unwrap().to_owned();
    assert_eq!(fs::read(aside).unwrap(), damaged);
    assert_eq!(sign_in(&desktop, &server, "demo").code, 0);
}

#[test]
fn tokens_that_cannot_be_saved_keep_the_program_running() {
    let desktop = PrivateDesktop::start(Keystore::Unlocked);
    let (vault, asked) = (desktop.pilotlight_home().join("vault.db"), Arc::new(AtomicUsize::new(0)));
    let held: Arc<Mutex<Option<rusqlite::Connection>>> = Arc::default();
    let (count, holder) = (Arc::clone(&asked), Arc::clone(&held));
    let service = HomeMade::answering(move |path| {
        if path == "/refresh" {
            // The attempt is noted and the answer is on its way: from here on the vault cannot be written.
            let other = rusqlite::Connection::open(&vault).unwrap();
            other.execute_batch("BEGIN EXCLUSIVE").unwrap();
            *holder.lock().unwrap() = Some(other);
        }
        pair(count.fetch_add(1, Ordering::SeqCst) + 1)
    });
    assert_eq!(service.sign_in(&desktop).code, 0);
    let mut program = Process::start(&mut command(&desktop, &["token", "work", "--refresh"]));
    let (out, said) = program.collect();
    wait::until("the warning", || said.text().contains("kept in memory and saved as soon as").then_some(()));
    assert!(said.text().starts_with("error: ") && !program.has_ended() && out.text().is_empty(), "{}", said.text());
    *held.lock().unwrap() = None;
    wait::until("the end of the program", || program.has_ended().then_some(()));
    assert!(said.text().contains("They are saved now."), "{}", said.text());
    assert_eq!((token(&desktop, &[]).as_str(), asked.load(Ordering::SeqCst)), ("access-2", 2));
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let desktop = PrivateDesktop::start(Keystore::NoBus);
    let mut child = command(&desktop, &["completions", "bash"]).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stderr), (Some(0), vec![]));
}

/// What the loader brings in costs every `pilotlight token` its time (docs/decisions/0142).
#[test]
fn a_start_loads_no_unwinder() {
    let desktop = PrivateDesktop::start(Keystore::NoBus);
    let output = command(&desktop, &["version"]).env("LD_TRACE_LOADED_OBJECTS", "1").output().unwrap();
    let loaded = String::from_utf8(output.stdout).unwrap();
    assert!(loaded.contains("libc.so.6") && !loaded.contains("libgcc_s"), "{loaded}");
}
