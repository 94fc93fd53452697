//! The platform's keystore against a real one: a private D-Bus with a gnome-keyring of its own, which is locked, stopped,
//! killed, replaced and filled by strangers. The numbers in the names of the modules' tests are of no meaning; each test is
//! named by its fault.
#![cfg(target_os = "linux")]

#[cfg(test)]
mod desktop;
#[cfg(test)]
mod driver;
#[cfg(test)]
mod entries;
#[cfg(test)]
mod outages;
#[cfg(test)]
mod unlocking;
