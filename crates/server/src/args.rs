//! The command line.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::{ArgGroup, Parser, Subcommand};
use pilotlight_server::grant::GrantId;
use pilotlight_server::{KeySource, SigningAlgorithm, parse_duration};
use zeroize::Zeroizing;

use crate::edge_args::EdgeArgs;

/// An OAuth 2.0 and OpenID Connect authorization server that never signs people out by accident.
#[derive(Parser)]
#[command(name = "pilotlight-server", version)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Serve until Ctrl-C or SIGTERM; prints {"issuer": …} when ready
    Serve(Box<Serve>),
    /// Hash a password or a client secret from standard input, for the configuration file
    Hash(Hash),
    /// People who can sign in
    #[command(subcommand)]
    User(User),
    /// The server's own keys
    #[command(subcommand)]
    Keys(Keys),
    /// Programs that people sign in to
    #[command(subcommand)]
    Client(Client),
    /// Who is signed in where
    #[command(subcommand)]
    Grant(Grant),
    /// Stand in front of an authorization server and make trouble, for tests; prints {"issuer": …} when ready
    Chaos(crate::commands::chaos::Chaos),
}

#[derive(clap::Args)]
pub(crate) struct Hash {
    /// It is the secret of a client: long and random, so that it needs no slow hash
    #[arg(long)]
    pub(crate) client_secret: bool,
}

#[derive(clap::Args)]
pub(crate) struct Serve {
    /// A file with these options, and with people and clients (TOML); what stands on the command line comes before it
    #[arg(long)]
    pub(crate) config: Option<PathBuf>,
    /// Where to listen; port 0 picks a free one
    #[arg(long, default_value = "127.0.0.1:4400", value_parser = address)]
    pub(crate) listen: SocketAddr,
    /// `memory`, `sqlite:PATH` or `redis://HOST:PORT/DB`; `@FILE` reads it from a file, where it has a password
    #[arg(long, default_value = "memory")]
    pub(crate) store: StoreName,
    /// The file of the server's own keys, or fd:N to read them from an open file; beside an SQLite store if absent, needed with Redis
    #[arg(long)]
    pub(crate) keys: Option<KeysName>,
    /// What a first signing key is made for: es256 or eddsa; `keys rotate` changes it later, to rs256 too
    #[arg(long, default_value = "es256")]
    pub(crate) signing_alg: SigningAlgorithm,
    /// How long an access token lives
    #[arg(long, default_value = "15m", value_parser = parse_duration)]
    pub(crate) access_token_ttl: Duration,
    /// How long a refresh token lives unused
    #[arg(long, default_value = "30d", value_parser = parse_duration)]
    pub(crate) refresh_token_ttl: Duration,
    /// The longest life of a grant, however often it is refreshed; no end if absent
    #[arg(long, value_parser = parse_duration)]
    pub(crate) grant_ttl: Option<Duration>,
    /// How long the previous refresh token, repeated without Idempotency-Key, gets the same answer again
    #[arg(long, default_value = "10s", value_parser = parse_duration)]
    pub(crate) retry_window: Duration,
    /// How often a grant may be refreshed in all; no limit if absent
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) grant_uses: Option<u32>,
    /// How long a person stays signed in to the server's own pages in one browser
    #[arg(long, default_value = "12h", value_parser = parse_duration)]
    pub(crate) session_ttl: Duration,
    /// The issuer as clients know it; http and the listening address if absent
    #[arg(long)]
    pub(crate) issuer: Option<String>,
    /// Do not serve /login and the password grant
    #[arg(long)]
    pub(crate) no_password_sign_in: bool,
    /// Do not serve the plain JSON dialect: /login and /token/refresh
    #[arg(long)]
    pub(crate) no_plain_json: bool,
    /// Take a proof of possession (DPoP) only with a nonce of this server, so that none can be made ahead
    #[arg(long)]
    pub(crate) dpop_nonce: bool,
    /// Make every client push its authorization requests (RFC 9126)
    #[arg(long)]
    pub(crate) require_par: bool,
    /// Bring the person demo (password demo) and the public client `pilotlight`
    #[arg(long)]
    pub(crate) demo: bool,
    /// What to log to stderr: error, warn, info, debug, or a filter such as pilotlight_server=debug
    #[arg(long, default_value = "info")]
    pub(crate) log: String,
    #[command(flatten)]
    pub(crate) edge: EdgeArgs,
}

