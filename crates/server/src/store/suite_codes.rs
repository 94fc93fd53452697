//! The part of the suite that is about authorization codes.

use std::time::Duration;

use super::Store;
use super::suite::{START, reason};
use super::suite_races::at_once;
use crate::code::{Code, Exchange, Exchanged, derive_challenge};
use crate::grant::{GrantId, Reason};
use crate::origin::Origin;
use pilotlight_oauth::Scope;

const VERIFIER: &str = "a-verifier-of-at-least-forty-three-characters";

pub(super) fn code() -> Code {
    Code {
        hash: [5; 32],
        client: "app".to_owned(),
        redirect_uri: "http://127.0.0.1:5000/callback".to_owned(),
        challenge: derive_challenge(VERIFIER),
        nonce: Some("n".to_owned()),
        subject: "ada".to_owned(),
        scope: Scope::parse("openid"),
        resources: vec!["https://api.example".to_owned()],
        bound_to: None,
        device: Origin::new(Some("Browser/1"), None),
        signed_in_at: START,
        expires_at: START.plus(Duration::from_secs(60)),
        spent: false,
        grant: None,
    }
}

pub(super) fn exchange(new_grant: u8) -> Exchange {
    Exchange {
        hash: [5; 32],
        client: "app".to_owned(),
        redirect_uri: "http://127.0.0.1:5000/callback".to_owned(),
        challenge: derive_challenge(VERIFIER),
        resources: Vec::new(),
        proven: Some([7; 32]),
        binds: true,
        new_grant: GrantId([new_grant; 16]),
        ends_at: None,
        uses: None,
        now: START.plus(Duration::from_secs(1)),
    }
}

pub(super) fn a_code_gives_one_grant_and_its_second_use_ends_it(store: &impl Store) {
    store.add_code(&code()).unwrap();
    let Exchanged::Granted(grant, nonce) = store.exchange(&exchange(1)).unwrap() else { panic!("no grant") };
    assert_eq!((nonce.as_deref(), grant.id, grant.authenticated_at), (Some("n"), GrantId([1; 16]), START));
    assert_eq!((grant.created_at, grant.rotated_at), (exchange(1).now, exchange(1).now));
    assert_eq!((&grant.resources, &grant.device), (&code().resources, &code().device));
    assert_eq!(grant.bound_to, Some([7; 32]));
    assert_eq!(store.grant(grant.id).unwrap(), Some((*grant).clone()));
    assert_eq!(store.exchange(&exchange(2)).unwrap(), Exchanged::Again(Some(grant.id)));
    assert_eq!(reason(store, grant.id), Some(Reason::CodeReuse));
    assert_eq!(store.grant(GrantId([2; 16])).unwrap(), None);
}

pub(super) fn a_wrong_verifier_spends_the_code(store: &impl Store) {
    store.add_code(&code()).unwrap();
    let wrong = Exchange { challenge: derive_challenge("another"), ..exchange(1) };
    assert_eq!(store.exchange(&wrong).unwrap(), Exchanged::Mismatch);
    assert_eq!(store.exchange(&exchange(1)).unwrap(), Exchanged::Again(None));
    assert_eq!(store.grants().unwrap(), []);
}

pub(super) fn a_code_of_another_client_or_redirect_is_refused(store: &impl Store) {
    let wrongs = [
        Exchange { client: "thief".to_owned(), ..exchange(1) },
        Exchange { redirect_uri: "http://127.0.0.1:5001/callback".to_owned(), ..exchange(1) },
    ];
    for wrong in wrongs {
        store.add_code(&code()).unwrap();
        assert_eq!(store.exchange(&wrong).unwrap(), Exchanged::Mismatch);
    }
    assert_eq!(store.grants().unwrap(), []);
}

pub(super) fn rfc9449_section_10_a_code_with_a_key_is_not_spent_by_another_one(store: &impl Store) {
    store.add_code(&Code { bound_to: Some([7; 32]), ..code() }).unwrap();
    for wrong in [None, Some([8; 32])] {
        assert_eq!(store.exchange(&Exchange { proven: wrong, ..exchange(1) }).unwrap(), Exchanged::WrongKey);
    }
    let elsewhere = Exchange { resources: vec![String::new()], ..exchange(1) };
    assert_eq!(store.exchange(&elsewhere).unwrap(), Exchanged::WrongTarget);
    let Exchanged::Granted(grant, _) = store.exchange(&Exchange { binds: false, ..exchange(1) }).unwrap() else {
        panic!("no grant")
    };
    assert_eq!(grant.bound_to, None, "a confidential client's grants are bound to its secret");
}

pub(super) fn an_expired_code_is_unknown(store: &impl Store) {
    store.add_code(&code()).unwrap();
    let late = Exchange { now: START.plus(Duration::from_secs(60)), ..exchange(1) };
    assert_eq!(store.exchange(&late).unwrap(), Exchanged::Unknown);
    assert_eq!(store.exchange(&Exchange { hash: [6; 32], ..exchange(1) }).unwrap(), Exchanged::Unknown);
}

pub(super) fn fifty_exchanges_of_one_code_give_one_grant_and_end_it(store: &impl Store) {
    store.add_code(&code()).unwrap();
    let exchanged = at_once(|| store.exchange(&exchange(1)).unwrap());
    assert_eq!(exchanged.iter().filter(|e| matches!(e, Exchanged::Granted(..))).count(), 1);
    assert_eq!(exchanged.iter().filter(|e| matches!(e, Exchanged::Again(Some(_)))).count(), 49);
    assert_eq!(reason(store, GrantId([1; 16])), Some(Reason::CodeReuse));
}
