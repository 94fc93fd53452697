//! The suite that every strategy passes.
//!
//! A strategy names its tests with [`vault_suite!`](crate::vault_suite), and hands in what makes a [`Bench`]:
//!
//! ```
//! # use std::sync::Arc;
//! use pilotlight_vault::{MemoryVault, Vault, suite::Bench};
//!
//! #[derive(Default)]
//! struct Memory(Arc<MemoryVault>);
//!
//! impl Bench for Memory {
//!     fn handle(&self) -> Box<dyn Vault> {
//!         Box::new(Arc::clone(&self.0))
//!     }
//! }
//!
//! pilotlight_vault::vault_suite!(Memory::default);
//! ```

use std::sync::Barrier;

use crate::{Attempt, GrantId, Listed, MAX_PAYLOAD, Payload, Record, Vault, VaultError};

/// One fresh vault, and as many handles on it as a test asks for.
pub trait Bench: Sync {
    /// A handle on the vault: for a strategy with files, what another process would open.
    fn handle(&self) -> Box<dyn Vault>;
}

/// Names the tests of this suite for one strategy. `$make` is called for each and gives a fresh [`Bench`].
#[macro_export]
macro_rules! vault_suite {
    ($make:expr) => {
        $crate::vault_suite!($make;
            an_empty_vault_has_no_record,
            a_created_record_reads_back_at_generation_one,
            an_id_is_created_once,
            many_records_are_created_at_once_with_their_attempts,
            a_commit_moves_one_generation_on_and_replaces_the_payload,
            a_commit_of_another_generation_is_a_conflict_and_changes_nothing,
            a_commit_of_what_is_not_there_is_refused,
            an_attempt_stays_until_its_generation_is_committed,
            a_later_attempt_of_the_same_generation_replaces_the_earlier_one,
            an_attempt_of_another_generation_is_a_conflict,
            an_attempt_that_was_not_seen_is_neither_replaced_nor_forgotten,
            a_forgotten_attempt_is_gone_and_forgetting_again_is_fine,
            what_another_handle_wrote_is_told_once_and_ones_own_writes_are_not,
            neither_reading_nor_writing_swallows_what_another_handle_wrote,
            a_handle_that_is_opened_later_sees_everything,
            a_removed_record_is_gone_with_its_attempt_and_removing_again_is_fine,
            a_list_is_ordered_by_id_and_holds_every_record,
            payloads_of_every_length_up_to_the_limit_read_back,
            a_payload_over_the_limit_is_refused_and_changes_nothing,
            two_handles_see_each_others_steps,
            of_many_threads_that_commit_one_generation_exactly_one_wins,
            of_many_threads_that_create_one_id_exactly_one_wins,
            debug_output_shows_no_payload,
        );
    };
    ($make:expr; $($name:ident),* $(,)?) => {
        $(
            #[test]
            fn $name() {
                $crate::suite::$name(&($make)());
            }
        )*
    };
}

const ID: GrantId = GrantId::from_bytes([7; 16]);

fn attempt(number: u8) -> Attempt {
    Attempt { idempotency_key: [number; 16], started_at_ms: 1_700_000_000_000 + i64::from(number) }
}

#[expect(clippy::expect_used, reason = "a test's step")]
fn loaded(vault: &dyn Vault, id: &GrantId) -> Record {
    vault.load(id).expect("the vault reads").expect("the record is there")
}

fn assert_holds(vault: &dyn Vault, generation: u64, payload: &[u8], attempt: Option<&Attempt>) {
    let record = loaded(vault, &ID);
    assert_eq!(record.id, ID);
    assert_eq!(record.generation, generation);
    assert_eq!(record.payload.as_slice(), payload);
    assert_eq!(record.attempt.as_ref(), attempt);
}

/// See the name.
pub fn an_empty_vault_has_no_record(bench: &impl Bench) {
    let vault = bench.handle();
    assert!(matches!(vault.load(&ID), Ok(None)));
    assert!(matches!(vault.list().as_deref(), Ok([])));
}

/// See the name.
pub fn a_created_record_reads_back_at_generation_one(bench: &impl Bench) {
    let vault = bench.handle();
    assert!(matches!(vault.create(&ID, b"first"), Ok(1)));
    assert_holds(&*vault, 1, b"first", None);
}

