//! The readable form of each result.

use std::path::Path;
use std::time::Duration;

use pilotlight::diagnosis::{Borrower, Explanation, Forecast, Reason};
use pilotlight::journal::{Chain, JournalEntry};
use pilotlight::storage::VaultStatus;
use pilotlight::values::{GrantId, SignedOut, Timestamp};
use pilotlight::{Account, Status};

use crate::json::problem;
use crate::words::{exact, harmless, relative, span, table, times};

/// How to begin, for those who have no account yet.
pub(crate) const BEGIN: &str =
    "There are no accounts yet. Begin with: pilotlight sign-in NAME --issuer URL --client-id ID";

/// A clock that is off by less troubles nobody.
const TOLERABLE: Duration = Duration::from_secs(60);

/// One line an account.
pub(crate) fn accounts(accounts: &[Account], now: Timestamp) -> String {
    if accounts.is_empty() {
        return String::new();
    }
    let mut rows = vec![["NAME", "STATE", "PERSON", "SERVICE"].map(str::to_owned)];
    rows.extend(accounts.iter().map(|account| {
        let person = account.person.as_deref().map_or_else(|| "-".to_owned(), harmless);
        [harmless(&account.name), state(&account.status, now), person, harmless(&account.service.identifier())]
    }));
    table(&rows)
}

fn state(status: &Status, now: Timestamp) -> String {
    match status {
        Status::SignedIn => "signed in".to_owned(),
        Status::Refreshing => "refreshing".to_owned(),
        Status::Waiting { retry_at, .. } => format!("waiting, again {}", relative(*retry_at, now)),
        Status::Ended { at, .. } => format!("ended {}", relative(*at, now)),
    }
}

/// A paragraph an account.
pub(crate) fn status(accounts: &[Account], now: Timestamp) -> String {
    accounts.iter().map(|account| paragraph(account, now)).collect::<Vec<_>>().join("\n")
}

fn paragraph(account: &Account, now: Timestamp) -> String {
    let mut rows = vec![row("state", state(&account.status, now))];
    if let Some(problem) = problem(&account.status) {
        rows.push(row("reason", harmless(problem.message())));
        rows.push(row("next step", problem.hint().to_owned()));
    }
    if let Some(since) = account.unknown_since {
        let since = relative(since, now);
        rows.push(row(
            "unknown",
            format!("the outcome of a refresh begun {since}; it is asked for again with the same key"),
        ));
    }
    rows.push(row("service", harmless(&account.service.identifier())));
    if let Some(person) = &account.person {
        rows.push(row("person", harmless(person)));
    }
    if let Some(at) = account.access_expires_at {
        let verb = if at > now { "expires" } else { "expired" };
        rows.push(row("access token", format!("{verb} {}", relative(at, now))));
    }
    if let Some(at) = account.refresh_due_at {
        // One that is overdue is made by whoever next wants a token.
        rows.push(row("next refresh", relative(at.max(now), now)));
    }
    let refreshed = match account.refreshes {
        0 => String::new(),
        count => format!(", refreshed {}", times(count)),
    };
    rows.push(row("signed in", format!("{}{refreshed}", relative(account.signed_in_at, now))));
    format!("{}\n{}", harmless(&account.name), table(&rows))
}

fn row(label: &str, value: String) -> [String; 2] {
    [format!("  {label}"), value]
}

/// Where the vault is and what protects it.
pub(crate) fn vault(status: &VaultStatus, path: &Path) -> String {
    let path = harmless(&path.display().to_string());
    match status {
        VaultStatus::Ready { strategy, keystore } => format!("vault {path}: {strategy}, key in {keystore}"),
        VaultStatus::Closed => format!("vault {path}: not opened"),
        VaultStatus::Unavailable(error) => format!("vault {path}: {}", harmless(error.message())),
    }
}

/// What there is to say of records that do not open.
pub(crate) fn damaged(ids: &[GrantId]) -> Option<String> {
    let which = ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    match ids.len() {
        0 => None,
        1 => Some(format!(
            "warning: one account does not open; it stays in the vault and the others are fine. Remove it with: \
             pilotlight sign-out {which} --local-only"
        )),
        count => Some(format!(
            "warning: {count} accounts do not open; they stay in the vault and the others are fine. Remove one with: \
             pilotlight sign-out ID --local-only, where ID is one of {which}"
        )),
    }
}

/// What there is to say of a clock that is more than a minute off, by how far the services' are ahead of it.
pub(crate) fn clock(offset_ms: i64) -> Option<String> {
    let off = Duration::from_millis(offset_ms.unsigned_abs());
    let direction = if offset_ms > 0 { "slow" } else { "fast" };
    (off > TOLERABLE).then(|| {
        format!(
            "warning: the clock of this computer is {} {direction} by the services' clocks. Set it right.",
            span(off)
        )
    })
}

