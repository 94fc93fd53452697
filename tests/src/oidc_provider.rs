//! The npm package `oidc-provider`, a certified OpenID Connect server, as a child process.

use std::process::Command;

use crate::{
    binaries,
    process::{self, Output, Process},
    server, wait,
};

/// A running `oidc-provider` with rotation on and a public client; it ends when this is dropped.
#[derive(Debug)]
pub struct OidcProvider {
    _process: Process,
    log: Output,
    issuer: String,
}

impl OidcProvider {
    /// The identifier of its public client.
    pub const CLIENT_ID: &str = "pilotlight";

    /// Starts it on a free loopback port; its access tokens live `access_token_seconds`.
    ///
    /// # Panics
    /// When Node or the package is not installed, or it does not become ready.
    pub fn start(access_token_seconds: u32) -> Self {
        let folder = binaries::repository().join("tests/node");
        assert!(
            folder.join("node_modules/oidc-provider").is_dir(),
            "oidc-provider is not installed: run `cargo xtask setup`"
        );
        let mut command = process::piped(Command::new(binaries::tool("node")));
        command.arg("oidc-provider.mjs").arg(access_token_seconds.to_string()).current_dir(folder);
        let mut process = Process::start(&mut command);
        let (log, errors) = process.collect();
        let issuer = wait::until("the issuer of oidc-provider", || {
            if let Some(line) = log.lines().first() {
                return Some(server::issuer_in(line));
            }
            assert!(!process.has_ended(), "oidc-provider ended: {}", errors.text());
            None
        });
        Self { _process: process, log, issuer }
    }

    /// Its issuer identifier.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// How many refresh tokens it has exchanged for new tokens.
    pub fn refreshes(&self) -> usize {
        self.log.lines().iter().filter(|line| line.contains(r#""granted":"refresh_token""#)).count()
    }

    /// How many token requests it has refused, and why: the error codes.
    pub fn refusals(&self) -> Vec<String> {
        let refusal = |line: &String| {
            let value: serde_json::Value = serde_json::from_str(line).ok()?;
            value["refused"].as_str().map(str::to_owned)
        };
        self.log.lines().iter().filter_map(refusal).collect()
    }
}
