//! What another program of the same user, or a core dump, gets of a process that has a vault open; and what is left in
//! the process's own memory when the vault is closed.
#![cfg(target_os = "linux")]

mod debug;
mod leftovers;
mod onlookers;
mod victim;
