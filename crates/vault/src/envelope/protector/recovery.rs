//! KEKs that a person wrote down: random, so that no guessing needs to be made dear.

use std::fmt;

use secrecy::{ExposeSecret, ExposeSecretMut, SecretBox, SecretString};

use super::{Candidates, KekRef, Protector};
use crate::envelope::{Fields, Kek, SecretKey, derive};
use crate::{VaultError, random};

/// How many random bytes a code holds: 160 bits, which fill 32 characters of base32 with nothing left over.
const BYTES: usize = 20;
const CHARACTERS: usize = 32;
const GROUP: usize = 4;

/// Crockford's alphabet: no I, L, O or U, which are read as 1, 1, 0 and V.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// What the check character may be besides: it is a remainder modulo 37.
const CHECKS: &[u8; 5] = b"*~$=U";

/// A code that opens a vault whose keystore or passphrase is gone: 160 random bits as eight groups of four characters and
/// a check character, which tells a slip of the pen from the code of another vault.
pub struct RecoveryCode(SecretBox<[u8; BYTES]>);

impl RecoveryCode {
    /// A new one, to be shown once.
    pub fn make() -> Result<Self, VaultError> {
        let mut code = SecretBox::new(Box::new([0; BYTES]));
        random::fill(code.expose_secret_mut())?;
        Ok(Self(code))
    }

    /// What to show: `XXXX-XXXX-XXXX-XXXX-XXXX-XXXX-XXXX-XXXX-C`.
    #[must_use]
    pub fn to_text(&self) -> SecretString {
        // Of the right size from the start: growing would leave copies behind.
        let mut text = String::with_capacity(CHARACTERS + CHARACTERS / GROUP + 1);
        for (place, symbol) in symbols(self.0.expose_secret()).enumerate() {
            if place > 0 && place % GROUP == 0 {
                text.push('-');
            }
            text.push(char::from(ALPHABET[usize::from(symbol)]));
        }
        text.push('-');
        text.push(check_of(self.0.expose_secret()));
        SecretString::from(text)
    }

    /// Reads what a person typed: in any case, with or without the dashes and spaces, 1 and 0 for the letters that look
    /// like them. `None` where a character is missing or wrong.
    #[must_use]
    pub fn parse(text: &SecretString) -> Option<Self> {
        let mut typed = text.expose_secret().chars().filter(|letter| !matches!(letter, '-' | ' ')).map(as_written);
        let mut code = SecretBox::new(Box::new([0; BYTES]));
        let bytes: &mut [u8; BYTES] = code.expose_secret_mut();
        let (mut bits, mut held) = (0_u32, 0_u32);
        let mut filled = 0;
        for _ in 0..CHARACTERS {
            let letter = typed.next()?;
            let symbol = ALPHABET.iter().position(|known| char::from(*known) == letter)?;
            bits = (bits << 5) | u32::try_from(symbol).ok()?;
            held += 5;
            if held >= 8 {
                held -= 8;
                bytes[filled] = u8::try_from((bits >> held) & 0xff).ok()?;
                filled += 1;
            }
        }
        let checked = typed.next() == Some(check_of(bytes)) && typed.next().is_none();
        checked.then_some(Self(code))
    }

    /// The KEK of one vault and salt. HKDF (RFC 5869) and no stretching: nobody guesses 160 random bits.
    fn kek(&self, vault_id: &[u8; 16], salt: &[u8]) -> Kek {
        let mut padded = SecretKey::zeroed();
        padded.expose_secret_mut()[..BYTES].copy_from_slice(self.0.expose_secret());
        Kek::of(derive(&padded, salt, &Fields::of("pilotlight/v2/recovery-code").bytes(vault_id)))
    }
}

/// Nothing of it.
impl fmt::Debug for RecoveryCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecoveryCode(REDACTED)")
    }
}

fn as_written(letter: char) -> char {
    match letter.to_ascii_uppercase() {
        'I' | 'L' => '1',
        'O' => '0',
        other => other,
    }
}

/// The code in fives of bits.
fn symbols(bytes: &[u8; BYTES]) -> impl Iterator<Item = u8> + '_ {
    (0..CHARACTERS).map(|place| {
        let at = place * 5;
        let next = bytes.get(at / 8 + 1).copied().unwrap_or(0);
        let pair = u16::from_be_bytes([bytes[at / 8], next]);
        u8::try_from((pair >> (11 - at % 8)) & 31).unwrap_or(0)
    })
}

/// The code as a number modulo 37, which shows every wrong character and every two that changed places.
fn check_of(bytes: &[u8; BYTES]) -> char {
    let rest = bytes.iter().fold(0_usize, |rest, byte| (rest * 256 + usize::from(*byte)) % 37);
    char::from(*ALPHABET.iter().chain(CHECKS).nth(rest).unwrap_or(&b'0'))
}