/// See the name.
pub fn an_id_is_created_once(bench: &impl Bench) {
    let vault = bench.handle();
    assert!(matches!(vault.create(&ID, b"first"), Ok(1)));
    assert!(matches!(vault.create(&ID, b"second"), Err(VaultError::Conflict { actual: None })));
    assert_holds(&*vault, 1, b"first", None);
}

/// See the name.
pub fn many_records_are_created_at_once_with_their_attempts(bench: &impl Bench) {
    let vault = bench.handle();
    assert!(matches!(vault.create(&GrantId::from_bytes([9; 16]), b"before"), Ok(1)));
    // The generation is not what a move keeps.
    let record = |number: u8, attempt| Record {
        id: GrantId::from_bytes([number; 16]),
        generation: 40,
        payload: Payload::new(vec![number; 300]),
        attempt,
    };
    assert!(vault.create_all(&[record(1, None), record(2, Some(attempt(5))), record(3, None)]).is_ok());
    assert!(vault.create_all(&[]).is_ok());
    let second = loaded(&*vault, &GrantId::from_bytes([2; 16]));
    assert_eq!((second.generation, second.payload.as_slice()), (1, [2; 300].as_slice()));
    assert_eq!(second.attempt, Some(attempt(5)));
    assert_eq!(loaded(&*vault, &GrantId::from_bytes([3; 16])).attempt, None);
    assert!(matches!(vault.commit(&second.id, 1, b"goes on"), Ok(2)));
    let taken = vault.create_all(&[record(9, None)]);
    assert!(matches!(taken, Err(VaultError::Conflict { actual: None })));
    assert_eq!(loaded(&*vault, &GrantId::from_bytes([9; 16])).payload.as_slice(), b"before");
    assert!(matches!(vault.list().as_deref(), Ok([_, _, _, _])));
}

/// See the name.
pub fn a_commit_moves_one_generation_on_and_replaces_the_payload(bench: &impl Bench) {
    let vault = bench.handle();
    assert!(matches!(vault.create(&ID, b"first"), Ok(1)));
    for generation in 1..20 {
        let payload = format!("payload {generation}");
        assert!(matches!(vault.commit(&ID, generation, payload.as_bytes()), Ok(next) if next == generation + 1));
        assert_holds(&*vault, generation + 1, payload.as_bytes(), None);
    }
}

/// See the name.
pub fn a_commit_of_another_generation_is_a_conflict_and_changes_nothing(bench: &impl Bench) {
    let vault = bench.handle();
    assert!(matches!(vault.create(&ID, b"first"), Ok(1)));
    assert!(matches!(vault.commit(&ID, 1, b"second"), Ok(2)));
    for wrong in [0, 1, 3, u64::MAX] {
        let conflict = vault.commit(&ID, wrong, b"other");
        assert!(matches!(conflict, Err(VaultError::Conflict { actual: Some(2) })), "{wrong}");
    }
    assert_holds(&*vault, 2, b"second", None);
}

/// See the name.
pub fn a_commit_of_what_is_not_there_is_refused(bench: &impl Bench) {
    let vault = bench.handle();
    assert!(matches!(vault.commit(&ID, 1, b"any"), Err(VaultError::NotFound)));
    assert!(matches!(vault.begin_attempt(&ID, 1, None, &attempt(1)), Err(VaultError::NotFound)));
    assert!(matches!(vault.load(&ID), Ok(None)));
}

/// See the name.
pub fn an_attempt_stays_until_its_generation_is_committed(bench: &impl Bench) {
    let vault = bench.handle();
    assert!(matches!(vault.create(&ID, b"first"), Ok(1)));
    assert!(vault.begin_attempt(&ID, 1, None, &attempt(1)).is_ok());
    assert_holds(&*vault, 1, b"first", Some(&attempt(1)));
    assert_holds(&*bench.handle(), 1, b"first", Some(&attempt(1)));
    assert!(matches!(vault.commit(&ID, 1, b"second"), Ok(2)));
    assert_holds(&*vault, 2, b"second", None);
}

