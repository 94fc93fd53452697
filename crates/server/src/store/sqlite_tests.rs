//! The suite on a file, and what only a file can get wrong.

use pilotlight_oauth::Scope;

use super::*;
use crate::grant::RecentKeys;
use crate::origin::Origin;
use crate::store::suite;

fn fresh() -> (SqliteStore, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    (SqliteStore::open(&folder.path().join("server.db")).unwrap(), folder)
}

suite::every_test!(fresh());
suite::every_test_of_forgetting!(fresh());

#[test]
fn two_processes_over_one_file_hand_out_one_successor() {
    let (one, folder) = fresh();
    let two = SqliteStore::open(&folder.path().join("server.db")).unwrap();
    suite::two_processes_hand_out_one_successor(&one, &two);
}

#[test]
fn a_store_of_a_newer_format_is_refused_and_left_alone() {
    let (store, folder) = fresh();
    store.reader().pragma_update(None, "user_version", FORMAT + 1).unwrap();
    let refused = SqliteStore::open(&folder.path().join("server.db")).err();
    assert!(matches!(refused, Some(StoreError::TooNew { found: 6, known: FORMAT })));
}

/// A store as the first release left it: one grant with two keys, and the server's keys.
fn of_format_1(path: &Path) {
    let old = Connection::open(path).unwrap();
    old.execute_batch(include_str!("format_1_test.sql")).unwrap();
}

#[test]
fn a_store_of_format_1_keeps_its_grants_and_hands_its_keys_over() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("server.db");
    of_format_1(&path);
    let store = SqliteStore::open(&path).unwrap();
    let grant = store.grant(GrantId([1; 16])).unwrap().unwrap();
    assert_eq!((grant.generation, grant.uses, grant.answer_lost), (3, None, false));
    assert_eq!(grant.keys, RecentKeys::new(vec![Some([0xaa; 8]), Some([0xbb; 8])]));
    let none = store.grant(GrantId([2; 16])).unwrap().unwrap();
    assert_eq!(none.keys, RecentKeys::default());
    let old = store.old_keys().unwrap().unwrap();
    assert_eq!((*old.mac, old.signing.as_slice()), ([0x5a; 32], &[0xa5; 64][..]));
    store.forget_old_keys().unwrap();
    assert!(store.old_keys().unwrap().is_none());
    for file in std::fs::read_dir(folder.path()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        for secret in [[0x5a; 32], [0xa5; 32]] {
            assert!(!bytes.windows(32).any(|window| window == secret), "a key is left behind");
        }
    }
    drop(store);
    assert!(SqliteStore::open(&path).unwrap().grant(GrantId([1; 16])).unwrap().is_some(), "once is enough");
}

#[test]
fn a_store_of_format_3_keeps_everything_and_is_bound_to_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("server.db");
    Connection::open(&path).unwrap().execute_batch(include_str!("format_3_test.sql")).unwrap();
    let store = SqliteStore::open(&path).unwrap();
    let user = User::new("1".to_owned(), "ada".to_owned(), "hash".to_owned());
    assert_eq!(store.user_named("ada").unwrap(), Some(user));
    assert!(store.client("app").unwrap().is_some_and(|client| client.resources.is_empty()));
    let at = Timestamp::from_millis;
    let mut kept = Grant::new(GrantId([1; 16]), "1".to_owned(), "app".to_owned(), Scope::parse("openid"), at(1000));
    (kept.generation, kept.rotated_at, kept.uses, kept.answer_lost) = (3, at(2000), Some(9), true);
    assert_eq!(store.grant(kept.id).unwrap(), Some(kept));
    let exchange = Exchange {
        hash: [5; 32],
        client: "app".to_owned(),
        redirect_uri: "http://127.0.0.1/callback".to_owned(),
        challenge: "c".to_owned(),
        resources: Vec::new(),
        proven: None,
        binds: true,
        new_grant: GrantId([2; 16]),
        ends_at: None,
        uses: None,
        now: at(1500),
    };
    assert!(matches!(store.exchange(&exchange).unwrap(), Exchanged::Granted(grant, _) if grant.resources.is_empty()));
    let device = store.device(&[7; 32]).unwrap().unwrap();
    assert_eq!((device.resources, device.device), (Vec::new(), Origin::default()));
    drop(store);
    assert!(SqliteStore::open(&path).is_ok(), "once is enough");
}

