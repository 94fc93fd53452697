//! Reads lines from a socket into memory that is wiped: a passphrase may be among them.

use tokio::io::{AsyncRead, AsyncReadExt as _};
use zeroize::{Zeroize as _, Zeroizing};

use crate::protocol::LONGEST_LINE;

/// Most requests fit; a longer one makes room for the longest.
const ROOM: usize = 1024;

/// The lines that a peer sends.
pub(crate) struct Lines {
    bytes: Zeroizing<Vec<u8>>,
    /// Where the line that was given last ends; it is wiped before the next is read.
    taken: usize,
}

/// What came.
pub(crate) enum Came<'a> {
    /// A line, without its end.
    Line(&'a [u8]),
    /// Half a line and then the end, or more than a line may have.
    Torn,
    /// Nothing more.
    End,
}

impl Lines {
    pub(crate) fn new() -> Self {
        Self { bytes: Zeroizing::new(Vec::with_capacity(ROOM)), taken: 0 }
    }

    /// The next line. Nothing is lost where this is dropped before it ends.
    pub(crate) async fn next(&mut self, from: &mut (impl AsyncRead + Unpin)) -> std::io::Result<Came<'_>> {
        self.forget();
        let mut searched = 0;
        loop {
            if let Some(end) = self.bytes[searched..].iter().position(|byte| *byte == b'\n').map(|at| searched + at) {
                if end > LONGEST_LINE {
                    return Ok(Came::Torn);
                }
                self.taken = end + 1;
                return Ok(Came::Line(&self.bytes[..end]));
            }
            searched = self.bytes.len();
            if searched > LONGEST_LINE {
                return Ok(Came::Torn);
            }
            if self.bytes.len() == self.bytes.capacity() {
                self.grow();
            }
            if from.read_buf(&mut *self.bytes).await? == 0 {
                return Ok(if self.bytes.is_empty() { Came::End } else { Came::Torn });
            }
        }
    }

    /// Wipes the line that was given, and moves what came after it to the front.
    fn forget(&mut self) {
        let rest = self.bytes.len() - self.taken;
        self.bytes.copy_within(self.taken.., 0);
        self.bytes[rest..].zeroize();
        self.bytes.truncate(rest);
        self.taken = 0;
    }

    /// Room for the longest line; the old room is wiped.
    fn grow(&mut self) {
        let mut larger = Zeroizing::new(Vec::with_capacity(LONGEST_LINE + ROOM));
        larger.extend_from_slice(&self.bytes);
        self.bytes = larger;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(mut bytes: &[u8]) -> Vec<Option<Vec<u8>>> {
        let mut lines = Lines::new();
        let mut all = vec![];
        loop {
            match lines.next(&mut bytes).await.unwrap() {
                Came::Line(line) => all.push(Some(line.to_vec())),
                Came::Torn => {
                    all.push(None);
                    return all;
                }
                Came::End => return all,
            }
        }
    }

    #[tokio::test]
    async fn lines_come_one_by_one_and_half_a_line_is_torn() {
        let lines = |texts: &[&str]| texts.iter().map(|text| Some(text.as_bytes().to_vec())).collect::<Vec<_>>();
        assert_eq!(read(b"").await, []);
        assert_eq!(read(b"a\n\nbc\n").await, lines(&["a", "", "bc"]));
        assert_eq!(read(b"a\nb").await, [Some(b"a".to_vec()), None]);
    }

    #[tokio::test]
    async fn a_line_may_be_so_long_and_not_a_byte_longer_wherever_it_stands() {
        for before in [0, 1, ROOM, LONGEST_LINE] {
            let line = |length: usize| format!("{}\n{}\n", "x".repeat(before), "y".repeat(length));
            assert_eq!(read(line(LONGEST_LINE).as_bytes()).await[1].as_ref().unwrap().len(), LONGEST_LINE);
            assert_eq!(read(line(LONGEST_LINE + 1).as_bytes()).await[1], None, "{before}");
        }
    }

    #[tokio::test]
    async fn what_was_read_is_wiped_when_the_next_is() {
        let mut lines = Lines::new();
        let mut from: &[u8] = b"swordfish\n";
        assert!(matches!(lines.next(&mut from).await.unwrap(), Came::Line(b"swordfish")));
        assert!(matches!(lines.next(&mut from).await.unwrap(), Came::End));
        let room = lines.bytes.capacity();
        lines.bytes.resize(room, 0);
        assert!(lines.bytes.iter().all(|byte| *byte == 0));
    }
}
