//! Answers at the loopback address.

use pilotlight_oauth::{CallbackError, ExposeSecret, Issuer, parse_callback};

fn read_from(issuer: &str, query: &str, state: &str, iss_promised: bool) -> Result<String, CallbackError> {
    let issuer = Issuer::parse(issuer).expect("an issuer");
    parse_callback(query, state, &issuer, iss_promised).map(|code| code.expose_secret().to_owned())
}

fn read(query: &str) -> Result<String, CallbackError> {
    read_from("https://honest.as.example", query, "xyz", false)
}

fn denied(error: &str, description: Option<&str>) -> Result<String, CallbackError> {
    Err(CallbackError::Denied { error: error.to_owned(), description: description.map(str::to_owned) })
}

#[test]
fn rfc6749_section_4_1_2_authorization_response() {
    assert_eq!(read("code=SplxlOBeZQQYbYS6WxSbIA&state=xyz"), Ok("SplxlOBeZQQYbYS6WxSbIA".to_owned()));
    assert_eq!(read("?state=xyz&code=a%2Fb%2Bc+d&session_state=1&session_state=2"), Ok("a/b+c d".to_owned()));
}

#[test]
fn rfc6749_section_4_1_2_1_error_response() {
    assert_eq!(read("error=access_denied&state=xyz"), denied("access_denied", None));
    assert_eq!(
        read("error=server_error&error_description=Try%0Alater%1B.&code=c&state=xyz"),
        denied("server_error", Some("Try later."))
    );
}

#[test]
fn rfc9207_section_2_1_response_with_issuer() {
    let query = "code=x1848ZT64p4IirMPT0R-X3141MFPTuBX-VFL_cvaplMH58\
        &state=ZWVlNDBlYzA1NjdkMDNhYjg3ZjUxZjAyNGQzMTM2NzI&iss=https%3A%2F%2Fhonest.as.example";
    let state = "ZWVlNDBlYzA1NjdkMDNhYjg3ZjUxZjAyNGQzMTM2NzI";
    let code = Ok("x1848ZT64p4IirMPT0R-X3141MFPTuBX-VFL_cvaplMH58".to_owned());
    assert_eq!(read_from("https://honest.as.example", query, state, true), code);
    assert_eq!(read_from("https://honest.as.example", query, state, false), code);
}

#[test]
fn rfc9207_section_2_1_error_response_with_issuer() {
    let query =
        "error=access_denied&state=N2JjNGJhY2JiZjRhYzA3MGJkMzNmMDE5OWJhZmJjYjA&iss=https%3A%2F%2Fhonest.as.example";
    let state = "N2JjNGJhY2JiZjRhYzA3MGJkMzNmMDE5OWJhZmJjYjA";
    assert_eq!(read_from("https://honest.as.example", query, state, true), denied("access_denied", None));
    assert_eq!(read_from("https://other.as.example", query, state, true), Err(CallbackError::WrongIssuer));
}

#[test]
fn rfc9207_section_2_4_another_issuer_is_refused_and_a_promised_one_is_required() {
    for iss in
        ["https%3A%2F%2Fhonest.as.example%2F", "https%3A%2F%2Fattacker.example", "https%3A%2F%2FHONEST.as.example"]
    {
        assert_eq!(read(&format!("code=c&state=xyz&iss={iss}")), Err(CallbackError::WrongIssuer), "{iss}");
    }
    for query in ["code=c&state=xyz", "code=c&state=xyz&iss="] {
        assert_eq!(read_from("https://honest.as.example", query, "xyz", true), Err(CallbackError::WrongIssuer));
    }
}

#[test]
fn without_our_state_nothing_else_is_looked_at() {
    for query in [
        "",
        "code=c",
        "code=c&state=",
        "code=c&state=xy",
        "code=c&state=xyzz",
        "code=c&state=XYZ",
        "code=c&state=xyz%00",
        "code=c&code=d&state=abc",
        "error=access_denied&state=abc",
        "code=c&iss=https%3A%2F%2Fattacker.example",
        "state=abc&state=def",
    ] {
        assert_eq!(read(query), Err(CallbackError::WrongState), "{query}");
    }
    assert_eq!(read_from("https://honest.as.example", "code=c&state=", "", false), Err(CallbackError::WrongState));
}

#[test]
fn a_parameter_twice_is_malformed() {
    for query in [
        "code=c&state=xyz&state=xyz",
        "code=c&state=xyz&state=abc",
        "code=c&state=abc&state=xyz",
        "code=c&code=c&state=xyz",
        "error=a&error=b&state=xyz",
        "error=a&error_description=b&error_description=c&state=xyz",
        "code=c&state=xyz&iss=https%3A%2F%2Fhonest.as.example&iss=https%3A%2F%2Fattacker.example",
    ] {
        assert_eq!(read(query), Err(CallbackError::Malformed), "{query}");
    }
}

#[test]
fn neither_code_nor_error_is_malformed() {
    for query in ["state=xyz", "state=xyz&code=&error=", "state=xyz&error=not%22a%22code", "state=xyz&Code=c"] {
        assert_eq!(read(query), Err(CallbackError::Malformed), "{query}");
    }
}
