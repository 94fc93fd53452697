//! Somebody else's clients at our server: npm `openid-client`, certified by the OpenID Foundation, and PyPI `authlib`. What an
//! answer has to look like is theirs to say; what they were to do stands in `tests/node` and `tests/python`.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use pilotlight_tests::process::{Output, Process, piped};
use pilotlight_tests::{Person, Server, ServerOptions, binaries, wait};
use serde_json::Value;
use url::Url;

/// A server with a confidential client beside the public one of the demo, and that client's secret.
fn server(options: ServerOptions) -> (Server, String) {
    let server = options.start();
    let backend = ["client", "add", "backend", "--confidential", "--introspect-any", "--own-scope", "reports"];
    let added = server.administer(&[&backend[..], &["--redirect-uri", "http://127.0.0.1/callback"]].concat());
    let added: Value = serde_json::from_str(&added).unwrap();
    (server, added["client_secret"].as_str().unwrap().to_owned())
}

/// The Python that `cargo xtask setup` makes for the tests.
fn python() -> PathBuf {
    let program = if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" };
    let program = binaries::repository().join(".xtask/tools/python").join(program);
    assert!(program.is_file(), "the Python of the tests is not set up: run `cargo xtask setup`");
    program
}

/// A client that says what it needs a person for, and what it is done with.
struct Peer {
    process: Process,
    output: Output,
    errors: Output,
    read: usize,
}

impl Peer {
    fn start(program: Command, server: &Server) -> Self {
        let mut command = piped(program);
        command.args([server.issuer(), "backend"]).stdin(Stdio::piped());
        let mut process = Process::start(&mut command);
        let (output, errors) = process.collect();
        Self { process, output, errors, read: 0 }
    }

    /// The next thing it says; `None` when it has ended before it was done, for at its end it waits.
    fn next(&mut self) -> Option<Value> {
        let line = wait::until("a word of the client", || match self.output.lines().get(self.read) {
            Some(line) => Some(Some(line.clone())),
            None => self.process.has_ended().then_some(None),
        })?;
        self.read += 1;
        Some(serde_json::from_str(&line).unwrap_or_else(|error| panic!("{line}: {error}")))
    }

    /// Everything that it has done, with the person's help.
    fn drive(mut self, secret: &str) -> Vec<String> {
        let mut input = self.process.stdin();
        writeln!(input, "{secret}").unwrap();
        let mut steps = Vec::new();
        while steps.last().is_none_or(|step| step != "device")
            && let Some(fact) = self.next()
        {
            if let Some(url) = fact["open"].as_str() {
                Person::demo().visit(&Url::parse(url).unwrap()).expect("the pages of the sign-in");
                writeln!(input, "visited").unwrap_or_else(|_| panic!("it ended: {}", self.errors.text()));
            } else {
                steps.push(fact["done"].as_str().unwrap().to_owned());
            }
        }
        assert!(steps.last().is_some_and(|step| step == "device"), "it got to {steps:?}: {}", self.errors.text());
        steps
    }
}

/// Nothing that was refused on purpose cost anybody a grant but the one that was revoked.
fn assert_no_grant_was_lost(server: &Server) {
    let refused = server.refreshes().into_iter().filter(|outcome| outcome == "reused").count();
    assert_eq!(refused, 0, "{}", server.log().text());
}

#[test]
fn openid_client_signs_in_refreshes_revokes_introspects_and_binds_tokens_with_nonces() {
    let (server, secret) = server(Server::demo().argument("--dpop-nonce"));
    let folder = binaries::repository().join("tests/node");
    assert!(
        folder.join("node_modules/openid-client").is_dir(),
        "openid-client is not installed: run `cargo xtask setup`"
    );
    let mut node = Command::new(binaries::tool("node"));
    node.arg("openid-client.mjs").current_dir(folder);
    let steps = Peer::start(node, &server).drive(&secret);
    let all = ["discovery", "sign-in", "userinfo", "refresh", "revoke", "pushed request", "introspect"];
    let bound = ["client credentials", "DPoP ES256", "DPoP Ed25519", "DPoP RS256", "device"];
    assert_eq!(steps, [&all[..], &bound].concat());
    assert_no_grant_was_lost(&server);
}

#[test]
fn authlib_signs_in_refreshes_revokes_introspects_and_binds_tokens_signed_with_eddsa() {
    let (server, secret) = server(Server::demo().argument("--signing-alg").argument("eddsa"));
    let mut client = Command::new(python());
    client.arg(binaries::repository().join("tests/python/authlib_client.py"));
    let steps = Peer::start(client, &server).drive(&secret);
    let all = ["discovery", "sign-in", "userinfo", "refresh", "revoke", "introspect", "client credentials"];
    assert_eq!(steps, [&all[..], &["DPoP ES256", "DPoP EdDSA", "device"]].concat());
    assert_no_grant_was_lost(&server);
}
