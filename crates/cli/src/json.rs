//! The JSON of each result. Its field names are promised to scripts in docs/cli.md.

use pilotlight::diagnosis::{Borrower, Explanation, Forecast};
use pilotlight::journal::{Chain, JournalEntry};
use pilotlight::storage::VaultStatus;
use pilotlight::values::{GrantId, Service, SignedOut, Timestamp};
use pilotlight::{AccessToken, Account, Error, Status};
use serde::Serialize;

use crate::failure::Failure;
use pilotlight::values::is_unprintable;

/// One line. What a terminal would obey is escaped, which inside of a JSON string means the same (RFC 8259 section 7).
pub(crate) fn line(value: &impl Serialize) -> String {
    // Our own structs have no key that is not text, the one thing that serde_json refuses.
    let json = serde_json::to_string(value).unwrap_or_default();
    let mut text = String::with_capacity(json.len() + 1);
    for c in json.chars() {
        // All of them are in the basic plane, and none stands outside of a string.
        if is_unprintable(c) {
            text.push_str(&format!("\\u{:04x}", u32::from(c)));
        } else {
            text.push(c);
        }
    }
    text.push('\n');
    text
}

#[derive(Serialize)]
pub(crate) struct Problem<'a> {
    error: ProblemBody<'a>,
}

#[derive(Serialize)]
struct ProblemBody<'a> {
    code: &'a str,
    message: String,
    hint: &'a str,
}

impl Problem<'_> {
    pub(crate) fn of(failure: &Failure) -> Self {
        Self { error: ProblemBody { code: failure.code(), message: failure.to_string(), hint: failure.hint() } }
    }
}

#[derive(Serialize)]
pub(crate) struct AccountJson<'a> {
    id: String,
    name: &'a str,
    state: &'static str,
    reason: Option<&'static str>,
    message: Option<&'a str>,
    hint: Option<&'static str>,
    retry_at: Option<String>,
    ended_at: Option<String>,
    service: String,
    dialect: &'static str,
    client_id: &'a str,
    scope: String,
    subject: Option<&'a str>,
    person: Option<&'a str>,
    signed_in_at: String,
    refreshed_at: String,
    refreshes: u64,
    access_expires_at: Option<String>,
    refresh_due_at: Option<String>,
    refresh_expires_at: Option<String>,
    unknown_since: Option<String>,
}

impl<'a> AccountJson<'a> {
    pub(crate) fn of(account: &'a Account) -> Self {
        let problem = problem(&account.status);
        let (retry_at, ended_at) = match account.status {
            Status::Waiting { retry_at, .. } => (Some(retry_at), None),
            Status::Ended { at, .. } => (None, Some(at)),
            _ => (None, None),
        };
        Self {
            id: account.id.to_string(),
            name: &account.name,
            state: state(&account.status),
            reason: problem.map(|problem| problem.code().as_str()),
            message: problem.map(Error::message),
            hint: problem.map(Error::hint),
            retry_at: time(retry_at),
            ended_at: time(ended_at),
            service: account.service.identifier(),
            dialect: dialect(&account.service),
            client_id: &account.client_id,
            scope: account.scope.to_string(),
            subject: account.subject.as_deref(),
            person: account.person.as_deref(),
            signed_in_at: account.signed_in_at.to_string(),
            refreshed_at: account.refreshed_at.to_string(),
            refreshes: account.refreshes,
            access_expires_at: time(account.access_expires_at),
            refresh_due_at: time(account.refresh_due_at),
            refresh_expires_at: time(account.refresh_expires_at),
            unknown_since: time(account.unknown_since),
        }
    }
}

/// The word of a state, the same for people and scripts but for its hyphen.
pub(crate) const fn state(status: &Status) -> &'static str {
    match status {
        Status::SignedIn => "signed-in",
        Status::Refreshing => "refreshing",
        Status::Waiting { .. } => "waiting",
        Status::Ended { .. } => "ended",
    }
}

/// What is the matter, where something is.
pub(crate) const fn problem(status: &Status) -> Option<&Error> {
    match status {
        Status::Waiting { problem, .. } | Status::Ended { problem, .. } => Some(problem),
        _ => None,
    }
}

const fn dialect(service: &Service) -> &'static str {
    match service {
        Service::OAuth(_) => "oauth",
        Service::TokenEndpoint { .. } => "token-endpoint",
        Service::PlainJson(_) => "plain-json",
    }
}

fn time(at: Option<Timestamp>) -> Option<String> {
    at.map(|at| at.to_string())
}

#[derive(Serialize)]
pub(crate) struct StatusJson<'a> {
    vault: VaultJson,
    accounts: Vec<AccountJson<'a>>,
    damaged: Vec<String>,
    clock_offset_ms: Option<i64>,
}

