//! The options of `serve` about what stands between the sockets and the routes.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::ValueEnum;
use pilotlight_server::TrustedProxy;

#[derive(clap::Args)]
pub(crate) struct EdgeArgs {
    /// How to write the log: `text`, or `json` with one object a line
    #[arg(long, value_enum, default_value_t = LogFormat::Text)]
    pub(crate) log_format: LogFormat,
    /// Serve /metrics, /health and /ready there, for those within; nowhere if absent
    #[arg(long)]
    pub(crate) metrics: Option<SocketAddr>,
    /// The certificate chain (PEM): serve https. Read again when it is replaced, and on SIGHUP
    #[arg(long, requires = "tls_key")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// The private key of the certificate (PEM)
    #[arg(long, requires = "tls_cert")]
    pub(crate) tls_key: Option<PathBuf>,
    /// A proxy of yours, whose Forwarded and X-Forwarded-… headers are believed: an address or a block; may be repeated
    #[arg(long = "trusted-proxy")]
    pub(crate) trusted_proxies: Vec<TrustedProxy>,
    /// Who may register clients (RFC 7591): nobody, who has the token of --registration-token, or everybody
    #[arg(long, value_enum, default_value_t = Registering::Off)]
    pub(crate) registration: Registering,
    /// The file with the initial access token for --registration token
    #[arg(long, required_if_eq("registration", "token"))]
    pub(crate) registration_token: Option<PathBuf>,
    /// How many clients may register themselves in all
    #[arg(long, default_value_t = 1000)]
    pub(crate) max_registered: u64,
    /// Requests in work at once; one more is told 503
    #[arg(long, default_value = "1024", value_parser = at_least_one)]
    pub(crate) max_requests: usize,
    /// Connections at once; one more is told 503 and closed
    #[arg(long, default_value = "4096", value_parser = at_least_one)]
    pub(crate) max_connections: usize,
    /// Passwords hashed at once; half of the cores if absent
    #[arg(long, value_parser = at_least_one)]
    pub(crate) max_password_checks: Option<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    Text,
    Json,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Registering {
    Off,
    Token,
    Open,
}

fn at_least_one(text: &str) -> Result<usize, String> {
    let wrong = || format!("`{text}` is no number from 1 to 1000000");
    text.parse().ok().filter(|number| (1..=1_000_000).contains(number)).ok_or_else(wrong)
}
