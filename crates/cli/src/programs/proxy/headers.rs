//! What of a request and its answer belongs to the connection, and what the two sides must not learn of one another.

use hyper::HeaderMap;
use hyper::header::{
    AUTHORIZATION, CONNECTION, CONTENT_LENGTH, COOKIE, EXPECT, HOST, HeaderName, HeaderValue, ORIGIN,
    PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, REFERER, SET_COOKIE, TE, TRAILER, TRANSFER_ENCODING, UPGRADE, VIA,
};

/// Of the connection alone, named by `Connection` or not (RFC 9110 section 7.6.1).
const HOP_BY_HOP: [HeaderName; 9] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// What the program says beside: other credentials, and words that name the proxy's own address. `Expect` was answered here.
const OF_THE_PROGRAM: [HeaderName; 6] = [AUTHORIZATION, COOKIE, EXPECT, HOST, ORIGIN, REFERER];

/// Whether this is a request for, or an answer of, an upgrade to a websocket (RFC 6455 section 4).
pub(super) fn is_websocket(headers: &HeaderMap) -> bool {
    let one = |name, wanted: &str| listed(headers, name).any(|word| word.eq_ignore_ascii_case(wanted));
    one(&CONNECTION, "upgrade") && one(&UPGRADE, "websocket")
}

/// Makes the program's headers those of the request to the service. Any other upgrade than to a websocket is left out, as
/// a server may that does not want it (RFC 9110 section 7.8).
pub(super) fn of_request(headers: &mut HeaderMap) {
    keep_end_to_end(headers);
    for name in OF_THE_PROGRAM {
        headers.remove(name);
    }
    headers.append(VIA, HeaderValue::from_static("1.1 pilotlight"));
}

/// Makes the service's headers those of the answer to the program. Cookies would be sent to every program on this machine
/// that listens at a port, as cookies know none (RFC 6265 section 8.5).
pub(super) fn of_answer(headers: &mut HeaderMap) {
    keep_end_to_end(headers);
    headers.remove(SET_COOKIE);
}

fn keep_end_to_end(headers: &mut HeaderMap) {
    let websocket = is_websocket(headers);
    let named: Vec<HeaderName> = listed(headers, &CONNECTION).filter_map(|name| name.parse().ok()).collect();
    // Whoever names the length has the connection's framing in mind, which is made anew on the other side.
    for name in named.iter().filter(|name| **name != CONTENT_LENGTH).chain(&HOP_BY_HOP) {
        headers.remove(name);
    }
    if websocket {
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    }
}

/// The words of a list in a header, or several of the name.
fn listed<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).flat_map(|text| text.split(',')).map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(headers: &[(&'static str, &'static str)]) -> HeaderMap {
        headers.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
    }

    fn names(headers: &HeaderMap) -> Vec<&str> {
        let mut names: Vec<&str> = headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn rfc9110_section_7_6_1_what_is_of_the_connection_stays_there() {
        let mut headers = map(&[
            ("connection", "close, X-Mine"),
            ("x-mine", "1"),
            ("keep-alive", "5"),
            ("te", "trailers"),
            ("transfer-encoding", "chunked"),
            ("proxy-authorization", "Basic eA=="),
            ("upgrade", "h2c"),
            ("accept", "text/plain"),
        ]);
        of_request(&mut headers);
        assert_eq!(names(&headers), ["accept", "via"]);
    }

    #[test]
    fn the_length_of_a_body_cannot_be_taken_away() {
        let mut headers = map(&[("connection", "content-length"), ("content-length", "3")]);
        of_request(&mut headers);
        assert_eq!(names(&headers), ["content-length", "via"]);
    }

    #[test]
    fn neither_side_learns_the_others_credentials() {
        let mut request = map(&[
            ("authorization", "Basic eA=="),
            ("cookie", "a=b"),
            ("host", "127.0.0.1:4000"),
            ("origin", "http://127.0.0.1:4000"),
            ("referer", "http://127.0.0.1:4000/s3cret/"),
            ("expect", "100-continue"),
        ]);
        of_request(&mut request);
        assert_eq!(names(&request), ["via"]);
        let mut answer = map(&[("set-cookie", "a=b"), ("connection", "close"), ("etag", "x")]);
        of_answer(&mut answer);
        assert_eq!(names(&answer), ["etag"]);
    }

    #[test]
    fn a_websocket_is_the_one_upgrade_that_is_passed_on() {
        let mut headers =
            map(&[("connection", "keep-alive, Upgrade"), ("upgrade", "WebSocket"), ("sec-websocket-key", "x")]);
        assert!(is_websocket(&headers));
        of_request(&mut headers);
        assert_eq!(names(&headers), ["connection", "sec-websocket-key", "upgrade", "via"]);
        assert!(!is_websocket(&map(&[("upgrade", "websocket")])));
        assert!(!is_websocket(&map(&[("connection", "upgrade"), ("upgrade", "h2c")])));
    }
}
