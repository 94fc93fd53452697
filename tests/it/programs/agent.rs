//! The commands for other programs beside an agent.

use pilotlight_tests::process::Process;
use pilotlight_tests::{PrivateDesktop, Server, wait};

use crate::program::{Ran, command, run, run_with, signed_in, token};

/// An agent that lends to every program, or to none.
fn agent(desktop: &PrivateDesktop, consent: &str) -> Process {
    let mut agent = Process::start(&mut command(desktop, &["agent", "--consent", consent]));
    let (_, said) = agent.collect();
    wait::until("the agent", || said.text().contains("Lending at").then_some(()));
    agent
}

/// What each command says, with a switch behind it.
fn everybody(desktop: &PrivateDesktop, switch: &str) -> [Ran; 5] {
    let to = ["--account", "work", "--any-host", switch, "get"];
    [
        run(desktop, &["header", "work", switch]),
        run(desktop, &["kube-credential", "work", switch]),
        run(desktop, &["exec", "work", switch, "--", "sh", "-c", "echo $PILOTLIGHT_TOKEN"]),
        run_with(desktop, &[&["git-credential"], &to[..]].concat(), "protocol=https\nhost=git.example\n\n"),
        run_with(desktop, &[&["docker-credential"], &to[..]].concat(), "registry.example"),
    ]
}

#[test]
fn while_an_agent_runs_its_token_is_lent_and_the_vault_stays_closed() {
    let server = Server::demo().start();
    let desktop = signed_in(&server);
    let agent = agent(&desktop, "allow");
    let lent = token(&desktop, &[]);
    // Whoever opened the vault now would be told so.
    desktop.lock_keystore();
    for ran in everybody(&desktop, "--min-ttl=0") {
        assert_eq!((ran.code, ran.err.as_str()), (0, ""));
        assert!(ran.out.contains(&lent), "{}", ran.out);
    }
    assert_eq!(run(&desktop, &["header", "nobody"]).code, 3, "what the agent says is the answer");
    assert_eq!(everybody(&desktop, "--no-agent").map(|ran| ran.code), [6; 5]);
    drop(agent);
    assert_eq!(everybody(&desktop, "--min-ttl=0").map(|ran| ran.code), [6; 5]);
    desktop.unlock_keystore();
    assert_eq!(everybody(&desktop, "--min-ttl=0").map(|ran| ran.code), [0; 5], "without an agent the vault lends");
}

#[test]
fn what_the_agent_refuses_is_not_taken_from_the_vault() {
    let server = Server::demo().start();
    let desktop = signed_in(&server);
    let _agent = agent(&desktop, "deny");
    for ran in everybody(&desktop, "--min-ttl=0") {
        assert_eq!((ran.code, ran.out.as_str()), (2, ""));
        assert!(ran.err.contains("may not have tokens"), "{}", ran.err);
    }
    assert_eq!(everybody(&desktop, "--no-agent").map(|ran| ran.code), [0; 5], "as the hint says");
}
