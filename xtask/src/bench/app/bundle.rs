//! How many bytes of script the page has, by the files that the window carries.

use std::{collections::BTreeSet, fs};

use serde_json::{Value, json};

use crate::{failure::Failure, place};

/// Minified and not compressed: what is loaded before anything shows, and all of it.
pub(super) fn weigh() -> Result<Value, Failure> {
    let folder = place::ui().join("dist");
    let page = fs::read_to_string(folder.join("index.html"))?;
    let mut waiting: Vec<String> = names(&page, "src=\"");
    let mut early = BTreeSet::new();
    let mut first = 0;
    while let Some(name) = waiting.pop() {
        let Ok(script) = fs::read_to_string(folder.join("assets").join(&name)) else { continue };
        if early.insert(name) {
            first += script.len();
            // Only what is imported at once: a later import has a bracket behind the word.
            waiting.extend(
                ["from\"", "from`", "from'", "import\"", "import`", "import'"]
                    .iter()
                    .flat_map(|word| names(&script, word)),
            );
        }
    }
    let mut all = 0;
    for entry in fs::read_dir(folder.join("assets"))? {
        let entry = entry?;
        if entry.path().extension().is_some_and(|extension| extension == "js") {
            all += entry.metadata()?.len();
        }
    }
    Ok(json!({ "first": first, "all": all }))
}

/// The names of scripts that stand behind `word`, without their folder.
fn names(text: &str, word: &str) -> Vec<String> {
    let address = |rest: &str| rest.split(['"', '\'', '`']).next().map(str::to_owned);
    let name = |address: String| address.rsplit('/').next().filter(|name| name.ends_with(".js")).map(str::to_owned);
    text.split(word).skip(1).filter_map(address).filter_map(name).collect()
}
