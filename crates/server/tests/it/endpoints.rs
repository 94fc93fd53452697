//! Every endpoint of the document at `/openapi.json` under requests that nobody would send: no trouble of the server's own,
//! no answer that the document does not know, nothing of it in the log. PROPTEST_CASES makes more of it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::http::Method;
use pilotlight_server::client::{Client, Setting};
use pilotlight_server::{Config, MemoryStore, Registration};
use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};
use serde_json::Value;

use crate::kit::{Answer, ISSUER, REDIRECT, VERIFIER, World, challenge, encode};
use crate::log::Log;

/// In every request somewhere.
const CANARY: &str = "canary-of-the-endpoints";
const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
/// Whatever a request does, it is answered sooner.
const PATIENCE: Duration = Duration::from_secs(20);

/// What can be asked for: a method, a path, and the names that its parameters have.
#[derive(Debug, Clone)]
struct Operation {
    method: Method,
    path: String,
    query: Vec<String>,
    body: Option<(String, Vec<String>)>,
    known: Vec<u16>,
}

#[derive(Debug, Clone)]
struct Wild {
    operation: usize,
    other_method: Option<Method>,
    query: Vec<(String, String)>,
    body: Vec<(String, String)>,
    raw: Option<String>,
    headers: Vec<(String, String)>,
}

fn names(schema: &Value) -> Vec<String> {
    schema["properties"].as_object().map(|properties| properties.keys().cloned().collect()).unwrap_or_default()
}

fn operations(document: &Value) -> Vec<Operation> {
    let mut all = Vec::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
            let query =
                parameters.iter().filter(|p| p["in"] == "query").map(|p| p["name"].as_str().unwrap().to_owned());
            let content = operation["requestBody"]["content"].as_object();
            let body = content.and_then(|c| c.iter().next()).map(|(kind, body)| (kind.clone(), names(&body["schema"])));
            let known =
                operation["responses"].as_object().unwrap().keys().map(|status| status.parse().unwrap()).collect();
            let method = method.to_uppercase().parse().unwrap();
            all.push(Operation { method, path: path.clone(), query: query.collect(), body, known });
        }
    }
    all
}

/// What may stand for any parameter: words of the protocol, the right ones among them, and nonsense.
fn value(living: &[String]) -> impl Strategy<Value = String> + use<> {
    let mut words: Vec<String> = [
        "",
        "pilotlight",
        "tv",
        "api",
        "first-party",
        REDIRECT,
        "https://evil.example/",
        "code",
        "token",
        "openid profile",
        "authorization_code",
        "refresh_token",
        "client_credentials",
        "password",
        "allow",
        "deny",
        "demo",
        "S256",
        "plain",
        "urn:ietf:params:oauth:grant-type:device_code",
        EXCHANGE,
        ACCESS_TOKEN,
        ISSUER,
        "urn:ietf:params:oauth:request_uri:x",
        "none",
        "login",
        "query",
        VERIFIER,
        "WDJB-MJHT",
        "plrt_AAAA",
        "a.b.c",
        "{}",
        "[]",
        "null",
        "-1",
        "\u{0}",
        "%",
        "&a=b",
        "\r\nX: y",
        CANARY,
    ]
    .map(str::to_owned)
    .to_vec();
    words.push(challenge(VERIFIER));
    words.extend_from_slice(living);
    prop_oneof![
        6 => prop::sample::select(words),
        2 => any::<String>(),
        1 => (1_usize..5000).prop_map(|n| "é".repeat(n)),
        1 => prop::collection::vec(any::<u8>(), 0..100).prop_map(|bytes| String::from_utf8_lossy(&bytes).into_owned()),
    ]
}

/// Requests that succeed as they are, and that chance would hardly make: they are sent with something else in a place or two.
fn recipes(path: &str, living: &[String]) -> Vec<Vec<(String, String)>> {
    let [_, access_token, refresh_token] = living else { return Vec::new() };
    let pairs = |pairs: &[(&str, &str)]| pairs.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
    match path {
        "/token" => {
            let exchange = [
                ("grant_type", EXCHANGE),
                ("client_id", "pilotlight"),
                ("subject_token", access_token),
                ("subject_token_type", ACCESS_TOKEN),
                ("requested_token_type", ACCESS_TOKEN),
                ("audience", ISSUER),
                ("scope", "profile"),
            ];
            let refresh =
                [("grant_type", "refresh_token"), ("client_id", "pilotlight"), ("refresh_token", refresh_token)];
            vec![pairs(&exchange), pairs(&refresh)]
        }
        "/register" => vec![pairs(&[
            ("redirect_uris", REDIRECT),
            ("token_endpoint_auth_method", "none"),
            ("client_name", "Somebody's app"),
        ])],
        _ => Vec::new(),
    }
}

/// The recipe, with what follows in the place of what it has.
fn instead(recipe: Option<Vec<(String, String)>>, others: Vec<(String, String)>) -> Vec<(String, String)> {
    let Some(mut pairs) = recipe else { return others };
    for (name, value) in others.into_iter().take(2) {
        pairs.retain(|(known, _)| *known != name);
        pairs.push((name, value));
    }
    pairs
}

