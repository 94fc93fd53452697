//! `pilotlight agent` and `pilotlight programs`, and `pilotlight token` by way of an agent that runs.

mod terminal;
mod tray;

use std::ffi::OsString;
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use pilotlight::values::{ExposeSecret as _, SecretString, Timestamp};
use pilotlight::{AccessToken, Error, ErrorCode, Home, Pilotlight};
use pilotlight_agent::{
    Agent, Answer, AskError, Client, ConsentError, Decision, Place, PlaceError, Programs, Request, Secret, Trouble,
    Unknown,
};
use zeroize::Zeroizing;

use crate::command::Outcome;
use crate::failure::Failure;
use crate::output::{self, Form};
use crate::secrets;

/// What becomes of programs that nobody decided about.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Consent {
    /// They get tokens
    Allow,
    /// You are asked, in the app's window, at this terminal or where `programs answer` runs; no answer is no
    Ask,
    /// They get none
    Deny,
}

/// How an agent serves.
#[derive(Debug, Args)]
pub(crate) struct ServeArguments {
    /// What becomes of programs that nobody decided about; with a tray, you are asked by itself
    #[arg(long, value_enum, value_name = "HOW", default_value = "deny", default_value_if("tray", "true", "ask"))]
    consent: Consent,
    /// Show how the accounts stand in the desktop's tray, and tell when a person has to act
    #[arg(long)]
    tray: bool,
    /// Leave the session of the terminal that this was started from
    #[arg(long, hide = true)]
    detached: bool,
    /// Serve the socket that the app left on standard input
    #[arg(long, hide = true)]
    takes_over: bool,
}

/// What to tell an agent that runs.
#[derive(Debug, Clone, Copy, Subcommand)]
pub(crate) enum AgentCommand {
    /// Have it forget the vault's keys, and lend nothing until it is unlocked
    Lock,
    /// Have it open the vault again; asks for a passphrase where the vault takes one
    Unlock,
}

/// What to do with the list of programs.
#[derive(Debug, Subcommand)]
pub(crate) enum ProgramsCommand {
    /// List what was decided
    List,
    /// Tell which programs were lent tokens of an account, or refused them, and when
    Lent {
        /// The account
        name: String,
    },
    /// Let a program have tokens
    Allow {
        /// Its executable
        path: PathBuf,
    },
    /// Let a program have none
    Deny {
        /// Its executable
        path: PathBuf,
    },
    /// Forget what was decided about a program
    Forget {
        /// Its executable
        path: PathBuf,
    },
    /// Show programs that ask an agent with `--consent ask`, and answer them at this terminal
    Answer,
}

/// Serves until the program is ended.
pub(crate) async fn serve(pilotlight: Pilotlight, arguments: ServeArguments) -> Outcome {
    let home = Home::locate()?;
    let place = Place::of(&home);
    if arguments.detached {
        // An error means that it leads a session of its own already.
        let _ = rustix::process::setsid();
    }
    let unknown = match arguments.consent {
        Consent::Allow => Unknown::Allow,
        Consent::Ask => Unknown::Ask,
        Consent::Deny => Unknown::Deny,
    };
    let passed = if arguments.takes_over {
        let nothing =
            |error| Failure::usage(format!("Standard input is no socket: {error}."), "Leave --takes-over out.");
        Some(pilotlight_agent::socket_on_stdin().map_err(nothing)?)
    } else {
        pilotlight_agent::passed_socket()
    };
    let agent = match passed {
        Some(listener) => Agent::activated(pilotlight.clone(), &home, &place, unknown, listener),
        None => Agent::new(pilotlight.clone(), &home, &place, unknown),
    };
    let agent = agent.map_err(|error| place_failure(&error))?.resting();
    if unknown == Unknown::Ask && std::io::stdin().is_terminal() {
        terminal::answer_here(agent.desk());
    }
    let background = tokio::spawn(pilotlight.clone().keep_fresh());
    output::note(&format!("Lending at {}.", place.socket().display()));
    if let Err(error) = pilotlight_agent::tell_ready() {
        output::note(&format!("systemd was not told that the agent is ready: {error}."));
    }
    let shown = arguments.tray.then(|| tray::Shown::begin(pilotlight.clone(), home));
    let ended = async { drop(pilotlight_agent::until_ended().await) };
    match shown {
        None => drop(agent.serve_until(ended).await),
        Some(mut shown) => {
            let quit = shown.carry_out_wishes();
            let served = agent
                .serve_until(async {
                    tokio::select! { () = ended => {}, () = quit => {} }
                })
                .await;
            drop(served);
            shown.end().await;
        }
    }
    // It keeps the core at work for as long as it lives, and the program with it. What it began lands.
    background.abort();
    drop(background.await);
    pilotlight.land().await;
    Ok(0)
}