#[test]
fn a_store_of_format_4_keeps_how_each_grant_stands_and_where_it_began() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("server.db");
    Connection::open(&path).unwrap().execute_batch(include_str!("format_4_test.sql")).unwrap();
    let store = SqliteStore::open(&path).unwrap();
    let at = Timestamp::from_millis;
    let begun = |id: u8, since| {
        let id = GrantId([id; 16]);
        let mut grant = Grant::new(id, "ada".to_owned(), "app".to_owned(), Scope::parse("openid profile"), at(since));
        grant.device = Origin { user_agent: Some("Pilotlight".to_owned()), address: Some("192.0.2.1".to_owned()) };
        grant
    };
    let mut bound = begun(9, 1000);
    (bound.generation, bound.rotated_at, bound.bound_to) = (7, at(3000), Some([3; 32]));
    (bound.keys, bound.resources) =
        (RecentKeys::new(vec![Some([0xaa; 8]), None]), vec!["https://a.example/".to_owned()]);
    let mut ended = begun(1, 2000);
    (ended.ends_at, ended.uses, ended.answer_lost) = (Some(at(9000)), Some(5), true);
    (ended.revoked, ended.authenticated_at) = (Some((at(4000), Reason::Reuse)), at(1500));
    assert_eq!(store.grants().unwrap(), [ended.clone(), bound.clone()]);
    assert_eq!(store.grants_of("ada").unwrap().len(), 2);
    let places = "SELECT group_concat(n) FROM (SELECT n FROM grants ORDER BY created_at)";
    assert_eq!(store.reader().query_row(places, [], |row| row.get(0)), Ok("1,2".to_owned()), "in the order they began");
    assert_eq!(store.forget(at(0), at(3500)).unwrap(), 1, "that was not used since");
    assert_eq!(store.grants().unwrap(), [ended]);
    assert_eq!(states(&store), 1);
}

fn states(store: &SqliteStore) -> i64 {
    store.reader().query_row("SELECT count(*) FROM states", [], |row| row.get(0)).unwrap()
}

#[test]
fn a_grant_that_is_put_in_the_place_of_another_leaves_no_state_behind() {
    let (store, _folder) = fresh();
    let grant = |generation| {
        let mut grant =
            Grant::new(GrantId([1; 16]), "1".to_owned(), "a".to_owned(), Scope::default(), Timestamp::from_secs(0));
        grant.generation = generation;
        grant
    };
    store.add_grants(&[grant(0), grant(1)]).unwrap();
    store.add_grant(&grant(2)).unwrap();
    assert_eq!((store.grants().unwrap(), states(&store)), (vec![grant(2)], 1));
}

#[test]
fn a_sweep_looks_at_few_rows_at_a_time_and_deletes_none_that_moved_on_meanwhile() {
    let (store, _folder) = fresh();
    let idle = |n: i64| {
        let mut id = [0; 16];
        id[..8].copy_from_slice(&n.to_be_bytes());
        Grant::new(GrantId(id), "ada".to_owned(), "app".to_owned(), Scope::default(), Timestamp::from_secs(0))
    };
    store.writer.atomically(move |t| (0..3 * STEP).try_for_each(|n| add_grant(t, &idle(n)))).unwrap();
    let later = Timestamp::from_secs(10);
    let seen = store.look(&GRANTS, &[], later).unwrap();
    assert_eq!(i64::try_from(seen.len()), Ok(STEP), "others have their turn after that many");
    assert!(seen.iter().all(|(_, over)| *over));
    store.revoke(idle(0).id, Reason::Operator, later).unwrap();
    let deleted = |n: i64| {
        let id = idle(n).id.0;
        store.writer.atomically(move |t| Ok(t.execute(GRANTS.delete, params![id, later.as_millis()])?)).unwrap()
    };
    assert_eq!((deleted(0), deleted(1)), (0, 1), "the first moved on after it was seen");
}

#[cfg(unix)]
#[test]
fn the_file_and_its_journals_belong_to_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("server.db");
    std::fs::write(&path, "").unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    let store = SqliteStore::open(&path).unwrap();
    store.forget(Timestamp::from_secs(0), Timestamp::from_secs(0)).unwrap();
    for file in std::fs::read_dir(folder.path()).unwrap() {
        let file = file.unwrap();
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{:?}", file.file_name());
    }
}