/// The sentence, what it speaks of, and what led to it, oldest first.
pub(crate) fn explanation(explanation: &Explanation, forecast: Option<&Forecast>, now: Timestamp) -> String {
    let both = |at: Timestamp, shown| format!("{} ({})", relative(shown, now), exact(at));
    let mut rows = vec![];
    if let Some(at) = explanation.since {
        rows.push(row("since", both(at, at)));
    }
    if let Some(at) = explanation.until {
        // As in the status: what is overdue is done by whoever next wants a token.
        rows.push(row("until", both(at, at.max(now))));
    }
    if let Some(at) = forecast.and_then(|forecast| forecast.until) {
        rows.push(row("lasts", format!("{} at least", both(at, at))));
    }
    for (index, reason) in forecast.iter().flat_map(|forecast| &forecast.reasons).enumerate() {
        rows.push(row(if index == 0 { "because" } else { "" }, because(*reason)));
    }
    if !explanation.hint.is_empty() {
        rows.push(row("next step", harmless(&explanation.hint)));
    }
    let timeline = explanation
        .timeline
        .iter()
        .map(|entry| [format!("  {}", exact(entry.at)), entry.kind.as_str().to_owned(), harmless(&entry.text)]);
    let parts = [format!("{}\n", harmless(&explanation.sentence)), table(&rows), table(&timeline.collect::<Vec<_>>())];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n")
}

/// What a forecast rests on.
fn because(reason: Reason) -> String {
    let text = match reason {
        Reason::Ended => "this sign-in has ended",
        Reason::Waiting => "a refresh does not succeed at present, and is tried again",
        Reason::NothingToRefreshWith => "the service gave nothing to refresh with",
        Reason::Told => "the service said so with the present tokens",
        Reason::MovesOn => "each refresh so far has moved it on",
        Reason::StandsStill => "refreshes do not move it on: sign in again before",
        Reason::Documented(idle) => {
            return format!("the service documents that a sign-in ends after {} without use", span(idle));
        }
        Reason::NothingTold => "the service does not tell how long a sign-in lasts",
        Reason::NotOffline => "offline_access was not granted: it may end with the session at the service",
        Reason::EndedBefore(life) => {
            return format!("an earlier sign-in of this account was ended by the service after {}", span(life));
        }
        Reason::HasLasted(age) => return format!("it has lasted for {}", span(age)),
        _ => reason.as_str(),
    };
    text.to_owned()
}

/// Whether the journal is as it was written.
pub(crate) fn chain(chain: Chain) -> String {
    match chain {
        Chain::Whole => "The journal is whole: every entry follows from the one before.\n".to_owned(),
        Chain::Broken(seq) => format!(
            "The journal was changed: entry {seq} does not follow from the one before. Something was altered, dropped or put in.\n"
        ),
    }
}

/// One line an event.
pub(crate) fn events(entries: &[JournalEntry]) -> String {
    let rows = entries.iter().map(|entry| {
        let account = if entry.account.is_empty() { "-".to_owned() } else { harmless(&entry.account) };
        [exact(entry.at), account, entry.kind.as_str().to_owned(), harmless(&entry.text)]
    });
    table(&rows.collect::<Vec<_>>())
}

/// One line a program, with a `-` where it never was.
pub(crate) fn borrowers(borrowers: &[Borrower]) -> String {
    let when = |word: &str, at: Option<Timestamp>| format!("{word} {}", at.map_or_else(|| "-".to_owned(), exact));
    let rows = borrowers
        .iter()
        .map(|one| [when("lent", one.lent_at), when("refused", one.refused_at), harmless(&one.program)]);
    table(&rows.collect::<Vec<_>>())
}

/// Who signed in, and where.
pub(crate) fn signed_in(account: &Account) -> String {
    let who = account.person.as_ref().map(|person| format!(" as {}", harmless(person))).unwrap_or_default();
    let (name, service) = (harmless(&account.name), harmless(&account.service.identifier()));
    match problem(&account.status) {
        None => format!("{name} is signed in{who} at {service}."),
        Some(problem) => format!(
            "{name} is kept, and the service has not confirmed it yet: {} It is tried again at the next `pilotlight token {name}`.",
            harmless(problem.message())
        ),
    }
}

/// What a sign-out did.
pub(crate) fn signed_out(name: &str, outcome: &SignedOut) -> String {
    let name = harmless(name);
    match outcome {
        SignedOut::Revoked => format!("Signed out of {name}, here and at the service."),
        SignedOut::LocalOnly => {
            format!("Signed out of {name} here only; the service was not told, and its tokens live until they expire.")
        }
        SignedOut::NotSupported => format!(
            "Signed out of {name} here; the service has no way to be told, and its tokens live until they expire."
        ),
        SignedOut::NotTold(error) => format!(
            "Signed out of {name} here; the service could not be told, and its tokens may live until they expire: {}",
            harmless(error.message())
        ),
    }
}

#[cfg(test)]
#[path = "text_tests.rs"]
pub(crate) mod tests;
