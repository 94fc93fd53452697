//! Debian's oidc-agent, without a display and without asking anybody.

use std::{
    fs,
    io::{Read as _, Write as _},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{bench::proc, failure::Failure, packages::PEER};

/// A running oidc-agent: two processes.
pub(super) struct Peer {
    pid: u32,
    socket: PathBuf,
    folder: PathBuf,
}

impl Peer {
    pub(super) fn start(folder: &Path) -> Result<Self, Failure> {
        let folder = folder.join("peer");
        fs::create_dir_all(folder.join(".config/oidc-agent"))?;
        fs::write(folder.join("password"), "bench\n")?;
        let mut command = Self::command_in(&folder, PEER.0);
        let output = command.args(["--no-autoreauthenticate", "--no-autoload"]).output()?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let value = |name: &str| {
            let (_, rest) = said.split_once(&format!("{name}="))?;
            rest.split(';').next().map(str::to_owned)
        };
        let pid = value("OIDCD_PID").and_then(|pid| pid.parse().ok());
        match (pid, value("OIDC_SOCK")) {
            (Some(pid), Some(socket)) => Ok(Self { pid, socket: socket.into(), folder }),
            _ => Err(Failure::new(format!("oidc-agent does not start: {said}"))),
        }
    }

    fn command_in(folder: &Path, program: &str) -> Command {
        let mut command = Command::new(program);
        // What of the environment it may see decides where it keeps its files.
        command.env_clear().env("PATH", "/usr/bin:/bin").env("HOME", folder);
        command
    }

    pub(super) fn command(&self, program: &str) -> Command {
        let mut command = Self::command_in(&self.folder, program);
        command.env("OIDC_SOCK", &self.socket);
        command
    }

    pub(super) fn sign_in(&self, name: &str, issuer: &str) -> Result<(), Failure> {
        let mut command = self.command("oidc-gen");
        command.args([
            name,
            "--flow=password",
            "--client-id=bench",
            "--client-secret=none",
            "--scope=openid offline_access",
        ]);
        command.args(["--op-username=demo", "--op-password=demo", "--redirect-uri=http://localhost:4242"]);
        command.arg(format!("--iss={issuer}")).arg(format!("--pw-file={}", self.folder.join("password").display()));
        super::measure::succeed(&mut command)
    }

    /// One token over a connection of its own, as its clients ask.
    pub(super) fn ask(&self, account: &str, min_ttl: u64) -> Result<(), Failure> {
        let mut stream = UnixStream::connect(&self.socket)?;
        let request = format!(
            r#"{{"request":"access_token","account":"{account}","min_valid_period":{min_ttl},"application_hint":"bench"}}"#
        );
        stream.write_all(request.as_bytes())?;
        let mut answer = vec![0; 8192];
        let length = stream.read(&mut answer)?;
        let told = String::from_utf8_lossy(answer.get(..length).unwrap_or_default());
        if told.contains(r#""access_token""#) { Ok(()) } else { Err(Failure::new(told.into_owned())) }
    }

    pub(super) fn processes(&self) -> Vec<u32> {
        std::iter::once(self.pid).chain(proc::children(self.pid)).collect()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let mut command = Command::new("kill");
        for pid in self.processes() {
            command.arg(pid.to_string());
        }
        // An error means that it is gone already.
        let _ = super::measure::succeed(&mut command);
    }
}
