//! The agent's tray beside a panel: what it shows, what it tells a person, and that it needs neither.

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use pilotlight_tests::panel::{Notice, Panel};
use pilotlight_tests::process::{Output, Process};
use pilotlight_tests::{Keystore, PrivateDesktop, Server, binaries, process, wait};

use crate::program::{run, sign_in, signed_in};

/// An agent with a tray, whose program stands beside an app that only writes down how it is started.
struct Agent {
    process: Process,
    said: Output,
    app_log: PathBuf,
}

impl Agent {
    fn start(desktop: &PrivateDesktop, locale: &str) -> Self {
        let folder = desktop.folder().join("programs");
        fs::create_dir_all(&folder).unwrap();
        let (program, app) = (folder.join("pilotlight"), folder.join("pilotlight-desktop"));
        let app_log = folder.join("app.log");
        // By another process: a file that this one has open for writing may be inherited, and is then not to be started.
        let make = "[ -e \"$2\" ] || cp \"$1\" \"$2\"; cat >\"$3\" && chmod 755 \"$3\"";
        let line = format!("#!/bin/sh\nprintf '<%s>\\n' \"$*\" >>'{}'\n", app_log.display());
        let mut shell = Command::new("sh");
        shell.args(["-c", make, "sh"]).arg(binaries::built("pilotlight")).arg(&program).arg(&app);
        let mut made = shell.stdin(Stdio::piped()).spawn().unwrap();
        made.stdin.take().unwrap().write_all(line.as_bytes()).unwrap();
        assert!(made.wait().unwrap().success());
        let mut command = process::piped(desktop.command(program));
        let mut process = Process::start(command.args(["agent", "--tray"]).env("LANG", locale));
        let (_, said) = process.collect();
        wait::until("the agent", || said.text().contains("Lending at").then_some(()));
        Self { process, said, app_log }
    }

    /// How the app was started so far, one start a line.
    fn wait_for_starts(&self, starts: &str) {
        let read = || fs::read_to_string(&self.app_log).unwrap_or_default();
        wait::until(&format!("the app's starts {starts:?}"), || (read() == starts).then_some(()));
    }
}

fn labels(panel: &Panel) -> Vec<String> {
    panel.menu().into_iter().map(|(_, label)| label).collect()
}

fn wait_for_notice(panel: &Panel, right: impl Fn(&Notice) -> bool) -> Notice {
    wait::until("a notice", || panel.notices().into_iter().find(|notice| right(notice)))
}

#[test]
fn the_tray_tells_at_a_glance_and_its_menu_does_what_it_says() {
    let server = Server::demo().start();
    let desktop = signed_in(&server);
    let panel = Panel::start(&desktop);
    let mut agent = Agent::start(&desktop, "C.UTF-8");
    panel.wait_for_title("Pilotlight: Signed in");
    assert_eq!(labels(&panel), ["Signed in", "work — signed in", "Open Pilotlight", "Lock", "Quit"]);
    assert!(panel.pictures().iter().all(|(width, height, bytes)| (width * height * 4) as usize == bytes.len()));
    panel.click("Lock");
    panel.wait_for_title("Pilotlight: Locked");
    assert_eq!(panel.status(), "Active", "nobody has to do anything");
    panel.click("Unlock");
    panel.wait_for_title("Pilotlight: Signed in");
    panel.click("work — signed in");
    agent.wait_for_starts("<--account=work>\n");
    panel.activate();
    agent.wait_for_starts("<--account=work>\n<>\n");
    assert_eq!(panel.notices(), []);

    let set = |name: &str, value: &str| assert_eq!(run(&desktop, &["settings", "set", name, value]).code, 0);
    set("language", "zh");
    panel.wait_for_title("Pilotlight: 已登录");
    set("language", "system");
    panel.wait_for_title("Pilotlight: Signed in");
    set("tray", "off");
    panel.wait_for_title("");
    assert!(!agent.process.has_ended(), "it serves on");
    set("tray", "on");
    panel.wait_for_title("Pilotlight: Signed in");
    panel.click("Quit");
    wait::until("the agent's end", || agent.process.has_ended().then_some(()));
}

