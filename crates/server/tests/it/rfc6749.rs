//! RFC 6749, the core. What BCP 240 (RFC 9700) sharpens stands in rfc9700.rs.

use std::time::Duration;

use axum::http::Method;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pilotlight_oauth::Scope;
use pilotlight_server::client::Client;
use secrecy::ExposeSecret as _;

use crate::kit::{REDIRECT, World, claims, cookie_of, encode, request};

/// Adds the confidential client `site`; gives its secret.
fn add_confidential(world: &World) -> String {
    let mut client = Client::public("site", vec![REDIRECT.to_owned()]).unwrap();
    let secret = client.make_secret().unwrap();
    world.store.add_client(&client).unwrap();
    secret.expose_secret().to_owned()
}

const PASSWORD: [(&str, &str); 3] = [("grant_type", "password"), ("username", "demo"), ("password", "demo")];

fn basic(id: &str, secret: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{id}:{secret}")))
}

#[tokio::test]
async fn section_2_3_1_a_confidential_client_may_use_basic_or_the_form_but_never_the_query() {
    let world = World::new();
    let secret = add_confidential(&world);
    let by_basic = world.form_with("/token", &[("authorization", &basic("site", &secret))], &PASSWORD).await;
    assert_eq!(by_basic.status, 200, "{by_basic:?}");
    let mut pairs = vec![("client_id", "site"), ("client_secret", secret.as_str())];
    pairs.extend(PASSWORD);
    assert_eq!(world.form("/token", &pairs).await.status, 200);
    let query = encode(&[("client_id", "site"), ("client_secret", &secret)]);
    let mut pairs = vec![("client_id", "site")];
    pairs.extend(PASSWORD);
    world.form(&format!("/token?{query}"), &pairs).await.assert_error(401, "invalid_client");
}

#[test]
fn section_2_3_1_a_client_secret_is_too_long_to_be_guessed() {
    let hash = |text: &str| pilotlight_server::client::hash_secret(&text.into()).is_ok();
    assert!(!hash("thirty-one characters are short") && hash("thirty-two characters are enough"));
    let made = Client::public("site", vec![REDIRECT.to_owned()]).unwrap().make_secret().unwrap();
    assert!(made.expose_secret().len() > 5 + 42, "256 random bits");
}

#[tokio::test]
async fn section_2_3_two_ways_to_authenticate_at_once_are_refused() {
    let world = World::new();
    let secret = add_confidential(&world);
    let mut pairs = vec![("client_secret", secret.as_str())];
    pairs.extend(PASSWORD);
    let answer = world.form_with("/token", &[("authorization", &basic("site", &secret))], &pairs).await;
    answer.assert_error(400, "invalid_request");
}

#[tokio::test]
async fn section_3_1_and_3_2_unknown_parameters_are_ignored_and_empty_ones_count_as_absent() {
    let world = World::new();
    let token = world.refresh_token().await;
    let answer = world.refresh_with(&token, &[], &[("colour", "amber"), ("scope", "")]).await;
    assert_eq!(answer.status, 200);
    world.refresh_with("", &[], &[]).await.assert_error(400, "invalid_request");
    assert_eq!(world.fetch(&request(&[("colour", "amber"), ("nonce", "")])).await.status, 200);
}

#[tokio::test]
async fn section_3_1_and_3_2_a_repeated_parameter_is_an_invalid_request() {
    let world = World::new();
    let token = world.refresh_token().await;
    let twice = [
        ("grant_type", "refresh_token"),
        ("client_id", "pilotlight"),
        ("refresh_token", token.as_str()),
        ("refresh_token", token.as_str()),
    ];
    world.form("/token", &twice).await.assert_error(400, "invalid_request");
    assert_eq!(world.refresh(&token).await.status, 200, "and nothing was spent");
    let answer = world.fetch(&format!("{}&scope=openid", request(&[]))).await;
    assert_eq!(answer.sent("error").as_deref(), Some("invalid_request"));
}

#[tokio::test]
async fn section_3_2_the_token_endpoint_takes_post_only() {
    let world = World::new();
    for method in [Method::GET, Method::PUT, Method::DELETE] {
        let answer = world.send(method, "/token", &[], "").await;
        assert_eq!((answer.status.as_u16(), answer.header("allow")), (405, "POST"));
    }
}

#[tokio::test]
async fn section_4_1_2_a_code_expires_after_a_minute() {
    let world = World::new();
    let code = world.code().await;
    world.pass(Duration::from_secs(60));
    world.exchange(&code, &[]).await.assert_error(400, "invalid_grant");
}

#[tokio::test]
async fn section_4_1_2_the_second_use_of_a_code_ends_the_tokens_of_the_first() {
    let world = World::new();
    let code = world.code().await;
    let first = world.exchange(&code, &[]).await;
    assert_eq!(first.status, 200, "{first:?}");
    assert_eq!(world.userinfo(&first.text("access_token")).await.status, 200);
    world.exchange(&code, &[]).await.assert_error(400, "invalid_grant");
    world.refresh(&first.text("refresh_token")).await.assert_error(400, "invalid_grant");
    assert_eq!(world.userinfo(&first.text("access_token")).await.status, 401);
}

