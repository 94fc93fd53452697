//! The process that the crash tests kill; `pilotlight_tests::torture` says what its command line is.
//! It goes on only where there is Linux, whose tools the crash tests need.

use std::process::ExitCode;

#[cfg(target_os = "linux")]
fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    pilotlight_tests::torture::run_victim(&arguments)
}

#[cfg(not(target_os = "linux"))]
fn main() -> ExitCode {
    ExitCode::FAILURE
}
