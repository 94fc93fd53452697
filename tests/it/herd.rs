//! Promise P3: at most one refresh at a time, over all tasks and processes.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::process::Stdio;

use pilotlight_tests::{
    Keystore, PrivateDesktop, Server, binaries,
    process::{Output, Process},
    torture::kill_the_stopped_holder,
    wait,
};

/// A little longer than an access token of the server lives.
const AHEAD: &str = "901";

#[test]
fn eight_hundred_tasks_in_sixteen_processes_at_the_moment_of_expiry_make_one_refresh() {
    ask_all_at_once(16, 50);
}

#[test]
fn ten_thousand_tasks_in_one_process_at_the_moment_of_expiry_make_one_refresh() {
    ask_all_at_once(1, 10_000);
}

#[test]
fn a_lock_whose_holder_is_killed_while_it_is_stopped_is_free_at_once_and_its_attempt_is_taken_up() {
    let waiting = kill_the_stopped_holder();
    // Everybody gets the one refresh: nobody gave up, which takes longer than all of this.
    assert!(waiting.came_to.iter().all(|came_to| came_to == &Ok(1)), "{waiting:?}");
    let mut outcomes = waiting.outcomes;
    outcomes.sort();
    // The dead one's request arrives late or not at all; its key makes it the same refresh.
    assert!(outcomes == ["repeated", "rotated"] || outcomes == ["rotated"], "{outcomes:?}");
}

/// So many processes with so many tasks each, all of which find that the token has expired.
fn ask_all_at_once(processes: usize, tasks: usize) {
    let desktop = PrivateDesktop::start(Keystore::Unlocked);
    let server = Server::demo().access_token_ttl("15m").start();
    sign_in(&desktop, server.issuer());
    let mut herd: Vec<(Process, Output, Output)> = (0..processes).map(|_| member(&desktop, tasks)).collect();
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

fn member(desktop: &PrivateDesktop, tasks: usize) -> (Process, Output, Output) {
    let mut command = desktop.command(binaries::built("pilotlight-herd"));
    command.args(["work", &tasks.to_string(), AHEAD]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
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
