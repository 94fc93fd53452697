//! What a client gets, and which program gets nothing.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use pilotlight::journal::EventKind;
use pilotlight_agent::{Answer, Client, Decision, Programs, Request, Unknown};
use serde_json::json;

use crate::world::{TTL, World};

const TOKEN: &str = r#"{"ask":"token","account":"work"}"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_client_gets_the_version_the_accounts_a_status_and_a_token() {
    let world = World::lending().await;
    let mut connection = world.connect();
    assert_eq!(connection.ask(r#"{"ask":"hello"}"#), json!({"hello": {"version": 1}}));
    assert_eq!(connection.ask(r#"{"ask":"list"}"#), json!({"accounts": ["work"]}));
    assert_eq!(connection.ask(r#"{"ask":"status","account":"work"}"#), json!({"status": "signed_in"}));
    let answer = connection.ask(TOKEN);
    assert!(answer["token"]["access_token"].as_str().unwrap().starts_with("at.1.0."), "{answer}");
    assert_eq!(answer["token"]["token_type"], "Bearer");
    assert!(answer["token"]["expires_at"].as_i64().unwrap() > 1_700_000_000, "{answer}");
    assert!(!answer.to_string().contains("rt."), "{answer}");
    assert_eq!(world.server.refreshes(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_core_refuses_comes_with_its_code_and_its_hint() {
    let world = World::lending().await;
    let mut connection = world.connect();
    for ask in ["token", "status"] {
        let answer = connection.ask(&format!(r#"{{"ask":"{ask}","account":"nobody"}}"#));
        assert_eq!(answer["error"]["code"], pilotlight::ErrorCode::NoSuchAccount.as_str());
        assert_ne!(answer["error"]["hint"], "");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_a_service_refused_is_replaced_and_its_successor_not_at_once() {
    let world = World::lending().await;
    let mut connection = world.connect();
    let token = |answer: serde_json::Value| answer["token"]["access_token"].as_str().unwrap().to_owned();
    let mut other_than =
        |token: &str| connection.ask(&json!({"ask": "token", "account": "work", "other_than": token}).to_string());
    let first = token(world.connect().ask(TOKEN));
    let second = token(other_than(&first));
    assert_ne!(second, first);
    assert_eq!(token(other_than(&first)), second);
    assert_eq!(token(other_than(&second)), second, "it came from a refresh just now");
    assert_eq!(world.server.refreshes(), 1);
    world.clock.by(Duration::from_secs(31));
    assert_ne!(token(other_than(&second)), second);
    assert_eq!(world.server.refreshes(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_requests_at_expiry_make_one_refresh_and_none_fails_whatever_they_ask_for() {
    const ALL: usize = 10_000;
    let world = World::lending().await;
    world.clock.by(TTL + Duration::from_secs(1));
    // As many connections as one process may have, each with its share of the requests sent before any answer is read. Every
    // second request wants more life than a token has.
    let more = format!(r#"{{"ask":"token","account":"work","min_ttl":{}}}"#, 2 * TTL.as_secs());
    let pair = format!("{TOKEN}\n{more}\n");
    let share = |n: usize| ALL / 2 / 32 + usize::from(n < ALL / 2 % 32);
    let connections: Vec<_> = (0..32).map(|_| world.connect()).collect();
    let asking: Vec<_> = connections
        .into_iter()
        .enumerate()
        .map(|(n, mut connection)| {
            let (requests, count) = (pair.repeat(share(n)), 2 * share(n));
            let mut sender = connection.sender();
            let sending = std::thread::spawn(move || sender.write_all(requests.as_bytes()).unwrap());
            std::thread::spawn(move || {
                for _ in 0..count {
                    let answer = connection.answer();
                    let token = answer["token"]["access_token"].as_str().unwrap_or_default();
                    assert!(token.starts_with("at.1.1."), "{answer}");
                }
                sending.join().unwrap();
                count
            })
        })
        .collect();
    let answers: usize = asking.into_iter().map(|thread| thread.join().unwrap()).sum();
    assert_eq!((answers, world.server.refreshes(), world.server.requests(), world.server.reuses()), (ALL, 1, 2, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_hangs_delays_no_other_account() {
    let world = World::lending().await;
    world.sign_in("home").await;
    world.clock.by(Duration::from_secs(2));
    world.server.hold(true);
    let (mut stuck, mut other) = (world.connect(), world.connect());
    // A second more than is left, so that it is refreshed.
    stuck.send(format!("{{\"ask\":\"token\",\"account\":\"home\",\"min_ttl\":{}}}\n", TTL.as_secs() - 1).as_bytes());
    let started = || other.ask(r#"{"ask":"status","account":"home"}"#) == json!({"status": "refreshing"});
    assert!(std::iter::repeat_with(started).take(100_000).any(|started| started));
    for _ in 0..100 {
        assert!(other.ask(TOKEN)["token"].is_object());
        assert_eq!(other.ask(r#"{"ask":"list"}"#), json!({"accounts": ["home", "work"]}));
    }
    assert!(!stuck.has_answer());
    world.server.hold(false);
    assert!(stuck.answer()["token"].is_object());
}

#[tokio::test(flavor = "multi_thread")]
async fn lends_and_refusals_stand_in_the_journal_once_and_are_counted() {
    let world = World::signed_in().await;
    let (end, ended) = tokio::sync::oneshot::channel::<()>();
    let agent = world.agent(Unknown::Allow).unwrap();
    let serving = tokio::spawn(agent.serve_until(async { drop(ended.await) }));
    let mut connection = world.connect();
    for _ in 0..500 {
        assert!(connection.ask(TOKEN)["token"].is_object());
    }
    end.send(()).unwrap();
    serving.await.unwrap();
    let events = world.pilotlight.events(Some("work"), 100).await.unwrap();
    let lent: Vec<_> = events.iter().filter(|entry| entry.kind == EventKind::Lent).map(|entry| &entry.text).collect();
    assert!(matches!(&lent[..], [_, _]), "{lent:?}");
    assert!(lent[0].ends_with(": 499 more since the line before."), "{lent:?}");
    assert!(lent[1].starts_with("Lent to /") && lent[1].contains(", run by /"), "{lent:?}");

    let programs = Programs::of(&world.home());
    let path = events.iter().find_map(|entry| entry.program.as_deref()).unwrap();
    let borrowers = world.pilotlight.borrowers("work").await.unwrap();
    assert_eq!(
        borrowers.iter().map(|one| one.program.as_str()).collect::<Vec<_>>(),
        [path],
        "both lines are of one program"
    );
    programs.decide(Path::new(path), Some(Decision::Never)).unwrap();
    tokio::spawn(world.agent(Unknown::Allow).unwrap().serve());
    assert_eq!(world.connect().ask(TOKEN)["error"]["code"], "not_allowed");
    let refused = || async {
        let events = world.pilotlight.events(Some("work"), 1).await.unwrap();
        events.first().is_some_and(|entry| entry.kind == EventKind::Refused)
    };
    // It is written beside the answer, not before it.
    while !refused().await {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_nobody_allowed_is_refused_and_told_how_to_be_allowed() {
    let world = World::signed_in().await;
    tokio::spawn(world.agent(Unknown::Deny).unwrap().serve());
    let mut connection = world.connect();
    let answer = connection.ask(TOKEN);
    assert_eq!(answer["error"]["code"], "not_allowed");
    let hint = answer["error"]["hint"].as_str().unwrap();
    let program = hint.strip_prefix("To allow it: pilotlight programs allow ").unwrap().to_owned();
    // Names are no secret: list and status need no consent.
    assert_eq!(connection.ask(r#"{"ask":"list"}"#), json!({"accounts": ["work"]}));

    let programs = Programs::of(&world.home());
    programs.decide(Path::new(&program), Some(Decision::Always)).unwrap();
    assert!(connection.ask(TOKEN)["token"].is_object());
    programs.decide(Path::new(&program), Some(Decision::Never)).unwrap();
    assert_eq!(connection.ask(TOKEN)["error"]["code"], "not_allowed");
}

#[tokio::test(flavor = "multi_thread")]
async fn after_the_answer_to_the_last_request_the_connection_is_closed() {
    let world = World::lending().await;
    for (request, member) in [("work", "token"), ("nobody", "error")] {
        let mut connection = world.connect();
        let before = connection.ask(TOKEN);
        assert!(before["token"].is_object());
        let last = connection.ask(&format!(r#"{{"ask":"token","account":"{request}","last":true}}"#));
        assert!(last[member].is_object());
        assert!(connection.answer().is_null(), "{request}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_client_of_this_crate_asks_again_and_again() {
    let world = World::lending().await;
    let mut client = Client::connect(&world.place()).unwrap();
    for _ in 0..3 {
        let request = Request::Token {
            account: "work".into(),
            min_ttl: 60,
            audience: None,
            scope: None,
            other_than: None,
            last: false,
        };
        assert!(
            matches!(client.ask(&request).unwrap(), Answer::Token { access_token, .. } if access_token.starts_with("at.1.0."))
        );
    }
    assert!(matches!(client.ask(&Request::List).unwrap(), Answer::Accounts(names) if names == ["work"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_client_in_python_is_refused_then_allowed() {
    let world = World::signed_in().await;
    tokio::spawn(world.agent(Unknown::Deny).unwrap().serve());
    let refused = python(&world);
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(!refused.status.success() && refused.stdout.is_empty(), "{said}");
    let program = said.trim_end().rsplit_once("pilotlight programs allow ").unwrap().1;
    Programs::of(&world.home()).decide(Path::new(program), Some(Decision::Always)).unwrap();
    let lent = python(&world);
    assert!(lent.status.success(), "{}", String::from_utf8_lossy(&lent.stderr));
    assert!(lent.stdout.starts_with(b"at.1.0."));
}

fn python(world: &World) -> Output {
    let client = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/agent-client/pilotlight_token.py");
    let mut command = Command::new("python3");
    command.arg(client).args(["work", "60"]).env("PILOTLIGHT_HOME", world.home().path());
    command.output().unwrap()
}