#[test]
fn an_end_is_told_once_leads_to_the_account_and_is_taken_back_when_it_is_mended() {
    let server = Server::demo().start();
    let desktop = signed_in(&server);
    let panel = Panel::start(&desktop);
    let agent = Agent::start(&desktop, "zh_CN.UTF-8");
    panel.wait_for_title("Pilotlight: 已登录");
    server.revoke_person("demo");
    assert_eq!(run(&desktop, &["token", "work", "--refresh"]).code, 3);
    panel.wait_for_title("Pilotlight: 1 个账户需要您重新登录");
    assert_eq!(panel.status(), "NeedsAttention");
    let told = wait_for_notice(&panel, |_| true);
    assert_eq!(told.heading, "“work”的登录已结束");
    assert_eq!(told.actions, ["default", "", "open", "重新登录"], "one button, and a click beside it");
    panel.press(&told);
    agent.wait_for_starts("<--account=work>\n");

    drop(agent);
    let agent = Agent::start(&desktop, "C.UTF-8");
    panel.wait_for_title("Pilotlight: 1 account needs you to sign in again");
    assert_eq!(sign_in(&desktop, &server, "demo\n").code, 0);
    panel.wait_for_title("Pilotlight: Signed in");
    assert_eq!(panel.notices(), [told], "the same end was told twice");

    server.revoke_person("demo");
    assert_eq!(run(&desktop, &["token", "work", "--refresh"]).code, 3);
    let second = wait_for_notice(&panel, |notice| notice.id == 2);
    assert!(!second.withdrawn);
    assert_eq!(sign_in(&desktop, &server, "demo\n").code, 0);
    wait_for_notice(&panel, |notice| notice.id == 2 && notice.withdrawn);
    drop(agent);
}

#[test]
fn a_host_may_come_late_and_again_and_a_locked_keystore_is_waited_for_in_silence() {
    let server = Server::demo().start();
    let desktop = signed_in(&server);
    desktop.lock_keystore();
    let mut agent = Agent::start(&desktop, "C.UTF-8");
    let panel = Panel::start(&desktop);
    panel.wait_for_title("Pilotlight: Waiting for the keystore");
    drop(panel);
    let panel = Panel::start(&desktop);
    wait::until("the item at the new host", || (panel.registered() == 1).then_some(()));
    desktop.unlock_keystore();
    panel.wait_for_title("Pilotlight: Signed in");
    assert_eq!(panel.notices(), []);
    assert!(!agent.process.has_ended());
}

#[test]
fn without_a_bus_the_agent_says_so_once_and_serves_on() {
    let desktop = PrivateDesktop::start(Keystore::NoBus);
    let mut agent = Agent::start(&desktop, "C.UTF-8");
    wait::until("a word about it", || agent.said.text().contains("there is no tray").then_some(()));
    let listed = run(&desktop, &["agent", "lock"]);
    assert_eq!((listed.code, agent.process.has_ended()), (0, false), "{}", listed.err);
    assert_eq!(agent.said.text().matches("there is no tray").count(), 1);
}

#[test]
fn the_agent_starts_with_the_session_where_the_person_says_so() {
    let desktop = PrivateDesktop::start(Keystore::NoBus);
    let on = || run(&desktop, &["autostart", "status", "--json"]).json()["autostart"].as_bool();
    assert_eq!(on(), Some(false));
    assert_eq!(run(&desktop, &["autostart", "on"]).code, 0);
    assert_eq!(on(), Some(true));
    let entry = fs::read_to_string(desktop.folder().join("config/autostart/pilotlight-agent.desktop")).unwrap();
    let home = desktop.pilotlight_home();
    assert!(entry.contains(&format!("Exec=env \"PILOTLIGHT_HOME={}\" ", home.display())), "{entry}");
    assert_eq!(run(&desktop, &["autostart", "off"]).code, 0);
    assert_eq!(on(), Some(false));
}
