//! What another program of the same user, or a core dump, gets of a process that has a vault open; and what is left in
//! the process's own memory when the vault is closed.
#![cfg(target_os = "linux")]

#[cfg(test)]
mod debug;
#[cfg(test)]
mod leftovers;
#[cfg(test)]
mod onlookers;
#[cfg(test)]
mod victim;
