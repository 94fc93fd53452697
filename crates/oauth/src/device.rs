//! The device flow, RFC 8628: a code here, a browser elsewhere.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use url::Url;

use crate::json::{self, Field};
use crate::verdict::{Dialect, classify};
use crate::{HttpResponse, Refusal, Service, Timestamp, Tokens, Verdict, parse_endpoint, words};

/// A code that nobody could type is nobody's, in characters.
const LONGEST_USER_CODE: usize = 64;
/// Where the server does not say how long the code lives, or says something that is no time.
const USUAL_LIFE: f64 = 600.0;
/// A code for longer than an hour only invites somebody else to use it.
const LONGEST_LIFE: f64 = 3600.0;
/// RFC 8628 section 3.2: "If no value is provided, clients MUST use 5 as the default".
const USUAL_INTERVAL: f64 = 5.0;
/// Whoever asks for longer pauses would never be asked before the code has expired.
const LONGEST_INTERVAL: f64 = 300.0;

/// What a device shows, and what it asks with: RFC 8628 section 3.2.
#[derive(Debug)]
pub struct DeviceCode {
    /// `device_code`, for asking. Never shown.
    pub device_code: SecretString,
    /// `user_code`, for the person to type: one line of at most 64 characters, nothing invisible among them.
    pub user_code: String,
    /// `verification_uri`: https, or http on loopback.
    pub verification_uri: Url,
    /// `verification_uri_complete`: the same with the code in it, where the server has one that can be used.
    pub verification_uri_complete: Option<Url>,
    /// `expires_in`, from receipt: 1 second to 1 hour.
    pub expires_in: Duration,
    /// `interval` between two questions: 1 second to 5 minutes.
    pub interval: Duration,
}

/// What an answer to [`Service::device_token_request`] says, RFC 8628 section 3.5.
#[derive(Debug)]
pub enum DeviceVerdict {
    /// The person agreed.
    Granted(Box<Tokens>),
    /// `authorization_pending`: nobody has decided yet.
    Pending,
    /// `slow_down`: as before, and all further pauses are 5 seconds longer.
    SlowDown,
    /// `access_denied`: the person declined.
    Denied,
    /// `expired_token`; also `invalid_grant`, as servers say that have forgotten the code.
    Expired,
    /// Another well-formed OAuth error: asking again is of no use.
    Refused(Refusal),
    /// Trouble on the way, or somebody else's answer: says nothing, ask again.
    Nothing {
        /// `Retry-After`, where the server named it.
        after: Option<Duration>,
    },
}

/// RFC 8628 section 3.2, with the spelling of Google's servers.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Answer<'a> {
    #[serde(borrow)]
    device_code: Field<'a>,
    #[serde(borrow)]
    user_code: Field<'a>,
    #[serde(borrow)]
    verification_uri: Field<'a>,
    #[serde(borrow)]
    verification_url: Field<'a>,
    #[serde(borrow)]
    verification_uri_complete: Field<'a>,
    #[serde(borrow)]
    expires_in: Field<'a>,
    #[serde(borrow)]
    interval: Field<'a>,
    #[serde(borrow)]
    error: Field<'a>,
}

/// Reads the answer to [`Service::device_request`].
///
/// # Errors
///
/// What the answer proves instead; never [`Verdict::Granted`].
pub fn parse_device_code(response: &HttpResponse) -> Result<DeviceCode, Verdict> {
    let misbehaved = |why| Verdict::Misbehaved { status: response.status, why };
    let answer = match answer(response) {
        Some(answer) if response.status == 200 && answer.device_code.text().is_some() => answer,
        // No instant matters to an answer that grants nothing.
        _ => {
            return Err(match classify(Dialect::OAuth, response, Timestamp::from_secs(0)) {
                Verdict::Granted(_) => misbehaved("tokens where a device code was asked for"),
                Verdict::Misbehaved { why: "a success without an access token", .. } => {
                    misbehaved("an answer without a device code")
                }
                verdict => verdict,
            });
        }
    };
    let device_code = answer.device_code.secret().ok_or_else(|| misbehaved("an answer without a device code"))?;
    let user_code = answer
        .user_code
        .text()
        .filter(|text| words::shown(text, LONGEST_USER_CODE).as_deref() == Some(*text))
        .ok_or_else(|| misbehaved("a device answer without a code that can be typed"))?;
    let address = answer.verification_uri.text().or_else(|| answer.verification_url.text());
    Ok(DeviceCode {
        device_code,
        user_code: user_code.to_owned(),
        verification_uri: address
            .and_then(|text| parse_endpoint(text).ok())
            .ok_or_else(|| misbehaved("a device answer without an address that can be opened"))?,
        verification_uri_complete: answer.verification_uri_complete.text().and_then(|text| parse_endpoint(text).ok()),
        expires_in: seconds(&answer.expires_in, USUAL_LIFE, LONGEST_LIFE),
        interval: seconds(&answer.interval, USUAL_INTERVAL, LONGEST_INTERVAL),
    })
}

