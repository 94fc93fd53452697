//! Every parser of this crate as a function from any bytes, which panics where a promise is broken. libFuzzer calls them in
//! `fuzz/`; the tests below call them with the corpus alone.

use secrecy::{ExposeSecret, SecretString};

use crate::{
    DeviceVerdict, HttpResponse, Issuer, Metadata, PlainJson, Scope, Service, Timestamp, Verdict, discovery_requests,
    http_date, jwt_expiry, parse_callback, parse_device_code, parse_endpoint, parse_metadata, parse_userinfo,
    read_id_token, retry_after, words,
};

/// What libFuzzer calls.
pub type Target = fn(&[u8]);

/// Name and function of each target.
pub const TARGETS: &[(&str, Target)] = &[
    ("token-answer", token_answer),
    ("device-code", device_code),
    ("discovery", discovery),
    ("id-token", id_token),
    ("callback", callback),
    ("http-dates", http_dates),
];

const ISSUER: &str = "https://as.example";
const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);
const STATUSES: [u16; 12] = [200, 201, 204, 302, 400, 401, 403, 404, 408, 429, 500, 599];
const TYPES: [Option<&str>; 5] =
    [None, Some("application/json"), Some("application/json;charset=utf-8"), Some("text/html"), Some("text/plain")];

fn issuer() -> Issuer {
    Issuer::parse(ISSUER).unwrap_or_else(|error| panic!("{error}"))
}

/// The first two bytes choose status and content type, the rest is the body.
fn response(bytes: &[u8]) -> HttpResponse {
    let (head, body) = bytes.split_first_chunk::<2>().unwrap_or((&[0, 1], bytes));
    HttpResponse {
        status: STATUSES[usize::from(head[0]) % STATUSES.len()],
        content_type: TYPES[usize::from(head[1]) % TYPES.len()].map(str::to_owned),
        retry_after: None,
        date: Some(NOW),
        body: body.to_vec().into(),
    }
}

fn token_answer(bytes: &[u8]) {
    let answer = response(bytes);
    let url = || parse_endpoint(ISSUER).unwrap_or_else(|error| panic!("{error}"));
    let services =
        [Service::TokenEndpoint { url: url() }, Service::PlainJson(PlainJson { login_url: url(), refresh_url: url() })];
    for service in services {
        let verdict = service.classify(&answer, NOW);
        assert!(!format!("{verdict:?}").is_empty());
        match verdict {
            Verdict::Granted(tokens) => {
                assert!(matches!(answer.status, 200 | 201) && !tokens.access_token.expose_secret().is_empty());
                assert!(
                    tokens.access_expires_at.is_none_or(|at| at >= NOW),
                    "on our clock, nothing ends before it came"
                );
                if let Some(scope) = tokens.scope {
                    assert_eq!(Scope::parse(&scope.to_string()), scope);
                }
            }
            Verdict::InvalidGrant(refusal) => {
                assert!(matches!(answer.status, 400 | 401), "promise P1");
                assert!(answer.content_type.as_deref() != Some("text/html"), "promise P1");
                assert_is_clean(refusal.description.as_deref(), words::DESCRIPTION);
            }
            Verdict::Refused(refusal) => assert_is_clean(refusal.description.as_deref(), words::DESCRIPTION),
            Verdict::Unavailable { .. } | Verdict::Misbehaved { .. } => {}
        }
    }
}

fn device_code(bytes: &[u8]) {
    let answer = response(bytes);
    match parse_device_code(&answer) {
        Ok(code) => {
            assert_eq!(answer.status, 200);
            assert!(!code.user_code.chars().any(char::is_control) && !code.user_code.is_empty());
            assert!((1..=300).contains(&code.interval.as_secs()) && (1..=3600).contains(&code.expires_in.as_secs()));
        }
        Err(verdict) => assert!(!matches!(verdict, Verdict::Granted(_)), "no tokens come from here"),
    }
    let service = Service::TokenEndpoint { url: parse_endpoint(ISSUER).unwrap_or_else(|error| panic!("{error}")) };
    let verdict = service.classify_device(&answer, NOW);
    assert!(!matches!(verdict, DeviceVerdict::Granted(_)) || answer.status == 200);
    assert!(
        !matches!(verdict, DeviceVerdict::Denied | DeviceVerdict::Expired) || answer.status < 500,
        "trouble ends nothing"
    );
}

