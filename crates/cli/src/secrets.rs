//! Secrets come in by standard input or by the terminal, and stay in memory that is wiped.

use std::fs::File;
use std::io::{self, ErrorKind, IsTerminal as _, Read};
use std::path::Path;

use pilotlight::values::{ExposeSecret as _, SecretString};
use zeroize::{Zeroize as _, Zeroizing};

use crate::failure::Failure;
use crate::{output, typed};

/// No password or token is longer.
const LARGEST: usize = 64 * 1024;

/// The secrets that standard input holds: one is all of it, two are a line each.
pub(crate) struct StandardInput(Vec<SecretString>);

impl StandardInput {
    /// Reads `count` secrets to the end of standard input; reads nothing where `count` is zero.
    pub(crate) fn read(count: usize) -> Result<Self, Failure> {
        if count == 0 {
            return Ok(Self(vec![]));
        }
        let from = Source("Standard input".to_owned());
        Self::from_reader(unbuffered_stdin().map_err(|error| from.unreadable(&error))?, &from, count)
    }

    fn from_reader(mut source: impl Read, from: &Source, count: usize) -> Result<Self, Failure> {
        // One buffer that never grows, so that no copy is left behind where it was.
        let mut buffer = Zeroizing::new(vec![0; LARGEST + 1]);
        let mut length = 0;
        while length <= LARGEST {
            match source.read(&mut buffer[length..]) {
                Ok(0) => break,
                Ok(read) => length += read,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(from.unreadable(&error)),
            }
        }
        let Source(name) = from;
        if length > LARGEST {
            return Err(Failure::usage(format!("{name} holds more than 64 KiB."), "Pass the secret alone."));
        }
        let text = str::from_utf8(&buffer[..length]).map_err(|_| {
            Failure::usage(format!("{name} is not text in UTF-8."), "Pass the secret as text in UTF-8.")
        })?;
        let mut secrets: Vec<_> = text.splitn(count, '\n').map(one).collect::<Result<_, _>>()?;
        if secrets.len() < count {
            return Err(Failure::usage(
                format!("{name} holds one secret, and two are needed."),
                "Pass the client's secret on the first line and the other one on the second.",
            ));
        }
        secrets.reverse();
        Ok(Self(secrets))
    }

    /// The next secret, in the order in which they stand there.
    pub(crate) fn next(&mut self) -> Option<SecretString> {
        self.0.pop()
    }
}

/// Where a secret is read from, as an error names it.
struct Source(String);

impl Source {
    fn unreadable(&self, error: &io::Error) -> Failure {
        Failure::usage(
            format!("{} cannot be read: {error}.", self.0),
            "Pass the secret through a pipe, or in a file that holds it alone.",
        )
    }
}

/// Asks for a secret at the terminal, without showing what is typed. `instead` tells a script what to do.
pub(crate) fn ask(what: &str, instead: &'static str) -> Result<SecretString, Failure> {
    require_terminal(what, instead)?;
    let mut typed = typed::hidden(&format!("Your {what}")).map_err(|error| not_typed(what, &error, instead))?;
    let secret =
        if typed.is_empty() { Err(Failure::usage(format!("No {what} was typed."), instead)) } else { one(&typed) };
    typed.zeroize();
    secret
}

fn not_typed(what: &str, error: &io::Error, instead: &'static str) -> Failure {
    match error.kind() {
        // Ctrl-D.
        ErrorKind::UnexpectedEof => Failure::usage(format!("No {what} was typed."), instead),
        _ => Failure::usage(format!("The terminal cannot be asked for the {what}: {error}."), instead),
    }
}

/// Asks for a new secret, twice, since nobody sees what is typed.
pub(crate) fn ask_twice(what: &str, instead: &'static str) -> Result<SecretString, Failure> {
    let (first, second) = (ask(what, instead)?, ask(&format!("{what} again"), instead)?);
    if first.expose_secret() == second.expose_secret() {
        return Ok(first);
    }
    Err(Failure::usage("The two are not the same.", "Try again."))
}

/// Reads the one secret that a file holds.
pub(crate) fn from_file(path: &Path) -> Result<SecretString, Failure> {
    let from = Source(path.display().to_string());
    let file = File::open(path).map_err(|error| from.unreadable(&error))?;
    if is_open_to_others(&file) {
        output::note(&format!("Other users may read {}: chmod 600 keeps it yours.", from.0));
    }
    let read = StandardInput::from_reader(file, &from, 1)?.next();
    read.ok_or_else(|| Failure::usage(format!("{} is empty.", from.0), "Name a file that holds the secret alone."))
}

#[cfg(unix)]
fn is_open_to_others(file: &File) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    file.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o077 != 0)
}

/// Windows gives files the access list of the person's profile.
#[cfg(not(unix))]
fn is_open_to_others(_file: &File) -> bool {
    false
}

