//! The little of HTTP that a browser needs to get through a sign-in: one request, one answer, cookies.
//!
//! Written by hand so that the test's browser shares no code with the product it tests. It speaks HTTP/1.0, since
//! an answer to that is never chunked and ends with the connection.

use std::{
    io::{self, Read as _, Write as _},
    net::TcpStream,
    time::Duration,
};

use url::Url;

/// How long a server may be silent.
const SILENCE: Duration = Duration::from_secs(20);

/// An answer, whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
    headers: Vec<(String, String)>,
}

impl Answer {
    /// The first header of that name, given in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    fn parse(bytes: &[u8]) -> io::Result<Self> {
        let broken = || io::Error::new(io::ErrorKind::InvalidData, "not an HTTP answer");
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").ok_or_else(broken)?;
        let head = String::from_utf8_lossy(&bytes[..end]);
        let mut lines = head.split("\r\n");
        let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|code| code.parse().ok());
        let headers = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.trim().to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        let body = String::from_utf8_lossy(&bytes[end + 4..]).into_owned();
        Ok(Self { status: status.ok_or_else(broken)?, body, headers })
    }
}

#[derive(Debug)]
struct Cookie {
    origin: String,
    path: String,
    name: String,
    value: String,
}

/// The cookies of one browsing session, RFC 6265 as far as a sign-in needs it.
#[derive(Debug, Default)]
pub(crate) struct Cookies {
    kept: Vec<Cookie>,
}

impl Cookies {
    fn line_for(&self, url: &Url) -> Option<String> {
        let origin = url.origin().ascii_serialization();
        let fits = |cookie: &&Cookie| cookie.origin == origin && url.path().starts_with(&cookie.path);
        let pairs: Vec<_> =
            self.kept.iter().filter(fits).map(|cookie| format!("{}={}", cookie.name, cookie.value)).collect();
        (!pairs.is_empty()).then(|| pairs.join("; "))
    }

    fn keep(&mut self, url: &Url, line: &str) {
        let mut parts = line.split(';').map(str::trim);
        let Some((name, value)) = parts.next().and_then(|pair| pair.split_once('=')) else { return };
        let (mut path, mut gone) = ("/", value.is_empty());
        for part in parts {
            let (key, setting) = part.split_once('=').unwrap_or((part, ""));
            match key.to_ascii_lowercase().as_str() {
                "path" => path = setting,
                "max-age" => gone |= setting == "0",
                "expires" => gone |= setting.contains("1970"),
                _ => {}
            }
        }
        let origin = url.origin().ascii_serialization();
        self.kept.retain(|old| !(old.origin == origin && old.name == name && old.path == path));
        if !gone {
            self.kept.push(Cookie { origin, path: path.to_owned(), name: name.to_owned(), value: value.to_owned() });
        }
    }
}

/// Fetches `url`; with a `form`, posts it as a page of the same origin would.
///
/// # Errors
/// What the socket says, and `InvalidData` for something that is not HTTP or not plain `http:`.
pub(crate) fn fetch(cookies: &mut Cookies, url: &Url, form: Option<&[(String, String)]>) -> io::Result<Answer> {
    let unfit = |what| io::Error::new(io::ErrorKind::InvalidData, format!("{what}: {url}"));
    if url.scheme() != "http" {
        return Err(unfit("the test's browser speaks plain HTTP only"));
    }
    let address = url.socket_addrs(|| None)?.into_iter().next().ok_or_else(|| unfit("no address"))?;
    let mut stream = TcpStream::connect_timeout(&address, SILENCE)?;
    stream.set_read_timeout(Some(SILENCE))?;
    stream.write_all(request(cookies, url, form).as_bytes())?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes)?;
    let answer = Answer::parse(&bytes)?;
    for (_, line) in answer.headers.iter().filter(|(name, _)| name == "set-cookie") {
        cookies.keep(url, line);
    }
    Ok(answer)
}

fn request(cookies: &Cookies, url: &Url, form: Option<&[(String, String)]>) -> String {
    let target = &url[url::Position::BeforePath..url::Position::AfterQuery];
    let host = &url[url::Position::BeforeHost..url::Position::AfterPort];
    let method = if form.is_some() { "POST" } else { "GET" };
    let mut text = format!("{method} {target} HTTP/1.0\r\nHost: {host}\r\nAccept: text/html\r\n");
    if let Some(line) = cookies.line_for(url) {
        text += &format!("Cookie: {line}\r\n");
    }
    let Some(form) = form else { return text + "\r\n" };
    let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
    let origin = url.origin().ascii_serialization();
    text += &format!("Origin: {origin}\r\nSec-Fetch-Site: same-origin\r\n");
    text += &format!("Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n", body.len());
    text + &body
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_goes_back_to_its_origin_and_path_only() {
        let mut cookies = Cookies::default();
        let page = Url::parse("http://127.0.0.1:1/interaction/a").unwrap();
        cookies.keep(&page, "s=1; path=/interaction/a; httponly");
        assert_eq!(cookies.line_for(&page).as_deref(), Some("s=1"));
        assert_eq!(cookies.line_for(&Url::parse("http://127.0.0.1:1/other").unwrap()), None);
        assert_eq!(cookies.line_for(&Url::parse("http://127.0.0.1:2/interaction/a").unwrap()), None);
        cookies.keep(&page, "s=; path=/interaction/a; expires=Thu, 01 Jan 1970 00:00:00 GMT");
        assert_eq!(cookies.line_for(&page), None);
    }

    #[test]
    fn an_answer_is_read_whole_and_nonsense_is_an_error() {
        let answer = Answer::parse(b"HTTP/1.1 302 Found\r\nLocation: /x\r\n\r\nbye").unwrap();
        assert_eq!((answer.status, answer.header("location"), answer.body.as_str()), (302, Some("/x"), "bye"));
        assert!(Answer::parse(b"hello").is_err());
        assert!(Answer::parse(b"HTTP/1.1 abc\r\n\r\n").is_err());
    }
}