fn wild(operations: Vec<Operation>, living: &[String]) -> impl Strategy<Value = Wild> + use<> {
    let living = living.to_vec();
    let value = value(&living).boxed();
    let methods = ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD", "BREW"];
    (0..operations.len()).prop_flat_map(move |at| {
        let operation = &operations[at];
        let pairs = |names: &[String]| {
            let mut names = names.to_vec();
            names.push("unknown".to_owned());
            prop::collection::vec((prop::sample::select(names), value.clone()), 0..9)
        };
        let headers = [
            "authorization",
            "cookie",
            "idempotency-key",
            "dpop",
            "content-type",
            "accept-language",
            "user-agent",
            "forwarded",
        ];
        let plain = value
            .clone()
            .prop_map(|text| text.chars().filter(|c| c.is_ascii_graphic() || *c == ' ').collect::<String>());
        let heads = prop::collection::vec((prop::sample::select(headers.map(str::to_owned).to_vec()), plain), 0..3);
        let other_method =
            prop::option::weighted(0.1, prop::sample::select(methods.to_vec()).prop_map(|m| m.parse().unwrap()));
        let body = operation.body.as_ref().map_or(Vec::new(), |(_, names)| names.clone());
        let raw = prop::option::weighted(0.1, value.clone());
        let recipe = match recipes(&operation.path, &living) {
            recipes if recipes.is_empty() => Just(None).boxed(),
            recipes => prop::option::weighted(0.5, prop::sample::select(recipes)).boxed(),
        };
        (other_method, pairs(&operation.query), pairs(&body), recipe, raw, heads).prop_map(
            move |(other_method, query, body, recipe, raw, headers)| Wild {
                operation: at,
                other_method,
                query,
                body: instead(recipe, body),
                raw,
                headers,
            },
        )
    })
}

fn as_pairs(pairs: &[(String, String)]) -> Vec<(&str, &str)> {
    pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

/// Numbers, lists and objects among them, where text looks like it.
fn as_json(pairs: &[(String, String)]) -> String {
    let value = |text: &str| match text {
        REDIRECT => serde_json::json!([text]),
        text => serde_json::from_str(text).unwrap_or_else(|_| text.into()),
    };
    let members: BTreeMap<&str, Value> = as_pairs(pairs).into_iter().map(|(name, text)| (name, value(text))).collect();
    serde_json::to_string(&members).unwrap()
}

async fn send(world: &World, operation: &Operation, wild: &Wild) -> Answer {
    let query = encode(&as_pairs(&wild.query));
    // Longer ones do not even make a request here.
    let path = if query.is_empty() || query.len() > 60_000 {
        operation.path.clone()
    } else {
        format!("{}?{query}", operation.path)
    };
    let kind = operation.body.as_ref().map_or("text/plain", |(kind, _)| kind.as_str());
    let body = match (&wild.raw, kind) {
        (Some(raw), _) => raw.clone(),
        (None, "application/json") => as_json(&wild.body),
        (None, _) => encode(&as_pairs(&wild.body)),
    };
    let mut headers = vec![("content-type", kind), ("x-canary", CANARY)];
    headers.extend(as_pairs(&wild.headers));
    let method = wild.other_method.as_ref().unwrap_or(&operation.method).clone();
    let answer = world.send(method, &path, &headers, &body);
    tokio::time::timeout(PATIENCE, answer).await.unwrap_or_else(|_| panic!("no answer to {wild:?}"))
}

fn check(operation: &Operation, wild: &Wild, answer: &Answer) {
    let status = answer.status.as_u16();
    assert!(status < 500, "{wild:?}: {answer:?}");
    let as_described = wild.other_method.as_ref().is_none_or(|method| *method == operation.method);
    if as_described {
        assert!(
            operation.known.contains(&status),
            "{} {} may not say {status}: {wild:?}: {answer:?}",
            operation.method,
            operation.path
        );
    }
    assert!(!answer.header("x-request-id").is_empty() && !answer.header("x-content-type-options").is_empty());
    if answer.header("content-type") == "application/json" && !answer.body.is_empty() {
        answer.json();
    }
}

fn world() -> World {
    let config = Config { registration: Registration::Open, ..Config::new(ISSUER) };
    let world = World::with(config, Arc::new(MemoryStore::new()));
    let mut tv = Client::public("tv", Vec::new()).unwrap();
    tv.set(Setting::Device).unwrap();
    let mut api = Client::public("api", vec![REDIRECT.to_owned()]).unwrap();
    api.make_secret().unwrap();
    for client in [tv, api] {
        world.store.add_client(&client).unwrap();
    }
    let mut exchanging = world.store.client("pilotlight").unwrap().unwrap();
    exchanging.set(Setting::Exchange).unwrap();
    world.store.put_client(&exchanging).unwrap();
    world
}

#[test]
fn no_request_that_can_be_made_up_finds_trouble_or_an_answer_that_is_not_described() {
    let log = Log::listen();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let world = world();
    let document = runtime.block_on(world.fetch("/openapi.json")).json();
    let operations = operations(&document);
    assert!(operations.len() >= 19, "{operations:?}");
    let tokens = runtime.block_on(world.tokens());
    let living = [runtime.block_on(world.code()), tokens.text("access_token"), tokens.text("refresh_token")];
    for operation in &operations {
        for body in recipes(&operation.path, &living) {
            let right = Wild { operation: 0, other_method: None, query: vec![], body, raw: None, headers: vec![] };
            let answer = runtime.block_on(send(&world, operation, &right));
            assert!(answer.status.is_success(), "{right:?}: {answer:?}");
        }
    }
    let requests = prop::collection::vec(wild(operations.clone(), &living), 1..8);
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let run = runner.run(&requests, |requests| {
        runtime.block_on(async {
            for wild in &requests {
                let operation = &operations[wild.operation];
                let answer = send(&world, operation, wild).await;
                check(operation, wild, &answer);
            }
        });
        Ok(())
    });
    run.unwrap();
    assert!(!log.has(CANARY), "what was sent is in the log");
    let still = runtime.block_on(world.fetch("/ready"));
    assert_eq!(still.status, 200);
}