/// See the name.
pub fn a_later_attempt_of_the_same_generation_replaces_the_earlier_one(bench: &impl Bench) {
    let vault = bench.handle();
    assert!(matches!(vault.create(&ID, b"first"), Ok(1)));
    let mut saw = None;
    for number in [1, 2, 2] {
        assert!(vault.begin_attempt(&ID, 1, saw.as_ref(), &attempt(number)).is_ok());
        assert_holds(&*vault, 1, b"first", Some(&attempt(number)));
        saw = Some(attempt(number));
    }
}

/// Who read the record before somebody else noted an attempt must not overwrite or forget it: its key would be lost.
pub fn an_attempt_that_was_not_seen_is_neither_replaced_nor_forgotten(bench: &impl Bench) {
    let vault = bench.handle();
    assert!(matches!(vault.create(&ID, b"first"), Ok(1)));
    let stale = vault.begin_attempt(&ID, 1, Some(&attempt(7)), &attempt(8));
    assert!(matches!(stale, Err(VaultError::Conflict { actual: Some(1) })), "{stale:?}");
    assert_holds(&*vault, 1, b"first", None);
    assert!(vault.begin_attempt(&ID, 1, None, &attempt(1)).is_ok());
    let later = Attempt { started_at_ms: attempt(1).started_at_ms + 1, ..attempt(1) };
    for saw in [None, Some(&attempt(2)), Some(&later)] {
        let conflict = bench.handle().begin_attempt(&ID, 1, saw, &attempt(3));
        assert!(matches!(conflict, Err(VaultError::Conflict { actual: Some(1) })), "{conflict:?}");
    }
    for other in [attempt(2), later] {
        let conflict = vault.end_attempt(&ID, 1, &other);
        assert!(matches!(conflict, Err(VaultError::Conflict { actual: Some(1) })), "{conflict:?}");
    }
    assert_holds(&*bench.handle(), 1, b"first", Some(&attempt(1)));
}

/// See the name.
pub fn an_attempt_of_another_generation_is_a_conflict(bench: &impl Bench) {
    let vault = bench.handle();
    assert!(matches!(vault.create(&ID, b"first"), Ok(1)));
    assert!(matches!(vault.commit(&ID, 1, b"second"), Ok(2)));
    assert!(vault.begin_attempt(&ID, 2, None, &attempt(2)).is_ok());
    for wrong in [0, 1, 3, u64::MAX] {
        let conflict = vault.begin_attempt(&ID, wrong, Some(&attempt(2)), &attempt(9));
        assert!(matches!(conflict, Err(VaultError::Conflict { actual: Some(2) })), "{wrong}");
    }
    assert_holds(&*vault, 2, b"second", Some(&attempt(2)));
}

/// What was certainly not sent is forgotten, and its generation stays.
pub fn a_forgotten_attempt_is_gone_and_forgetting_again_is_fine(bench: &impl Bench) {
    let vault = bench.handle();
    assert!(vault.create(&ID, b"first").is_ok());
    assert!(vault.begin_attempt(&ID, 1, None, &attempt(1)).is_ok());
    assert!(vault.end_attempt(&ID, 1, &attempt(1)).is_ok());
    assert_holds(&*bench.handle(), 1, b"first", None);
    assert!(vault.end_attempt(&ID, 1, &attempt(1)).is_ok());
    assert!(matches!(vault.end_attempt(&ID, 2, &attempt(1)), Err(VaultError::Conflict { actual: Some(1) })));
    assert!(matches!(vault.end_attempt(&GrantId::from_bytes([9; 16]), 1, &attempt(1)), Err(VaultError::NotFound)));
}

/// A vault that nobody else can write to tells of nobody; one that others can, tells once.
pub fn what_another_handle_wrote_is_told_once_and_ones_own_writes_are_not(bench: &impl Bench) {
    let (one, other) = (bench.handle(), bench.handle());
    assert!(one.create(&ID, b"first").is_ok());
    assert!(matches!(one.changed_elsewhere(), Ok(false)));
    assert!(other.commit(&ID, 1, b"second").is_ok());
    let told = one.changed_elsewhere();
    assert!(matches!(told, Ok(told) if told == (one.strategy() != "memory")), "{told:?}");
    assert!(matches!(one.changed_elsewhere(), Ok(false)));
}

