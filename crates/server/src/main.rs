//! The program `pilotlight-server`. Data goes to stdout, everything else to stderr.

mod args;
mod commands;
mod edge_args;

use std::process::ExitCode;

fn main() -> ExitCode {
    let done = commands::read_arguments().and_then(commands::run);
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            commands::complain(&failure);
            ExitCode::from(failure.exit_code())
        }
    }
}
