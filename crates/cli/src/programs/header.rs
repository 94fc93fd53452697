//! `pilotlight header`: the line that a request carries, for `curl -H @-` (RFC 6750 section 2.1).

use clap::Args;
use pilotlight::values::ExposeSecret as _;
use serde::Serialize;
use zeroize::Zeroizing;

use crate::command::{Outcome, Run};
use crate::lend::Lending;
use crate::words;

#[derive(Debug, Args)]
pub(crate) struct HeaderArguments {
    /// The account
    name: String,
    #[command(flatten)]
    lending: Lending,
}

#[derive(Serialize)]
struct HeaderJson<'a> {
    name: &'static str,
    value: &'a str,
    expires_at: Option<String>,
}

impl Run {
    pub(crate) async fn header(self, arguments: HeaderArguments) -> Outcome {
        let token = self.lender(arguments.lending).bearer(&arguments.name).await?;
        let value = Zeroizing::new(format!("Bearer {}", token.token.expose_secret()));
        let json = HeaderJson { name: "Authorization", value: &value, expires_at: token.expires_at.map(words::exact) };
        self.form.print(&json, || format!("Authorization: {}\n", value.as_str()))?;
        Ok(0)
    }
}
