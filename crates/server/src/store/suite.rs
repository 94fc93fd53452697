//! The suite that every store passes: the bodies here, a thin macro that names them once per store.

use std::time::Duration;

use pilotlight_oauth::{Scope, Timestamp};

pub(super) use super::suite_binding::{
    rfc8707_section_2_2_a_resource_that_was_not_granted_spends_nothing,
    rfc9449_section_5_a_refresh_that_proves_a_key_binds_the_grant_of_a_public_client,
    rfc9449_section_5_a_repeat_needs_the_key_and_gets_the_same_successor,
    rfc9449_section_5_another_key_or_none_spends_and_ends_nothing,
};
pub(super) use super::suite_codes::{
    a_code_gives_one_grant_and_its_second_use_ends_it, a_code_of_another_client_or_redirect_is_refused,
    a_wrong_verifier_spends_the_code, an_expired_code_is_unknown,
    fifty_exchanges_of_one_code_give_one_grant_and_end_it,
    rfc9449_section_10_a_code_with_a_key_is_not_spent_by_another_one,
};
use super::suite_codes::{code, exchange};
pub(super) use super::suite_declared::{
    a_client_takes_the_place_of_the_one_before, a_new_password_leaves_the_rest_of_a_person_alone,
    clients_that_registered_themselves_are_counted_and_others_are_not,
};
pub(super) use super::suite_people::{
    a_person_is_changed_only_as_they_were_read, a_person_of_many_grants_has_them_all,
    a_persons_grants_are_theirs_alone_the_newest_first, of_many_changes_of_one_person_at_once_one_is_made,
    people_are_listed_by_name_and_removed_for_good,
};
pub(super) use super::suite_races::{
    fifty_uses_at_once_with_one_key_get_one_successor, fifty_uses_at_once_without_key_rotate_once_and_end_the_grant,
    revoking_wins_against_fifty_refreshes, two_processes_hand_out_one_successor,
};
pub(super) use super::suite_requests::{
    a_denied_or_expired_device_gets_nothing, a_device_gets_one_grant_once_somebody_said_yes,
    a_device_that_asks_too_soon_has_to_wait_longer_from_then_on, a_pushed_request_is_taken_by_one_of_fifty,
    another_client_or_code_learns_nothing_of_a_device, fifty_polls_of_one_device_give_one_grant_and_end_it,
    what_is_set_for_a_client_comes_back,
};
use super::suite_requests::{device, pushed};
use super::{Store, User};
use crate::client::Client;
use crate::code::Exchanged;
use crate::device::Device;
use crate::grant::{Grant, GrantId, KeyHash, Outcome, REMEMBERED_KEYS, Reason, RecentKeys, Redemption};
use crate::keys::KeyName;
use crate::origin::Origin;

/// Makes a test of each named body. `$open` gives a fresh store, and what must outlive it.
macro_rules! suite {
    ($open:expr; $($name:ident),+ $(,)?) => {
        $(#[test]
        fn $name() {
            let (store, _keep) = $open;
            crate::store::suite::$name(&store);
        })+
    };
}

