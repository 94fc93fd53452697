//! A server in this process, a clock that the test turns, and a browser of few skills.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use pilotlight_oauth::Timestamp;
use pilotlight_server::{Clock, Config, MemoryStore, Server, Store, add_demo};
use serde_json::Value;
use sha2::{Digest, Sha256};
use tower::ServiceExt as _;
use url::form_urlencoded;

pub(crate) const ISSUER: &str = "http://127.0.0.1:4400";
pub(crate) const REDIRECT: &str = "http://127.0.0.1:5000/callback";
pub(crate) const VERIFIER: &str = "a-verifier-of-at-least-forty-three-characters";
const FORM: &str = "application/x-www-form-urlencoded";

/// A clock that stands until it is turned.
pub(crate) struct TestClock(AtomicI64);

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }
}

/// A server, its store and its clock.
pub(crate) struct World {
    pub(crate) server: Server,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<TestClock>,
    /// What each browser was told to remember beside the cookie that it is known by.
    jars: Mutex<HashMap<String, BTreeMap<String, String>>>,
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("not JSON: {self:?}"))
    }

    /// A string member of the JSON body.
    pub(crate) fn text(&self, member: &str) -> String {
        self.json()[member].as_str().unwrap_or_else(|| panic!("no {member} in {self:?}")).to_owned()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// A parameter of the address that the answer redirects to.
    pub(crate) fn sent(&self, name: &str) -> Option<String> {
        let location = url::Url::parse(self.header("location")).ok()?;
        location.query_pairs().find(|(known, _)| known == name).map(|(_, value)| value.into_owned())
    }

    /// The ticket of the form on this page.
    pub(crate) fn ticket(&self) -> String {
        let after = self.body.split_once("name=\"ticket\" value=\"").unwrap_or_else(|| panic!("no form: {self:?}")).1;
        after.split_once('"').unwrap().0.to_owned()
    }

    pub(crate) fn assert_error(&self, status: u16, error: &str) {
        assert_eq!(self.status.as_u16(), status, "{self:?}");
        assert_eq!(self.text("error"), error, "{self:?}");
    }
}

pub(crate) fn challenge(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(verifier))
}

