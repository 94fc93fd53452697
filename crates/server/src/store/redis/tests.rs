//! Against a real redis-server, and through a wire that loses or holds back what goes over it.

use std::io::{Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use pilotlight_oauth::Scope;
use tempfile::TempDir;

use super::*;
use crate::grant::RecentKeys;
use crate::origin::Origin;
use crate::store::suite::{self, KEY, grant, kept, presented, redeem};

#[path = "../../../tests/it/redis_server.rs"]
mod redis_server;
use redis_server::RedisServer;

mod cluster;
use cluster::RedisCluster;
mod rotate;
mod sentinel;

/// Long enough for a machine that does other things too.
const CALM: Duration = Duration::from_secs(20);
/// For answers that never come. An answer that comes may take longer than this on a machine that does other things too, so
/// whoever waits for one asks until it is there.
const HASTE: Duration = Duration::from_millis(50);
const REMEMBER: Duration = Duration::from_secs(7200);

fn over(server: &RedisServer) -> RedisStore {
    RedisStore::open_with(&server.address(), REMEMBER, CALM).unwrap()
}

fn fresh() -> (RedisStore, RedisServer) {
    let server = RedisServer::start();
    (over(&server), server)
}

suite::every_test!(fresh());

#[test]
fn two_processes_over_one_redis_hand_out_one_successor() {
    let (one, server) = fresh();
    suite::two_processes_hand_out_one_successor(&one, &over(&server));
}

#[test]
fn a_cluster_serves_and_has_grants_on_every_node() {
    let cluster = RedisCluster::start();
    let open = || RedisStore::open_with(&cluster.address(), REMEMBER, CALM).unwrap();
    let (one, two) = (open(), open());
    suite::fifty_exchanges_of_one_code_give_one_grant_and_end_it(&one);
    suite::two_processes_hand_out_one_successor(&one, &two);
    suite::a_name_belongs_to_one_person(&two);
    for n in 10..30 {
        kept(&one, &grant(n));
        assert!(matches!(redeem(&two, GrantId([n; 16]), 0, Some(KEY)), Outcome::Rotated(_)));
    }
    for n in 10..14 {
        let id = GrantId([n; 16]);
        assert_eq!(one.revoke(id, Reason::SignedOut, Timestamp::from_secs(0)).unwrap(), Some(true));
        assert_eq!(redeem(&two, id, 1, None), Outcome::Revoked(Reason::SignedOut));
    }
    assert_eq!(two.grants().unwrap().len(), 22);
    let keys = cluster.keys();
    assert!(keys.iter().all(|keys| *keys > 3), "{keys:?}");
}

fn raw(server: &RedisServer, id: GrantId) -> Vec<u8> {
    server.ask(redis::cmd("GET").arg(grant_key(id)))
}

fn life(server: &RedisServer, key: &str) -> i64 {
    server.ask(redis::cmd("PTTL").arg(key))
}

#[test]
fn redis_forgets_grants_and_codes_by_itself_and_a_rotation_begins_a_new_life() {
    let (store, server) = fresh();
    let id = kept(&store, &grant(13));
    let key = grant_key(id);
    let whole = i64::try_from(REMEMBER.as_millis()).unwrap();
    assert!((1..=whole).contains(&life(&server, &key)));
    server.ask::<()>(redis::cmd("PEXPIRE").arg(&key).arg(60_000));
    store.revoke(id, Reason::SignedOut, Timestamp::from_secs(0)).unwrap();
    assert!((1..=60_000).contains(&life(&server, &key)), "an end is remembered as long as the token would have lived");
    let id = kept(&store, &grant(12));
    server.ask::<()>(redis::cmd("PEXPIRE").arg(grant_key(id)).arg(60_000));
    redeem(&store, id, 0, None);
    assert!((60_001..=whole).contains(&life(&server, &grant_key(id))));
    suite::a_code_gives_one_grant_and_its_second_use_ends_it(&store);
    let day = 24 * 3600 * 1000;
    assert!((day - 60_000..=day + 60_000).contains(&life(&server, &code_key(&[5; 32]))));
    server.ask::<()>(redis::cmd("PEXPIRE").arg(grant_key(id)).arg(0));
    assert_eq!(redeem(&store, id, 1, None), Outcome::Unknown);
}

#[test]
fn rfc9449_section_11_1_of_two_processes_one_sees_a_proof_first_until_it_is_over() {
    let (one, server) = fresh();
    let two = over(&server);
    let (name, life) = ([3; 16], Duration::from_secs(130));
    assert!(two.first_sight(&name, life).unwrap());
    assert!(!one.first_sight(&name, life).unwrap());
    assert!(one.first_sight(&[4; 16], life).unwrap());
    let key = hash_key("proof", &name);
    assert!((1..=130_000).contains(&self::life(&server, &key)));
    server.ask::<()>(redis::cmd("PEXPIRE").arg(&key).arg(0));
    assert!(one.first_sight(&name, life).unwrap());
}

#[test]
fn a_grant_takes_no_more_than_it_was_meant_to_with_its_place_in_the_list_of_devices() {
    let (store, server) = fresh();
    let subject = GrantId([7; 16]).to_string();
    let of_person = (1..=3).map(|n| {
        let scope = Scope::parse("openid profile offline_access");
        let now = Timestamp::from_secs(1_800_000_000);
        let device = Origin::new(Some("Pilotlight/1.0 (Linux)"), Some([192, 0, 2, n].into()));
        Grant { device, ..Grant::new(GrantId([n; 16]), subject.clone(), "desktop".to_owned(), scope, now) }
    });
    let ids: Vec<GrantId> = of_person.map(|grant| kept(&store, &grant)).collect();
    for generation in 0..20 {
        let presented = Redemption { client: "desktop".to_owned(), ..presented(ids[0], generation, None) };
        assert!(matches!(store.redeem(&presented).unwrap(), Outcome::Rotated(_)));
    }
    assert_eq!(server.ask::<u64>(&redis::cmd("DBSIZE")), 4, "consumed tokens leave nothing behind");
    let usage = |key: String| server.ask::<u64>(redis::cmd("MEMORY").arg("USAGE").arg(key));
    let (one, list) = (usage(grant_key(ids[0])), usage(format!("pilotlight:of:{subject}")));
    assert!(one + list / 3 <= 270, "{one} bytes, and a third of {list}");
}

#[test]
fn a_grant_as_earlier_servers_wrote_it_goes_on_and_is_packed_from_then_on() {
    let (store, server) = fresh();
    let id = GrantId([9; 16]);
    let record = r#"{"m":18446744073709551615,"s":"sub-9","c":"app","o":"openid profile","b":1799999990000,"e":1900000000000,
        "u":9,"g":3,"r":1799999991000,"k":"AgECAwQFBgcI","t":["https://api.example"],"d":["App/1","192.0.2.1"],"a":1799999980000}"#;
    server.ask::<()>(redis::cmd("SET").arg(grant_key(id)).arg(record));
    let at = Timestamp::from_millis;
    let before = store.grant(id).unwrap().unwrap();
    let expected = Grant {
        ends_at: Some(at(1_900_000_000_000)),
        uses: Some(9),
        generation: 3,
        rotated_at: at(1_799_999_991_000),
        keys: RecentKeys::new(vec![Some([1, 2, 3, 4, 5, 6, 7, 8])]),
        resources: vec!["https://api.example".to_owned()],
        device: Origin::new(Some("App/1"), Some([192, 0, 2, 1].into())),
        authenticated_at: at(1_799_999_980_000),
        ..Grant::new(id, "sub-9".to_owned(), "app".to_owned(), Scope::parse("openid profile"), at(1_799_999_990_000))
    };
    assert_eq!(before, expected);
    let presented = Redemption { now: at(1_800_000_000_000), ..presented(id, 3, None) };
    let Outcome::Rotated(after) = store.redeem(&presented).unwrap() else { panic!("not rotated") };
    assert_eq!((after.generation, raw(&server, id)[0]), (4, packed::form::GUARDED));
    assert_eq!(store.grant(id).unwrap(), Some(after));
}

