use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _};
use serde_json::{Value, json};

use super::*;

const URL: &str = "https://as.example/token";
const REQUEST: Request<'_> = Request { method: "POST", url: URL, access_token: None };

/// The example of RFC 9449 section 4.1, and of section 7.1 with an access token.
const EXAMPLE: &str = "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUuY29tL3Rva2VuIiwiaWF0IjoxNTYyMjYyNjE2fQ.2-GxA6T8lP4vfrg8v-FdWP0A0zdrj8igiMLvqRMUvwnQg4PtFLbdLXiOSsX0x7NVY-FNyJK70nfbV37xRZT3Lg";

fn es256() -> (EcdsaKeyPair, Value) {
    let random = SystemRandom::new();
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
    let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref(), &random).unwrap();
    let (x, y) = key.public_key().as_ref()[1..].split_at(32);
    let jwk = json!({"kty": "EC", "crv": "P-256", "x": URL_SAFE_NO_PAD.encode(x), "y": URL_SAFE_NO_PAD.encode(y)});
    (key, jwk)
}

fn encode(part: &Value) -> String {
    URL_SAFE_NO_PAD.encode(part.to_string())
}

/// A good proof, with what `change` makes of its header and claims before it is signed.
fn proof(change: impl FnOnce(&mut Value, &mut Value)) -> String {
    let (key, jwk) = es256();
    let mut header = json!({"typ": "dpop+jwt", "alg": "ES256", "jwk": jwk});
    let mut claims = json!({"jti": "1", "htm": "POST", "htu": URL, "iat": 1_800_000_000});
    change(&mut header, &mut claims);
    let signed = format!("{}.{}", encode(&header), encode(&claims));
    let signature = key.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

#[test]
fn rfc9449_section_4_1_the_example_is_a_good_proof_and_its_key_has_the_thumbprint_of_section_6_1() {
    let proof = check(EXAMPLE, &Request { url: "https://server.example.com/token", ..REQUEST }).unwrap();
    assert_eq!(show_thumbprint(&proof.key), "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I");
    assert_eq!(proof.issued_at, Timestamp::from_secs(1_562_262_616));
    assert!(check(EXAMPLE, &REQUEST).is_err(), "it is for another server");
}

#[test]
fn rfc9449_section_4_3_what_is_wrong_with_header_or_claims_is_refused() {
    assert!(check(&proof(|_, _| {}), &REQUEST).is_ok());
    let header: [(&str, Value); 9] = [
        ("typ", json!("JWT")),
        ("typ", Value::Null),
        ("alg", json!("none")),
        ("alg", json!("HS256")),
        ("alg", json!("EdDSA")),
        ("alg", json!("RS256")),
        ("jwk", json!({"kty": "oct", "k": "AAAA"})),
        ("jwk", Value::Null),
        ("crit", json!(["b64"])),
    ];
    for (name, value) in header {
        let wrong = proof(|header, _| header[name] = value.clone());
        assert!(check(&wrong, &REQUEST).is_err(), "{name} {value}");
    }
    let claims: [(&str, Value); 10] = [
        ("jti", json!("")),
        ("jti", json!("x".repeat(257))),
        ("jti", Value::Null),
        ("htm", json!("GET")),
        ("htm", json!("post")),
        ("htu", json!("https://as.example/revoke")),
        ("htu", json!("http://as.example/token")),
        ("htu", json!("/token")),
        ("iat", json!("1800000000")),
        ("iat", Value::Null),
    ];
    for (name, value) in claims {
        let wrong = proof(|_, claims| claims[name] = value.clone());
        assert!(check(&wrong, &REQUEST).is_err(), "{name} {value}");
    }
}

#[test]
fn rfc9449_section_4_3_a_key_with_private_parts_is_refused() {
    for member in ["d", "p", "q", "dp", "dq", "qi", "oth", "k"] {
        let wrong = proof(|header, _| header["jwk"][member] = json!("AAAA"));
        assert!(check(&wrong, &REQUEST).is_err_and(|text| text.contains("private")), "{member}");
    }
}

#[test]
fn rfc9449_section_4_3_htu_is_compared_after_normalisation_and_without_query_and_fragment() {
    let taken = [
        "HTTPS://AS.example:443/token",
        "https://as.example/%74oken",
        "https://as.example/a/../token",
        "https://as.example/token?x=1#y",
    ];
    for htu in taken {
        assert!(check(&proof(|_, claims| claims["htu"] = json!(htu)), &REQUEST).is_ok(), "{htu}");
    }
    for htu in ["https://as.example/token/", "https://as.example:8443/token", "https://as.example/%2Ftoken", "%"] {
        assert!(check(&proof(|_, claims| claims["htu"] = json!(htu)), &REQUEST).is_err(), "{htu}");
    }
    assert_eq!(unescape("/a%2fb%7E%zz%é%"), "/a%2Fb~%zz%é%");
}

#[test]
fn rfc9449_section_4_3_ath_is_the_hash_of_the_access_token_that_comes_with_it() {
    let with = Request { access_token: Some("a token"), ..REQUEST };
    let right = URL_SAFE_NO_PAD.encode(Sha256::digest("a token"));
    assert!(check(&proof(|_, claims| claims["ath"] = json!(right)), &with).is_ok());
    for wrong in [json!(URL_SAFE_NO_PAD.encode(Sha256::digest("another"))), json!(""), Value::Null] {
        assert!(check(&proof(|_, claims| claims["ath"] = wrong.clone()), &with).is_err(), "{wrong}");
    }
}

#[test]
fn a_proof_signed_by_another_key_or_altered_anywhere_is_refused() {
    let (_, jwk) = es256();
    let foreign = proof(|header, _| header["jwk"] = jwk);
    assert!(check(&foreign, &REQUEST).is_err_and(|text| text.contains("signature")));
    let good = proof(|_, _| {});
    for at in 0..good.len() {
        let mut altered = good.clone().into_bytes();
        altered[at] = if altered[at] == b'A' { b'B' } else { b'A' };
        assert!(check(&String::from_utf8(altered).unwrap(), &REQUEST).is_err(), "{at}");
    }
}

#[test]
fn a_proof_may_be_signed_with_ed25519_under_either_name() {
    let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
    let key = Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).unwrap();
    let jwk = json!({"kty": "OKP", "crv": "Ed25519", "x": URL_SAFE_NO_PAD.encode(key.public_key())});
    for alg in ["EdDSA", "Ed25519"] {
        let header = json!({"typ": "dpop+jwt", "alg": alg, "jwk": jwk});
        let claims = json!({"jti": "1", "htm": "POST", "htu": URL, "iat": 1.5e9});
        let signed = format!("{}.{}", encode(&header), encode(&claims));
        let good = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(key.sign(signed.as_bytes())));
        assert_eq!(check(&good, &REQUEST).unwrap().issued_at, Timestamp::from_secs(1_500_000_000), "{alg}");
    }
}

