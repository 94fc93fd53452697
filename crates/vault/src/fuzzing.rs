//! Every parser of this crate as a function from any bytes, which panics where a promise is broken: what reads is written
//! back as the same bytes, or what is written reads back as the same value. libFuzzer calls them in `fuzz/`; the tests below
//! call them with the corpus alone.

use secrecy::{ExposeSecret, SecretString};

use crate::document::fuzzing as documents;
use crate::document::prefs::fuzzing as preferences;
use crate::envelope::{Fields, Kek, pad, unpad};
use crate::passphrase::Stretching;
use crate::sqlite::fuzzing as rows;
use crate::{GrantId, RecoveryCode};

/// What libFuzzer calls.
pub type Target = fn(&[u8]);

/// Name and function of each target.
pub const TARGETS: &[(&str, Target)] = &[
    ("encrypted-file", documents::encrypted_file),
    ("document-body", documents::body),
    ("plain-file", documents::plain_file),
    ("keystore-head", documents::keystore_head),
    ("prefs-xml", preferences::prefs_xml),
    ("tink-keyset", preferences::tink_keyset),
    ("prefs-text", preferences::prefs_text),
    ("anchor", rows::anchor),
    ("state", rows::state),
    ("slot", rows::slot),
    ("envelope", envelope),
    ("kek", kek),
    ("recovery-code", recovery_code),
    ("grant-id", grant_id),
];

/// Lists of fields, padding, the settings of a passphrase.
fn envelope(bytes: &[u8]) {
    if let Some(parts) = Fields::parts(bytes) {
        let mut again = Vec::new();
        for part in parts {
            again.extend_from_slice(&u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
            again.extend_from_slice(part);
        }
        assert_eq!(again, bytes);
    }
    if let Some(payload) = unpad(bytes) {
        assert_eq!(pad(payload).map(|padded| padded.to_vec()).ok().as_deref(), Some(bytes));
    }
    let padded = pad(bytes).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(unpad(&padded), Some(bytes));
    if let Ok(stretching) = Stretching::from_bytes(bytes) {
        assert_eq!(stretching.to_bytes(), bytes);
        assert!(stretching.memory_kib <= 1024 * 1024, "no file makes the machine run out of memory");
    }
}

/// The key's text in the keystore.
fn kek(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let named = text.split('.').nth(1).and_then(|number| number.parse().ok());
    for generation in [Some(1), named].into_iter().flatten() {
        if let Some(kek) = Kek::parse(&text, generation) {
            assert_eq!(kek.to_text(generation).as_str(), text);
        }
    }
}

fn recovery_code(bytes: &[u8]) {
    let typed = String::from_utf8_lossy(bytes);
    let read = |text: String| RecoveryCode::parse(&SecretString::from(text));
    let round = |code: &RecoveryCode| {
        let text = code.to_text();
        let again = read(text.expose_secret().to_owned()).unwrap_or_else(|| panic!("what is shown does not read"));
        assert_eq!(again.to_text().expose_secret(), text.expose_secret());
    };
    if let Some(code) = read(typed.clone().into_owned()) {
        round(&code);
    }
    // A check character is right for few of all codes, so that each is tried.
    let completed = "0123456789ABCDEFGHJKMNPQRSTVWXYZ*~$=U".chars().filter_map(|check| read(format!("{typed}{check}")));
    let codes: Vec<_> = completed.collect();
    assert!(codes.len() <= 1, "a code has one check character");
    codes.iter().for_each(round);
}

fn grant_id(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Ok(id) = text.parse::<GrantId>() {
        assert_eq!(id.to_string(), text);
    }
    if let Some(sixteen) = bytes.first_chunk::<16>() {
        let id = GrantId::from_bytes(*sixteen);
        assert!(id.to_string().parse::<GrantId>().is_ok_and(|again| again == id));
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_corpus_and_what_is_near_it_break_no_promise() {
        pilotlight_oauth::fuzzing::try_near_corpus(super::TARGETS);
    }
}
