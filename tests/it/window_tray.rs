//! Closing the window and coming back, beside the agent that takes over.

use std::collections::BTreeSet;
use std::fs;

use pilotlight_tests::panel::Panel;
use pilotlight_tests::{Keystore, Launch, PrivateDesktop, Server, Window, binaries, process, wait};

use crate::program::run;

/// An agent that nobody waits for; it is ended with the test, however that ends.
struct Left(u32);

impl Drop for Left {
    fn drop(&mut self) {
        if process::is_running(self.0) {
            process::signal("KILL", self.0);
        }
    }
}

/// What a process has open that another one could only have from it.
fn open_by(id: u32) -> BTreeSet<String> {
    let all = fs::read_dir(format!("/proc/{id}/fd")).unwrap().filter_map(Result::ok);
    let targets = all.filter_map(|entry| Some(fs::read_link(entry.path()).ok()?.display().to_string()));
    targets.filter(|target| target.starts_with("socket:") || target.starts_with("pipe:")).collect()
}

/// proc(5): the sixth field of `stat`, behind the name in brackets.
fn session_of(id: u32) -> u32 {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap();
    stat.rsplit_once(") ").unwrap().1.split(' ').nth(3).unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn who_closes_the_window_stays_signed_in_by_an_agent_and_comes_back_to_it() {
    let desktop = PrivateDesktop::start(Keystore::Unlocked).with_display();
    let server = Server::demo().access_token_ttl("5s").start();
    let panel = Panel::start(&desktop);
    let launch = Launch::offering("Demo service", server.issuer()).argument("--log").argument("debug").handing_over();
    let mut window = Window::open(&desktop, launch).await;
    window.sign_in_by_browser().await;
    let (app, opened) = (window.process_id(), open_by(window.process_id()));

    window.click_cross();
    wait::until("the app's end", || (!process::is_running(app)).then_some(()));
    let refused = run(&desktop, &["token", "work"]);
    assert!(refused.err.contains("may not have tokens"), "no agent answers when the app has ended: {}", refused.err);
    wait::until("the tray", || (panel.registered() == 1).then_some(()));
    let agent = Left(panel.owner());
    assert_eq!(session_of(agent.0), agent.0, "it belongs to the app's session");
    assert_eq!(open_by(agent.0).intersection(&opened).collect::<Vec<_>>(), [""; 0], "it inherited something");
    let before = server.rotations();
    wait::until("refreshes without a window", || (server.rotations() >= before + 2).then_some(()));

    window.reopen().await;
    window.wait_for_state("signed-in").await;
    let second = desktop.command(binaries::built("pilotlight-desktop")).arg("--account=demo-service").output().unwrap();
    assert!(second.status.success(), "{}", String::from_utf8_lossy(&second.stderr));
    window.find("account-page").await;
    assert_eq!(panel.registered(), 1, "another agent was started");
    window.kill();
    let answers = server.refreshes();
    assert!(answers.iter().all(|outcome| outcome == "rotated"), "{answers:?}");
    panel.click("Quit");
    wait::until("the agent's end", || (!process::is_running(agent.0)).then_some(()));
}
