//! Requests, held against the examples printed in the RFCs.

use pilotlight_oauth::{
    AuthorizationRequest, Client, HttpRequest, Method, PlainJson, Scope, SecretString, Service, parse_endpoint,
};

use crate::{authorization, body, metadata, pairs};

const FORM: Option<&str> = Some("application/x-www-form-urlencoded");

/// The confidential client of RFC 6749's examples.
fn confidential() -> Client {
    Client { id: "s6BhdRkqt3".to_owned(), secret: Some("gX1fBat3bV".into()) }
}

fn public() -> Client {
    Client { id: "s6BhdRkqt3".to_owned(), secret: None }
}

fn oauth(more: &str) -> Service {
    Service::OAuth(metadata(more))
}

fn plain() -> Service {
    Service::PlainJson(PlainJson {
        login_url: parse_endpoint("https://home.example:8443/login").expect("an address"),
        refresh_url: parse_endpoint("https://api.home.example/refresh").expect("an address"),
    })
}

fn assert_posts(request: &HttpRequest, url: &str, content_type: Option<&str>) {
    assert_eq!((request.method, request.url.as_str()), (Method::Post, url));
    assert_eq!(request.content_type, content_type);
}

#[test]
fn rfc6749_section_4_1_1_authorization_request() {
    let metadata = metadata("");
    let request = AuthorizationRequest {
        metadata: &metadata,
        client: &public(),
        scope: &Scope::default(),
        redirect_uri: "https://client.example.com/cb",
        state: "xyz",
        nonce: "n-0S6_WzA2Mj",
        code_challenge: "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
    };
    let url = request.url().unwrap();
    let printed =
        "response_type=code&client_id=s6BhdRkqt3&state=xyz&redirect_uri=https%3A%2F%2Fclient%2Eexample%2Ecom%2Fcb";
    // RFC 7636 section 4.3 adds the challenge.
    let challenge = "&code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256";
    let (mut ours, mut theirs) = (pairs(url.query().unwrap()), pairs(&format!("{printed}{challenge}")));
    ours.sort();
    theirs.sort();
    assert_eq!(ours, theirs);
    assert_eq!(&url[..url::Position::AfterPath], "https://server.example.com/authorize");
}

#[test]
fn openid_adds_a_nonce_and_offline_access_asks_for_consent() {
    let metadata = metadata("");
    let client = public();
    let query = |scope: &str| {
        let request = AuthorizationRequest {
            metadata: &metadata,
            client: &client,
            scope: &Scope::parse(scope),
            redirect_uri: "http://127.0.0.1:51004/",
            state: "s",
            nonce: "n",
            code_challenge: "c",
        };
        pairs(request.url().unwrap().query().unwrap())
    };
    let has = |query: &[(String, String)], name: &str, value: &str| query.contains(&(name.into(), value.into()));
    let both = query("openid offline_access");
    assert!(has(&both, "nonce", "n") && has(&both, "prompt", "consent"), "{both:?}");
    assert!(has(&both, "scope", "openid offline_access"), "{both:?}");
    let openid = query("openid");
    assert!(has(&openid, "nonce", "n") && !has(&openid, "prompt", "consent"), "{openid:?}");
    let other = query("offline_access mail");
    assert!(!has(&other, "nonce", "n") && !has(&other, "prompt", "consent"), "{other:?}");
}

#[test]
fn rfc6749_section_3_1_the_endpoints_own_query_is_kept() {
    let mut metadata = metadata("");
    metadata.authorization_endpoint = Some(parse_endpoint("https://server.example.com/a?tenant=7").unwrap());
    let (client, scope) = (public(), Scope::default());
    let mut request = AuthorizationRequest {
        metadata: &metadata,
        client: &client,
        scope: &scope,
        redirect_uri: "http://[::1]:9/",
        state: "s",
        nonce: "n",
        code_challenge: "c",
    };
    assert!(request.url().unwrap().query().unwrap().starts_with("tenant=7&response_type=code&"));
    let without = pilotlight_oauth::Metadata { authorization_endpoint: None, ..metadata.clone() };
    request.metadata = &without;
    assert_eq!(request.url(), None);
}

#[test]
fn rfc6749_section_4_1_3_code_exchange() {
    let request = oauth("")
        .code_request(
            &confidential(),
            &"SplxlOBeZQQYbYS6WxSbIA".into(),
            "https://client.example.com/cb",
            &"dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk".into(),
        )
        .unwrap();
    assert_posts(&request, "https://server.example.com/token", FORM);
    assert_eq!(authorization(&request), Some("Basic czZCaGRSa3F0MzpnWDFmQmF0M2JW"));
    let printed = "grant_type=authorization_code&code=SplxlOBeZQQYbYS6WxSbIA&redirect_uri=https%3A%2F%2Fclient%2Eexample%2Ecom%2Fcb";
    // RFC 7636 section 4.5 adds the verifier.
    let verifier = "&code_verifier=dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    assert_eq!(pairs(body(&request)), pairs(&format!("{printed}{verifier}")));
}

