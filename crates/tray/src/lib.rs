//! How the sign-ins of a person stand, in the tray of a desktop on Linux, without GTK or a web view.
//!
//! ```text
//!  pilotlight (the core) ──▶ standing ──▶ shown ──────▶ item ─────▶ the tray's host (StatusNotifierItem)
//!                                   └──▶ attention ──▶ notices ──▶ the desktop's notifications
//!  the program around ◀── wishes (open, quit) ◀────────┴─────────┘
//! ```
//!
//! `shown` and `attention` are pure. Nothing here opens a vault or asks for a password by itself.

#![cfg(target_os = "linux")]

mod app;
mod attention;
mod flame;
mod item;
mod notices;
mod shown;
mod standing;
mod told;
mod tray;
mod words;

pub use app::{Autostart, beside, open_app};
pub use tray::{Tray, Wish};
pub use words::Language;