pub(crate) fn encode(pairs: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

/// The claims of a JWT, unverified.
pub(crate) fn claims(token: &str) -> Value {
    part(token, 1)
}

/// A part of a JWT: 0 is its header, 1 are its claims.
pub(crate) fn part(token: &str, at: usize) -> Value {
    let part = token.split('.').nth(at).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

/// A good authorization request, changed here and there: an empty value leaves a parameter out.
pub(crate) fn request(changes: &[(&str, &str)]) -> String {
    let challenge = challenge(VERIFIER);
    let mut pairs = vec![
        ("response_type", "code"),
        ("client_id", "pilotlight"),
        ("redirect_uri", REDIRECT),
        ("state", "a state"),
        ("scope", "openid profile offline_access"),
        ("nonce", "a nonce"),
        ("code_challenge", &challenge),
        ("code_challenge_method", "S256"),
    ];
    for (name, value) in changes {
        pairs.retain(|(known, _)| known != name);
        pairs.push((name, value));
    }
    format!("/authorize?{}", encode(&pairs))
}

impl World {
    /// The defaults, in memory, with the demo's person and client.
    pub(crate) fn new() -> Self {
        Self::with(Config::new(ISSUER), Arc::new(MemoryStore::new()))
    }

    pub(crate) fn with(config: Config, store: Arc<dyn Store>) -> Self {
        add_demo(&*store).unwrap();
        Self::over(config, store)
    }

    /// As [`Self::new`], and whoever repeats a refresh without a key is taken for a thief at once.
    pub(crate) fn strict() -> Self {
        Self::with(Config { retry_window: Duration::ZERO, ..Config::new(ISSUER) }, Arc::new(MemoryStore::new()))
    }

    /// Over a store as it is.
    pub(crate) fn over(config: Config, store: Arc<dyn Store>) -> Self {
        let clock = Arc::new(TestClock(AtomicI64::new(1_800_000_000_000)));
        let server = Server::open(config, store.clone(), clock.clone()).unwrap();
        Self { server, store, clock, jars: Mutex::default() }
    }

    pub(crate) fn pass(&self, time: Duration) {
        self.clock.0.fetch_add(i64::try_from(time.as_millis()).unwrap(), Ordering::SeqCst);
    }

    pub(crate) async fn send(&self, method: Method, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let browser = headers.iter().find(|(name, _)| *name == "cookie").and_then(|(_, line)| browser_of(line));
        let kept = browser.as_ref().and_then(|browser| self.jars.lock().unwrap().get(browser).cloned());
        let kept: Vec<String> = kept.into_iter().flatten().map(|(name, value)| format!("{name}={value}")).collect();
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if !kept.is_empty() {
            request = request.header("cookie", kept.join("; "));
        }
        let response = self.server.router().oneshot(request.body(Body::from(body.to_owned())).unwrap()).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = String::from_utf8(to_bytes(body, usize::MAX).await.unwrap().to_vec()).unwrap();
        self.remember(browser, &parts.headers);
        Answer { status: parts.status, headers: parts.headers, body }
    }

    fn remember(&self, browser: Option<String>, headers: &HeaderMap) {
        let lines = headers.get_all(header::SET_COOKIE).iter().map(|line| line.to_str().unwrap());
        let pairs: Vec<&str> = lines.map(|line| line.split(';').next().unwrap()).collect();
        let Some(browser) = pairs.iter().find_map(|pair| browser_of(pair)).or(browser) else { return };
        let mut jars = self.jars.lock().unwrap();
        for (name, value) in
            pairs.iter().filter(|pair| browser_of(pair).is_none()).map(|pair| pair.split_once('=').unwrap())
        {
            let jar = jars.entry(browser.clone()).or_default();
            if value.is_empty() {
                jar.remove(name);
            } else {
                jar.insert(name.to_owned(), value.to_owned());
            }
        }
    }

    /// What that browser was told to remember.
    pub(crate) fn kept_by(&self, cookie: &str) -> Vec<String> {
        self.jars.lock().unwrap().get(cookie).into_iter().flat_map(|jar| jar.values().cloned()).collect()
    }

    /// Goes where an answer sends the browser, as long as that is this server.
    pub(crate) async fn follow(&self, cookie: &str, from: &str, answer: Answer) -> Answer {
        let (mut at, mut answer) = (url::Url::parse(ISSUER).unwrap().join(from).unwrap(), answer);
        while answer.status == 303 {
            let next = at.join(answer.header("location")).unwrap();
            if next.origin() != at.origin() {
                break;
            }
            at = next;
            let path = &at[url::Position::BeforePath..];
            answer = self.send(Method::GET, path, &[("cookie", cookie)], "").await;
        }
        answer
    }

    pub(crate) async fn fetch(&self, path: &str) -> Answer {
        self.send(Method::GET, path, &[], "").await
    }

    pub(crate) async fn form(&self, path: &str, pairs: &[(&str, &str)]) -> Answer {
        self.form_with(path, &[], pairs).await
    }

    pub(crate) async fn form_with(&self, path: &str, headers: &[(&str, &str)], pairs: &[(&str, &str)]) -> Answer {
        let mut all = vec![("content-type", FORM)];
        all.extend_from_slice(headers);
        self.send(Method::POST, path, &all, &encode(pairs)).await
    }

    pub(crate) async fn post_json(&self, path: &str, headers: &[(&str, &str)], body: &Value) -> Answer {
        self.send(Method::POST, path, headers, &body.to_string()).await
    }

    /// Signs the demo person in with name and password, to the client `pilotlight`.
    pub(crate) async fn tokens(&self) -> Answer {
        let pairs =
            [("grant_type", "password"), ("client_id", "pilotlight"), ("username", "demo"), ("password", "demo")];
        let answer = self.form("/token", &pairs).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer
    }

    /// The refresh token of a new grant.
    pub(crate) async fn refresh_token(&self) -> String {
        self.tokens().await.text("refresh_token")
    }

    pub(crate) async fn refresh(&self, token: &str) -> Answer {
        self.refresh_with(token, &[], &[]).await
    }

    pub(crate) async fn refresh_keyed(&self, token: &str, key: &str) -> Answer {
        self.refresh_with(token, &[("idempotency-key", key)], &[]).await
    }

    pub(crate) async fn refresh_with(&self, token: &str, headers: &[(&str, &str)], more: &[(&str, &str)]) -> Answer {
        let mut pairs = vec![("grant_type", "refresh_token"), ("client_id", "pilotlight"), ("refresh_token", token)];
        for (name, value) in more {
            pairs.retain(|(known, _)| known != name);
            pairs.push((name, value));
        }
        self.form_with("/token", headers, &pairs).await
    }

    pub(crate) async fn userinfo(&self, token: &str) -> Answer {
        self.send(Method::GET, "/userinfo", &[("authorization", &format!("Bearer {token}"))], "").await
    }

    /// Posts a page's form with the cookie that came with the first page, and goes where the answer leads.
    pub(crate) async fn submit(&self, cookie: &str, ticket: &str, pairs: &[(&str, &str)]) -> Answer {
        let signs_in = pairs.iter().any(|(name, _)| ["username", "totp"].contains(name));
        self.submit_to(if signs_in { "/sign-in" } else { "/authorize" }, cookie, ticket, pairs).await
    }

    pub(crate) async fn submit_to(&self, path: &str, cookie: &str, ticket: &str, pairs: &[(&str, &str)]) -> Answer {
        let mut all = vec![("ticket", ticket)];
        all.extend_from_slice(pairs);
        let answer = self.form_with(path, &[("cookie", cookie)], &all).await;
        self.follow(cookie, path, answer).await
    }

    /// The demo person signs in, types the code of a device, and says yes.
    pub(crate) async fn allow_device(&self, user_code: &str) {
        let (cookie, _) = self.signed_in().await;
        let page = self.visit(&cookie, "/device").await;
        let consent = self.submit_to("/device", &cookie, &page.ticket(), &[("user_code", user_code)]).await;
        let done = self.submit_to("/device", &cookie, &consent.ticket(), &[("decision", "allow")]).await;
        assert!(done.status == 200 && done.body.contains("is being signed in"), "{done:?}");
    }

    /// A browser in which the demo person has signed in to the account page: its cookie, and that page.
    pub(crate) async fn signed_in(&self) -> (String, Answer) {
        let page = self.fetch("/account").await;
        let cookie = cookie_of(&page);
        let account = self.submit(&cookie, &page.ticket(), &[("username", "demo"), ("password", "demo")]).await;
        assert!(account.status == 200 && account.body.contains("Your account"), "{account:?}");
        (cookie, account)
    }

    /// A page of a browser.
    pub(crate) async fn visit(&self, cookie: &str, path: &str) -> Answer {
        let answer = self.send(Method::GET, path, &[("cookie", cookie)], "").await;
        self.follow(cookie, path, answer).await
    }

    /// From the request through both pages to the redirect.
    pub(crate) async fn authorize(&self, request: &str) -> Answer {
        let page = self.fetch(request).await;
        assert_eq!(page.status, 200, "{page:?}");
        let cookie = cookie_of(&page);
        let consent = self.submit(&cookie, &page.ticket(), &[("username", "demo"), ("password", "demo")]).await;
        assert_eq!(consent.status, 200, "{consent:?}");
        self.submit(&cookie, &consent.ticket(), &[("decision", "allow")]).await
    }

    /// A fresh code for the good request.
    pub(crate) async fn code(&self) -> String {
        self.authorize(&request(&[])).await.sent("code").unwrap()
    }

    /// Exchanges a code as it should be, changed here and there.
    pub(crate) async fn exchange(&self, code: &str, changes: &[(&str, &str)]) -> Answer {
        let mut pairs = vec![
            ("grant_type", "authorization_code"),
            ("client_id", "pilotlight"),
            ("code", code),
            ("redirect_uri", REDIRECT),
            ("code_verifier", VERIFIER),
        ];
        for (name, value) in changes {
            pairs.retain(|(known, _)| known != name);
            pairs.push((name, value));
        }
        self.form("/token", &pairs).await
    }
}

/// The cookie that browsers are told apart by, if it is in that line.
fn browser_of(line: &str) -> Option<String> {
    line.split("; ").find(|pair| pair.contains("pilotlight_form=")).map(str::to_owned)
}

/// The cookie that came with a page.
pub(crate) fn cookie_of(page: &Answer) -> String {
    page.header(header::SET_COOKIE.as_str()).split(';').next().unwrap().to_owned()
}
