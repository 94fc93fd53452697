//! End-to-end tests: the built programs, in processes of their own. Where time has to pass, as in `pains`, it is simulated.
#![expect(clippy::unwrap_used, reason = "what goes wrong in a helper of a test is a failure of the test")]

mod arrows;
mod chaos;
#[cfg(target_os = "linux")]
mod cli;
mod clients;
mod contract;
#[cfg(target_os = "linux")]
mod crash;
#[cfg(target_os = "linux")]
mod devices;
mod exchange;
#[cfg(target_os = "linux")]
mod headless;
#[cfg(target_os = "linux")]
mod herd;
#[cfg(target_os = "linux")]
mod hostile;
#[cfg(target_os = "linux")]
mod kit;
#[cfg(unix)]
mod leases;
mod model;
#[cfg(target_os = "linux")]
mod newcomer;
mod pains;
mod peers;
#[cfg(target_os = "linux")]
mod pending;
mod person;
#[cfg(target_os = "linux")]
mod private_tls;
#[cfg(target_os = "linux")]
mod program;
#[cfg(target_os = "linux")]
mod programs;
#[cfg(target_os = "linux")]
mod redirect;
#[cfg(target_os = "linux")]
mod shells;
#[cfg(target_os = "linux")]
mod storage;
#[cfg(target_os = "linux")]
mod transfer;
#[cfg(target_os = "linux")]
mod tray;
#[cfg(target_os = "linux")]
mod window;
#[cfg(target_os = "linux")]
mod window_account;
#[cfg(target_os = "linux")]
mod window_asks;
#[cfg(target_os = "linux")]
mod window_example;
#[cfg(target_os = "linux")]
mod window_lab;
mod window_settings;
#[cfg(target_os = "linux")]
mod window_spoken;
#[cfg(target_os = "linux")]
mod window_storage;
#[cfg(target_os = "linux")]
mod window_tray;