/// Tells an agent that runs to lock or to unlock.
pub(crate) fn command(form: Form, passphrase: Option<&Path>, command: AgentCommand) -> Outcome {
    let mut client = connect(&Place::of(&Home::locate()?))?;
    let told = match command {
        AgentCommand::Lock => {
            expect_done(client.ask(&Request::Lock))?;
            "Locked."
        }
        AgentCommand::Unlock => {
            unlock(&mut client, passphrase)?;
            "Unlocked."
        }
    };
    form.confirm(&serde_json::json!({ "done": true }), told)?;
    Ok(0)
}

/// Without a passphrase where that does, since the keystore may have the key.
fn unlock(client: &mut Client, file: Option<&Path>) -> Result<(), Failure> {
    let passphrase = match file {
        Some(file) => secrets::from_file(file)?,
        None => match client.ask(&Request::Unlock { passphrase: None }) {
            Ok(Answer::Error(trouble)) if trouble.code == ErrorCode::PassphraseNeeded.as_str() => {
                secrets::ask("vault's passphrase or recovery code", "Pass --passphrase-file FILE.")?
            }
            answer => return expect_done(answer),
        },
    };
    let passphrase = Secret(Zeroizing::new(passphrase.expose_secret().to_owned()));
    expect_done(client.ask(&Request::Unlock { passphrase: Some(passphrase) }))
}

fn connect(place: &Place) -> Result<Client, Failure> {
    Client::connect(place).map_err(|error| gone(&error))
}

fn gone(error: &AskError) -> Failure {
    match error {
        AskError::NoAgent => Failure::usage("No agent is running.", "Start one with `pilotlight agent`."),
        AskError::NoAnswer => {
            Failure::usage("The agent did not answer.", "End it, and start one with `pilotlight agent`.")
        }
    }
}

fn expect_done(answer: Result<Answer<'_>, AskError>) -> Result<(), Failure> {
    match answer.map_err(|error| gone(&error))? {
        Answer::Done(true) => Ok(()),
        Answer::Error(trouble) => Err(refused(trouble)),
        _ => Err(gone(&AskError::NoAnswer)),
    }
}

/// The core's own errors with their exit codes; the agent's own are a misuse.
fn refused(trouble: Trouble) -> Failure {
    match ErrorCode::ALL.iter().find(|code| code.as_str() == trouble.code) {
        Some(code) => Error::new(*code, trouble.message).into(),
        None => Failure::usage(trouble.message, "See docs/agent.md."),
    }
}

fn place_failure(error: &PlaceError) -> Failure {
    match error {
        PlaceError::Taken => Failure::usage(
            "Tokens are lent here already, by an agent or by the app while its window is open.",
            "Use the one that serves, or end it first.",
        ),
        PlaceError::Unsafe(_) => Error::new(ErrorCode::UnsafePath, format!("{error}.")).into(),
        _ => Error::new(ErrorCode::VaultIo, format!("{error}.")).into(),
    }
}

