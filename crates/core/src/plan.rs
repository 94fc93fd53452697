//! What is due when: one ordered list for all grants, so that one timer serves them.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use pilotlight_vault::GrantId;

/// At most one instant for each grant.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    order: BTreeSet<(Duration, GrantId)>,
    due: HashMap<GrantId, Duration>,
}

impl Plan {
    /// Plans a grant for `due`, or takes it off the plan.
    pub(crate) fn set(&mut self, id: GrantId, due: Option<Duration>) {
        if let Some(before) = self.due.remove(&id) {
            self.order.remove(&(before, id));
        }
        if let Some(due) = due {
            self.due.insert(id, due);
            self.order.insert((due, id));
        }
    }

    /// The earliest instant.
    pub(crate) fn next(&self) -> Option<Duration> {
        self.order.first().map(|(due, _)| *due)
    }

    /// Takes off the plan what is due by `elapsed`, earliest first.
    pub(crate) fn take_due(&mut self, elapsed: Duration) -> Vec<GrantId> {
        let mut taken = vec![];
        while let Some((due, id)) = self.order.first().copied().filter(|(due, _)| *due <= elapsed) {
            self.order.remove(&(due, id));
            self.due.remove(&id);
            taken.push(id);
        }
        taken
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_plan_gives_each_grant_back_once_at_its_latest_instant(
            sets in prop::collection::vec((0_u8..20, prop::option::of(0_u64..100)), 0..200), until in 0_u64..100,
        ) {
            let (mut plan, mut wanted) = (Plan::default(), HashMap::new());
            for (id, due) in sets {
                let id = GrantId::from_bytes([id; 16]);
                plan.set(id, due.map(Duration::from_secs));
                wanted.insert(id, due);
            }
            let taken = plan.take_due(Duration::from_secs(until));
            let mut expected: Vec<_> =
                wanted.iter().filter_map(|(id, due)| due.filter(|due| *due <= until).map(|due| (due, *id))).collect();
            expected.sort();
            prop_assert_eq!(taken, expected.into_iter().map(|(_, id)| id).collect::<Vec<_>>());
            let left = wanted.values().flatten().filter(|due| **due > until).min();
            prop_assert_eq!(plan.next(), left.map(|due| Duration::from_secs(*due)));
        }
    }
}
