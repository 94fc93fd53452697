//! Where the commands for other programs take their tokens from: an agent that runs, or else the vault.

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use clap::Args;
use pilotlight::values::{ExposeSecret as _, Timestamp};
use pilotlight::{AccessToken, Error, ErrorCode, Pilotlight};
#[cfg(target_os = "linux")]
use pilotlight_agent::{Request, Secret};
use tokio::sync::OnceCell;
#[cfg(target_os = "linux")]
use zeroize::Zeroizing;

use crate::arguments::Purpose;
use crate::failure::Failure;
use crate::vault;

/// How a command for another program wants its token.
#[derive(Debug, Args)]
pub(crate) struct Lending {
    /// The token must live at least this many seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    min_ttl: u64,
    /// Read the vault, even if an agent runs
    #[arg(long)]
    no_agent: bool,
}

/// Lends tokens of all accounts. While it asks an agent, the vault stays closed and the process open to its neighbours: the
/// agent has to see which program asks. Once the vault was opened it is the other way round, to the end.
pub(crate) struct Lender {
    pilotlight: Pilotlight,
    passphrase: Option<PathBuf>,
    lending: Lending,
    opened: OnceCell<()>,
    /// When an agent was last asked for another token after a refusal.
    replaced: Mutex<Option<Timestamp>>,
}

/// A token that is refused soon after a refresh brought it is not replaced: a service that refuses every token is not cured
/// by another. As long as the authorized HTTP client waits.
const PAUSE: Duration = Duration::from_secs(30);

impl Lender {
    pub(crate) fn new(pilotlight: Pilotlight, passphrase: Option<PathBuf>, lending: Lending) -> Self {
        Self { pilotlight, passphrase, lending, opened: OnceCell::new(), replaced: Mutex::default() }
    }

    /// A bearer token of the account `name` that lives as long as was asked for, and is safe to put into a line of another
    /// protocol.
    pub(crate) async fn bearer(&self, name: &str) -> Result<AccessToken, Failure> {
        self.bearer_for(name, Duration::from_secs(self.lending.min_ttl)).await
    }

    async fn bearer_for(&self, name: &str, min_ttl: Duration) -> Result<AccessToken, Failure> {
        let token = match self.of_agent(name, min_ttl, None).await {
            Some(answer) => answer?,
            None => self.vault().await?.access_token(name, min_ttl).await?,
        };
        fit_for_others(token)
    }

    /// Another token than `refused`: the one that somebody has fetched since, or a new one. None where a refresh has just not
    /// helped. The account stays signed in.
    pub(crate) async fn other_than(&self, name: &str, refused: &str) -> Result<Option<AccessToken>, Failure> {
        let other = |token: &AccessToken| token.token.expose_secret() != refused;
        let current = self.bearer_for(name, Duration::ZERO).await?;
        if other(&current) {
            return Ok(Some(current));
        }
        let last = if self.opened.initialized() {
            let account = self.pilotlight.account(name).await?;
            (account.refreshes > 0).then_some(account.refreshed_at)
        } else {
            *self.replaced()
        };
        let now = self.pilotlight.now();
        // Either way: a clock that was set back must not hold it up for long.
        if last.is_some_and(|last| now.as_secs().abs_diff(last.as_secs()) < PAUSE.as_secs()) {
            return Ok(None);
        }
        let fresh = match self.of_agent(name, Duration::ZERO, Some(refused)).await {
            Some(answer) => answer?,
            None => self.vault().await?.refresh(name).await?,
        };
        *self.replaced() = Some(now);
        Ok(Some(fit_for_others(fresh)?).filter(other))
    }

    /// Has the account's token replaced, where it still is the one that a service refused. The vault does it: it remembers
    /// from one command to the next when it did so last.
    pub(crate) async fn replace(&self, name: &str, refused: &str) -> Result<(), Failure> {
        self.vault().await?;
        self.other_than(name, refused).await?;
        Ok(())
    }

    async fn vault(&self) -> Result<&Pilotlight, Failure> {
        let open = async || {
            // Before anything secret is read. Where the system refuses, the command is still worth running.
            pilotlight::process::harden();
            vault::unlock(&self.pilotlight, self.passphrase.as_deref(), Purpose::Work).await
        };
        self.opened.get_or_try_init(open).await?;
        Ok(&self.pilotlight)
    }

    /// What an agent answers. None where none is to be asked: there is none, or it is out of order.
    #[cfg(target_os = "linux")]
    async fn of_agent(
        &self,
        name: &str,
        min_ttl: Duration,
        refused: Option<&str>,
    ) -> Option<Result<AccessToken, Failure>> {
        if self.lending.no_agent || self.opened.initialized() {
            return None;
        }
        let request = Request::Token {
            account: name.to_owned(),
            min_ttl: min_ttl.as_secs(),
            audience: None,
            scope: None,
            other_than: refused.map(|token| Secret(Zeroizing::new(token.to_owned()))),
            last: true,
        };
        tokio::task::spawn_blocking(move || crate::agent::lent(&request)).await.ok().flatten()
    }

    /// Nowhere else is there an agent.
    #[cfg(not(target_os = "linux"))]
    async fn of_agent(&self, _: &str, _: Duration, _: Option<&str>) -> Option<Result<AccessToken, Failure>> {
        None
    }

    fn replaced(&self) -> MutexGuard<'_, Option<Timestamp>> {
        self.replaced.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn fit_for_others(token: AccessToken) -> Result<AccessToken, Failure> {
    if !token.token_type.eq_ignore_ascii_case("Bearer") {
        return Err(Failure::usage(
            "The account's tokens are bound to a key, and other programs can only send bearer tokens.",
            "Sign in to the service again in a way that gives bearer tokens.",
        ));
    }
    if !fits_a_line(token.token.expose_secret()) {
        return Err(Error::new(
            ErrorCode::ServerMisbehaved,
            "The service's token has characters that no token may have.",
        )
        .into());
    }
    Ok(token)
}

/// RFC 6749 appendix A.12 allows a space too, which would end the token in a header.
fn fits_a_line(token: &str) -> bool {
    !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_cannot_begin_another_line_or_header() {
        assert!(fits_a_line("eyJ0.a-b_c~d+e/f=="));
        for bad in ["", "a b", "a\nusername=x", "a\r\nHost: x", "a\0", "ü"] {
            assert!(!fits_a_line(bad), "{bad:?}");
        }
    }
}
