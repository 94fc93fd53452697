//! Why a grant ended, or what it is waiting for and until when: one sentence and a short timeline, from the journal (P8).

use pilotlight_oauth::Timestamp;

use crate::grant::EndReason;
use crate::journal::{EventKind, JournalEntry};
use crate::lifecycle::Pilotlight;
use crate::{Account, Error, ErrorCode, Status};

/// So many entries make the timeline.
const TIMELINE: usize = 12;
/// So many are looked at to count tries.
const LOOKED_AT: usize = 500;

/// What can be said of one account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// One sentence.
    pub sentence: String,
    /// What to do next; empty where there is nothing to do.
    pub hint: String,
    /// Since when it stands so.
    pub since: Option<Timestamp>,
    /// When something will happen by itself.
    pub until: Option<Timestamp>,
    /// The newest entries, oldest first.
    pub timeline: Vec<JournalEntry>,
}

impl Pilotlight {
    /// Explains the state of the account called `name`; also of one that was signed out, while the journal remembers it.
    pub async fn explain(&self, name: &str) -> Result<Explanation, Error> {
        let entries = self.events(Some(name), LOOKED_AT).await?;
        match self.account(name).await {
            Ok(account) => Ok(of_account(&account, &entries)),
            Err(error) if error.code() == ErrorCode::NoSuchAccount => of_the_gone(name, &entries).ok_or(error),
            Err(error) => Err(error),
        }
    }
}

/// `entries` are the newest first.
fn of_account(account: &Account, entries: &[JournalEntry]) -> Explanation {
    let last = |kind| entries.iter().find(|entry| entry.kind == kind);
    let timeline = timeline(entries);
    match &account.status {
        Status::Ended { reason, problem, at } => Explanation {
            sentence: ended(*reason, problem, account.refreshed_at, *at),
            hint: problem.hint().to_owned(),
            since: Some(*at),
            until: None,
            timeline,
        },
        Status::Waiting { problem, retry_at } => {
            let tries = entries
                .iter()
                .take_while(|entry| entry.kind != EventKind::Refreshed && entry.kind != EventKind::SignedIn);
            let failed: Vec<_> = tries.filter(|entry| is_failure(entry.kind)).collect();
            Explanation {
                sentence: waiting(problem, failed.len(), account),
                hint: problem.hint().to_owned(),
                since: failed.last().map(|entry| entry.at),
                until: Some(*retry_at),
                timeline,
            }
        }
        Status::Refreshing => fine("A refresh is under way.", account, timeline),
        Status::SignedIn if account.unknown_since.is_some() => {
            fine("The outcome of a refresh is unknown; it is asked for again with the same key.", account, timeline)
        }
        Status::SignedIn => {
            let sentence = match (last(EventKind::Refreshed), account.refresh_due_at) {
                (_, None) => {
                    "Signed in. The service gave nothing to refresh with, so this lasts as long as the access token."
                }
                (Some(_), _) => {
                    "Signed in. The tokens were refreshed on time, and nothing stands in the way of the next refresh."
                }
                (None, _) => "Signed in. The tokens are those of the sign-in; they are refreshed before they end.",
            };
            fine(sentence, account, timeline)
        }
    }
}

fn ended(reason: EndReason, problem: &Error, refreshed_at: Timestamp, at: Timestamp) -> String {
    let because = match reason {
        EndReason::LostAnswer => {
            "The answer to an earlier refresh never arrived, and the service does not answer a repeat: it refuses the token that it has replaced"
        }
        EndReason::Refused => {
            "The service refused a token that was the newest one it had given and that nothing here had spent: it was revoked, has expired, or a copy of it was used"
        }
        EndReason::NothingToRefreshWith => "It was good for one access token only",
    };
    if reason == EndReason::NothingToRefreshWith {
        return format!("{} {because}.", problem.message());
    }
    let age = words_of(at.since(refreshed_at));
    format!("{} {because}. The last refresh that worked was {age} before.", problem.message())
}

fn waiting(problem: &Error, failures: usize, account: &Account) -> String {
    let tries = match failures {
        0 | 1 => String::new(),
        more => format!(" It was tried {more} times."),
    };
    let unknown = if account.unknown_since.is_some() {
        " The outcome of the last try is unknown; it is repeated with the same key."
    } else {
        ""
    };
    format!("Still signed in, and waiting to refresh. {}{tries}{unknown}", problem.message())
}

fn fine(sentence: &str, account: &Account, timeline: Vec<JournalEntry>) -> Explanation {
    Explanation {
        sentence: sentence.to_owned(),
        hint: String::new(),
        since: Some(account.refreshed_at),
        until: account.refresh_due_at,
        timeline,
    }
}

/// Of an account that is not there any more.
fn of_the_gone(name: &str, entries: &[JournalEntry]) -> Option<Explanation> {
    let last = entries.iter().find(|entry| entry.kind == EventKind::SignedOut).or_else(|| entries.first())?;
    Some(Explanation {
        sentence: format!("There is no account called {name:?} any more. {}", last.text),
        hint: "Sign in again if you want it back.".to_owned(),
        since: Some(last.at),
        until: None,
        timeline: timeline(entries),
    })
}

fn timeline(entries: &[JournalEntry]) -> Vec<JournalEntry> {
    entries.iter().take(TIMELINE).rev().cloned().collect()
}

const fn is_failure(kind: EventKind) -> bool {
    matches!(kind, EventKind::RefreshFailed | EventKind::SaveFailed)
}

fn words_of(time: std::time::Duration) -> String {
    let seconds = time.as_secs();
    let (number, unit) = match seconds {
        0..120 => (seconds, "second"),
        120..7200 => (seconds / 60, "minute"),
        7200..172_800 => (seconds / 3600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {unit}{plural}")
}
