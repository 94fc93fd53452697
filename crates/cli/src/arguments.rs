//! The command line, as clap reads it. No secret is ever an argument: arguments show in the list of processes.

use std::path::PathBuf;

use clap::builder::RangedU64ValueParser;
use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use pilotlight::storage::Strategy;
use url::Url;

use crate::programs;

mod sign_in;

pub(crate) use sign_in::{ComesBack, Flow, SignInArguments};

const EXIT_CODES: &str = "\
Exit codes:
  0  it worked
  1  a fault of Pilotlight itself
  2  the command or its input is wrong
  3  a person has to sign in
  4  it may work later: offline, or the service has trouble
  5  the vault cannot be read or written, or the journal was changed (events --verify)
  6  the keystore cannot be asked
  7  the service answered what no such service should

Results go to standard output, everything else to standard error. Files are kept in the folder that the
environment variable PILOTLIGHT_HOME names, or else where the platform keeps application data.";

/// Keeps you signed in, and lends fresh access tokens to scripts.
#[derive(Debug, Parser)]
#[command(name = "pilotlight", version, after_help = EXIT_CODES, disable_help_subcommand = true)]
pub(crate) struct Arguments {
    /// Print results, and errors too, as JSON
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Tell on standard error what is being done; twice for more
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub(crate) verbose: u8,
    /// Read the vault's passphrase from this file, where the vault is opened by one; otherwise it is asked for at the terminal
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) passphrase_file: Option<PathBuf>,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Sign in to a service, and stay signed in
    SignIn(Box<SignInArguments>),
    /// List the accounts
    Accounts,
    /// Print an access token that is fresh
    Token(TokenArguments),
    /// Tell how each account is, and why
    Status {
        /// Only this account; the exit code is 3 when it has ended
        name: Option<String>,
    },
    /// Tell why an account ended, or what it is waiting for and until when
    Explain {
        /// The account, also one that was signed out
        name: String,
    },
    /// Tell what happened, newest first
    Events {
        /// Only this account
        name: Option<String>,
        /// At most this many
        #[arg(long, value_name = "N", default_value_t = 20, value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
        limit: usize,
        /// Tell instead whether the journal is as it was written; the exit code is 5 when it was changed
        #[arg(long, conflicts_with_all = ["name", "limit"])]
        verify: bool,
        /// Write everything, and how things stand, to a new file for a bug report; it holds no secret
        #[arg(long, value_name = "FILE", conflicts_with_all = ["name", "limit", "verify"])]
        export: Option<PathBuf>,
    },
    /// List where the person is signed in at the service, or end a sign-in there
    Devices(crate::devices::DevicesArguments),
    /// List the well-known services, what each needs, and what becomes of a refresh token there
    Presets,
    /// Sign out at the service and here
    SignOut {
        /// The account
        name: String,
        /// Remove it here and do not tell the service
        #[arg(long)]
        local_only: bool,
    },
    /// Write a file by which another machine signs in to this account, or goes on with it
    Export(crate::transfer::ExportArguments),
    /// Sign in by a file that `pilotlight export` wrote on another machine
    Import(crate::transfer::ImportArguments),
    /// Set aside a vault that cannot be opened any more, and begin an empty one
    StartOver {
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
    /// How the grants are kept
    #[command(subcommand)]
    Vault(VaultCommand),
    /// Tell what is set, for app, command line and agent, or set it
    Settings {
        #[command(subcommand)]
        command: Option<crate::settings::SettingsCommand>,
    },
    /// Look at everything that Pilotlight stands on, and tell what is wrong and what to do
    Doctor,
    /// Lend access tokens to other programs, over a socket, until it is ended
    #[cfg(target_os = "linux")]
    Agent {
        #[command(flatten)]
        serve: crate::agent::ServeArguments,
        #[command(subcommand)]
        command: Option<crate::agent::AgentCommand>,
    },
    /// Have the agent and its tray start with your session
    #[cfg(target_os = "linux")]
    #[command(subcommand)]
    Autostart(crate::autostart::AutostartCommand),
    /// Which programs the agent lends to
    #[cfg(target_os = "linux")]
    #[command(subcommand)]
    Programs(crate::agent::ProgramsCommand),
    /// Attack every way to keep grants, on this machine, and tell what each withstands and costs
    #[cfg(all(feature = "lab", target_os = "linux"))]
    #[command(subcommand)]
    Lab(crate::lab::LabCommand),
    /// Answer git when it needs a password: docs/programs.md has the line for git's configuration
    GitCredential(programs::git::GitArguments),
    /// Answer kubectl and other Kubernetes clients with a token
    KubeCredential(programs::kube::KubeArguments),
    /// Answer docker, podman and skopeo when they need a registry's password
    DockerCredential(programs::docker::DockerArguments),
    /// Answer AWS's programs with temporary keys of a role
    Aws(Box<programs::aws::AwsArguments>),
    /// Run a command with a fresh token in its environment
    Exec(programs::exec::ExecArguments),
    /// Print the header that carries a token, for curl -H @-
    Header(programs::header::HeaderArguments),
    /// Stand for a service on this machine, with the token in every request, for programs that know nothing of tokens
    Proxy(Box<programs::proxy::ProxyArguments>),
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Write a manual page for each command into a folder
    ManPages {
        /// The folder, such as ~/.local/share/man/man1
        folder: PathBuf,
    },
    /// Print the version
    Version,
}

