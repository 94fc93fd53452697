//! A script: one fault a line.

use super::fault::{BadFault, Fault};

/// A script that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ScriptError {
    /// A line is no fault.
    #[error("line {line}: {error}")]
    Line {
        /// Counted from 1, comments and empty lines included.
        line: usize,
        /// What is wrong with it.
        error: BadFault,
    },
    /// Something follows `loop`.
    #[error("line {line}: nothing can follow `loop`")]
    AfterLoop {
        /// The line that follows it.
        line: usize,
    },
    /// There is nothing before `loop`.
    #[error("line {line}: `loop` has nothing to repeat")]
    EmptyLoop {
        /// The line with `loop`.
        line: usize,
    },
}

/// A script, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Script {
    faults: Vec<Fault>,
    repeats: bool,
}

impl Script {
    pub(crate) fn parse(text: &str) -> Result<Self, ScriptError> {
        let mut script = Self { faults: Vec::new(), repeats: false };
        for (index, raw) in text.lines().enumerate() {
            let line = index + 1;
            let words = raw.split('#').next().unwrap_or_default().trim();
            match words {
                "" => {}
                _ if script.repeats => return Err(ScriptError::AfterLoop { line }),
                "loop" if script.faults.is_empty() => return Err(ScriptError::EmptyLoop { line }),
                "loop" => script.repeats = true,
                _ => script.faults.push(words.parse().map_err(|error| ScriptError::Line { line, error })?),
            }
        }
        Ok(script)
    }

    /// The fault of that request, counted from 0. What comes after the end passes.
    pub(crate) fn fault(&self, number: u64) -> Fault {
        // The remainder is below the length, and beyond usize there is no line.
        let wanted = if self.repeats { number % self.faults.len() as u64 } else { number };
        usize::try_from(wanted).ok().and_then(|index| self.faults.get(index)).copied().unwrap_or(Fault::Pass)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_script_is_played_line_by_line_and_then_passes() {
        let script = Script::parse("# a lost answer\ndrop-after-commit\n\n  delay 500 # slow\npass\n").unwrap();
        let played: Vec<Fault> = (0..5).map(|number| script.fault(number)).collect();
        assert_eq!(played, [Fault::DropAfterCommit, Fault::Delay(500), Fault::Pass, Fault::Pass, Fault::Pass]);
    }

    #[test]
    fn a_loop_begins_again() {
        let script = Script::parse("pass\r\nhang\r\nloop\r\n").unwrap();
        assert_eq!((script.fault(1), script.fault(2), script.fault(3)), (Fault::Hang, Fault::Pass, Fault::Hang));
        assert_eq!(script.fault(u64::MAX), Fault::Hang);
    }

    #[test]
    fn an_error_tells_the_line_as_an_editor_counts_it() {
        let complaint = |text: &str| Script::parse(text).unwrap_err().to_string();
        assert!(complaint("# comment\n\nanswer\n").starts_with("line 3: `answer` needs a status"));
        assert_eq!(complaint("pass\nloop\n# fine\npass"), "line 4: nothing can follow `loop`");
        assert_eq!(complaint("\nloop"), "line 2: `loop` has nothing to repeat");
    }

    proptest! {
        #[test]
        fn any_text_is_a_script_or_a_complaint(text in "(pass|loop|hang|delay 5|#|x|\n|\r| ){0,30}", number: u64) {
            if let Ok(script) = Script::parse(&text) {
                script.fault(number);
            }
        }
    }
}