#[derive(Subcommand)]
pub(crate) enum User {
    /// Add a person
    Add {
        /// What the person types to sign in
        name: String,
        /// Read the password from standard input, up to the end of its first line
        #[arg(long, required = true)]
        password_stdin: bool,
        /// `sqlite:PATH` or `redis://HOST:PORT/DB`; `@FILE` reads it from a file
        #[arg(long)]
        store: StoreName,
    },
    /// List people, one JSON object a line
    List {
        /// `sqlite:PATH` or `redis://HOST:PORT/DB`; `@FILE` reads it from a file
        #[arg(long)]
        store: StoreName,
    },
    /// Remove a person, and end all their sign-ins
    Remove {
        /// The person
        name: String,
        /// `sqlite:PATH` or `redis://HOST:PORT/DB`; `@FILE` reads it from a file
        #[arg(long)]
        store: StoreName,
    },
    /// Give a person another password, and end all their sign-ins
    SetPassword {
        /// The person
        name: String,
        /// Read the password from standard input, up to the end of its first line
        #[arg(long, required = true)]
        password_stdin: bool,
        /// Leave the person signed in where they are
        #[arg(long)]
        keep_sign_ins: bool,
        /// `sqlite:PATH` or `redis://HOST:PORT/DB`; `@FILE` reads it from a file
        #[arg(long)]
        store: StoreName,
    },
    /// Take the second factor from a person who lost it
    ResetTotp {
        /// The person
        name: String,
        /// `sqlite:PATH` or `redis://HOST:PORT/DB`; `@FILE` reads it from a file
        #[arg(long)]
        store: StoreName,
    },
}

#[derive(Subcommand)]
pub(crate) enum Client {
    /// Add a client
    Add(AddClient),
}

#[derive(clap::Args)]
pub(crate) struct AddClient {
    /// Its `client_id`
    pub(crate) id: String,
    /// Where answers may be sent; may be repeated
    #[arg(long = "redirect-uri", required_unless_present_any = ["device", "own_scope", "introspect_any"])]
    pub(crate) redirect_uris: Vec<String>,
    /// Where a browser may be sent after it was signed out; may be repeated
    #[arg(long = "post-logout-redirect-uri")]
    pub(crate) post_logout_redirect_uris: Vec<String>,
    /// The name people read; the id if absent
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// Give it a secret, printed once
    #[arg(long)]
    pub(crate) confidential: bool,
    /// Let it ask for sign-in on another device (RFC 8628)
    #[arg(long)]
    pub(crate) device: bool,
    /// Let it have tokens in its own name (client credentials) with at most these scopes, separated by spaces
    #[arg(long, requires = "confidential")]
    pub(crate) own_scope: Option<String>,
    /// Let it introspect the access tokens of every client, as resource servers do
    #[arg(long, requires = "confidential")]
    pub(crate) introspect_any: bool,
    /// Make it push its authorization requests (RFC 9126)
    #[arg(long)]
    pub(crate) pushed_only: bool,
    /// Give it tokens only where it proves to have a key (DPoP, RFC 9449)
    #[arg(long)]
    pub(crate) dpop_required: bool,
    /// Let it exchange its access tokens for narrower ones (RFC 8693)
    #[arg(long)]
    pub(crate) exchange: bool,
    /// Let it ask for tokens for this resource server (RFC 8707), an absolute URI; may be repeated
    #[arg(long = "resource")]
    pub(crate) resources: Vec<String>,
    /// `sqlite:PATH` or `redis://HOST:PORT/DB`; `@FILE` reads it from a file
    #[arg(long)]
    pub(crate) store: StoreName,
}

