//! The commands for other programs beside an agent.

use std::io::Write as _;
use std::os::unix::fs::DirBuilderExt as _;
use std::process::{Command, Stdio};

use pilotlight_tests::process::{self, Output, Process};
use pilotlight_tests::{Keystore, PrivateDesktop, Server, binaries, wait};

use crate::program::{BY_PASSWORD, Ran, command, run, run_with, signed_in, token};

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
    let lent_to = run(&desktop, &["programs", "lent", "work"]).out;
    let this = std::env::current_exe().unwrap();
    assert!(
        lent_to.lines().any(|line| line.starts_with("lent 2") && line.ends_with(this.to_str().unwrap())),
        "{lent_to}"
    );
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

/// A program that asks the agent for a token, and waits while a person is asked: this test itself, or a shell.
fn asks(desktop: &PrivateDesktop, shell: bool) -> (Process, Output, Output) {
    let mut command = command(desktop, &["header", "work"]);
    if shell {
        let line = format!("{} header work; true", binaries::built("pilotlight").display());
        command = process::piped(desktop.command("sh"));
        command.args(["-c", &line]);
    }
    let mut asking = Process::start(&mut command);
    let (out, err) = asking.collect();
    (asking, out, err)
}

fn ended(process: &mut Process) {
    wait::until("the end of a program", || process.has_ended().then_some(()));
}

#[test]
fn a_person_answers_for_each_program_at_another_terminal() {
    let server = Server::demo().start();
    let desktop = signed_in(&server);
    let _agent = agent(&desktop, "ask");
    let mut answering = Process::start(command(&desktop, &["programs", "answer"]).stdin(Stdio::piped()));
    let mut typing = answering.stdin();
    let (_, shown) = answering.collect();
    wait::until("the one who answers", || shown.text().contains("are shown here").then_some(()));
    let answers = [("once\n", false, true), ("no\n", false, false), ("always\n", true, true)];
    for (before, (line, shell, lent)) in answers.into_iter().enumerate() {
        let (mut asking, out, err) = asks(&desktop, shell);
        let asked = || (shown.text().matches("asks for a token of \"work\"").count() > before).then_some(());
        wait::until("the question", asked);
        typing.write_all(line.as_bytes()).unwrap();
        ended(&mut asking);
        let text = wait::until("what it says", || Some(out.text() + &err.text()).filter(|text| !text.is_empty()));
        assert_eq!(text.starts_with("Authorization: Bearer "), lent, "{line}{text}");
    }
    assert_eq!(run(&desktop, &["header", "work"]).code, 2, "after a no, nobody is asked again at once");
    let (mut asking, out, _) = asks(&desktop, true);
    ended(&mut asking);
    wait::until("the header", || out.text().starts_with("Authorization: Bearer ").then_some(()));
    let listed = run(&desktop, &["programs", "list"]).out;
    assert!(listed.starts_with("always  ") && listed.lines().count() == 1, "{listed}");
}

#[test]
fn a_person_answers_at_the_terminal_of_the_agent() {
    let server = Server::demo().start();
    let desktop = signed_in(&server);
    // script(1) gives it a terminal of its own.
    let line = format!("{} agent --consent ask", binaries::built("pilotlight").display());
    let mut terminal = process::piped(desktop.command("script"));
    let mut agent = Process::start(terminal.args(["-qec", &line, "/dev/null"]).stdin(Stdio::piped()));
    let mut typing = agent.stdin();
    let (shown, _) = agent.collect();
    wait::until("the agent", || shown.text().contains("Lending at").then_some(()));
    for line in ["maybe\nrun\n", ""] {
        let (mut asking, out, _) = asks(&desktop, false);
        typing.write_all(line.as_bytes()).unwrap();
        ended(&mut asking);
        wait::until("the header", || out.text().starts_with("Authorization: Bearer ").then_some(()));
    }
    assert_eq!(shown.text().matches("asks for a token").count(), 1, "this run is the test's: {}", shown.text());
}