impl Command {
    /// Whether it lends tokens to another program, and so asks an agent before it opens the vault.
    pub(crate) const fn lends(&self) -> bool {
        matches!(
            self,
            Self::GitCredential(_)
                | Self::KubeCredential(_)
                | Self::DockerCredential(_)
                | Self::Exec(_)
                | Self::Header(_)
                | Self::Proxy(_)
                | Self::Aws(_)
        )
    }

    /// Whether an agent has to see which program this is, so that the process stays open to its neighbours: it lends, or answers
    /// for the person.
    pub(crate) const fn is_seen(&self) -> bool {
        #[cfg(target_os = "linux")]
        if matches!(self, Self::Programs(crate::agent::ProgramsCommand::Answer)) {
            return true;
        }
        self.lends()
    }

    /// What it wants with the vault.
    pub(crate) const fn purpose(&self) -> Purpose {
        match self {
            Self::Doctor | Self::Vault(VaultCommand::Info | VaultCommand::Strategies) => Purpose::Look,
            #[cfg(target_os = "linux")]
            Self::Agent { .. } => Purpose::Serve,
            _ => Purpose::Work,
        }
    }
}

/// What a command wants with the vault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// To tell of it, and of a locked one too.
    Look,
    /// To lend from it, as soon as somebody unlocks it.
    Serve,
    /// What is in it.
    Work,
}

/// What to do with the vault.
#[derive(Debug, Subcommand)]
pub(crate) enum VaultCommand {
    /// List the ways to keep grants: what each needs, and what it keeps from whom
    Strategies,
    /// Tell how the grants are kept now
    Info,
    /// Let a passphrase or a recovery code open the vault too, in place of an earlier one
    Protect {
        /// Which of the two
        #[arg(long, value_name = "WAY")]
        with: TypedWay,
        /// Read the passphrase from standard input; otherwise it is asked for at the terminal
        #[arg(long)]
        passphrase_stdin: bool,
    },
    /// Take a way to open the vault away; the last one stays
    Unprotect {
        /// As `pilotlight vault info` names it, e.g. passphrase
        way: String,
    },
    /// Make the vault's keys anew: older copies of the vault and its keys are of no use to anybody then
    Rekey {
        /// Seal with this cipher from now on
        #[arg(long)]
        cipher: Option<Cipher>,
    },
    /// Choose how to keep grants, before there are any
    Use {
        /// One of `pilotlight vault strategies`
        strategy: Strategy,
        /// Do not ask, even if the strategy keeps tokens readable
        #[arg(long)]
        yes: bool,
    },
    /// Move every grant to another strategy, and rotate every refresh token
    Migrate {
        /// One of `pilotlight vault strategies`
        #[arg(long, value_name = "STRATEGY")]
        to: Strategy,
        /// Do not ask, even if the strategy keeps tokens readable
        #[arg(long)]
        yes: bool,
        /// Read the new vault's passphrase from standard input; otherwise it is asked for at the terminal
        #[arg(long)]
        passphrase_stdin: bool,
    },
}

