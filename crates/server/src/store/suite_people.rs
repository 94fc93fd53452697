//! The suite's part about people and whose grants are whose.

use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};

use std::time::Duration;

use super::suite::{START, grant};
use super::{Store, User};
use crate::grant::{Grant, GrantId, Reason};

fn user(name: &str) -> User {
    User::new(format!("subject of {name}"), name.to_owned(), "a hash".to_owned())
}

fn grant_of(n: u8, subject: &str, secs: u64) -> Grant {
    Grant { subject: subject.to_owned(), created_at: START.plus(Duration::from_secs(secs)), ..grant(n) }
}

pub(super) fn a_person_is_changed_only_as_they_were_read(store: &impl Store) {
    let ada = user("ada");
    store.add_user(&ada).unwrap();
    let locale = Some("zh".to_owned());
    let changed = User { totp: Some(vec![0, 255, 7]), totp_last_step: Some(-1), locale, ..ada.clone() };
    assert!(store.change_user(&ada, &changed).unwrap());
    assert_eq!(store.user(&ada.subject).unwrap(), Some(changed.clone()));
    assert_eq!(store.user_named("ada").unwrap(), Some(changed.clone()));
    let late = User { password_hash: "late".to_owned(), ..ada.clone() };
    assert!(!store.change_user(&ada, &late).unwrap(), "somebody was faster");
    let nobody = user("nobody");
    assert!(!store.change_user(&nobody, &nobody).unwrap());
    assert_eq!(store.user_named("nobody").unwrap(), None);
    let back = User { totp: None, totp_last_step: None, locale: None, ..changed.clone() };
    assert!(store.change_user(&changed, &back).unwrap());
    assert_eq!(store.user_named("ada").unwrap(), Some(ada));
}

pub(super) fn of_many_changes_of_one_person_at_once_one_is_made(store: &impl Store) {
    let ada = user("ada");
    store.add_user(&ada).unwrap();
    let (made, start) = (AtomicUsize::new(0), Barrier::new(16));
    std::thread::scope(|scope| {
        for step in 0..16 {
            let (ada, made, start) = (&ada, &made, &start);
            scope.spawn(move || {
                start.wait();
                let after = User { totp_last_step: Some(step), ..ada.clone() };
                if store.change_user(ada, &after).unwrap() {
                    made.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
    });
    assert_eq!(made.into_inner(), 1);
}

pub(super) fn people_are_listed_by_name_and_removed_for_good(store: &impl Store) {
    for name in ["grace", "ada", "名字"] {
        store.add_user(&user(name)).unwrap();
    }
    let names = || store.users().unwrap().into_iter().map(|user| user.name).collect::<Vec<_>>();
    assert_eq!(names(), ["ada", "grace", "名字"]);
    assert!(store.remove_user(&user("ada").subject).unwrap());
    assert!(!store.remove_user(&user("ada").subject).unwrap());
    assert_eq!(names(), ["grace", "名字"]);
    assert_eq!(store.user(&user("ada").subject).unwrap(), None);
    assert!(store.add_user(&user("ada")).unwrap(), "the name is free again");
}

pub(super) fn a_persons_grants_are_theirs_alone_the_newest_first(store: &impl Store) {
    for (id, subject, begun) in [(1, "a", 10), (2, "b", 20), (3, "a", 30), (4, "a", 20)] {
        store.add_grant(&grant_of(id, subject, begun)).unwrap();
    }
    store.revoke(grant(4).id, Reason::Operator, START).unwrap();
    let ids = |subject: &str| store.grants_of(subject).unwrap().iter().map(|grant| grant.id).collect::<Vec<_>>();
    assert_eq!(ids("a"), [3, 4, 1].map(|n| grant(n).id), "those that are over too");
    assert_eq!(ids("b"), [grant(2).id]);
    assert_eq!(ids("c"), Vec::<GrantId>::new());
}

pub(super) fn a_person_of_many_grants_has_them_all(store: &impl Store) {
    for n in 0..150_u8 {
        store.add_grant(&grant_of(n, "a", 10)).unwrap();
    }
    assert_eq!(store.grants_of("a").unwrap().len(), 150);
}
