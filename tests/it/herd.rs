//! Promise P3: at most one refresh at a time, over all tasks and processes.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::process::Stdio;

use pilotlight_tests::{
    Keystore, PrivateDesktop, Server, binaries,
    process::{Output, Process},
    wait,
};

/// A little longer than an access token of the server lives.
const AHEAD: &str = "901";

#[test]
fn two_hundred_tasks_in_four_processes_at_the_moment_of_expiry_make_one_refresh() {
    let desktop = PrivateDesktop::start(Keystore::Unlocked);
    let server = Server::demo().access_token_ttl("15m").start();
    sign_in(&desktop, server.issuer());
    let mut herd: Vec<(Process, Output, Output)> = (0..4).map(|_| member(&desktop)).collect();
    for (_, output, errors) in &herd {
        wait::until("a member of the herd", || {
            assert_eq!(errors.text(), "");
            (output.lines() == ["ready"]).then_some(())
        });
    }
    assert_eq!(server.rotations(), 0);
    for (process, ..) in &mut herd {
        process.stdin().write_all(b"go\n").unwrap();
    }
    let mut tokens = BTreeSet::new();
    for (process, output, errors) in &mut herd {
        wait::until("the herd to be served", || process.has_ended().then_some(()));
        assert_eq!(errors.text(), "");
        tokens.extend(
            wait::until("its tokens", || (output.lines().len() > 1).then(|| output.lines())).into_iter().skip(1),
        );
    }
    assert_eq!(tokens.len(), 1, "different tokens were handed out");
    // Another thread reads the server's log.
    wait::until("the server's log", || (!server.refreshes().is_empty()).then_some(()));
    assert_eq!(server.refreshes(), ["rotated"]);
}

fn member(desktop: &PrivateDesktop) -> (Process, Output, Output) {
    let mut command = desktop.command(binaries::built("pilotlight-herd"));
    command.args(["work", "50", AHEAD]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = Process::start(&mut command);
    let (output, errors) = process.collect();
    (process, output, errors)
}

fn sign_in(desktop: &PrivateDesktop, issuer: &str) {
    let mut command = desktop.command(binaries::built("pilotlight"));
    command.args(["sign-in", "work", "--issuer", issuer, "--client-id", "pilotlight"]);
    command.args(["--flow", "password", "--username", "demo", "--password-stdin"]).stdin(Stdio::piped());
    let mut process = Process::start(&mut command);
    process.stdin().write_all(b"demo\n").unwrap();
    wait::until("the sign-in", || process.has_ended().then_some(()));
}
