//! The crate from outside: the printed examples of the RFCs, and every kind of answer a server may give.

mod answers;
mod callback;
mod discovery;
mod id_token;
mod properties;
mod requests;

use pilotlight_oauth::{ExposeSecret, HttpRequest, HttpResponse, Issuer, Metadata, parse_metadata};

/// An answer with a content type.
fn answer(status: u16, content_type: &str, body: &str) -> HttpResponse {
    HttpResponse {
        status,
        content_type: Some(content_type.to_owned()),
        retry_after: None,
        date: None,
        body: body.as_bytes().to_vec().into(),
    }
}

/// An answer with a JSON body.
fn json(status: u16, body: &str) -> HttpResponse {
    answer(status, "application/json", body)
}

/// The server of RFC 8414 section 3.2's example, with `more` members.
fn metadata(more: &str) -> Metadata {
    let issuer = Issuer::parse("https://server.example.com").expect("an issuer");
    let document = format!(
        r#"{{"issuer":"https://server.example.com",
            "authorization_endpoint":"https://server.example.com/authorize",
            "token_endpoint":"https://server.example.com/token",
            "userinfo_endpoint":"https://server.example.com/userinfo",
            "revocation_endpoint":"https://server.example.com/revoke"{more}}}"#
    );
    parse_metadata(&issuer, &json(200, &document)).expect("metadata")
}

/// A form body as decoded pairs: the RFCs' examples escape more characters than they have to.
fn pairs(form: &str) -> Vec<(String, String)> {
    url::form_urlencoded::parse(form.as_bytes()).into_owned().collect()
}

fn body(request: &HttpRequest) -> &str {
    request.body.as_ref().expect("a body").expose_secret()
}

fn authorization(request: &HttpRequest) -> Option<&str> {
    request.authorization.as_ref().map(|header| header.expose_secret())
}
