//! The part of the suite that is about requests that wait: of devices, and pushed ones.

use std::time::Duration;

use super::Store;
use super::suite::{START, reason};
use super::suite_races::at_once;
use crate::client::{Client, Setting};
use crate::device::{Allowed, Decision, Device, DeviceState, Poll, Polled};
use crate::grant::{GrantId, Reason};
use crate::methods::Methods;
use crate::origin::Origin;
use crate::pushed::Pushed;
use pilotlight_oauth::{Scope, Timestamp};

pub(super) fn device() -> Device {
    Device {
        name: [1; 32],
        hash: [2; 32],
        client: "tv".to_owned(),
        scope: Scope::parse("openid profile"),
        resources: vec!["https://api.example".to_owned(), String::new()],
        device: Origin::new(Some("Television/1"), Some([192, 0, 2, 1].into())),
        expires_at: START.plus(Duration::from_secs(600)),
        interval: 5,
        polled_at: None,
        state: DeviceState::Pending,
    }
}

fn after(secs: u64) -> Timestamp {
    START.plus(Duration::from_secs(secs))
}

fn poll(new_grant: u8, secs: u64) -> Poll {
    Poll {
        name: [1; 32],
        hash: [2; 32],
        client: "tv".to_owned(),
        resources: Vec::new(),
        proven: Some([7; 32]),
        binds: true,
        new_grant: GrantId([new_grant; 16]),
        ends_at: None,
        uses: Some(7),
        now: after(secs),
    }
}

fn yes(secs: u64) -> Decision {
    let by = Allowed { subject: "ada".to_owned(), at: after(secs), methods: Methods::PasswordAndCode };
    Decision { name: [1; 32], allowed_by: Some(by), now: after(secs) }
}

fn no(secs: u64) -> Decision {
    Decision { allowed_by: None, ..yes(secs) }
}

pub(super) fn pushed() -> Pushed {
    Pushed { hash: [3; 32], client: "app".to_owned(), request: "a=b&c=%C3%BC".to_owned(), expires_at: after(60) }
}

pub(super) fn what_is_set_for_a_client_comes_back(store: &impl Store) {
    let mut client = Client::public("app", Vec::new()).unwrap();
    client.secret_hash = Some([9; 32]);
    client.allow_own_scope(Scope::parse("reports.read reports.write")).unwrap();
    client.resources = vec!["https://api.example/v1".to_owned(), "urn:example:reports".to_owned()];
    for setting in [Setting::Device, Setting::IntrospectAny, Setting::PushedOnly] {
        client.set(setting).unwrap();
    }
    assert!(store.add_client(&client).unwrap());
    assert_eq!(store.client("app").unwrap(), Some(client));
}

pub(super) fn a_device_gets_one_grant_once_somebody_said_yes(store: &impl Store) {
    assert!(store.add_device(&device()).unwrap());
    assert!(!store.add_device(&Device { client: "other".to_owned(), ..device() }).unwrap(), "the code is taken");
    assert_eq!(store.device(&[1; 32]).unwrap(), Some(device()));
    assert_eq!(store.device(&[2; 32]).unwrap(), None);
    assert_eq!(store.poll_device(&poll(1, 1)).unwrap(), Polled::Pending);
    assert!(store.decide_device(&yes(2)).unwrap());
    assert!(!store.decide_device(&no(3)).unwrap(), "the first answer counts");
    let Polled::Granted(grant, Methods::PasswordAndCode) = store.poll_device(&poll(2, 6)).unwrap() else {
        panic!("no grant")
    };
    assert_eq!((grant.id, &*grant.subject, &*grant.client), (GrantId([2; 16]), "ada", "tv"));
    assert_eq!((grant.authenticated_at, grant.rotated_at, grant.uses), (after(2), after(6), Some(7)));
    assert_eq!((&grant.resources, &grant.device), (&device().resources, &device().device));
    assert_eq!((grant.created_at, grant.bound_to), (after(6), Some([7; 32])));
    assert_eq!(store.grant(grant.id).unwrap(), Some((*grant).clone()));
    assert_eq!(store.poll_device(&poll(3, 11)).unwrap(), Polled::Again(grant.id));
    assert_eq!(reason(store, grant.id), Some(Reason::CodeReuse));
    assert_eq!(store.grant(GrantId([3; 16])).unwrap(), None);
}

