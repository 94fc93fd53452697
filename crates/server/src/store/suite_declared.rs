//! The part of the suite that is about what a configuration file declares, and about clients that register themselves.

use super::{Store, User};
use crate::client::{Client, Setting};

pub(super) fn a_new_password_leaves_the_rest_of_a_person_alone(store: &impl Store) {
    let ada = User { locale: Some("zh".to_owned()), ..User::new("1".into(), "ada".into(), "old".into()) };
    assert!(store.add_user(&ada).unwrap());
    for _ in 0..2 {
        assert!(store.set_password("ada", "new").unwrap());
        let known = store.user("1").unwrap().unwrap();
        assert!(known == User { password_hash: "new".to_owned(), ..ada.clone() });
    }
    assert!(!store.set_password("nobody", "new").unwrap());
    assert!(store.user_named("nobody").unwrap().is_none());
}

pub(super) fn a_client_takes_the_place_of_the_one_before(store: &impl Store) {
    let before = Client::public("app", vec!["https://app.example/a".to_owned()]).unwrap();
    let mut after = Client::public("app", vec!["https://app.example/b".to_owned()]).unwrap();
    after.settings = vec![Setting::Device];
    for client in [&before, &after, &after, &before] {
        store.put_client(client).unwrap();
        assert_eq!(store.client("app").unwrap().as_ref(), Some(client));
    }
    assert!(!store.add_client(&after).unwrap());
}

pub(super) fn clients_that_registered_themselves_are_counted_and_others_are_not(store: &impl Store) {
    assert_eq!(store.registered_clients().unwrap(), 0);
    for n in 0..3 {
        let mut client = Client::public(&format!("registered-{n}"), Vec::new()).unwrap();
        if n > 0 {
            client.settings = vec![Setting::PushedOnly, Setting::Registered];
        }
        assert!(store.add_client(&client).unwrap());
        assert_eq!(store.client(&client.id).unwrap(), Some(client));
    }
    assert_eq!(store.registered_clients().unwrap(), 2);
}
