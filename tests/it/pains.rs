//! The thirty things that log people out in the field, each with a test of its name; docs/pains.md has the table.
//!
//! Time and the authorization server are simulated; the vault is the real file. Where the pain is one of processes or of the
//! keystore, those are real too. 13, 14, 17 and 20 belong to platforms or parts that are not here: docs/threats.md says so.

mod authorized;
mod keys;
mod network;
mod people;
#[cfg(target_os = "linux")]
mod processes;
mod refresh;
mod service;
mod vault;
mod world;