/// Asks for a line that is no secret.
pub(crate) fn ask_line(what: &str, instead: &'static str) -> Result<String, Failure> {
    require_terminal(what, instead)?;
    output::prompt(&format!("Your {what}"));
    let mut line = String::new();
    let most = u64::try_from(LARGEST).unwrap_or(u64::MAX);
    let read = io::BufRead::read_line(&mut io::stdin().lock().take(most), &mut line);
    match read {
        Ok(0) => {
            // Ctrl-D leaves the cursor behind the question.
            output::note("");
            Err(Failure::usage(format!("No {what} was typed."), instead))
        }
        Ok(_) => Ok(line.trim().to_owned()),
        Err(error) => Err(not_typed(what, &error, instead)),
    }
}

fn require_terminal(what: &str, instead: &'static str) -> Result<(), Failure> {
    if io::stdin().is_terminal() {
        return Ok(());
    }
    Err(Failure::usage(format!("The {what} is missing, and there is no terminal to ask at."), instead))
}

/// Takes one line's end off, and leaves everything else as it is.
fn one(text: &str) -> Result<SecretString, Failure> {
    let text = text.strip_suffix('\n').unwrap_or(text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    if text.is_empty() {
        return Err(Failure::usage(
            "The secret is empty.",
            "Pass the secret on standard input, or type it when asked.",
        ));
    }
    Ok(SecretString::from(text.to_owned()))
}

/// Standard input without the buffer of [`io::stdin`], which nobody wipes.
#[cfg(unix)]
fn unbuffered_stdin() -> io::Result<File> {
    use std::os::fd::AsFd as _;
    io::stdin().as_fd().try_clone_to_owned().map(File::from)
}

/// Standard input without the buffer of [`io::stdin`], which nobody wipes.
#[cfg(windows)]
fn unbuffered_stdin() -> io::Result<File> {
    use std::os::windows::io::AsHandle as _;
    io::stdin().as_handle().try_clone_to_owned().map(File::from)
}

#[cfg(test)]
mod tests {
    use pilotlight::values::ExposeSecret as _;

    use super::*;

    /// What `count` secrets are read as, or the sentence that refuses them.
    fn read(input: &[u8], count: usize) -> Result<Vec<String>, String> {
        let mut read = StandardInput::from_reader(input, &Source("Standard input".to_owned()), count)
            .map_err(|failure| failure.to_string())?;
        Ok(std::iter::from_fn(|| read.next()).map(|secret| secret.expose_secret().to_owned()).collect())
    }

    #[test]
    fn one_line_end_is_taken_off_and_nothing_else() {
        for (input, secret) in [("s3", "s3"), ("s3\n", "s3"), ("s3\r\n", "s3"), (" s 3 \n\n", " s 3 \n"), ("ü\n", "ü")]
        {
            assert_eq!(read(input.as_bytes(), 1).unwrap(), [secret]);
        }
    }

    #[test]
    fn two_secrets_stand_on_two_lines_in_order() {
        for input in ["first\nsecond", "first\nsecond\n", "first\r\nsecond\r\n"] {
            assert_eq!(read(input.as_bytes(), 2).unwrap(), ["first", "second"]);
        }
        assert!(read(b"first", 2).unwrap_err().contains("two are needed"));
        assert!(read(b"first\n", 2).unwrap_err().contains("empty"));
    }

    #[test]
    fn an_empty_or_unreadable_secret_is_refused() {
        for input in [&b""[..], b"\n", b"\r\n"] {
            assert_eq!(read(input, 1).unwrap_err(), "The secret is empty.");
        }
        assert_eq!(read(b"\xff\xfe", 1).unwrap_err(), "Standard input is not text in UTF-8.");
    }

    #[test]
    fn what_is_too_long_is_refused_and_never_cut_short() {
        assert_eq!(read(&vec![b'x'; LARGEST], 1).unwrap()[0].len(), LARGEST);
        assert!(read(&vec![b'x'; LARGEST + 1], 1).unwrap_err().contains("64 KiB"));
        assert!(
            StandardInput::from_reader(io::repeat(b'x'), &Source("It".to_owned()), 1).is_err(),
            "a source without an end"
        );
    }

    #[test]
    fn a_source_that_trickles_is_read_to_its_end() {
        struct Trickle(Vec<u8>);
        impl Read for Trickle {
            fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
                Ok(self.0.pop().map_or(0, |byte| {
                    into[0] = byte;
                    1
                }))
            }
        }
        let mut read =
            StandardInput::from_reader(Trickle(b"\nterces".to_vec()), &Source("It".to_owned()), 1).ok().unwrap();
        assert_eq!(read.next().unwrap().expose_secret(), "secret");
    }
}