/// The suite, for the store that `$open` gives.
macro_rules! every_test {
    ($open:expr) => {
        crate::store::suite::suite!($open;
            other_keys_than_the_newest_it_saw_are_refused,
            a_name_belongs_to_one_person,
            a_person_is_changed_only_as_they_were_read,
            of_many_changes_of_one_person_at_once_one_is_made,
            people_are_listed_by_name_and_removed_for_good,
            a_persons_grants_are_theirs_alone_the_newest_first,
            a_person_of_many_grants_has_them_all,
            a_client_id_belongs_to_one_client,
            a_new_password_leaves_the_rest_of_a_person_alone,
            a_client_takes_the_place_of_the_one_before,
            clients_that_registered_themselves_are_counted_and_others_are_not,
            a_grant_comes_back_as_it_was_kept,
            grants_are_listed_newest_first,
            the_current_generation_rotates,
            a_repeat_with_the_same_key_gets_the_same_successor,
            a_repeat_after_the_successor_was_used_is_late_and_ends_nothing,
            a_duplicate_seven_rotations_late_ends_nothing_and_an_older_one_is_reuse,
            a_late_duplicate_with_another_key_is_reuse,
            another_key_is_reuse_and_ends_the_grant,
            a_repeat_without_key_is_reuse_and_ends_the_grant,
            a_repeat_without_key_is_answered_inside_the_window_only,
            repeating_does_not_extend_the_window,
            the_successors_first_use_closes_the_window,
            a_revoked_grant_has_no_window,
            another_key_is_reuse_inside_the_window_too,
            a_lost_answer_gives_the_old_token_a_way_back_without_key_or_window,
            a_newer_generation_heals_the_store,
            reuse_ends_one_grant_and_no_other,
            an_idle_grant_expires_at_the_very_millisecond,
            rotation_does_not_move_the_absolute_end,
            a_grant_is_refreshed_as_often_as_it_may_be_and_its_last_use_may_be_repeated,
            more_scope_than_granted_spends_nothing,
            another_client_spends_nothing,
            rfc9449_section_5_another_key_or_none_spends_and_ends_nothing,
            rfc9449_section_5_a_repeat_needs_the_key_and_gets_the_same_successor,
            rfc9449_section_5_a_refresh_that_proves_a_key_binds_the_grant_of_a_public_client,
            rfc8707_section_2_2_a_resource_that_was_not_granted_spends_nothing,
            the_last_generation_ends_without_a_wrap,
            the_first_reason_to_revoke_stays,
            a_retry_does_not_bring_back_a_revoked_grant,
            fifty_uses_at_once_without_key_rotate_once_and_end_the_grant,
            fifty_uses_at_once_with_one_key_get_one_successor,
            revoking_wins_against_fifty_refreshes,
            a_code_gives_one_grant_and_its_second_use_ends_it,
            a_wrong_verifier_spends_the_code,
            a_code_of_another_client_or_redirect_is_refused,
            an_expired_code_is_unknown,
            rfc9449_section_10_a_code_with_a_key_is_not_spent_by_another_one,
            fifty_exchanges_of_one_code_give_one_grant_and_end_it,
            what_is_set_for_a_client_comes_back,
            a_device_gets_one_grant_once_somebody_said_yes,
            a_device_that_asks_too_soon_has_to_wait_longer_from_then_on,
            a_denied_or_expired_device_gets_nothing,
            another_client_or_code_learns_nothing_of_a_device,
            fifty_polls_of_one_device_give_one_grant_and_end_it,
            a_pushed_request_is_taken_by_one_of_fifty,
        );
    };
}

/// For stores that do not forget by themselves.
macro_rules! every_test_of_forgetting {
    ($open:expr) => {
        crate::store::suite::suite!($open;
            what_is_over_is_forgotten_and_the_rest_stays,
            a_sweep_goes_through_more_grants_than_it_looks_at_in_one_step,
        );
    };
}
pub(super) use {every_test, every_test_of_forgetting, suite};

pub(super) const START: Timestamp = Timestamp::from_secs(1_800_000_000);
const IDLE: Duration = Duration::from_secs(3600);
pub(super) const KEY: KeyHash = [1; 8];
pub(super) const OTHER_KEY: KeyHash = [2; 8];

pub(super) fn grant(n: u8) -> Grant {
    let scope = Scope::parse("openid profile");
    Grant::new(GrantId([n; 16]), "ada".to_owned(), "app".to_owned(), scope, START)
}

pub(super) fn kept(store: &impl Store, grant: &Grant) -> GrantId {
    store.add_grant(grant).unwrap();
    grant.id
}

pub(super) fn presented(grant: GrantId, generation: u32, key: Option<KeyHash>) -> Redemption {
    Redemption {
        grant,
        generation,
        client: "app".to_owned(),
        key,
        scope: None,
        resources: Vec::new(),
        proven: None,
        binds: true,
        now: START.plus(Duration::from_secs(1)),
        idle: IDLE,
        retry_window: Duration::ZERO,
        remembered_keys: REMEMBERED_KEYS,
    }
}

pub(super) fn redeem(store: &impl Store, grant: GrantId, generation: u32, key: Option<KeyHash>) -> Outcome {
    // As the routes do.
    let (reply, answer) = std::sync::mpsc::channel();
    store.redeem_then(presented(grant, generation, key), Box::new(move |outcome| reply.send(outcome).unwrap()));
    answer.recv().unwrap().unwrap()
}

pub(super) fn generation_of(outcome: &Outcome) -> Option<u32> {
    match outcome {
        Outcome::Rotated(grant) | Outcome::Healed(grant) | Outcome::Repeated(grant) => Some(grant.generation),
        _ => None,
    }
}

