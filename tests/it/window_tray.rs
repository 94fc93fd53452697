//! Closing the window and coming back, beside the agent that takes over.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

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
    let mut open = process::open_by(id);
    open.retain(|target| target.starts_with("socket:") || target.starts_with("pipe:"));
    open
}

/// proc(5): the sixth field of `stat`, behind the name in brackets.
fn session_of(id: u32) -> u32 {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap();
    stat.rsplit_once(") ").unwrap().1.split(' ').nth(3).unwrap().parse().unwrap()
}

/// The socket of who lends.
fn socket(desktop: &PrivateDesktop) -> PathBuf {
    desktop.pilotlight_home().join("agent/agent.sock")
}

/// Asks who serves, again and again, each time by another connection: how often it was answered.
struct Asking {
    stop: Arc<AtomicBool>,
    task: JoinHandle<usize>,
}

impl Asking {
    fn begin(desktop: &PrivateDesktop) -> Self {
        let (stop, socket) = (Arc::new(AtomicBool::new(false)), socket(desktop));
        let task = std::thread::spawn({
            let stop = Arc::clone(&stop);
            move || {
                let mut answered = 0;
                while !stop.load(Ordering::Relaxed) {
                    let mut stream = UnixStream::connect(&socket).expect("somebody listens");
                    stream.write_all(b"{\"ask\":\"status\",\"account\":\"demo-service\"}\n").expect("somebody reads");
                    let mut answer = String::new();
                    BufReader::new(stream).read_line(&mut answer).expect("somebody answers");
                    assert!(answer.starts_with('{'), "{answer:?} after {answered} answers");
                    answered += 1;
                }
                answered
            }
        });
        Self { stop, task }
    }

    fn end(self) -> usize {
        self.stop.store(true, Ordering::Relaxed);
        self.task.join().expect("every one is answered")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn while_its_window_is_open_the_app_lends_and_nobody_is_turned_away_when_the_agent_takes_over() {
    let desktop = PrivateDesktop::start(Keystore::Unlocked).with_display();
    let server = Server::demo().access_token_ttl("5s").start();
    let panel = Panel::start(&desktop);
    let mut window = Window::open(&desktop, Launch::offering("Demo service", server.issuer()).handing_over()).await;
    window.sign_in_by_browser().await;
    process::wait_until_it_serves(window.process_id(), &socket(&desktop));
    let asks = std::env::current_exe().unwrap();
    assert_eq!(run(&desktop, &["programs", "allow", asks.to_str().unwrap()]).code, 0);
    assert_eq!(run(&desktop, &["token", "demo-service"]).code, 0);
    let second = run(&desktop, &["agent"]);
    assert!(second.code == 2 && second.err.contains("lent here already"), "{}", second.err);

    // Killed, it leaves a socket at which nobody listens; the next start takes the place.
    window.kill();
    assert!(socket(&desktop).exists());
    wait::until("nobody at the socket", || process::listening_at(&socket(&desktop)).is_empty().then_some(()));
    assert_eq!(run(&desktop, &["token", "demo-service"]).code, 0, "nobody serves, and the vault is there");
    window.reopen().await;
    window.wait_for_state("signed-in").await;
    process::wait_until_it_serves(window.process_id(), &socket(&desktop));

    let app = window.process_id();
    let asking = Asking::begin(&desktop);
    let before = server.rotations();
    wait::until("a refresh", || (server.rotations() > before).then_some(()));
    window.click_cross();
    wait::until("the app's end", || (!process::is_running(app)).then_some(()));
    wait::until("the tray", || (panel.registered() == 1).then_some(()));
    let agent = Left(panel.owner());
    let before = server.rotations();
    wait::until("a refresh by the agent", || (server.rotations() > before).then_some(()));
    assert!(asking.end() > 10, "hardly anything was asked");
    assert_eq!(run(&desktop, &["token", "demo-service"]).code, 0);
    let answers = server.refreshes();
    assert!(answers.iter().all(|outcome| outcome == "rotated"), "{answers:?}");

    // With the agent there, the app waits; when the agent is gone, it lends.
    window.reopen().await;
    window.wait_for_state("signed-in").await;
    process::signal("KILL", agent.0);
    wait::until("the agent's end", || (!process::is_running(agent.0)).then_some(()));
    process::wait_until_it_serves(window.process_id(), &socket(&desktop));
    assert_eq!(run(&desktop, &["settings", "set", "tray", "off"]).code, 0);
    let app = window.process_id();
    window.click_cross();
    wait::until("the app's end", || (!process::is_running(app)).then_some(()));
    assert!(!socket(&desktop).exists(), "nobody serves, and the socket is there");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_closes_the_window_stays_signed_in_by_an_agent_and_comes_back_to_it() {
    let desktop = PrivateDesktop::start(Keystore::Unlocked).with_display();
    let server = Server::demo().access_token_ttl("5s").start();
    let panel = Panel::start(&desktop);
    let launch = Launch::offering("Demo service", server.issuer()).argument("--log").argument("debug").handing_over();
    let mut window = Window::open(&desktop, launch).await;
    window.sign_in_by_browser().await;
    process::wait_until_it_serves(window.process_id(), &socket(&desktop));
    let (app, opened) = (window.process_id(), open_by(window.process_id()));

    window.click_cross();
    wait::until("the app's end", || (!process::is_running(app)).then_some(()));
    let refused = run(&desktop, &["token", "work"]);
    assert!(refused.err.contains("may not have tokens"), "no agent answers when the app has ended: {}", refused.err);
    wait::until("the tray", || (panel.registered() == 1).then_some(()));
    let agent = Left(panel.owner());
    assert_eq!(session_of(agent.0), agent.0, "it belongs to the app's session");
    let inherited: Vec<_> = open_by(agent.0).intersection(&opened).cloned().collect();
    assert_eq!(inherited, process::listening_at(&socket(&desktop)), "what it was left, and nothing else");
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
