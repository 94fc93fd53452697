//! Fail-overs: a master and its replica, and a Sentinel whose word is the test's, or Redis's own.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};

use super::cluster::free_ports;
use super::*;

/// A redis-server that others reach by a port.
struct Node {
    redis: RedisServer,
    port: u16,
}

impl Node {
    fn start() -> Self {
        let [port] = free_ports();
        let arguments = ["--bind", "127.0.0.1", "--repl-diskless-sync-delay", "0", "--port", &port.to_string()];
        Self { redis: RedisServer::with(&arguments), port }
    }

    fn follow(&self, master: &Self) {
        self.redis.ask::<()>(redis::cmd("REPLICAOF").arg("127.0.0.1").arg(master.port));
        until(|| self.is("master_link_status:up") && self.is("role:slave"));
        until(|| master.is("state=online"));
    }

    /// As Sentinel does it: it is the master of what it has, and whoever was connected to a replica is cut off.
    fn lead(&self) {
        self.redis.ask::<()>(redis::cmd("REPLICAOF").arg("NO").arg("ONE"));
    }

    /// Waits until that grant is there.
    fn hears_of(&self, id: GrantId) {
        until(|| self.redis.ask::<bool>(redis::cmd("EXISTS").arg(grant_key(id))));
    }

    fn is(&self, part: &str) -> bool {
        let client = redis::Client::open(self.redis.address()).unwrap();
        let ask = |mut connection| redis::cmd("INFO").arg("replication").query::<String>(&mut connection);
        client.get_connection().and_then(ask).is_ok_and(|told| told.contains(part))
    }
}

/// A master and the replica that has all of it.
fn pair() -> (Node, Node) {
    let (master, replica) = (Node::start(), Node::start());
    replica.follow(&master);
    (master, replica)
}

/// Asks again and again, yet not at full speed: each question is a connection, and its port is not free again for a minute.
fn until(ready: impl Fn() -> bool) {
    while !ready() {
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

/// A Sentinel that names whom the test says; nobody, and it is silent.
struct Word {
    port: u16,
    named: Arc<Mutex<Option<u16>>>,
}

impl Word {
    fn of(node: &Node) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let named = Arc::new(Mutex::new(Some(node.port)));
        let word = named.clone();
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let (mut client, word) = (client.unwrap(), word.clone());
                std::thread::spawn(move || {
                    let mut buffer = [0; 1024];
                    while let Ok(1..) = client.read(&mut buffer) {
                        let named = *word.lock().unwrap_or_else(PoisonError::into_inner);
                        let Some(port) = named.map(|port| port.to_string()) else { continue };
                        let answer = format!("*2\r\n$9\r\n127.0.0.1\r\n${}\r\n{port}\r\n", port.len());
                        client.write_all(answer.as_bytes()).ok();
                    }
                });
            }
        });
        Self { port, named }
    }

    fn names(&self, node: Option<&Node>) {
        *self.named.lock().unwrap() = node.map(|node| node.port);
    }

    fn address(&self, replicas: u32) -> String {
        format!("redis+sentinel://127.0.0.1:{}/main?replicas={replicas}", self.port)
    }

    fn store(&self, replicas: u32, patience: Duration) -> RedisStore {
        RedisStore::open_with(&self.address(replicas), REMEMBER, patience).unwrap()
    }
}

/// As servers do it, with many others at once; again, as long as Redis is away.
fn queued(store: &RedisStore, id: GrantId, generation: u32) -> Outcome {
    loop {
        let (reply, answer) = std::sync::mpsc::channel();
        let asked = presented(id, generation, Some(KEY));
        store.redeem_then(asked, Box::new(move |outcome| reply.send(outcome).unwrap()));
        match answer.recv().unwrap() {
            Err(StoreError::Away(_)) => std::thread::yield_now(),
            outcome => return outcome.unwrap(),
        }
    }
}

#[test]
fn a_fail_over_that_lost_the_last_rotations_is_healed() {
    let (mut master, replica) = pair();
    let word = Word::of(&master);
    let store = word.store(1, CALM);
    let id = kept(&store, &grant(1));
    // From here on the replica hears nothing more.
    replica.lead();
    for generation in 0..3 {
        assert!(matches!(queued(&store, id, generation), Outcome::Rotated(_)));
    }
    master.redis.kill();
    assert!(matches!(store.redeem(&presented(id, 3, None)), Err(StoreError::Away(_))));
    word.names(Some(&replica));
    assert!(matches!(queued(&store, id, 3), Outcome::Healed(grant) if grant.generation == 4));
    assert!(matches!(queued(&store, id, 3), Outcome::Repeated(grant) if grant.generation == 4));
    assert!(matches!(queued(&store, id, 4), Outcome::Rotated(_)));
}