pub(super) fn reason(store: &impl Store, id: GrantId) -> Option<Reason> {
    store.grant(id).unwrap().unwrap().revoked.map(|(_, reason)| reason)
}

pub(super) fn other_keys_than_the_newest_it_saw_are_refused(store: &impl Store) {
    let name = |version, byte| KeyName { version, fingerprint: [byte; 16] };
    assert!(store.admit_keys(&[name(1, 1)]).unwrap(), "the first ones it sees are its own");
    assert!(!store.admit_keys(&[name(1, 2)]).unwrap(), "others of the same version");
    assert!(store.admit_keys(&[name(1, 1), name(2, 2)]).unwrap(), "a newer one beside its own");
    assert!(!store.admit_keys(&[name(1, 1)]).unwrap(), "a copy from before the rotation");
    assert!(store.admit_keys(&[name(2, 2), name(3, 3)]).unwrap(), "the oldest was forgotten");
    assert!(!store.admit_keys(&[]).unwrap());
}

pub(super) fn a_name_belongs_to_one_person(store: &impl Store) {
    let mut ada = User::new("1".to_owned(), "ada".to_owned(), "h1".to_owned());
    (ada.totp, ada.totp_last_step, ada.locale) = (Some(vec![0, 255]), Some(i64::MAX), Some("zh".to_owned()));
    let other = User::new("2".to_owned(), "ada".to_owned(), "h2".to_owned());
    assert!(store.add_user(&ada).unwrap());
    assert!(!store.add_user(&other).unwrap());
    assert_eq!(store.user_named("ada").unwrap(), Some(ada.clone()));
    assert_eq!(store.user("1").unwrap(), Some(ada));
    assert_eq!(store.user("2").unwrap(), None);
    assert_eq!(store.user_named("Ada").unwrap(), None);
}

pub(super) fn a_client_id_belongs_to_one_client(store: &impl Store) {
    let uris = ["http://127.0.0.1/callback", "com.example.app:/cb"].map(str::to_owned);
    let mut client = Client::public("app", uris.to_vec()).unwrap();
    client.secret_hash = Some([9; 32]);
    client.allow_returns(vec!["https://app.example/bye".to_owned()]).unwrap();
    assert!(store.add_client(&client).unwrap());
    assert!(!store.add_client(&Client::public("app", Vec::new()).unwrap()).unwrap());
    assert_eq!(store.client("app").unwrap(), Some(client));
    assert_eq!(store.client("other").unwrap(), None);
}

pub(super) fn a_grant_comes_back_as_it_was_kept(store: &impl Store) {
    let mut full = grant(1);
    full.ends_at = Some(START.plus(IDLE));
    full.generation = u32::MAX;
    full.keys = RecentKeys::new(vec![Some(KEY), None, Some(OTHER_KEY)]);
    full.uses = Some(7);
    full.answer_lost = true;
    full.revoked = Some((START.plus(IDLE), Reason::Operator));
    full.bound_to = Some([0xfe; 32]);
    full.resources = vec![String::new(), "https://api.example/v1".to_owned()];
    full.device = Origin::new(Some("Television/1 (ü)"), Some([192, 0, 2, 1].into()));
    full.authenticated_at = START.minus(IDLE);
    for grant in [full, grant(2)] {
        store.add_grant(&grant).unwrap();
        assert_eq!(store.grant(grant.id).unwrap(), Some(grant));
    }
    assert_eq!(store.grant(GrantId([3; 16])).unwrap(), None);
}

pub(super) fn grants_are_listed_newest_first(store: &impl Store) {
    let mut newer = grant(2);
    newer.created_at = START.plus(IDLE);
    let ids = [kept(store, &grant(1)), kept(store, &newer), kept(store, &grant(0))];
    let listed: Vec<GrantId> = store.grants().unwrap().iter().map(|grant| grant.id).collect();
    assert_eq!(listed, [ids[1], ids[2], ids[0]]);
}

pub(super) fn the_current_generation_rotates(store: &impl Store) {
    let id = kept(store, &grant(1));
    for generation in 0..5 {
        let outcome = redeem(store, id, generation, None);
        assert!(matches!(&outcome, Outcome::Rotated(grant) if grant.generation == generation + 1), "{outcome:?}");
    }
    assert_eq!(redeem(store, GrantId([9; 16]), 0, None), Outcome::Unknown);
}

