//! One program with every target in it: the environment says which one runs, and libFuzzer reads the rest of the command
//! line. One program, because each more would link everything again.

#![no_main]

use std::process::exit;
use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use pilotlight_vault::fuzzing::Target;

/// Names the target; `cargo xtask fuzz` sets it.
const VARIABLE: &str = "PILOTLIGHT_FUZZ_TARGET";

static CHOSEN: OnceLock<Target> = OnceLock::new();

fn choose() -> Target {
    let name = std::env::var(VARIABLE).unwrap_or_default();
    let crates = [pilotlight::fuzzing::TARGETS, pilotlight_oauth::fuzzing::TARGETS, pilotlight_vault::fuzzing::TARGETS];
    let all = || crates.into_iter().flatten();
    match all().find(|(known, _)| *known == name) {
        Some((_, target)) => *target,
        None => {
            let names: Vec<_> = all().map(|(name, _)| *name).collect();
            eprintln!("{VARIABLE} names one of: {}", names.join(" "));
            exit(2)
        }
    }
}

fuzz_target!(|bytes: &[u8]| CHOSEN.get_or_init(choose)(bytes));