#[test]
fn a_master_that_was_cut_off_and_does_not_know_a_grant_is_not_believed() {
    let (old, new) = pair();
    let word = Word::of(&old);
    let (one, two) = (word.store(0, CALM), word.store(0, CALM));
    let elder = kept(&one, &grant(1));
    new.hears_of(elder);
    assert!(matches!(queued(&one, elder, 0), Outcome::Rotated(_)));
    // The old master still believes that it is one, and the first process still has its connection.
    new.lead();
    word.names(Some(&new));
    let young = kept(&two, &grant(2));
    for redeem in [queued, |store: &RedisStore, id, _| redeem(store, id, 1, None)] {
        let outcome = redeem(&one, young, 0);
        assert!(matches!(outcome, Outcome::Rotated(_)), "{outcome:?}");
    }
    let third = kept(&two, &grant(3));
    let (now, fresh) = (Timestamp::from_secs(0), word.store(0, CALM));
    assert_eq!(one.revoke(third, Reason::SignedOut, now).unwrap(), Some(true), "a sign-out reaches it too");
    assert_eq!(redeem(&fresh, third, 0, None), Outcome::Revoked(Reason::SignedOut));
    assert_eq!(redeem(&fresh, GrantId([9; 16]), 0, None), Outcome::Unknown, "what is nowhere is told as such");
}

#[test]
fn what_a_master_took_after_it_had_lost_its_place_is_healed() {
    let (old, new) = pair();
    let word = Word::of(&old);
    let (one, two) = (word.store(0, CALM), word.store(0, CALM));
    let id = kept(&one, &grant(1));
    new.hears_of(id);
    new.lead();
    word.names(Some(&new));
    assert!(matches!(queued(&one, id, 0), Outcome::Rotated(_)), "at the old one");
    assert!(matches!(queued(&two, id, 1), Outcome::Healed(grant) if grant.generation == 2), "at the new one");
    assert!(matches!(queued(&one, id, 2), Outcome::Healed(_)), "the two take turns, and nobody is told an end");
    old.follow(&new);
    assert!(matches!(queued(&one, id, 3), Outcome::Healed(grant) if grant.generation == 4));
    assert!(matches!(queued(&two, id, 4), Outcome::Rotated(_)));
}

#[test]
fn a_node_that_is_a_replica_by_now_decides_nothing() {
    let (old, new) = pair();
    let word = Word::of(&old);
    let store = word.store(0, CALM);
    let id = kept(&store, &grant(1));
    new.hears_of(id);
    new.lead();
    old.follow(&new);
    // Sentinel has not said so yet.
    for _ in 0..3 {
        assert!(matches!(store.redeem(&presented(id, 0, None)), Err(StoreError::Away(_))));
        assert!(matches!(store.redeem(&presented(GrantId([9; 16]), 0, None)), Err(StoreError::Away(_))));
    }
    word.names(Some(&new));
    assert!(matches!(queued(&store, id, 0), Outcome::Rotated(_)));
}

#[test]
fn a_grant_begins_and_ends_only_where_a_replica_has_it_and_refreshes_go_on_without_one() {
    let (master, replica) = pair();
    let word = Word::of(&master);
    let patient = word.store(1, CALM);
    let [id, other] = [1, 2].map(|n| kept(&patient, &grant(n)));
    let hasty = word.store(1, Duration::from_secs(1));
    replica.redis.signal("STOP");
    assert!(matches!(hasty.add_grant(&grant(3)), Err(StoreError::Away(_))), "nobody is given what a fail-over loses");
    assert_eq!(patient.grant(GrantId([3; 16])).unwrap(), None, "and nothing is left of it");
    let now = Timestamp::from_secs(0);
    assert!(matches!(hasty.revoke(other, Reason::SignedOut, now), Err(StoreError::Away(_))));
    assert!(matches!(queued(&hasty, id, 0), Outcome::Rotated(_) | Outcome::Repeated(_)));
    replica.redis.signal("CONT");
    kept(&patient, &grant(3));
    let (mut gone, after) = (master, replica);
    gone.redis.kill();
    after.lead();
    word.names(Some(&after));
    let store = word.store(0, CALM);
    assert!(matches!(queued(&store, GrantId([3; 16]), 0), Outcome::Rotated(_)), "the youngest grant is there");
}

#[test]
fn a_sentinel_or_a_master_that_does_not_answer_is_an_error_in_time() {
    let (silent, node) = (TcpListener::bind("127.0.0.1:0").unwrap(), Node::start());
    let word = Word::of(&node);
    let calm = word.store(0, CALM);
    let id = kept(&calm, &grant(1));
    let hasty = word.store(0, HASTE);
    word.names(None);
    assert!(matches!(hasty.redeem(&presented(id, 0, None)), Err(StoreError::Away(_))), "a silent Sentinel");
    word.names(Some(&node));
    node.redis.signal("STOP");
    assert!(matches!(hasty.redeem(&presented(id, 0, None)), Err(StoreError::Away(_))), "a silent master");
    node.redis.signal("CONT");
    // Beside one that is silent, another one that speaks is found, and asked first from then on.
    let both = format!(
        "redis+sentinel://127.0.0.1:{},127.0.0.1:{}/main?replicas=0",
        silent.local_addr().unwrap().port(),
        word.port
    );
    let store = RedisStore::open_with(&both, REMEMBER, Duration::from_secs(1)).unwrap();
    assert!(matches!(queued(&store, id, 0), Outcome::Rotated(_)));
}

