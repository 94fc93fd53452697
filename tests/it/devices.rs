//! One person on several computers, at the real server: who is signed in where, and signing out there.

use pilotlight_tests::{Keystore, PrivateDesktop, Server};

use super::program::{Ran, run, run_with, signed_in};

/// A person's computer, signed in as `work` with the right to see devices.
fn computer(server: &Server, name: &str, password: &str) -> PrivateDesktop {
    let desktop = PrivateDesktop::start(Keystore::Unlocked);
    let who = ["sign-in", "work", "--issuer", server.issuer(), "--client-id", "pilotlight", "--username", name];
    let how = ["--password-stdin", "--scope", "openid", "--scope", "offline_access", "--scope", "devices"];
    let ran = run_with(&desktop, &[&who[..], &how].concat(), password);
    assert_eq!(ran.code, 0, "{}", ran.err);
    desktop
}

fn devices(desktop: &PrivateDesktop, more: &[&str]) -> Ran {
    run(desktop, &[&["devices", "work", "--json"], more].concat())
}

/// The id of the one sign-in that is this computer's, or of the one that is not.
fn id(desktop: &PrivateDesktop, this: bool) -> String {
    let json = devices(desktop, &[]).json();
    let mut found = json.as_array().unwrap().iter().filter(|device| device["this"] == this);
    let id = found.next().expect("a device")["id"].as_str().unwrap().to_owned();
    assert!(found.next().is_none(), "{json}");
    id
}

fn refresh(desktop: &PrivateDesktop) -> Ran {
    run(desktop, &["token", "work", "--refresh", "--json"])
}

#[test]
fn a_person_sees_their_sign_ins_and_signs_out_on_another_computer() {
    let server = Server::demo().start();
    server.add_person("ada", "correct horse");
    let (desk, laptop) = (computer(&server, "demo", "demo"), computer(&server, "demo", "demo"));
    let hers = computer(&server, "ada", "correct horse");
    assert_eq!(devices(&hers, &[]).json().as_array().unwrap().len(), 1, "nobody else's are told");

    let other = id(&desk, false);
    assert_eq!(other, id(&laptop, true));
    let own = devices(&desk, &["--end", &id(&desk, true)]);
    assert_eq!((own.code, own.error()), (2, "bad_input".to_owned()), "this one is ended by sign-out");
    let foreign = devices(&desk, &["--end", &id(&hers, true)]);
    assert_eq!((foreign.code, foreign.error()), (2, "bad_input".to_owned()));

    let ended = devices(&desk, &["--end", &other]);
    assert_eq!((ended.code, &ended.json()["ended"]), (0, &1.into()), "{}", ended.err);
    let gone = refresh(&laptop);
    assert_eq!((gone.code, gone.error()), (3, "grant_refused".to_owned()));
    assert_eq!((refresh(&desk).code, refresh(&hers).code), (0, 0), "and nobody else is signed out");
    assert_eq!(devices(&desk, &[]).json().as_array().unwrap().len(), 1);
    let told = run(&desk, &["events", "work", "--json"]).json();
    assert!(told.as_array().unwrap().iter().any(|event| event["kind"] == "devices-ended"), "{told}");
}

#[test]
fn all_other_computers_are_signed_out_at_once() {
    let server = Server::demo().start();
    let all: Vec<_> = (0..3).map(|_| computer(&server, "demo", "demo")).collect();
    let ended = devices(&all[0], &["--end-others"]);
    assert_eq!((ended.code, &ended.json()["ended"]), (0, &2.into()), "{}", ended.err);
    assert_eq!(all.iter().map(|one| refresh(one).code).collect::<Vec<_>>(), [0, 3, 3]);
    let text = run(&all[0], &["devices", "work"]);
    assert!(text.out.contains("this one") && text.out.lines().count() == 2, "{}", text.out);
}

#[test]
fn a_sign_in_that_did_not_ask_for_it_sees_no_devices_and_stays_signed_in() {
    let server = Server::demo().start();
    let desktop = signed_in(&server);
    for more in [&[][..], &["--end-others"], &["--end", "77a1"]] {
        let ran = devices(&desktop, more);
        assert_eq!((ran.code, ran.error()), (2, "scope_missing".to_owned()), "{more:?}");
    }
    assert_eq!(refresh(&desktop).code, 0);
}
