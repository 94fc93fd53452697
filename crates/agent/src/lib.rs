//! Lends access tokens to the programs of one person, over a Unix socket; the refresh token stays where it is (promise P5).
//!
//! ```text
//!  client ──▶ agent.sock ──▶ whose? (uid) ──▶ which program? ──▶ may it? ──▶ pilotlight (the core)
//! ```
//!
//! docs/agent.md describes the protocol for those who write a client.

#![cfg(target_os = "linux")]

mod client;
mod consent;
mod place;
mod program;
mod protocol;
mod server;

pub use client::{AskError, Client};
pub use consent::{ConsentError, Decision, Programs, Unknown};
pub use place::{Place, PlaceError};
pub use protocol::{Answer, Request, Trouble, VERSION};
pub use server::Agent;
