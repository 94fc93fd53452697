//! A person is asked, and what they say holds.

use std::path::Path;
use std::process::Command;

use pilotlight_agent::{Decision, Programs, Unknown};
use serde_json::{Value, json};

use crate::world::{Connection, World};

const TOKEN: &str = r#"{"ask":"token","account":"work"}"#;
const DECIDE: &str = r#"{"ask":"subscribe","decide":true}"#;

/// An agent that asks, somebody who decides, and a program that wants a token: all of them this very process, which counts as
/// our own program, so that the question is about whoever ran it.
async fn asked() -> (World, Connection, Connection) {
    let world = World::signed_in().await;
    tokio::spawn(world.agent(Unknown::Ask).unwrap().serve());
    let (mut person, program) = (world.connect(), world.connect());
    assert_eq!(person.ask(DECIDE), json!({"done": true}));
    (world, person, program)
}

/// Has the person answer the next question so.
fn decide(person: &mut Connection, verdict: &str) -> Value {
    let question = person.answer_with("question");
    assert_eq!(question["account"], "work");
    assert!(question["program"].as_str().unwrap().starts_with('/'), "{question}");
    assert!(!question["parents"].as_array().unwrap().is_empty(), "{question}");
    person
        .send(format!("{{\"ask\":\"decide\",\"question\":{},\"verdict\":\"{verdict}\"}}\n", question["id"]).as_bytes());
    assert_eq!(person.answer_with("done"), json!(true));
    question
}

#[tokio::test(flavor = "multi_thread")]
async fn once_is_one_token_and_the_next_request_is_asked_about_again() {
    let (_world, mut person, mut program) = asked().await;
    for (verdict, lent) in [("once", true), ("once", true), ("never", false)] {
        program.send(format!("{TOKEN}\n").as_bytes());
        decide(&mut person, verdict);
        assert_eq!(program.answer().get("token").is_some(), lent, "{verdict}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_asked_about_once_and_nothing_is_written_down() {
    let (world, mut person, mut program) = asked().await;
    program.send(format!("{TOKEN}\n").as_bytes());
    decide(&mut person, "run");
    assert!(program.answer()["token"].is_object());
    for _ in 0..3 {
        assert!(world.connect().ask(TOKEN)["token"].is_object());
    }
    assert!(Programs::of(&world.home()).all().unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn always_and_never_are_written_down() {
    for (verdict, decision) in [("always", Decision::Always), ("never", Decision::Never)] {
        let (world, mut person, mut program) = asked().await;
        program.send(format!("{TOKEN}\n").as_bytes());
        let question = decide(&mut person, verdict);
        assert_eq!(program.answer().get("token").is_some(), decision == Decision::Always);
        let all = Programs::of(&world.home()).all().unwrap();
        assert_eq!(all.get(question["program"].as_str().unwrap()), Some(&decision));
        assert_eq!(program.ask(TOKEN).get("token").is_some(), decision == Decision::Always);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nobody_can_be_asked_the_answer_is_no_at_once() {
    let world = World::signed_in().await;
    tokio::spawn(world.agent(Unknown::Ask).unwrap().serve());
    assert_eq!(world.connect().ask(TOKEN)["error"]["code"], "not_allowed");
    let (_world, person, mut program) = asked().await;
    person.end();
    assert_eq!(program.ask(TOKEN)["error"]["code"], "not_allowed");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_to_no_question_is_refused() {
    let (_world, mut person, _program) = asked().await;
    person.send(b"{\"ask\":\"decide\",\"question\":7,\"verdict\":\"always\"}\n");
    assert_eq!(person.answer_with("error")["code"], "no_such_question");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_program_can_neither_hear_the_questions_nor_answer_them() {
    let world = World::signed_in().await;
    tokio::spawn(world.agent(Unknown::Ask).unwrap().serve());
    let script = r#"
import socket, sys
s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); f = s.makefile("rw")
for line in ('{"ask":"subscribe","decide":true}', '{"ask":"decide","question":1,"verdict":"always"}'):
    f.write(line + "\n"); f.flush(); print(f.readline().strip())
"#;
    let output = Command::new("python3").args(["-c", script]).arg(world.place().socket()).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(said.matches(r#"{"error":{"code":"not_allowed""#).count(), 2, "{said}");
    assert!(Path::new(&world.place().socket()).exists());
}