#[test]
fn rfc6749_section_4_3_2_password_request() {
    let request = oauth("").password_request(&confidential(), "johndoe", &"A3ddj3w".into(), &Scope::default());
    assert_posts(&request, "https://server.example.com/token", FORM);
    assert_eq!(authorization(&request), Some("Basic czZCaGRSa3F0MzpnWDFmQmF0M2JW"));
    assert_eq!(body(&request), "grant_type=password&username=johndoe&password=A3ddj3w");
    let scoped = oauth("").password_request(&public(), "jane", &"p w&d".into(), &Scope::parse("openid mail"));
    assert_eq!(
        body(&scoped),
        "grant_type=password&username=jane&password=p+w%26d&scope=openid+mail&client_id=s6BhdRkqt3"
    );
}

#[test]
fn rfc6749_section_6_refresh_request() {
    let request = oauth("").refresh_request(&confidential(), &"tGzv3JOkF0XG5Qx2TlKWIA".into(), "key-1");
    assert_posts(&request, "https://server.example.com/token", FORM);
    assert_eq!(authorization(&request), Some("Basic czZCaGRSa3F0MzpnWDFmQmF0M2JW"));
    assert_eq!(body(&request), "grant_type=refresh_token&refresh_token=tGzv3JOkF0XG5Qx2TlKWIA");
    assert_eq!(request.idempotency_key.as_deref(), Some("key-1"));
}

