//! What a service is asked by a program, read from the connection.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::TcpStream;

/// A request of HTTP/1.1.
pub(super) struct Asked {
    pub(super) method: String,
    pub(super) target: String,
    headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl Asked {
    /// Reads one; none where the connection ends.
    pub(super) fn read(stream: &TcpStream) -> Option<Self> {
        let mut reader = BufReader::new(stream);
        let mut first = String::new();
        reader.read_line(&mut first).ok().filter(|read| *read > 0)?;
        let mut words = first.split(' ').map(ToOwned::to_owned);
        let (method, target) = (words.next()?, words.next()?);
        let lines = reader.by_ref().lines().map_while(Result::ok).take_while(|line| !line.is_empty());
        let pair =
            |line: String| line.split_once(": ").map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()));
        let headers = lines.filter_map(pair).collect();
        let mut asked = Self { method, target, headers, body: vec![] };
        if asked.header("transfer-encoding").is_some() {
            asked.body = chunks(&mut reader);
        } else {
            asked.body = vec![0; asked.header("content-length").map_or(0, |length| length.parse().unwrap())];
            reader.read_exact(&mut asked.body).ok()?;
        }
        Some(asked)
    }

    /// The value of the first header of that name in lower case.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    /// Every header's name, in order.
    pub(super) fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.headers.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        names
    }
}

/// RFC 9112 section 7.1, without trailers.
fn chunks(reader: &mut BufReader<&TcpStream>) -> Vec<u8> {
    let mut body = vec![];
    loop {
        let mut size = String::new();
        reader.read_line(&mut size).unwrap();
        let size = usize::from_str_radix(size.trim(), 16).unwrap();
        let begin = body.len();
        body.resize(begin + size, 0);
        reader.read_exact(&mut body[begin..]).unwrap();
        reader.read_line(&mut String::new()).unwrap();
        if size == 0 {
            return body;
        }
    }
}
