//! Sign-ins that wait for a person: one for a name over all programs, gone with its program, and none on a locked screen.

use std::{fs, os::unix::fs::PermissionsExt as _, path::PathBuf, process::Command};

use pilotlight_tests::process::Process;
use pilotlight_tests::{Keystore, PrivateDesktop, Server, wait};

use super::program::{Ran, command, run_to_end, sign_in};

/// A browser that notes each page it is given and shows nothing.
pub(super) struct Browser {
    program: PathBuf,
    pages: PathBuf,
}

impl Browser {
    pub(super) fn of(desktop: &PrivateDesktop) -> Self {
        let (program, pages) = (desktop.folder().join("browser"), desktop.folder().join("pages"));
        fs::write(&program, format!("#!/bin/sh\necho \"$1\" >> '{}'\n", pages.display())).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        Self { program, pages }
    }

    /// The addresses of the pages so far.
    pub(super) fn opened(&self) -> Vec<String> {
        fs::read_to_string(&self.pages).map_or(vec![], |text| text.lines().map(ToOwned::to_owned).collect())
    }

    pub(super) fn pages(&self) -> usize {
        self.opened().len()
    }

    /// `sign-in NAME` by this browser.
    fn sign_in(&self, desktop: &PrivateDesktop, server: &Server, name: &str) -> Command {
        self.sign_in_as(desktop, server, name, "pilotlight", &[])
    }

    /// The same as another client, with more arguments.
    pub(super) fn sign_in_as(
        &self,
        desktop: &PrivateDesktop,
        server: &Server,
        name: &str,
        client: &str,
        more: &[&str],
    ) -> Command {
        let arguments = ["sign-in", name, "--issuer", server.issuer(), "--client-id", client, "--json"];
        let mut command = command(desktop, &[&arguments[..], &["--flow", "browser"], more].concat());
        command.env("BROWSER", format!("{} %s", self.program.display()));
        command
    }
}

fn refused(ran: &Ran) -> (i32, String) {
    (ran.code, ran.error())
}

#[test]
fn a_second_program_opens_no_second_page_and_the_first_ones_end_frees_the_name() {
    let server = Server::demo().start();
    let desktop = PrivateDesktop::start(Keystore::Unlocked);
    let browser = Browser::of(&desktop);
    let mut first = Process::start(&mut browser.sign_in(&desktop, &server, "work"));
    wait::until("the first page", || (browser.pages() == 1).then_some(()));
    for _ in 0..2 {
        let second = run_to_end(&mut browser.sign_in(&desktop, &server, "work"), "");
        assert_eq!(refused(&second), (4, "sign_in_pending".to_owned()));
    }
    assert_eq!(browser.pages(), 1);
    let mut other = Process::start(&mut browser.sign_in(&desktop, &server, "home"));
    wait::until("another account's page", || (browser.pages() == 2).then_some(()));
    other.kill();

    first.kill();
    let ran = sign_in(&desktop, &server, "demo\n");
    assert_eq!((ran.code, &ran.json()["state"]), (0, &"signed-in".into()), "{}", ran.err);
}

#[test]
fn no_page_is_opened_while_the_screen_is_locked() {
    let server = Server::demo().start();
    let desktop = PrivateDesktop::start(Keystore::Unlocked);
    let browser = Browser::of(&desktop);
    let (bus, address) = desktop.as_system_bus();
    let sign_in = || {
        let mut command = browser.sign_in(&desktop, &server, "work");
        command.env(bus, &address);
        command
    };
    // As the desktop's screen saver tells, and as logind does.
    for lock in [PrivateDesktop::lock_screen, PrivateDesktop::lock_session] {
        let locked = lock(&desktop);
        let ran = run_to_end(&mut sign_in(), "");
        assert_eq!((refused(&ran), browser.pages()), ((2, "screen_locked".to_owned()), 0));
        drop(locked);
    }

    let mut pending = Process::start(&mut sign_in());
    wait::until("the page", || (browser.pages() == 1).then_some(()));
    pending.kill();
}

#[test]
fn nobody_who_asks_for_a_token_of_an_ended_account_opens_a_page() {
    let server = Server::demo().start();
    let desktop = PrivateDesktop::start(Keystore::Unlocked);
    let browser = Browser::of(&desktop);
    assert_eq!(sign_in(&desktop, &server, "demo\n").code, 0);
    server.revoke_person("demo");
    for arguments in [
        &["token", "work", "--refresh"][..],
        &["token", "work"],
        &["header", "work"],
        &["exec", "work", "--", "true"],
        &["kube-credential", "work"],
    ] {
        let mut command = command(&desktop, arguments);
        let ran = run_to_end(command.env("BROWSER", &browser.program).env("DISPLAY", ":0"), "");
        assert_ne!(ran.code, 0, "{arguments:?}: {}", ran.out);
    }
    assert_eq!(browser.pages(), 0);
}
