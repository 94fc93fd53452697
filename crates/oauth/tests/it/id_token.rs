//! Who signed in, and when a JWT ends.

use std::time::Duration;

use base64::{
    Engine,
    prelude::{BASE64_URL_SAFE, BASE64_URL_SAFE_NO_PAD},
};
use pilotlight_oauth::{
    HttpResponse, IdTokenError, Issuer, Person, SecretString, Timestamp, jwt_expiry, parse_userinfo, read_id_token,
};

use crate::{answer, json};

const EXP: i64 = 1_311_281_970;

/// A token with these claims; nobody here looks at its header and signature.
fn jwt(claims: &str) -> SecretString {
    format!("eyJhbGciOiJFUzI1NiJ9.{}.c2ln", BASE64_URL_SAFE_NO_PAD.encode(claims)).into()
}

/// The claims of OpenID Connect Core section 2's example, with these members instead.
fn claims(changes: &[(&str, &str)]) -> String {
    let mut members = vec![
        ("iss", r#""https://server.example.com""#),
        ("sub", r#""24400320""#),
        ("aud", r#""s6BhdRkqt3""#),
        ("nonce", r#""n-0S6_WzA2Mj""#),
        ("exp", "1311281970"),
        ("iat", "1311280970"),
        ("auth_time", "1311280969"),
        ("acr", r#""urn:mace:incommon:iap:silver""#),
    ];
    for (name, value) in changes {
        members.retain(|(known, _)| known != name);
        members.push((name, value));
    }
    let members: Vec<String> = members.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
    format!("{{{}}}", members.join(","))
}

fn read_at(token: &SecretString, now: i64) -> Result<Person, IdTokenError> {
    let issuer = Issuer::parse("https://server.example.com").expect("an issuer");
    read_id_token(token, &issuer, "s6BhdRkqt3", Some("n-0S6_WzA2Mj"), Timestamp::from_secs(now))
}

fn read(changes: &[(&str, &str)]) -> Result<Person, IdTokenError> {
    read_at(&jwt(&claims(changes)), EXP - 1000)
}

#[test]
fn openid_connect_core_section_2_the_example_claims_are_read() {
    assert_eq!(read(&[]), Ok(Person { subject: Some("24400320".to_owned()), label: None }));
}

#[test]
fn another_issuer_is_refused() {
    for iss in [
        r#""https://server.example.com/""#,
        r#""https://evil.example.com""#,
        "null",
        "7",
        r#"["https://server.example.com"]"#,
    ] {
        assert_eq!(read(&[("iss", iss)]), Err(IdTokenError::WrongIssuer), "{iss}");
    }
}

#[test]
fn openid_connect_core_section_3_1_3_7_the_audience_is_us() {
    for (aud, azp) in [
        (r#"["s6BhdRkqt3"]"#, "null"),
        (r#"["s6BhdRkqt3"]"#, r#""s6BhdRkqt3""#),
        (r#"["other","s6BhdRkqt3"]"#, r#""s6BhdRkqt3""#),
        (r#""s6BhdRkqt3""#, r#""s6BhdRkqt3""#),
    ] {
        assert!(read(&[("aud", aud), ("azp", azp)]).is_ok(), "{aud} {azp}");
    }
    for (aud, azp) in [
        (r#""other""#, "null"),
        (r#""s6BhdRkqt3x""#, "null"),
        ("[]", "null"),
        ("null", "null"),
        ("7", r#""s6BhdRkqt3""#),
        (r#""other""#, r#""s6BhdRkqt3""#),
        (r#"["other","s6BhdRkqt3"]"#, "null"),
        (r#"["other","s6BhdRkqt3"]"#, r#""other""#),
        (r#""s6BhdRkqt3""#, r#""other""#),
        (r#""s6BhdRkqt3""#, "7"),
    ] {
        assert_eq!(read(&[("aud", aud), ("azp", azp)]), Err(IdTokenError::WrongAudience), "{aud} {azp}");
    }
}

#[test]
fn a_nonce_that_was_sent_must_come_back() {
    for nonce in [r#""another""#, "null", r#""""#, "7"] {
        assert_eq!(read(&[("nonce", nonce)]), Err(IdTokenError::WrongNonce), "{nonce}");
    }
    let issuer = Issuer::parse("https://server.example.com").unwrap();
    let token = jwt(&claims(&[("nonce", "null")]));
    assert!(read_id_token(&token, &issuer, "s6BhdRkqt3", None, Timestamp::from_secs(EXP)).is_ok());
}

#[test]
fn five_minutes_of_leeway_and_no_more() {
    let token = jwt(&claims(&[]));
    assert!(read_at(&token, EXP + 300).is_ok());
    assert_eq!(read_at(&token, EXP + 301), Err(IdTokenError::Expired));
    let issuer = Issuer::parse("https://server.example.com").unwrap();
    let just_after = Timestamp::from_secs(EXP + 300).plus(Duration::from_millis(1));
    assert_eq!(
        read_id_token(&token, &issuer, "s6BhdRkqt3", Some("n-0S6_WzA2Mj"), just_after),
        Err(IdTokenError::Expired)
    );
}

#[test]
fn what_is_no_jwt_with_the_required_claims_is_malformed() {
    for change in [("sub", "null"), ("sub", "7"), ("exp", "null"), ("exp", "-1"), ("exp", r#""never""#)] {
        assert_eq!(read(&[change]), Err(IdTokenError::Malformed), "{change:?}");
    }
    let good = BASE64_URL_SAFE_NO_PAD.encode(claims(&[]));
    for token in [
        String::new(),
        "..".to_owned(),
        "opaque".to_owned(),
        good.clone(),
        format!("h.{good}"),
        format!("h.{good}.s.t"),
        format!("h.{good}.k.c.t"),
        format!("h.{good}!.s"),
        format!("h.{}.s", BASE64_URL_SAFE_NO_PAD.encode("[1,2]")),
        format!("h.{}.s", BASE64_URL_SAFE_NO_PAD.encode(b"\xff\xfe")),
        format!("h.{good}.{}", "s".repeat(64 * 1024)),
    ] {
        assert_eq!(read_at(&token.clone().into(), EXP), Err(IdTokenError::Malformed), "{token:.80}");
    }
}

#[test]
fn a_person_is_labelled_by_user_name_or_else_mail_or_else_name() {
    let label = |changes: &[(&str, &str)]| read(changes).unwrap().label;
    let (user, mail, name) =
        (("preferred_username", r#""jane""#), ("email", r#""j@x.example""#), ("name", r#""Jane Doe""#));
    assert_eq!(label(&[user, mail, name]).as_deref(), Some("jane"));
    assert_eq!(label(&[mail, name]).as_deref(), Some("j@x.example"));
    assert_eq!(label(&[name]).as_deref(), Some("Jane Doe"));
    assert_eq!(label(&[("preferred_username", r#""\u202e \u0000""#), name]).as_deref(), Some("Jane Doe"));
    let long = format!("\"{}\"", "é".repeat(500));
    assert_eq!(label(&[("name", &long)]), Some("é".repeat(120)));
}

#[test]
fn openid_connect_core_section_5_3_2_userinfo_response() {
    let body = r#"{"sub":"248289761001","name":"Jane Doe","given_name":"Jane","family_name":"Doe","preferred_username":"j.doe","email":"janedoe@example.com","picture":"http://example.com/janedoe/me.jpg"}"#;
    let jane = Person { subject: Some("248289761001".to_owned()), label: Some("j.doe".to_owned()) };
    assert_eq!(parse_userinfo(&json(200, body)), Some(jane));
    assert_eq!(parse_userinfo(&json(401, body)), None);
    assert_eq!(parse_userinfo(&answer(200, "text/html", body)), None);
    assert_eq!(parse_userinfo(&answer(200, "application/jwt", "h.p.s")), None);
    for body in [r#"{"name":"Jane"}"#, r#"{"sub":""}"#, r#"{"sub":7}"#, "[]", r#"["a","b"]"#, ""] {
        assert_eq!(parse_userinfo(&json(200, body)), None, "{body}");
    }
    let untyped = HttpResponse { content_type: None, ..json(200, r#"{"sub":"s"}"#) };
    assert!(parse_userinfo(&untyped).is_some());
}

#[test]
fn the_expiry_of_a_jwt_is_read_tolerantly() {
    let at = |millis| Some(Timestamp::from_millis(millis));
    assert_eq!(jwt_expiry(&jwt(r#"{"exp":1311281970}"#)), at(1_311_281_970_000));
    assert_eq!(jwt_expiry(&jwt(r#"{"exp":1311281970.5}"#)), at(1_311_281_970_500));
    assert_eq!(jwt_expiry(&jwt(r#"{"exp":"1311281970"}"#)), at(1_311_281_970_000));
    let padded = format!("h.{}.s", BASE64_URL_SAFE.encode(r#"{"exp":1311281970 }"#));
    assert!(padded.contains('=') && jwt_expiry(&padded.into()) == at(1_311_281_970_000));
    assert_eq!(jwt_expiry(&format!("h.{}.", BASE64_URL_SAFE_NO_PAD.encode(r#"{"exp":1}"#)).into()), at(1000));
}

#[test]
fn an_opaque_token_and_an_absurd_exp_tell_nothing() {
    for token in ["", "opaque", "a.b", "a.b.c", "a.b.c.d.e", "🔥.🔥.🔥"] {
        assert_eq!(jwt_expiry(&token.into()), None, "{token}");
    }
    for exp in ["0", "-5", "1311281970000", "1e300", r#""soon""#, "null", "true", "[1311281970]"] {
        assert_eq!(jwt_expiry(&jwt(&format!("{{\"exp\":{exp}}}"))), None, "{exp}");
    }
    assert_eq!(jwt_expiry(&jwt(&format!(r#"{{"exp":1,"pad":"{}"}}"#, "x".repeat(64 * 1024)))), None);
}

#[test]
fn errors_and_debug_show_no_token() {
    let token = jwt(&claims(&[("sub", "null")]));
    assert!(!format!("{token:?} {:?}", read_at(&token, EXP)).contains("eyJ"));
}
