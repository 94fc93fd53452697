//! Kills a real process in the middle of its refreshes, again and again, and looks whether a grant was lost.
//!
//! ```text
//!  Bench ── pilotlight-server, a throw-away home, and on demand a Wire between them
//!    │ starts, kills, starts again
//!    └─ Victim ── pilotlight-victim: the real core, vault and transport; says what it does, line by line
//!
//!  kills ──── SIGKILL at random instants from a seed
//!  sweep ──── SIGKILL at every system call in turn: a Tracer counts them over all threads
//!  stopped ── a process that is stopped, or killed, while it holds the lock
//! ```
//!
//! What is under test is the vault, the lock and the order of steps between them. The keystore is the kit's own
//! [`FolderKeystore`], so that no D-Bus is needed: the vault's key is only read from it; the anchor, which follows every
//! commit, is written.
//!
//! A run is made again by its seed as far as a real machine allows: the seed chooses the instants, the scheduler what they hit.

mod bench;
mod dice;
mod keystore;
mod kills;
mod stopped;
mod summary;
mod sweep;
mod tracer;
mod victim;
mod wire;

pub use bench::{Bench, Failure, Victim};
pub use dice::Dice;
pub use keystore::FolderKeystore;
pub use kills::kill_at_random_instants;
pub use stopped::{Waiting, kill_the_stopped_holder, outwait_the_stopped_holder};
pub use summary::{Summary, Tally};
pub use sweep::{Points, sweep};
pub use victim::run as run_victim;
pub use wire::{Keys, Side, Wire};
