//! The kit's own promises: a private session is whole, each kind of keystore is what it says, and nothing outlives its owner.

use std::process::{Command, Stdio};

use pilotlight_tests::{Keystore, OidcProvider, PrivateDesktop, process};

/// Runs `dbus-send` in the session and says whether the keystore answered.
fn keystore_answers(desktop: &PrivateDesktop) -> bool {
    let mut command = desktop.command("dbus-send");
    command.args(["--session", "--print-reply", "--dest=org.freedesktop.secrets", "/org/freedesktop/secrets"]);
    command.arg("org.freedesktop.DBus.Peer.Ping").stdout(Stdio::null()).stderr(Stdio::null());
    command.status().expect("dbus-send starts").success()
}

#[test]
fn a_private_keystore_is_unlocked_and_can_be_locked_and_unlocked_again() {
    let mut desktop = PrivateDesktop::start(Keystore::Unlocked);
    assert!(keystore_answers(&desktop));
    assert!(desktop.keystore_items().is_empty());
    desktop.lock_keystore();
    desktop.unlock_keystore();
    desktop.stop_keystore();
    assert!(!keystore_answers(&desktop));
    desktop.start_keystore();
    assert!(keystore_answers(&desktop));
}

#[test]
fn a_desktop_can_lack_its_keystore_or_even_its_bus() {
    assert!(keystore_answers(&PrivateDesktop::start(Keystore::Locked)));
    assert!(!keystore_answers(&PrivateDesktop::start(Keystore::Absent)));
    assert!(!keystore_answers(&PrivateDesktop::start(Keystore::NoBus)));
}

#[test]
fn a_private_desktop_leaves_no_process_and_no_folder_behind() {
    let before = process::descendants(std::process::id());
    let desktop = PrivateDesktop::start(Keystore::Unlocked).with_display();
    let folder = desktop.folder().to_path_buf();
    let started: Vec<u32> =
        process::descendants(std::process::id()).into_iter().filter(|id| !before.contains(id)).collect();
    assert!(started.len() >= 3, "bus, keystore and display: {started:?}");
    drop(desktop);
    assert!(!folder.exists());
    assert_eq!(started.into_iter().find(|id| process::is_running(*id)), None);
}

#[test]
fn a_program_on_a_private_desktop_sees_nothing_of_the_session_around_it() {
    let desktop = PrivateDesktop::start(Keystore::NoBus);
    let output = desktop.command("env").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let mut names: Vec<&str> = text.lines().filter_map(|line| line.split_once('=')).map(|(name, _)| name).collect();
    names.sort_unstable();
    let expected = [
        "DBUS_SESSION_BUS_ADDRESS",
        "GTK_A11Y",
        "HOME",
        "LANG",
        "NO_AT_BRIDGE",
        "PATH",
        "PILOTLIGHT_HOME",
        "XDG_CACHE_HOME",
        "XDG_CONFIG_HOME",
        "XDG_DATA_HOME",
        "XDG_RUNTIME_DIR",
        "XDG_STATE_HOME",
    ];
    assert_eq!(names, expected);
}

#[test]
fn the_certified_server_starts_and_says_who_it_is() {
    let provider = OidcProvider::start(5);
    assert!(provider.issuer().starts_with("http://127.0.0.1:"));
    assert_eq!((provider.refreshes(), provider.refusals().len()), (0, 0));
}

#[test]
fn the_browser_of_the_tests_refuses_a_command_line_it_does_not_know() {
    let browser = pilotlight_tests::binaries::built("pilotlight-person");
    let status = Command::new(&browser).args(["log", "demo", "demo", "maybe", "http://127.0.0.1:1/"]).status().unwrap();
    assert_eq!(status.code(), Some(2));
}
