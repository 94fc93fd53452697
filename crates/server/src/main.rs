//! The program `pilotlight-server`. Data goes to stdout, everything else to stderr.

mod args;
mod commands;

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    let args = args::Args::parse();
    match commands::run(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            commands::complain(&failure);
            ExitCode::from(failure.exit_code())
        }
    }
}
