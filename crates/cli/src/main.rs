//! Pilotlight on the command line.
//!
//! ```text
//!  arguments ──▶ command ──▶ pilotlight (the core) ──▶ text or json ──▶ output
//!                   └── sign_in, device, secrets, browser: what a person brings along
//! ```
//!
//! ```text
//! $ pilotlight sign-in work --issuer https://id.example.com --client-id my-scripts
//! $ curl -H "Authorization: Bearer $(pilotlight token work)" https://api.example.com/
//! ```
//!
//! Secrets come in by standard input or the terminal, never by arguments or the environment; the only secret that goes out is
//! an access token, to standard output, when `token` asks for it. docs/cli.md is the guide.

#[cfg(target_os = "linux")]
mod agent;
mod arguments;
#[cfg(target_os = "linux")]
mod autostart;
mod browser;
mod command;
mod device;
mod devices;
mod failure;
mod json;
#[cfg(all(feature = "lab", target_os = "linux"))]
mod lab;
mod lend;
mod output;
mod preset;
mod programs;
mod secrets;
mod settings;
mod sign_in;
mod surroundings;
mod text;
mod transfer;
mod typed;
mod vault;
mod words;

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::rc::Rc;
use std::sync::Arc;

use arguments::{Arguments, Command};
use browser::{AtRest, PrintingBrowser};
use clap::{CommandFactory as _, Parser as _};
use command::Run;
use failure::Failure;
use output::Form;
use pilotlight::{Config, Error, ErrorCode, Home, Pilotlight};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;

fn main() -> ExitCode {
    #[cfg(all(feature = "lab", target_os = "linux"))]
    if let Some(code) = pilotlight_lab::work_if_asked() {
        return code;
    }
    #[cfg(target_os = "linux")]
    if let Some(code) = agent::fast_token(std::env::args_os().skip(1)) {
        return ExitCode::from(code);
    }
    let words = programs::docker::meant(std::env::args_os().collect());
    let arguments = match Arguments::try_parse_from(words) {
        Ok(arguments) => arguments,
        Err(refusal) => {
            let json = std::env::args_os().any(|argument| argument == "--json");
            return ExitCode::from(Form::of(json).refused(&refusal));
        }
    };
    #[cfg(all(feature = "lab", target_os = "linux"))]
    let arguments = match arguments.command {
        // It reads no secrets, and what it attacks decides for itself whether it is closed.
        Command::Lab(command) => {
            let form = Form::of(arguments.json);
            return ExitCode::from(lab::carry_out(form, command).unwrap_or_else(|failure| form.failure(&failure)));
        }
        command => Arguments { command, ..arguments },
    };
    // Before anything secret is read. Where the system refuses, the command is still worth running.
    if !arguments.command.is_seen() {
        pilotlight::process::harden();
    }
    log(arguments.verbose);
    let form = Form::of(arguments.json);
    let passphrase = arguments.passphrase_file.or_else(surroundings::passphrase_of_service);
    let outcome = match arguments.command {
        Command::Version => version(form),
        Command::Presets => preset::list(form),
        Command::Completions { shell } => completions(shell),
        Command::ManPages { folder } => man_pages(&folder),
        Command::Settings { command } => settings::carry_out(form, command),
        #[cfg(target_os = "linux")]
        Command::Programs(command) if !matches!(command, agent::ProgramsCommand::Lent { .. }) => {
            agent::programs(form, command)
        }
        #[cfg(target_os = "linux")]
        Command::Autostart(command) => autostart::carry_out(form, command),
        #[cfg(target_os = "linux")]
        Command::Agent { command: Some(command), .. } => agent::command(form, passphrase.as_deref(), command),
        command => start(form, passphrase, command),
    };
    ExitCode::from(outcome.unwrap_or_else(|failure| form.failure(&failure)))
}

fn version(form: Form) -> Result<u8, Failure> {
    let version = env!("CARGO_PKG_VERSION");
    form.print(&serde_json::json!({ "version": version }), || format!("pilotlight {version}\n"))?;
    Ok(0)
}

fn completions(shell: clap_complete::Shell) -> Result<u8, Failure> {
    let mut script = vec![];
    clap_complete::generate(shell, &mut Arguments::command(), "pilotlight", &mut script);
    output::result(&String::from_utf8_lossy(&script))?;
    Ok(0)
}

fn man_pages(folder: &Path) -> Result<u8, Failure> {
    let made = std::fs::create_dir_all(folder).and_then(|()| clap_mangen::generate_to(Arguments::command(), folder));
    made.map_err(|error| {
        Failure::usage(format!("{}: {error}.", folder.display()), "Name a folder that you may write to.")
    })?;
    Ok(0)
}

/// Runs a command that needs the core. One thread does: whatever blocks has threads of its own.
fn start(form: Form, passphrase: Option<PathBuf>, command: Command) -> Result<u8, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime =
        runtime.map_err(|error| Error::new(ErrorCode::Internal, format!("The program cannot start: {error}.")))?;
    let (browser, at_rest) = PrintingBrowser::new();
    let home = Home::locate()?;
    let vault = home.vault();
    let config = Config { browser, ..Config::system(home)? };
    let locks = Arc::clone(&config.locks);
    let pilotlight = Pilotlight::new(config);
    let next = Rc::new(Cell::new(None));
    let code = runtime.block_on(async {
        let outcome = async {
            if !command.lends() {
                vault::unlock(&pilotlight, passphrase.as_deref(), command.purpose()).await?;
            }
            let run = Run { form, pilotlight: pilotlight.clone(), vault, passphrase, next: Rc::clone(&next) };
            run.carry_out(command).await
        };
        let outcome = outcome.await;
        // Whichever command it was that heard the clock of a service.
        if let Some(warning) = pilotlight.clock_offset().and_then(text::clock) {
            output::note(&warning);
        }
        drop(pilotlight);
        let code = outcome.unwrap_or_else(|failure| form.failure(&failure));
        stay_until(at_rest).await;
        locks.settled().await;
        code
    });
    next.take().map_or(Ok(code), programs::exec::become_it)
}

/// New tokens that could not be saved live in this process alone, and are lost with it (promise P2): so it stays.
async fn stay_until(mut at_rest: AtRest) {
    if at_rest.is_busy() {
        output::note(
            "The new tokens are kept in memory and saved as soon as the vault can be written. Leave this running until then.",
        );
        at_rest.wait().await;
        output::note("They are saved now.");
    }
}

/// Logs what Pilotlight does. Only our own crates speak: they are known to log no secret, an HTTP library is not.
fn log(verbose: u8) {
    let level = match verbose {
        0 => LevelFilter::WARN,
        1 => LevelFilter::INFO,
        2 => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    };
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).without_time().with_ansi(false);
    let ours = Targets::new().with_target("pilotlight", level);
    tracing_subscriber::util::SubscriberInitExt::init(tracing_subscriber::registry().with(lines).with(ours));
}
