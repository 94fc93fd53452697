//! What this crate reads back from its own files, as functions from any bytes, which panic where a promise is broken.
//! libFuzzer calls them in `fuzz/`; the tests below call them with the corpus alone.

use crate::journal::{Chain, JournalEntry};
use crate::journal::{entries_in, follow};
use crate::record::GrantRecord;
use crate::storage::choice::Choice;

/// What libFuzzer calls.
pub type Target = fn(&[u8]);

/// Name and function of each target.
pub const TARGETS: &[(&str, Target)] = &[("record", record), ("journal", journal), ("storage-choice", storage_choice)];

/// What a vault hands back, which a readable strategy lets anybody alter.
fn record(bytes: &[u8]) {
    let Ok(record) = GrantRecord::from_payload(bytes) else { return };
    let Ok(written) = record.to_payload() else { return };
    let again = GrantRecord::from_payload(&written).unwrap_or_else(|error| panic!("{error}"));
    let again = again.to_payload().unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(again.as_slice(), written.as_slice(), "what was written reads back as something else");
}

fn journal(bytes: &[u8]) {
    for entry in entries_in(bytes) {
        let line = serde_json::to_vec(&entry).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(serde_json::from_slice::<JournalEntry>(&line).ok(), Some(entry));
        assert_eq!(follow(&line), Chain::Whole, "one line follows from nothing");
    }
    follow(bytes);
}

fn storage_choice(bytes: &[u8]) {
    let Some(choice) = Choice::parse(&String::from_utf8_lossy(bytes)) else { return };
    assert_eq!(Choice::parse(&choice.to_text()), Some(choice));
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_corpus_and_what_is_near_it_break_no_promise() {
        pilotlight_oauth::fuzzing::try_near_corpus(super::TARGETS);
    }
}
