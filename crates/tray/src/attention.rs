//! When a person is told something, and when that is taken back: only what a person alone can mend, once for each cause.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use pilotlight::ErrorCode;
use pilotlight::values::{GrantId, Timestamp};

use crate::standing::{Ends, Seen, Standing, State, Vault};

/// More causes that come at once than this are told as one.
const AT_ONCE: usize = 3;
/// People are told of a coming end a quarter of the sign-in's life ahead, and not earlier than this.
const LONGEST_LEAD: Duration = Duration::from_secs(2 * 24 * 3600);
/// Whoever signs in for less than this knows that it ends; only the end itself is told.
const SHORTEST_LIFE: Duration = Duration::from_secs(24 * 3600);
/// Two refreshes this far apart tell whether the end moves with them. Services count in whole seconds.
const APART: Duration = Duration::from_secs(10);

/// What a notice is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum About {
    /// A grant has ended.
    Ended,
    /// A grant ends at this instant, whatever is refreshed.
    Lapsing(Timestamp),
    /// So many accounts need a sign-in.
    Several(usize),
    /// The vault wants its passphrase.
    Passphrase,
    /// The vault cannot be opened, and a person has to decide what to do.
    Vault,
}

/// Something to tell a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Notice {
    pub(crate) about: About,
    /// Where the one button leads.
    pub(crate) account: Option<String>,
    /// It is mended when none of these holds any more.
    causes: BTreeSet<String>,
}

/// What is to be done after a look.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Changes {
    pub(crate) withdraw: Vec<Notice>,
    pub(crate) show: Vec<Notice>,
    /// When to look again, though nothing changes until then.
    pub(crate) again: Option<Timestamp>,
}

/// What was told, and what is known of the ends of grants.
#[derive(Debug, Default)]
pub(crate) struct Attention {
    /// Causes that were told, and still hold.
    told: BTreeSet<String>,
    shown: Vec<Notice>,
    ends: BTreeMap<String, Watched>,
}

/// The end of one grant, as it is followed over refreshes.
#[derive(Debug, Clone, Copy)]
struct Watched {
    refreshed_at: Timestamp,
    at: Timestamp,
    /// No refresh moves it.
    fixed: bool,
}

/// How the causes begin that are the vault's. They are others each time, and so not kept over restarts.
const VAULT: &str = "vault ";

/// The causes that hold, by what tells one from another. None: it held, and cannot be looked at now.
type Causes = BTreeMap<String, Option<Cause>>;

/// Why a person has to do something.
#[derive(Debug)]
struct Cause {
    about: About,
    account: Option<String>,
}

impl Attention {
    /// Goes on where an earlier run was: what it told is not told again.
    pub(crate) fn after(told: BTreeSet<String>) -> Self {
        Self { told, ..Self::default() }
    }

    /// What is to be remembered over restarts.
    pub(crate) fn to_keep(&self) -> BTreeSet<String> {
        self.told.iter().filter(|cause| !cause.starts_with(VAULT)).cloned().collect()
    }

    /// Takes in how everything stands now.
    pub(crate) fn look(&mut self, standing: &Standing) -> Changes {
        let mut again = None;
        let causes: Causes = if standing.vault == Vault::Open {
            self.follow(&standing.accounts);
            let all = standing.accounts.iter().filter_map(|account| self.cause(account, standing, &mut again));
            all.map(|(cause, why)| (cause, Some(why))).collect()
        } else {
            // Of what cannot be read nothing is known: it is neither told nor taken back.
            let kept = self.to_keep().into_iter().map(|cause| (cause, None));
            kept.chain(of_vault(standing.vault).map(|(cause, why)| (cause, Some(why)))).collect()
        };
        self.told.retain(|cause| causes.contains_key(cause));
        let (shown, withdraw) = std::mem::take(&mut self.shown)
            .into_iter()
            .partition(|notice: &Notice| notice.causes.iter().any(|cause| causes.contains_key(cause)));
        self.shown = shown;
        let show = self.news(causes);
        self.told.extend(show.iter().flat_map(|notice| notice.causes.iter().cloned()));
        self.shown.extend(show.iter().cloned());
        Changes { withdraw, show, again }
    }

    /// The notice did not reach the person: it is tried again at the next look.
    pub(crate) fn was_not_told(&mut self, notice: &Notice) {
        self.told.retain(|cause| !notice.causes.contains(cause));
        self.shown.retain(|shown| shown != notice);
    }

    fn news(&self, causes: Causes) -> Vec<Notice> {
        let fresh = causes.into_iter().filter(|(cause, _)| !self.told.contains(cause));
        let mut notices: Vec<_> = fresh
            .filter_map(|(cause, why)| why.map(|why| (why, BTreeSet::from([cause]))))
            .map(|(Cause { about, account }, causes)| Notice { about, account, causes })
            .collect();
        if notices.len() > AT_ONCE {
            let causes: BTreeSet<_> = notices.into_iter().flat_map(|notice| notice.causes).collect();
            notices = vec![Notice { about: About::Several(causes.len()), account: None, causes }];
        }
        notices
    }

    /// Learns whether ends move with refreshes.
    fn follow(&mut self, accounts: &[Seen]) {
        let mut ends = std::mem::take(&mut self.ends);
        for account in accounts {
            let (id, Ends { refreshed_at, at, .. }) = (account.id.to_string(), account.ends);
            let Some(at) = at else { continue };
            let known = ends.remove(&id);
            let watched = known.map_or(Watched { refreshed_at, at, fixed: false }, |known| {
                let passed = refreshed_at.since(known.refreshed_at);
                if passed < APART {
                    return known;
                }
                Watched { refreshed_at, at, fixed: at.since(known.at) < passed / 2 }
            });
            self.ends.insert(id, watched);
        }
    }

    /// Why a person has to do something about this account. `again` becomes the first instant at which that may change.
    fn cause(&self, account: &Seen, standing: &Standing, again: &mut Option<Timestamp>) -> Option<(String, Cause)> {
        let tell = |cause: String, about| Some((cause, Cause { about, account: Some(account.name.clone()) }));
        if account.state == State::Ended {
            // Who signed in again under the same name has mended it.
            let living = |other: &Seen| other.name == account.name && other.state != State::Ended;
            return if standing.accounts.iter().any(living) {
                None
            } else {
                tell(format!("ended {}", account.id), About::Ended)
            };
        }
        let (at, warned_at) = self.warning(account.id, account.ends)?;
        if standing.now < warned_at {
            *again = Some(again.map_or(warned_at, |known| known.min(warned_at)));
            return None;
        }
        tell(format!("lapsing {} {}", account.id, at.as_secs()), About::Lapsing(at))
    }

    /// When the grant ends for certain, and when that is to be told.
    fn warning(&self, id: GrantId, ends: Ends) -> Option<(Timestamp, Timestamp)> {
        let at = ends.at?;
        let fixed = !ends.renewable || self.ends.get(&id.to_string()).is_some_and(|watched| watched.fixed);
        let life = at.since(ends.signed_in_at);
        (fixed && life >= SHORTEST_LIFE).then(|| (at, at.minus((life / 4).min(LONGEST_LEAD))))
    }
}

fn of_vault(vault: Vault) -> Option<(String, Cause)> {
    let Vault::Unavailable(code) = vault else { return None };
    let about = if code == ErrorCode::PassphraseNeeded { About::Passphrase } else { About::Vault };
    vault.needs_person().then(|| (format!("{VAULT}{}", code.as_str()), Cause { about, account: None }))
}

#[cfg(test)]
#[path = "attention_tests.rs"]
mod tests;
