//! `plain-file`.

use super::{Home, Kind, ONE, two_records};
use crate::document::Format;
use crate::document::plain::Json;
use crate::{VaultError, model};
use proptest::prelude::*;

crate::vault_suite!(|| Home::new(Kind::Plain));

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn the_file_does_what_the_memory_does(steps in model::steps()) {
        model::does_what_the_memory_does(&Home::new(Kind::Plain), &steps)?;
    }
}

/// What version 1 wrote; its digest was computed with Python. It opens for ever, and nothing else is written for the same
/// document.
const GOLDEN: &str = r#"{
  "strategy": "plain-file",
  "format": 1,
  "note": "Nothing in this file is encrypted. Whoever reads it is signed in. A change by hand is refused.",
  "epoch": 9,
  "digest": "GERTZ1fMPCUkXpfd7Tzf06q1o-7k6gxdTfMfAiL95Yc",
  "records": [
    {
      "grant": "aeaqcaibaeaqcaibaeaqcaibae",
      "generation": 3,
      "attempt": {
        "idempotency_key": "BQUFBQUFBQUFBQUFBQUFBQ",
        "started_at_ms": 256
      },
      "payload": "b25l"
    },
    {
      "grant": "aibaeaqcaibaeaqcaibaeaqcai",
      "generation": 1,
      "payload": ""
    }
  ]
}
"#;

fn decoded(text: &str) -> Result<String, VaultError> {
    Json.decode(text.as_bytes()).map(|document| String::from_utf8(Json.encode(&document).unwrap().to_vec()).unwrap())
}

#[test]
fn the_form_never_changes_between_versions() {
    assert_eq!(String::from_utf8(Json.encode(&two_records()).unwrap().to_vec()).unwrap(), GOLDEN);
    assert_eq!(decoded(GOLDEN).unwrap(), GOLDEN);
}

#[test]
fn what_this_version_does_not_write_is_refused() {
    assert!(matches!(decoded(&GOLDEN.replace("\"format\": 1", "\"format\": 2")), Err(VaultError::NewerFormat(2))));
    for (from, to) in [
        ("plain-file", "encrypted-file"),
        ("\"format\": 1", "\"format\": 0"),
        ("\"epoch\": 9", "\"epoch\": 8"),
        ("\"epoch\": 9", "\"epoch\": 9, \"more\": 1"),
        ("\"epoch\": 9", "\"epoch\": 9, \"epoch\": 9"),
        ("\"generation\": 3", "\"generation\": 4"),
        ("\"generation\": 1", "\"generation\": 18446744073709551615"),
        ("b25l", "b25m"),
        ("b25l", "b25*"),
        ("BQUFBQUFBQUFBQUFBQUFBQ", "BQUF"),
        ("aibaeaqcaibaeaqcaibaeaqcai", "aeaqcaibaeaqcaibaeaqcaibae"),
        ("]\n}", "]\n}}"),
    ] {
        assert!(GOLDEN.contains(from), "{from}");
        assert!(matches!(decoded(&GOLDEN.replacen(from, to, 1)), Err(VaultError::Damaged(_))), "{from} {to}");
    }
    for text in ["", "{}", "[]", "null", &"[".repeat(100_000)] {
        assert!(matches!(decoded(text), Err(VaultError::Damaged(_))));
    }
}

#[test]
fn an_error_repeats_nothing_of_the_file() {
    let told = decoded(&GOLDEN.replace("\"generation\": 3", "\"generation\": \"canary\"")).unwrap_err().to_string();
    assert!(!told.contains("canary"), "{told}");
}

#[test]
fn no_generation_is_the_last_one() {
    let home = Home::with_two_records(Kind::Plain);
    let vault = home.open().unwrap();
    assert!(matches!(vault.commit(&ONE, u64::MAX, b""), Err(VaultError::Conflict { actual: Some(1) })));
}
