//! Any sequence of steps, over two handles and reopenings, does to a vault what it does to the memory vault.

use crate::suite::Bench;
use crate::{Attempt, GrantId, Listed, MemoryVault, Vault, VaultError};
use proptest::prelude::*;

/// One call.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    Create(u8, Vec<u8>),
    Attempt(u8, u64, u8),
    Forget(u8, u64, u8),
    Commit(u8, u64, Vec<u8>),
    Remove(u8),
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    let payload = || proptest::collection::vec(any::<u8>(), 0..600);
    // Three ids and few generations, so that steps meet.
    prop_oneof![
        3 => (0..3_u8, payload()).prop_map(|(id, payload)| Step::Create(id, payload)),
        3 => (0..3_u8, 0..4_u64, 0..8_u8).prop_map(|(id, generation, key)| Step::Attempt(id, generation, key)),
        1 => (0..3_u8, 0..4_u64, 0..8_u8).prop_map(|(id, generation, key)| Step::Forget(id, generation, key)),
        6 => (0..3_u8, 0..4_u64, payload()).prop_map(|(id, generation, payload)| Step::Commit(id, generation, payload)),
        1 => (0..3_u8).prop_map(Step::Remove),
        1 => Just(Step::Reopen),
    ]
}

fn take(vault: &dyn Vault, step: &Step) -> Result<u64, VaultError> {
    let id = |byte: &u8| GrantId::from_bytes([*byte; 16]);
    match step {
        Step::Create(byte, payload) => vault.create(&id(byte), payload),
        Step::Attempt(byte, generation, key) => {
            let saw = vault.load(&id(byte))?.and_then(|record| record.attempt).filter(|_| key % 4 != 0);
            let attempt = Attempt { idempotency_key: [*key; 16], started_at_ms: 5 };
            vault.begin_attempt(&id(byte), *generation, saw.as_ref(), &attempt).map(|()| 0)
        }
        Step::Forget(byte, generation, key) => {
            let attempt = Attempt { idempotency_key: [*key; 16], started_at_ms: 5 };
            vault.end_attempt(&id(byte), *generation, &attempt).map(|()| 0)
        }
        Step::Commit(byte, generation, payload) => vault.commit(&id(byte), *generation, payload),
        Step::Remove(byte) => vault.remove(&id(byte)).map(|()| 0),
        Step::Reopen => Ok(0),
    }
}

fn content(vault: &dyn Vault) -> Vec<(GrantId, u64, Vec<u8>, Option<Attempt>)> {
    let record = |listed| match listed {
        Listed::Record(record) => (record.id, record.generation, record.payload.to_vec(), record.attempt),
        Listed::Damaged { id } => panic!("{id}"),
    };
    vault.list().unwrap().into_iter().map(record).collect()
}

/// A sequence of steps, each with whether the other handle takes it.
pub(crate) fn steps() -> impl Strategy<Value = Vec<(Step, bool)>> {
    proptest::collection::vec((step(), any::<bool>()), 1..40)
}

/// Takes `steps` on a fresh vault of `bench`, and compares after each.
pub(crate) fn does_what_the_memory_does(bench: &impl Bench, steps: &[(Step, bool)]) -> Result<(), TestCaseError> {
    let memory = MemoryVault::default();
    let mut handles = [bench.handle(), bench.handle()];
    for (step, other) in steps {
        let handle = &mut handles[usize::from(*other)];
        if matches!(step, Step::Reopen) {
            *handle = bench.handle();
        }
        let (ours, expected) = (take(&**handle, step), take(&memory, step));
        prop_assert_eq!(format!("{ours:?}"), format!("{expected:?}"));
        prop_assert_eq!(content(&**handle), content(&memory));
    }
    Ok(())
}