#[tokio::test]
async fn section_4_1_3_a_code_is_bound_to_its_client_and_redirect_uri() {
    let world = World::new();
    world.store.add_client(&Client::public("other", vec![REDIRECT.to_owned()]).unwrap()).unwrap();
    for change in [("client_id", "other"), ("redirect_uri", "http://127.0.0.1:5001/callback")] {
        let code = world.code().await;
        world.exchange(&code, &[change]).await.assert_error(400, "invalid_grant");
    }
    let code = world.code().await;
    world.exchange(&code, &[("redirect_uri", "")]).await.assert_error(400, "invalid_request");
}

#[tokio::test]
async fn section_5_1_token_answers_are_json_and_not_stored() {
    let world = World::new();
    let answer = world.tokens().await;
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(answer.header("pragma"), "no-cache");
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.text("token_type"), "Bearer");
    assert_eq!(answer.json()["expires_in"], 900);
    assert_eq!(answer.json()["refresh_expires_in"], 2_592_000);
}

#[tokio::test]
async fn section_5_2_errors_are_from_the_list() {
    let world = World::new();
    world.form("/token", &[("client_id", "pilotlight")]).await.assert_error(400, "invalid_request");
    let unknown = [("grant_type", "implicit"), ("client_id", "pilotlight")];
    world.form("/token", &unknown).await.assert_error(400, "unsupported_grant_type");
    let mut wide = vec![("client_id", "pilotlight"), ("scope", "root")];
    wide.extend(PASSWORD);
    world.form("/token", &wide).await.assert_error(400, "invalid_scope");
    let json = world.send(Method::POST, "/token", &[("content-type", "application/json")], "{}").await;
    json.assert_error(400, "invalid_request");
    let large = "x".repeat(65 * 1024);
    world.refresh(&large).await.assert_error(413, "invalid_request");
}

#[tokio::test]
async fn section_5_2_a_failed_client_is_401_and_is_challenged_where_it_tried_basic() {
    let world = World::new();
    add_confidential(&world);
    let answer = world.form_with("/token", &[("authorization", &basic("site", "wrong"))], &PASSWORD).await;
    answer.assert_error(401, "invalid_client");
    assert!(answer.header("www-authenticate").starts_with("Basic"));
    let mut pairs = vec![("client_id", "nobody")];
    pairs.extend(PASSWORD);
    let answer = world.form("/token", &pairs).await;
    answer.assert_error(401, "invalid_client");
    assert_eq!(answer.header("www-authenticate"), "");
    for garbage in ["Basic", "Basic !!!", "Basic YQ==", "Bearer x", ""] {
        let answer = world.form_with("/token", &[("authorization", garbage)], &PASSWORD).await;
        answer.assert_error(401, "invalid_client");
    }
}

#[tokio::test]
async fn section_6_a_refresh_token_works_for_its_own_client_only() {
    let world = World::new();
    world.store.add_client(&Client::public("other", Vec::new()).unwrap()).unwrap();
    let token = world.refresh_token().await;
    for foreign in ["other", "first-party", ""] {
        let answer = world.refresh_with(&token, &[], &[("client_id", foreign)]).await;
        answer.assert_error(400, "invalid_grant");
    }
    assert_eq!(world.refresh(&token).await.status, 200, "its own client is not harmed");
}

#[tokio::test]
async fn section_6_scope_may_narrow_for_once_and_never_widen() {
    let world = World::new();
    let token = world.refresh_token().await;
    let narrow = world.refresh_with(&token, &[], &[("scope", "openid")]).await;
    assert_eq!(narrow.text("scope"), "openid");
    let whole = world.refresh(&narrow.text("refresh_token")).await;
    assert_eq!(whole.text("scope"), "openid profile offline_access", "the grant keeps its full scope");
    let token = whole.text("refresh_token");
    world.refresh_with(&token, &[], &[("scope", "openid root")]).await.assert_error(400, "invalid_scope");
    assert_eq!(world.refresh(&token).await.status, 200, "a wish too wide does not spend the token");
}

#[tokio::test]
async fn section_10_4_a_bad_refresh_token_is_always_invalid_grant() {
    let world = World::new();
    let token = world.refresh_token().await;
    let altered = format!("{}{}", &token[..token.len() - 2], "AA");
    for bad in ["x", "plrt_", "plrt_AAAA", &altered, &token[..40], "plrt_ÄÖ\u{0}", &format!("{token}A")] {
        world.refresh(bad).await.assert_error(400, "invalid_grant");
    }
    world.pass(Duration::from_secs(30 * 24 * 3600));
    world.refresh(&token).await.assert_error(400, "invalid_grant");
}

#[tokio::test]
async fn section_10_10_codes_carry_256_random_bits() {
    let world = World::new();
    let (one, two) = (world.code().await, world.code().await);
    assert_eq!((one.len(), two.len()), (43, 43));
    assert_ne!(one, two);
}

