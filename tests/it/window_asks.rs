//! A program that asks for a token while the window is open, and the person who answers there.

use std::os::unix::net::UnixStream;
use std::process::{Child, Stdio};

use pilotlight_tests::{Keystore, Launch, PrivateDesktop, Server, Window, wait};

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
        let socket = desktop.pilotlight_home().join("agent/agent.sock");
        wait::until("who lends", || UnixStream::connect(&socket).is_ok().then_some(()));
        let asking = ask(&desktop);
        window.find("question").await;
        assert_eq!(window.text("question-program").await, asks);
        assert_eq!(window.text("question-account").await, "demo-service");
        assert!(window.text("question-parents").await.contains('/'));
        window.find_css(&format!("[data-testid=\"question-{verdict}\"]:enabled")).await;
        window.click(&format!("question-{verdict}")).await;
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
