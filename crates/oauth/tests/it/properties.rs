//! Properties that hold for any input.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use pilotlight_oauth::{
    ExposeSecret, HttpResponse, Issuer, Metadata, PlainJson, Scope, Service, Timestamp, Verdict, discovery_requests,
    jwt_expiry, parse_callback, parse_endpoint, parse_metadata, parse_userinfo, read_id_token, retry_after,
};
use proptest::prelude::*;

use crate::metadata;

fn service() -> impl Strategy<Value = Service> {
    let url = || parse_endpoint("https://home.example/x").expect("an address");
    prop_oneof![
        Just(Service::OAuth(metadata(""))),
        Just(Service::TokenEndpoint { url: url() }),
        Just(Service::PlainJson(PlainJson { login_url: url(), refresh_url: url() })),
    ]
}

/// Text that looks like what servers answer, broken in places.
fn json_like() -> impl Strategy<Value = String> {
    let name = prop_oneof![
        Just("error".to_owned()),
        Just("access_token".to_owned()),
        Just("refresh_token".to_owned()),
        Just("expires_in".to_owned()),
        Just("refresh_expires_in".to_owned()),
        Just("error_description".to_owned()),
        Just("issuer".to_owned()),
        Just("token_endpoint".to_owned()),
        Just("sub".to_owned()),
        Just("exp".to_owned()),
    ];
    let value = prop_oneof![
        Just(r#""invalid_grant""#.to_owned()),
        Just(r#""https://server.example.com""#.to_owned()),
        any::<String>().prop_map(|text| serde_json::to_string(&text).expect("a string")),
        any::<f64>().prop_map(|number| number.to_string()),
        any::<i64>().prop_map(|number| number.to_string()),
        Just("null".to_owned()),
        Just(r#"[{"a":[]}]"#.to_owned()),
    ];
    let object = prop::collection::vec((name, value), 0..5).prop_map(|members| {
        let members: Vec<String> = members.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
        format!("{{{}}}", members.join(","))
    });
    (object, 0_usize..200, any::<bool>()).prop_map(
        |(text, cut, whole)| {
            if whole { text } else { text.chars().take(cut).collect() }
        },
    )
}

fn body() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => json_like().prop_map(String::into_bytes),
        1 => prop::collection::vec(any::<u8>(), 0..200),
        1 => Just(br#"{"error":"invalid_grant"}"#.to_vec()),
    ]
}

fn content_type() -> impl Strategy<Value = Option<String>> {
    prop_oneof![
        3 => Just(Some("application/json".to_owned())),
        1 => Just(None),
        1 => Just(Some("text/html".to_owned())),
        1 => any::<String>().prop_map(Some),
    ]
}

fn response() -> impl Strategy<Value = HttpResponse> {
    let status = prop_oneof![Just(200_u16), Just(400), Just(401), 100_u16..600, any::<u16>()];
    (status, content_type(), body()).prop_map(|(status, content_type, body)| HttpResponse {
        status,
        content_type,
        retry_after: None,
        date: None,
        body: body.into(),
    })
}

fn trouble() -> impl Strategy<Value = u16> {
    prop_oneof![Just(408_u16), Just(425), Just(429), 500_u16..600]
}

fn issuer_like() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        r"https?://[a-z0-9.:@\[\]/?#%\\ -]{0,30}",
        "https://[a-z]{1,5}(/[a-z0-9.%/]{0,9}){0,3}",
    ]
}

fn query_like() -> impl Strategy<Value = String> {
    prop_oneof![any::<String>(), "(&?(code|state|iss|error)=[a-z%0-9]{0,8}){0,6}"]
}

fn token_like() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        r"[A-Za-z0-9_-]{0,9}\.[A-Za-z0-9_=-]{0,90}\.[a-z]{0,3}",
        json_like().prop_map(|claims| format!("h.{}.s", BASE64_URL_SAFE_NO_PAD.encode(claims))),
    ]
}

fn retry_after_like() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[0-9]{1,30}",
        "(Mon|Sun), [0-3][0-9] (Jan|Dec) [0-9]{4} [0-2][0-9]:[0-5][0-9]:[0-6][0-9] GMT",
    ]
}

fn is_html(response: &HttpResponse) -> bool {
    response.content_type.as_deref().is_some_and(|kind| kind.contains("html"))
}

