//! The little of X11 that closes a window as its frame's button does: there is no window manager on a display for measuring.
//!
//! Written after the protocol's own description (X11R7 protocol, appendix B) and ICCCM section 4.2.8.1.

use std::{
    io::{Read as _, Write as _},
    os::unix::net::UnixStream,
};

use crate::failure::Failure;

const SEND_EVENT: u8 = 25;
const INTERN_ATOM: u8 = 16;
const QUERY_TREE: u8 = 15;
const GET_PROPERTY: u8 = 20;
const CLIENT_MESSAGE: u8 = 33;

struct Connection {
    stream: UnixStream,
    root: u32,
}

/// Asks every window that takes such a wish to close. Tells how many there were.
pub(super) fn close_windows(socket: &str) -> Result<usize, Failure> {
    let mut x = Connection::open(socket)?;
    let (protocols, delete) = (x.atom("WM_PROTOCOLS")?, x.atom("WM_DELETE_WINDOW")?);
    let mut asked = 0;
    for window in x.windows()? {
        if x.property(window, protocols)?.contains(&delete) {
            x.tell(window, protocols, delete)?;
            asked += 1;
        }
    }
    // An answer to something harmless means that what was said before has been taken.
    x.atom("WM_PROTOCOLS")?;
    Ok(asked)
}

impl Connection {
    fn open(socket: &str) -> Result<Self, Failure> {
        let mut stream = UnixStream::connect(socket)?;
        // Least significant byte first, version 11.0, no authorization.
        stream.write_all(&[b'l', 0, 11, 0, 0, 0, 0, 0, 0, 0, 0, 0])?;
        let mut head = [0; 8];
        stream.read_exact(&mut head)?;
        let mut rest = vec![0; usize::from(u16::from_le_bytes([head[6], head[7]])) * 4];
        stream.read_exact(&mut rest)?;
        if head[0] != 1 {
            return Err(Failure::new("the display does not let us in"));
        }
        // Behind 32 bytes of its own stand the vendor's name, padded, and eight bytes for each format; then the first screen.
        let vendor = usize::from(u16::from_le_bytes([rest[16], rest[17]])).next_multiple_of(4);
        let screen = 32 + vendor + usize::from(rest[21]) * 8;
        Ok(Self { stream, root: number(&rest, screen) })
    }

    fn request(&mut self, kind: u8, data: u8, body: &[u32]) -> Result<(), Failure> {
        let length = u16::try_from(1 + body.len()).map_err(|error| Failure::new(error.to_string()))?;
        let mut bytes = vec![kind, data];
        bytes.extend(length.to_le_bytes());
        bytes.extend(body.iter().flat_map(|word| word.to_le_bytes()));
        Ok(self.stream.write_all(&bytes)?)
    }

    /// The next answer; what is told unasked is passed over.
    fn answer(&mut self) -> Result<Vec<u8>, Failure> {
        loop {
            let mut bytes = vec![0; 32];
            self.stream.read_exact(&mut bytes)?;
            match bytes[0] {
                0 => return Err(Failure::new(format!("the display refuses a request: {}", bytes[1]))),
                1 => {
                    let more = number(&bytes, 4) as usize * 4;
                    bytes.resize(32 + more, 0);
                    self.stream.read_exact(&mut bytes[32..])?;
                    return Ok(bytes);
                }
                _ => {}
            }
        }
    }

    fn atom(&mut self, name: &str) -> Result<u32, Failure> {
        let mut padded = name.as_bytes().to_vec();
        padded.resize(name.len().next_multiple_of(4), 0);
        let words = padded.chunks_exact(4).map(|word| number(word, 0));
        let body: Vec<u32> = std::iter::once(name.len() as u32).chain(words).collect();
        self.request(INTERN_ATOM, 0, &body)?;
        Ok(number(&self.answer()?, 8))
    }

    /// The windows below the root: without a window manager, those of the programs.
    fn windows(&mut self) -> Result<Vec<u32>, Failure> {
        self.request(QUERY_TREE, 0, &[self.root])?;
        let answer = self.answer()?;
        Ok(answer[32..].chunks_exact(4).map(|word| number(word, 0)).collect())
    }

    fn property(&mut self, window: u32, name: u32) -> Result<Vec<u32>, Failure> {
        // Of any type, from the beginning, at most 32 words.
        self.request(GET_PROPERTY, 0, &[window, name, 0, 0, 32])?;
        let answer = self.answer()?;
        let count = if answer[1] == 32 { number(&answer, 16) as usize } else { 0 };
        Ok(answer[32..].chunks_exact(4).take(count).map(|word| number(word, 0)).collect())
    }

    fn tell(&mut self, window: u32, protocols: u32, wish: u32) -> Result<(), Failure> {
        let event = u32::from(CLIENT_MESSAGE) | 32 << 8;
        self.request(SEND_EVENT, 0, &[window, 0, event, window, protocols, wish, 0, 0, 0, 0])
    }
}

fn number(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).and_then(|four| four.try_into().ok()).map_or(0, u32::from_le_bytes)
}
