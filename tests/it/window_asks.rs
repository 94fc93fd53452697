//! A program that asks for a token while the window is open, and the person who answers there.

use std::path::PathBuf;
use std::process::{Child, Stdio};

use pilotlight_tests::process::{self, Process};
use pilotlight_tests::{Keystore, Launch, PrivateDesktop, Server, Window, binaries, wait};

use crate::program::{command, run};

/// `pilotlight token`, as this very program runs it: the question is about the test.
fn ask(desktop: &PrivateDesktop) -> Child {
    command(desktop, &["token", "demo-service"]).stdin(Stdio::null()).spawn().unwrap()
}

/// The token, where it was lent one.
fn lent(asking: Child) -> Option<String> {
    let output = asking.wait_with_output().unwrap();
    output.status.success().then(|| String::from_utf8(output.stdout).unwrap().trim().to_owned())
}

fn socket(desktop: &PrivateDesktop) -> PathBuf {
    desktop.pilotlight_home().join("agent/agent.sock")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_is_asked_in_the_window_which_program_gets_a_token_and_what_they_say_holds() {
    let desktop = PrivateDesktop::start(Keystore::Unlocked).with_display();
    let server = Server::demo().start();
    let mut window = Window::open(&desktop, Launch::offering("Demo service", server.issuer())).await;
    window.sign_in_by_browser().await;
    let asks = std::env::current_exe().unwrap().display().to_string();

    for (verdict, gets) in [("no", false), ("once", true), ("always", true)] {
        if verdict == "once" {
            // After a no the same process is left alone for a minute; another start of the app knows nothing of that.
            window.reopen().await;
            window.wait_for_state("signed-in").await;
        }
        process::wait_until_it_serves(window.process_id(), &socket(&desktop));
        let asking = ask(&desktop);
        window.find("question").await;
        assert_eq!(window.text("question-program").await, asks);
        assert_eq!(window.text("question-account").await, "demo-service");
        assert!(window.text("question-parents").await.contains('/'));
        answer(&window, verdict).await;
        let token = lent(asking);
        assert_eq!(token.is_some(), gets, "{verdict}");
        window.wait_until_gone("question").await;
        let page = window.client().source().await.unwrap();
        assert!(token.is_none_or(|token| !page.contains(&token)));
    }
    // It was written down: nobody is asked again.
    assert!(lent(ask(&desktop)).is_some());
    let listed = run(&desktop, &["programs", "list"]);
    assert!(listed.out.contains(&asks), "{}", listed.out);
    window.close().await;
}

/// Has the person answer the question that is shown.
async fn answer(window: &Window, verdict: &str) {
    window.find_css(&format!("[data-testid=\"question-{verdict}\"]:enabled")).await;
    window.click(&format!("question-{verdict}")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_agent_asks_is_asked_in_the_window_and_the_app_goes_on_when_the_agent_is_killed() {
    let desktop = PrivateDesktop::start(Keystore::Unlocked).with_display();
    let server = Server::demo().start();
    let mut agent = Process::start(process::piped(desktop.command(binaries::built("pilotlight"))).args([
        "agent",
        "--consent",
        "ask",
    ]));
    process::wait_until_it_serves(agent.id(), &socket(&desktop));
    let mut window = Window::open(&desktop, Launch::offering("Demo service", server.issuer())).await;
    window.sign_in_by_browser().await;
    let listens = || process::descendants(window.process_id()).into_iter().filter_map(process::program_of).any(is_ours);
    wait::until("somebody who hears the agent's questions", || listens().then_some(()));
    let asking = ask(&desktop);
    answer(&window, "once").await;
    assert!(lent(asking).is_some());
    window.wait_until_gone("question").await;

    // A question of an agent that dies goes with it.
    let mut asking = ask(&desktop);
    window.find("question").await;
    agent.kill();
    window.wait_until_gone("question").await;
    asking.kill().unwrap();
    asking.wait().unwrap();
    process::wait_until_it_serves(window.process_id(), &socket(&desktop));
    let asking = ask(&desktop);
    answer(&window, "once").await;
    assert!(lent(asking).is_some());
    assert!(!listens(), "whoever heard the agent's questions is still there");
    window.close().await;
}

fn is_ours(program: PathBuf) -> bool {
    program.ends_with("pilotlight")
}