proptest! {
    #[test]
    fn only_400_and_401_without_html_can_end_a_grant(
        service in service(),
        response in response(),
        now in any::<i64>(),
    ) {
        let verdict = service.classify(&response, Timestamp::from_millis(now));
        if matches!(verdict, Verdict::InvalidGrant(_)) {
            prop_assert!(matches!(response.status, 400 | 401) && !is_html(&response));
            let body = response.body.expose_secret();
            let object: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(body).unwrap();
            if !matches!(service, Service::PlainJson(_)) {
                prop_assert_eq!(object.get("error").and_then(|error| error.as_str()), Some("invalid_grant"));
            }
        }
    }

    #[test]
    fn only_a_success_grants_tokens_and_they_are_not_empty(service in service(), response in response()) {
        if let Verdict::Granted(tokens) = service.classify(&response, Timestamp::from_secs(0)) {
            prop_assert!(matches!(response.status, 200 | 201) && !is_html(&response));
            prop_assert!(!tokens.access_token.expose_secret().is_empty());
            prop_assert!(tokens.refresh_token.is_none_or(|token| !token.expose_secret().is_empty()));
            prop_assert!(tokens.access_expires_at.is_none_or(|at| at >= Timestamp::from_secs(0)));
        }
    }

    #[test]
    fn a_server_in_trouble_is_unavailable_for_any_body(
        service in service(),
        mut response in response(),
        status in trouble(),
    ) {
        response.status = status;
        let verdict = service.classify(&response, Timestamp::from_secs(0));
        prop_assert!(matches!(verdict, Verdict::Unavailable { .. }), "{:?}", verdict);
    }

    #[test]
    fn metadata_that_are_accepted_are_of_the_issuer_and_safe(response in response()) {
        let issuer = Issuer::parse("https://server.example.com").unwrap();
        if let Ok(Metadata { issuer: named, token_endpoint, .. }) = parse_metadata(&issuer, &response) {
            prop_assert_eq!(named, issuer);
            prop_assert_eq!(token_endpoint.scheme(), "https");
        }
        let _ = parse_userinfo(&response);
    }

    #[test]
    fn an_issuer_is_kept_as_it_was_given(text in issuer_like()) {
        if let Ok(issuer) = Issuer::parse(&text) {
            prop_assert_eq!(issuer.as_str(), &text);
            prop_assert!(text.starts_with("https://") || text.starts_with("http://"));
            prop_assert!(!text.contains(['?', '#', ' ', '\\']));
            for request in discovery_requests(&issuer) {
                prop_assert_eq!(request.url.origin(), url::Url::parse(&text).unwrap().origin());
                prop_assert!(request.url.path().contains("/.well-known/"));
                prop_assert!(request.url.query().is_none() && request.url.fragment().is_none());
            }
            let record = serde_json::to_string(&issuer).unwrap();
            prop_assert_eq!(serde_json::from_str::<Issuer>(&record).unwrap(), issuer);
        }
    }

    #[test]
    fn no_query_without_our_state_is_ours(query in query_like()) {
        let issuer = Issuer::parse("https://server.example.com").unwrap();
        let state = "Zk3-a state nobody guesses";
        prop_assert_eq!(
            parse_callback(&query, state, &issuer, false).map(|_| ()),
            Err(pilotlight_oauth::CallbackError::WrongState)
        );
    }

    #[test]
    fn any_code_comes_through_a_redirect(code in ".+") {
        let issuer = Issuer::parse("https://server.example.com").unwrap();
        let query = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("code", &code)
            .append_pair("state", "s")
            .append_pair("iss", issuer.as_str())
            .finish();
        let read = parse_callback(&query, "s", &issuer, true).unwrap();
        prop_assert_eq!(read.expose_secret(), code);
    }

    #[test]
    fn any_text_is_read_as_a_token_without_panic(text in token_like(), now in any::<i64>()) {
        let issuer = Issuer::parse("https://server.example.com").unwrap();
        let token = text.as_str().into();
        let _ = jwt_expiry(&token);
        prop_assert!(read_id_token(&token, &issuer, "client", None, Timestamp::from_millis(now)).is_err());
    }

    #[test]
    fn a_wait_is_never_longer_than_an_hour(value in retry_after_like(), now in any::<i64>()) {
        let wait = retry_after(&value, Timestamp::from_millis(now));
        prop_assert!(wait.is_none_or(|wait| wait.as_secs() <= 3600));
    }

    #[test]
    fn a_scope_reads_back_as_it_is_shown(text in any::<String>()) {
        let scope = Scope::parse(&text);
        prop_assert_eq!(Scope::parse(&scope.to_string()), scope);
    }

    #[test]
    fn any_instant_can_be_shown(millis in any::<i64>()) {
        let shown = Timestamp::from_millis(millis).to_string();
        prop_assert!(shown.ends_with('Z') && shown.as_bytes()[4] == b'-', "{}", shown);
    }
}