fn assert_is_clean(text: Option<&str>, longest: usize) {
    assert!(text.is_none_or(|text| text.chars().count() <= longest && !text.chars().any(char::is_control)));
}

fn discovery(bytes: &[u8]) {
    let issuer = issuer();
    if let Ok(metadata) = parse_metadata(&issuer, &response(bytes)) {
        assert_eq!(metadata.issuer, issuer);
        let kept = serde_json::to_vec(&metadata).unwrap_or_default();
        assert_eq!(serde_json::from_slice::<Metadata>(&kept).ok(), Some(metadata), "what is kept reads back");
    }
    let text = String::from_utf8_lossy(bytes);
    if let Ok(url) = parse_endpoint(&text) {
        assert!(url.username().is_empty() && url.password().is_none() && url.fragment().is_none());
        assert!(url.scheme() == "https" || url.host_str().is_some_and(|host| host != "as.example"));
        // Escapes may make it longer than an address may be, but never another one.
        assert!(parse_endpoint(url.as_str()).is_ok_and(|again| again == url) || url.as_str().len() > text.len());
    }
    if let Ok(issuer) = Issuer::parse(&text) {
        assert_eq!(issuer.as_str(), text);
        for request in discovery_requests(&issuer) {
            assert!(request.url.path().contains("/.well-known/"));
        }
    }
}

fn id_token(bytes: &[u8]) {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    let issuer = issuer();
    let text = String::from_utf8_lossy(bytes).into_owned();
    // As a token, and as the claims of one.
    let claims = format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(bytes));
    for token in [text, claims].map(SecretString::from) {
        if let Ok(person) = read_id_token(&token, &issuer, "client", Some("nonce"), NOW) {
            assert!(person.subject.is_some());
            assert_is_clean(person.label.as_deref(), words::LABEL);
            assert!(read_id_token(&token, &issuer, "other", Some("nonce"), NOW).is_err(), "it has one audience");
            assert!(read_id_token(&token, &issuer, "client", Some("other"), NOW).is_err(), "it has one nonce");
        }
        assert!(jwt_expiry(&token).is_none_or(|at| at.as_millis() >= 0));
    }
    if let Some(person) = parse_userinfo(&response(bytes)) {
        assert_is_clean(person.label.as_deref(), words::LABEL);
    }
}

fn callback(bytes: &[u8]) {
    let query = String::from_utf8_lossy(bytes);
    let issuer = issuer();
    for promised in [false, true] {
        if let Ok(code) = parse_callback(&query, "state-1", &issuer, promised) {
            assert!(!code.expose_secret().is_empty());
            assert!(parse_callback(&query, "state-2", &issuer, promised).is_err(), "it answers one request");
        }
    }
}

fn http_dates(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    assert!(retry_after(&text, NOW).is_none_or(|wait| wait.as_secs() <= 3600));
    if let Some(at) = http_date(&text) {
        assert!(!at.to_string().is_empty());
    }
    if let Some(number) = bytes.first_chunk::<8>() {
        assert!(!Timestamp::from_millis(i64::from_be_bytes(*number)).to_string().is_empty());
    }
}

/// Calls each target with its corpus, and with what is near: cut at each place, and a bit of each byte turned over. For the
/// tests of every crate that has targets.
///
/// # Panics
/// Where a promise is broken, or a target has no corpus.
pub fn try_near_corpus(targets: &[(&str, Target)]) {
    for (name, target) in targets {
        let corpus = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(name);
        let seeds = std::fs::read_dir(&corpus).unwrap_or_else(|error| panic!("{name} has no corpus: {error}"));
        let seeds: Vec<_> = seeds.flatten().map(|seed| seed.path()).collect();
        assert!(!seeds.is_empty(), "{name} has no corpus");
        for seed in seeds {
            let bytes = std::fs::read(seed).unwrap_or_else(|error| panic!("{name}: {error}"));
            target(&bytes);
            for place in 0..bytes.len().min(600) {
                target(&bytes[..place]);
                let mut changed = bytes.clone();
                changed[place] ^= 1 << (place % 8);
                target(&changed);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_corpus_and_what_is_near_it_break_no_promise() {
        super::try_near_corpus(super::TARGETS);
    }
}
