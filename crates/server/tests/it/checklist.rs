//! `docs/checklist.md`: every rule of the RFCs has a test, and the test is there.

use std::path::Path;

const PAGE: &str = include_str!("../../../../docs/checklist.md");
const ROWS: usize = 61;
/// No RFC's: what it says stands in the issues of a profile.
const WITHOUT_RFC: usize = 61;

struct Row {
    number: usize,
    /// `FILE::test`.
    tests: Vec<&'static str>,
}

fn rows() -> Vec<Row> {
    let cells = PAGE.lines().map(|line| line.trim_matches('|').split('|').map(str::trim).collect::<Vec<_>>());
    cells
        .filter_map(|cells| {
            let number = cells.first()?.parse().ok()?;
            let tests = cells.get(3)?.split_whitespace().map(|test| test.trim_matches('`')).collect();
            Some(Row { number, tests })
        })
        .collect()
}

/// Where the tests of that file are, and what it says.
fn text_of(file: &str) -> String {
    let path = match file.strip_prefix("src/") {
        Some(_) => format!("{file}.rs"),
        None => format!("tests/it/{file}.rs"),
    };
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Whether a test of that name stands there, with its attribute.
fn has_test(text: &str, name: &str) -> bool {
    let mut before = "";
    text.lines().any(|line| {
        let is = line.contains(&format!("fn {name}(")) && before.trim().starts_with("#[") && before.contains("test");
        before = line;
        is
    })
}

/// After an RFC and a section: by its file and its own name, or by its name alone.
fn names_its_source(file: &str, name: &str) -> bool {
    let of_one_source = ["rfc", "oidc_", "src/resource"].iter().any(|start| file.starts_with(start));
    (of_one_source && name.starts_with("section_"))
        || ((name.starts_with("rfc") || name.starts_with("oidc_"))
            && (name.contains("_section_") || name.starts_with("rfc7517_")))
}

#[test]
fn every_row_of_the_checklist_has_tests_that_are_there_and_named_after_rfc_and_section() {
    let rows = rows();
    assert_eq!(rows.iter().map(|row| row.number).collect::<Vec<_>>(), (1..=ROWS).collect::<Vec<_>>());
    for Row { number, tests } in rows {
        assert!(!tests.is_empty(), "row {number} has no test");
        for test in tests {
            let (file, name) = test.split_once("::").unwrap_or_else(|| panic!("row {number}: {test}"));
            assert!(has_test(&text_of(file), name), "row {number}: there is no test {test}");
            assert!(number == WITHOUT_RFC || names_its_source(file, name), "row {number}: {test}");
        }
    }
}