#[test]
fn grants_of_servers_that_kept_no_index_are_found_and_what_is_gone_leaves_it() {
    let (store, server) = fresh();
    let ids = [kept(&store, &grant(1)), kept(&store, &grant(2))];
    let subject = grant(1).subject;
    let set = format!("pilotlight:of:{subject}");
    server.ask::<()>(redis::cmd("DEL").arg(&set));
    let found =
        |store: &RedisStore| store.grants_of(&subject).unwrap().iter().map(|grant| grant.id).collect::<Vec<_>>();
    assert_eq!(found(&store), ids);
    server.ask::<()>(redis::cmd("DEL").arg(grant_key(ids[0])));
    assert_eq!(found(&store), ids[1..]);
    assert_eq!(server.ask::<u64>(redis::cmd("HLEN").arg(&set)), 1);
}

#[test]
fn scripts_that_redis_forgot_are_sent_again() {
    let (store, server) = fresh();
    let id = kept(&store, &grant(1));
    server.ask::<()>(redis::cmd("SCRIPT").arg("FLUSH"));
    assert!(matches!(redeem(&store, id, 0, None), Outcome::Rotated(_)));
}

#[test]
fn a_redis_restored_from_an_older_copy_is_healed() {
    let (store, server) = fresh();
    let id = kept(&store, &grant(1));
    let copy = raw(&server, id);
    redeem(&store, id, 0, Some(KEY));
    redeem(&store, id, 1, Some(KEY));
    server.ask::<()>(redis::cmd("SET").arg(grant_key(id)).arg(copy));
    let healed = redeem(&store, id, 2, Some(KEY));
    assert!(matches!(&healed, Outcome::Healed(grant) if grant.generation == 3), "{healed:?}");
}

