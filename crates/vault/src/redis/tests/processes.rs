//! Other processes, as other hosts would be: some that write the same vault, and some that are killed in the middle of it.

use super::{APP, Home, NAME, ONE};
use crate::other_process::{self, OtherProcess, assert_at_or_one_on, assert_each_generation_once, commit_often};
use crate::redis::{RedisKey, RedisVault};
use secrecy::SecretBox;

fn payload(generation: u64) -> Vec<u8> {
    format!("payload of {generation} ").repeat(40).into_bytes()
}

/// Not a test but the other process, which has to be a test to be in this program: it is told where Redis is.
#[test]
fn child() {
    let Some(orders) = other_process::orders() else { return };
    let key = SecretBox::new(Box::new([7; 32]));
    let vault = RedisVault::open(&orders[0].clone().into(), NAME, APP, &RedisKey::Bytes(&key)).unwrap();
    commit_often(&vault, &ONE, 100, payload).unwrap();
}

fn start(home: &Home) -> OtherProcess {
    OtherProcess::start("redis::tests::processes::child", &[home.server.url()])
}

#[test]
fn several_processes_commit_each_generation_once() {
    let home = Home::with_two_records();
    assert_each_generation_once((0..3).map(|_| start(&home)).collect(), 301);
}

#[test]
fn a_process_killed_at_any_moment_leaves_its_last_commit_or_the_next_one() {
    let home = Home::with_two_records();
    for round in 1..12 {
        let last = start(&home).kill_after(round);
        assert_at_or_one_on(&home.open().unwrap(), &ONE, last, payload);
    }
}
