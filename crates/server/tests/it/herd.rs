//! One refresh token used fifty times at once, round after round: at most one generation moves on, whoever is answered gets the
//! same successor, and nobody is signed out. Over every store, and over two processes of one store.

use std::sync::{Barrier, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::command_line::{Serving, serve};
use crate::size::{rounds, tell};

const USES: usize = 50;

/// What a refresh token says of its generation.
fn generation(token: &Value) -> u32 {
    let text = token.as_str().unwrap().strip_prefix("plrt_").unwrap();
    let bytes = URL_SAFE_NO_PAD.decode(text).unwrap();
    u32::from_be_bytes(bytes[18..22].try_into().unwrap())
}

/// As a client does: again, as long as the server says 503.
fn refresh(server: &Serving, token: &Value, key: Option<&str>) -> (u16, Value) {
    let headers: Vec<_> = key.map(|key| ("Idempotency-Key", key)).into_iter().collect();
    loop {
        match server.try_post("/token/refresh", &headers, &json!({"refresh_token": token})) {
            Some((503, _)) => std::thread::yield_now(),
            answer => return answer.expect("the server is there"),
        }
    }
}

/// Each round spends the successor of the one before; every second one with a key.
fn stampede(over: &str, servers: &[Serving]) {
    let (token, answers) = (Mutex::new(servers[0].sign_in()), Mutex::new(Vec::new()));
    let (barrier, rounds) = (Barrier::new(USES), rounds(20, 1000));
    std::thread::scope(|scope| {
        for n in 0..USES {
            let (token, answers, barrier, server) = (&token, &answers, &barrier, &servers[n % servers.len()]);
            scope.spawn(move || {
                for round in 0..rounds {
                    let key = (round % 2 == 0).then(|| format!("round-{round}"));
                    let spent = token.lock().unwrap().clone();
                    barrier.wait();
                    let answer = refresh(server, &spent, key.as_deref());
                    answers.lock().unwrap().push(answer);
                    if barrier.wait().is_leader() {
                        let answers = std::mem::take(&mut *answers.lock().unwrap());
                        *token.lock().unwrap() = the_one_successor(&answers, generation(&spent));
                    }
                    barrier.wait();
                }
            });
        }
    });
    tell(
        &format!("one token used {USES} times at once, {over}"),
        &format!("{rounds} rounds, each one generation and one successor for all, 0 signed out"),
    );
}

fn the_one_successor(answers: &[(u16, Value)], before: u32) -> Value {
    assert_eq!(answers.len(), USES);
    assert!(answers.iter().all(|(status, _)| *status == 200), "nobody is signed out: {answers:?}");
    let successor = &answers[0].1["refresh_token"];
    assert!(answers.iter().all(|(_, answer)| answer["refresh_token"] == *successor), "one successor");
    assert_eq!(generation(successor), before + 1, "one generation");
    successor.clone()
}

fn demo(more: &[&str]) -> Serving {
    serve(&[&["--demo", "--log", "off"], more].concat())
}

#[test]
fn fifty_uses_at_once_move_one_generation_on_in_memory() {
    stampede("memory", &[demo(&["--store", "memory"])]);
}

#[test]
fn fifty_uses_at_once_move_one_generation_on_in_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let store = format!("sqlite:{}", folder.path().join("server.db").display());
    stampede("embedded store", &[demo(&["--store", &store])]);
}

#[test]
fn fifty_uses_at_once_move_one_generation_on_in_one_file_of_two_processes() {
    let folder = tempfile::tempdir().unwrap();
    let store = format!("sqlite:{}", folder.path().join("server.db").display());
    stampede("embedded store, two processes", &[demo(&["--store", &store]), demo(&["--store", &store])]);
}

#[cfg(all(unix, feature = "redis"))]
#[test]
fn fifty_uses_at_once_move_one_generation_on_in_redis() {
    let (folder, redis) = (tempfile::tempdir().unwrap(), crate::redis_server::RedisServer::start());
    let keys = folder.path().join("keys").display().to_string();
    stampede("Redis", &[demo(&["--store", &redis.address(), "--keys", &keys])]);
}

#[cfg(all(unix, feature = "redis"))]
#[test]
fn fifty_uses_at_once_move_one_generation_on_in_one_redis_of_two_processes() {
    let (folder, redis) = (tempfile::tempdir().unwrap(), crate::redis_server::RedisServer::start());
    let keys = folder.path().join("keys").display().to_string();
    let one = demo(&["--store", &redis.address(), "--keys", &keys]);
    stampede("Redis, two processes", &[one, demo(&["--store", &redis.address(), "--keys", &keys])]);
}
