//! Who may depend on whom: the picture in ARCHITECTURE.md, as a test.
//!
//! deny.toml forbids a part of the same; this test needs no tool, and fails for a package that the picture does not have.

use std::{collections::BTreeSet, process::Command};

use pilotlight_tests::binaries;
use serde_json::Value;

/// Every package of the workspace, and those of ours it depends on. Tests may depend on all of them and xtask on none, so
/// that it is built in seconds.
const ARROWS: [(&str, &[&str]); 13] = [
    ("pilotlight-oauth", &[]),
    ("pilotlight-vault", &[]),
    ("pilotlight-server", &["pilotlight-oauth"]),
    ("pilotlight", &["pilotlight-oauth", "pilotlight-vault"]),
    ("tauri-plugin-pilotlight", &["pilotlight"]),
    ("pilotlight-agent", &["pilotlight"]),
    ("pilotlight-tray", &["pilotlight"]),
    // The lab's judge is the server's rule of rotation.
    ("pilotlight-lab", &["pilotlight-oauth", "pilotlight-server", "pilotlight-vault"]),
    ("pilotlight-cli", &["pilotlight", "pilotlight-agent", "pilotlight-lab", "pilotlight-tray"]),
    (
        "pilotlight-desktop",
        &["pilotlight", "pilotlight-agent", "pilotlight-lab", "pilotlight-tray", "tauri-plugin-pilotlight"],
    ),
    ("pilotlight-example", &["tauri-plugin-pilotlight"]),
    ("pilotlight-tests", &["pilotlight", "pilotlight-oauth", "pilotlight-server", "pilotlight-vault"]),
    ("xtask", &[]),
];

/// Packages of others that only some of ours may name.
const CONFINED: [(&str, &[&str]); 9] = [
    ("tauri", &["tauri-plugin-pilotlight", "pilotlight-desktop", "pilotlight-example"]),
    ("axum", &["pilotlight-server"]),
    ("ksni", &["pilotlight-tray"]),
    ("rusqlite", &["pilotlight-vault", "pilotlight-server", "pilotlight-lab", "pilotlight-tests"]),
    ("keyring-core", &["pilotlight-vault"]),
    ("aes-gcm", &["pilotlight-vault"]),
    ("reqwest", &["pilotlight", "pilotlight-cli", "tauri-plugin-pilotlight", "pilotlight-tests"]),
    ("clap", &["pilotlight-server", "pilotlight-cli", "pilotlight-desktop", "xtask"]),
    // The protocol is pure, and the vault is blocking: neither knows a runtime.
    (
        "tokio",
        &[
            "pilotlight",
            "pilotlight-agent",
            "pilotlight-tray",
            "tauri-plugin-pilotlight",
            "pilotlight-server",
            "pilotlight-cli",
            "pilotlight-desktop",
            "pilotlight-tests",
        ],
    ),
];

/// Names of packages and of what each depends on, tests' own dependencies left out.
fn packages() -> Vec<(String, BTreeSet<String>)> {
    let mut command = Command::new(env!("CARGO"));
    command.args(["metadata", "--no-deps", "--format-version", "1", "--offline"]).current_dir(binaries::repository());
    let output = command.output().expect("cargo starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo writes JSON");
    let name = |value: &Value| value["name"].as_str().expect("a name").to_owned();
    let list = |value: &Value| value.as_array().expect("a list").clone();
    let of = |package: &Value| {
        let dependencies = list(&package["dependencies"]);
        (name(package), dependencies.iter().filter(|dependency| dependency["kind"] != "dev").map(name).collect())
    };
    list(&metadata["packages"]).iter().map(of).collect()
}

#[test]
fn every_package_depends_on_those_of_ours_that_the_picture_shows_and_no_others() {
    let packages = packages();
    let ours: BTreeSet<&str> = packages.iter().map(|(name, _)| name.as_str()).collect();
    let pictured: BTreeSet<&str> = ARROWS.iter().map(|(name, _)| *name).collect();
    assert_eq!(ours, pictured, "the packages of the workspace and those in the picture");
    for (name, dependencies) in &packages {
        let (_, allowed) = ARROWS.iter().find(|(pictured, _)| pictured == name).expect("it is pictured");
        let drawn: BTreeSet<&str> =
            dependencies.iter().map(String::as_str).filter(|name| ours.contains(name)).collect();
        assert_eq!(drawn, allowed.iter().copied().collect(), "what {name} depends on");
    }
}

#[test]
fn packages_of_others_stay_where_they_belong() {
    for (name, dependencies) in packages() {
        for (confined, allowed) in CONFINED {
            let used = dependencies.contains(confined);
            assert!(!used || allowed.contains(&name.as_str()), "{name} depends on {confined}; only {allowed:?} may");
        }
    }
}

/// What the crate brings only to those who ask for it, or not at all: packages by the beginning of their names, and SQLCipher
/// by its feature.
const HEAVY: [&str; 9] =
    ["tauri", "wry", "axum", "redis", "openssl-sys", "openssl-src", "native-tls", "tss-", "pilotlight-server"];

/// The crate and all it stands on, for this machine's target: `NAME vVERSION FEATURES`, each once.
fn stands_on(features: &[&str]) -> BTreeSet<String> {
    let mut command = Command::new(env!("CARGO"));
    let arguments = ["tree", "--offline", "--package", "pilotlight", "--edges", "normal", "--prefix", "none"];
    command.args(arguments).args(["--format", "{p} {f}"]).args(features).current_dir(binaries::repository());
    let output = command.output().expect("cargo starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout).expect("cargo writes UTF-8");
    lines.lines().map(|line| line.trim_end_matches(" (*)").to_owned()).collect()
}

fn heavy(tree: &BTreeSet<String>) -> Vec<&str> {
    let is_heavy = |line: &str| HEAVY.iter().any(|name| line.starts_with(name)) || line.contains("bundled-sqlcipher");
    tree.iter().map(String::as_str).filter(|line| is_heavy(line)).collect()
}

#[test]
fn the_crate_brings_nothing_heavy_that_was_not_asked_for() {
    for features in [&[][..], &["--no-default-features"]] {
        let tree = stands_on(features);
        assert!(tree.iter().any(|line| line.starts_with("rusqlite ")), "this is not its tree: {tree:?}");
        assert_eq!(heavy(&tree), [""; 0], "with {features:?}");
    }
}

#[test]
fn the_smallest_build_has_neither_http_client_nor_bus_nor_keystore() {
    let left_out = ["reqwest ", "hyper ", "rustls ", "zbus ", "notify ", "keyring-core "];
    let named = |tree: &BTreeSet<String>| -> Vec<&str> {
        left_out.into_iter().filter(|name| tree.iter().any(|line| line.starts_with(name))).collect()
    };
    assert_eq!(named(&stands_on(&["--no-default-features"])), [""; 0]);
    assert_eq!(named(&stands_on(&[])), left_out, "what the default brings");
}

#[test]
fn what_is_asked_for_is_seen_in_the_tree() {
    for (feature, brings) in [("redis", "redis "), ("sqlcipher", "libsqlite3-sys ")] {
        let tree = stands_on(&["--features", feature]);
        assert!(heavy(&tree).iter().any(|line| line.starts_with(brings)), "{feature} brings {:?}", heavy(&tree));
    }
}