impl Service {
    /// Sorts the answer to [`Self::device_token_request`]. Only what the server clearly says ends the waiting.
    #[must_use]
    pub fn classify_device(&self, response: &HttpResponse, received_at: Timestamp) -> DeviceVerdict {
        let slow_down =
            response.status < 500 && answer(response).is_some_and(|it| it.error.text() == Some("slow_down"));
        match self.classify(response, received_at) {
            Verdict::Granted(tokens) => DeviceVerdict::Granted(tokens),
            _ if slow_down => DeviceVerdict::SlowDown,
            Verdict::InvalidGrant(_) => DeviceVerdict::Expired,
            Verdict::Refused(refusal) => match refusal.error.as_str() {
                "authorization_pending" => DeviceVerdict::Pending,
                "access_denied" => DeviceVerdict::Denied,
                "expired_token" => DeviceVerdict::Expired,
                _ => DeviceVerdict::Refused(refusal),
            },
            Verdict::Unavailable { after, .. } => DeviceVerdict::Nothing { after },
            Verdict::Misbehaved { .. } => DeviceVerdict::Nothing { after: response.retry_after },
        }
    }
}

fn answer(response: &HttpResponse) -> Option<Answer<'_>> {
    json::may_be_json(response).then(|| json::object(response.body.expose_secret())).flatten()
}

