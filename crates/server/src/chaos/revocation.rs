//! The revocation that goes ahead of a request (RFC 7009 section 2.1).

use axum::http::{HeaderMap, HeaderValue, Method, header};
use url::form_urlencoded;
use zeroize::Zeroizing;

use super::wire::Request;

const FORM: &str = "application/x-www-form-urlencoded";

/// A request to end the grant whose refresh token `request` brings, in the name of the same client; `None` where it
/// brings none in a form.
pub(crate) fn of(request: &Request, path: &str) -> Option<Request> {
    let kind = request.headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    if !kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(FORM) {
        return None;
    }
    let mut form = form_urlencoded::Serializer::new(String::new());
    let mut brings_token = false;
    for (name, value) in form_urlencoded::parse(&request.body) {
        match &*name {
            "refresh_token" => {
                form.append_pair("token", &value).append_pair("token_type_hint", "refresh_token");
                brings_token = true;
            }
            // However the client says who it is, it says it here too (RFC 6749 section 2.3, RFC 7523 section 2.2).
            "client_id" | "client_secret" | "client_assertion" | "client_assertion_type" => {
                form.append_pair(&name, &value);
            }
            _ => {}
        }
    }
    let mut headers = HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static(FORM))]);
    for name in [header::AUTHORIZATION, header::HOST] {
        if let Some(value) = request.headers.get(&name) {
            headers.insert(name, value.clone());
        }
    }
    let body = Zeroizing::new(form.finish().into_bytes());
    brings_token.then(|| Request { method: Method::POST, target: path.to_owned(), headers, body })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(kind: &'static str, body: &str) -> Request {
        let headers = HeaderMap::from_iter([
            (header::CONTENT_TYPE, HeaderValue::from_static(kind)),
            (header::AUTHORIZATION, HeaderValue::from_static("Basic eA==")),
            (header::ACCEPT, HeaderValue::from_static("application/json")),
        ]);
        let body = Zeroizing::new(body.as_bytes().to_vec());
        Request { method: Method::POST, target: "/token".into(), headers, body }
    }

    #[test]
    fn the_revocation_names_token_and_client_and_nothing_else() {
        let body = "grant_type=refresh_token&refresh_token=a%2Bb&client_id=c&client_secret=s&scope=x";
        let revocation = of(&request("application/x-www-form-urlencoded; charset=utf-8", body), "/revoke").unwrap();
        assert_eq!(&*revocation.body, b"token=a%2Bb&token_type_hint=refresh_token&client_id=c&client_secret=s");
        assert_eq!(revocation.target, "/revoke");
        assert!(revocation.headers.contains_key(header::AUTHORIZATION));
        assert!(!revocation.headers.contains_key(header::ACCEPT));
    }

    #[test]
    fn what_brings_no_token_in_a_form_revokes_nothing() {
        assert!(of(&request(FORM, "grant_type=authorization_code&code=x"), "/revoke").is_none());
        assert!(of(&request("application/json", r#"{"refresh_token":"x"}"#), "/revoke").is_none());
    }
}