#[test]
fn redis_killed_and_started_again_is_an_error_meanwhile_and_then_every_grant_goes_on() {
    let (store, mut server) = fresh();
    let id = kept(&store, &grant(1));
    redeem(&store, id, 0, None);
    server.kill();
    for _ in 0..3 {
        assert!(matches!(store.redeem(&presented(id, 1, None)), Err(StoreError::Away(_))));
        assert!(matches!(store.grants(), Err(StoreError::Away(_))));
    }
    server.resume();
    assert!(matches!(redeem(&store, id, 1, None), Outcome::Rotated(_)), "at once, on a new connection");
}

#[test]
fn a_frozen_redis_is_an_error_in_time_and_then_every_grant_goes_on() {
    let (calm, server) = fresh();
    let id = kept(&calm, &grant(1));
    let store = RedisStore::open_with(&server.address(), REMEMBER, HASTE).unwrap();
    server.signal("STOP");
    for _ in 0..3 {
        assert!(matches!(store.redeem(&presented(id, 0, None)), Err(StoreError::Away(_))));
    }
    server.signal("CONT");
    assert!(matches!(redeem(&calm, id, 0, None), Outcome::Rotated(_)));
}

#[test]
fn a_start_waits_for_a_redis_that_is_slow_and_not_for_one_that_is_gone() {
    let (_calm, mut server) = fresh();
    let store = RedisStore::open_with(&server.address(), REMEMBER, HASTE).unwrap();
    server.signal("STOP");
    assert!(matches!(store.newest_key(), Err(StoreError::Away(_))));
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| store.wait_until_it_answers());
        server.signal("CONT");
        assert!(waiting.join().unwrap().is_ok());
    });
    server.kill();
    assert!(
        matches!(store.wait_until_it_answers(), Err(StoreError::Away(why)) if why == "nothing listens at its address")
    );
}

