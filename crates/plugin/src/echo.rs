//! Keeps a token out of what a window is given: some services send a request's headers back, to help whoever debugs.

use pilotlight::values::{ExposeSecret as _, SecretString};
use zeroize::Zeroizing;

/// Looks for one token in a stream of bytes, also where two pieces share it.
pub(crate) struct Echo {
    token: SecretString,
    /// The end of what came, held back because the token may begin with it.
    held: Zeroizing<Vec<u8>>,
}

/// The token is in there.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Echoed;

impl Echo {
    pub(crate) fn of(token: SecretString) -> Self {
        Self { token, held: Zeroizing::default() }
    }

    /// Whether a text that stands alone, such as a header's value, has the token.
    pub(crate) fn is_in(&self, bytes: &[u8]) -> bool {
        let token = self.token.expose_secret().as_bytes();
        !token.is_empty() && bytes.windows(token.len()).any(|window| window == token)
    }

    /// The next piece, as far as it may be passed on by now.
    pub(crate) fn pass(&mut self, piece: &[u8]) -> Result<Vec<u8>, Echoed> {
        self.held.extend_from_slice(piece);
        if self.is_in(&self.held) {
            return Err(Echoed);
        }
        let token = self.token.expose_secret().as_bytes();
        let longest = self.held.len().min(token.len().saturating_sub(1));
        let begun = (1..=longest).rev().find(|length| self.held.ends_with(&token[..*length])).unwrap_or(0);
        let safe = self.held.len() - begun;
        Ok(self.held.drain(..safe).collect())
    }

    /// What is held back at the end of the stream, where no token follows any more.
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        self.held.drain(..).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "eyJ.abc.eyJ.abd";

    /// What is passed on of `text`, cut into pieces of `length` bytes.
    fn passed(text: &str, length: usize) -> Result<String, Echoed> {
        let mut echo = Echo::of(TOKEN.into());
        let mut all = vec![];
        for piece in text.as_bytes().chunks(length) {
            all.extend(echo.pass(piece)?);
        }
        all.extend(echo.rest());
        Ok(String::from_utf8(all).unwrap())
    }

    #[test]
    fn a_token_is_found_wherever_the_pieces_are_cut() {
        for text in [TOKEN.to_owned(), format!(r#"{{"authorization":"Bearer {TOKEN}"}}"#), format!("eyJ.abc.{TOKEN}")] {
            for length in 1..=text.len() {
                assert_eq!(passed(&text, length), Err(Echoed), "{text} in pieces of {length}");
            }
        }
    }

    #[test]
    fn what_is_not_the_token_arrives_whole() {
        for text in ["", "e", "hello", "eyJ.abc.eyJ.ab", "eyJ.abc.eyJ.abc.eyJ.abX", "eyJ.abc.eyeyJ.abc.ey"] {
            for length in 1..=text.len().max(1) {
                assert_eq!(passed(text, length).as_deref(), Ok(text), "in pieces of {length}");
            }
        }
    }

    #[test]
    fn no_byte_of_a_token_that_comes_in_pieces_is_passed_on() {
        let mut echo = Echo::of(TOKEN.into());
        assert_eq!(echo.pass(b"x: eyJ.abc.e"), Ok(b"x: ".to_vec()));
        assert_eq!(echo.pass(b"yJ.abd"), Err(Echoed));
    }
}
