//! What a person was told already, over restarts: a small file in the home, which holds ids of grants and nothing else.

use std::collections::BTreeSet;

use pilotlight::Home;

const FILE: &str = "told.json";

/// Nothing where the file is missing or not ours: then something is told once more.
pub(crate) fn read(home: &Home) -> BTreeSet<String> {
    home.note(FILE).and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default()
}

pub(crate) fn write(home: &Home, told: &BTreeSet<String>) {
    let written = serde_json::to_string(told).map(|text| home.keep_note(FILE, &text));
    if !matches!(written, Ok(Ok(()))) {
        tracing::info!("what was told could not be written down; it may be told again");
    }
}
