//! The part of the suite that is about what tokens are bound to: keys (RFC 9449) and resources (RFC 8707).

use super::Store;
use super::suite::{KEY, OTHER_KEY, grant, kept, presented};
use crate::grant::{Grant, GrantId, Outcome, Redemption, Thumbprint};

const DEVICE_KEY: Thumbprint = [7; 32];

fn proves(key: Option<Thumbprint>, id: GrantId, generation: u32) -> Redemption {
    Redemption { proven: key, ..presented(id, generation, Some(KEY)) }
}

pub(super) fn rfc9449_section_5_another_key_or_none_spends_and_ends_nothing(store: &impl Store) {
    let id = kept(store, &Grant { bound_to: Some(DEVICE_KEY), ..grant(1) });
    assert!(matches!(store.redeem(&proves(Some(DEVICE_KEY), id, 0)).unwrap(), Outcome::Rotated(_)));
    for generation in [0, 1, 9] {
        for wrong in [None, Some([8; 32])] {
            let thief = Redemption { key: Some(OTHER_KEY), ..proves(wrong, id, generation) };
            assert_eq!(store.redeem(&thief).unwrap(), Outcome::WrongKey, "{generation}");
        }
    }
    assert!(matches!(store.redeem(&proves(Some(DEVICE_KEY), id, 1)).unwrap(), Outcome::Rotated(_)), "it lives on");
    let reused = Redemption { key: Some(OTHER_KEY), ..proves(Some(DEVICE_KEY), id, 0) };
    assert_eq!(store.redeem(&reused).unwrap(), Outcome::Reused, "with the key it is reuse all the same");
}

pub(super) fn rfc9449_section_5_a_repeat_needs_the_key_and_gets_the_same_successor(store: &impl Store) {
    let id = kept(store, &Grant { bound_to: Some(DEVICE_KEY), ..grant(1) });
    let Outcome::Rotated(first) = store.redeem(&proves(Some(DEVICE_KEY), id, 0)).unwrap() else {
        panic!("no rotation")
    };
    assert_eq!(store.redeem(&proves(None, id, 0)).unwrap(), Outcome::WrongKey);
    assert_eq!(store.redeem(&proves(Some(DEVICE_KEY), id, 0)).unwrap(), Outcome::Repeated(first));
}

pub(super) fn rfc9449_section_5_a_refresh_that_proves_a_key_binds_the_grant_of_a_public_client(store: &impl Store) {
    let (public, confidential) = (kept(store, &grant(1)), kept(store, &grant(2)));
    let of_public = store.redeem(&proves(Some(DEVICE_KEY), public, 0)).unwrap();
    assert!(matches!(of_public, Outcome::Rotated(grant) if grant.bound_to == Some(DEVICE_KEY)));
    assert_eq!(store.redeem(&proves(None, public, 1)).unwrap(), Outcome::WrongKey);
    let with_secret = Redemption { binds: false, ..proves(Some(DEVICE_KEY), confidential, 0) };
    assert!(matches!(store.redeem(&with_secret).unwrap(), Outcome::Rotated(grant) if grant.bound_to.is_none()));
}

pub(super) fn rfc8707_section_2_2_a_resource_that_was_not_granted_spends_nothing(store: &impl Store) {
    let (one, two) = ("https://one.example".to_owned(), "https://two.example".to_owned());
    let own = kept(store, &grant(1));
    let id = kept(store, &Grant { resources: vec![one.clone(), two.clone()], ..grant(2) });
    let asks = |id, resources: &[String]| Redemption { resources: resources.to_vec(), ..presented(id, 0, Some(KEY)) };
    for (id, wrong) in [(id, "https://three.example"), (id, ""), (own, "https://one.example")] {
        assert_eq!(store.redeem(&asks(id, &[one.clone(), wrong.to_owned()])).unwrap(), Outcome::WrongTarget, "{wrong}");
    }
    assert!(matches!(store.redeem(&asks(own, &[String::new()])).unwrap(), Outcome::Rotated(_)));
    let Outcome::Rotated(rotated) = store.redeem(&asks(id, std::slice::from_ref(&two))).unwrap() else { panic!("no") };
    assert_eq!(rotated.resources, [one, two], "the grant keeps them all");
    assert_eq!(store.redeem(&asks(id, &["x:y".to_owned()])).unwrap(), Outcome::WrongTarget, "in a repetition too");
}
