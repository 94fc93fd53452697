//! HTTP/1.1 by hand, towards the client: a library would not let an answer break off in its middle.

use std::io;
use std::time::Duration;

use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use zeroize::Zeroizing;

/// No head and no body is read beyond these.
const LARGEST_HEAD: usize = 64 * 1024;
const LARGEST_BODY: usize = 1024 * 1024;
const MOST_HEADERS: usize = 100;
/// How long the rest of a refused request is read.
const FAREWELL: Duration = Duration::from_secs(2);

/// Headers that speak of one connection and not of the message (RFC 9110 section 7.6.1), and the body's length, which
/// whoever sends the body knows best.
const OF_THE_CONNECTION: [HeaderName; 9] = [
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::EXPECT,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
];

/// A request, whole.
pub(crate) struct Request {
    pub(crate) method: Method,
    /// Path and query, as on the request line.
    pub(crate) target: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Zeroizing<Vec<u8>>,
}

impl Request {
    /// Without the query, which may hold a code.
    pub(crate) fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }
}

/// An answer, whole.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn new(status: StatusCode, kind: &'static str, body: impl Into<Bytes>) -> Self {
        let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static(kind))]);
        Self { status, headers, body: body.into() }
    }
}

/// Why there is no request to go on with.
#[derive(Debug)]
pub(crate) enum Unreadable {
    /// The client went away, or never spoke.
    Gone,
    /// This is what it is told.
    Wrong(StatusCode),
}

impl From<io::Error> for Unreadable {
    fn from(_: io::Error) -> Self {
        Self::Gone
    }
}

/// What stands in a head.
struct Head {
    method: Method,
    target: String,
    headers: HeaderMap,
    length: usize,
    body: usize,
    continues: bool,
}

/// Reads one request to its end.
pub(crate) async fn read(stream: &mut TcpStream) -> Result<Request, Unreadable> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(8 * 1024));
    let head = loop {
        if let Some(head) = parse(&bytes)? {
            break head;
        }
        if bytes.len() >= LARGEST_HEAD {
            return Err(Unreadable::Wrong(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE));
        }
        read_more(stream, &mut bytes).await?;
    };
    if head.continues {
        stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
    }
    while bytes.len() < head.length + head.body {
        read_more(stream, &mut bytes).await?;
    }
    let body = Zeroizing::new(bytes[head.length..head.length + head.body].to_vec());
    Ok(Request { method: head.method, target: head.target, headers: head.headers, body })
}

async fn read_more(stream: &mut TcpStream, bytes: &mut Zeroizing<Vec<u8>>) -> Result<(), Unreadable> {
    let mut chunk = Zeroizing::new([0; 8 * 1024]);
    match stream.read(&mut *chunk).await? {
        0 => Err(Unreadable::Gone),
        count => {
            bytes.extend_from_slice(&chunk[..count]);
            Ok(())
        }
    }
}

/// `None` while the head is not whole.
fn parse(bytes: &[u8]) -> Result<Option<Head>, Unreadable> {
    let bad = |_| Unreadable::Wrong(StatusCode::BAD_REQUEST);
    let mut space = [httparse::EMPTY_HEADER; MOST_HEADERS];
    let mut request = httparse::Request::new(&mut space);
    let httparse::Status::Complete(length) = request.parse(bytes).map_err(bad)? else { return Ok(None) };
    let (Some(method), Some(target)) = (request.method, request.path) else { return Ok(None) };
    let mut headers = HeaderMap::new();
    for line in request.headers.iter() {
        let name = HeaderName::try_from(line.name).map_err(|_| Unreadable::Wrong(StatusCode::BAD_REQUEST))?;
        let value = HeaderValue::from_bytes(line.value).map_err(|_| Unreadable::Wrong(StatusCode::BAD_REQUEST))?;
        headers.append(name, value);
    }
    let body = body_length(&headers)?;
    let continues =
        headers.get(header::EXPECT).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"));
    let method = Method::try_from(method).map_err(|_| Unreadable::Wrong(StatusCode::BAD_REQUEST))?;
    if !target.starts_with('/') {
        // CONNECT, and the form for forward proxies, which this is not.
        return Err(Unreadable::Wrong(StatusCode::BAD_REQUEST));
    }
    strip(&mut headers);
    Ok(Some(Head { method, target: target.to_owned(), headers, length, body, continues }))
}

fn body_length(headers: &HeaderMap) -> Result<usize, Unreadable> {
    if headers.contains_key(header::TRANSFER_ENCODING) {
        // No client sends a form of a few hundred bytes in chunks.
        return Err(Unreadable::Wrong(StatusCode::LENGTH_REQUIRED));
    }
    let mut lengths = headers.get_all(header::CONTENT_LENGTH).iter();
    let Some(length) = lengths.next() else { return Ok(0) };
    let text = length.to_str().ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    let length = text.and_then(|text| text.parse::<usize>().ok()).filter(|_| lengths.next().is_none());
    match length {
        None => Err(Unreadable::Wrong(StatusCode::BAD_REQUEST)),
        Some(length) if length > LARGEST_BODY => Err(Unreadable::Wrong(StatusCode::PAYLOAD_TOO_LARGE)),
        Some(length) => Ok(length),
    }
}

