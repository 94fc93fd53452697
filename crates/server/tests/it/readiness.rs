//! Whether it lives, and whether it can do its work.

use std::sync::Arc;

use axum::http::Method;
use pilotlight_server::RedisStore;
use serde_json::json;

use crate::redis_server::RedisServer;
use crate::running::{Running, config};

#[tokio::test]
async fn ready_tells_when_the_store_is_away_and_when_it_is_back() {
    let mut redis = RedisServer::start();
    let store = Arc::new(RedisStore::open(&redis.address(), std::time::Duration::from_secs(60)).unwrap());
    let running = Running::over(config(|_| {}), store, None).await;
    let ready = async || {
        let (status, answer) = running.ask_at(running.metrics, "GET /ready HTTP/1.1", "").await;
        (status, serde_json::from_str::<serde_json::Value>(answer.split_once("\r\n\r\n").unwrap().1).unwrap())
    };
    assert_eq!(ready().await, (200, json!({"ready": true, "store": true, "keys": true})));
    redis.kill();
    assert_eq!(ready().await, (503, json!({"ready": false, "store": false, "keys": true})));
    let (status, answer) = running.ask("GET /ready HTTP/1.1", "").await;
    assert_eq!(status, 503);
    assert!(answer.contains("{\"ready\":false}") && answer.to_lowercase().contains("retry-after: 1"), "{answer}");
    assert_eq!(running.ask("GET /health HTTP/1.1", "").await.0, 200, "it lives all the same");
    redis.resume();
    assert_eq!(ready().await.0, 200);
}

#[tokio::test]
async fn ready_tells_when_the_key_file_cannot_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys");
    let keys = pilotlight_server::KeySource::File(path.clone());
    let running = Running::start(config(|config| config.keys = keys)).await;
    let whole = std::fs::read(&path).unwrap();
    std::fs::write(&path, "nonsense").unwrap();
    running.server.read_keys_again().await;
    assert_eq!(running.ask(&format!("{} /ready HTTP/1.1", Method::GET), "").await.0, 503);
    std::fs::write(&path, whole).unwrap();
    running.server.read_keys_again().await;
    assert_eq!(running.ask("GET /ready HTTP/1.1", "").await.0, 200);
}

#[test]
fn a_server_that_starts_before_its_redis_serves_once_it_is_there_and_gives_up_in_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let keys = folder.path().join("keys");
    let keys = keys.to_str().unwrap();
    let mut redis = RedisServer::start();
    redis.kill();
    let address = redis.address();
    let arguments = ["--demo", "--log", "off", "--store", &address, "--keys", keys];
    let gave_up = crate::command_line::run(&[&["serve", "--listen", "127.0.0.1:0"], &arguments[..]].concat(), "");
    assert_eq!(gave_up.status.code(), Some(1), "{gave_up:?}");
    std::thread::scope(|scope| {
        let starting = scope.spawn(|| crate::command_line::serve(&arguments));
        redis.resume();
        let (status, _) = starting.join().unwrap().post("/login", &json!({"username": "demo", "password": "demo"}));
        assert!(matches!(status, 200 | 503), "{status}");
    });
}
