//! `load`: what `cargo xtask bench server` measures with.
//!
//! ```text
//!  floor.rs ── the least an axum server can do with a refresh token
//!  serve.rs ── our own server over a store that is filled first; or fills one for the program
//!  drive.rs ── people who refresh as fast as answers come, and what the server's processes took for it
//! ```
//! Each says what it did in one line of JSON.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "its lines are read by the task that starts it")]

mod drive;
mod floor;
mod serve;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Whatever went wrong: a measurement that fails is told and over.
type Failure = Box<dyn std::error::Error + Send + Sync>;

#[derive(Parser)]
struct Arguments {
    /// What `cargo bench` tells every benchmark
    #[arg(long, hide = true)]
    bench: bool,
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// The least an axum server can do
    Floor(floor::Floor),
    /// Our own server in memory, filled first
    Serve(serve::Fill),
    /// Fill a store for the program
    Fill(serve::Fill),
    /// Refresh as fast as answers come
    Drive(drive::Drive),
}

/// Where a server is, and how many grants it has.
#[derive(clap::Args)]
struct Grants {
    /// How many
    #[arg(long)]
    grants: usize,
    /// Where to write refresh tokens, one a line
    #[arg(long)]
    tokens: PathBuf,
    /// How many of them, of as many grants
    #[arg(long, default_value_t = 20_000)]
    sample: usize,
    /// How many more that are over, and are to be forgotten
    #[arg(long, default_value_t = 0)]
    expired: usize,
}

impl Grants {
    fn write_tokens(&self, tokens: &[String]) -> Result<(), Failure> {
        Ok(std::fs::write(&self.tokens, tokens.join("\n"))?)
    }
}

/// The line that a server is ready with, as the program's own.
fn say_ready(address: SocketAddr) {
    println!("{}", serde_json::json!({"issuer": format!("http://{address}")}));
}

fn main() -> ExitCode {
    let done = match Arguments::parse().task {
        Task::Floor(floor) => floor.run(),
        Task::Serve(fill) => fill.serve(),
        Task::Fill(fill) => fill.fill(),
        Task::Drive(drive) => drive.run(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
