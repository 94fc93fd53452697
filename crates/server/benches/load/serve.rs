//! Our own server, with as many grants as are wished for.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use pilotlight_oauth::Timestamp;
use pilotlight_server::client::Client;
use pilotlight_server::{Config, KeySource, MemoryStore, RedisStore, Server, SqliteStore, Store, SystemClock};
use secrecy::ExposeSecret as _;
use tokio::net::TcpListener;

use crate::{Failure, Grants, say_ready};

/// Sixty days, as the program has it.
const REMEMBER: Duration = Duration::from_secs(60 * 24 * 3600);

#[derive(clap::Args)]
pub(crate) struct Fill {
    /// `memory`, `sqlite:PATH`, or the address of a Redis
    store: String,
    /// The key file
    #[arg(long)]
    keys: PathBuf,
    #[command(flatten)]
    grants: Grants,
}

impl Fill {
    /// Fills the store and serves it, as the program does. For the store in memory, which nobody else can fill.
    pub(crate) fn serve(self) -> Result<(), Failure> {
        tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await?;
            let address = listener.local_addr()?;
            let server = self.filled(&format!("http://{address}"))?;
            say_ready(address);
            Ok(server.run(listener, std::future::pending()).await?)
        })
    }

    /// Fills the store and is over.
    pub(crate) fn fill(self) -> Result<(), Failure> {
        self.filled("http://127.0.0.1:1").map(drop)
    }

    fn filled(&self, issuer: &str) -> Result<Server, Failure> {
        let store: Arc<dyn Store> = match self.store.strip_prefix("sqlite:") {
            Some(path) => Arc::new(SqliteStore::open(path.as_ref())?),
            None if self.store == "memory" => Arc::new(MemoryStore::new()),
            None => Arc::new(RedisStore::open(&self.store, REMEMBER)?),
        };
        store.add_client(&Client::public("desktop", vec!["http://127.0.0.1/callback".to_owned()])?)?;
        let config = Config { keys: KeySource::File(self.keys.clone()), ..Config::new(issuer) };
        let server = Server::open(config, store, Arc::new(SystemClock))?;
        let tokens = server.fill("desktop", self.grants.grants, self.grants.sample)?;
        // Long before anything is remembered.
        server.fill_since("desktop", self.grants.expired, 0, Timestamp::from_secs(1_000_000_000))?;
        let tokens: Vec<String> = tokens.iter().map(|token| token.expose_secret().to_owned()).collect();
        self.grants.write_tokens(&tokens)?;
        Ok(server)
    }
}
