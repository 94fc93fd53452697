//! What crosses to the webview: whole small snapshots, never a token, password or key.
//!
//! ts-rs writes these types to `crates/plugin/guest-js/src/bindings/` (`cargo xtask bindings`); a test holds the committed files against them.

use pilotlight::diagnosis::Explanation;
use pilotlight::journal::JournalEntry;
use pilotlight::presets::Flow;
use pilotlight::values::{ExposeSecret as _, Service, Timestamp};
use pilotlight::{Account, Error, ErrorCode, Status};
use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::settings::SettingsView;
use crate::storage::Protection;

/// Everything the window shows, pushed whole after each change.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
#[ts(export)]
pub struct Snapshot {
    /// Whether the vault can be used.
    pub vault: VaultView,
    /// Services offered for a one-click sign-in.
    pub services: Vec<ServiceView>,
    /// Every account, ordered by name.
    pub accounts: Vec<AccountView>,
    /// Records that could not be opened; they are kept for inspection.
    pub damaged: Vec<String>,
    /// The core's clock when this was made, in milliseconds since the Unix epoch.
    #[ts(type = "number")]
    pub now_ms: i64,
    /// How far the services' clocks are ahead of ours, in milliseconds; below zero where ours is ahead. Absent until one was heard.
    #[ts(type = "number | null")]
    pub clock_offset_ms: Option<i64>,
    /// What the person has set.
    pub settings: SettingsView,
}

/// The vault's state.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
#[ts(export)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum VaultView {
    /// Being opened.
    Opening,
    /// Open.
    Ready {
        /// The strategy's name, e.g. `sqlite-aead`.
        strategy: String,
        /// Which keystore there is, e.g. `secret-service`.
        keystore: String,
        /// What keeps it from others.
        protection: Protection,
    },
    /// It cannot be used now; nothing is lost.
    Unavailable {
        /// Why, and what to do.
        problem: Problem,
        /// Whether setting the vault aside and starting an empty one may be offered (the key is proved gone or wrong, or the file is damaged).
        can_start_over: bool,
        /// Whether a passphrase may open it.
        asks_passphrase: bool,
        /// Whether there is no vault yet, so that the person may choose how to keep one without what is missing.
        can_choose: bool,
    },
}

/// A service that can be signed in to without typing an address.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
#[ts(export)]
pub struct ServiceView {
    /// For the button.
    pub name: String,
    /// The issuer.
    pub issuer: String,
    /// Our client there.
    pub client_id: String,
    /// Space-separated scope to ask for.
    pub scope: String,
}

/// One account.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
#[ts(export)]
pub struct AccountView {
    /// The grant's id, stable.
    pub id: String,
    /// The name chosen at sign-in, unique.
    pub name: String,
    /// The issuer, or the origin of a service without one.
    pub service: String,
    /// Our client there.
    pub client_id: String,
    /// What was asked for, space-separated.
    pub scope: String,
    /// The ways to sign in again, the best first.
    #[ts(type = "(\"browser\" | \"device\" | \"password\")[]")]
    pub ways: Vec<Flow>,
    /// Whether the service tells this sign-in where else the person is signed in.
    pub tells_devices: bool,
    /// Who: user name, e-mail or name as the service tells it.
    pub person: Option<String>,
    /// What state the grant is in.
    pub status: StatusView,
    /// When the person signed in.
    #[ts(type = "number")]
    pub signed_in_at_ms: i64,
    /// When tokens were last obtained.
    #[ts(type = "number")]
    pub refreshed_at_ms: i64,
    /// When the access token expires, where known.
    #[ts(type = "number | null")]
    pub access_expires_at_ms: Option<i64>,
    /// When the next silent refresh is due; absent where none is planned.
    #[ts(type = "number | null")]
    pub refresh_due_at_ms: Option<i64>,
    /// When the refresh token expires, where the service tells.
    #[ts(type = "number | null")]
    pub refresh_expires_at_ms: Option<i64>,
    /// Since when the outcome of a refresh is unknown: it was begun, and no answer came. It is repeated with the same key.
    #[ts(type = "number | null")]
    pub unknown_since_ms: Option<i64>,
    /// How often it was refreshed since the sign-in.
    #[ts(type = "number")]
    pub refreshes: u64,
}

/// A grant's state.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
#[ts(export)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum StatusView {
    /// Signed in, nothing to do.
    SignedIn,
    /// A refresh is in flight.
    Refreshing,
    /// Still signed in, and a refresh did not succeed yet.
    Waiting {
        /// Why, and what to do (usually nothing).
        problem: Problem,
        /// When it is tried again.
        #[ts(type = "number")]
        retry_at_ms: i64,
    },
    /// The grant has ended on proof; sign in again.
    Ended {
        /// Why.
        problem: Problem,
        /// When it was noticed.
        #[ts(type = "number")]
        ended_at_ms: i64,
    },
}