/// Removes what is not meant for the next connection.
pub(crate) fn strip(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| HeaderName::try_from(name.trim()).ok())
        .collect();
    for name in OF_THE_CONNECTION.into_iter().chain(named) {
        headers.remove(name);
    }
}

/// An answer as it goes over the wire, and where its body begins.
pub(crate) struct Serialized {
    pub(crate) bytes: Zeroizing<Vec<u8>>,
    pub(crate) body_at: usize,
}

impl Serialized {
    /// For a request of that method; the connection ends with it.
    pub(crate) fn new(answer: &Answer, method: &Method) -> Self {
        let status = answer.status;
        let mut bytes = Zeroizing::new(Vec::with_capacity(1024 + answer.body.len()));
        let reason = status.canonical_reason().unwrap_or_default();
        bytes.extend_from_slice(format!("HTTP/1.1 {} {reason}\r\n", status.as_u16()).as_bytes());
        for (name, value) in &answer.headers {
            bytes.extend_from_slice(name.as_str().as_bytes());
            bytes.extend_from_slice(b": ");
            bytes.extend_from_slice(value.as_bytes());
            bytes.extend_from_slice(b"\r\n");
        }
        let has_body =
            *method != Method::HEAD && status != StatusCode::NO_CONTENT && status != StatusCode::NOT_MODIFIED;
        if has_body {
            bytes.extend_from_slice(format!("content-length: {}\r\n", answer.body.len()).as_bytes());
        }
        bytes.extend_from_slice(b"connection: close\r\n\r\n");
        let body_at = bytes.len();
        if has_body {
            bytes.extend_from_slice(&answer.body);
        }
        Self { bytes, body_at }
    }

    /// The first half of the body, or of the head where there is no body: in no case a whole answer.
    pub(crate) fn half(&self) -> &[u8] {
        let body = self.bytes.len() - self.body_at;
        let end = if body == 0 { self.body_at / 2 } else { self.body_at + body / 2 };
        &self.bytes[..end]
    }
}

/// Sends and closes. A client that went away meanwhile is no fault of ours.
pub(crate) async fn write(mut stream: TcpStream, bytes: &[u8]) {
    if stream.write_all(bytes).await.is_ok() {
        let _ = stream.shutdown().await;
    }
}

/// Sends to a client that is perhaps still sending, and closes. What it sends has to be read for a while, or the system would
/// reset the connection and the answer with it.
pub(crate) async fn refuse(mut stream: TcpStream, bytes: &[u8]) {
    if stream.write_all(bytes).await.is_ok() && stream.shutdown().await.is_ok() {
        let _ = tokio::time::timeout(FAREWELL, outlast(stream)).await;
    }
}

/// Closes in order, as a server does that ends.
pub(crate) async fn close(stream: TcpStream) {
    write(stream, &[]).await;
}

/// Resets the connection, as a machine does that knows nothing of it any more.
pub(crate) fn reset(stream: TcpStream) {
    let _ = stream.set_zero_linger();
    drop(stream);
}

/// Says nothing until the client goes away.
pub(crate) async fn outlast(mut stream: TcpStream) {
    let mut ignored = [0; 1024];
    while stream.read(&mut ignored).await.is_ok_and(|count| count > 0) {}
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn refused(head: &str) -> Option<u16> {
        match parse(head.as_bytes()) {
            Err(Unreadable::Wrong(status)) => Some(status.as_u16()),
            _ => None,
        }
    }

    #[test]
    fn a_head_is_read_whole_or_not_yet() {
        let text =
            "POST /token?x=1 HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nConnection: x-hop\r\nX-Hop: 1\r\n\r\nabcde";
        let whole = text.len() - 5;
        for end in 0..whole {
            assert!(matches!(parse(&text.as_bytes()[..end]), Ok(None)), "{end}");
        }
        let Ok(Some(head)) = parse(text.as_bytes()) else { panic!("a good head") };
        assert_eq!((head.method, head.target.as_str(), head.length, head.body), (Method::POST, "/token?x=1", whole, 5));
        assert_eq!(head.headers.keys().map(HeaderName::as_str).collect::<Vec<_>>(), ["host"]);
    }

    #[test]
    fn what_cannot_be_forwarded_is_refused_with_a_status() {
        for (status, lines) in [
            (400, "GET http://a/ HTTP/1.1\r\n"),
            (400, "CONNECT a:443 HTTP/1.1\r\n"),
            (400, "nonsense\r\n"),
            (400, "POST / HTTP/1.1\r\nContent-Length: +5\r\n"),
            (400, "POST / HTTP/1.1\r\nContent-Length: \r\n"),
            (400, "POST / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 5\r\n"),
            (411, "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n"),
            (413, "POST / HTTP/1.1\r\nContent-Length: 1048577\r\n"),
        ] {
            assert_eq!(refused(&format!("{lines}\r\n")), Some(status), "{lines}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_head_or_none(bytes: Vec<u8>) {
            let _ = parse(&bytes);
        }

        #[test]
        fn half_an_answer_is_never_a_whole_one(body: Vec<u8>, head: bool) {
            let answer = Answer::new(StatusCode::OK, "text/plain", body);
            let whole = Serialized::new(&answer, &if head { Method::HEAD } else { Method::GET });
            prop_assert!(whole.half().len() < whole.bytes.len());
        }
    }
}
