//! Runs of the command line against a private desktop.

use std::io::Write as _;
use std::process::{Command, Stdio};

use pilotlight_tests::{Keystore, PrivateDesktop, Server, binaries, process};
use serde_json::Value;

/// How one run ended.
pub(super) struct Ran {
    pub(super) code: i32,
    pub(super) out: String,
    pub(super) err: String,
}

impl Ran {
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {}{}", self.out, self.err))
    }

    /// The code in the JSON error; standard output must be empty then.
    pub(super) fn error(&self) -> String {
        assert_eq!(self.out, "", "{}", self.err);
        let line = self.err.lines().last().expect("an error");
        let json: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {}", self.err));
        for text in ["message", "hint"] {
            assert!(json["error"][text].as_str().is_some_and(|text| text.ends_with('.')), "{line}");
        }
        json["error"]["code"].as_str().expect("a code").to_owned()
    }
}

pub(super) fn command(desktop: &PrivateDesktop, arguments: &[&str]) -> Command {
    let mut command = process::piped(desktop.command(binaries::built("pilotlight")));
    command.args(arguments);
    command
}

pub(super) fn run(desktop: &PrivateDesktop, arguments: &[&str]) -> Ran {
    run_with(desktop, arguments, "")
}

pub(super) fn run_with(desktop: &PrivateDesktop, arguments: &[&str], input: &str) -> Ran {
    run_to_end(&mut command(desktop, arguments), input)
}

/// Runs it to its end, with `input` on standard input.
pub(super) fn run_to_end(command: &mut Command, input: &str) -> Ran {
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    // A program that ends without reading closes the pipe, which is its right.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ran { code: output.status.code().expect("an exit code"), out: text(output.stdout), err: text(output.stderr) }
}

pub(super) const BY_PASSWORD: [&str; 6] =
    ["--client-id", "pilotlight", "--username", "demo", "--password-stdin", "--json"];

pub(super) fn sign_in(desktop: &PrivateDesktop, server: &Server, password: &str) -> Ran {
    let arguments = [&["sign-in", "work", "--issuer", server.issuer()][..], &BY_PASSWORD].concat();
    run_with(desktop, &arguments, password)
}

/// A person signed in as `work`.
pub(super) fn signed_in(server: &Server) -> PrivateDesktop {
    let desktop = PrivateDesktop::start(Keystore::Unlocked);
    let ran = sign_in(&desktop, server, "demo\n");
    assert_eq!((ran.code, &ran.json()["state"]), (0, &"signed-in".into()), "{}", ran.err);
    desktop
}

/// The access token that `token work ARGUMENTS` prints.
pub(super) fn token(desktop: &PrivateDesktop, arguments: &[&str]) -> String {
    let ran = run(desktop, &[&["token", "work"], arguments].concat());
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    ran.out.strip_suffix('\n').expect("a line").to_owned()
}
