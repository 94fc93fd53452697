//! What each command does: ask the core, print the answer, choose the exit code.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use pilotlight::journal::Chain;
use pilotlight::values::{ExposeSecret as _, GrantId};
use pilotlight::{Account, Pilotlight, Registration, SignIn, SignOut, Status};
use serde_json::json;

use crate::arguments::{Command, SignInArguments, TokenArguments};
use crate::failure::{DISK, Failure, NEEDS_SIGN_IN};
use crate::json::{
    AccountJson, BorrowerJson, ChainJson, EventJson, ExplanationJson, SignedOutJson, StatusJson, TokenJson,
};
use crate::lend::{Lender, Lending};
use crate::output::{self, Form};
use crate::surroundings::Screen;
use crate::{device, secrets, sign_in, text};

/// One run of the program.
pub(crate) struct Run {
    pub(crate) form: Form,
    pub(crate) pilotlight: Pilotlight,
    /// The vault's file, for showing.
    pub(crate) vault: std::path::PathBuf,
    /// The file that holds the vault's passphrase, where one was named.
    pub(crate) passphrase: Option<std::path::PathBuf>,
    /// What this program is to become when all is saved.
    pub(crate) next: Rc<Cell<Option<std::process::Command>>>,
}

pub(crate) type Outcome = Result<u8, Failure>;

impl Run {
    /// Does it, and gives the exit code.
    pub(crate) async fn carry_out(self, command: Command) -> Outcome {
        match command {
            Command::SignIn(arguments) => self.sign_in(*arguments).await,
            Command::Accounts => self.accounts().await,
            Command::Token(arguments) => self.token(&arguments).await,
            Command::Status { name } => self.status(name.as_deref()).await,
            Command::Explain { name } => self.explain(&name).await,
            Command::Events { verify: true, .. } => self.verify_journal().await,
            Command::Events { export: Some(file), .. } => self.write_report(file).await,
            Command::Events { name, limit, .. } => self.events(name.as_deref(), limit).await,
            Command::Devices(arguments) => self.devices(arguments).await,
            Command::SignOut { name, local_only } => self.sign_out(&name, local_only).await,
            Command::Export(arguments) => self.export(arguments).await,
            Command::Import(arguments) => self.import(arguments).await,
            Command::Vault(command) => self.vault_command(command).await,
            Command::Doctor => self.doctor().await,
            Command::GitCredential(arguments) => self.git_credential(arguments).await,
            Command::KubeCredential(arguments) => self.kube_credential(arguments).await,
            Command::DockerCredential(arguments) => self.docker_credential(arguments).await,
            Command::Exec(arguments) => self.exec(arguments).await,
            Command::Header(arguments) => self.header(arguments).await,
            Command::Aws(arguments) => self.aws(*arguments).await,
            Command::Proxy(arguments) => self.proxy(*arguments).await,
            Command::StartOver { yes } => self.start_over(yes).await,
            #[cfg(all(feature = "lab", target_os = "linux"))]
            Command::Lab(_) => Ok(0),
            #[cfg(target_os = "linux")]
            Command::Agent { serve, .. } => crate::agent::serve(self.pilotlight, serve).await,
            #[cfg(target_os = "linux")]
            Command::Programs(crate::agent::ProgramsCommand::Lent { name }) => self.borrowers(&name).await,
            #[cfg(target_os = "linux")]
            Command::Programs(_) | Command::Autostart(_) => Ok(0),
            Command::Presets
            | Command::Settings { .. }
            | Command::Completions { .. }
            | Command::ManPages { .. }
            | Command::Version => Ok(0),
        }
    }

    /// Lends tokens to another program.
    pub(crate) fn lender(&self, lending: Lending) -> Lender {
        Lender::new(self.pilotlight.clone(), self.passphrase.clone(), lending)
    }

    async fn sign_in(self, arguments: SignInArguments) -> Outcome {
        if arguments.again {
            return self.sign_in_again(arguments).await;
        }
        let (registration, with) = sign_in::prepare(arguments, self.form, Screen::find())?;
        self.sign_in_with(registration, with).await
    }

    pub(crate) async fn sign_in_with(self, registration: Registration, with: SignIn) -> Outcome {
        let (by_device, by_token) = (matches!(with, SignIn::Device(_)), matches!(with, SignIn::RefreshToken(_)));
        let outcome = self.pilotlight.sign_in(registration, with).await;
        self.signed_in(by_device, outcome.map_err(|error| Failure::of_sign_in(error, by_token)))
    }

    async fn sign_in_again(self, arguments: SignInArguments) -> Outcome {
        let account = self.pilotlight.account(&arguments.name).await?;
        let (with, more) = sign_in::prepare_again(arguments, &account.ways(), self.form, Screen::find())?;
        let by_device = matches!(with, SignIn::Device(_));
        let outcome = self.pilotlight.sign_in_for_more(&account.name, with, &more).await;
        self.signed_in(by_device, outcome.map_err(Failure::from))
    }

    fn signed_in(&self, by_device: bool, outcome: Result<Account, Failure>) -> Outcome {
        if by_device {
            device::clear_line(self.form);
        }
        let account = outcome?;
        self.form.confirm(&AccountJson::of(&account), &text::signed_in(&account))?;
        Ok(0)
    }