#[test]
fn a_record_that_is_damaged_is_an_error_and_left_alone() {
    let (store, server) = fresh();
    let id = kept(&store, &grant(1));
    for bad in ["", "{}", "null", "{\"m\":1}", "\u{1}", "\u{1}\0\0mark", "\u{2}", "\u{2}\0\0instantsmarkgenr"] {
        server.ask::<()>(redis::cmd("SET").arg(grant_key(id)).arg(bad));
        assert!(matches!(store.redeem(&presented(id, 0, None)), Err(StoreError::Damaged(_))), "{bad}");
        assert_eq!(raw(&server, id), bad.as_bytes());
    }
}

/// What the wire does with a script that goes over it.
#[derive(Clone, Copy)]
enum Does {
    PassesOn = 0,
    /// Redis runs it, and its answer is lost.
    LosesTheAnswer = 1,
    /// Redis gets it when the wire is told to let go.
    HoldsItBack = 2,
}

/// A wire between a store and Redis.
struct Wire {
    does: Arc<AtomicU8>,
    /// Whether it lost an answer, or holds a script.
    caught: Arc<AtomicBool>,
    /// Held-back scripts go when this is dropped; whoever waits for `done` knows that they ran.
    release: Option<std::sync::mpsc::Sender<()>>,
    done: std::sync::mpsc::Receiver<()>,
    folder: TempDir,
}

impl Wire {
    fn to(server: &RedisServer) -> Self {
        let folder = tempfile::Builder::new().prefix("plr-").tempdir().unwrap();
        let listener = UnixListener::bind(folder.path().join("wire.sock")).unwrap();
        let (does, caught) = (Arc::new(AtomicU8::new(0)), Arc::new(AtomicBool::new(false)));
        let (release, released) = std::sync::mpsc::channel::<()>();
        let (tell, done) = std::sync::mpsc::channel();
        let released = Arc::new(std::sync::Mutex::new(released));
        let (socket, mode, has) = (server.socket(), does.clone(), caught.clone());
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let (client, redis) = (client.unwrap(), UnixStream::connect(&socket).unwrap());
                let (mode, has, released, tell) = (mode.clone(), has.clone(), released.clone(), tell.clone());
                std::thread::spawn(move || carry(client, redis, (&mode, &has), &released, &tell));
            }
        });
        Self { does, caught, release: Some(release), done, folder }
    }

    fn store(&self) -> RedisStore {
        let address = format!("redis+unix://{}", self.folder.path().join("wire.sock").display());
        RedisStore::open_with(&address, REMEMBER, HASTE).unwrap()
    }

    fn does(&self, what: Does) {
        self.does.store(what as u8, Ordering::SeqCst);
    }

    /// Has the swap of this redemption lost or held back, however slow the machine is, and all that follow too.
    fn catches(&self, what: Does, store: &RedisStore, presented: &Redemption) {
        self.does(what);
        while !self.caught.load(Ordering::SeqCst) {
            assert!(matches!(store.redeem(presented), Err(StoreError::Away(_))));
        }
    }

    /// Lets go of what it held back, and waits until Redis has run it.
    fn lets_go(&mut self) {
        self.release = None;
        self.done.recv().unwrap();
    }
}

/// One question and its answer after the other: whole, for all of ours fit one packet of a local socket.
fn carry(
    mut client: UnixStream,
    mut redis: UnixStream,
    (does, caught): (&AtomicU8, &AtomicBool),
    released: &std::sync::Mutex<std::sync::mpsc::Receiver<()>>,
    done: &std::sync::mpsc::Sender<()>,
) {
    let mut buffer = [0; 65_536];
    while let Ok(length @ 1..) = client.read(&mut buffer) {
        let script = buffer[..length].windows(7).any(|window| window == b"EVALSHA");
        let does = if script { does.load(Ordering::SeqCst) } else { Does::PassesOn as u8 };
        if does == Does::HoldsItBack as u8 {
            caught.store(true, Ordering::SeqCst);
            released.lock().unwrap().recv().ok();
        }
        redis.write_all(&buffer[..length]).unwrap();
        let length = redis.read(&mut buffer).unwrap();
        if does != Does::PassesOn as u8 {
            caught.store(true, Ordering::SeqCst);
            done.send(()).ok();
            continue;
        }
        if client.write_all(&buffer[..length]).is_err() {
            return;
        }
    }
}

