//! The matrix and the costs as tables of a text file, between two marks.

use crate::attack::attacks;
use crate::cost::{Cost, Times};
use crate::html::sign;
use crate::report::Report;

const BEGIN: &str = "<!-- lab: made by `pilotlight lab run --table`, checked by crates/lab/tests/matrix.rs -->";
const END: &str = "<!-- end of lab -->";

impl Report {
    /// `document` with the report's tables in the place of those between the marks, or at its end where it has none.
    #[must_use]
    pub fn put_into(&self, document: &str) -> String {
        let tables = format!("{BEGIN}\n{}\n{END}\n", self.tables());
        let ends = document.find(BEGIN).zip(document.find(END));
        match ends {
            Some((begin, end)) => {
                let after = document[end + END.len()..].trim_start_matches('\n');
                let gap = if after.is_empty() { "" } else { "\n" };
                format!("{}{tables}{gap}{after}", &document[..begin])
            }
            None => format!("{}\n\n{tables}", document.trim_end()),
        }
    }

    fn tables(&self) -> String {
        let strategies = self.strategies();
        let rule = "---|".repeat(strategies.len() + 1);
        let mut text = format!("| attack | {} |\n|{rule}\n", strategies.join(" | "));
        for attack in attacks() {
            let signs: Vec<_> = strategies
                .iter()
                .map(|strategy| self.cell(strategy, attack.name).map_or(" ", |cell| sign(&cell.verdict)))
                .collect();
            text.push_str(&format!("| {} | {} |\n", attack.title, signs.join(" | ")));
        }
        text.push_str(
            "\n✓ withstood, ✗ fell, ! fell as expected (an honest limit), ? inconclusive, – nothing to attack.\n",
        );
        if !self.costs.is_empty() {
            text.push_str(&format!("\n{}", costs(&self.costs)));
        }
        text
    }

    /// The sign of a cell in a document that [`Report::put_into`] made.
    #[must_use]
    pub fn sign_in(document: &str, strategy: &str, attack: &str) -> Option<char> {
        let title = crate::attack::attack(attack)?.title;
        let cells = |line: &str| line.split('|').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>();
        let mut lines = document[document.find(BEGIN)?..].lines().map(cells);
        let column = lines
            .find(|cells| cells.get(1).is_some_and(|cell| cell == "attack"))?
            .iter()
            .position(|cell| cell == strategy)?;
        let row = lines.find(|cells| cells.get(1).is_some_and(|cell| cell == title))?;
        row.get(column)?.chars().next()
    }
}

/// Milliseconds in the middle and at the slow end, at one, at a hundred, and at the most records.
fn costs(costs: &[Cost]) -> String {
    let mut text =
        "| strategy | records | open | read | commit | rotate | on disk | syncs | keystore calls | memory |\n"
            .to_owned();
    text.push_str("|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|\n");
    for cost in costs {
        let largest = costs.iter().filter(|other| other.strategy == cost.strategy).map(|other| other.records).max();
        if cost.records != 1 && Some(cost.records) != largest && cost.records != 100 {
            continue;
        }
        let ms = |times: Times| format!("{:.2} / {:.2}", times.p50 as f64 / 1000.0, times.p95 as f64 / 1000.0);
        text.push_str(&format!(
            "| {} | {} | {} | {} | {} | {} | {} KiB | {} | {} | {} MiB |\n",
            cost.strategy,
            cost.records,
            ms(cost.open),
            ms(cost.read),
            ms(cost.commit),
            ms(cost.rotate),
            cost.bytes.div_ceil(1024),
            cost.syncs.map_or_else(|| "?".to_owned(), |count| count.to_string()),
            cost.keystore_calls,
            cost.memory_kib.div_ceil(1024),
        ));
    }
    text.push_str("\nTimes are p50 / p95 in milliseconds; at one, a hundred, and the most records that were measured. Syncs are for one commit, keystore calls for one opening and one commit, memory is the most that the process had.\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::CellReport;
    use crate::verdict::Verdict;

    #[test]
    fn tables_are_put_between_their_marks_again_and_again_and_read_back() {
        let mut report = Report::begin();
        report.cells.push(CellReport {
            strategy: "memory".to_owned(),
            attack: "read-files".to_owned(),
            verdict: Verdict::Withstood,
            evidence: vec![],
            done: String::new(),
            found: None,
            milliseconds: 1,
        });
        let once = report.put_into("# Storage\n\nWords.\n");
        assert_eq!(Report::sign_in(&once, "memory", "read-files"), Some('✓'));
        assert_eq!(Report::sign_in(&once, "memory", "race"), None);
        assert_eq!(report.put_into(&once), once);
        let between = once.clone() + "\nMore words.\n";
        assert_eq!(report.put_into(&between), between);
    }
}
