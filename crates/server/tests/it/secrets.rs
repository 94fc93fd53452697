//! A whole life with the server, and nothing of what was secret in it stands in the log.

use std::sync::Arc;

use axum::http::Method;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pilotlight_server::client::{Client, Setting};
use pilotlight_server::{Config, MemoryStore, Registration, add_user};
use secrecy::ExposeSecret as _;
use serde_json::json;

use crate::kit::{Answer, ISSUER, REDIRECT, VERIFIER, World, cookie_of, request};
use crate::log::Log;
use crate::running::{Running, config};

const PASSWORD: &str = "canary password of ada";
const WRONG: &str = "canary that is no password";
const INITIAL: &str = "canary initial access token";
const KEY: &str = "canary-idempotency-key";
const STATE: &str = "canary-state-of-the-client";
const NONCE: &str = "canary-nonce-of-the-client";

/// A world, and the secrets that came up in it.
struct Life {
    world: World,
    secrets: Vec<String>,
    /// `Authorization` of the confidential client.
    basic: String,
}

impl Life {
    fn new() -> Self {
        let store = Arc::new(MemoryStore::new());
        let config = Config { registration: Registration::WithToken(INITIAL.into()), ..Config::new(ISSUER) };
        let world = World::with(config, store);
        add_user(&*world.store, "ada", &PASSWORD.into()).unwrap();
        let mut site = Client::public("site", vec![REDIRECT.to_owned()]).unwrap();
        let secret = site.make_secret().unwrap().expose_secret().to_owned();
        site.allow_own_scope(pilotlight_oauth::Scope::parse("reports.read")).unwrap();
        site.set(Setting::Device).unwrap();
        world.store.add_client(&site).unwrap();
        let basic = format!("Basic {}", STANDARD.encode(format!("site:{secret}")));
        let secrets = [&secret, PASSWORD, WRONG, INITIAL, KEY, STATE, NONCE, VERIFIER].map(str::to_owned).to_vec();
        Self { world, secrets, basic }
    }

    /// Remembers the secrets of an answer.
    fn note(&mut self, answer: &Answer, members: &[&str]) {
        assert!(answer.status.is_success(), "{answer:?}");
        for member in members {
            let secret = answer.text(member);
            // The header of a JWT is alike in all of them, and the log could have it from nowhere else than a token.
            self.secrets.extend(secret.split('.').map(str::to_owned));
        }
    }

    async fn post(&self, path: &str, pairs: &[(&str, &str)]) -> Answer {
        self.world.form_with(path, &[("authorization", &self.basic), ("idempotency-key", KEY)], pairs).await
    }

    /// Both pages of `path`, with a wrong password first; the last answer.
    async fn through_the_pages(&mut self, path: &str, post_to: &str, code: &str) -> Answer {
        let page = self.world.fetch(path).await;
        let cookie = cookie_of(&page);
        self.secrets.push(cookie.split_once('=').unwrap().1.to_owned());
        let mut last = page;
        let typed = [("user_code", code)];
        let mut steps = vec![
            ("/sign-in", &[("username", "ada"), ("password", WRONG)][..]),
            ("/sign-in", &[("username", "ada"), ("password", PASSWORD)]),
            (post_to, &[("decision", "allow")]),
        ];
        if !code.is_empty() {
            steps.insert(2, ("/device", &typed));
        }
        for (path, fields) in steps {
            let ticket = last.ticket();
            self.secrets.extend(ticket.split('.').map(str::to_owned));
            let all = [&[("ticket", ticket.as_str())], fields].concat();
            last = self.world.form_with(path, &[("cookie", &cookie)], &all).await;
            if let Some((_, ticket)) = last.header("location").split_once("?ticket=") {
                self.secrets.extend(ticket.split('.').map(str::to_owned));
            }
            last = self.world.follow(&cookie, path, last).await;
        }
        self.secrets.extend(self.world.kept_by(&cookie));
        last
    }

    async fn sign_in_by_code(&mut self) -> Answer {
        let asked = request(&[("client_id", "site"), ("state", STATE), ("nonce", NONCE)]);
        let back = self.through_the_pages(&asked, "/authorize", "").await;
        let code = back.sent("code").unwrap_or_else(|| panic!("{back:?}"));
        self.secrets.push(code.clone());
        let exchange = [
            ("grant_type", "authorization_code"),
            ("code", code.as_str()),
            ("redirect_uri", REDIRECT),
            ("code_verifier", VERIFIER),
        ];
        let tokens = self.post("/token", &exchange).await;
        self.note(&tokens, &["access_token", "refresh_token", "id_token"]);
        tokens
    }

    async fn sign_in_on_a_device(&mut self) {
        let device = self.post("/device_authorization", &[("scope", "openid")]).await;
        self.note(&device, &["device_code", "user_code"]);
        let code = device.text("user_code");
        self.through_the_pages(&format!("/device?user_code={code}"), "/device", &code).await;
        let poll = [
            ("grant_type", "urn:ietf:params:oauth:grant-type:device_code"),
            ("device_code", &device.text("device_code")),
        ];
        let tokens = self.post("/token", &poll).await;
        self.note(&tokens, &["access_token", "refresh_token"]);
    }

