//! Issuers and their metadata.

use pilotlight_oauth::{DiscoveryError, HttpResponse, Issuer, Metadata, Method, discovery_requests, parse_metadata};

use crate::{answer, json, metadata};

fn issuer(text: &str) -> Issuer {
    Issuer::parse(text).expect("an issuer")
}

fn addresses(text: &str) -> Vec<String> {
    discovery_requests(&issuer(text)).iter().map(|request| request.url.to_string()).collect()
}

fn read(response: &HttpResponse) -> Result<Metadata, DiscoveryError> {
    parse_metadata(&issuer("https://as.example"), response)
}

/// A document of `https://as.example` with these members beside the issuer.
fn document(members: &str) -> Result<Metadata, DiscoveryError> {
    read(&json(200, &format!(r#"{{"issuer":"https://as.example",{members}}}"#)))
}

#[test]
fn rfc8414_section_3_1_the_well_known_part_is_inserted_before_the_path() {
    assert_eq!(addresses("https://example.com")[1], "https://example.com/.well-known/oauth-authorization-server");
    assert_eq!(
        addresses("https://example.com/issuer1")[1],
        "https://example.com/.well-known/oauth-authorization-server/issuer1"
    );
}

#[test]
fn openid_connect_discovery_section_4_1_the_well_known_part_is_appended() {
    assert_eq!(addresses("https://example.com")[0], "https://example.com/.well-known/openid-configuration");
    assert_eq!(
        addresses("https://example.com/issuer1")[0],
        "https://example.com/issuer1/.well-known/openid-configuration"
    );
}

#[test]
fn a_trailing_slash_of_the_issuer_is_not_doubled() {
    assert_eq!(
        addresses("https://as.example/"),
        [
            "https://as.example/.well-known/openid-configuration",
            "https://as.example/.well-known/oauth-authorization-server"
        ]
    );
    assert_eq!(
        addresses("https://as.example:8443/a%20b/"),
        [
            "https://as.example:8443/a%20b/.well-known/openid-configuration",
            "https://as.example:8443/.well-known/oauth-authorization-server/a%20b"
        ]
    );
    let [first, _] = discovery_requests(&issuer("https://as.example"));
    assert!(first.method == Method::Get && first.body.is_none() && first.authorization.is_none());
}

#[test]
fn an_issuer_is_https_or_http_on_this_machine() {
    for text in [
        "https://as.example",
        "https://as.example/realms/x/",
        "https://AS.example:8443/%7Ejane",
        "http://127.0.0.1:8080",
        "http://127.8.9.1/x",
        "http://[::1]:9000/realm",
        "http://localhost:8080/realms/dev",
    ] {
        assert_eq!(issuer(text).as_str(), text);
    }
}

#[test]
fn rfc8414_section_2_other_things_are_no_issuers() {
    for text in [
        "",
        "as.example",
        "https:",
        "https://",
        "https:///path",
        "https:as.example",
        "http://as.example",
        "http://10.0.0.1",
        "http://[::2]",
        "http://localhost.as.example",
        "http://127.0.0.1.as.example",
        "ftp://as.example",
        "file:///etc",
        "HTTPS://as.example",
        "https://as.example?x=y",
        "https://as.example/?",
        "https://as.example#",
        "https://as.example/#top",
        "https://jane:secret@as.example",
        "https://@as.example",
        "https://as.example@evil.example",
        " https://as.example",
        "https://as.example ",
        "https://as.exa\tmple",
        "https://as.example\n",
        "https:\\\\as.example",
        "https://as.example\\realm",
        "https://as.example\\@evil.example",
        "https://as.example:99999",
        "https://äs.example",
        &format!("https://as.example/{}", "a".repeat(2048)),
    ] {
        let refused = Issuer::parse(text);
        assert!(matches!(refused, Err(DiscoveryError::NotAnIssuer(_))), "{text:?}: {refused:?}");
        assert!(!format!("{refused:?}").contains("secret"), "the text is not repeated");
    }
}

#[test]
fn rfc8414_section_3_2_the_example_document_is_read() {
    let document = r#"{
      "issuer": "https://server.example.com",
      "authorization_endpoint": "https://server.example.com/authorize",
      "token_endpoint": "https://server.example.com/token",
      "token_endpoint_auth_methods_supported": ["client_secret_basic", "private_key_jwt"],
      "token_endpoint_auth_signing_alg_values_supported": ["RS256", "ES256"],
      "userinfo_endpoint": "https://server.example.com/userinfo",
      "jwks_uri": "https://server.example.com/jwks.json",
      "registration_endpoint": "https://server.example.com/register",
      "scopes_supported": ["openid", "profile", "email", "address", "phone", "offline_access"],
      "response_types_supported": ["code", "code token"],
      "service_documentation": "http://server.example.com/service_documentation.html",
      "ui_locales_supported": ["en-US", "en-GB", "en-CA", "fr-FR", "fr-CA"]
    }"#;
    let read = parse_metadata(&issuer("https://server.example.com"), &json(200, document)).unwrap();
    assert_eq!(read, Metadata { revocation_endpoint: None, ..metadata("") });
}

#[test]
fn rfc8414_section_3_3_another_issuer_is_refused_even_by_a_single_character() {
    for named in [
        "https://as.example/",
        "https://AS.example",
        "https://as.example:443",
        "https://as.exampld",
        "http://as.example",
    ] {
        let body = format!(r#"{{"issuer":"{named}","token_endpoint":"https://as.example/t"}}"#);
        assert_eq!(read(&json(200, &body)), Err(DiscoveryError::WrongIssuer(named.to_owned())));
    }
    let with_slash = issuer("https://as.example/");
    let body = r#"{"issuer":"https://as.example","token_endpoint":"https://as.example/t"}"#;
    assert!(matches!(parse_metadata(&with_slash, &json(200, body)), Err(DiscoveryError::WrongIssuer(_))));
}

#[test]
fn an_endpoint_that_is_not_safe_makes_the_document_unusable() {
    for address in [
        "http://as.example/t",
        "https://u:p@as.example/t",
        "https://as.example/t#f",
        "/t",
        "javascript:alert(1)",
        "https://as.example /t",
    ] {
        for name in ["authorization_endpoint", "token_endpoint", "revocation_endpoint", "userinfo_endpoint"] {
            let other = if name == "token_endpoint" { "" } else { r#","token_endpoint":"https://as.example/t""# };
            let result = document(&format!(r#""{name}":"{address}"{other}"#));
            let Err(DiscoveryError::Malformed(why)) = &result else { panic!("{name} {address}: {result:?}") };
            assert!(why.starts_with(name) && !why.contains(address), "{why}");
        }
    }
}

#[test]
fn endpoints_may_be_on_this_machine_and_elsewhere() {
    let read =
        document(r#""token_endpoint":"http://127.0.0.1:9/t?a=b","revocation_endpoint":"https://other.example/r""#)
            .unwrap();
    assert_eq!(read.token_endpoint.as_str(), "http://127.0.0.1:9/t?a=b");
    assert_eq!(read.revocation_endpoint.unwrap().as_str(), "https://other.example/r");
}

#[test]
fn a_document_without_token_endpoint_is_unusable_and_other_endpoints_may_be_missing() {
    for members in [r#""x":1"#, r#""token_endpoint":null"#, r#""token_endpoint":"""#, r#""token_endpoint":7"#] {
        assert!(matches!(document(members), Err(DiscoveryError::Malformed(_))), "{members}");
    }
    let least =
        document(r#""token_endpoint":"https://as.example/t","userinfo_endpoint":null,"revocation_endpoint":"""#)
            .unwrap();
    assert!(least.userinfo_endpoint.is_none() && least.revocation_endpoint.is_none());
    assert!(least.authorization_endpoint.is_none() && !least.iss_in_response && !least.secret_in_form);
}

#[test]
fn secrets_go_into_the_form_only_where_basic_is_not_taken() {
    for (methods, in_form) in [
        (r#"["client_secret_post"]"#, true),
        (r#"["client_secret_post","private_key_jwt","none"]"#, true),
        (r#"["client_secret_post","client_secret_basic"]"#, false),
        (r#"["private_key_jwt"]"#, false),
        ("[]", false),
        ("null", false),
        ("7", false),
    ] {
        let more = format!(r#","token_endpoint_auth_methods_supported":{methods}"#);
        assert_eq!(metadata(&more).secret_in_form, in_form, "{methods}");
    }
}

#[test]
fn rfc9207_section_3_the_promise_of_iss_is_read() {
    for (value, promised) in [("true", true), ("false", false), ("null", false), (r#""true""#, false)] {
        let more = format!(r#","authorization_response_iss_parameter_supported":{value}"#);
        assert_eq!(metadata(&more).iss_in_response, promised, "{value}");
    }
}

#[test]
fn a_status_tells_nothing_here_from_not_now() {
    let good = r#"{"issuer":"https://as.example","token_endpoint":"https://as.example/t"}"#;
    for status in [400, 401, 403, 404, 405, 410] {
        assert_eq!(read(&json(status, good)), Err(DiscoveryError::NotFound(status)));
    }
    for status in [408, 425, 429, 500, 502, 503, 504, 599] {
        assert_eq!(read(&json(status, good)), Err(DiscoveryError::Unavailable(status)));
    }
    for status in [0, 100, 201, 204, 301, 302, 307, 600, 999] {
        assert!(matches!(read(&json(status, good)), Err(DiscoveryError::Malformed(_))), "{status}");
    }
    assert!(read(&json(200, good)).is_ok());
}

#[test]
fn a_web_page_is_no_metadata_and_a_wrong_file_type_is_forgiven() {
    let good = r#"{"issuer":"https://as.example","token_endpoint":"https://as.example/t"}"#;
    for kind in ["text/html", "Text/HTML; charset=utf-8", "application/xhtml+xml"] {
        assert!(matches!(read(&answer(200, kind, good)), Err(DiscoveryError::Malformed(_))), "{kind}");
    }
    for kind in ["application/json", "application/octet-stream", "text/plain; charset=utf-8", ""] {
        assert!(read(&answer(200, kind, good)).is_ok(), "{kind}");
    }
    let untyped = HttpResponse { content_type: None, ..json(200, good) };
    assert!(read(&untyped).is_ok());
}

#[test]
fn malformed_documents_are_malformed() {
    for body in [
        "",
        "<html>Sign in to the airport's network</html>",
        "[]",
        "null",
        "{}",
        r#"{"issuer":7}"#,
        r#"["https://as.example","https://as.example/a","https://as.example/t"]"#,
        r#"{"issuer":"https://as.example","token_endpoint":"https://as.example/t""#,
        r#"{"issuer":"https://as.example","issuer":"https://as.example","token_endpoint":"https://as.example/t"}"#,
    ] {
        assert!(matches!(read(&json(200, body)), Err(DiscoveryError::Malformed(_))), "{body}");
    }
}
