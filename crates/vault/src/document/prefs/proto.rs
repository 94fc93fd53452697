//! The wire format of protocol buffers, as far as Tink's keysets use it: varints and length-delimited fields.
//!
//! By hand, because the five messages have fourteen fields in all, and a general reader accepts what this one must not:
//! fields that nobody knows, fields that come twice, groups, fixed-width numbers.

/// Wire types (protobuf.dev, "Encoding").
const VARINT: u64 = 0;
const DELIMITED: u64 = 2;

/// What a field holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

impl<'a> Value<'a> {
    /// A number of 32 bits.
    pub(super) fn number(self) -> Option<u32> {
        match self {
            Self::Number(number) => u32::try_from(number).ok(),
            Self::Bytes(_) => None,
        }
    }

    pub(super) fn bytes(self) -> Option<&'a [u8]> {
        match self {
            Self::Bytes(bytes) => Some(bytes),
            Self::Number(_) => None,
        }
    }
}

/// The fields of one message, in order; ends with `None` at the first that is malformed.
pub(super) struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    pub(super) fn of(message: &'a [u8]) -> Self {
        Self(message)
    }

    fn varint(&mut self) -> Option<u64> {
        let mut number = 0_u64;
        for shift in (0..70).step_by(7) {
            let (byte, rest) = self.0.split_first()?;
            self.0 = rest;
            let bits = u64::from(byte & 0x7f);
            // The tenth byte has room for one bit.
            if shift == 63 && bits > 1 {
                return None;
            }
            number |= bits << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    fn field(&mut self) -> Option<(u64, Value<'a>)> {
        let tag = self.varint()?;
        let value = match tag & 7 {
            VARINT => Value::Number(self.varint()?),
            DELIMITED => {
                let length = usize::try_from(self.varint()?).ok()?;
                let (bytes, rest) = self.0.split_at_checked(length)?;
                self.0 = rest;
                Value::Bytes(bytes)
            }
            _ => return None,
        };
        Some((tag >> 3, value))
    }
}

/// `None` inside is a malformed field; nothing after it can be read.
impl<'a> Iterator for Fields<'a> {
    type Item = Option<(u64, Value<'a>)>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_none() {
            self.0 = &[];
        }
        Some(field)
    }
}

/// The fields 1 to `N` of a message that has no others and none of them twice.
pub(super) fn singular<const N: usize>(message: &[u8]) -> Option<[Option<Value<'_>>; N]> {
    let mut found = [None; N];
    for field in Fields::of(message) {
        let (number, value) = field?;
        let place = found.get_mut(usize::try_from(number).ok()?.checked_sub(1)?)?;
        if place.replace(value).is_some() {
            return None;
        }
    }
    Some(found)
}

fn push_varint(message: &mut Vec<u8>, mut number: u64) {
    while number > 0x7f {
        message.push((number as u8 & 0x7f) | 0x80);
        number >>= 7;
    }
    message.push(number as u8);
}

/// Appends a number; zero is what a missing field says, and is left out.
pub(super) fn push_number(message: &mut Vec<u8>, field: u64, number: u32) {
    if number != 0 {
        push_varint(message, field << 3 | VARINT);
        push_varint(message, number.into());
    }
}

/// Appends bytes or an embedded message.
pub(super) fn push_bytes(message: &mut Vec<u8>, field: u64, bytes: &[u8]) {
    push_varint(message, field << 3 | DELIMITED);
    push_varint(message, bytes.len() as u64);
    message.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use super::{Fields, Value, push_bytes, push_number, singular};
    use proptest::prelude::*;

    #[test]
    fn the_example_of_the_specification_reads() {
        // protobuf.dev, "Encoding": field 1 is 150; field 2 is "testing".
        let message = [0x08, 0x96, 0x01, 0x12, 0x07, b't', b'e', b's', b't', b'i', b'n', b'g'];
        assert_eq!(singular::<2>(&message), Some([Some(Value::Number(150)), Some(Value::Bytes(b"testing"))]));
    }

    #[test]
    fn unknown_repeated_and_malformed_fields_are_refused() {
        for message in [
            &[0x18, 0x01][..],                                                   // field 3
            &[0x00, 0x01],                                                       // field 0
            &[0x08, 0x01, 0x08, 0x01],                                           // field 1 twice
            &[0x08],                                                             // no value
            &[0x08, 0x80],                                                       // a number without an end
            &[0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02], // 65 bits
            &[0x12, 0x02, 0x00],                                                 // shorter than it says
            &[0x12, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01], // 2^64 - 1 bytes
            &[0x09, 0, 0, 0, 0, 0, 0, 0, 0],                                     // a fixed number
            &[0x0b, 0x0c],                                                       // a group
        ] {
            assert_eq!(singular::<2>(message), None, "{message:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(number in 1..=u32::MAX, bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let mut message = Vec::new();
            push_number(&mut message, 1, number);
            push_bytes(&mut message, 2, &bytes);
            prop_assert_eq!(singular::<2>(&message), Some([Some(Value::Number(number.into())), Some(Value::Bytes(&bytes))]));
        }

        #[test]
        fn any_bytes_are_read_to_an_end(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(Fields::of(&bytes).count() <= bytes.len());
        }
    }
}