/// See [`Means::recovery_code`](super::Means::recovery_code).
pub(super) struct RecoveryProtector {
    code: RecoveryCode,
}

impl RecoveryProtector {
    pub(super) const KIND: &'static str = "recovery-code";

    pub(super) fn new(code: RecoveryCode) -> Self {
        Self { code }
    }
}

impl Protector for RecoveryProtector {
    fn kind(&self) -> &'static str {
        Self::KIND
    }

    fn make(&self, vault_id: &[u8; 16], _taken: &[KekRef]) -> Result<(KekRef, Kek), VaultError> {
        let salt: [u8; 16] = random::make()?;
        Ok((KekRef { name: "hkdf-sha256".to_owned(), params: salt.to_vec() }, self.code.kek(vault_id, &salt)))
    }

    fn candidates(&self, vault_id: &[u8; 16], reference: &KekRef) -> Result<Candidates, VaultError> {
        let kek = self.code.kek(vault_id, &reference.params);
        Ok(Candidates { keks: vec![kek], otherwise: VaultError::WrongRecoveryCode })
    }
}

#[cfg(test)]
mod tests {
    use super::{ALPHABET, BYTES, RecoveryCode};
    use proptest::prelude::*;
    use secrecy::{ExposeSecret, SecretBox, SecretString};

    fn code(bytes: [u8; BYTES]) -> RecoveryCode {
        RecoveryCode(SecretBox::new(Box::new(bytes)))
    }

    fn parse(text: &str) -> Option<[u8; BYTES]> {
        RecoveryCode::parse(&SecretString::from(text)).map(|code| *code.0.expose_secret())
    }

    #[test]
    fn the_text_of_a_code_never_changes_between_versions() {
        assert_eq!(code([0; BYTES]).to_text().expose_secret(), "0000-0000-0000-0000-0000-0000-0000-0000-0");
        assert_eq!(code([0xff; BYTES]).to_text().expose_secret(), "ZZZZ-ZZZZ-ZZZZ-ZZZZ-ZZZZ-ZZZZ-ZZZZ-ZZZZ-8");
    }

    #[test]
    fn a_code_is_read_however_it_was_typed() {
        let text = "0123-4567-89AB-CDEF-GHJK-MNPQ-RSTV-WXYZ";
        let check = "0123456789ABCDEFGHJKMNPQRSTVWXYZ*~$=U"
            .chars()
            .find(|check| parse(&format!("{text}-{check}")).is_some())
            .unwrap();
        let ours = parse(&format!("{text}-{check}")).unwrap();
        for typed in ["o123 4567 89ab cdef ghjk mnpq rstv wxyz ", "Ol23456789abcdefghjkmnpqrstvwxyz"] {
            assert_eq!(parse(&format!("{typed}{check}")), Some(ours), "{typed}");
        }
        assert_eq!(parse(&format!("{text}-{check}{check}")), None);
        assert_eq!(parse(text), None, "the check is missing");
        assert_eq!(parse(""), None);
    }

    #[test]
    fn codes_do_not_repeat_and_show_in_no_debug_output() {
        let (one, other) = (RecoveryCode::make().unwrap(), RecoveryCode::make().unwrap());
        assert_ne!(one.0.expose_secret(), other.0.expose_secret());
        let shown = format!("{one:?}");
        assert!(!shown.contains(&one.to_text().expose_secret()[..4]));
    }

    proptest! {
        #[test]
        fn a_code_reads_back(bytes: [u8; BYTES]) {
            prop_assert_eq!(parse(code(bytes).to_text().expose_secret()), Some(bytes));
        }

        #[test]
        fn any_text_can_be_typed(text in ".{0,60}") {
            if let Some(bytes) = parse(&text) {
                prop_assert_eq!(code(bytes).to_text().expose_secret().len(), 41);
            }
        }

        #[test]
        fn one_wrong_character_is_noticed(bytes: [u8; BYTES], place in 0..32_usize, by in 1..32_usize) {
            let text: Vec<char> = code(bytes).to_text().expose_secret().chars().filter(|c| *c != '-').collect();
            let mut wrong = text.clone();
            let symbol = ALPHABET.iter().position(|known| char::from(*known) == wrong[place]).unwrap();
            wrong[place] = char::from(ALPHABET[(symbol + by) % 32]);
            prop_assert_eq!(parse(&wrong.into_iter().collect::<String>()), None);
        }

        #[test]
        fn two_neighbours_that_changed_places_are_noticed(bytes: [u8; BYTES], place in 0..31_usize) {
            let mut text: Vec<char> = code(bytes).to_text().expose_secret().chars().filter(|c| *c != '-').collect();
            prop_assume!(text[place] != text[place + 1]);
            text.swap(place, place + 1);
            prop_assert_eq!(parse(&text.into_iter().collect::<String>()), None);
        }
    }
}
