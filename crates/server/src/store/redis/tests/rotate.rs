//! The script that rotates, against the rule that it stands for.

use proptest::prelude::*;

use super::*;
use crate::grant::{KeyHash, REMEMBERED_KEYS};
use crate::store::redis::rotate::{Rotated, Rotation};

const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);
const IDLE: Duration = Duration::from_secs(60);

fn asked(server: &RedisServer) -> u64 {
    let stats: String = server.ask(redis::cmd("INFO").arg("commandstats"));
    let calls = |line: &str| line.split_once("calls=")?.1.split(',').next()?.parse::<u64>().ok();
    // Of a script, what it calls is counted too.
    let by_clients = stats.lines().filter(|line| !line.contains("cmdstat_info") && !line.contains("cmdstat_config"));
    by_clients.filter_map(calls).sum()
}

#[test]
fn a_refresh_is_one_question() {
    let (store, server) = fresh();
    let id = kept(&store, &grant(1));
    redeem(&store, id, 0, None);
    server.ask::<()>(redis::cmd("CONFIG").arg("RESETSTAT"));
    for (generation, key) in [(1, None), (2, Some(KEY)), (3, Some(KEY))] {
        assert!(matches!(redeem(&store, id, generation, key), Outcome::Rotated(_)));
    }
    // The script, its GET and its SET.
    assert_eq!(asked(&server), 3 * 3);
}

#[test]
fn a_rotation_that_is_sent_twice_is_made_once_and_known_again() {
    let (store, server) = fresh();
    let id = kept(&store, &grant(1));
    let presented = presented(id, 0, Some(KEY));
    let rotation = Rotation::of(&presented, REMEMBER).unwrap();
    let mut made = Vec::new();
    for _ in 0..2 {
        let ask = |connection: &mut dyn ConnectionLike| rotation.ask(&store.rotate, connection);
        let Rotated::Made(outcome) = rotation.read(&presented, store.connections.ask_once(ask).unwrap()).unwrap()
        else {
            panic!("left alone");
        };
        made.push((outcome, raw(&server, id)));
    }
    assert_eq!(made[0], made[1]);
    assert_eq!(redeem(&store, id, 0, None), Outcome::Reused, "somebody else's is told from it");
}

#[test]
fn to_a_redis_that_is_known_to_be_frozen_no_rotation_is_sent() {
    let (calm, server) = fresh();
    let ids: Vec<GrantId> = (1..6).map(|n| kept(&calm, &grant(n))).collect();
    let store = RedisStore::open_with(&server.address(), REMEMBER, HASTE).unwrap();
    store.wait_until_it_answers().unwrap();
    server.signal("STOP");
    for id in &ids {
        assert!(matches!(store.redeem(&presented(*id, 0, None)), Err(StoreError::Away(_))));
    }
    let in_doubt = ids.iter().filter(|id| store.unsettled.doubts(**id)).count();
    server.signal("CONT");
    assert!(in_doubt <= 1, "{in_doubt}: only what went out on the connection that was there");
    for id in ids {
        assert!(matches!(at_last(&store, &presented(id, 0, None)), Outcome::Rotated(_) | Outcome::Repeated(_)));
    }
}

/// Whatever can stand in a record and matters to a rotation, and what is asked of it.
#[derive(Debug, Clone)]
struct Case {
    grant: Grant,
    presented: Redemption,
}

fn case() -> impl Strategy<Value = Case> {
    let key = || prop::option::of(any::<KeyHash>());
    let rare =
        prop::sample::select(vec!["", "", "", "ends", "uses", "bound", "revoked", "lost", "resources", "origin"]);
    let asked = prop::sample::select(vec!["", "", "", "scope", "resource", "proof", "client", "few keys"]);
    let of_grant = (0..4_u32, -2..60_i64, prop::collection::vec(key(), 0..9), rare, 0..3_usize);
    (of_grant, 0..4_u32, key(), asked).prop_map(|((current, millis, keys, rare, client), generation, key, asked)| {
        let client = ["a", "app", "änderung"][client];
        let mut grant = Grant {
            generation: current,
            rotated_at: Timestamp::from_millis(NOW.minus(IDLE).as_millis() + millis),
            keys: RecentKeys::new(keys),
            ..Grant::new(GrantId([1; 16]), "somebody".to_owned(), client.to_owned(), Scope::parse("openid x"), NOW)
        };
        match rare {
            "ends" => grant.ends_at = Some(NOW),
            "uses" => grant.uses = Some(2),
            "bound" => grant.bound_to = Some([7; 32]),
            "revoked" => grant.revoked = Some((NOW, Reason::Operator)),
            "lost" => grant.answer_lost = true,
            "resources" => grant.resources = vec!["https://api.example".to_owned()],
            "origin" => grant.device = Origin::new(Some("App/1"), Some([192, 0, 2, 1].into())),
            _ => {}
        }
        let mut presented = Redemption {
            client: client.to_owned(),
            now: NOW,
            idle: IDLE,
            ..presented(GrantId([1; 16]), generation, key)
        };
        match asked {
            "scope" => presented.scope = Some(Scope::parse("openid profile")),
            "resource" => presented.resources = vec!["https://api.example".to_owned()],
            "proof" => (presented.proven, presented.binds) = (Some([7; 32]), true),
            "client" => presented.client = "ap".to_owned(),
            "few keys" => presented.remembered_keys = REMEMBERED_KEYS - 1,
            _ => {}
        }
        Case { grant, presented }
    })
}