/// What went wrong: a code for machines, a sentence for people, a hint for the next step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
#[ts(export)]
pub struct Problem {
    /// Stable, e.g. `keystore_locked`.
    pub code: String,
    /// One sentence.
    pub message: String,
    /// What to do next.
    pub hint: String,
}

/// One entry of the activity journal.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
#[ts(export)]
pub struct EventView {
    /// Increasing number.
    #[ts(type = "number")]
    pub seq: u64,
    /// When.
    #[ts(type = "number")]
    pub at_ms: i64,
    /// The account's name.
    pub account: String,
    /// Stable, e.g. `refreshed`, `signed-in`, `signed-out`, `refresh-failed`, `ended`.
    pub kind: String,
    /// One English sentence, free of secrets.
    pub text: String,
}

/// Why an account stands as it does.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
#[ts(export)]
pub struct ExplanationView {
    /// One English sentence.
    pub sentence: String,
    /// What to do next, in English; empty where there is nothing to do.
    pub hint: String,
    /// Since when it stands so.
    #[ts(type = "number | null")]
    pub since_ms: Option<i64>,
    /// When something will happen by itself.
    #[ts(type = "number | null")]
    pub until_ms: Option<i64>,
    /// The newest entries of the journal, oldest first.
    pub timeline: Vec<EventView>,
}

/// A password or passphrase on its way in: cannot be shown or sent back, and is wiped when it was used.
#[derive(TS)]
#[ts(type = "string")]
pub struct Password(pub(crate) secrecy::SecretString);

impl Password {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.expose_secret().is_empty()
    }
}

impl<'de> Deserialize<'de> for Password {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(secrecy::SecretString::from(text)))
    }
}

impl Problem {
    pub(crate) fn new(code: ErrorCode, message: &str) -> Self {
        Self::from(Error::new(code, message))
    }

    /// A problem that only the plugin has.
    pub(crate) fn of(code: &str, message: &str, hint: &str) -> Self {
        Self { code: code.to_owned(), message: message.to_owned(), hint: hint.to_owned() }
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        Self {
            code: error.code().as_str().to_owned(),
            message: error.message().to_owned(),
            hint: error.hint().to_owned(),
        }
    }
}

impl From<Status> for StatusView {
    fn from(status: Status) -> Self {
        match status {
            Status::SignedIn => Self::SignedIn,
            Status::Refreshing => Self::Refreshing,
            Status::Waiting { problem, retry_at } => {
                Self::Waiting { problem: problem.into(), retry_at_ms: retry_at.as_millis() }
            }
            Status::Ended { problem, at, .. } => Self::Ended { problem: problem.into(), ended_at_ms: at.as_millis() },
        }
    }
}

impl From<JournalEntry> for EventView {
    fn from(entry: JournalEntry) -> Self {
        let JournalEntry { seq, at, account, kind, text, .. } = entry;
        Self { seq, at_ms: at.as_millis(), account, kind: kind.as_str().to_owned(), text }
    }
}

impl From<Explanation> for ExplanationView {
    fn from(explanation: Explanation) -> Self {
        let Explanation { sentence, hint, since, until, timeline } = explanation;
        Self {
            sentence,
            hint,
            since_ms: since.map(Timestamp::as_millis),
            until_ms: until.map(Timestamp::as_millis),
            timeline: timeline.into_iter().map(EventView::from).collect(),
        }
    }
}

impl From<&Account> for AccountView {
    fn from(account: &Account) -> Self {
        let millis = |at: Option<Timestamp>| at.map(Timestamp::as_millis);
        Self {
            id: account.id.to_string(),
            name: account.name.clone(),
            service: account.service.identifier(),
            client_id: account.client_id.clone(),
            scope: account.scope.to_string(),
            ways: account.ways(),
            tells_devices: tells_devices(account),
            person: account.person.clone(),
            status: account.status.clone().into(),
            signed_in_at_ms: account.signed_in_at.as_millis(),
            refreshed_at_ms: account.refreshed_at.as_millis(),
            access_expires_at_ms: millis(account.access_expires_at),
            refresh_due_at_ms: millis(account.refresh_due_at),
            refresh_expires_at_ms: millis(account.refresh_expires_at),
            unknown_since_ms: millis(account.unknown_since),
            refreshes: account.refreshes,
        }
    }
}

/// A service that did not say what it granted has granted what it was asked for (RFC 6749 section 5.1).
fn tells_devices(account: &Account) -> bool {
    let Service::OAuth(metadata) = &account.service else { return false };
    metadata.devices_endpoint.is_some() && account.granted.as_ref().unwrap_or(&account.scope).contains("devices")
}