#[test]
fn rfc7638_section_3_1_an_rsa_key_has_the_thumbprint_of_the_example() {
    let n = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw";
    let jwk = json!({"kty": "RSA", "n": n, "e": "AQAB", "alg": "RS256", "kid": "2011-04-29"});
    let jwk = Jwk::read(jwk.as_object().unwrap(), "RS256").unwrap();
    assert_eq!(show_thumbprint(&jwk.thumbprint()), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
}

#[test]
fn a_proof_is_fresh_for_a_minute_on_either_side() {
    let now = Timestamp::from_secs(1_800_000_000);
    let made =
        |seconds: i64| Proof { key: [0; 32], name: [0; 16], nonce: None, issued_at: Timestamp::from_secs(seconds) };
    for (offset, fresh) in [(-61, false), (-60, true), (0, true), (60, true), (61, false)] {
        assert_eq!(made(1_800_000_000 + offset).is_fresh(now), fresh, "{offset}");
    }
    for absurd in [f64::NAN, f64::INFINITY, -1.0, 1e300] {
        assert!(!Proof { issued_at: instant(absurd), ..made(0) }.is_fresh(now));
    }
}

proptest::proptest! {
    #[test]
    fn whatever_comes_as_a_proof_is_refused_and_nothing_panics(text in "[A-Za-z0-9_=-]{0,40}(\\.[A-Za-z0-9_-]{0,40}){0,4}|\\PC*") {
        proptest::prop_assert!(check(&text, &REQUEST).is_err());
        unescape(&text);
    }
}