#[tokio::test]
async fn section_10_12_a_form_of_another_browser_is_refused() {
    let world = World::new();
    let mine = world.fetch(&request(&[])).await;
    let theirs = world.fetch(&request(&[])).await;
    let person = [("username", "demo"), ("password", "demo")];
    for cookie in [cookie_of(&theirs), String::new(), "pilotlight_form=short".to_owned()] {
        let answer = world.submit(&cookie, &mine.ticket(), &person).await;
        assert_eq!(answer.status, 400);
        assert!(!answer.body.contains("id=\"allow\""));
    }
    assert_eq!(world.submit(&cookie_of(&mine), &mine.ticket(), &person).await.status, 200);
    let cookie = mine.header("set-cookie");
    assert!(cookie.contains("; HttpOnly") && cookie.contains("; SameSite=Lax"), "{cookie}");
}

#[tokio::test]
async fn section_10_12_consent_needs_a_sign_in_before_it() {
    let world = World::new();
    let page = world.fetch(&request(&[])).await;
    let answer = world.submit(&cookie_of(&page), &page.ticket(), &[("decision", "allow")]).await;
    assert_eq!(answer.sent("code"), None);
    assert_ne!(answer.status, 303);
    let forged = page.ticket().replacen("ey", "eZ", 1);
    assert_eq!(world.submit(&cookie_of(&page), &forged, &[("decision", "allow")]).await.status, 400);
}

#[tokio::test]
async fn section_10_13_no_page_can_be_framed() {
    let world = World::new();
    for path in [request(&[]), request(&[("client_id", "nobody")]), "/jwks".to_owned(), "/nowhere".to_owned()] {
        let answer = world.fetch(&path).await;
        assert!(answer.header("content-security-policy").contains("frame-ancestors 'none'"), "{answer:?}");
        assert_eq!(answer.header("x-frame-options"), "DENY");
    }
}

/// Adds the confidential client `reporter`, which may act in its own name; gives the header that proves it.
fn add_reporter(world: &World) -> String {
    let mut client = Client::public("reporter", Vec::new()).unwrap();
    let secret = client.make_secret().unwrap();
    client.allow_own_scope(Scope::parse("reports.read reports.write")).unwrap();
    world.store.add_client(&client).unwrap();
    basic("reporter", secret.expose_secret())
}

#[tokio::test]
async fn section_4_4_a_confidential_client_gets_a_token_in_its_own_name_and_no_refresh_token() {
    let world = World::new();
    let header = add_reporter(&world);
    let own = |scope: &'static str| [("grant_type", "client_credentials"), ("scope", scope)];
    let all = world.form_with("/token", &[("authorization", &header)], &own("")).await;
    assert_eq!((all.status.as_u16(), &*all.text("scope")), (200, "reports.read reports.write"), "{all:?}");
    let answer = world.form_with("/token", &[("authorization", &header)], &own("reports.read")).await;
    for member in ["refresh_token", "refresh_expires_in", "id_token"] {
        assert!(answer.json().get(member).is_none(), "section 4.4.3: no {member}");
    }
    let claims = claims(&answer.text("access_token"));
    assert_eq!((&claims["sub"], &claims["client_id"]), (&"reporter".into(), &"reporter".into()));
    assert_eq!((&claims["scope"], claims.get("gid"), claims.get("auth_time")), (&"reports.read".into(), None, None));
    assert_eq!(world.userinfo(&answer.text("access_token")).await.status, 401, "there is nobody behind it");
    assert!(world.store.grants().unwrap().is_empty(), "nothing is kept");
    for scope in ["reports.delete", "openid", "reports.read openid"] {
        let answer = world.form_with("/token", &[("authorization", &header)], &own(scope)).await;
        answer.assert_error(400, "invalid_scope");
    }
}

#[tokio::test]
async fn section_4_4_a_client_without_secret_or_permission_gets_no_token_of_its_own() {
    let world = World::new();
    let secret = add_confidential(&world);
    let grant = [("grant_type", "client_credentials")];
    let header = basic("site", &secret);
    let answer = world.form_with("/token", &[("authorization", &header)], &grant).await;
    answer.assert_error(400, "unauthorized_client");
    let public = [grant[0], ("client_id", "pilotlight")];
    world.form("/token", &public).await.assert_error(400, "unauthorized_client");
    world.form("/token", &grant).await.assert_error(400, "invalid_request");
    let wrong = basic("site", "wrong");
    world.form_with("/token", &[("authorization", &wrong)], &grant).await.assert_error(401, "invalid_client");
}

#[test]
fn rfc9700_section_4_15_a_client_cannot_be_taken_for_a_person() {
    assert!(Client::public("0123456789abcdef0123456789abcdef", Vec::new()).is_err());
    let mut client = Client::public("site", Vec::new()).unwrap();
    assert!(client.allow_own_scope(Scope::parse("reports.read")).is_err(), "it has no secret");
    client.make_secret().unwrap();
    assert!(client.allow_own_scope(Scope::parse("reports.read openid")).is_err(), "that is about a person");
}
