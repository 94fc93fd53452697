//! An OAuth 2.0 and OpenID Connect authorization server that never signs people out by accident.
//!
//! ```text
//!            ┌───────────────────────── Server ─────────────────────────┐
//!  browser ──▶ /authorize, /device   sign in, consent                   │
//!  client ───▶ /token       code + PKCE, refresh, password   ─┐         │
//!  client ───▶ /login, /token/refresh   plain JSON           ─┼─▶ Store │  memory, one SQLite file, or Redis
//!  client ───▶ /device_authorization, /par, /introspect      ─┤         │
//!  client ───▶ /revoke, /userinfo                            ─┘         │
//!  anybody ──▶ /.well-known/…, /jwks                                    │
//!            └──────────────────────────────────────────────────────────┘
//! ```
//! Three things set it apart:
//! - **Rotation survives a lost answer.** A refresh that is repeated with its `Idempotency-Key` gets the same successor
//!   again, until that successor is used. Anything else that is old is reuse, and revokes the grant ([`grant`]).
//! - **Its own trouble is never the client's.** When the store fails the answer is 503 with `Retry-After`.
//! - **The store keeps no secret**: no token, not even a hash of one, for refresh tokens carry grant and generation under a
//!   MAC; and no key, for those stand in a file of their own.
//!
//! ```
//! use std::sync::Arc;
//! use pilotlight_server::{Config, MemoryStore, Server, SystemClock, add_demo};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let store = Arc::new(MemoryStore::new());
//! add_demo(&*store)?; // the person demo, password demo, and the public client `pilotlight`
//!
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
//! let config = Config::new(format!("http://{}", listener.local_addr()?));
//! let server = Server::open(config, store, Arc::new(SystemClock))?;
//!
//! let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
//! let running = tokio::spawn(server.clone().run(listener, async { drop(stopped.await) }));
//! assert_eq!(server.stats().rotated, 0);
//! stop.send(()).ok();
//! running.await??;
//! # Ok(())
//! # }
//! ```

mod app;
mod authenticate;
pub mod chaos;
pub mod client;
mod clients;
pub mod code;
mod config;
pub mod device;
mod dpop;
mod edge;
#[cfg(feature = "testing")]
mod fill;
pub mod grant;
mod issue;
mod jwt;
mod keys;
mod limit;
mod methods;
pub mod origin;
mod pages;
mod params;
mod password;
mod picture;
mod problem;
mod proven;
pub mod pushed;
mod recent_keys;
mod refresh_token;
mod resource;
mod routes;
mod second_factor;
mod server;
mod session;
mod signer;
pub mod store;
mod system;
mod texts;
mod ticket;
mod totp;
mod user_agent;

pub use app::Stats;
pub use config::{Config, parse_duration};
pub use edge::{BadProxy, Limits, Tls, TlsError, TrustedProxy};
pub use keys::{KeyName, KeySource, KeysError, NewSigningKey, OldKeys, rotate_keys};
pub use methods::Methods;
pub use routes::Registration;
pub use server::{
    AddUserError, Listeners, OpenError, Server, add_demo, add_user, hash_password, put_user, set_password,
};
pub use signer::{SigningAlgorithm, UnknownAlgorithm};
#[cfg(feature = "redis")]
pub use store::RedisStore;
pub use store::{MemoryStore, SqliteStore, Store, StoreError};
pub use system::{Clock, NoEntropy, SystemClock};