#[test]
fn a_locked_agent_lends_nothing_until_it_has_the_passphrase() {
    let server = Server::demo().start();
    let desktop = PrivateDesktop::start(Keystore::Absent);
    assert_eq!(run(&desktop, &["vault", "use", "encrypted-file"]).code, 0);
    let (right, wrong) = (desktop.folder().join("right"), desktop.folder().join("wrong"));
    std::fs::write(&right, "correct horse\n").unwrap();
    std::fs::write(&wrong, "battery staple\n").unwrap();
    let by = |file: &std::path::Path| ["--passphrase-file".to_owned(), file.to_str().unwrap().to_owned()];
    let with = |words: &[&str], file: &std::path::Path, input: &str| {
        let file = by(file);
        run_with(&desktop, &[words, &[&file[0], &file[1]]].concat(), input)
    };
    let sign_in = [&["sign-in", "work", "--issuer", server.issuer()][..], &BY_PASSWORD].concat();
    assert_eq!(with(&sign_in, &right, "demo\n").code, 0);
    let passphrase = by(&right);
    let words = ["agent", "--consent", "allow", &passphrase[0], &passphrase[1]];
    let mut agent = Process::start(&mut command(&desktop, &words));
    let (_, said) = agent.collect();
    wait::until("the agent", || said.text().contains("Lending at").then_some(()));

    assert_eq!(run(&desktop, &["header", "work"]).code, 0);
    assert_eq!(run(&desktop, &["agent", "lock"]).code, 0);
    assert_eq!(run(&desktop, &["header", "work"]).code, 5, "locked");
    assert_ne!(with(&["agent", "unlock"], &wrong, "").code, 0);
    assert_eq!(run(&desktop, &["header", "work"]).code, 5, "locked still");
    assert_eq!(with(&["agent", "unlock"], &right, "").code, 0);
    assert_eq!(run(&desktop, &["header", "work"]).code, 0);
}

/// systemd's own program for trying a socket-activated service.
#[test]
fn systemd_starts_the_agent_with_the_first_request() {
    let server = Server::demo().start();
    let desktop = signed_in(&server);
    let socket = desktop.pilotlight_home().join("agent/agent.sock");
    std::fs::DirBuilder::new().mode(0o700).create(socket.parent().unwrap()).unwrap();
    // The socket is its owner's alone, as the unit makes it; and a service gets the environment that it is told to get.
    let mut systemd = process::piped(desktop.command("sh"));
    systemd.args(["-c", "umask 177; exec systemd-socket-activate \"$@\"", "sh", "--listen"]).arg(&socket);
    for (name, value) in desktop.environment() {
        systemd.arg(format!("--setenv={}={}", name.display(), value.display()));
    }
    let mut agent = Process::start(systemd.arg(binaries::built("pilotlight")).args(["agent", "--consent", "allow"]));
    let (_, said) = agent.collect();
    wait::until("the socket", || socket.exists().then_some(()));
    assert!(!said.text().contains("Lending at"), "nobody has asked yet");
    let lent = token(&desktop, &[]);
    wait::until("the agent", || said.text().contains("Lending at").then_some(()));
    desktop.lock_keystore();
    assert_eq!(token(&desktop, &[]), lent, "by the agent, since the vault is closed");
}

#[test]
fn systemd_finds_nothing_wrong_with_the_agents_units() {
    let folder = tempfile::tempdir().unwrap();
    let ours = binaries::repository().join("examples/agent-service");
    let units = ["pilotlight-agent.service", "pilotlight-agent.socket"].map(|unit| {
        let text = std::fs::read_to_string(ours.join(unit)).unwrap();
        let program = binaries::built("pilotlight");
        let here = folder.path().join(unit);
        std::fs::write(&here, text.replace("%h/.cargo/bin/pilotlight", program.to_str().unwrap())).unwrap();
        here
    });
    let output = Command::new("systemd-analyze")
        .args(["verify", "--user"])
        .args(units)
        .env("XDG_RUNTIME_DIR", folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && !said.contains("pilotlight-agent"), "{said}");
}
