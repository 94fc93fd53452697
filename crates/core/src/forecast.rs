//! Until when a person stays signed in at least, and what that rests on: what the service tells of its refresh token, what it
//! documents, and what was seen of it. A forecast decides nothing (P1).

use std::time::Duration;

use pilotlight_oauth::{Scope, Service, Timestamp};

use crate::grant::EndReason;
use crate::journal::{EventKind, JournalEntry};
use crate::lifecycle::Pilotlight;
use crate::page::Held;
use crate::presets::{Place, presets};
use crate::{Account, Error, Status};

/// So many entries of the journal are looked at for earlier sign-ins.
const LOOKED_AT: usize = 5000;
/// An end that a refresh moved on by all but this has moved on: answers take their time, and clocks differ.
const TOLERANCE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(86_400);

/// What is to be expected of one sign-in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forecast {
    /// The person is signed in until then at least, unless somebody ends it; `None` where nothing tells. In the past where the
    /// service's own word has run out and no refresh has asked it yet.
    pub until: Option<Timestamp>,
    /// What it rests on, the weightiest first.
    pub reasons: Vec<Reason>,
}

/// One thing that a forecast rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// The sign-in has ended.
    Ended,
    /// A refresh does not succeed at present; the sign-in is kept, and it is tried again.
    Waiting,
    /// There is nothing to refresh with: it lasts as long as the access token.
    NothingToRefreshWith,
    /// The service told when the refresh token expires.
    Told,
    /// Each refresh so far has given the whole time again: it goes on while it is used.
    MovesOn,
    /// Refreshes do not move the end on: a person has to sign in before it.
    StandsStill,
    /// The service documents that a refresh token which nobody uses lives so long; each refresh begins it anew.
    Documented(Duration),
    /// The service neither tells nor documents an end.
    NothingTold,
    /// `offline_access` was asked for and not granted: it may end with the person's session at the service.
    NotOffline,
    /// An earlier sign-in of this account was ended by the service after so long.
    EndedBefore(Duration),
    /// It has lasted so long already.
    HasLasted(Duration),
}

impl Reason {
    /// The code as scripts see it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ended => "ended",
            Self::Waiting => "waiting",
            Self::NothingToRefreshWith => "nothing-to-refresh-with",
            Self::Told => "told",
            Self::MovesOn => "moves-on",
            Self::StandsStill => "stands-still",
            Self::Documented(_) => "documented",
            Self::NothingTold => "nothing-told",
            Self::NotOffline => "not-offline",
            Self::EndedBefore(_) => "ended-before",
            Self::HasLasted(_) => "has-lasted",
        }
    }

    /// The span that it speaks of.
    #[must_use]
    pub const fn span(self) -> Option<Duration> {
        match self {
            Self::Documented(span) | Self::EndedBefore(span) | Self::HasLasted(span) => Some(span),
            _ => None,
        }
    }
}

impl Forecast {
    /// When the sign-in will end unless the person signs in again; `None` where refreshes keep it, or nothing is known.
    #[must_use]
    pub fn lapses_at(&self) -> Option<Timestamp> {
        let lapses = |reason: &Reason| matches!(reason, Reason::StandsStill | Reason::NothingToRefreshWith);
        self.until.filter(|_| self.reasons.iter().any(lapses))
    }
}

impl Pilotlight {
    /// Until when the person of this account stays signed in at least, and why.
    pub async fn forecast(&self, name: &str) -> Result<Forecast, Error> {
        let held = self.find(name).await?;
        let entries = self.events(Some(name), LOOKED_AT).await?;
        Ok(foresee(&known(&held, &self.account_of(&held), &entries, self.now())))
    }
}

