//! 5, 10 and 22: real programs that are killed, and a real keystore that hangs.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use pilotlight_tests::process::{self, Process};
use pilotlight_tests::{Keystore, PrivateDesktop, Server, binaries, wait};

use super::service::{Service, Told};

/// `pilotlight ARGUMENTS`, with its output piped.
fn command(desktop: &PrivateDesktop, arguments: &[&str]) -> Command {
    let mut command = process::piped(desktop.command(binaries::built("pilotlight")));
    command.args(arguments);
    command
}

/// Its exit code, and what it prints on either side.
fn run(desktop: &PrivateDesktop, arguments: &[&str]) -> (Option<i32>, String) {
    let mut child = command(desktop, arguments).stdin(Stdio::piped()).spawn().unwrap();
    // A program that ends without reading closes the pipe, which is its right.
    let _ = child.stdin.take().unwrap().write_all(b"demo\n");
    let output = child.wait_with_output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(text).unwrap().trim_end().to_owned())
}

fn sign_in(desktop: &PrivateDesktop, service: &[&str]) {
    let who = ["sign-in", "work", "--username", "demo", "--password-stdin"];
    let (code, said) = run(desktop, &[&who, service].concat());
    assert_eq!(code, Some(0), "{said}");
}

fn sign_in_at(desktop: &PrivateDesktop, service: &Service) {
    let [login, refresh] = ["login", "refresh"].map(|path| format!("{}/{path}", service.origin));
    sign_in(desktop, &["--dialect", "plain-json", "--login-url", &login, "--refresh-url", &refresh]);
}

/// The tokens of one rotation.
fn pair(number: usize) -> String {
    format!(r#"{{"access_token":"access-{number}","refresh_token":"refresh-{number}","expires_in":3600}}"#)
}

#[test]
fn pain_05_a_process_killed_between_answer_and_save_has_lost_nothing() {
    let desktop = PrivateDesktop::start(Keystore::Unlocked);
    let vault = desktop.pilotlight_home().join("vault.db");
    let held: Arc<Mutex<Option<rusqlite::Connection>>> = Arc::default();
    let holder = Arc::clone(&held);
    let service = Service::answering(move |asked| {
        let mut held = holder.lock().unwrap();
        if asked.path == "/refresh" && held.is_none() {
            // The attempt is noted; from here on, and until the process is dead, nothing can be saved.
            let other = rusqlite::Connection::open(&vault).unwrap();
            other.execute_batch("BEGIN EXCLUSIVE").unwrap();
            *held = Some(other);
        }
        Told::Json(200, if asked.path == "/refresh" { pair(2) } else { pair(1) })
    });
    sign_in_at(&desktop, &service);
    let mut process = Process::start(&mut command(&desktop, &["token", "work", "--refresh"]));
    wait::until("the answer", || held.lock().unwrap().is_some().then_some(()));
    process.kill();
    held.lock().unwrap().as_ref().unwrap().execute_batch("ROLLBACK").unwrap();

    assert_eq!(run(&desktop, &["token", "work", "--refresh"]), (Some(0), "access-2".to_owned()));
    let asked = service.asked("/refresh");
    assert_eq!(asked.len(), 2);
    let key = |n: usize| asked[n].headers.get("idempotency-key").expect("a key").clone();
    // The same request, so a server that keeps P9 gives the same answer, and takes nothing for theft.
    assert_eq!((&asked[0].body, key(0)), (&asked[1].body, key(1)));
    assert!(asked[0].body.contains("refresh-1"), "{}", asked[0].body);
}

#[test]
fn pain_22_a_process_killed_while_it_holds_the_lock_blocks_nobody() {
    let desktop = PrivateDesktop::start(Keystore::Unlocked);
    let asked = Arc::new(Mutex::new(0));
    let service = Service::answering(move |request| {
        if request.path != "/refresh" {
            return Told::Json(200, pair(1));
        }
        let mut asked = asked.lock().unwrap();
        *asked += 1;
        if *asked == 1 { Told::Nothing } else { Told::Json(200, pair(2)) }
    });
    sign_in_at(&desktop, &service);
    let mut process = Process::start(&mut command(&desktop, &["token", "work", "--refresh"]));
    wait::until("the request", || (!service.asked("/refresh").is_empty()).then_some(()));
    process.kill();
    let left: Vec<_> = std::fs::read_dir(desktop.pilotlight_home().join("locks")).unwrap().collect();
    assert!(left.len() >= 2, "the lock files are still there: {left:?}");
    assert_eq!(run(&desktop, &["token", "work", "--refresh"]), (Some(0), "access-2".to_owned()));
}

#[test]
fn pain_10_a_keystore_that_hangs_is_told_within_a_deadline_and_works_again_when_it_does() {
    let server = Server::demo().start();
    let desktop = PrivateDesktop::start(Keystore::Unlocked);
    sign_in(&desktop, &["--issuer", server.issuer(), "--client-id", "pilotlight"]);
    let token = run(&desktop, &["token", "work"]);
    assert_eq!(token.0, Some(0), "{}", token.1);
    let keystore = process::descendants(std::process::id())
        .into_iter()
        .find(|id| process::program_of(*id).is_some_and(|file| file.to_string_lossy().contains("gnome-keyring")))
        .expect("the keystore's process");
    process::signal("STOP", keystore);
    let (code, said) = run(&desktop, &["token", "work", "--json"]);
    process::signal("CONT", keystore);
    assert_eq!(code, Some(6), "{said}");
    assert!(said.contains(r#""code":"keystore_timeout""#), "{said}");
    assert_eq!(run(&desktop, &["token", "work"]), token);
}