pub(super) fn a_device_that_asks_too_soon_has_to_wait_longer_from_then_on(store: &impl Store) {
    store.add_device(&device()).unwrap();
    let polls = [(0, Polled::Pending), (5, Polled::Pending), (9, Polled::TooSoon), (18, Polled::TooSoon)];
    for (secs, polled) in polls {
        assert_eq!(store.poll_device(&poll(1, secs)).unwrap(), polled, "after {secs} s");
    }
    assert_eq!(store.device(&[1; 32]).unwrap().unwrap().interval, 15);
    assert_eq!(store.poll_device(&poll(1, 33)).unwrap(), Polled::Pending);
    assert_eq!(store.grants().unwrap(), []);
}

pub(super) fn a_denied_or_expired_device_gets_nothing(store: &impl Store) {
    store.add_device(&device()).unwrap();
    assert!(store.decide_device(&no(1)).unwrap());
    assert!(!store.decide_device(&yes(2)).unwrap());
    assert_eq!(store.poll_device(&poll(1, 3)).unwrap(), Polled::Denied);
    assert_eq!(store.poll_device(&poll(1, 600)).unwrap(), Polled::Expired);
    let other = Device { name: [7; 32], ..device() };
    store.add_device(&other).unwrap();
    assert!(!store.decide_device(&Decision { name: [7; 32], ..yes(600) }).unwrap(), "too late to say anything");
    assert_eq!(store.poll_device(&Poll { name: [7; 32], ..poll(1, 601) }).unwrap(), Polled::Expired);
    assert_eq!(store.grants().unwrap(), []);
}

pub(super) fn another_client_or_code_learns_nothing_of_a_device(store: &impl Store) {
    store.add_device(&device()).unwrap();
    store.decide_device(&yes(1)).unwrap();
    let wrongs = [
        Poll { client: "thief".to_owned(), ..poll(1, 2) },
        Poll { hash: [9; 32], ..poll(1, 2) },
        Poll { name: [9; 32], ..poll(1, 2) },
    ];
    for wrong in wrongs {
        assert_eq!(store.poll_device(&wrong).unwrap(), Polled::Unknown);
    }
    assert!(!store.decide_device(&Decision { name: [9; 32], ..yes(2) }).unwrap());
    assert!(matches!(store.poll_device(&poll(1, 2)).unwrap(), Polled::Granted(..)), "and nothing was spent");
}

pub(super) fn fifty_polls_of_one_device_give_one_grant_and_end_it(store: &impl Store) {
    store.add_device(&device()).unwrap();
    store.decide_device(&yes(1)).unwrap();
    let polled = at_once(|| store.poll_device(&poll(1, 2)).unwrap());
    assert_eq!(polled.iter().filter(|polled| matches!(polled, Polled::Granted(..))).count(), 1);
    assert_eq!(polled.iter().filter(|polled| matches!(polled, Polled::Again(_))).count(), 49);
    assert_eq!(reason(store, GrantId([1; 16])), Some(Reason::CodeReuse));
}

pub(super) fn a_pushed_request_is_taken_by_one_of_fifty(store: &impl Store) {
    store.add_pushed(&pushed()).unwrap();
    assert_eq!(store.take_pushed(&[4; 32]).unwrap(), None);
    let taken = at_once(|| store.take_pushed(&[3; 32]).unwrap());
    assert_eq!(taken.into_iter().flatten().collect::<Vec<_>>(), [pushed()]);
}
