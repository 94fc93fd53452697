//! Lends access tokens to the programs of one person, over a Unix socket; the refresh token stays where it is (promise P5).
//!
//! ```text
//!  client ──▶ agent.sock ──▶ whose? (uid) ──▶ which program? ──▶ may it? ──▶ pilotlight (the core)
//! ```
//!
//! docs/agent.md describes the protocol for those who write a client.

#![cfg(target_os = "linux")]

mod answer;
mod audit;
mod client;
mod connection;
mod consent;
mod desk;
mod door;
mod lines;
mod link;
mod news;
mod peer;
mod place;
mod program;
mod protocol;
mod rest;
mod server;
mod service;

pub use client::{AskError, Client};
pub use consent::{ConsentError, Decision, Programs, Unknown};
pub use desk::{Desk, Heard};
pub use place::{Place, PlaceError};
pub use protocol::{Answer, Question, Request, Secret, Trouble, VERSION, Verdict};
pub use server::{Agent, Ended};
pub use service::{passed_socket, socket_on_stdin, tell_ready, until_ended};
