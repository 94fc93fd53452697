//! All printing, and the one place where a failure becomes text. Standard output carries results, standard error the rest.

use std::io::{self, ErrorKind, Write as _};

use clap::error::ErrorKind as Refusal;
use serde::Serialize;
use zeroize::Zeroizing;

use crate::failure::{Failure, MISUSE};
use crate::{json, surroundings, words};

/// In which form results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Text,
    Json,
}

impl Form {
    pub(crate) const fn of(json: bool) -> Self {
        if json { Self::Json } else { Self::Text }
    }

    /// Prints a result in this form.
    pub(crate) fn print(self, value: &impl Serialize, text: impl FnOnce() -> String) -> Result<(), Failure> {
        // A result may be a token.
        let text = Zeroizing::new(match self {
            Self::Text => text(),
            Self::Json => json::line(value),
        });
        result(&text)
    }

    /// Prints a result that people only need to be told of.
    pub(crate) fn confirm(self, value: &impl Serialize, text: &str) -> Result<(), Failure> {
        match self {
            Self::Text => {
                note(text);
                Ok(())
            }
            Self::Json => result(&json::line(value)),
        }
    }

    /// Prints why a command ended early, and gives its exit code.
    pub(crate) fn failure(self, failure: &Failure) -> u8 {
        let text = match self {
            Self::Json => json::line(&json::Problem::of(failure)),
            Self::Text => readable(failure),
        };
        diagnose(&text);
        failure.exit_code()
    }

    /// Prints what clap has to say, which may be the help that was asked for.
    pub(crate) fn refused(self, refusal: &clap::Error) -> u8 {
        match refusal.kind() {
            Refusal::DisplayHelp | Refusal::DisplayVersion | Refusal::DisplayHelpOnMissingArgumentOrSubcommand => {
                // Nothing is left to do where even the help cannot be printed.
                let _ = refusal.print();
                if refusal.exit_code() == 0 { 0 } else { MISUSE }
            }
            _ if self == Self::Json => self.failure(&Failure::usage(sentence_of(refusal), "See `pilotlight --help`.")),
            _ => {
                let _ = refusal.print();
                MISUSE
            }
        }
    }
}

/// The first paragraph of clap's message, as one line.
fn sentence_of(refusal: &clap::Error) -> String {
    let text = refusal.to_string();
    let first = text.split("\n\n").next().unwrap_or_default();
    let first = first.strip_prefix("error: ").unwrap_or(first);
    words::harmless(&first.lines().map(str::trim).collect::<Vec<_>>().join(" "))
}

fn readable(failure: &Failure) -> String {
    format!("error: {}\nhint: {}\n", words::harmless(&failure.to_string()), failure.hint())
}

/// Prints a result as it is. A reader who has gone away, such as `head`, has had what it wanted.
pub(crate) fn result(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

/// Tells the person something beside the result, on a line of its own.
pub(crate) fn note(text: &str) {
    diagnose(&format!("{}\n", words::harmless(text)));
}

/// Shows a picture of characters and colours of our own making.
pub(crate) fn picture(text: &str) {
    diagnose(text);
}

/// Writes over the line that a person is looking at; an empty text clears it.
pub(crate) fn overwrite(text: &str) {
    // A line that goes on in the next row cannot be written over.
    let text = surroundings::columns().map_or_else(|| text.to_owned(), |columns| words::cut(text, columns));
    diagnose(&format!("\r\u{1b}[K{text}"));
}

/// Asks for something; the answer is typed on the same line.
pub(crate) fn prompt(text: &str) {
    diagnose(&format!("{text}: "));
}

fn diagnose(text: &str) {
    // Where standard error is closed there is nobody to tell.
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;
    use pilotlight::{Error, ErrorCode};

    use super::*;
    use crate::arguments::Arguments;

    #[test]
    fn a_failure_is_a_sentence_and_a_hint() {
        let failure = Failure::from(Error::new(ErrorCode::KeystoreLocked, "The keystore is \u{1b}[1mlocked."));
        let text =
            "error: The keystore is [1mlocked.\nhint: Unlock the keystore, then try again. Your accounts are kept.\n";
        assert_eq!(readable(&failure), text);
    }

    #[test]
    fn a_wrong_command_line_is_one_sentence_in_json() {
        let refusal = Arguments::try_parse_from(["pilotlight", "tok\u{1b}[31men\u{202e}"]).unwrap_err();
        assert_eq!(sentence_of(&refusal), "unrecognized subcommand 'token'");
    }
}
