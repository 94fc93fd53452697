//! What answers of token endpoints prove (promise P1).

use std::time::Duration;

use pilotlight_oauth::{
    ExposeSecret, HttpResponse, PlainJson, Refusal, Service, Timestamp, Tokens, Verdict, parse_endpoint,
};

use crate::{answer, json, metadata};

const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);
const TOKENS: &str = r#"{"access_token":"a1","refresh_token":"r2","expires_in":60}"#;
const INVALID_GRANT: &str = r#"{"error":"invalid_grant"}"#;

fn oauth() -> Service {
    Service::OAuth(metadata(""))
}

fn plain() -> Service {
    Service::PlainJson(PlainJson {
        login_url: parse_endpoint("https://home.example/login").expect("an address"),
        refresh_url: parse_endpoint("https://home.example/refresh").expect("an address"),
    })
}

fn both() -> [Service; 2] {
    [oauth(), plain()]
}

/// The verdict in one word, with the error where there is one.
fn verdict(service: &Service, response: &HttpResponse) -> String {
    match service.classify(response, NOW) {
        Verdict::Granted(_) => "granted".to_owned(),
        Verdict::InvalidGrant(refusal) => format!("invalid grant: {}", refusal.error),
        Verdict::Refused(refusal) => format!("refused: {}", refusal.error),
        Verdict::Unavailable { status, .. } => format!("unavailable: {status}"),
        Verdict::Misbehaved { status, .. } => format!("misbehaved: {status}"),
    }
}

fn tokens(service: &Service, body: &str) -> Tokens {
    match service.classify(&json(200, body), NOW) {
        Verdict::Granted(tokens) => *tokens,
        other => panic!("{body}: {other:?}"),
    }
}

fn refusal(service: &Service, response: &HttpResponse) -> Refusal {
    match service.classify(response, NOW) {
        Verdict::InvalidGrant(refusal) | Verdict::Refused(refusal) => refusal,
        other => panic!("{other:?}"),
    }
}

fn after(seconds: u64) -> Option<Timestamp> {
    Some(NOW.plus(Duration::from_secs(seconds)))
}

#[test]
fn rfc8693_section_2_2_no_answer_to_an_exchange_ends_the_grant_or_brings_a_refresh_token() {
    let refused = oauth().classify_exchange(&json(400, INVALID_GRANT), NOW);
    assert!(matches!(&refused, Verdict::Refused(refusal) if refusal.error == "invalid_grant"), "{refused:?}");
    let body = r#"{"access_token":"a1","issued_token_type":"urn:ietf:params:oauth:token-type:access_token",
        "token_type":"Bearer","expires_in":60,"refresh_token":"r2","refresh_expires_in":90}"#;
    let Verdict::Granted(tokens) = oauth().classify_exchange(&json(200, body), NOW) else { panic!("not granted") };
    assert_eq!((tokens.access_token.expose_secret(), tokens.access_expires_at), ("a1", after(60)));
    assert!(tokens.refresh_token.is_none() && tokens.refresh_expires_at.is_none());
    let away = oauth().classify_exchange(&json(503, "{}"), NOW);
    assert!(matches!(away, Verdict::Unavailable { status: 503, .. }), "{away:?}");
}

#[test]
fn rfc6749_section_5_1_successful_response() {
    let body = r#"{
      "access_token":"2YotnFZFEjr1zCsicMWpAA",
      "token_type":"example",
      "expires_in":3600,
      "refresh_token":"tGzv3JOkF0XG5Qx2TlKWIA",
      "example_parameter":"example_value"
    }"#;
    let Verdict::Granted(tokens) = oauth().classify(&answer(200, "application/json;charset=UTF-8", body), NOW) else {
        panic!("granted")
    };
    assert_eq!(tokens.access_token.expose_secret(), "2YotnFZFEjr1zCsicMWpAA");
    assert_eq!(tokens.token_type, "example");
    assert_eq!(tokens.access_expires_at, after(3600));
    assert_eq!(tokens.refresh_token.unwrap().expose_secret(), "tGzv3JOkF0XG5Qx2TlKWIA");
    assert!(tokens.refresh_expires_at.is_none() && tokens.scope.is_none() && tokens.id_token.is_none());
}

