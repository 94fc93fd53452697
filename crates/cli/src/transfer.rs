//! `pilotlight export` and `pilotlight import`: an account on another machine.
//!
//! Where the service can sign a person in by a code, the file holds no secret: the other machine signs in by itself. Otherwise,
//! or on the person's word, the sign-in itself moves, sealed by a passphrase.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use clap::Args;
use pilotlight::values::{SecretString, Service};
use pilotlight::{Account, Client, ErrorCode, Registration, Scope, ServiceLocation, SignIn};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::command::{Outcome, Run};
use crate::failure::Failure;
use crate::json::AccountJson;
use crate::secrets::{self, StandardInput};
use crate::{device, text, vault};

/// A file without a secret is far shorter, in bytes.
const LARGEST: u64 = 64 * 1024;

#[derive(Debug, Args)]
pub(crate) struct ExportArguments {
    /// The account
    name: String,
    /// The file to write; there must be none of this name
    #[arg(long, value_name = "FILE")]
    to: PathBuf,
    /// Move the sign-in itself, sealed by a passphrase, even if the other machine could sign in by a code
    #[arg(long)]
    with_token: bool,
    /// Read the file's passphrase from standard input; otherwise it is asked for at the terminal
    #[arg(long)]
    passphrase_stdin: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ImportArguments {
    /// The file that `pilotlight export` wrote
    file: PathBuf,
    /// What to call the account here, if not as there
    #[arg(long)]
    name: Option<String>,
    /// Read the file's passphrase from standard input; otherwise it is asked for at the terminal
    #[arg(long, conflicts_with = "client_secret_stdin")]
    passphrase_stdin: bool,
    /// Read the client's secret from standard input, where the client has one
    #[arg(long)]
    client_secret_stdin: bool,
    /// Show the address and the code without a QR code
    #[arg(long)]
    no_qr: bool,
}

/// What the other machine needs to sign in by itself: no secret.
#[derive(Debug, Serialize, Deserialize)]
struct Invitation {
    /// The version of this form, 1.
    pilotlight_sign_in: u32,
    name: String,
    issuer: String,
    client_id: String,
    scope: String,
}

impl Invitation {
    /// None where the service signs nobody in by a code.
    fn of(account: &Account) -> Option<Self> {
        let Service::OAuth(metadata) = &account.service else { return None };
        metadata.device_authorization_endpoint.as_ref()?;
        Some(Self {
            pilotlight_sign_in: 1,
            name: account.name.clone(),
            issuer: account.service.identifier(),
            client_id: account.client_id.clone(),
            scope: account.scope.to_string(),
        })
    }

    /// None where the file is of the sealed kind.
    fn read(file: &Path) -> Result<Option<Self>, Failure> {
        let mut bytes = vec![];
        let read = File::open(file).and_then(|file| file.take(LARGEST).read_to_end(&mut bytes));
        read.map_err(|error| unusable(file, &error))?;
        if bytes.first() != Some(&b'{') {
            return Ok(None);
        }
        let read = serde_json::from_slice(&bytes).ok().filter(|read: &Self| read.pilotlight_sign_in == 1);
        let refused = || {
            let message = format!("{} is no file that this version of Pilotlight wrote.", file.display());
            Failure::usage(message, "Name the file that `pilotlight export` wrote, or update Pilotlight.")
        };
        read.map(Some).ok_or_else(refused)
    }

    fn write(&self, to: &Path) -> Result<(), Failure> {
        let mut options = OpenOptions::new();
        let opened = options.write(true).create_new(true).open(to);
        let written = opened.and_then(|mut file| {
            file.write_all(crate::json::line(self).as_bytes())?;
            file.sync_all()
        });
        written.map_err(|error| unusable(to, &error))
    }
}

fn unusable(file: &Path, error: &std::io::Error) -> Failure {
    Failure::usage(format!("{}: {error}.", file.display()), "Name another file.")
}

impl Run {
    pub(crate) async fn export(self, arguments: ExportArguments) -> Outcome {
        let ExportArguments { name, to, with_token, passphrase_stdin } = arguments;
        let invitation = match self.pilotlight.account(&name).await {
            Ok(account) => Invitation::of(&account).filter(|_| !with_token),
            // A hand-over that was killed may have come as far as this.
            Err(error) if error.code() == ErrorCode::NoSuchAccount && with_token => None,
            Err(error) => return Err(error.into()),
        };
        let shown = to.display();
        let told = match &invitation {
            Some(invitation) => {
                invitation.write(&to)?;
                format!(
                    "{shown} holds no secret: with it, `pilotlight import` signs in on the other machine by a code. You stay signed in here."
                )
            }
            None => {
                let passphrase = vault::new_passphrase(passphrase_stdin)?;
                self.pilotlight.hand_over(&name, &to, &passphrase).await?;
                format!(
                    "{shown} is the sign-in now, and you are signed in here no more. Import it once, on one machine."
                )
            }
        };
        self.form.confirm(&json!({ "file": to.display().to_string(), "moved": invitation.is_none() }), &told)?;
        Ok(0)
    }

    pub(crate) async fn import(self, arguments: ImportArguments) -> Outcome {
        let Some(invitation) = Invitation::read(&arguments.file)? else {
            let passphrase = passphrase(arguments.passphrase_stdin)?;
            let name = arguments.name.as_deref();
            let account = self.pilotlight.take_over(&arguments.file, &passphrase, name).await?;
            self.form.confirm(&AccountJson::of(&account), &text::signed_in(&account))?;
            return Ok(0);
        };
        let secret = StandardInput::read(usize::from(arguments.client_secret_stdin))?.next();
        let registration = Registration {
            name: arguments.name.unwrap_or(invitation.name),
            service: ServiceLocation::Issuer(invitation.issuer),
            client: Client { id: invitation.client_id, secret },
            scope: Scope::parse(&invitation.scope),
        };
        let with = SignIn::Device(device::watcher(self.form, !arguments.no_qr));
        self.sign_in_with(registration, with).await
    }
}

fn passphrase(from_stdin: bool) -> Result<SecretString, Failure> {
    const INSTEAD: &str = "Pass it on standard input, with --passphrase-stdin.";
    if !from_stdin {
        return secrets::ask("file's passphrase", INSTEAD);
    }
    StandardInput::read(1)?.next().ok_or_else(|| Failure::usage("The passphrase is missing.", INSTEAD))
}