pub(super) fn a_repeat_with_the_same_key_gets_the_same_successor(store: &impl Store) {
    let id = kept(store, &grant(1));
    let Outcome::Rotated(first) = redeem(store, id, 0, Some(KEY)) else { panic!("it did not rotate") };
    for _ in 0..3 {
        assert_eq!(redeem(store, id, 0, Some(KEY)), Outcome::Repeated(first.clone()));
    }
    assert!(matches!(redeem(store, id, 1, Some(OTHER_KEY)), Outcome::Rotated(_)), "the successor is good");
}

pub(super) fn a_repeat_after_the_successor_was_used_is_late_and_ends_nothing(store: &impl Store) {
    let id = kept(store, &grant(1));
    redeem(store, id, 0, Some(KEY));
    redeem(store, id, 1, Some(OTHER_KEY));
    assert_eq!(redeem(store, id, 0, Some(KEY)), Outcome::Late);
    assert!(matches!(redeem(store, id, 2, None), Outcome::Rotated(_)), "the grant lives on");
}

pub(super) fn a_duplicate_seven_rotations_late_ends_nothing_and_an_older_one_is_reuse(store: &impl Store) {
    let id = kept(store, &grant(1));
    let key = |generation: u32| Some([u8::try_from(generation).unwrap() + 1; 8]);
    for generation in 0..8 {
        redeem(store, id, generation, key(generation));
    }
    for generation in 0..7 {
        assert_eq!(redeem(store, id, generation, key(generation)), Outcome::Late, "{generation}");
    }
    assert!(matches!(redeem(store, id, 8, key(8)), Outcome::Rotated(_)), "the grant lives on");
    assert_eq!(redeem(store, id, 0, key(0)), Outcome::Reused, "its key is forgotten by now");
}

pub(super) fn a_late_duplicate_with_another_key_is_reuse(store: &impl Store) {
    let id = kept(store, &grant(1));
    redeem(store, id, 0, Some(KEY));
    redeem(store, id, 1, Some(OTHER_KEY));
    assert_eq!(redeem(store, id, 0, Some(OTHER_KEY)), Outcome::Reused, "a key belongs to its own rotation");
}

pub(super) fn another_key_is_reuse_and_ends_the_grant(store: &impl Store) {
    let id = kept(store, &grant(1));
    redeem(store, id, 0, Some(KEY));
    assert_eq!(redeem(store, id, 0, Some(OTHER_KEY)), Outcome::Reused);
    assert_eq!(redeem(store, id, 1, None), Outcome::Revoked(Reason::Reuse));
}

pub(super) fn a_repeat_without_key_is_reuse_and_ends_the_grant(store: &impl Store) {
    let id = kept(store, &grant(1));
    redeem(store, id, 0, None);
    assert_eq!(redeem(store, id, 0, None), Outcome::Reused, "no key is not the same key as no key");
    assert_eq!(redeem(store, id, 1, None), Outcome::Revoked(Reason::Reuse));
}

fn in_window(id: GrantId, key: Option<KeyHash>, millis: u64) -> Redemption {
    let now = START.plus(Duration::from_millis(millis));
    Redemption { now, retry_window: Duration::from_secs(10), ..presented(id, 0, key) }
}

pub(super) fn a_repeat_without_key_is_answered_inside_the_window_only(store: &impl Store) {
    let id = kept(store, &grant(1));
    let Outcome::Rotated(first) = store.redeem(&in_window(id, None, 0)).unwrap() else { panic!("it did not rotate") };
    assert_eq!(store.redeem(&in_window(id, None, 9_999)).unwrap(), Outcome::Repeated(first));
    assert_eq!(store.redeem(&in_window(id, None, 10_000)).unwrap(), Outcome::Reused);
}

pub(super) fn repeating_does_not_extend_the_window(store: &impl Store) {
    let id = kept(store, &grant(1));
    store.redeem(&in_window(id, None, 0)).unwrap();
    for millis in [4_000, 8_000] {
        assert!(matches!(store.redeem(&in_window(id, None, millis)).unwrap(), Outcome::Repeated(_)));
    }
    assert_eq!(store.redeem(&in_window(id, None, 12_000)).unwrap(), Outcome::Reused);
}

pub(super) fn another_key_is_reuse_inside_the_window_too(store: &impl Store) {
    let id = kept(store, &grant(1));
    store.redeem(&in_window(id, Some(KEY), 0)).unwrap();
    assert_eq!(store.redeem(&in_window(id, Some(OTHER_KEY), 1)).unwrap(), Outcome::Reused);
}