#[derive(Serialize)]
struct VaultJson {
    state: &'static str,
    strategy: Option<&'static str>,
    keystore: Option<&'static str>,
    path: String,
}

impl<'a> StatusJson<'a> {
    pub(crate) fn of(
        vault: &VaultStatus,
        path: &std::path::Path,
        accounts: &'a [Account],
        damaged: &[GrantId],
        clock_offset_ms: Option<i64>,
    ) -> Self {
        let (state, strategy, keystore) = match vault {
            VaultStatus::Ready { strategy, keystore } => ("ready", Some(*strategy), Some(*keystore)),
            VaultStatus::Closed => ("closed", None, None),
            VaultStatus::Unavailable(_) => ("unavailable", None, None),
        };
        Self {
            vault: VaultJson { state, strategy, keystore, path: path.display().to_string() },
            accounts: accounts.iter().map(AccountJson::of).collect(),
            damaged: damaged.iter().map(ToString::to_string).collect(),
            clock_offset_ms,
        }
    }
}

#[derive(Serialize)]
pub(crate) struct TokenJson<'a> {
    access_token: &'a str,
    token_type: &'a str,
    expires_at: Option<String>,
    expires_in: Option<u64>,
}

impl<'a> TokenJson<'a> {
    /// `text` is the exposed token.
    pub(crate) fn of(token: &'a AccessToken, text: &'a str, now: Timestamp) -> Self {
        Self {
            access_token: text,
            token_type: &token.token_type,
            expires_at: time(token.expires_at),
            expires_in: token.expires_at.map(|at| at.since(now).as_secs()),
        }
    }
}

#[derive(Serialize)]
pub(crate) struct EventJson<'a> {
    seq: u64,
    at: String,
    account: &'a str,
    kind: &'static str,
    text: &'a str,
    /// Who was lent a token, or refused one.
    #[serde(skip_serializing_if = "Option::is_none")]
    program: Option<&'a str>,
}

impl<'a> EventJson<'a> {
    pub(crate) fn of(entry: &'a JournalEntry) -> Self {
        let JournalEntry { seq, at, account, kind, text, program, .. } = entry;
        let program = program.as_deref();
        Self { seq: *seq, at: at.to_string(), account, kind: kind.as_str(), text, program }
    }
}

#[derive(Serialize)]
pub(crate) struct BorrowerJson<'a> {
    program: &'a str,
    lent_at: Option<String>,
    refused_at: Option<String>,
}

impl<'a> BorrowerJson<'a> {
    pub(crate) fn of(borrower: &'a Borrower) -> Self {
        let Borrower { program, lent_at, refused_at } = borrower;
        Self { program, lent_at: time(*lent_at), refused_at: time(*refused_at) }
    }
}

#[derive(Serialize)]
pub(crate) struct ExplanationJson<'a> {
    sentence: &'a str,
    hint: Option<&'a str>,
    since: Option<String>,
    until: Option<String>,
    lasts_until: Option<String>,
    lasts_because: Vec<&'static str>,
    timeline: Vec<EventJson<'a>>,
}

impl<'a> ExplanationJson<'a> {
    pub(crate) fn of(explanation: &'a Explanation, forecast: Option<&Forecast>) -> Self {
        let reasons = forecast.iter().flat_map(|forecast| &forecast.reasons);
        Self {
            sentence: &explanation.sentence,
            hint: Some(explanation.hint.as_str()).filter(|hint| !hint.is_empty()),
            since: time(explanation.since),
            until: time(explanation.until),
            lasts_until: time(forecast.and_then(|forecast| forecast.until)),
            lasts_because: reasons.map(|reason| reason.as_str()).collect(),
            timeline: explanation.timeline.iter().map(EventJson::of).collect(),
        }
    }
}

#[derive(Serialize)]
pub(crate) struct ChainJson {
    whole: bool,
    broken_at: Option<u64>,
}

impl ChainJson {
    pub(crate) const fn of(chain: Chain) -> Self {
        match chain {
            Chain::Whole => Self { whole: true, broken_at: None },
            Chain::Broken(seq) => Self { whole: false, broken_at: Some(seq) },
        }
    }
}

#[derive(Serialize)]
pub(crate) struct SignedOutJson<'a> {
    revoked: bool,
    service: &'static str,
    message: Option<&'a str>,
}

impl<'a> SignedOutJson<'a> {
    pub(crate) fn of(outcome: &'a SignedOut) -> Self {
        let (service, message) = match outcome {
            SignedOut::Revoked => ("revoked", None),
            SignedOut::NotSupported => ("not-supported", None),
            SignedOut::NotTold(error) => ("not-told", Some(error.message())),
            SignedOut::LocalOnly => ("local-only", None),
        };
        Self { revoked: matches!(outcome, SignedOut::Revoked), service, message }
    }
}

#[cfg(test)]
#[path = "json_tests.rs"]
mod tests;
