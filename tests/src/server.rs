//! A `pilotlight-server` of one's own, as a child process.

use std::{
    ffi::OsString,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use tempfile::TempDir;

use crate::{
    binaries,
    process::{self, Output, Process},
    wait,
};

/// How to start a [`Server`].
#[derive(Clone, Debug)]
pub struct ServerOptions {
    arguments: Vec<OsString>,
    listen: String,
    store: Option<PathBuf>,
}

impl ServerOptions {
    /// The life of an access token, as the command line has it: `5s`, `15m`.
    #[must_use]
    pub fn access_token_ttl(self, ttl: &str) -> Self {
        self.argument("--access-token-ttl").argument(ttl)
    }

    /// The life of a refresh token, as the command line has it: `30d`.
    #[must_use]
    pub fn refresh_token_ttl(self, ttl: &str) -> Self {
        self.argument("--refresh-token-ttl").argument(ttl)
    }

    /// One more argument for `pilotlight-server serve`.
    #[must_use]
    pub fn argument(mut self, argument: impl Into<OsString>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// Listens there rather than on a free port: for a server that comes back at the same address.
    #[must_use]
    pub fn listen(mut self, address: &str) -> Self {
        address.clone_into(&mut self.listen);
        self
    }

    /// Keeps its store in that file, which outlives it.
    #[must_use]
    pub fn store(mut self, file: &Path) -> Self {
        self.store = Some(file.to_path_buf());
        self
    }

    /// Starts it and waits until it says that it is ready.
    ///
    /// # Panics
    /// When it is not built, or ends instead of becoming ready; the message has its log.
    pub fn start(self) -> Server {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let store = self.store.clone().unwrap_or_else(|| folder.path().join("server.db"));
        let (process, output, log, issuer) = self.spawn(&store);
        Server { process, output, log, issuer, store, options: self, _folder: folder }
    }

    fn spawn(&self, store: &Path) -> (Process, Output, Output, String) {
        let mut command = process::piped(Command::new(binaries::built("pilotlight-server")));
        command.args(["serve", "--listen", &self.listen, "--store"]).arg(store_argument(store)).args(&self.arguments);
        let mut process = Process::start(&mut command);
        let (output, log) = process.collect();
        let issuer = wait::until("the server's issuer", || {
            if let Some(line) = output.lines().first() {
                return Some(issuer_in(line));
            }
            assert!(!process.has_ended(), "the server ended: {}", log.text());
            None
        });
        (process, output, log, issuer)
    }
}

/// A running authorization server; it ends when this is dropped.
#[derive(Debug)]
pub struct Server {
    // Fields are dropped in this order: the process first, the folder it uses last.
    process: Process,
    output: Output,
    log: Output,
    issuer: String,
    store: PathBuf,
    options: ServerOptions,
    _folder: TempDir,
}

impl Server {
    /// With the person demo/demo and the public client `pilotlight`, on a free loopback port, its store in a file of its own.
    pub fn demo() -> ServerOptions {
        ServerOptions { arguments: vec!["--demo".into()], listen: "127.0.0.1:0".into(), store: None }
    }

    /// Its issuer identifier: `http://127.0.0.1:PORT`.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Where it listens, whatever its issuer says.
    ///
    /// # Panics
    /// When it does not run.
    #[cfg(target_os = "linux")]
    pub fn address(&self) -> std::net::SocketAddr {
        let ports = process::listening_ports(self.process.id());
        let [port] = ports[..] else { panic!("it listens at {ports:?}") };
        (std::net::Ipv4Addr::LOCALHOST, port).into()
    }

    /// What it has logged since it last started.
    pub fn log(&self) -> Output {
        self.log.clone()
    }

    /// What it has written to its standard output: the line with the issuer.
    pub fn output(&self) -> Output {
        self.output.clone()
    }

    /// The file of its store.
    pub fn store(&self) -> &Path {
        &self.store
    }

    /// Ends it, politely. [`Self::resume`] brings it back.
    pub fn stop(&mut self) {
        self.process.stop();
    }

    /// Ends it as `kill -9` would.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts it again at the same address with the same store.
    ///
    /// # Panics
    /// When it does not become ready, or its issuer has changed.
    pub fn resume(&mut self) {
        let address = self.issuer.trim_start_matches("http://").trim_end_matches('/');
        let options = self.options.clone().listen(address);
        let (process, output, log, issuer) = options.spawn(&self.store);
        assert_eq!(issuer, self.issuer, "the server came back as another");
        (self.process, self.output, self.log) = (process, output, log);
    }

    /// How every refresh token presented since the last start was answered: `rotated`, `repeated`, `reused`, `revoked`, …
    pub fn refreshes(&self) -> Vec<String> {
        self.log.lines().iter().filter_map(|line| refresh_outcome(line)).collect()
    }

    /// How many refresh tokens were exchanged for a successor since the last start.
    pub fn rotations(&self) -> usize {
        self.refreshes().iter().filter(|outcome| *outcome == "rotated").count()
    }

    /// Ends all grants of a person, as whoever runs the server may.
    ///
    /// # Panics
    /// When the server's own command fails.
    pub fn revoke_person(&self, name: &str) {
        self.administer(&["grant", "revoke", "--user", name]);
    }

    /// Adds a person who can sign in with that password.
    ///
    /// # Panics
    /// When the server's own command fails.
    pub fn add_person(&self, name: &str, password: &str) {
        self.administer_with(&["user", "add", name, "--password-stdin"], password);
    }

    /// How many grants are not revoked.
    ///
    /// # Panics
    /// When the server's own command fails.
    pub fn living_grants(&self) -> usize {
        let listed = self.administer(&["grant", "list"]);
        let grants =
            listed.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).expect("a JSON object a line"));
        grants.filter(|grant| grant["revoked"].is_null()).count()
    }

    /// Runs `pilotlight-server ARGUMENTS --store …` on the same store and gives back what it prints.
    ///
    /// # Panics
    /// When it fails; the message has what it says.
    pub fn administer(&self, arguments: &[&str]) -> String {
        self.administer_with(arguments, "")
    }

    fn administer_with(&self, arguments: &[&str], input: &str) -> String {
        let mut command = Command::new(binaries::built("pilotlight-server"));
        command.args(arguments).arg("--store").arg(store_argument(&self.store));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("pilotlight-server starts");
        child.stdin.take().expect("it is piped").write_all(input.as_bytes()).expect("it reads its input");
        let output = child.wait_with_output().expect("it ends");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "pilotlight-server {}: {said}", arguments.join(" "));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

/// The outcome in a line of the server's log that reports a refresh: `… issue: refresh grant_id=… outcome=rotated …`.
fn refresh_outcome(line: &str) -> Option<String> {
    let (_, report) = line.split_once(": refresh ")?;
    let word = report.split_whitespace().find_map(|field| field.strip_prefix("outcome="))?;
    Some(word.trim_matches('"').to_owned())
}

fn store_argument(file: &Path) -> OsString {
    let mut argument = OsString::from("sqlite:");
    argument.push(file);
    argument
}

/// The issuer in the line that a server prints when it is ready: `{"issuer": …}`.
pub(crate) fn issuer_in(line: &str) -> String {
    let value: serde_json::Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{line:?}: {error}"));
    value["issuer"].as_str().unwrap_or_else(|| panic!("no issuer in {line:?}")).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refresh_in_the_log_is_told_from_other_lines() {
        let line =
            "2026-11-21T04:03:47Z  INFO pilotlight_server::issue: refresh grant_id=7f outcome=rotated generation=1";
        assert_eq!(refresh_outcome(line).as_deref(), Some("rotated"));
        assert_eq!(refresh_outcome(&line.replace("=rotated", "=\"reused\"")).as_deref(), Some("reused"));
        assert_eq!(refresh_outcome("2026-11-21T04:03:47Z  INFO pilotlight_server::issue: grant outcome=begun"), None);
        assert_eq!(refresh_outcome("2026-11-21T04:03:47Z  INFO pilotlight_server::commands: serving"), None);
    }
}