pub(super) fn the_successors_first_use_closes_the_window(store: &impl Store) {
    let id = kept(store, &grant(1));
    store.redeem(&in_window(id, None, 0)).unwrap();
    store.redeem(&Redemption { generation: 1, ..in_window(id, None, 1) }).unwrap();
    assert_eq!(store.redeem(&in_window(id, None, 2)).unwrap(), Outcome::Reused);
}

pub(super) fn a_revoked_grant_has_no_window(store: &impl Store) {
    let id = kept(store, &grant(1));
    store.redeem(&in_window(id, None, 0)).unwrap();
    store.revoke(id, Reason::SignedOut, START).unwrap();
    assert_eq!(store.redeem(&in_window(id, None, 1)).unwrap(), Outcome::Revoked(Reason::SignedOut));
}

pub(super) fn a_lost_answer_gives_the_old_token_a_way_back_without_key_or_window(store: &impl Store) {
    let id = kept(store, &Grant { generation: 1, answer_lost: true, ..grant(1) });
    for _ in 0..2 {
        assert!(matches!(redeem(store, id, 0, None), Outcome::Repeated(grant) if grant.generation == 1));
    }
    assert!(matches!(redeem(store, id, 1, None), Outcome::Rotated(grant) if !grant.answer_lost));
    assert_eq!(redeem(store, id, 1, None), Outcome::Reused, "that answer was not lost");
}

pub(super) fn a_newer_generation_heals_the_store(store: &impl Store) {
    let id = kept(store, &grant(1));
    let Outcome::Healed(healed) = redeem(store, id, 7, Some(KEY)) else { panic!("it did not heal") };
    assert_eq!(healed.generation, 8);
    assert_eq!(redeem(store, id, 7, Some(KEY)), Outcome::Repeated(healed), "its answer may be lost like any other");
    assert_eq!(redeem(store, id, 3, None), Outcome::Reused, "what the store had forgotten is old all the same");
}

pub(super) fn reuse_ends_one_grant_and_no_other(store: &impl Store) {
    let (one, two) = (kept(store, &grant(1)), kept(store, &grant(2)));
    redeem(store, one, 0, None);
    redeem(store, one, 0, None);
    assert_eq!(reason(store, one), Some(Reason::Reuse));
    assert!(matches!(redeem(store, two, 0, None), Outcome::Rotated(_)), "the person's other device stays signed in");
}

pub(super) fn an_idle_grant_expires_at_the_very_millisecond(store: &impl Store) {
    let id = kept(store, &grant(1));
    let just = START.plus(IDLE);
    assert_eq!(store.redeem(&Redemption { now: just, ..presented(id, 0, None) }).unwrap(), Outcome::Expired);
    let before = just.minus(Duration::from_millis(1));
    let outcome = store.redeem(&Redemption { now: before, ..presented(id, 0, None) }).unwrap();
    assert!(matches!(outcome, Outcome::Rotated(_)));
    let outcome = store.redeem(&Redemption { now: just, ..presented(id, 1, None) }).unwrap();
    assert!(matches!(outcome, Outcome::Rotated(_)), "a rotation begins a new idle life");
}

pub(super) fn rotation_does_not_move_the_absolute_end(store: &impl Store) {
    let end = START.plus(IDLE / 2);
    let id = kept(store, &Grant { ends_at: Some(end), ..grant(1) });
    let Outcome::Rotated(rotated) = redeem(store, id, 0, None) else { panic!("it did not rotate") };
    assert_eq!(rotated.refresh_expires_at(IDLE), end);
    assert_eq!(store.redeem(&Redemption { now: end, ..presented(id, 1, None) }).unwrap(), Outcome::Expired);
}

pub(super) fn a_grant_is_refreshed_as_often_as_it_may_be_and_its_last_use_may_be_repeated(store: &impl Store) {
    let id = kept(store, &Grant { uses: Some(2), ..grant(1) });
    redeem(store, id, 0, None);
    let Outcome::Rotated(last) = redeem(store, id, 1, Some(KEY)) else { panic!("it did not rotate") };
    assert_eq!(last.uses_left(), Some(0));
    assert_eq!(redeem(store, id, 1, Some(KEY)), Outcome::Repeated(last), "a repeat is no use");
    assert_eq!(redeem(store, id, 2, None), Outcome::Expired);
    assert_eq!(redeem(store, id, 9, None), Outcome::Expired, "nor does it help that the store forgot some");
}