    /// Refresh, repeat, theft; introspection, userinfo, revocation.
    async fn use_up(&mut self, tokens: &Answer) {
        let refresh_token = tokens.text("refresh_token");
        let refresh = [("grant_type", "refresh_token"), ("refresh_token", refresh_token.as_str())];
        let next = self.post("/token", &refresh).await;
        self.note(&next, &["access_token", "refresh_token"]);
        assert_eq!(self.post("/token", &refresh).await.status, 200);
        for token in [tokens.text("access_token"), next.text("refresh_token")] {
            assert_eq!(self.post("/introspect", &[("token", &token)]).await.status, 200);
        }
        assert_eq!(self.world.userinfo(&tokens.text("access_token")).await.status, 200);
        let stolen = self.world.form_with("/token", &[("authorization", &self.basic)], &refresh).await;
        assert_eq!(stolen.status, 200, "within the window");
        let own = self.post("/token", &[("grant_type", "client_credentials")]).await;
        self.note(&own, &["access_token"]);
        assert_eq!(self.post("/revoke", &[("token", &next.text("refresh_token"))]).await.status, 200);
        assert_eq!(self.post("/token", &refresh).await.status, 400);
    }

    async fn plain_and_the_rest(&mut self) {
        for password in [WRONG, PASSWORD] {
            let body = json!({"username": "ada", "password": password});
            let answer = self.world.post_json("/login", &[], &body).await;
            if password == PASSWORD {
                self.note(&answer, &["access_token", "refresh_token"]);
                let body = json!({"refresh_token": answer.text("refresh_token")});
                let next = self.world.post_json("/token/refresh", &[("idempotency-key", KEY)], &body).await;
                self.note(&next, &["refresh_token"]);
            }
        }
        let pushed = request(&[("client_id", "site"), ("state", STATE)]);
        let pushed = self.world.form_with("/par", &[("authorization", &self.basic)], &pairs_of(&pushed)).await;
        self.note(&pushed, &["request_uri"]);
        let uri = pushed.text("request_uri");
        self.world.fetch(&format!("/authorize?client_id=site&request_uri={uri}")).await;
        let bearer = format!("Bearer {INITIAL}");
        let client = json!({"redirect_uris": [REDIRECT]});
        let registered = self.world.post_json("/register", &[("authorization", &bearer)], &client).await;
        self.note(&registered, &["client_secret"]);
        // Where they do not belong.
        self.world.fetch(&format!("/nowhere?password={WRONG}&token={KEY}").replace(' ', "+")).await;
        self.world.send(Method::PUT, "/token", &[("authorization", &self.basic)], PASSWORD).await;
    }
}

fn pairs_of(request: &str) -> Vec<(&'static str, &'static str)> {
    // For the time of a test.
    let leak = |text: std::borrow::Cow<'_, str>| -> &'static str { Box::leak(text.into_owned().into_boxed_str()) };
    let query = request.split_once('?').unwrap().1.to_owned();
    url::form_urlencoded::parse(query.as_bytes()).map(|(name, value)| (leak(name), leak(value))).collect()
}

#[tokio::test]
async fn no_secret_of_a_whole_life_stands_in_the_log_in_any_disguise() {
    let log = Log::listen();
    let mut life = Life::new();
    let tokens = life.sign_in_by_code().await;
    life.use_up(&tokens).await;
    life.sign_in_on_a_device().await;
    life.plain_and_the_rest().await;
    assert!(life.secrets.len() > 40, "{}", life.secrets.len());
    for secret in life.secrets.iter().filter(|secret| secret.len() >= 8) {
        assert!(!log.has(secret), "{secret} is in the log");
    }
    let text = log.text();
    for told in ["\"outcome\":\"rotated\"", "\"route\":\"/token\"", "\"status\":400", "\"micros\":"] {
        assert!(text.contains(told), "nothing was logged at all? {told}");
    }
}

#[tokio::test]
async fn nothing_of_what_goes_over_a_socket_stands_in_the_log_either() {
    let log = Log::listen();
    let running = Running::start(config(|_| {})).await;
    let head = "POST /token HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded\r\nAuthorization: Basic Y2FuYXJ5LW9uZTpjYW5hcnktdHdv";
    let body = "grant_type=refresh_token&refresh_token=plrt_canary-on-the-wire&password=canary-three-on-the-wire";
    assert_eq!(running.ask(head, body).await.0, 401);
    assert_eq!(running.ask("GET /authorize?state=canary-four-on-the-wire HTTP/1.1", "").await.0, 400);
    assert!(log.text().contains("\"route\":\"/authorize\""), "nothing was logged at all?");
    for secret in
        ["canary-on-the-wire", "canary-three-on-the-wire", "canary-four-on-the-wire", "Y2FuYXJ5LW9uZTpjYW5hcnktdHdv"]
    {
        assert!(!log.has(secret), "{secret} is in the log");
    }
}
