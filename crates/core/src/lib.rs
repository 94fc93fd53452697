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
mod devices;
pub mod diagnosis;
mod doctor;
mod error;
mod exchange;
mod explain;
mod files;
mod flights;
mod forecast;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
pub mod grant;
mod home;
#[cfg(feature = "http")]
mod http;
#[cfg(feature = "http")]
mod http_transport;
pub mod journal;
mod lends;
mod lifecycle;
mod lock;
mod outside;
mod pace;
mod page;
pub mod parts;
mod plan;
pub mod presets;
mod random;
mod recent;
mod record;
pub mod redirect;
mod refresh;
mod report;
mod schedule;
mod screen;
pub mod settings;
mod sign_in;
mod sign_out;
#[cfg(any(test, feature = "testing"))]
pub mod simulation;
mod stamp;
pub mod storage;
#[cfg(all(feature = "http", feature = "keystore"))]
mod system;
mod transfer;
mod transport;
pub mod values;

/// The guide's examples, run as tests.
#[cfg(all(doctest, feature = "http", feature = "testing"))]
#[doc = include_str!("../../../docs/crate.md")]
struct Guide;

pub use account::{AccessToken, Account, Registration, ServiceLocation, SignIn, SignOut, Status};
pub use error::{Error, ErrorCode, ErrorKind};
pub use home::Home;
#[cfg(feature = "http")]
pub use http::AuthorizedClient;
pub use lifecycle::{Config, Pilotlight};
pub use pilotlight_oauth::{Client, Scope};
pub use pilotlight_vault::process;
