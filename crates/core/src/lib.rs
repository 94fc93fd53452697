//! Keeps people signed in: sign-in, silent refresh, storage, and an HTTP client that is always authorized.
//!
//! ```text
//!   sign_in ──▶ vault ──▶ keep_fresh ──▶ (lock → read again → note attempt → send → commit → publish)
//!                 ▲                                        │
//!                 └──────────── access_token ◀─────────────┘
//! ```
//!
//! ```no_run
//! use std::time::Duration;
//! use pilotlight::{Client, Config, Home, Pilotlight, Registration, Scope, ServiceLocation, SignIn};
//!
//! # async fn example() -> Result<(), pilotlight::Error> {
//! let pilotlight = Pilotlight::new(Config::system(Home::locate()?)?);
//! tokio::spawn(pilotlight.clone().keep_fresh());
//!
//! let registration = Registration {
//!     name: "work".into(),
//!     service: ServiceLocation::Issuer("https://id.example.com".into()),
//!     client: Client { id: "my-app".into(), secret: None },
//!     scope: Scope::parse("openid offline_access"),
//! };
//! let account = pilotlight.sign_in(registration, SignIn::Browser).await?;
//! let token = pilotlight.access_token(&account.name, Duration::from_secs(60)).await?;
//! # drop(token);
//! # Ok(())
//! # }
//! ```
//!
//! Every refresh token stays inside this crate (promise P5); callers get access tokens, and only after the refresh token that
//! came with them is durable (P2).

mod account;
mod anchor;
mod browser;
mod clock;
mod doctor;
mod error;
mod explain;
mod files;
mod flights;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
pub mod grant;
mod home;
mod http;
mod journal;
mod lifecycle;
mod lock;
mod outside;
mod pace;
mod page;
mod plan;
mod random;
mod record;
mod refresh;
mod schedule;
mod sign_in;
mod sign_out;
mod storage;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod transport;

pub use account::{AccessToken, Account, Accounts, Registration, ServiceLocation, SignIn, SignOut, SignedOut, Status};
pub use browser::{Browser, SystemBrowser};
pub use clock::{Clock, Sleep, SystemClock};
pub use doctor::{Finding, Health};
pub use error::{Error, ErrorCode, ErrorKind};
pub use explain::Explanation;
pub use home::Home;
pub use http::AuthorizedClient;
pub use journal::{Chain, EventKind, JournalEntry};
pub use lifecycle::{Config, Pilotlight};
#[cfg(feature = "redis")]
pub use lock::RedisLocks;
pub use lock::{FileLocks, Lock, Locking, Locks};
pub use pilotlight_oauth::{Client, ExposeSecret, PlainJson, Scope, SecretString, Service, Timestamp};
pub use pilotlight_vault::{Aead, Exposure, Exposures, GrantId, Keystore, Need, SlotInfo, Strategy, Vault, process};
pub use random::{Random, SystemRandom};
pub use sign_in::{DeviceInvitation, DeviceProgress, DeviceWatcher};
pub use storage::{Moved, Moving, VaultInfo, VaultStatus};
pub use transport::{Answer, HttpTransport, Transport, TransportError};