fn seconds(field: &Field<'_>, usual: f64, longest: f64) -> Duration {
    let told = field.number().filter(|seconds| *seconds >= 0.0).unwrap_or(usual);
    Duration::from_secs_f64(told.clamp(1.0, longest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Client, Issuer, Scope, parse_metadata};

    fn response(status: u16, kind: &str, body: &str) -> HttpResponse {
        HttpResponse {
            status,
            content_type: Some(kind.to_owned()),
            retry_after: None,
            date: None,
            body: body.as_bytes().to_vec().into(),
        }
    }

    fn json(status: u16, body: &str) -> HttpResponse {
        response(status, "application/json", body)
    }

    fn service() -> Service {
        let text = r#"{"issuer":"https://as.example","token_endpoint":"https://as.example/token",
            "device_authorization_endpoint":"https://as.example/device"}"#;
        let issuer = Issuer::parse("https://as.example").unwrap();
        Service::OAuth(parse_metadata(&issuer, &json(200, text)).unwrap())
    }

    fn said(status: u16, error: &str) -> DeviceVerdict {
        service().classify_device(&json(status, &format!(r#"{{"error":"{error}"}}"#)), Timestamp::from_secs(0))
    }

    #[test]
    fn rfc8628_section_3_1_the_request_names_client_and_scope() {
        let client = Client { id: "tv".into(), secret: None };
        let request = service().device_request(&client, &Scope::parse("openid files")).unwrap();
        assert_eq!(request.url.as_str(), "https://as.example/device");
        assert_eq!(request.body.unwrap().expose_secret(), "scope=openid+files&client_id=tv");
        let request = service().device_token_request(&client, &SecretString::from("d/1")).unwrap();
        assert_eq!(
            request.body.unwrap().expose_secret(),
            "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Adevice_code&device_code=d%2F1&client_id=tv"
        );
    }

    #[test]
    fn a_service_without_the_endpoint_has_no_device_flow() {
        let client = Client { id: "tv".into(), secret: None };
        let plain = Service::TokenEndpoint { url: parse_endpoint("https://as.example/token").unwrap() };
        assert!(plain.device_request(&client, &Scope::parse("")).is_none());
    }

    #[test]
    fn rfc8628_section_3_2_the_example_is_read() {
        let body = r#"{"device_code":"GmRh-mAhc","user_code":"WDJB-MJHT","verification_uri":"https://example.com/device",
            "verification_uri_complete":"https://example.com/device?user_code=WDJB-MJHT","expires_in":1800,"interval":7}"#;
        let code = parse_device_code(&json(200, body)).unwrap();
        assert_eq!(
            (code.user_code.as_str(), code.expires_in.as_secs(), code.interval.as_secs()),
            ("WDJB-MJHT", 1800, 7)
        );
        assert_eq!(code.verification_uri_complete.unwrap().query(), Some("user_code=WDJB-MJHT"));
        assert!(!format!("{:?}", code.device_code).contains("GmRh"));
    }

    #[test]
    fn what_is_missing_is_the_usual_and_what_is_hostile_is_capped() {
        let read = |more: &str| {
            let body =
                format!(r#"{{"device_code":"d","user_code":"A","verification_url":"https://a.example/d"{more}}}"#);
            let code = parse_device_code(&json(200, &body)).unwrap();
            (code.expires_in.as_secs(), code.interval.as_secs())
        };
        assert_eq!(read(""), (600, 5));
        assert_eq!(read(r#","expires_in":-1,"interval":"soon""#), (600, 5));
        assert_eq!(read(r#","expires_in":1e300,"interval":1e300"#), (3600, 300));
        assert_eq!(read(r#","expires_in":"90","interval":0"#), (90, 1));
        assert_eq!(read(r#","verification_uri_complete":"javascript:alert(1)""#), (600, 5));
    }

    #[test]
    fn a_code_or_address_that_would_deceive_is_refused() {
        for (code, address) in [
            ("A\\u001b[2J", "https://a.example"),
            ("A\\u202eB", "https://a.example"),
            ("", "https://a.example"),
            ("A", "http://a.example"),
            ("A", "file:///etc/passwd"),
            ("A", "https://user@a.example"),
        ] {
            let body = format!(r#"{{"device_code":"d","user_code":"{code}","verification_uri":"{address}"}}"#);
            assert!(matches!(parse_device_code(&json(200, &body)), Err(Verdict::Misbehaved { .. })), "{body}");
        }
    }

    #[test]
    fn an_answer_without_a_code_says_what_it_proves() {
        let refused = parse_device_code(&json(400, r#"{"error":"unauthorized_client"}"#));
        assert!(matches!(refused, Err(Verdict::Refused(_))));
        assert!(matches!(parse_device_code(&json(503, "{}")), Err(Verdict::Unavailable { .. })));
        let tokens = parse_device_code(&json(200, r#"{"access_token":"a"}"#));
        assert!(matches!(tokens, Err(Verdict::Misbehaved { .. })));
        let portal = parse_device_code(&response(200, "text/html", r#"{"device_code":"d"}"#));
        assert!(matches!(portal, Err(Verdict::Misbehaved { .. })));
    }

    #[test]
    fn rfc8628_section_3_5_every_error_is_told_apart() {
        // GitHub answers 200, Google 428 and 403.
        for status in [200, 400, 403, 428] {
            assert!(matches!(said(status, "authorization_pending"), DeviceVerdict::Pending), "{status}");
            assert!(matches!(said(status, "slow_down"), DeviceVerdict::SlowDown), "{status}");
            assert!(matches!(said(status, "access_denied"), DeviceVerdict::Denied), "{status}");
            assert!(matches!(said(status, "expired_token"), DeviceVerdict::Expired), "{status}");
        }
        assert!(matches!(said(429, "slow_down"), DeviceVerdict::SlowDown));
        assert!(matches!(said(400, "invalid_grant"), DeviceVerdict::Expired));
        assert!(matches!(said(401, "invalid_client"), DeviceVerdict::Refused(_)));
    }

    #[test]
    fn trouble_on_the_way_ends_nothing() {
        assert!(matches!(said(503, "access_denied"), DeviceVerdict::Nothing { .. }));
        assert!(matches!(said(302, "access_denied"), DeviceVerdict::Nothing { .. }));
        let portal = response(400, "text/html", r#"{"error":"access_denied"}"#);
        let verdict = service().classify_device(&portal, Timestamp::from_secs(0));
        assert!(matches!(verdict, DeviceVerdict::Nothing { .. }));
    }

    proptest! {
        #[test]
        fn no_answer_makes_times_that_are_out_of_bounds(life in any::<f64>(), interval in any::<f64>()) {
            let body = format!(
                r#"{{"device_code":"d","user_code":"A","verification_uri":"https://a.example","expires_in":"{life}","interval":"{interval}"}}"#
            );
            let code = parse_device_code(&json(200, &body)).unwrap();
            prop_assert!((1..=3600).contains(&code.expires_in.as_secs()));
            prop_assert!((1..=300).contains(&code.interval.as_secs()));
        }
    }
}
