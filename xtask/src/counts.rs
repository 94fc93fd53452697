//! The runners' counts, read from what they print and added up.

use std::{fmt, ops::AddAssign};

/// How many tests passed, failed and were left out.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Counts {
    pub(crate) passed: usize,
    pub(crate) failed: usize,
    pub(crate) skipped: usize,
}

impl Counts {
    /// The counts in the output of any runner the project uses; nothing where it says none.
    pub(crate) fn read(output: &str) -> Self {
        let mut counts = Self::default();
        for line in output.lines() {
            counts += nextest(line).or_else(|| cargo_test(line)).or_else(|| node(line)).unwrap_or_default();
        }
        counts
    }

    fn add(&mut self, number: usize, word: &str) {
        match word {
            "passed" | "pass" => self.passed += number,
            "skipped" | "ignored" | "todo" => self.skipped += number,
            "failed" | "fail" | "exec failed" | "timed out" | "cancelled" => self.failed += number,
            _ => {}
        }
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)?;
        if self.skipped > 0 {
            write!(f, ", {} skipped", self.skipped)?;
        }
        Ok(())
    }
}

/// `     Summary [   1.793s] 20 tests run: 19 passed (1 slow), 1 failed, 0 skipped`
fn nextest(line: &str) -> Option<Counts> {
    let (_, list) = line.trim_start().strip_prefix("Summary [")?.split_once("run: ")?;
    Some(listed(list.split(", ")))
}

/// `test result: ok. 5 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s`
fn cargo_test(line: &str) -> Option<Counts> {
    let (_, list) = line.strip_prefix("test result: ")?.split_once(". ")?;
    Some(listed(list.split("; ")))
}

/// Node's last lines, one count each: `# pass 12`, or `ℹ pass 12` for people.
fn node(line: &str) -> Option<Counts> {
    let (word, number) = line.strip_prefix("# ").or_else(|| line.strip_prefix("ℹ "))?.split_once(' ')?;
    let mut counts = Counts::default();
    counts.add(number.parse().ok()?, word);
    Some(counts)
}

fn listed<'a>(items: impl Iterator<Item = &'a str>) -> Counts {
    let mut counts = Counts::default();
    for item in items {
        let plain = item.split(" (").next().unwrap_or(item);
        if let Some((number, word)) = plain.trim().split_once(' ') {
            counts.add(number.parse().unwrap_or(0), word);
        }
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(output: &str) -> (usize, usize, usize) {
        let Counts { passed, failed, skipped } = Counts::read(output);
        (passed, failed, skipped)
    }

    #[test]
    fn every_runner_is_understood() {
        assert_eq!(read("     Summary [   1.793s] 19 tests run: 19 passed, 0 skipped"), (19, 0, 0));
        let bad = "     Summary [  60.1s] 9/20 tests run: 5 passed (1 slow, 1 flaky), 2 failed, 1 exec failed, 1 timed out, 3 skipped";
        assert_eq!(read(bad), (5, 4, 3));
        assert_eq!(read("test result: FAILED. 5 passed; 2 failed; 1 ignored; 0 measured; 7 filtered out"), (5, 2, 1));
        assert_eq!(read("# tests 14\n# pass 12\n# fail 1\n# cancelled 0\n# skipped 1\n# todo 0"), (12, 1, 1));
        assert_eq!(read("ℹ tests 3\nℹ pass 3\nℹ fail 0"), (3, 0, 0));
    }

    #[test]
    fn other_lines_count_nothing() {
        assert_eq!(read("12 passed\n# Summary 3\nSummary [\ntest result: ok\n# pass many"), (0, 0, 0));
    }

    #[test]
    fn counts_print_as_one_line() {
        let counts = Counts { passed: 3, failed: 1, skipped: 0 };
        assert_eq!(counts.to_string(), "3 passed, 1 failed");
        assert_eq!(Counts { skipped: 2, ..counts }.to_string(), "3 passed, 1 failed, 2 skipped");
    }
}