#[test]
fn rfc6749_section_2_3_1_secret_in_the_form_where_nothing_else_is_allowed() {
    let service = oauth(r#","token_endpoint_auth_methods_supported":["client_secret_post"]"#);
    let client = Client { id: "s6BhdRkqt3".to_owned(), secret: Some("7Fjfp0ZBr1KtDRbnfVdmIw".into()) };
    let request = service.refresh_request(&client, &"tGzv3JOkF0XG5Qx2TlKWIA".into(), "key");
    assert_eq!(authorization(&request), None);
    assert_eq!(
        body(&request),
        "grant_type=refresh_token&refresh_token=tGzv3JOkF0XG5Qx2TlKWIA&client_id=s6BhdRkqt3&client_secret=7Fjfp0ZBr1KtDRbnfVdmIw"
    );
}

#[test]
fn rfc6749_section_3_2_1_a_public_client_names_itself_in_the_form() {
    let request = oauth("").refresh_request(&public(), &"t".into(), "key");
    assert_eq!(authorization(&request), None);
    assert_eq!(body(&request), "grant_type=refresh_token&refresh_token=t&client_id=s6BhdRkqt3");
}

#[test]
fn rfc7009_section_2_1_revocation_request() {
    let request = oauth("").revoke_request(&confidential(), &"45ghiukldjahdnhzdauz".into()).unwrap();
    assert_posts(&request, "https://server.example.com/revoke", FORM);
    assert_eq!(authorization(&request), Some("Basic czZCaGRSa3F0MzpnWDFmQmF0M2JW"));
    assert_eq!(body(&request), "token=45ghiukldjahdnhzdauz&token_type_hint=refresh_token");
}

#[test]
fn rfc8693_section_2_1_exchange_request() {
    let kind = "urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Aaccess_token";
    let common = format!(
        "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange&subject_token=t\
         &subject_token_type={kind}&requested_token_type={kind}"
    );
    let scope = Scope::parse("read");
    let request = oauth("").exchange_request(&public(), &"t".into(), Some("https://api.example"), &scope).unwrap();
    let more = "&audience=https%3A%2F%2Fapi.example&scope=read&client_id=s6BhdRkqt3";
    assert_eq!(pairs(body(&request)), pairs(&format!("{common}{more}")));
    assert_eq!(request.idempotency_key, None, "nothing is spent");
    let request = oauth("").exchange_request(&confidential(), &"t".into(), None, &Scope::default()).unwrap();
    assert_eq!(pairs(body(&request)), pairs(&common));
    assert_eq!(authorization(&request), Some("Basic czZCaGRSa3F0MzpnWDFmQmF0M2JW"));
    assert!(plain().exchange_request(&public(), &"t".into(), None, &scope).is_none());
}

#[test]
fn openid_connect_core_section_5_3_1_userinfo_request() {
    let request = oauth("").userinfo_request(&"SlAV32hkKG".into()).unwrap();
    assert_eq!((request.method, request.url.as_str()), (Method::Get, "https://server.example.com/userinfo"));
    assert_eq!(authorization(&request), Some("Bearer SlAV32hkKG"));
    assert!(request.body.is_none() && request.content_type.is_none());
}

#[test]
fn a_bare_token_endpoint_takes_forms_and_basic() {
    let service = Service::TokenEndpoint { url: parse_endpoint("https://as.example/oauth/token?v=2").unwrap() };
    let request = service.refresh_request(&confidential(), &"t".into(), "key");
    assert_posts(&request, "https://as.example/oauth/token?v=2", FORM);
    assert_eq!(authorization(&request), Some("Basic czZCaGRSa3F0MzpnWDFmQmF0M2JW"));
    let nameless = Client { id: String::new(), secret: None };
    assert_eq!(
        body(&service.refresh_request(&nameless, &"t".into(), "key")),
        "grant_type=refresh_token&refresh_token=t"
    );
    assert!(service.code_request(&public(), &"c".into(), "http://127.0.0.1:1/", &"v".into()).is_some());
    assert!(service.revoke_request(&public(), &"t".into()).is_none());
    assert!(service.userinfo_request(&"t".into()).is_none());
}

#[test]
fn the_plain_json_dialect_posts_json_and_names_no_client() {
    let login = plain().password_request(&confidential(), "jane \"j\"", &"p\\w\n".into(), &Scope::parse("openid"));
    assert_posts(&login, "https://home.example:8443/login", Some("application/json"));
    assert_eq!(body(&login), r#"{"username":"jane \"j\"","password":"p\\w\u000a"}"#);
    let refresh = plain().refresh_request(&confidential(), &"r1".into(), "key-2");
    assert_posts(&refresh, "https://api.home.example/refresh", Some("application/json"));
    assert_eq!(body(&refresh), r#"{"refresh_token":"r1"}"#);
    assert_eq!(refresh.idempotency_key.as_deref(), Some("key-2"));
    assert!(authorization(&login).is_none() && authorization(&refresh).is_none());
    assert!(plain().code_request(&public(), &"c".into(), "http://127.0.0.1:1/", &"v".into()).is_none());
    assert!(plain().revoke_request(&public(), &"t".into()).is_none());
    assert!(plain().userinfo_request(&"t".into()).is_none());
}

#[test]
fn a_service_is_identified_by_its_issuer_or_else_its_origin() {
    assert_eq!(oauth("").identifier(), "https://server.example.com");
    assert_eq!(plain().identifier(), "https://home.example:8443");
    let endpoint = Service::TokenEndpoint { url: parse_endpoint("https://as.example:443/t?x=y").unwrap() };
    assert_eq!(endpoint.identifier(), "https://as.example");
}

#[test]
fn the_record_of_a_service_keeps_its_form() {
    let records = [
        (
            oauth(""),
            r#"{"dialect":"oauth","issuer":"https://server.example.com","authorization_endpoint":"https://server.example.com/authorize","token_endpoint":"https://server.example.com/token","revocation_endpoint":"https://server.example.com/revoke","userinfo_endpoint":"https://server.example.com/userinfo","iss_in_response":false,"secret_in_form":false}"#,
        ),
        (
            Service::TokenEndpoint { url: parse_endpoint("https://as.example/t").unwrap() },
            r#"{"dialect":"token-endpoint","url":"https://as.example/t"}"#,
        ),
        (
            plain(),
            r#"{"dialect":"plain-json","login_url":"https://home.example:8443/login","refresh_url":"https://api.home.example/refresh"}"#,
        ),
    ];
    for (service, record) in records {
        assert_eq!(serde_json::to_string(&service).unwrap(), record);
        assert_eq!(serde_json::from_str::<Service>(record).unwrap(), service);
    }
    let insecure = r#"{"dialect":"oauth","issuer":"http://server.example.com","token_endpoint":"https://x.example/"}"#;
    assert!(serde_json::from_str::<Service>(insecure).is_err());
}

#[test]
fn debug_shows_no_secret_of_a_request() {
    let (client, token) = (confidential(), SecretString::from("refresh-me-not"));
    for service in [oauth(""), plain(), oauth(r#","token_endpoint_auth_methods_supported":["client_secret_post"]"#)] {
        let shown = format!("{:?} {client:?}", service.refresh_request(&client, &token, "key"));
        for secret in ["refresh-me-not", "gX1fBat3bV", "czZCaGRSa3F0"] {
            assert!(!shown.contains(secret), "{shown}");
        }
    }
}