    async fn accounts(self) -> Outcome {
        let all = self.pilotlight.accounts().await?;
        let json: Vec<_> = all.accounts.iter().map(AccountJson::of).collect();
        self.form.print(&json, || text::accounts(&all.accounts, self.pilotlight.now()))?;
        mention(&all.accounts, &all.damaged);
        Ok(0)
    }

    async fn token(self, arguments: &TokenArguments) -> Outcome {
        let token = if arguments.refresh {
            self.pilotlight.refresh(&arguments.name).await?
        } else {
            self.pilotlight.access_token(&arguments.name, Duration::from_secs(arguments.min_ttl)).await?
        };
        let exposed = token.token.expose_secret();
        self.form.print(&TokenJson::of(&token, exposed, self.pilotlight.now()), || format!("{exposed}\n"))?;
        Ok(0)
    }

    async fn status(self, name: Option<&str>) -> Outcome {
        let (accounts, damaged) = match name {
            Some(name) => (vec![self.pilotlight.account(name).await?], vec![]),
            None => {
                let all = self.pilotlight.accounts().await?;
                (all.accounts, all.damaged)
            }
        };
        let vault = self.pilotlight.vault_status();
        let json = StatusJson::of(&vault, &self.vault, &accounts, &damaged, self.pilotlight.clock_offset());
        self.form.print(&json, || text::status(&accounts, self.pilotlight.now()))?;
        mention(&accounts, &damaged);
        if self.form == Form::Text && name.is_none() {
            output::note(&text::vault(&vault, &self.vault));
        }
        let ended = |account: &Account| matches!(account.status, Status::Ended { .. });
        Ok(if name.is_some() && accounts.iter().any(ended) { NEEDS_SIGN_IN } else { 0 })
    }

    async fn explain(self, name: &str) -> Outcome {
        let explanation = self.pilotlight.explain(name).await?;
        // There is none of an account that was signed out.
        let forecast = self.pilotlight.forecast(name).await.ok();
        self.form.print(&ExplanationJson::of(&explanation, forecast.as_ref()), || {
            text::explanation(&explanation, forecast.as_ref(), self.pilotlight.now())
        })?;
        Ok(0)
    }

    async fn verify_journal(self) -> Outcome {
        let chain = self.pilotlight.verify_journal().await?;
        self.form.print(&ChainJson::of(chain), || text::chain(chain))?;
        Ok(if chain == Chain::Whole { 0 } else { DISK })
    }

    async fn write_report(self, file: std::path::PathBuf) -> Outcome {
        let entries = self.pilotlight.write_report(file.clone()).await?;
        let text = format!(
            "{} holds {entries} entries of the journal, and how things stand. It names accounts and services; it holds no token and no password.",
            file.display()
        );
        self.form.confirm(&json!({ "file": file, "entries": entries }), &text)?;
        Ok(0)
    }

    async fn events(self, name: Option<&str>, limit: usize) -> Outcome {
        let entries = self.pilotlight.events(name, limit).await?;
        let json: Vec<_> = entries.iter().map(EventJson::of).collect();
        self.form.print(&json, || text::events(&entries))?;
        if entries.is_empty() {
            output::note(&match name {
                Some(name) => format!("The journal has nothing about {name:?}."),
                None => "Nothing has happened yet.".to_owned(),
            });
        }
        Ok(0)
    }

    #[cfg(target_os = "linux")]
    async fn borrowers(self, name: &str) -> Outcome {
        let borrowers = self.pilotlight.borrowers(name).await?;
        let json: Vec<_> = borrowers.iter().map(BorrowerJson::of).collect();
        self.form.print(&json, || text::borrowers(&borrowers))?;
        if borrowers.is_empty() {
            output::note("No program has asked for its tokens.");
        }
        Ok(0)
    }

    async fn sign_out(self, name: &str, local_only: bool) -> Outcome {
        let how = if local_only { SignOut::LocalOnly } else { SignOut::Everywhere };
        let outcome = self.pilotlight.sign_out(name, how).await?;
        self.form.confirm(&SignedOutJson::of(&outcome), &text::signed_out(name, &outcome))?;
        Ok(0)
    }

    async fn start_over(self, yes: bool) -> Outcome {
        if !yes && let Err(error) = self.pilotlight.unlock().await {
            if !error.can_start_over() {
                return Err(error.into());
            }
            output::note(&format!("{error} {}", error.hint()));
            output::note("The vault will be set aside, and you will have to sign in to every account again.");
            if secrets::ask_line("consent (yes or no)", "Pass --yes.")? != "yes" {
                return Err(Failure::usage("Nothing was changed.", "Type yes, or pass --yes, to start over."));
            }
        }
        let aside = self.pilotlight.start_over().await?.display().to_string();
        let text = format!("The vault was set aside as {aside}. The next sign-in begins a new one.");
        self.form.confirm(&json!({ "set_aside": aside }), &text)?;
        Ok(0)
    }
}

/// Says what a list of accounts does not show.
fn mention(accounts: &[Account], damaged: &[GrantId]) {
    if let Some(warning) = text::damaged(damaged) {
        output::note(&warning);
    } else if accounts.is_empty() {
        output::note(text::BEGIN);
    }
}
