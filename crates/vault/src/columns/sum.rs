//! The sum of all rows: shows a row that was put back from an older copy of its page, or taken away.

/// The MACs of all rows, added modulo 2^256: a change of one row costs two MACs, however many rows there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Sum([u64; 4]);

impl Sum {
    pub(super) fn of_bytes(bytes: [u8; 32]) -> Self {
        let mut limbs = [0; 4];
        for (limb, chunk) in limbs.iter_mut().zip(bytes.as_chunks().0) {
            *limb = u64::from_le_bytes(*chunk);
        }
        Self(limbs)
    }

    pub(super) fn to_bytes(self) -> [u8; 32] {
        let mut bytes = [0; 32];
        for (chunk, limb) in bytes.as_chunks_mut().0.iter_mut().zip(self.0) {
            *chunk = limb.to_le_bytes();
        }
        bytes
    }

    /// With the row of this MAC.
    pub(super) fn with(self, mac: [u8; 32]) -> Self {
        let mut carry = false;
        let mut limbs = self.0;
        for (limb, more) in limbs.iter_mut().zip(Self::of_bytes(mac).0) {
            let (sum, first) = limb.overflowing_add(more);
            let (sum, second) = sum.overflowing_add(u64::from(carry));
            (*limb, carry) = (sum, first || second);
        }
        Self(limbs)
    }

    /// Without the row of this MAC.
    pub(super) fn without(self, mac: [u8; 32]) -> Self {
        let mut borrow = false;
        let mut limbs = self.0;
        for (limb, less) in limbs.iter_mut().zip(Self::of_bytes(mac).0) {
            let (rest, first) = limb.overflowing_sub(less);
            let (rest, second) = rest.overflowing_sub(u64::from(borrow));
            (*limb, borrow) = (rest, first || second);
        }
        Self(limbs)
    }
}

#[cfg(test)]
mod tests {
    use super::Sum;
    use proptest::prelude::*;

    #[test]
    fn a_carry_goes_through_all_limbs() {
        let mut one = [0; 32];
        one[0] = 1;
        assert_eq!(Sum::of_bytes([255; 32]).with(one), Sum::default());
        assert_eq!(Sum::default().without(one), Sum::of_bytes([255; 32]));
    }

    proptest! {
        #[test]
        fn the_order_does_not_matter_and_what_is_taken_away_is_gone(
            rows in proptest::collection::vec(any::<[u8; 32]>(), 0..20),
            taken in any::<[u8; 32]>(),
        ) {
            let there = rows.iter().fold(Sum::default().with(taken), |sum, row| sum.with(*row)).without(taken);
            let back = rows.iter().rev().fold(Sum::default(), |sum, row| sum.with(*row));
            prop_assert_eq!(there, back);
            prop_assert_eq!(Sum::of_bytes(there.to_bytes()), there);
        }
    }
}
