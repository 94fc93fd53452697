//! One number for all rows: the sum, modulo 2^256, of a MAC of each. A row that is added, changed or removed changes the
//! sum by what it contributes, so that a write costs the same in a vault of one record and of a hundred thousand.
//!
//! An additive multiset hash (Clarke et al., "Incremental Multiset Hash Functions", ASIACRYPT 2003): nobody without the
//! key can say what any row contributes, and the sum itself stands in the sealed state only.

use hmac::{Hmac, Mac};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row};
use sha2::Sha256;

use super::fault::damaged;
use crate::envelope::Keys;
use crate::{GrantId, VaultError};

/// A sum of MACs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Sum([u64; 4]);

impl Sum {
    pub(crate) fn of_bytes(bytes: &[u8; 32]) -> Self {
        let mut limbs = [0; 4];
        for (limb, chunk) in limbs.iter_mut().zip(bytes.chunks_exact(8)) {
            let mut word = [0; 8];
            word.copy_from_slice(chunk);
            *limb = u64::from_be_bytes(word);
        }
        Self(limbs)
    }

    pub(crate) fn to_bytes(self) -> [u8; 32] {
        let mut bytes = [0; 32];
        for (chunk, limb) in bytes.chunks_exact_mut(8).zip(self.0) {
            chunk.copy_from_slice(&limb.to_be_bytes());
        }
        bytes
    }

    #[must_use]
    pub(crate) fn plus(self, other: Self) -> Self {
        let mut limbs = [0; 4];
        let mut carry = false;
        for place in (0..4).rev() {
            let (partial, one) = self.0[place].overflowing_add(other.0[place]);
            let (sum, two) = partial.overflowing_add(carry.into());
            limbs[place] = sum;
            carry = one || two;
        }
        Self(limbs)
    }

    #[must_use]
    pub(crate) fn minus(self, other: Self) -> Self {
        let mut limbs = [0; 4];
        let mut borrow = false;
        for place in (0..4).rev() {
            let (partial, one) = self.0[place].overflowing_sub(other.0[place]);
            let (difference, two) = partial.overflowing_sub(borrow.into());
            limbs[place] = difference;
            borrow = one || two;
        }
        Self(limbs)
    }
}

/// Which rows a write may change.
#[derive(Clone, Copy)]
pub(super) enum Part<'grant> {
    /// A record and its attempt.
    Record(&'grant GrantId),
    /// Data keys and their slots.
    Keys,
}

/// The queries for the rows of each table. The first column of a record's rows is its id.
const RECORDS: &str = "SELECT record_id, dek_id, seq, nonce FROM token";
const ATTEMPTS: &str = "SELECT record_id, mac FROM attempt";
const DEKS: &str = "SELECT dek_id, status, alg, kcv, created_at FROM dek";
const SLOTS: &str = "SELECT slot_id, dek_id, protector, kek_ref, alg, params, nonce, ct FROM dek_slot";

/// Sums up rows under one key.
pub(crate) struct Summing {
    /// Begun once: the hashing of the key costs as much as that of a row.
    mac: Hmac<Sha256>,
}

impl Summing {
    /// With the key of the active DEK.
    pub(super) fn with(keys: &Keys) -> Self {
        Self { mac: keys.set_key().start() }
    }

    /// The sum over everything in the vault.
    pub(super) fn whole(&self, connection: &Connection) -> Result<Sum, VaultError> {
        let sum = self.rows(connection, b'r', RECORDS, None)?.plus(self.rows(connection, b'a', ATTEMPTS, None)?);
        Ok(sum.plus(self.part(connection, Part::Keys)?))
    }

    /// What the rows that a write may change contribute now.
    pub(super) fn part(&self, connection: &Connection, part: Part<'_>) -> Result<Sum, VaultError> {
        match part {
            Part::Record(id) => {
                let only = |query: &str| format!("{query} WHERE record_id=?1");
                let record = self.rows(connection, b'r', &only(RECORDS), Some(id))?;
                Ok(record.plus(self.rows(connection, b'a', &only(ATTEMPTS), Some(id))?))
            }
            Part::Keys => Ok(self.rows(connection, b'd', DEKS, None)?.plus(self.rows(connection, b's', SLOTS, None)?)),
        }
    }

    fn rows(&self, connection: &Connection, table: u8, query: &str, id: Option<&GrantId>) -> Result<Sum, VaultError> {
        let mut statement = connection.prepare_cached(query)?;
        let columns = statement.column_count();
        let mut rows = match id {
            Some(id) => statement.query([id.as_bytes()])?,
            None => statement.query(())?,
        };
        let mut sum = Sum::default();
        // A record's row fits one block of SHA-256.
        let mut fields = Vec::with_capacity(64);
        while let Some(row) = rows.next()? {
            fields.clear();
            fields.push(table);
            for column in 0..columns {
                push(&mut fields, row, column)?;
            }
            let mut mac = self.mac.clone();
            mac.update(&fields);
            sum = sum.plus(Sum::of_bytes(&mac.finalize().into_bytes().into()));
        }
        Ok(sum)
    }
}

/// Numbers as eight bytes; texts and blobs behind their length, so that no boundary can move.
fn push(fields: &mut Vec<u8>, row: &Row<'_>, column: usize) -> Result<(), VaultError> {
    let bytes = match row.get_ref(column)? {
        ValueRef::Integer(number) => {
            fields.extend_from_slice(&number.to_be_bytes());
            return Ok(());
        }
        ValueRef::Blob(bytes) | ValueRef::Text(bytes) => bytes,
        ValueRef::Null | ValueRef::Real(_) => return Err(damaged("a value is not of its type")),
    };
    // Small in all columns that are summed up; a longer one would be refused by the schema's checks.
    let length = u16::try_from(bytes.len()).map_err(|_| damaged("a value is too long"))?;
    fields.extend_from_slice(&length.to_be_bytes());
    fields.extend_from_slice(bytes);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::Sum;
    use proptest::prelude::*;

    fn sum(bytes: [u8; 32]) -> Sum {
        Sum::of_bytes(&bytes)
    }

    #[test]
    fn the_sum_wraps_around_and_keeps_no_order() {
        let mut one = [0; 32];
        one[31] = 1;
        assert_eq!(sum([0xff; 32]).plus(sum(one)), Sum::default());
        assert_eq!(Sum::default().minus(sum(one)), sum([0xff; 32]));
    }

    proptest! {
        #[test]
        fn what_is_added_can_be_taken_away_in_any_order(a: [u8; 32], b: [u8; 32], c: [u8; 32]) {
            let (a, b, c) = (sum(a), sum(b), sum(c));
            prop_assert_eq!(a.plus(b).plus(c), c.plus(a).plus(b));
            prop_assert_eq!(a.plus(b).plus(c).minus(a).minus(c), b);
        }

        #[test]
        fn a_sum_reads_back(bytes: [u8; 32]) {
            prop_assert_eq!(sum(bytes).to_bytes(), bytes);
        }
    }
}