#[derive(Subcommand)]
pub(crate) enum Grant {
    /// List grants, one JSON object a line
    List {
        /// `sqlite:PATH` or `redis://HOST:PORT/DB`; `@FILE` reads it from a file
        #[arg(long)]
        store: StoreName,
    },
    /// End grants at once; a running server notices with the next request
    #[command(group(ArgGroup::new("which").required(true).args(["id", "user"])))]
    Revoke {
        /// The grant to end
        id: Option<GrantId>,
        /// End all grants of that person
        #[arg(long)]
        user: Option<String>,
        /// `sqlite:PATH` or `redis://HOST:PORT/DB`; `@FILE` reads it from a file
        #[arg(long)]
        store: StoreName,
    },
}

#[derive(Subcommand)]
pub(crate) enum Keys {
    /// Add new keys, known at once and in use a little later; running servers read the file by themselves
    Rotate {
        /// The key file
        #[arg(long)]
        keys: PathBuf,
        /// How long from now on the old keys stay in use, so that everybody can learn of the new ones
        #[arg(long, default_value = "10m", value_parser = parse_duration)]
        announce: Duration,
        /// What the new signing key is for: es256 or eddsa; that of the newest one if absent
        #[arg(long)]
        signing_alg: Option<SigningAlgorithm>,
        /// A signing key made elsewhere: PKCS #8 in PEM or DER, of P-256, Ed25519 or RSA (for rs256)
        #[arg(long, conflicts_with = "signing_alg")]
        import: Option<PathBuf>,
        /// The old ones are in wrong hands: drop them at once. Everybody has to sign in again
        #[arg(long, conflicts_with = "announce")]
        leaked: bool,
    },
}

/// Where the keys are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KeysName(pub(crate) KeySource);

impl FromStr for KeysName {
    type Err = BadKeysName;

    fn from_str(text: &str) -> Result<Self, BadKeysName> {
        match text.strip_prefix("fd:") {
            Some(number) => number.parse().map(|number| Self(KeySource::Descriptor(number))).map_err(|_| BadKeysName),
            None if text.is_empty() => Err(BadKeysName),
            None => Ok(Self(KeySource::File(PathBuf::from(text)))),
        }
    }
}

#[derive(Debug, thiserror::Error)]
#[error("write the path of a file, or fd:N with the number of an open file, as in fd:3")]
pub(crate) struct BadKeysName;

/// Where the store is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum StoreName {
    Memory,
    Sqlite(PathBuf),
    /// The address, which may have a password.
    Redis(SecretAddress),
}

/// Not shown: it may have a password.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct SecretAddress(pub(crate) Zeroizing<String>);

impl std::fmt::Debug for SecretAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SecretAddress(redacted)")
    }
}

impl FromStr for StoreName {
    type Err = BadStoreName;

    fn from_str(text: &str) -> Result<Self, BadStoreName> {
        if let Some(file) = text.strip_prefix('@') {
            let named = Zeroizing::new(std::fs::read_to_string(file)?);
            return Self::parse(named.trim());
        }
        Self::parse(text)
    }
}

impl StoreName {
    fn parse(text: &str) -> Result<Self, BadStoreName> {
        match text.split_once(':') {
            None if text == "memory" => Ok(Self::Memory),
            Some(("sqlite", path)) if !path.is_empty() => {
                let path: Result<PathBuf, Infallible> = path.parse();
                path.map(Self::Sqlite).map_err(|_| BadStoreName::Unknown)
            }
            Some((scheme, _)) if ["redis", "rediss"].contains(&scheme.split('+').next().unwrap_or_default()) => {
                Ok(Self::Redis(SecretAddress(Zeroizing::new(text.to_owned()))))
            }
            _ => Err(BadStoreName::Unknown),
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum BadStoreName {
    #[error(
        "write memory, sqlite:PATH as in sqlite:/var/lib/pilotlight/server.db, redis://HOST:PORT/DB, or @FILE with one of these in it"
    )]
    Unknown,
    #[error("the file that names the store cannot be read: {0}")]
    File(#[from] std::io::Error),
}

/// Where to listen, or how that is written.
fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse()
        .map_err(|_| "write an address of this machine and a port, as in 127.0.0.1:4400 or [::1]:4400".to_owned())
}
