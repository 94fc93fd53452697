//! `pilotlight agent` and `pilotlight programs`, and `pilotlight token` by way of an agent that runs.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Subcommand, ValueEnum};
use pilotlight::{Error, ErrorCode, Home, Pilotlight};
use pilotlight_agent::{Agent, Answer, Client, ConsentError, Decision, Place, PlaceError, Programs, Request, Unknown};
use zeroize::Zeroizing;

use crate::command::Outcome;
use crate::failure::Failure;
use crate::output::{self, Form};

/// What becomes of programs that nobody decided about.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Consent {
    /// They get tokens
    Allow,
    /// They get none
    Deny,
}

/// What to do with the list of programs.
#[derive(Debug, Subcommand)]
pub(crate) enum ProgramsCommand {
    /// List what was decided
    List,
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
}

/// Serves until the program is ended.
pub(crate) async fn serve(pilotlight: Pilotlight, consent: Consent) -> Outcome {
    let home = Home::locate()?;
    let place = Place::of(&home);
    let unknown = match consent {
        Consent::Allow => Unknown::Allow,
        Consent::Deny => Unknown::Deny,
    };
    let agent = Agent::new(pilotlight.clone(), &home, &place, unknown).map_err(|error| place_failure(&error))?;
    tokio::spawn(pilotlight.keep_fresh());
    output::note(&format!("Lending at {}.", place.socket().display()));
    agent.serve().await;
    Ok(0)
}

fn place_failure(error: &PlaceError) -> Failure {
    match error {
        PlaceError::Taken => Failure::usage("An agent is running already.", "Use the one that runs, or end it first."),
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
    let place = Place::of(&Home::locate().ok()?);
    let mut client = Client::connect(&place).ok()?;
    match client.ask(&Request::Token { account, min_ttl, audience: None, scope: None }).ok()? {
        Answer::Token { access_token, .. } => {
            let line = Zeroizing::new(format!("{access_token}\n"));
            Some(output::result(&line).map_or_else(|failure| Form::Text.failure(&failure), |()| 0))
        }
        Answer::Error(trouble) if trouble.code == "not_allowed" => {
            let hint = "To allow it: pilotlight programs allow PATH. To ask without the agent: --no-agent.";
            Some(Form::Text.failure(&Failure::usage(trouble.message, hint)))
        }
        Answer::Error(trouble) => {
            let code = ErrorCode::ALL.iter().find(|code| code.as_str() == trouble.code)?;
            Some(Form::Text.failure(&Error::new(*code, trouble.message).into()))
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
