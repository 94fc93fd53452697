//! The real program over a real Redis: several processes behave as one, and Redis may go away.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use pilotlight_server::{Config, KeySource, RedisStore};
use serde_json::{Value, json};

use crate::command_line::{Serving, run, serve};
use crate::device_key::DeviceKey;
use crate::kill;
use crate::kit::{ISSUER, World};
use crate::redis_server::RedisServer;
use crate::size::{Draws, is_whole, rounds, tell};

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

#[tokio::test(flavor = "multi_thread")]
async fn rfc9449_section_11_1_a_proof_is_taken_by_one_of_two_servers_and_a_bound_token_by_both() {
    let folder = tempfile::tempdir().unwrap();
    let redis = RedisServer::start();
    let server = || {
        let calm = Duration::from_secs(20);
        let store = RedisStore::open_with(&redis.address(), Duration::from_secs(7200), calm).unwrap();
        let keys = KeySource::File(folder.path().join("keys"));
        World::with(Config { keys, dpop_nonce: true, ..Config::new(ISSUER) }, Arc::new(store))
    };
    let (one, two, device) = (server(), server(), DeviceKey::make());
    let demo = json!({"username": "demo", "password": "demo"});
    let proof = |path: &str, nonce: &str| device.proof_with(&one, "POST", path, json!({"nonce": nonce}));
    let asked = one.post_json("/login", &[("dpop", &proof("/login", "x"))], &demo).await;
    let nonce = asked.header("dpop-nonce");
    let taken = proof("/login", nonce);
    let tokens = two.post_json("/login", &[("dpop", &taken)], &demo).await;
    assert_eq!(tokens.text("token_type"), "DPoP", "a nonce of one is one of both");
    for world in [&one, &two] {
        let again = world.post_json("/login", &[("dpop", &taken)], &demo).await;
        again.assert_error(400, "invalid_dpop_proof");
    }
    let mut token = tokens.text("refresh_token");
    for world in [&one, &two, &one] {
        let body = json!({"refresh_token": token});
        world.post_json("/token/refresh", &[], &body).await.assert_error(400, "invalid_dpop_proof");
        let fresh = proof("/token/refresh", nonce);
        token = world.post_json("/token/refresh", &[("dpop", &fresh)], &body).await.text("refresh_token");
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
fn redis_frozen_or_killed_is_503_in_time_and_then_everybody_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let (mut redis, keys) = (RedisServer::start(), folder.path().join("keys"));
    let server = server(&redis, &keys, &["--retry-window", "0s"]);
    let mut token = server.sign_in();
    let rounds = rounds(2, 20);
    for round in 0..rounds {
        let frozen = round % 2 == 0;
        if frozen {
            redis.signal("STOP")
        } else {
            redis.kill()
        }
        for _ in 0..3 {
            let begun = now();
            let (status, answer) = server.refresh(&token, None);
            assert_eq!((status, &answer["error"]), (503, &json!("temporarily_unavailable")));
            told_in(begun, Duration::from_millis(300));
        }
        if frozen {
            redis.signal("CONT")
        } else {
            redis.resume()
        }
        let begun = now();
        // What Redis had in its queue it works off first; until it answers in time, the server says 503.
        let answer = server.refresh_until_answered(&token, None);
        told_in(begun, Duration::from_secs(1));
        assert_eq!(answer.0, 200, "without key and without window: {answer:?}");
        token = answer.1["refresh_token"].clone();
    }
    tell(
        "Redis frozen or killed",
        &format!("{rounds} times, each request told 503 in time and answered after it, 0 grants lost"),
    );
}

/// As fast as that on a machine that does nothing else; in the short run, where many tests share it, ten times as slow at most.
fn told_in(begun: Instant, time: Duration) {
    let (took, most) = (begun.elapsed(), if is_whole() { time } else { 10 * time });
    assert!(took <= most, "{took:?}");
}

#[expect(clippy::disallowed_methods, reason = "how long a caller waits is true time")]
fn now() -> Instant {
    Instant::now()
}

#[test]
fn redis_killed_or_frozen_at_any_instant_under_load_signs_nobody_out() {
    let folder = tempfile::tempdir().unwrap();
    let (mut redis, keys) = (RedisServer::start(), folder.path().join("keys"));
    let server = server(&redis, &keys, &[]);
    let (people, onlooker) = (kill::people(&server), server.sign_in());
    let (mut draws, rounds) = (Draws::new(), rounds(4, 100));
    for round in 0..rounds {
        let frozen = round % 2 == 0;
        kill::under_load(&server, &people, &mut draws, || {
            if frozen {
                redis.signal("STOP");
            } else {
                redis.kill();
            }
            assert_eq!(server.refresh(&onlooker, None).0, 503);
            if frozen {
                redis.signal("CONT");
            } else {
                redis.resume();
            }
        });
        kill::everybody_goes_on(&server, &people);
    }
    kill::tell_of("Redis frozen or killed under load", rounds, &people);
}

#[test]
fn kill_9_of_the_server_at_any_instant_under_load_over_redis_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (redis, keys) = (RedisServer::start(), folder.path().join("keys").display().to_string());
    kill::survives("kill -9 of the server, Redis", &["--store", &redis.address(), "--keys", &keys]);
}