/// See the name.
pub fn neither_reading_nor_writing_swallows_what_another_handle_wrote(bench: &impl Bench) {
    let (one, other) = (bench.handle(), bench.handle());
    let foreign = one.strategy() != "memory";
    assert!(one.create(&ID, b"first").is_ok());
    assert!(matches!(one.changed_elsewhere(), Ok(false)));
    assert!(other.commit(&ID, 1, b"second").is_ok());
    assert_holds(&*one, 2, b"second", None);
    assert!(matches!(one.changed_elsewhere(), Ok(told) if told == foreign));
    assert!(other.commit(&ID, 2, b"third").is_ok());
    assert!(matches!(one.commit(&ID, 3, b"fourth"), Ok(4)));
    assert!(matches!(one.changed_elsewhere(), Ok(told) if told == foreign));
    assert!(other.remove(&ID).is_ok());
    assert!(matches!(one.changed_elsewhere(), Ok(told) if told == foreign));
    assert!(matches!(one.changed_elsewhere(), Ok(false)));
}

/// See the name.
pub fn a_handle_that_is_opened_later_sees_everything(bench: &impl Bench) {
    let (vault, other) = (bench.handle(), GrantId::from_bytes([8; 16]));
    assert!(vault.create(&ID, b"first").is_ok());
    assert!(vault.create(&other, b"other").is_ok());
    assert!(matches!(vault.commit(&ID, 1, b"second"), Ok(2)));
    assert!(vault.begin_attempt(&ID, 2, None, &attempt(3)).is_ok());
    drop(vault);
    let later = bench.handle();
    assert_holds(&*later, 2, b"second", Some(&attempt(3)));
    assert_eq!(loaded(&*later, &other).payload.as_slice(), b"other");
    assert_eq!(later.list().map(|records| records.len()).unwrap_or_default(), 2);
}

/// See the name.
pub fn a_removed_record_is_gone_with_its_attempt_and_removing_again_is_fine(bench: &impl Bench) {
    let vault = bench.handle();
    assert!(matches!(vault.create(&ID, b"first"), Ok(1)));
    assert!(vault.begin_attempt(&ID, 1, None, &attempt(1)).is_ok());
    assert!(vault.remove(&ID).is_ok());
    assert!(vault.remove(&ID).is_ok());
    assert!(matches!(vault.load(&ID), Ok(None)));
    assert!(matches!(vault.list().as_deref(), Ok([])));
    assert!(matches!(vault.create(&ID, b"again"), Ok(1)));
    assert_holds(&*vault, 1, b"again", None);
}

/// See the name.
pub fn a_list_is_ordered_by_id_and_holds_every_record(bench: &impl Bench) {
    let vault = bench.handle();
    for byte in [200, 3, 90, 0, 255] {
        assert!(matches!(vault.create(&GrantId::from_bytes([byte; 16]), &[byte]), Ok(1)));
    }
    assert!(vault.begin_attempt(&GrantId::from_bytes([90; 16]), 1, None, &attempt(4)).is_ok());
    let listed: Vec<_> = vault.list().unwrap_or_default().into_iter().map(seen).collect();
    let expected: Vec<_> = [0, 3, 90, 200, 255]
        .map(|byte| Some((GrantId::from_bytes([byte; 16]), vec![byte], (byte == 90).then(|| attempt(4)))))
        .into();
    assert_eq!(listed, expected);
}

fn seen(listed: Listed) -> Option<(GrantId, Vec<u8>, Option<Attempt>)> {
    match listed {
        Listed::Record(record) => Some((record.id, record.payload.to_vec(), record.attempt)),
        Listed::Damaged { .. } => None,
    }
}

/// See the name.
pub fn payloads_of_every_length_up_to_the_limit_read_back(bench: &impl Bench) {
    let vault = bench.handle();
    assert!(matches!(vault.create(&ID, b""), Ok(1)));
    assert_holds(&*vault, 1, b"", None);
    for (generation, length) in (1..).zip([1, 251, 252, 253, 4096, MAX_PAYLOAD]) {
        let payload: Vec<u8> = (0..length).map(|place| (place % 251) as u8).collect();
        assert!(matches!(vault.commit(&ID, generation, &payload), Ok(next) if next == generation + 1), "{length}");
        assert_holds(&*vault, generation + 1, &payload, None);
    }
}

