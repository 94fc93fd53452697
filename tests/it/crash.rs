//! Promises P2 and P9 under `kill -9`: no crash costs a grant where the server knows the key, and where it does not, only an
//! answer that died on the wire does. The long version is `cargo xtask torture`.

use pilotlight_tests::torture::{Bench, Keys, Points, Side, Tally, kill_at_random_instants, sweep};
use pilotlight_tests::wait;

const SEED: u64 = 20_260;

/// Killed after the server did its work and before the answer arrives; then started again.
fn killed_before_the_answer(keys: Keys) -> (Bench, Result<u64, String>) {
    let bench = Bench::wired(keys);
    bench.wire().hold(Side::Answers);
    let mut victim = bench.victim(&["refresh", "1"]);
    wait::until("the answer", || (bench.rotations() == 1 && bench.wire().held() == 1).then_some(()));
    victim.kill();
    bench.wire().release();
    bench.wait_for_quiet();
    let outcome = bench.victim(&["refresh", "1"]).first_refresh().map_err(|failure| failure.code);
    (bench, outcome)
}

#[test]
fn a_kill_while_the_answer_is_on_its_way_costs_nothing_where_the_server_knows_the_key() {
    let (bench, outcome) = killed_before_the_answer(Keys::Passed);
    assert_eq!(outcome, Ok(1));
    assert_eq!(bench.server().refreshes(), ["rotated", "repeated"]);
    assert_eq!(bench.victim(&["refresh", "1"]).first_refresh(), Ok(2));
}

#[test]
fn a_kill_while_the_answer_is_on_its_way_from_a_strict_server_is_told_as_a_lost_answer_and_a_sign_in_mends_it() {
    let (bench, outcome) = killed_before_the_answer(Keys::Stripped);
    assert_eq!(outcome, Err("lost_answer".to_owned()));
    assert_eq!(bench.server().refreshes(), ["rotated", "reused"]);
    bench.sign_in();
    assert_eq!(bench.victim(&["refresh", "1"]).first_refresh(), Ok(1));
}

#[test]
fn a_dead_process_whose_request_arrives_after_its_repeat_was_answered_and_used_ends_nothing() {
    let bench = Bench::wired(Keys::Passed);
    bench.wire().hold(Side::Requests);
    let mut victim = bench.victim(&["refresh", "1"]);
    wait::until("the request", || (bench.wire().held() == 1).then_some(()));
    victim.kill();
    bench.wire().pass();
    let mut next = bench.victim(&["refresh", "2"]);
    next.wait_until_it_ended();
    bench.wire().release();
    bench.wait_for_quiet();
    assert_eq!(bench.server().refreshes(), ["rotated", "rotated", "late"]);
    assert_eq!(bench.victim(&["refresh", "1"]).first_refresh(), Ok(3));
}

#[test]
fn kills_at_random_instants_lose_no_grant_where_the_server_knows_the_key() {
    let tally = kill_at_random_instants(Keys::Passed, 40, SEED, &quietly);
    assert_eq!((tally.kills, tally.losses()), (40, 0), "seed {SEED}: {tally:?}");
    assert!(tally.troubles.is_empty(), "seed {SEED}: {tally:?}");
}

#[test]
fn kills_at_random_instants_at_a_strict_server_lose_only_answers_that_died_on_the_wire() {
    let tally = kill_at_random_instants(Keys::Stripped, 40, SEED, &quietly);
    assert!(tally.troubles.is_empty(), "seed {SEED}: {tally:?}");
    assert!(tally.refreshes > 0, "seed {SEED}: {tally:?}");
}

#[test]
fn kills_at_a_sample_of_the_system_calls_of_a_refresh_lose_no_grant() {
    let tally = sweep(Points::Sample(30), SEED, &quietly);
    assert!(tally.troubles.is_empty(), "seed {SEED}: {tally:?}");
    // Some of them came between the server's rotation and the vault's commit, or the sample shows nothing.
    assert!(tally.kills > 20 && tally.repeated > 0, "seed {SEED}: {tally:?}");
}

fn quietly(_: &Tally) {}