/// A Sentinel of Redis's own, that starts a fail-over when it is told to, and not because the machine is busy.
struct Sentinel {
    child: Child,
    port: u16,
    _folder: TempDir,
}

impl Drop for Sentinel {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

impl Sentinel {
    fn watch(master: &Node) -> Self {
        let [port] = free_ports();
        let folder = tempfile::Builder::new().prefix("pls-").tempdir().unwrap();
        let file = folder.path().join("sentinel.conf");
        let lines = format!(
            "port {port}\nbind 127.0.0.1\ndir {}\nsentinel monitor main 127.0.0.1 {} 1\n\
             sentinel down-after-milliseconds main 600000\n",
            folder.path().display(),
            master.port,
        );
        std::fs::write(&file, lines).unwrap();
        let mut command = Command::new("redis-server");
        let child =
            command.arg(file).arg("--sentinel").stdout(Stdio::null()).spawn().expect("redis-server is installed");
        let sentinel = Self { child, port, _folder: folder };
        until(|| sentinel.told::<Vec<redis::Value>>("REPLICAS").is_some_and(|replicas| !replicas.is_empty()));
        sentinel
    }

    fn address(&self) -> String {
        format!("redis+sentinel://127.0.0.1:{}/main", self.port)
    }

    /// Has it make the replica the master, and waits until it says so. It refuses where it has not looked at the replica yet.
    fn fails_over_to(&self, node: &Node) {
        until(|| self.told::<String>("FAILOVER").is_some() || self.names(node));
        until(|| self.names(node) && node.is("role:master"));
    }

    fn names(&self, node: &Node) -> bool {
        self.told::<(String, u16)>("GET-MASTER-ADDR-BY-NAME").is_some_and(|(_, port)| port == node.port)
    }

    fn told<T: redis::FromRedisValue>(&self, question: &str) -> Option<T> {
        let client = redis::Client::open(format!("redis://127.0.0.1:{}", self.port)).unwrap();
        redis::cmd("SENTINEL").arg(question).arg("main").query(&mut client.get_connection().ok()?).ok()
    }
}

/// Refreshes one grant until `enough`, and repeats with the same key whatever was not answered. Gives its generation.
fn repeat_until(store: &RedisStore, id: GrantId, mut generation: u32, enough: impl Fn(u32) -> bool) -> u32 {
    while !enough(generation) {
        let outcome = queued(store, id, generation);
        let (Outcome::Rotated(next) | Outcome::Healed(next) | Outcome::Repeated(next)) = &outcome else {
            panic!("signed out at generation {generation}: {outcome:?}");
        };
        assert_eq!(next.generation, generation + 1);
        generation = next.generation;
    }
    generation
}

#[test]
fn a_fail_over_by_sentinel_under_load_signs_nobody_out() {
    let (mut master, replica) = pair();
    let sentinel = Sentinel::watch(&master);
    let store = RedisStore::open_with(&sentinel.address(), REMEMBER, Duration::from_secs(1)).unwrap();
    let ids = [1, 2, 3, 4].map(|n| {
        while store.add_grant(&grant(n)).is_err() {}
        GrantId([n; 16])
    });
    let over = AtomicBool::new(false);
    let during = std::thread::scope(|scope| {
        let (store, over) = (&store, &over);
        let clients = ids.map(|id| {
            scope.spawn(move || {
                let before = repeat_until(store, id, 0, |generation| generation >= 20);
                let during = repeat_until(store, id, before, |_| over.load(Ordering::Relaxed));
                repeat_until(store, id, during, |generation| generation >= during + 20)
            })
        });
        until(|| ids.iter().all(|id| master_generation(&master, *id) >= 10));
        master.redis.kill();
        sentinel.fails_over_to(&replica);
        over.store(true, Ordering::Relaxed);
        clients.map(|client| client.join().unwrap())
    });
    // The old one comes back with what it had, and believes itself the master until it is told.
    master.redis.resume();
    let after: Vec<u32> = ids
        .iter()
        .zip(during)
        .map(|(id, generation)| repeat_until(&store, *id, generation, |now| now >= generation + 20))
        .collect();
    master.follow(&replica);
    for (id, generation) in ids.into_iter().zip(after) {
        let last = repeat_until(&store, id, generation, |now| now >= generation + 20);
        let kept = store.grant(id).unwrap().unwrap();
        assert_eq!((kept.generation, kept.revoked), (last, None));
    }
}

fn master_generation(master: &Node, id: GrantId) -> u32 {
    let record: Vec<u8> = master.redis.ask(redis::cmd("GET").arg(grant_key(id)));
    Marked::read(id, &record).unwrap().grant.generation
}