/// See the name.
pub fn a_payload_over_the_limit_is_refused_and_changes_nothing(bench: &impl Bench) {
    let vault = bench.handle();
    let payload = vec![1; MAX_PAYLOAD + 1];
    assert!(matches!(vault.create(&ID, &payload), Err(VaultError::TooLarge(length)) if length == payload.len()));
    assert!(matches!(vault.load(&ID), Ok(None)));
    assert!(matches!(vault.create(&ID, b"first"), Ok(1)));
    assert!(matches!(vault.commit(&ID, 1, &payload), Err(VaultError::TooLarge(_))));
    assert_holds(&*vault, 1, b"first", None);
}

/// See the name.
pub fn two_handles_see_each_others_steps(bench: &impl Bench) {
    let (one, other) = (bench.handle(), bench.handle());
    assert!(matches!(one.create(&ID, b"first"), Ok(1)));
    assert_holds(&*other, 1, b"first", None);
    assert!(other.begin_attempt(&ID, 1, None, &attempt(1)).is_ok());
    assert_holds(&*one, 1, b"first", Some(&attempt(1)));
    assert!(matches!(one.commit(&ID, 1, b"second"), Ok(2)));
    assert!(matches!(other.commit(&ID, 1, b"lost"), Err(VaultError::Conflict { actual: Some(2) })));
    assert!(matches!(other.commit(&ID, 2, b"third"), Ok(3)));
    assert_holds(&*one, 3, b"third", None);
    assert!(one.remove(&ID).is_ok());
    assert!(matches!(other.load(&ID), Ok(None)));
}

/// Runs `step` on eight threads and two handles at once; gives what it returned.
fn race<T: Send>(bench: &impl Bench, step: impl Fn(&dyn Vault, u8) -> T + Sync) -> Vec<T> {
    let handles = [bench.handle(), bench.handle()];
    let start = Barrier::new(8);
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8_u8)
            .map(|number| {
                let (vault, start, step) = (&*handles[usize::from(number) % 2], &start, &step);
                scope.spawn(move || {
                    start.wait();
                    step(vault, number)
                })
            })
            .collect();
        threads.into_iter().filter_map(|thread| thread.join().ok()).collect()
    })
}

/// See the name.
pub fn of_many_threads_that_commit_one_generation_exactly_one_wins(bench: &impl Bench) {
    let vault = bench.handle();
    assert!(matches!(vault.create(&ID, b"first"), Ok(1)));
    for generation in 1..6 {
        let results = race(bench, |vault, number| vault.commit(&ID, generation, &[number]).map(|_| number));
        let winners: Vec<_> = results.iter().filter_map(|result| result.as_ref().ok()).collect();
        let conflicts = results.iter().filter(
            |result| matches!(result, Err(VaultError::Conflict { actual: Some(now) }) if *now == generation + 1),
        );
        assert_eq!((winners.len(), conflicts.count()), (1, 7), "{results:?}");
        assert_holds(&*vault, generation + 1, &[*winners[0]], None);
    }
}

/// See the name.
pub fn of_many_threads_that_create_one_id_exactly_one_wins(bench: &impl Bench) {
    let results = race(bench, |vault, number| vault.create(&ID, &[number]).map(|_| number));
    let winners: Vec<_> = results.iter().filter_map(|result| result.as_ref().ok()).collect();
    assert_eq!((winners.len(), results.len()), (1, 8), "{results:?}");
    assert_holds(&*bench.handle(), 1, &[*winners[0]], None);
}

/// See the name.
pub fn debug_output_shows_no_payload(bench: &impl Bench) {
    let vault = bench.handle();
    assert!(matches!(vault.create(&ID, b"canary"), Ok(1)));
    let shown = format!("{:?} {:?}", vault.load(&ID), vault.list());
    let bytes = format!("{:?}", b"canary").replace(['[', ']'], "");
    assert!(shown.contains(&ID.to_string()) || shown.contains("generation: 1"));
    assert!(!shown.contains("canary") && !shown.contains(&bytes), "{shown}");
}