/// Where that Redis writes.
fn files(redis: &RedisServer) -> PathBuf {
    redis.socket().with_file_name("appendonlydir")
}

fn copy_files(from: &Path, to: &Path) {
    for file in std::fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), to.join(file.file_name())).unwrap();
    }
}

#[test]
fn redis_restored_from_an_older_copy_is_healed_by_those_who_come() {
    let folder = tempfile::tempdir().unwrap();
    let (mut redis, keys) = (RedisServer::start(), folder.path().join("keys"));
    let server = server(&redis, &keys, &[]);
    let people = kill::people(&server);
    let (mut draws, rounds) = (Draws::new(), rounds(2, 20));
    for _ in 0..rounds {
        let copy = tempfile::tempdir().unwrap();
        copy_files(&files(&redis), copy.path());
        kill::under_load(&server, &people, &mut draws, || redis.kill());
        std::fs::remove_dir_all(files(&redis)).unwrap();
        std::fs::create_dir(files(&redis)).unwrap();
        copy_files(copy.path(), &files(&redis));
        redis.resume();
        kill::everybody_goes_on(&server, &people);
        kill::everybody_goes_on(&server, &people);
    }
    kill::tell_of("Redis killed under load and put back to an older copy", rounds, &people);
}

#[test]
fn nothing_secret_is_in_redis() {
    let folder = tempfile::tempdir().unwrap();
    let (redis, keys) = (RedisServer::start(), folder.path().join("keys"));
    let server = server(&redis, &keys, &[]);
    let token = server.refresh_until_answered(&server.sign_in(), Some("a-key-of-its-own")).1["refresh_token"].clone();
    let file: Value = serde_json::from_slice(&std::fs::read(&keys).unwrap()).unwrap();
    let names: Vec<String> = redis.ask(redis::cmd("KEYS").arg("*"));
    let mut all = names.join(" ").into_bytes();
    // The sets of people's grants have ids, which are no secret.
    for name in names.iter().filter(|name| !name.starts_with("pilotlight:of:")) {
        all.extend(redis.ask::<Vec<u8>>(redis::cmd("GET").arg(name)));
    }
    let has = |part: &[u8]| all.windows(part.len()).any(|window| window == part);
    assert!(has(b"demo") && has(b"first-party"), "{}", String::from_utf8_lossy(&all));
    for secret in [&file["mac"][0]["key"], &file["signing"][0]["pkcs8"], &token, &json!("a-key-of-its-own")] {
        let secret = secret.as_str().unwrap().trim_start_matches("plrt_");
        // As text, and as the bytes that it stands for: of a token its last ones, the MAC.
        let raw = URL_SAFE_NO_PAD.decode(secret).unwrap_or_default();
        let mac = raw.last_chunk::<32>().map_or(&[][..], |mac| &mac[..]);
        for part in [secret.as_bytes(), &raw, mac].into_iter().filter(|part| !part.is_empty()) {
            assert!(!has(part), "{}", String::from_utf8_lossy(&all));
        }
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
