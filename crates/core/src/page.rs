//! What this process knows of one grant: a page of its book, and the record as it was read.

use std::sync::Arc;
use std::time::Duration;

use pilotlight_vault::{Attempt, Generation, GrantId};

use crate::anchor::Anchor;
use crate::grant::{EndReason, State};
use crate::record::GrantRecord;
use crate::refresh::Flight;
use crate::{Error, Status};

/// What this process knows of one grant beyond its record.
#[derive(Default)]
pub(crate) struct Page {
    pub(crate) name: String,
    /// The generation that `state` and `problem` speak of; they say nothing about a newer one.
    pub(crate) generation: Generation,
    pub(crate) state: State,
    pub(crate) problem: Option<Error>,
    /// The end of a pause, on the clock that nobody sets.
    pub(crate) retry_at: Option<Duration>,
    pub(crate) anchor: Option<Anchor>,
    pub(crate) flight: Option<Flight>,
}

/// A record as read or committed, with its fence.
#[derive(Debug, Clone)]
pub(crate) struct Held {
    pub(crate) id: GrantId,
    pub(crate) generation: Generation,
    pub(crate) record: Arc<GrantRecord>,
    pub(crate) attempt: Option<Attempt>,
}

/// A status whose instants are not yet turned into ones to show.
pub(crate) enum Standing {
    Shown(Status),
    Waiting(Error, Option<Duration>),
    Ending(EndReason, Error),
}

impl Page {
    pub(crate) fn status(&self, record: &GrantRecord) -> Standing {
        if let Some(ended) = &record.ended {
            return Standing::Shown(Status::Ended { reason: ended.reason, problem: ended.problem(), at: ended.at });
        }
        match (self.state, &self.problem) {
            (State::Ended(reason), Some(problem)) => Standing::Ending(reason, problem.clone()),
            (State::Waiting(_) | State::Saving { .. }, Some(problem)) => {
                Standing::Waiting(problem.clone(), self.retry_at)
            }
            _ if self.flight.is_some() => Standing::Shown(Status::Refreshing),
            _ => Standing::Shown(Status::SignedIn),
        }
    }
}

impl Held {
    pub(crate) fn read(record: pilotlight_vault::Record) -> Result<Self, (GrantId, Error)> {
        let id = record.id;
        let opened = GrantRecord::from_payload(&record.payload).map_err(|error| (id, error))?;
        Ok(Self { id, generation: record.generation, record: Arc::new(opened), attempt: record.attempt })
    }
}
