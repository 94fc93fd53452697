//! `pilotlight-server chaos`.

use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::PathBuf;

use pilotlight_server::chaos::{BadUpstream, Chaos as Proxy, Fault, Passage, Plan, ScriptError};
use tokio::net::TcpListener;

use super::{Failure, say, stop_signal};

#[derive(clap::Args)]
#[command(group = clap::ArgGroup::new("plan").required(true).args(["script", "seed"]))]
pub(crate) struct Chaos {
    /// The authorization server behind it: http://HOST:PORT on this machine
    #[arg(long)]
    upstream: String,
    /// Where to listen, on this machine; port 0 picks a free one
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// One fault a line, as docs/chaos.md lists them
    #[arg(long)]
    script: Option<PathBuf>,
    /// Faults at random; the same number gives the same run
    #[arg(long)]
    seed: Option<u64>,
    /// The share of requests that meet a fault, from 0 to 1
    #[arg(long, default_value = "0.2", value_parser = rate, conflicts_with = "script")]
    rate: f64,
    /// Draw from these faults alone, as in: reset,delay 500,answer 503 retry-after=2
    #[arg(long, value_delimiter = ',', conflicts_with = "script")]
    faults: Vec<Fault>,
    /// Concern these paths alone, as in: /token,/token/refresh
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Let so many requests pass first
    #[arg(long, default_value_t = 0)]
    after: u64,
    /// The path of the upstream's revocation endpoint, for the fault `revoke`
    #[arg(long, default_value = "/revoke")]
    revocation_path: String,
}

/// Why the proxy does not run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ChaosFailure {
    #[error("{} cannot be read: {error}", path.display())]
    Read { path: PathBuf, error: io::Error },
    #[error("{}: {error}", path.display())]
    Script { path: PathBuf, error: ScriptError },
    #[error(transparent)]
    Upstream(#[from] BadUpstream),
    #[error("tokens pass the proxy in clear, and {0} can be reached from other machines")]
    InPublic(SocketAddr),
}

impl ChaosFailure {
    /// What to do next.
    pub(super) const fn hint(&self) -> &'static str {
        match self {
            Self::Read { .. } => "check the path, and that the file is text",
            Self::Script { .. } => "docs/chaos.md lists the faults with an example of each",
            Self::Upstream(_) => "start the server on 127.0.0.1, with the proxy's address as its --issuer",
            Self::InPublic(_) => "listen on 127.0.0.1",
        }
    }
}

fn rate(text: &str) -> Result<f64, String> {
    let rate = text.parse().ok().filter(|rate| (0.0..=1.0).contains(rate));
    rate.ok_or_else(|| format!("`{text}` is no share: write a number from 0 to 1, as in 0.2"))
}

pub(crate) fn run(chaos: Chaos) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(run_async(chaos))
}

async fn run_async(chaos: Chaos) -> Result<(), Failure> {
    let address = chaos.listen;
    let plan = plan(&chaos)?;
    let proxy = Proxy::new(&chaos.upstream, plan).and_then(|proxy| proxy.revoking_at(&chaos.revocation_path));
    let proxy = proxy.map_err(ChaosFailure::from)?.watched(report);
    if !address.ip().is_loopback() {
        return Err(ChaosFailure::InPublic(address).into());
    }
    let listener = TcpListener::bind(address).await.map_err(|error| Failure::Listen { address, error })?;
    let stop = stop_signal()?;
    say(&serde_json::json!({"issuer": format!("http://{}", listener.local_addr()?)}))?;
    Ok(proxy.run(listener, stop).await?)
}

fn plan(chaos: &Chaos) -> Result<Plan, ChaosFailure> {
    let mut plan = match (&chaos.script, chaos.seed) {
        (Some(path), _) => {
            let text =
                std::fs::read_to_string(path).map_err(|error| ChaosFailure::Read { path: path.clone(), error })?;
            Plan::script(&text).map_err(|error| ChaosFailure::Script { path: path.clone(), error })?
        }
        (None, seed) => Plan::seeded(seed.unwrap_or_default(), chaos.rate),
    };
    if !chaos.faults.is_empty() {
        plan = plan.among(chaos.faults.iter().copied());
    }
    if !chaos.only.is_empty() {
        plan = plan.only(chaos.only.iter().cloned());
    }
    Ok(plan.after(chaos.after))
}

/// One line of JSON a request on stderr. Nobody may be reading it, and that stops nothing.
fn report(passage: &Passage) {
    if let Ok(line) = serde_json::to_string(passage) {
        let _ = writeln!(io::stderr().lock(), "{line}");
    }
}
