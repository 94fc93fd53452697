//! Looks at everything that Pilotlight stands on, and says what is wrong and what to do. The command line and the app show
//! the same.

use crate::journal::Chain;
use crate::lifecycle::{Pilotlight, blocking};
use crate::settings::Settings;
use crate::storage::VaultStatus;
use crate::{Error, ErrorCode, Status};

/// What a look came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Health {
    /// As it should be.
    Fine,
    /// Worth knowing; nothing needs to be done at once.
    Note,
    /// Something does not work.
    Trouble,
}

impl Health {
    /// The word that scripts see.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fine => "fine",
            Self::Note => "note",
            Self::Trouble => "trouble",
        }
    }
}

/// One thing looked at.
#[derive(Debug, Clone)]
pub struct Finding {
    /// What: `home`, `settings`, `keystore`, `vault`, `records`, `accounts`, `rotation`, `journal`, `clock`.
    pub what: &'static str,
    /// How it is.
    pub health: Health,
    /// In one sentence.
    pub text: String,
    /// Which error it is, where it is one: its hint says what to do.
    pub code: Option<ErrorCode>,
}

impl Finding {
    fn fine(what: &'static str, text: impl Into<String>) -> Self {
        Self { what, health: Health::Fine, text: text.into(), code: None }
    }

    fn note(what: &'static str, text: impl Into<String>) -> Self {
        Self { what, health: Health::Note, text: text.into(), code: None }
    }

    fn trouble(what: &'static str, error: &Error) -> Self {
        Self { what, health: Health::Trouble, text: error.message().to_owned(), code: Some(error.code()) }
    }

    /// What to do about it, where something can be done.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        self.code.map(ErrorCode::hint)
    }
}

