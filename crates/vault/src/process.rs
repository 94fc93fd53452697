//! What a process gives away of its memory while it runs, and when it dies.
//!
//! ```text
//!   harden() ─┬─ RLIMIT_CORE = 0     no core file, also where core_pattern names one
//!             └─ PR_SET_DUMPABLE = 0 no core to a pipe, no ptrace, /proc/PID/mem and its like belong to root
//! ```
//!
//! This keeps other programs of the same user from reading the tokens of a running process. It does not keep them from
//! asking the keystore themselves, nor from putting themselves into the next start (docs/decisions/0028).
#![expect(clippy::disallowed_methods, reason = "the one place that reads what switches the hardening on and off")]

use std::ffi::OsStr;

/// Set to `0` it leaves the hardening off, for a debugger; to `1` it switches it on in development builds too.
pub const SWITCH: &str = "PILOTLIGHT_HARDEN";

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Hardening {
    /// No core dumps, and nobody but root may look into the process.
    Full,
    /// No core dumps. The sandbox's portals must be able to look at the process, so that others may too.
    CoresOnly,
    /// Nothing: switched off, or a development build.
    Off,
    /// The system refused, or knows no such thing.
    Refused,
}

/// Closes this process to others; to be called before it reads anything secret, first thing in `main`.
///
/// On in release builds and off in development builds, unless [`SWITCH`] says otherwise.
pub fn harden() -> Hardening {
    let switch = std::env::var_os(SWITCH);
    if !wanted(switch.as_deref(), cfg!(not(debug_assertions))) {
        return Hardening::Off;
    }
    // Under Flatpak the file is there for every app; Snap sets the variable.
    let sandboxed = std::path::Path::new("/.flatpak-info").exists() || std::env::var_os("SNAP").is_some();
    apply(sandboxed)
}

fn wanted(switch: Option<&OsStr>, by_default: bool) -> bool {
    match switch.and_then(OsStr::to_str) {
        Some("0") => false,
        Some("1") => true,
        _ => by_default,
    }
}

#[cfg(unix)]
fn apply(sandboxed: bool) -> Hardening {
    use rustix::process::{Resource, Rlimit, setrlimit};
    let no_cores = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) }).is_ok();
    if sandboxed {
        return if no_cores { Hardening::CoresOnly } else { Hardening::Refused };
    }
    match (no_cores, close()) {
        (true, true) => Hardening::Full,
        (true, false) => Hardening::CoresOnly,
        (false, _) => Hardening::Refused,
    }
}

#[cfg(not(unix))]
fn apply(_sandboxed: bool) -> Hardening {
    Hardening::Refused
}

/// Whether nobody but root may look into this process from now on.
#[cfg(target_os = "linux")]
fn close() -> bool {
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable).is_ok()
}

/// On macOS this is a matter of the signature: a hardened runtime without the entitlement `get-task-allow`.
#[cfg(all(unix, not(target_os = "linux")))]
fn close() -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::wanted;

    #[test]
    fn the_switch_goes_before_the_kind_of_build_and_only_its_two_words_count() {
        for by_default in [true, false] {
            assert!(wanted(Some("1".as_ref()), by_default));
            assert!(!wanted(Some("0".as_ref()), by_default));
            for other in [None, Some("".as_ref()), Some("yes".as_ref()), Some("00".as_ref())] {
                assert_eq!(wanted(other, by_default), by_default);
            }
        }
    }
}
