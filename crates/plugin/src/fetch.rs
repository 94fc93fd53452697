//! What a window may have sent with a token, and what it may be told of the answer.

use std::sync::Arc;

use pilotlight::AuthorizedClient;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, Request, Response, Url};
use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::scope::{self, FetchScope};
use crate::view::Problem;

/// Of a request's body, in bytes.
const LARGEST_REQUEST: usize = 4 << 20;
/// `TRACE` would have the server send the token back.
const METHODS: [Method; 7] =
    [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS];
/// Headers that are not the caller's: they authorize, name the server, or frame the message.
const OURS: [&str; 14] = [
    "accept-encoding",
    "authorization",
    "connection",
    "content-length",
    "cookie",
    "dpop",
    "expect",
    "host",
    "keep-alive",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];
/// Headers of an answer that hold what authorizes.
const WITHHELD: [&str; 6] =
    ["authorization", "proxy-authenticate", "proxy-authorization", "set-cookie", "set-cookie2", "authentication-info"];

/// A request that is to be authorized.
#[derive(Deserialize, TS)]
#[ts(export)]
pub struct FetchRequest {
    /// The caller's own number for it, by which it is cancelled.
    pub id: u32,
    /// The account's name.
    pub account: String,
    /// Where to; a capability must allow it.
    pub url: String,
    /// E.g. `GET`.
    pub method: String,
    /// Names and values.
    pub headers: Vec<(String, String)>,
    /// The body's bytes.
    pub body: Option<Vec<u8>>,
}

/// What comes before the body. The window asks for the body piece by piece, with the command `fetch_body`.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
#[ts(export)]
pub struct FetchHead {
    /// Of HTTP, e.g. 200.
    pub status: u16,
    /// Names and values, without those that authorize.
    pub headers: Vec<(String, String)>,
}

impl FetchRequest {
    /// The request as it may be sent, or why it may not.
    pub(crate) fn checked(self, allow: &[Arc<FetchScope>], deny: &[Arc<FetchScope>]) -> Result<Request, Problem> {
        let url = Url::parse(&self.url).map_err(|_| Problem::refused("The address is not an absolute one."))?;
        if !url.username().is_empty() || url.password().is_some() || !AuthorizedClient::may_send_to(&url) {
            return Err(Problem::refused("An authorized request goes over https only, with no user in its address."));
        }
        if !scope::allows(allow, deny, &self.account, &url) {
            return Err(Problem::refused("No capability of this window lets this account's token go to that address."));
        }
        let method = METHODS.into_iter().find(|method| method.as_str().eq_ignore_ascii_case(&self.method));
        let method = method.ok_or_else(|| Problem::refused("That method is not sent with a token."))?;
        let mut request = Request::new(method, url);
        *request.headers_mut() = headers(&self.headers)?;
        if let Some(body) = self.body {
            if body.len() > LARGEST_REQUEST {
                return Err(too_large("The request's body is larger than 4 MiB."));
            }
            *request.body_mut() = Some(body.into());
        }
        Ok(request)
    }
}

fn headers(pairs: &[(String, String)]) -> Result<HeaderMap, Problem> {
    let mut map = HeaderMap::new();
    for (name, value) in pairs {
        let name = HeaderName::try_from(name).map_err(|_| Problem::refused("A header's name is malformed."))?;
        if OURS.contains(&name.as_str()) || name.as_str().starts_with("proxy-") {
            return Err(Problem::refused(&format!("The header {name} is not the caller's to set.")));
        }
        let value = HeaderValue::try_from(value).map_err(|_| Problem::refused("A header's value is malformed."))?;
        map.try_append(name, value).map_err(|_| too_large("There are too many headers."))?;
    }
    Ok(map)
}

pub(crate) fn too_large(message: &str) -> Problem {
    Problem::of("fetch_too_large", message, "Ask for less at once, in pages or ranges.")
}

impl Problem {
    pub(crate) fn refused(message: &str) -> Self {
        Self::of(
            "fetch_refused",
            message,
            "Correct the request, or allow it under pilotlight:allow-fetch of the capability.",
        )
    }
}

/// What may be told of an answer before its body. A redirect is not followed: its target was allowed by nobody, and its address
/// may hold a code.
pub(crate) fn head(response: &Response) -> Result<FetchHead, Problem> {
    if matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
        let hint = "Ask for the final address, and allow that one.";
        return Err(Problem::of("fetch_redirected", "The server redirects, and a token does not follow.", hint));
    }
    let kept = response.headers().iter().filter(|(name, _)| !WITHHELD.contains(&name.as_str()));
    let text = |value: &HeaderValue| value.as_bytes().iter().map(|byte| char::from(*byte)).collect();
    let headers = kept.map(|(name, value)| (name.as_str().to_owned(), text(value))).collect();
    Ok(FetchHead { status: response.status().as_u16(), headers })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allow() -> Vec<Arc<FetchScope>> {
        vec![Arc::new(serde_json::from_str(r#"{"url":"https://api.example.com/*"}"#).unwrap())]
    }

    fn request(method: &str, url: &str, headers: &[(&str, &str)]) -> FetchRequest {
        FetchRequest {
            id: 1,
            account: "work".to_owned(),
            url: url.to_owned(),
            method: method.to_owned(),
            headers: headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            body: None,
        }
    }

    #[test]
    fn an_allowed_request_is_sent_as_it_was_written() {
        let mut wanted = request("post", "https://api.example.com/notes?a=b", &[("X-Trace", "1"), ("x-trace", "2")]);
        wanted.body = Some(vec![0, 255, 10]);
        let sent = wanted.checked(&allow(), &[]).unwrap();
        assert_eq!((sent.method(), sent.url().as_str()), (&Method::POST, "https://api.example.com/notes?a=b"));
        assert_eq!(sent.headers().get_all("x-trace").iter().count(), 2);
        assert_eq!(sent.body().unwrap().as_bytes(), Some([0, 255, 10].as_slice()));
    }

    #[test]
    fn what_would_authorize_frame_or_echo_is_refused() {
        for name in OURS.into_iter().chain(["Authorization", "COOKIE", "Proxy-Connection"]) {
            let refused = request("GET", "https://api.example.com/", &[(name, "x")]).checked(&allow(), &[]);
            assert_eq!(refused.unwrap_err().code, "fetch_refused", "{name}");
        }
        for method in ["TRACE", "CONNECT", "", "GET\r\nX: y"] {
            let refused = request(method, "https://api.example.com/", &[]).checked(&allow(), &[]);
            assert_eq!(refused.unwrap_err().code, "fetch_refused", "{method}");
        }
        let split = request("GET", "https://api.example.com/", &[("x", "a\r\nAuthorization: b")]);
        assert_eq!(split.checked(&allow(), &[]).unwrap_err().code, "fetch_refused");
    }

    #[test]
    fn an_address_that_no_capability_allows_is_refused_before_anything_is_sent() {
        for url in
            ["https://evil.example/", "http://api.example.com/", "https://u@api.example.com/", "data:,x", "/notes"]
        {
            let refused = request("GET", url, &[]).checked(&allow(), &[]);
            assert_eq!(refused.unwrap_err().code, "fetch_refused", "{url}");
        }
    }

    #[test]
    fn a_request_that_is_too_large_is_refused() {
        let mut large = request("PUT", "https://api.example.com/", &[]);
        large.body = Some(vec![0; LARGEST_REQUEST + 1]);
        assert_eq!(large.checked(&allow(), &[]).unwrap_err().code, "fetch_too_large");
    }
}
