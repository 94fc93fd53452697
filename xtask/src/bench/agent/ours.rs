//! Our agent, headless, over the default vault, whose key a keystore of its own keeps.

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    os::unix::{fs::PermissionsExt as _, net::UnixStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use super::measure::{succeed, until};
use crate::failure::Failure;

/// A bus with an unlocked gnome-keyring; both end when this is dropped.
pub(in crate::bench) struct Session {
    shell: Child,
    bus: String,
    folder: PathBuf,
    program: PathBuf,
}

impl Session {
    pub(in crate::bench) fn start(folder: &Path, program: &Path) -> Result<Self, Failure> {
        let folder = folder.to_owned();
        for name in ["home", "run"] {
            fs::create_dir_all(folder.join(name))?;
            fs::set_permissions(folder.join(name), fs::Permissions::from_mode(0o700))?;
        }
        // The shell waits at `cat`; when its input ends, so does the bus, and the keystore with it.
        let script = "printf bench | gnome-keyring-daemon --unlock --components=secrets >/dev/null 2>&1; \
                      echo $DBUS_SESSION_BUS_ADDRESS; exec cat";
        let mut command = Command::new("dbus-run-session");
        command
            .args(["--", "sh", "-c", script])
            .env("HOME", folder.join("home"))
            .env("XDG_RUNTIME_DIR", folder.join("run"));
        command.env_remove("XDG_DATA_HOME").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut shell = command.spawn()?;
        let mut bus = String::new();
        if let Some(output) = shell.stdout.take() {
            BufReader::new(output).read_line(&mut bus)?;
        }
        Ok(Self { shell, bus: bus.trim().to_owned(), folder, program: program.to_owned() })
    }

    /// Our command line, with a home of this name.
    pub(in crate::bench) fn command(&self, home: &str, arguments: &[&str]) -> Command {
        let mut command = self.other(&self.program, home);
        command.args(arguments);
        command
    }

    /// Another program that sees the same.
    pub(in crate::bench) fn other(&self, program: &Path, home: &str) -> Command {
        let mut command = Command::new(program);
        command.env_clear().env("HOME", self.folder.join("home")).env("PILOTLIGHT_HOME", self.folder.join(home));
        command.env("XDG_RUNTIME_DIR", self.folder.join("run")).env("DBUS_SESSION_BUS_ADDRESS", &self.bus);
        command
    }

    pub(in crate::bench) fn sign_in(&self, home: &str, account: &str, issuer: &str) -> Result<(), Failure> {
        let endpoint = format!("{issuer}/token");
        let arguments = ["sign-in", account, "--token-endpoint", &endpoint, "--username", "demo", "--password-stdin"];
        let mut command = self.command(home, &arguments);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
        if let Some(mut input) = child.stdin.take() {
            input.write_all(b"demo\n")?;
        }
        let output = child.wait_with_output()?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        if output.status.success() { Ok(()) } else { Err(Failure::new(said)) }
    }

    /// An agent over that home that lends to this program.
    pub(in crate::bench) fn agent(&self, home: &str) -> Result<Ours, Failure> {
        let own = std::env::current_exe()?;
        succeed(self.command(home, &["programs", "allow"]).arg(&own))?;
        let mut command = self.command(home, &["agent"]);
        let agent = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        let socket = self.folder.join(home).join("agent/agent.sock");
        let ours = Ours { agent, socket };
        until("the agent's socket", || UnixStream::connect(&ours.socket).is_ok())?;
        Ok(ours)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        // An error means that it is gone already.
        let _ = self.shell.wait();
    }
}

/// A running agent.
pub(in crate::bench) struct Ours {
    agent: Child,
    socket: PathBuf,
}

impl Ours {
    pub(in crate::bench) fn pid(&self) -> u32 {
        self.agent.id()
    }

    pub(in crate::bench) fn socket(&self) -> &Path {
        &self.socket
    }

    pub(in crate::bench) fn connect(&self) -> Result<BufReader<UnixStream>, Failure> {
        Ok(BufReader::with_capacity(4096, UnixStream::connect(&self.socket)?))
    }

    /// One token over a connection of its own, as the command line asks.
    pub(in crate::bench) fn ask(&self, account: &str, min_ttl: u64) -> Result<(), Failure> {
        exchange(&mut self.connect()?, account, min_ttl, r#","last":true"#)
    }
}

impl Drop for Ours {
    fn drop(&mut self) {
        // An error means that it is gone already.
        let _ = self.agent.kill();
        let _ = self.agent.wait();
    }
}

/// One token over this connection.
pub(in crate::bench) fn ask(
    connection: &mut BufReader<UnixStream>,
    account: &str,
    min_ttl: u64,
) -> Result<(), Failure> {
    exchange(connection, account, min_ttl, "")
}

fn exchange(connection: &mut BufReader<UnixStream>, account: &str, min_ttl: u64, more: &str) -> Result<(), Failure> {
    let request = format!("{{\"ask\":\"token\",\"account\":\"{account}\",\"min_ttl\":{min_ttl}{more}}}\n");
    connection.get_mut().write_all(request.as_bytes())?;
    let mut answer = String::new();
    connection.read_line(&mut answer)?;
    if answer.starts_with(r#"{"token":"#) { Ok(()) } else { Err(Failure::new(answer)) }
}