pub(crate) fn programs(form: Form, command: ProgramsCommand) -> Outcome {
    let programs = Programs::of(&Home::locate()?);
    let failed = |error: ConsentError| Failure::from(Error::new(ErrorCode::VaultIo, format!("{error}.")));
    let (path, decision) = match command {
        ProgramsCommand::List => {
            let all = programs.all().map_err(failed)?;
            form.print(&all, || all.iter().map(|(path, decision)| listed(path, *decision)).collect())?;
            return Ok(0);
        }
        // The core tells that.
        ProgramsCommand::Lent { .. } => return Ok(0),
        ProgramsCommand::Answer => {
            let place = Place::of(&Home::locate()?);
            return match form {
                Form::Text => terminal::answer_elsewhere(&place),
                Form::Json => terminal::answer_for_another(&place),
            };
        }
        ProgramsCommand::Allow { path } => (path, Some(Decision::Always)),
        ProgramsCommand::Deny { path } => (path, Some(Decision::Never)),
        ProgramsCommand::Forget { path } => (path, None),
    };
    // A program that is gone can still be forgotten, by the path that the list shows.
    let path = match path.canonicalize() {
        Ok(path) => path,
        Err(_) if decision.is_none() => path,
        Err(error) => {
            let message = format!("{}: {error}.", path.display());
            return Err(Failure::usage(message, "Name the executable of a program, such as /usr/bin/curl."));
        }
    };
    programs.decide(&path, decision).map_err(failed)?;
    Ok(0)
}

fn listed(path: &str, decision: Decision) -> String {
    let word = match decision {
        Decision::Always => "always",
        Decision::Never => "never",
    };
    format!("{word:8}{}\n", crate::words::harmless(path))
}

/// `pilotlight token NAME [--min-ttl SECONDS]` before anything else is started, if an agent runs. None where the usual way has
/// to be gone: no agent, other arguments, or an agent that is out of order.
///
/// The process is not closed to its neighbours here: the agent has to see which program asks.
pub(crate) fn fast_token(arguments: impl Iterator<Item = OsString>) -> Option<u8> {
    let (account, min_ttl) = plain_token(arguments)?;
    let request = Request::Token { account, min_ttl, audience: None, scope: None, other_than: None, last: true };
    let printed = lent(&request)?.and_then(|token| {
        let line = Zeroizing::new(format!("{}\n", token.token.expose_secret()));
        output::result(&line)
    });
    Some(printed.map_or_else(|failure| Form::Text.failure(&failure), |()| 0))
}

/// What the agent of this home answers to a request for a token. None where none runs, or it is out of order.
pub(crate) fn lent(request: &Request) -> Option<Result<AccessToken, Failure>> {
    let place = Place::of(&Home::locate().ok()?);
    let mut client = Client::connect(&place).ok()?;
    match client.ask(request).ok()? {
        Answer::Token { access_token, token_type, expires_at } => Some(Ok(AccessToken {
            token: SecretString::from(access_token.into_owned()),
            token_type: token_type.into_owned(),
            expires_at: expires_at.map(Timestamp::from_secs),
        })),
        Answer::Error(trouble) if trouble.code == "not_allowed" => {
            let hint = "To allow it: pilotlight programs allow PATH. To ask without the agent: --no-agent.";
            Some(Err(Failure::usage(trouble.message, hint)))
        }
        Answer::Error(trouble) => {
            let code = ErrorCode::ALL.iter().find(|code| code.as_str() == trouble.code)?;
            Some(Err(Error::new(*code, trouble.message).into()))
        }
        _ => None,
    }
}

/// The account and the ttl, where the arguments are of this plain form. Everything else is clap's.
fn plain_token(mut arguments: impl Iterator<Item = OsString>) -> Option<(String, u64)> {
    if arguments.next()? != "token" {
        return None;
    }
    let account = arguments.next()?.into_string().ok().filter(|name| !name.starts_with('-'))?;
    let min_ttl = match arguments.next() {
        None => 0,
        Some(switch) if switch == "--min-ttl" => arguments.next()?.to_str()?.parse().ok()?,
        Some(_) => return None,
    };
    arguments.next().is_none().then_some((account, min_ttl))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(line: &str) -> Option<(String, u64)> {
        plain_token(line.split(' ').map(OsString::from))
    }

    #[test]
    fn only_the_plain_form_goes_to_the_agent_at_once() {
        assert_eq!(plain("token work"), Some(("work".into(), 0)));
        assert_eq!(plain("token work --min-ttl 60"), Some(("work".into(), 60)));
        for line in ["token", "token --help", "token work --min-ttl x", "token work --refresh", "token a b", "accounts"]
        {
            assert_eq!(plain(line), None, "{line}");
        }
    }
}
