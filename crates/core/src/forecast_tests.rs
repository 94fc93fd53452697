//! Forecasts from what is known, without a clock.

use std::sync::Arc;

use pilotlight_vault::MemoryVault;
use proptest::prelude::*;

use super::*;
use crate::simulation::{FakeServer, SimulatedClock, config, sign_in};
use crate::{ErrorCode, Home};

const NOW: Timestamp = Timestamp::from_secs(10_000_000);

/// A sign-in of five days ago that was refreshed a minute ago, at a service that tells nothing.
fn silent() -> Known {
    Known {
        status: Status::SignedIn,
        refreshed_at: NOW.minus(Duration::from_secs(60)),
        age: 5 * DAY,
        refreshes: 9,
        refreshable: true,
        access_expires_at: Some(NOW.plus(Duration::from_secs(540))),
        refresh_expires_at: None,
        first_life: None,
        documented: None,
        not_offline: false,
        ended_before: None,
    }
}

/// The same at a service that gave the first token `first` and the newest one `newest` to live.
fn telling(first: Duration, newest: Duration) -> Known {
    let known = silent();
    Known { refresh_expires_at: Some(known.refreshed_at.plus(newest)), first_life: Some(first), ..known }
}

fn codes(forecast: &Forecast) -> Vec<&'static str> {
    forecast.reasons.iter().map(|reason| reason.as_str()).collect()
}

#[test]
fn an_end_that_each_refresh_moves_on_is_no_end_while_it_is_used() {
    let forecast = foresee(&telling(30 * DAY, 30 * DAY));
    assert_eq!(codes(&forecast), ["told", "moves-on", "has-lasted"]);
    assert_eq!((forecast.until, forecast.lapses_at()), (Some(NOW.minus(Duration::from_secs(60)).plus(30 * DAY)), None));
}

#[test]
fn an_end_that_stands_still_is_one_before_which_a_person_has_to_act() {
    let forecast = foresee(&telling(30 * DAY, 25 * DAY));
    assert_eq!(codes(&forecast), ["told", "stands-still", "has-lasted"]);
    assert!(forecast.until.is_some() && forecast.lapses_at() == forecast.until);
    // Before the first refresh there is nothing to compare.
    let fresh = foresee(&Known { refreshes: 0, age: DAY / 2, ..telling(30 * DAY, 30 * DAY) });
    assert_eq!((codes(&fresh), fresh.lapses_at()), (vec!["told"], None));
}

#[test]
fn what_a_service_documents_counts_where_it_does_not_tell() {
    let forecast = foresee(&Known { documented: Some(180 * DAY), ..silent() });
    assert_eq!(codes(&forecast), ["documented", "has-lasted"]);
    assert_eq!(forecast.until, Some(NOW.minus(Duration::from_secs(60)).plus(180 * DAY)));
    let told = foresee(&Known { documented: Some(180 * DAY), ..telling(DAY, DAY) });
    assert_eq!(codes(&told)[0], "told", "its own word is newer than its documents");
}

#[test]
fn where_nothing_is_told_no_end_is_made_up_and_what_was_seen_is_said() {
    let forecast = foresee(&Known { not_offline: true, ended_before: Some(9 * DAY), ..silent() });
    assert_eq!(codes(&forecast), ["nothing-told", "not-offline", "ended-before", "has-lasted"]);
    assert_eq!((forecast.until, forecast.lapses_at()), (None, None));
    assert_eq!(forecast.reasons[2].span(), Some(9 * DAY));
}

#[test]
fn without_a_refresh_token_it_lasts_as_long_as_the_access_token() {
    let forecast = foresee(&Known { refreshable: false, ..silent() });
    assert_eq!(codes(&forecast), ["nothing-to-refresh-with"]);
    assert_eq!(forecast.lapses_at(), Some(NOW.plus(Duration::from_secs(540))));
}

#[test]
fn trouble_is_told_first_and_moves_no_end_and_an_ended_one_has_none() {
    let problem = Error::new(ErrorCode::Offline, "It cannot be reached.");
    let status = Status::Waiting { problem: problem.clone(), retry_at: NOW };
    let forecast = foresee(&Known { status, ..telling(DAY, DAY) });
    assert_eq!((codes(&forecast)[0], forecast.until), ("waiting", foresee(&telling(DAY, DAY)).until));
    let status = Status::Ended { reason: EndReason::Refused, problem, at: NOW };
    let ended = foresee(&Known { status, ..telling(DAY, DAY) });
    assert_eq!((codes(&ended), ended.until), (vec!["ended"], None));
}

#[test]
fn the_shortest_life_that_the_service_ended_is_remembered_and_a_sign_out_is_none() {
    let entry = |days: u32, kind| JournalEntry {
        seq: 1,
        at: NOW.plus(DAY * days),
        account: "work".into(),
        kind,
        text: String::new(),
        program: None,
        prev: String::new(),
    };
    use EventKind::{Ended, Refreshed, SignedIn, SignedOut};
    let oldest_first = [(0, SignedIn), (9, Ended), (10, SignedIn), (11, SignedOut), (12, SignedIn), (13, Refreshed)];
    let entries: Vec<_> = oldest_first.into_iter().rev().map(|(days, kind)| entry(days, kind)).collect();
    assert_eq!(ended_before(&entries), Some(9 * DAY));
    assert_eq!(ended_before(&entries[..4]), None);
}

#[test]
fn a_well_known_service_is_known_by_its_address() {
    let github = presets().iter().find_map(|preset| match &preset.place {
        Place::Declared { service } if preset.id == "github" => Some(service.clone()),
        _ => None,
    });
    assert_eq!(documented(&github.unwrap()), Some(180 * DAY));
    let other = Service::TokenEndpoint { url: "https://as.test/token".parse().unwrap() };
    assert_eq!(documented(&other), None);
}

proptest! {
    #[test]
    fn a_forecast_always_says_what_it_rests_on(
        refreshable: bool, told in prop::option::of(0_u64..4_000_000), first in prop::option::of(0_u64..4_000_000),
        refreshes in 0_u64..3, documented in prop::option::of(1_u32..400),
    ) {
        let base = silent();
        let known = Known {
            refreshable,
            refreshes,
            refresh_expires_at: told.map(|secs| base.refreshed_at.plus(Duration::from_secs(secs))),
            first_life: first.map(Duration::from_secs),
            documented: documented.map(|days| DAY * days),
            ..base
        };
        let forecast = foresee(&known);
        prop_assert!(!forecast.reasons.is_empty());
        prop_assert!(forecast.lapses_at().is_none() || forecast.lapses_at() == forecast.until);
        let grounds = ["told", "documented", "nothing-told", "nothing-to-refresh-with"];
        prop_assert_eq!(codes(&forecast).iter().filter(|code| grounds.contains(code)).count(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn an_account_at_a_service_that_tells_nothing_has_no_end_to_tell() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(SimulatedClock::start());
    let server = Arc::new(FakeServer::new(clock.clone(), Duration::from_secs(900)));
    let config = config(Home::at(folder.path().join("home")).unwrap(), clock, server.clone());
    let pilotlight = crate::Pilotlight::with_vault(config, Arc::new(MemoryVault::default()));
    sign_in(&pilotlight, "work").await.unwrap();
    let forecast = pilotlight.forecast("work").await.unwrap();
    assert_eq!((codes(&forecast), forecast.until), (vec!["nothing-told"], None));
    server.revoke(1);
    pilotlight.refresh("work").await.unwrap_err();
    assert_eq!(codes(&pilotlight.forecast("work").await.unwrap()), ["ended"]);
}
