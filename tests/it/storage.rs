//! Every strategy in the real program, and moves between them, killed at any instant.

use std::process::Stdio;
use std::time::Duration;

use pilotlight_tests::{Keystore, PrivateDesktop, Server};
use pilotlight_vault::testing::{RedisServer, Swtpm};
use serde_json::json;

use super::program::{Ran, command, run, run_to_end, run_with, sign_in, signed_in};

/// Strategies and what they keep in the home, in an order in which each is left and entered once.
const CIRCLE: [(&str, Option<&str>); 8] = [
    ("plain-file", Some("vault.json")),
    ("encrypted-file", Some("vault.pl1")),
    ("keystore-only", Some("vault.keystore")),
    ("plain-sqlite", Some("vault-plain.db")),
    ("encrypted-prefs", None),
    ("hardware", Some("vault-tpm.db")),
    ("redis", None),
    ("sqlite-aead", Some("vault.db")),
];

/// A desktop with a TPM and a Redis beside it.
struct Bench {
    desktop: PrivateDesktop,
    tpm: Swtpm,
    redis: RedisServer,
}

impl Bench {
    fn signed_in(server: &Server) -> Self {
        Self { desktop: signed_in(server), tpm: Swtpm::start(), redis: RedisServer::start() }
    }

    /// Runs the program, with the vault's passphrase in a file.
    fn run(&self, arguments: &[&str], input: &str) -> Ran {
        let passphrase = self.desktop.folder().join("passphrase");
        std::fs::write(&passphrase, "correct horse\n").unwrap();
        let mut command = command(&self.desktop, &["--passphrase-file", passphrase.to_str().unwrap()]);
        command.args(arguments).env("PILOTLIGHT_TPM", self.tpm.path()).env("PILOTLIGHT_REDIS_URL", self.redis.url());
        run_to_end(&mut command, input)
    }
}

/// An access token straight from the service, or the failure as text.
fn refresh(desktop: &PrivateDesktop) -> Result<(), String> {
    let ran = run(desktop, &["token", "work", "--refresh"]);
    if ran.code == 0 { Ok(()) } else { Err(ran.err) }
}

fn reuses(server: &Server) -> usize {
    server.refreshes().iter().filter(|outcome| outcome.contains("reuse")).count()
}

#[test]
fn grants_move_once_round_all_strategies_and_nothing_stays_behind() {
    let server = Server::demo().start();
    let bench = Bench::signed_in(&server);
    let home = bench.desktop.pilotlight_home();
    for (to, file) in CIRCLE {
        let before = server.rotations();
        let moved =
            bench.run(&["vault", "migrate", "--to", to, "--yes", "--passphrase-stdin", "--json"], "correct horse\n");
        assert_eq!(moved.code, 0, "{to}: {}", moved.err);
        let json = moved.json();
        assert_eq!((&json["to"], &json["grants"], &json["not_rotated"]), (&to.into(), &1.into(), &json!([])), "{to}");
        assert_eq!(server.rotations(), before + 1, "{to}: the token was not rotated");
        for (other, other_file) in CIRCLE {
            let there = other_file.is_some_and(|name| home.join(name).exists());
            assert_eq!(there, other == to && file.is_some(), "after moving to {to}: {other}");
        }
        assert!(!home.join("migration.json").exists() && !home.join("rotate").exists(), "{to}");
        let refreshed = bench.run(&["token", "work", "--refresh"], "");
        assert_eq!(refreshed.code, 0, "{to}: {}", refreshed.err);
        let info = bench.run(&["vault", "info", "--json"], "").json();
        let expected = (&to.into(), &true.into(), &"ready".into(), &1.into());
        assert_eq!((&info["strategy"], &info["exists"], &info["state"], &info["records"]), expected, "{info}");
        let doctor = bench.run(&["doctor", "--json"], "");
        assert_eq!(doctor.code, 0, "{to}: {}", doctor.out);
        // The tests' Redis writes nothing down, which the person who relies on it is told.
        assert_eq!(doctor.out.contains("append-only file"), to == "redis", "{to}: {}", doctor.out);
    }
    let prefs =
        std::fs::read_dir(&home).unwrap().any(|entry| entry.unwrap().path().extension() == Some("xml".as_ref()));
    assert!(!prefs, "encrypted-prefs left its file");
    assert_eq!((reuses(&server), server.living_grants()), (0, 1));
}

#[test]
fn a_move_that_is_killed_at_any_instant_loses_no_grant() {
    let server = Server::demo().start();
    let desktop = signed_in(&server);
    let mut pauses = (0_u64..).map(|number| Duration::from_millis(number * 7919 % 90));
    for to in
        ["plain-file", "keystore-only", "sqlite-aead", "plain-file", "sqlite-aead", "keystore-only", "sqlite-aead"]
    {
        for _ in 0..3 {
            let mut child =
                command(&desktop, &["vault", "migrate", "--to", to, "--yes"]).stdin(Stdio::null()).spawn().unwrap();
            std::thread::sleep(pauses.next().unwrap());
            // It may have ended already; then the next round finds the strategy in use.
            let _ = child.kill();
            child.wait().unwrap();
            refresh(&desktop).unwrap_or_else(|error| panic!("on the way to {to}: {error}"));
        }
    }
    assert_eq!((reuses(&server), server.living_grants()), (0, 1));
    assert!(!desktop.pilotlight_home().join("migration.json").exists());
}

#[test]
fn without_a_keystore_a_passphrase_keeps_the_grants_and_is_asked_for() {
    let server = Server::demo().start();
    let desktop = PrivateDesktop::start(Keystore::Absent);
    assert_eq!(sign_in(&desktop, &server, "demo\n").error(), "keystore_absent");
    assert_eq!(run(&desktop, &["vault", "use", "encrypted-file"]).code, 0);
    let passphrase = desktop.folder().join("passphrase");
    std::fs::write(&passphrase, "correct horse\n").unwrap();
    let given = ["--passphrase-file", passphrase.to_str().unwrap()];
    let service = ["sign-in", "work", "--issuer", server.issuer(), "--client-id", "pilotlight", "--username", "demo"];
    let ran = run_with(&desktop, &[&given[..], &service, &["--password-stdin"]].concat(), "demo\n");
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert_eq!(run(&desktop, &[&given[..], &["token", "work"]].concat()).code, 0);
    let without = run(&desktop, &["token", "work"]);
    assert_eq!(without.code, 2, "{}", without.err);
    std::fs::write(&passphrase, "wrong\n").unwrap();
    let wrong = run(&desktop, &[&given[..], &["token", "work", "--json"]].concat());
    assert_eq!((wrong.code, wrong.error().as_str()), (5, "wrong_passphrase"));
    let checked = run(&desktop, &["doctor", "--json"]);
    assert_eq!(checked.code, 5);
    assert!(checked.out.contains("passphrase_needed"), "{}", checked.out);
}