/// What a forecast is made of.
#[derive(Debug, Clone)]
struct Known {
    status: Status,
    refreshed_at: Timestamp,
    /// Since the sign-in.
    age: Duration,
    refreshes: u64,
    refreshable: bool,
    access_expires_at: Option<Timestamp>,
    refresh_expires_at: Option<Timestamp>,
    /// How long the first refresh token was to live.
    first_life: Option<Duration>,
    /// How long the service documents that an unused one lives.
    documented: Option<Duration>,
    not_offline: bool,
    /// How long the shortest earlier sign-in lasted that the service ended.
    ended_before: Option<Duration>,
}

fn known(held: &Held, account: &Account, entries: &[JournalEntry], now: Timestamp) -> Known {
    let record = &held.record;
    let offline = |scope: &Scope| scope.contains("offline_access");
    Known {
        status: account.status.clone(),
        refreshed_at: account.refreshed_at,
        age: now.since(account.signed_in_at),
        refreshes: account.refreshes,
        refreshable: record.refresh_token.is_some(),
        access_expires_at: account.access_expires_at,
        refresh_expires_at: account.refresh_expires_at,
        first_life: record.first_life,
        documented: documented(&account.service),
        not_offline: offline(&account.scope) && account.granted.as_ref().is_some_and(|granted| !offline(granted)),
        ended_before: ended_before(entries),
    }
}

/// The forecast itself.
fn foresee(known: &Known) -> Forecast {
    match &known.status {
        Status::Ended { reason: EndReason::NothingToRefreshWith, .. } => {
            return Forecast { until: None, reasons: vec![Reason::Ended, Reason::NothingToRefreshWith] };
        }
        Status::Ended { .. } => return Forecast { until: None, reasons: vec![Reason::Ended] },
        _ => {}
    }
    let mut reasons = vec![];
    let until = if !known.refreshable {
        reasons.push(Reason::NothingToRefreshWith);
        known.access_expires_at
    } else if let Some(end) = known.refresh_expires_at {
        reasons.push(Reason::Told);
        reasons.extend(movement(known, end));
        Some(end)
    } else if let Some(idle) = known.documented {
        reasons.push(Reason::Documented(idle));
        Some(known.refreshed_at.plus(idle))
    } else {
        reasons.push(Reason::NothingTold);
        None
    };
    if matches!(known.status, Status::Waiting { .. }) {
        reasons.insert(0, Reason::Waiting);
    }
    if known.refreshable && known.not_offline {
        reasons.push(Reason::NotOffline);
    }
    reasons.extend(known.ended_before.map(Reason::EndedBefore));
    if known.refreshable && known.age >= DAY {
        reasons.push(Reason::HasLasted(known.age));
    }
    Forecast { until, reasons }
}

/// Whether refreshes move the end on, once there was one.
fn movement(known: &Known, end: Timestamp) -> Option<Reason> {
    let first = known.first_life.filter(|_| known.refreshes > 0)?;
    let now = end.since(known.refreshed_at);
    Some(if now.saturating_add(TOLERANCE) >= first { Reason::MovesOn } else { Reason::StandsStill })
}

/// What a preset says of its service.
fn documented(service: &Service) -> Option<Duration> {
    let identifier = service.identifier();
    let same = |place: &Place| match place {
        Place::Issuer { issuer, .. } => issuer.as_str() == identifier,
        Place::Declared { service } => service.identifier() == identifier,
        Place::PlainJson => false,
    };
    let preset = presets().iter().find(|preset| same(&preset.place))?;
    preset.refresh.idle_days.map(|days| DAY * days)
}

/// How long the shortest sign-in lasted that began and was ended by the service within these entries, the newest first.
fn ended_before(entries: &[JournalEntry]) -> Option<Duration> {
    let mut since = None;
    let mut lives = vec![];
    for entry in entries.iter().rev() {
        match entry.kind {
            EventKind::SignedIn => since = Some(entry.at),
            EventKind::Ended => lives.extend(since.take().map(|since: Timestamp| entry.at.since(since))),
            EventKind::SignedOut | EventKind::StartedOver => since = None,
            _ => {}
        }
    }
    lives.into_iter().min()
}

#[cfg(test)]
#[path = "forecast_tests.rs"]
mod tests;
