//! A server, a home, and victims that come and go.

use std::{
    cell::Cell,
    collections::BTreeMap,
    fmt,
    fs::{self, File},
    net::SocketAddr,
    path::PathBuf,
    process::{Command, Stdio},
};

use tempfile::TempDir;

use super::{Keys, Wire};
use crate::{Server, binaries, process::Process, wait};

/// Everything that a victim needs to be signed in.
#[derive(Debug)]
pub struct Bench {
    wire: Option<Wire>,
    server: Server,
    folder: TempDir,
    victims: Cell<u32>,
    /// The server's rotations before the last sign-in.
    before: Cell<usize>,
}

/// What a victim said when it failed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Failure {
    /// The error's code: `lost_answer`.
    pub code: String,
    /// Its sentence.
    pub text: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.text)
    }
}

impl Bench {
    /// A server as it is, which knows `Idempotency-Key`, reached directly.
    pub fn direct() -> Self {
        Self::new(None)
    }

    /// A server behind a [`Wire`].
    pub fn wired(keys: Keys) -> Self {
        Self::new(Some(keys))
    }

    fn new(keys: Option<Keys>) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let server = Server::demo().argument("--retry-window").argument("0s").start();
        let wire = keys.map(|keys| Wire::to(address_of(&server), keys));
        let bench = Self { wire, server, folder, victims: Cell::new(0), before: Cell::new(0) };
        bench.sign_in();
        bench
    }

    /// The server.
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// The way to the server.
    ///
    /// # Panics
    /// When it is reached directly.
    pub fn wire(&self) -> &Wire {
        self.wire.as_ref().expect("a bench with a wire")
    }

    /// Signs in with the demo person's password, after signing out of whatever account there is.
    ///
    /// # Panics
    /// When it does not succeed.
    pub fn sign_in(&self) {
        self.before.set(self.server.rotations());
        let (kind, url) = match &self.wire {
            None => ("issuer", self.server.issuer().to_owned()),
            Some(wire) => ("token-endpoint", format!("http://{}/token", wire.address())),
        };
        let mut victim = self.victim(&["sign-in", kind, &url]);
        victim.wait_until_it_ended();
        assert_eq!(victim.said(), "signed-in\n");
    }

    /// How often the server rotated the grant of the last sign-in.
    pub fn rotations(&self) -> u64 {
        (self.server.rotations() - self.before.get()) as u64
    }

    /// How often the server gave each answer to a refresh token.
    pub fn outcomes(&self) -> BTreeMap<String, u64> {
        let mut counted = BTreeMap::new();
        for outcome in self.server.refreshes() {
            *counted.entry(outcome).or_default() += 1;
        }
        counted
    }

    /// Waits until the server has nothing left to do for victims that are dead. A request that is still on its way when the
    /// next one comes is decided by their order at the server, which is another matter than a lost answer.
    pub fn wait_for_quiet(&self) {
        if let Some(wire) = &self.wire {
            wait::until("a quiet wire", || (wire.under_way() == 0).then_some(()));
        }
    }

    /// Starts a victim.
    ///
    /// # Panics
    /// When it is not built.
    pub fn victim(&self, arguments: &[&str]) -> Victim {
        let (mut command, said) = self.command(arguments);
        Victim { process: Process::start(&mut command), said }
    }

    /// How a victim is started, and where it will say what it does.
    ///
    /// # Panics
    /// When the folder cannot be written.
    pub fn command(&self, arguments: &[&str]) -> (Command, PathBuf) {
        let number = self.victims.replace(self.victims.get() + 1);
        let said = self.folder.path().join(format!("victim-{number}"));
        // A file, not a pipe: what was said before a kill is all there after it.
        let out = File::create(&said).expect("a file in it");
        let errors = out.try_clone().expect("a second handle");
        let mut command = Command::new(binaries::built("pilotlight-victim"));
        command.env_clear().env("PILOTLIGHT_HOME", self.folder.path().join("home")).args(arguments);
        command.stdin(Stdio::null()).stdout(out).stderr(errors);
        (command, said)
    }
}

fn address_of(server: &Server) -> SocketAddr {
    server.issuer().trim_start_matches("http://").parse().expect("an address and a port")
}

/// A running `pilotlight-victim`; it ends when this is dropped.
#[derive(Debug)]
pub struct Victim {
    process: Process,
    said: PathBuf,
}

impl Victim {
    /// Its process id.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// All that it has said so far.
    pub fn said(&self) -> String {
        read(&self.said)
    }

    /// Ends it as `kill -9` would.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Waits until it ends by itself.
    pub fn wait_until_it_ended(&mut self) {
        wait::until("a victim to end", || self.process.has_ended().then_some(()));
    }

    /// Waits for its first refresh, and gives its number, counted from the sign-in.
    ///
    /// # Errors
    /// What it said when it failed.
    ///
    /// # Panics
    /// When it ends without saying either.
    pub fn first_refresh(&mut self) -> Result<u64, Failure> {
        wait::until("the victim's first refresh", || {
            let ended = self.process.has_ended();
            let said = self.said();
            if let Some(failure) = failure_in(&said) {
                return Some(Err(failure));
            }
            if let Some(number) = numbers_in(&said, "refreshed").next() {
                return Some(Ok(number));
            }
            assert!(!ended, "a victim ended without a word: {said}");
            None
        })
    }
}

/// What a victim has written to `file`.
pub(super) fn read(file: &std::path::Path) -> String {
    fs::read_to_string(file).expect("what a victim said")
}

/// The failure in what a victim said.
pub(super) fn failure_in(said: &str) -> Option<Failure> {
    let line = said.lines().find_map(|line| line.strip_prefix("failed "))?;
    let (code, text) = line.split_once(' ').unwrap_or((line, ""));
    Some(Failure { code: code.to_owned(), text: text.to_owned() })
}

/// The number of refreshes in each of its lines `word NUMBER`.
pub(super) fn numbers_in<'a>(said: &'a str, word: &'a str) -> impl Iterator<Item = u64> + 'a {
    said.lines().filter_map(move |line| line.strip_prefix(word)?.strip_prefix(' ')?.parse().ok())
}