/// Words that stand within an error, as a sentence of their own.
fn sentence(words: &str) -> String {
    let mut letters = words.chars();
    let first = letters.next().map(|letter| letter.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", letters.as_str())
}

/// A clock that is off by less, in milliseconds, troubles nobody.
const TOLERABLE_MS: u64 = 60_000;

impl Pilotlight {
    /// Looks at everything, in the order in which one thing stands on another. Changes nothing.
    pub async fn examine(&self) -> Vec<Finding> {
        let mut findings = vec![self.examine_home().await];
        findings.extend(self.examine_settings().await);
        findings.push(self.examine_keystore().await);
        findings.extend(self.examine_vault().await);
        findings.push(self.examine_journal().await);
        findings.push(self.examine_clock());
        findings
    }

    async fn examine_home(&self) -> Finding {
        let home = self.0.config.home.clone();
        let looked = blocking(move || crate::files::examine_folder(home.path())).await;
        match looked {
            Ok(true) => Finding::fine("home", format!("{} is yours alone.", self.0.config.home.path().display())),
            Ok(false) => Finding::note("home", "There is no home folder yet; the first sign-in makes one."),
            Err(error) => Finding::trouble("home", &error),
        }
    }

    /// Only where something is the matter.
    async fn examine_settings(&self) -> Vec<Finding> {
        let home = self.0.config.home.clone();
        let look = move || {
            let settings = Settings::load(&home);
            let aside = crate::settings::aside(&home.settings());
            let broken = aside.exists().then(|| {
                format!(
                    "The settings were no JSON and everything is as by default; what was there is in {}.",
                    aside.display()
                )
            });
            let unused = settings.ca_file.and_then(|file| crate::settings::certificates(&file).err());
            let unused = unused.map(|why| format!("Nothing can be sent, because the certificates {why}."));
            settings.faults.into_iter().map(|fault| fault.why).chain(broken).chain(unused).collect::<Vec<_>>()
        };
        let told = blocking(move || Ok::<_, Error>(look())).await.unwrap_or_default();
        told.into_iter().map(|why| Finding::note("settings", why)).collect()
    }

    async fn examine_keystore(&self) -> Finding {
        let keystore = self.0.config.keystore.clone();
        let needed = self.strategy().is_ok_and(|strategy| strategy.needs().contains(&crate::storage::Need::Keystore));
        // Without a prompt: the vault, which is looked at next, asks the person where it needs to.
        let asked = blocking(move || keystore.look().map_err(Error::from)).await;
        match asked {
            Ok(origin) => Finding::fine("keystore", format!("{origin} answers and is unlocked.")),
            Err(error) if needed => Finding::trouble("keystore", &error),
            Err(error) => {
                let text = format!("{} The storage in use does not need it.", error.message());
                Finding { code: Some(error.code()), ..Finding::note("keystore", text) }
            }
        }
    }

    async fn examine_vault(&self) -> Vec<Finding> {
        let info = match self.vault_info().await {
            Ok(info) => info,
            Err(error) => return vec![Finding::trouble("vault", &error)],
        };
        let strategy = info.strategy;
        if let VaultStatus::Unavailable(error) = &info.status {
            return vec![Finding::trouble("vault", error)];
        }
        if !info.exists {
            return vec![Finding::note("vault", format!("There is no vault yet; {strategy} will be used."))];
        }
        let mut findings = vec![if strategy.is_plain() {
            Finding::note("vault", format!("{strategy} is open. It keeps tokens readable on the disk."))
        } else {
            Finding::fine("vault", format!("{strategy} is open."))
        }];
        findings.extend(self.examine_storage().await);
        findings.push(match info.records {
            Some((all, 0)) => Finding::fine("records", format!("{all} can be opened.")),
            Some((all, damaged)) => {
                let text = format!("{damaged} of {all} cannot be opened.");
                Finding::trouble("records", &Error::new(ErrorCode::RecordTampered, text))
            }
            None => Finding::note("records", "They were not looked at."),
        });
        if info.to_rotate > 0 {
            let text = format!("{} tokens are still to be rotated after a move.", info.to_rotate);
            findings.push(Finding::note("rotation", text));
        }
        findings.extend(self.examine_accounts().await);
        findings
    }

    /// Looks at the vault as a whole, every page of it, whatever was verified when it was opened.
    async fn examine_storage(&self) -> Vec<Finding> {
        match self.with_vault_do(|vault| vault.examine()).await {
            Ok(remarks) => remarks.into_iter().map(|remark| Finding::note("vault", sentence(remark))).collect(),
            Err(error) => vec![Finding::trouble("vault", &error)],
        }
    }

    async fn examine_accounts(&self) -> Vec<Finding> {
        let all = match self.accounts().await {
            Ok(all) => all.accounts,
            Err(error) => return vec![Finding::trouble("accounts", &error)],
        };
        let told = all.iter().filter_map(|account| match &account.status {
            Status::Ended { problem, .. } => Some((account, problem, Health::Trouble)),
            Status::Waiting { problem, .. } => Some((account, problem, Health::Note)),
            Status::SignedIn | Status::Refreshing => None,
        });
        let mut findings: Vec<Finding> = told
            .map(|(account, problem, health)| {
                let text = format!("{}: {}", account.name, problem.message());
                Finding { what: "accounts", health, text, code: Some(problem.code()) }
            })
            .collect();
        if findings.is_empty() {
            let text = match all.len() {
                0 => "There are none yet.".to_owned(),
                1 => "1 is signed in.".to_owned(),
                count => format!("{count} are signed in."),
            };
            findings.push(Finding::fine("accounts", text));
        }
        findings
    }

    async fn examine_journal(&self) -> Finding {
        match self.verify_journal().await {
            Ok(Chain::Whole) => Finding::fine("journal", "It is as it was written."),
            Ok(_) => Finding::note(
                "journal",
                "It was changed by something else than Pilotlight; see `pilotlight events --verify`.",
            ),
            Err(error) => Finding::trouble("journal", &error),
        }
    }

    fn examine_clock(&self) -> Finding {
        match self.clock_offset() {
            Some(offset) if offset.unsigned_abs() > TOLERABLE_MS => {
                let (seconds, way) = (offset.unsigned_abs() / 1000, if offset > 0 { "behind" } else { "ahead of" });
                Finding::note(
                    "clock",
                    format!("This machine's clock is {seconds} seconds {way} the service's. Set it."),
                )
            }
            Some(_) => Finding::fine("clock", "It agrees with the services'."),
            None => Finding::fine("clock", "No service has told the time yet; nothing depends on it."),
        }
    }
}