#[test]
fn rfc6749_section_5_2_error_response() {
    let response = answer(400, "application/json;charset=UTF-8", r#"{ "error":"invalid_request" }"#);
    assert_eq!(verdict(&oauth(), &response), "refused: invalid_request");
}

#[test]
fn rfc6749_section_5_2_invalid_grant_ends_a_grant_with_400_and_401_only() {
    for status in [400, 401] {
        assert_eq!(verdict(&oauth(), &json(status, INVALID_GRANT)), "invalid grant: invalid_grant");
    }
    for status in [402, 403, 404, 405, 409, 422, 451] {
        assert_eq!(verdict(&oauth(), &json(status, INVALID_GRANT)), "refused: invalid_grant");
    }
    assert_eq!(verdict(&oauth(), &json(200, INVALID_GRANT)), "refused: invalid_grant");
}

#[test]
fn trouble_of_the_server_is_unavailable_whatever_the_body_says() {
    for service in both() {
        for status in [408, 425, 429, 500, 501, 502, 503, 504, 520, 599] {
            for body in [INVALID_GRANT, TOKENS, "", "<html>"] {
                assert_eq!(verdict(&service, &json(status, body)), format!("unavailable: {status}"));
                assert_eq!(verdict(&service, &answer(status, "text/html", body)), format!("unavailable: {status}"));
            }
        }
    }
}

#[test]
fn errors_that_say_not_now_are_unavailable_with_any_status() {
    for service in both() {
        for error in ["temporarily_unavailable", "server_error", "slow_down"] {
            for status in [400, 401, 403] {
                let response = json(status, &format!(r#"{{"error":"{error}"}}"#));
                assert_eq!(verdict(&service, &response), format!("unavailable: {status}"));
            }
        }
    }
}

#[test]
fn retry_after_is_handed_on() {
    let wait = Some(Duration::from_secs(17));
    for (status, body) in [(503, ""), (400, r#"{"error":"slow_down"}"#)] {
        for service in both() {
            let response = HttpResponse { retry_after: wait, ..json(status, body) };
            let Verdict::Unavailable { after, .. } = service.classify(&response, NOW) else { panic!("unavailable") };
            assert_eq!(after, wait);
        }
    }
}

#[test]
fn a_captive_portal_proves_nothing() {
    for service in both() {
        for status in [200, 400, 401, 403] {
            for body in [INVALID_GRANT, TOKENS, "<html><body>Welcome to the airport</body></html>", ""] {
                for kind in [
                    "text/html",
                    "TEXT/HTML; charset=utf-8",
                    "text/plain",
                    "application/xhtml+xml",
                    "application/jsonp",
                    "text/json+html",
                ] {
                    let found = verdict(&service, &answer(status, kind, body));
                    assert_eq!(found, format!("misbehaved: {status}"), "{kind} {body}");
                }
            }
        }
    }
}

#[test]
fn a_redirect_proves_nothing() {
    for service in both() {
        for status in [300, 301, 302, 303, 304, 307, 308, 399] {
            for body in [INVALID_GRANT, TOKENS] {
                assert_eq!(verdict(&service, &json(status, body)), format!("misbehaved: {status}"));
            }
        }
    }
}

#[test]
fn json_goes_by_several_names_and_an_unnamed_body_has_to_tell() {
    for service in both() {
        for kind in [
            "application/json",
            "Application/JSON ; charset=utf-8",
            "text/json",
            "application/problem+json",
            "application/vnd.x+JSON",
            "",
        ] {
            assert_eq!(verdict(&service, &answer(200, kind, TOKENS)), "granted", "{kind}");
            assert_eq!(verdict(&service, &answer(400, kind, INVALID_GRANT)), "invalid grant: invalid_grant", "{kind}");
        }
        let untyped = |body: &str| HttpResponse { content_type: None, ..json(400, body) };
        assert_eq!(verdict(&service, &untyped(INVALID_GRANT)), "invalid grant: invalid_grant");
        assert_eq!(verdict(&service, &untyped("<html>invalid_grant</html>")), "misbehaved: 400");
    }
}

#[test]
fn a_malformed_body_proves_nothing() {
    for service in both() {
        for body in [
            "",
            " ",
            "null",
            "[]",
            r#""invalid_grant""#,
            r#"[{"error":"invalid_grant"}]"#,
            r#"[null,null,null,null,null,null,null,null,"invalid_grant",null,null,null]"#,
            r#"{"error":"invalid_grant""#,
            r#"{"error":"invalid_grant"} {"#,
            r#"{"error":"invalid_grant","error":"invalid_grant"}"#,
            r#"{'error':'invalid_grant'}"#,
            "error=invalid_grant",
        ] {
            for status in [200, 400, 401, 403] {
                assert_eq!(verdict(&service, &json(status, body)), format!("misbehaved: {status}"), "{body}");
            }
        }
    }
}

#[test]
fn an_error_that_is_no_error_code_proves_nothing() {
    for error in [
        "null",
        r#""""#,
        "7",
        "true",
        r#"{"code":"invalid_grant"}"#,
        r#"["invalid_grant"]"#,
        r#""invalid\ngrant""#,
        r#""ungültig""#,
    ] {
        let body = format!(r#"{{"error":{error}}}"#);
        for status in [400, 401, 404] {
            assert_eq!(verdict(&oauth(), &json(status, &body)), format!("misbehaved: {status}"), "{body}");
        }
    }
    for error in ["INVALID_GRANT", "invalid_grant ", "invalid_grants"] {
        let response = json(400, &format!(r#"{{"error":"{error}"}}"#));
        assert_eq!(verdict(&oauth(), &response), format!("refused: {error}"));
    }
}

#[test]
fn other_errors_leave_the_grant() {
    for error in [
        "invalid_client",
        "invalid_scope",
        "invalid_request",
        "unauthorized_client",
        "unsupported_grant_type",
        "access_denied",
        "use_dpop_nonce",
    ] {
        for status in [400, 401] {
            let response = json(status, &format!(r#"{{"error":"{error}"}}"#));
            assert_eq!(verdict(&oauth(), &response), format!("refused: {error}"));
        }
    }
}

#[test]
fn an_error_with_status_200_leaves_the_grant() {
    for service in both() {
        for error in ["bad_refresh_token", "incorrect_client_credentials", "invalid_grant"] {
            let response = json(200, &format!(r#"{{"error":"{error}","error_description":"No."}}"#));
            assert_eq!(verdict(&service, &response), format!("refused: {error}"));
        }
    }
}

#[test]
fn a_success_without_an_access_token_proves_nothing() {
    for service in both() {
        for body in [
            "{}",
            r#"{"access_token":null}"#,
            r#"{"access_token":""}"#,
            r#"{"access_token":7}"#,
            r#"{"access_token":["a"]}"#,
            r#"{"access_token":"a\nb"}"#,
            r#"{"access_token":"ä"}"#,
            r#"{"refresh_token":"r"}"#,
        ] {
            assert_eq!(verdict(&service, &json(200, body)), "misbehaved: 200", "{body}");
        }
    }
}

#[test]
fn other_statuses_prove_nothing() {
    for service in both() {
        for status in [0, 99, 100, 101, 202, 204, 206, 226, 299, 600, 999, u16::MAX] {
            for body in [TOKENS, INVALID_GRANT] {
                assert_eq!(verdict(&service, &json(status, body)), format!("misbehaved: {status}"));
            }
        }
    }
    assert_eq!(verdict(&oauth(), &json(201, TOKENS)), "misbehaved: 201");
    assert_eq!(verdict(&plain(), &json(201, TOKENS)), "granted");
}

#[test]
fn tokens_once_issued_are_not_lost_to_a_stray_error_member() {
    let body = r#"{"access_token":"a","refresh_token":"r","error":"none","message":"ok"}"#;
    assert_eq!(tokens(&oauth(), body).refresh_token.unwrap().expose_secret(), "r");
}

#[test]
fn a_lifetime_may_be_a_string_and_absurd_ones_are_clamped() {
    let ten_years = 315_360_000;
    for (expires_in, seconds) in [
        ("60", 60),
        (r#""60""#, 60),
        ("60.0", 60),
        ("0", 0),
        ("-1", 0),
        (r#""-99999999999999999999""#, 0),
        ("1800000000", ten_years),
        ("18446744073709551615", ten_years),
        ("1e300", ten_years),
    ] {
        let body = format!(r#"{{"access_token":"a","expires_in":{expires_in}}}"#);
        assert_eq!(tokens(&oauth(), &body).access_expires_at, after(seconds), "{expires_in}");
    }
    for expires_in in ["null", r#""soon""#, r#""NaN""#, r#""inf""#, "true", "{}", "[60]"] {
        let body = format!(r#"{{"access_token":"a","expires_in":{expires_in}}}"#);
        assert_eq!(tokens(&oauth(), &body).access_expires_at, None, "{expires_in}");
    }
}

#[test]
fn without_expires_in_a_jwt_tells_its_expiry() {
    // {"exp":1800000600}
    let jwt = "eyJhbGciOiJFUzI1NiJ9.eyJleHAiOjE4MDAwMDA2MDB9.c2ln";
    assert_eq!(tokens(&plain(), &format!(r#"{{"access_token":"{jwt}"}}"#)).access_expires_at, after(600));
    let told = format!(r#"{{"access_token":"{jwt}","expires_in":60}}"#);
    assert_eq!(tokens(&plain(), &told).access_expires_at, after(60));
}

#[test]
fn the_refresh_tokens_lifetime_is_read_in_both_spellings() {
    for (members, expected) in [
        (r#""refresh_expires_in":1800"#, after(1800)),
        (r#""refresh_token_expires_in":"15811200""#, after(15_811_200)),
        (r#""refresh_expires_in":0"#, None),
        (r#""refresh_expires_in":-1"#, None),
        (r#""refresh_expires_in":10,"refresh_token_expires_in":20"#, after(10)),
        (r#""other":1"#, None),
    ] {
        let body = format!(r#"{{"access_token":"a","refresh_token":"r",{members}}}"#);
        assert_eq!(tokens(&oauth(), &body).refresh_expires_at, expected, "{members}");
    }
}

#[test]
fn rfc6749_section_6_an_absent_refresh_token_means_keep_the_old_one() {
    for member in ["", r#","refresh_token":null"#, r#","refresh_token":"""#, r#","refresh_token":false"#] {
        let body = format!(r#"{{"access_token":"a"{member}}}"#);
        assert!(tokens(&oauth(), &body).refresh_token.is_none(), "{member}");
    }
}

#[test]
fn a_token_type_that_fits_no_header_is_bearer() {
    for (member, expected) in [
        ("", "Bearer"),
        (r#","token_type":null"#, "Bearer"),
        (r#","token_type":"bearer""#, "bearer"),
        (r#","token_type":"DPoP""#, "DPoP"),
        (r#","token_type":"Bearer x""#, "Bearer"),
        (r#","token_type":"Bearer\r\nX-Evil: 1""#, "Bearer"),
    ] {
        assert_eq!(tokens(&plain(), &format!(r#"{{"access_token":"a"{member}}}"#)).token_type, expected);
    }
}

#[test]
fn a_scope_may_be_a_list_and_escapes_are_undone() {
    let body =
        r#"{"access_token":"a\/b","refresh_token":"c\u002Fd","id_token":"e.f.g","scope":["mail","chat","mail"]}"#;
    let tokens = tokens(&oauth(), body);
    assert_eq!(tokens.access_token.expose_secret(), "a/b");
    assert_eq!(tokens.refresh_token.unwrap().expose_secret(), "c/d");
    assert_eq!(tokens.id_token.unwrap().expose_secret(), "e.f.g");
    assert_eq!(tokens.scope.unwrap().to_string(), "mail chat");
}

#[test]
fn the_plain_dialects_401_is_a_refusal_and_its_400_only_by_name() {
    for body in [INVALID_GRANT, "{}", r#"{"message":"Unauthorized"}"#, r#"{"error":{"code":7}}"#] {
        assert_eq!(verdict(&plain(), &json(401, body)), "invalid grant: invalid_grant", "{body}");
    }
    assert_eq!(verdict(&plain(), &json(401, r#"{"error":"Unauthorized"}"#)), "invalid grant: Unauthorized");
    for error in ["invalid_grant", "token_expired", "token_reused"] {
        let response = json(400, &format!(r#"{{"error":"{error}"}}"#));
        assert_eq!(verdict(&plain(), &response), format!("invalid grant: {error}"));
    }
    assert_eq!(verdict(&plain(), &json(400, r#"{"error":"Bad Request"}"#)), "refused: Bad Request");
    assert_eq!(verdict(&plain(), &json(400, r#"{"message":["too short"]}"#)), "refused: invalid_request");
    assert_eq!(verdict(&plain(), &json(401, r#"{"error":"invalid_client"}"#)), "refused: invalid_client");
    assert_eq!(verdict(&plain(), &json(403, INVALID_GRANT)), "refused: invalid_grant");
    assert_eq!(verdict(&plain(), &json(404, "{}")), "misbehaved: 404");
}

#[test]
fn a_refusals_reason_and_message_become_its_description() {
    let described = |service: &Service, body: &str| refusal(service, &json(400, body)).description;
    let ours = r#"{"error":"invalid_grant","reason":"reused","message":"This refresh token was used before."}"#;
    for service in both() {
        assert_eq!(described(&service, ours).as_deref(), Some("reused: This refresh token was used before."));
        let reason = r#"{"error":"invalid_grant","reason":"expired"}"#;
        assert_eq!(described(&service, reason).as_deref(), Some("expired"));
        let standard = r#"{"error":"invalid_grant","error_description":"Too\r\nlate","message":"no"}"#;
        assert_eq!(described(&service, standard).as_deref(), Some("Too late"));
        assert_eq!(described(&service, INVALID_GRANT), None);
    }
}

#[test]
fn a_refused_token_that_the_server_repeats_is_masked() {
    let body = r#"{"error":"invalid_grant","error_description":"Invalid refresh token: 5f4dcc3b-5aa7-65d6-1d83-27deb882cf99"}"#;
    let refusal = refusal(&oauth(), &json(400, body));
    assert_eq!(refusal.description.as_deref(), Some("Invalid refresh token: …"));
}

#[test]
fn a_bare_token_endpoint_is_read_as_oauth() {
    let service = Service::TokenEndpoint { url: parse_endpoint("https://as.example/token").unwrap() };
    assert_eq!(verdict(&service, &json(401, "{}")), "misbehaved: 401");
    assert_eq!(verdict(&service, &json(400, INVALID_GRANT)), "invalid grant: invalid_grant");
    assert_eq!(verdict(&service, &json(200, TOKENS)), "granted");
}

#[test]
fn debug_shows_no_token() {
    let response = json(200, r#"{"access_token":"sesame1","refresh_token":"sesame2","id_token":"sesame3"}"#);
    let shown = format!("{response:?} {:?}", oauth().classify(&response, NOW));
    assert!(!shown.contains("sesame"), "{shown}");
}
