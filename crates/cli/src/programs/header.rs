//! `pilotlight header`: the line that a request carries, for `curl -H @-` (RFC 6750 section 2.1).

use std::time::Duration;

use clap::Args;
use pilotlight::values::ExposeSecret as _;
use serde::Serialize;
use zeroize::Zeroizing;

use crate::command::{Outcome, Run};
use crate::{lend, words};

#[derive(Debug, Args)]
pub(crate) struct HeaderArguments {
    /// The account
    name: String,
    /// The token must live at least this many seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    min_ttl: u64,
}

#[derive(Serialize)]
struct HeaderJson<'a> {
    name: &'static str,
    value: &'a str,
    expires_at: Option<String>,
}

impl Run {
    pub(crate) async fn header(self, arguments: &HeaderArguments) -> Outcome {
        let token = lend::bearer(&self.pilotlight, &arguments.name, Duration::from_secs(arguments.min_ttl)).await?;
        let value = Zeroizing::new(format!("Bearer {}", token.token.expose_secret()));
        let json = HeaderJson { name: "Authorization", value: &value, expires_at: token.expires_at.map(words::exact) };
        self.form.print(&json, || format!("Authorization: {}\n", value.as_str()))?;
        Ok(0)
    }
}