#[derive(Debug, Args)]
pub(crate) struct TokenArguments {
    /// The account
    pub(crate) name: String,
    /// The token must live at least this many seconds; 0 also takes what is left while the service is out of reach
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    pub(crate) min_ttl: u64,
    /// Refresh now, whatever is stored
    #[arg(long, conflicts_with = "min_ttl")]
    pub(crate) refresh: bool,
    /// Read the vault, even if an agent runs; --refresh and --json do so too
    #[arg(long)]
    pub(crate) no_agent: bool,
}

/// With which cipher records are sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Cipher {
    /// AES-256-GCM, the usual one
    #[value(name = "aes-256-gcm")]
    Aes256Gcm,
    /// AES-256-GCM-SIV, for machines whose randomness may repeat, such as cloned ones
    #[value(name = "aes-256-gcm-siv")]
    Aes256GcmSiv,
    /// XChaCha20-Poly1305, for processors without AES
    #[value(name = "xchacha20-poly1305")]
    XChaCha20Poly1305,
}

/// What a person types to open the vault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum TypedWay {
    /// A passphrase of yours
    Passphrase,
    /// A random code, printed once
    RecoveryCode,
}

/// Reads an address, and says how one is written.
pub(crate) fn address(text: &str) -> Result<Url, String> {
    Url::parse(text).map_err(|error| format!("{error}; write the whole address, such as https://id.example.com/token"))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;
    use clap::error::ErrorKind;

    use super::*;

    fn refused(line: &str) -> ErrorKind {
        Arguments::try_parse_from(line.split(' ')).expect_err(line).kind()
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn what_lends_or_answers_for_the_person_can_be_seen_by_the_agent() {
        let is_seen = |line: &str| Arguments::try_parse_from(line.split(' ')).unwrap().command.is_seen();
        assert!(is_seen("pilotlight programs answer") && is_seen("pilotlight header work"));
        assert!(!is_seen("pilotlight programs list") && !is_seen("pilotlight agent"));
    }

    #[test]
    fn the_definition_is_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn json_and_verbose_may_stand_anywhere() {
        for line in ["pilotlight --json -vv accounts", "pilotlight accounts -v --json --verbose"] {
            let parsed = Arguments::try_parse_from(line.split(' ')).expect(line);
            assert!(parsed.json && parsed.verbose == 2, "{line}");
        }
    }

    #[test]
    fn a_forced_refresh_has_no_minimum_life() {
        assert_eq!(refused("pilotlight token work --refresh --min-ttl 5"), ErrorKind::ArgumentConflict);
        assert_eq!(refused("pilotlight token work --min-ttl -5"), ErrorKind::UnknownArgument);
    }

    #[test]
    fn the_journal_is_verified_whole_or_not_at_all() {
        assert!(Arguments::try_parse_from(["pilotlight", "events", "--verify"]).is_ok());
        for part in ["work", "--limit 3"] {
            assert_eq!(refused(&format!("pilotlight events --verify {part}")), ErrorKind::ArgumentConflict);
        }
    }

    #[test]
    fn the_help_tells_every_exit_code() {
        let help = Arguments::command().render_long_help().to_string();
        assert!((0..=7).all(|code| help.contains(&format!("\n  {code}  "))), "{help}");
    }
}