pub(super) fn more_scope_than_granted_spends_nothing(store: &impl Store) {
    let id = kept(store, &grant(1));
    let asks = |scope| Redemption { scope: Some(Scope::parse(scope)), ..presented(id, 0, Some(KEY)) };
    assert_eq!(store.redeem(&asks("openid admin")).unwrap(), Outcome::TooWide);
    let Outcome::Rotated(rotated) = store.redeem(&asks("openid")).unwrap() else { panic!("it did not rotate") };
    assert_eq!(rotated.scope, Scope::parse("openid profile"), "the grant keeps its full scope");
    assert_eq!(store.redeem(&asks("admin")).unwrap(), Outcome::TooWide, "in a repetition too");
}

pub(super) fn another_client_spends_nothing(store: &impl Store) {
    let id = kept(store, &grant(1));
    let foreign = Redemption { client: "thief".to_owned(), ..presented(id, 0, None) };
    assert_eq!(store.redeem(&foreign).unwrap(), Outcome::Unknown);
    assert!(matches!(redeem(store, id, 0, None), Outcome::Rotated(_)));
}

pub(super) fn the_last_generation_ends_without_a_wrap(store: &impl Store) {
    let id = kept(store, &Grant { generation: u32::MAX, ..grant(1) });
    assert_eq!(redeem(store, id, u32::MAX, None), Outcome::Expired);
    assert_eq!(store.grant(id).unwrap().unwrap().generation, u32::MAX);
}

pub(super) fn the_first_reason_to_revoke_stays(store: &impl Store) {
    let id = kept(store, &grant(1));
    assert_eq!(store.revoke(id, Reason::SignedOut, START).unwrap(), Some(true));
    assert_eq!(store.revoke(id, Reason::Operator, START).unwrap(), Some(false));
    assert_eq!(reason(store, id), Some(Reason::SignedOut));
    assert_eq!(store.revoke(GrantId([9; 16]), Reason::Operator, START).unwrap(), None);
}

pub(super) fn a_retry_does_not_bring_back_a_revoked_grant(store: &impl Store) {
    let id = kept(store, &grant(1));
    redeem(store, id, 0, Some(KEY));
    store.revoke(id, Reason::SignedOut, START).unwrap();
    for generation in [0, 1, 5] {
        assert_eq!(redeem(store, id, generation, Some(KEY)), Outcome::Revoked(Reason::SignedOut));
    }
}

pub(super) fn what_is_over_is_forgotten_and_the_rest_stays(store: &impl Store) {
    let later = START.plus(IDLE);
    let live = kept(store, &Grant { rotated_at: later, ..grant(1) });
    let idle = kept(store, &grant(2));
    let ended = kept(store, &Grant { rotated_at: later, revoked: Some((START, Reason::SignedOut)), ..grant(3) });
    store.add_code(&code()).unwrap();
    store.add_device(&device()).unwrap();
    store.add_device(&Device { name: [8; 32], expires_at: later, ..device() }).unwrap();
    store.add_pushed(&pushed()).unwrap();
    assert_eq!(store.forget(later, later).unwrap(), 2);
    assert_eq!(store.device(&device().name).unwrap(), None);
    assert!(store.device(&[8; 32]).unwrap().is_some());
    assert_eq!(store.take_pushed(&pushed().hash).unwrap(), None);
    assert!(store.grant(live).unwrap().is_some());
    assert_eq!((store.grant(idle).unwrap(), store.grant(ended).unwrap()), (None, None));
    assert_eq!(store.exchange(&exchange(4)).unwrap(), Exchanged::Unknown);
}

pub(super) fn a_sweep_goes_through_more_grants_than_it_looks_at_in_one_step(store: &impl Store) {
    let later = START.plus(IDLE);
    for n in 0..2500_u16 {
        let mut id = [0; 16];
        id[7..9].copy_from_slice(&n.to_be_bytes());
        let rotated_at = if n % 5 == 0 { later } else { START };
        store.add_grant(&Grant { id: GrantId(id), rotated_at, ..grant(1) }).unwrap();
    }
    assert_eq!(store.forget(later, later).unwrap(), 2000);
    assert_eq!(store.grants().unwrap().len(), 500);
}
