//! The real program over a real Redis: several processes behave as one, and Redis may go away.

use std::path::Path;
use std::sync::{Arc, Barrier};

use serde_json::{Value, json};

use crate::command_line::{Serving, run, serve};
use crate::redis_server::RedisServer;

fn server(redis: &RedisServer, keys: &Path, more: &[&str]) -> Serving {
    let (address, keys) = (redis.address(), keys.display().to_string());
    serve(&[&["--demo", "--store", &address, "--keys", &keys, "--log", "off"], more].concat())
}

impl Serving {
    /// As a client does: again, as long as the server says 503.
    fn refresh_until_answered(&self, token: &Value, key: Option<&str>) -> (u16, Value) {
        loop {
            match self.refresh(token, key) {
                (503, _) => std::thread::yield_now(),
                answer => return answer,
            }
        }
    }

    fn refresh(&self, token: &Value, key: Option<&str>) -> (u16, Value) {
        let headers: Vec<_> = key.map(|key| ("Idempotency-Key", key)).into_iter().collect();
        self.try_post("/token/refresh", &headers, &json!({"refresh_token": token})).unwrap()
    }
}

#[test]
fn two_processes_on_one_redis_are_one_server() {
    let folder = tempfile::tempdir().unwrap();
    let (redis, keys) = (RedisServer::start(), folder.path().join("keys"));
    let one = server(&redis, &keys, &[]);
    let two = server(&redis, &keys, &[]);
    for round in 0..20 {
        let token = if round % 2 == 0 { one.sign_in() } else { two.sign_in() };
        let key = (round % 4 < 2).then_some("one-attempt");
        let barrier = Arc::new(Barrier::new(50));
        let answers: Vec<_> = std::thread::scope(|scope| {
            let at = |n: usize| if n.is_multiple_of(2) { &one } else { &two };
            let (token, barrier) = (&token, &barrier);
            let use_at = |n: usize| {
                let server = at(n);
                scope.spawn(move || {
                    barrier.wait();
                    server.refresh_until_answered(token, key)
                })
            };
            let threads: Vec<_> = (0..50).map(use_at).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(answers.iter().all(|(status, _)| *status == 200), "nobody is signed out: {answers:?}");
        let successor = &answers[0].1["refresh_token"];
        assert!(answers.iter().all(|(_, answer)| answer["refresh_token"] == *successor), "one successor");
        let next = two.refresh_until_answered(successor, Some("another")).1["refresh_token"].clone();
        assert_eq!(one.refresh_until_answered(&next, None).0, 200);
    }
}

#[test]
fn a_grant_revoked_by_the_command_line_is_over_at_every_process() {
    let folder = tempfile::tempdir().unwrap();
    let (redis, keys) = (RedisServer::start(), folder.path().join("keys"));
    let (one, two) = (server(&redis, &keys, &[]), server(&redis, &keys, &[]));
    let token = one.sign_in();
    let named = folder.path().join("store");
    std::fs::write(&named, format!("{}\n", redis.address())).unwrap();
    let named = format!("@{}", named.display());
    assert!(run(&["grant", "revoke", "--user", "demo", "--store", &named], "").status.success());
    for server in [&one, &two] {
        assert_eq!(server.refresh_until_answered(&token, None).1["reason"], "revoked");
    }
    assert!(run(&["user", "add", "ada", "--password-stdin", "--store", &named], "countess").status.success());
    let signed_in = two.post("/login", &json!({"username": "ada", "password": "countess"}));
    assert_eq!(signed_in.0, 200);
}

#[test]
fn redis_frozen_or_killed_is_503_and_then_everybody_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let (mut redis, keys) = (RedisServer::start(), folder.path().join("keys"));
    let server = server(&redis, &keys, &["--retry-window", "0s"]);
    let mut token = server.sign_in();
    for frozen in [true, false] {
        if frozen {
            redis.signal("STOP")
        } else {
            redis.kill()
        }
        for _ in 0..3 {
            let (status, answer) = server.refresh(&token, None);
            assert_eq!((status, &answer["error"]), (503, &json!("temporarily_unavailable")));
        }
        if frozen {
            redis.signal("CONT")
        } else {
            redis.resume()
        }
        // What Redis had in its queue it works off first; until it answers in time, the server says 503.
        let answer = server.refresh_until_answered(&token, None);
        assert_eq!(answer.0, 200, "without key and without window: {answer:?}");
        token = answer.1["refresh_token"].clone();
    }
}

#[test]
fn kill_9_at_any_instant_under_load_loses_nothing_that_was_answered() {
    let folder = tempfile::tempdir().unwrap();
    let redis = RedisServer::start();
    let (address, keys) = (redis.address(), folder.path().join("keys").display().to_string());
    crate::kill::survives(&["--store", &address, "--keys", &keys]);
}

#[test]
fn nothing_secret_is_in_redis() {
    let folder = tempfile::tempdir().unwrap();
    let (redis, keys) = (RedisServer::start(), folder.path().join("keys"));
    let server = server(&redis, &keys, &[]);
    let token = server.refresh_until_answered(&server.sign_in(), Some("a-key-of-its-own")).1["refresh_token"].clone();
    let file: Value = serde_json::from_slice(&std::fs::read(&keys).unwrap()).unwrap();
    let names: Vec<String> = redis.ask(redis::cmd("KEYS").arg("*"));
    let mut all = names.join(" ");
    // The sets of people's grants have ids, which are no secret, as raw bytes.
    for name in names.iter().filter(|name| !name.starts_with("pilotlight:of:")) {
        all.push_str(&redis.ask::<String>(redis::cmd("GET").arg(name)));
    }
    assert!(all.contains("demo") && all.contains("first-party"), "{all}");
    for secret in [&file["mac"][0]["key"], &file["signing"][0]["pkcs8"], &token, &json!("a-key-of-its-own")] {
        let secret = secret.as_str().unwrap();
        assert!(!all.contains(secret.trim_start_matches("plrt_")), "{all}");
    }
}

#[test]
fn without_a_named_key_file_nothing_is_served_from_redis() {
    let redis = RedisServer::start();
    let refused = run(&["serve", "--listen", "127.0.0.1:0", "--store", &redis.address()], "");
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("--keys FILE"));
}

#[test]
fn a_second_server_with_other_keys_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (redis, keys) = (RedisServer::start(), folder.path().join("keys"));
    let _one = server(&redis, &keys, &[]);
    let other = folder.path().join("other").display().to_string();
    drop(serve(&["--store", "memory", "--keys", &other]));
    let refused = run(&["serve", "--listen", "127.0.0.1:0", "--store", &redis.address(), "--keys", &other], "");
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("do not belong to this store"));
}
