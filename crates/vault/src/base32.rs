//! 16 bytes as text that stands in file names, keystore names and command lines.

/// How many characters 16 bytes make.
pub(crate) const LENGTH: usize = 26;

const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// Lower-case base32 without padding (RFC 4648, section 6).
pub(crate) fn encode(bytes: &[u8; 16]) -> String {
    // 130 bits in 26 characters: the 128 of ours, then two zeros.
    let number = u128::from_be_bytes(*bytes);
    (0..LENGTH)
        .map(|place| {
            let bits = match place {
                25 => number << 2,
                _ => number >> (123 - 5 * place),
            };
            char::from(ALPHABET[(bits & 31) as usize])
        })
        .collect()
}

/// The reverse; only of what [`encode`] writes, so that every id has one spelling.
pub(crate) fn decode(text: &str) -> Option<[u8; 16]> {
    if text.len() != LENGTH {
        return None;
    }
    let mut number = 0_u128;
    for (place, character) in text.bytes().enumerate() {
        let bits = ALPHABET.iter().position(|known| *known == character)? as u128;
        if place == LENGTH - 1 {
            if bits & 3 != 0 {
                return None;
            }
            number = (number << 3) | (bits >> 2);
        } else {
            number = (number << 5) | bits;
        }
    }
    Some(number.to_be_bytes())
}

#[cfg(test)]
mod tests {
    use super::{decode, encode};
    use proptest::prelude::*;

    #[test]
    fn the_text_is_that_of_rfc_4648() {
        // Section 10's vector "foobar" is MZXW6YTBOI; sixteen bytes that begin with it share the first nine characters.
        let mut bytes = [0; 16];
        bytes[..6].copy_from_slice(b"foobar");
        assert_eq!(&encode(&bytes)[..9], "mzxw6ytbo");
        assert_eq!(encode(&[0xff; 16]), "77777777777777777777777774");
    }

    #[test]
    fn another_spelling_is_refused() {
        let text = encode(&[0; 16]);
        assert!(decode(&text).is_some());
        assert!(decode(&text.to_uppercase()).is_none());
        assert!(decode(&format!("{}b", &text[..25])).is_none(), "bits behind the last byte");
        assert!(decode(&text[1..]).is_none());
        assert!(decode("ääääääääääääa").is_none());
    }

    proptest! {
        #[test]
        fn what_is_encoded_decodes(bytes: [u8; 16]) {
            prop_assert_eq!(decode(&encode(&bytes)), Some(bytes));
        }
    }
}
