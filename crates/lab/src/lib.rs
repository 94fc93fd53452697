//! Every storage strategy under the same attacks and faults, on this very machine.
//!
//! ```text
//!   run ──▶ one process per cell ──▶ attack ──▶ subject: a store in a process of its own, by JSON lines
//!    │                                 └── canary, keystore, snapshot, judge
//!    └──▶ Event… ──▶ Report ──▶ JSON, HTML, the table in docs/storage.md
//! ```
//!
//! A verdict comes from what happened: bytes that were read, values that were given back, processes that broke down. What
//! was expected ([`expected`]) only says of a fall whether somebody had claimed that it does not happen.
//!
//! Every process of a cell is the calling program, started again: it calls [`work_if_asked`] first thing in `main`.
#![cfg(target_os = "linux")]

mod attack;
mod bus;
mod canary;
mod cell;
mod child;
mod companions;
mod cost;
mod digest;
pub mod expected;
mod html;
mod judge;
mod keystore;
mod ours;
pub mod protocol;
mod report;
mod run;
mod snapshot;
mod structure;
mod subject;
mod system;
mod table;
mod tracer;
mod verdict;

pub use attack::{Attack, Attacker, attack, attacks};
pub use child::work_if_asked;
pub use cost::{Cost, Measurement, SIZES, Times, measure};
pub use keystore::FolderKeystore;
pub use report::{CellReport, Machine, Other, Report};
pub use run::{Event, Plan, RunError, attackers, run};
pub use subject::Subject;
pub use verdict::{Evidence, Verdict};
