//! Very many grants in one vault, from one due time to the next.

use std::sync::Arc;
use std::time::Duration;

use pilotlight_oauth::{Client, Person, Scope, Service, Timestamp};
use pilotlight_vault::{GrantId, MemoryVault, Vault as _};

use super::{FakeServer, SimulatedClock, config};
use crate::parts::Clock as _;
use crate::record::GrantRecord;
use crate::{AccessToken, Error, ErrorCode, Home, Pilotlight};

/// How long the tokens of [`scale`] live: ten hours.
const LIFE: Duration = Duration::from_secs(36_000);

/// What a life of tokens cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scale {
    /// Wake-ups before anything was due.
    pub idle_wake_ups: u64,
    /// Wake-ups in all.
    pub wake_ups: u64,
    /// Rotations at the server.
    pub refreshes: u64,
    /// Token requests at the server.
    pub requests: u64,
    /// Consumed tokens that were presented again.
    pub reuses: u64,
}

/// Keeps `grants` grants, each with a token that lives ten hours, until each was due once. Tokio's time must be paused.
pub async fn scale(grants: u32, home: Home) -> Result<Scale, Error> {
    let clock = Arc::new(SimulatedClock::start());
    let server = Arc::new(FakeServer::new(clock.clone(), LIFE).slow(Duration::from_millis(1)));
    let vault = Arc::new(MemoryVault::default());
    for n in 0..grants {
        let mut id = [0; 16];
        id[..4].copy_from_slice(&n.to_be_bytes());
        let payload = grant(n, &server, clock.now()).to_payload()?;
        vault.create(&GrantId::from_bytes(id), &payload)?;
    }
    let pilotlight = Pilotlight::with_vault(config(home, clock, server.clone()), vault);
    let task = tokio::spawn(pilotlight.clone().keep_fresh());
    // All fall due between 375 and 300 seconds before their end.
    tokio::time::sleep(LIFE - Duration::from_secs(400)).await;
    let idle_wake_ups = pilotlight.wake_ups();
    tokio::time::sleep(Duration::from_secs(110)).await;
    pilotlight.land().await;
    task.abort();
    if server.refreshes() == 0 {
        return Err(Error::new(ErrorCode::Internal, "Nothing fell due."));
    }
    Ok(Scale {
        idle_wake_ups,
        wake_ups: pilotlight.wake_ups(),
        refreshes: server.refreshes(),
        requests: server.requests(),
        reuses: server.reuses(),
    })
}

fn grant(n: u32, server: &FakeServer, now: Timestamp) -> GrantRecord {
    let access = AccessToken { token: "at".into(), token_type: "Bearer".into(), expires_at: Some(now.plus(LIFE)) };
    GrantRecord {
        name: format!("account {n}"),
        // Spread over services, as accounts are.
        service: Service::TokenEndpoint { url: service(n % 50) },
        client: Client { id: "pilotlight".into(), secret: None },
        scope: Scope::default(),
        granted: None,
        person: Person::default(),
        signed_in_at: now,
        refreshed_at: now,
        refreshes: 0,
        access: Some(access),
        refresh_token: Some(server.grant().into()),
        refresh_expires_at: None,
        first_life: None,
        refresh_in: None,
        clock_offset_ms: None,
        redirect: crate::redirect::Redirect::default(),
        ended: None,
    }
}

fn service(n: u32) -> url::Url {
    url::Url::parse(&format!("https://as{n}.test/token")).expect("a well-formed address")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn ten_thousand_grants_cost_no_more_wake_ups_than_there_are_due_refreshes() {
        let folder = tempfile::tempdir().unwrap();
        let scale = scale(10_000, Home::at(folder.path().join("home")).unwrap()).await.unwrap();
        assert_eq!(scale.idle_wake_ups, 0, "somebody ticks");
        assert_eq!((scale.refreshes, scale.requests, scale.reuses), (10_000, 10_000, 0));
        assert!(scale.wake_ups <= 10_000, "{scale:?}");
    }
}
