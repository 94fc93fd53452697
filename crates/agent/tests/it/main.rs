//! The agent on a real socket, over a real core with a simulated service.

#![cfg(target_os = "linux")]

mod asking;
mod place;
mod trouble;
mod world;