/// As a client does: again, as long as Redis is away.
fn at_last(store: &RedisStore, presented: &Redemption) -> Outcome {
    loop {
        match store.redeem(presented) {
            Err(StoreError::Away(_)) => {}
            outcome => return outcome.unwrap(),
        }
    }
}

/// A grant of which Redis has seen all scripts already, and the wire.
fn wired() -> (RedisServer, RedisStore, Wire, GrantId) {
    let (direct, server) = fresh();
    let wire = Wire::to(&server);
    let id = kept(&direct, &grant(1));
    redeem(&direct, id, 0, None);
    (server, direct, wire, id)
}

#[test]
fn a_rotation_whose_answer_redis_lost_gives_the_old_token_a_way_back_without_key_or_window() {
    let (server, direct, wire, id) = wired();
    let store = wire.store();
    wire.catches(Does::LosesTheAnswer, &store, &presented(id, 1, None));
    assert_eq!(direct.grant(id).unwrap().unwrap().generation, 2, "it was made all the same");
    wire.does(Does::PassesOn);
    assert!(matches!(at_last(&store, &presented(id, 1, None)), Outcome::Repeated(grant) if grant.generation == 2));
    assert!(matches!(redeem(&direct, id, 1, None), Outcome::Repeated(_)), "other processes know it too");
    assert!(matches!(redeem(&direct, id, 2, None), Outcome::Rotated(_)));
    assert_eq!(redeem(&direct, id, 2, None), Outcome::Reused, "this answer was not lost");
    drop(server);
}

#[test]
fn a_lost_answer_is_settled_without_another_request() {
    let (_server, direct, wire, id) = wired();
    let store = wire.store();
    wire.catches(Does::LosesTheAnswer, &store, &presented(id, 1, None));
    wire.does(Does::PassesOn);
    while !direct.grant(id).unwrap().unwrap().answer_lost {
        std::thread::yield_now();
    }
    assert!(matches!(redeem(&direct, id, 1, None), Outcome::Repeated(_)));
}

#[test]
fn a_rotation_that_was_answered_503_is_not_made_behind_the_back_of_the_one_that_followed() {
    let (server, _direct, mut wire, id) = wired();
    let store = wire.store();
    wire.catches(Does::HoldsItBack, &store, &presented(id, 1, Some(KEY)));
    wire.does(Does::PassesOn);
    let outcome = at_last(&store, &presented(id, 1, None));
    let (Outcome::Rotated(grant) | Outcome::Repeated(grant)) = &outcome else { panic!("{outcome:?}") };
    assert_eq!((grant.generation, grant.keys.of_rotation(0)), (2, None), "the second made it, not the first");
    let before = raw(&server, id);
    wire.lets_go();
    assert_eq!(raw(&server, id), before);
}

#[test]
fn a_rotation_that_comes_after_another_process_decided_changes_nothing() {
    let (server, direct, mut wire, id) = wired();
    let store = wire.store();
    wire.catches(Does::HoldsItBack, &store, &presented(id, 1, Some(KEY)));
    wire.does(Does::PassesOn);
    assert!(matches!(redeem(&direct, id, 1, Some(KEY)), Outcome::Rotated(_)), "the client repeats at another server");
    let before = raw(&server, id);
    wire.lets_go();
    assert_eq!(raw(&server, id), before);
    assert!(matches!(redeem(&direct, id, 2, None), Outcome::Rotated(_)));
}

#[test]
fn nobody_decides_on_a_grant_that_is_in_doubt_until_redis_says_which() {
    let (_server, _direct, wire, id) = wired();
    let store = wire.store();
    wire.catches(Does::LosesTheAnswer, &store, &presented(id, 1, None));
    for _ in 0..3 {
        assert!(matches!(store.redeem(&presented(id, 1, None)), Err(StoreError::Away(_))), "nothing, not even reuse");
    }
    wire.does(Does::PassesOn);
    assert!(matches!(at_last(&store, &presented(id, 1, None)), Outcome::Repeated(_)));
}
