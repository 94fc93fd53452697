//! Secrets come in by standard input or by the terminal, and stay in memory that is wiped.

use std::fs::File;
use std::io::{self, IsTerminal as _, Read};
use std::path::Path;

use pilotlight::values::{ExposeSecret as _, SecretString};
use zeroize::{Zeroize as _, Zeroizing};

use crate::failure::Failure;
use crate::output;

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
        Self::from_reader(unbuffered_stdin().map_err(|error| unreadable(&error))?, count)
    }

    fn from_reader(mut source: impl Read, count: usize) -> Result<Self, Failure> {
        // One buffer that never grows, so that no copy is left behind where it was.
        let mut buffer = Zeroizing::new(vec![0; LARGEST + 1]);
        let mut length = 0;
        while length <= LARGEST {
            match source.read(&mut buffer[length..]) {
                Ok(0) => break,
                Ok(read) => length += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(unreadable(&error)),
            }
        }
        if length > LARGEST {
            return Err(Failure::usage("Standard input holds more than 64 KiB.", "Pass the secret alone."));
        }
        let text = str::from_utf8(&buffer[..length])
            .map_err(|_| Failure::usage("Standard input is not text in UTF-8.", "Pass the secret as text in UTF-8."))?;
        let mut secrets: Vec<_> = text.splitn(count, '\n').map(one).collect::<Result<_, _>>()?;
        if secrets.len() < count {
            return Err(Failure::usage(
                "Standard input holds one secret, and two are needed.",
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

/// Asks for a secret at the terminal, without showing what is typed. `instead` tells a script what to do.
pub(crate) fn ask(what: &str, instead: &'static str) -> Result<SecretString, Failure> {
    require_terminal(what, instead)?;
    let mut typed = rpassword::prompt_password(format!("Your {what}: ")).map_err(|error| unreadable(&error))?;
    let secret = one(&typed);
    typed.zeroize();
    secret
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
    let file = File::open(path).map_err(|error| {
        Failure::usage(
            format!("{} cannot be read: {error}.", path.display()),
            "Name a file that holds the secret alone.",
        )
    })?;
    let read = StandardInput::from_reader(file, 1)?.next();
    read.ok_or_else(|| Failure::usage("The file is empty.", "Name a file that holds the secret alone."))
}

/// Asks for a line that is no secret.
pub(crate) fn ask_line(what: &str, instead: &'static str) -> Result<String, Failure> {
    require_terminal(what, instead)?;
    output::prompt(&format!("Your {what}"));
    let mut line = String::new();
    let most = u64::try_from(LARGEST).unwrap_or(u64::MAX);
    io::BufRead::read_line(&mut io::stdin().lock().take(most), &mut line).map_err(|error| unreadable(&error))?;
    Ok(line.trim().to_owned())
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

fn unreadable(error: &io::Error) -> Failure {
    Failure::usage(format!("Standard input cannot be read: {error}."), "Pass the secret through a pipe or from a file.")
}

#[cfg(test)]
mod tests {
    use pilotlight::values::ExposeSecret as _;

    use super::*;

    /// What `count` secrets are read as, or the sentence that refuses them.
    fn read(input: &[u8], count: usize) -> Result<Vec<String>, String> {
        let mut read = StandardInput::from_reader(input, count).map_err(|failure| failure.to_string())?;
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
        assert!(StandardInput::from_reader(io::repeat(b'x'), 1).is_err(), "a source without an end");
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
        let mut read = StandardInput::from_reader(Trickle(b"\nterces".to_vec()), 1).ok().unwrap();
        assert_eq!(read.next().unwrap().expose_secret(), "secret");
    }
}
