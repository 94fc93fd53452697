//! The test kit: everything around the product that a test needs to be real.
//!
//! ```text
//!  PrivateDesktop ── display, D-Bus and keystore of its own, in a folder that vanishes
//!    │ starts
//!    ├─ Window ───── the app in its real window, driven by test ids over WebDriver
//!    │    └─ opens the browser: pilotlight-person, which signs in as a person would
//!    └─ Server ───── pilotlight-server on a free loopback port, its log read for counts
//!  Chaotic ───────── a server in this process, behind a proxy that makes trouble by plan
//!  OidcProvider ──── a certified server from npm, to check against somebody else's reading of the RFCs
//!  Stranger ──────── a service in this process whose tokens the test knows, and which keeps what it is sent
//!  Tunnel ────────── an HTTP proxy, by which names that exist nowhere lead to a server on loopback
//!  leaks ─────────── looks for a secret in files, raw and encoded
//! ```
//!
//! ```no_run
//! use pilotlight_tests::{Keystore, Launch, PrivateDesktop, Server, Window};
//!
//! # async fn example() {
//! let desktop = PrivateDesktop::start(Keystore::Unlocked).with_display();
//! let server = Server::demo().start();
//! let mut window = Window::open(&desktop, Launch::offering("Demo service", server.issuer())).await;
//! window.sign_in_by_browser().await;
//! window.kill();
//! window.reopen().await;
//! window.wait_for_state("signed-in").await;
//! # }
//! ```
#![expect(
    clippy::disallowed_methods,
    reason = "the kit waits for other processes, and reads which of them the environment names; its clock is the real one"
)]

#[cfg(target_os = "linux")]
mod accessible;
pub mod binaries;
mod chaos;
mod forms;
mod handler;
pub mod leaks;
mod person;
mod private_tls;
pub mod process;
mod redis;
mod server;
#[cfg(target_os = "linux")]
mod stranger;
pub mod wait;
mod web;

#[cfg(target_os = "linux")]
mod desktop;
#[cfg(target_os = "linux")]
mod keystore;
mod oidc_provider;
#[cfg(target_os = "linux")]
pub mod panel;
#[cfg(target_os = "linux")]
mod screen;
#[cfg(target_os = "linux")]
pub mod torture;
#[cfg(target_os = "linux")]
mod window;

pub use chaos::Chaotic;
pub use handler::open_by_desktop;
pub use oidc_provider::OidcProvider;
pub use person::{Answer, Person, Visit, write_down};
pub use private_tls::{PrivateCertificate, Tunnel};
pub use redis::Redis;
pub use server::{Server, ServerOptions};

#[cfg(target_os = "linux")]
pub use accessible::{Role, ScreenReader, Spoken};
#[cfg(target_os = "linux")]
pub use desktop::{Keystore, PrivateDesktop};
#[cfg(target_os = "linux")]
pub use keystore::Attributes;
#[cfg(target_os = "linux")]
pub use screen::LockedScreen;
#[cfg(target_os = "linux")]
pub use stranger::Stranger;
#[cfg(target_os = "linux")]
pub use window::{Launch, Window};