#[test]
fn a_script_rotates_what_the_rule_rotates_and_leaves_behind_what_the_rule_leaves_behind() {
    let (store, server) = fresh();
    let by_script = std::cell::Cell::new(0);
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(600));
    runner
        .run(&case(), |Case { grant, presented }| {
            let key = grant_key(grant.id);
            let before = Marked { grant: grant.clone(), mark: 1 };
            server.ask::<()>(redis::cmd("SET").arg(&key).arg(before.write()));
            let mut expected = grant;
            let outcome = expected.redeem(&presented);
            if let Some(rotation) = Rotation::of(&presented, REMEMBER) {
                let ask = |connection: &mut dyn ConnectionLike| rotation.ask(&store.rotate, connection);
                match rotation.read(&presented, store.connections.ask_once(ask).unwrap()).unwrap() {
                    Rotated::Made(made) => {
                        prop_assert_eq!(&made, &outcome);
                        let left = Marked { grant: expected.clone(), mark: rotation.doubt.mark };
                        prop_assert_eq!(raw(&server, presented.grant), left.write(), "as Rust writes it");
                        by_script.set(by_script.get() + 1);
                    }
                    Rotated::Left(is) => prop_assert_eq!(is, Some(before.write())),
                }
                server.ask::<()>(redis::cmd("SET").arg(&key).arg(before.write()));
            }
            prop_assert_eq!(store.redeem(&presented).unwrap(), outcome);
            prop_assert_eq!(store.grant(presented.grant).unwrap(), Some(expected));
            Ok(())
        })
        .unwrap();
    assert!(by_script.get() > 10, "{} of 600", by_script.get());
}

/// As requests do it, on a runtime; again, as long as Redis is away.
async fn soon(store: &RedisStore, presented: &Redemption) -> Outcome {
    loop {
        let (reply, answer) = tokio::sync::oneshot::channel();
        store.redeem_then(presented.clone(), Box::new(move |outcome| reply.send(outcome).unwrap()));
        match answer.await.unwrap() {
            Err(StoreError::Away(_)) => {}
            outcome => return outcome.unwrap(),
        }
    }
}

/// Redeems until the lane is open, which each that finds it closed has tried. The generation by then.
async fn until_the_lane_is_open(store: &RedisStore, id: GrantId, mut generation: u32) -> u32 {
    while !store.lane.as_ref().unwrap().is_open() {
        let outcome = soon(store, &presented(id, generation, Some(KEY))).await;
        let (Outcome::Rotated(next) | Outcome::Repeated(next)) = outcome else { panic!("{outcome:?}") };
        generation = next.generation;
    }
    generation
}

#[tokio::test]
async fn a_request_asks_redis_from_its_own_runtime_and_twice_where_its_grant_is_not_plain() {
    let (store, server) = fresh();
    let id = kept(&store, &grant(1));
    let limited = kept(&store, &Grant { uses: Some(9), ..grant(2) });
    let current = until_the_lane_is_open(&store, id, 0).await;
    server.ask::<()>(redis::cmd("CONFIG").arg("RESETSTAT"));
    assert!(matches!(soon(&store, &presented(id, current, Some(KEY))).await, Outcome::Rotated(_)));
    assert_eq!(asked(&server), 3, "the script, its GET and its SET");
    server.ask::<()>(redis::cmd("CONFIG").arg("RESETSTAT"));
    assert!(matches!(soon(&store, &presented(limited, 0, Some(KEY))).await, Outcome::Rotated(_)));
    assert_eq!(asked(&server), 2 + 3, "the script and its GET, and a swap");
    assert!(matches!(soon(&store, &presented(id, current, Some(KEY))).await, Outcome::Repeated(_)));
    assert_eq!(soon(&store, &presented(id, current, None)).await, Outcome::Reused);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_lost_on_the_lane_gives_the_old_token_a_way_back() {
    let (server, direct, wire, id) = wired();
    let store = wire.store();
    let current = until_the_lane_is_open(&store, id, 1).await;
    wire.does(Does::LosesTheAnswer);
    let (reply, answer) = tokio::sync::oneshot::channel();
    store.redeem_then(presented(id, current, None), Box::new(move |outcome| reply.send(outcome).unwrap()));
    assert!(matches!(answer.await.unwrap(), Err(StoreError::Away(_))));
    wire.does(Does::PassesOn);
    let outcome = soon(&store, &presented(id, current, None)).await;
    // Made, unless the wire was too slow to get it to Redis at all.
    let (Outcome::Repeated(grant) | Outcome::Rotated(grant)) = &outcome else { panic!("{outcome:?}") };
    assert_eq!(grant.generation, current + 1);
    until_the_lane_is_open(&store, id, current + 1).await;
    drop((server, direct));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_is_started_again_serves_the_requests_that_were_under_way() {
    let (store, mut server) = fresh();
    let id = kept(&store, &grant(1));
    let current = until_the_lane_is_open(&store, id, 0).await;
    server.kill();
    server.resume();
    let outcome = soon(&store, &presented(id, current, Some(KEY))).await;
    let (Outcome::Rotated(grant) | Outcome::Repeated(grant)) = &outcome else { panic!("{outcome:?}") };
    until_the_lane_is_open(&store, id, grant.generation).await;
}
