//! Clients that send what they should not change nothing for the others.

use serde_json::{Value, json};

use crate::world::{Connection, World};

const TOKEN: &str = r#"{"ask":"token","account":"work"}"#;
const HELLO: &str = r#"{"ask":"hello"}"#;

fn is_served(connection: &mut Connection) -> bool {
    connection.ask(TOKEN)["token"].is_object() && connection.ask(HELLO) == json!({"hello": {"version": 1}})
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_is_refused_and_the_connection_goes_on() {
    let world = World::lending().await;
    let mut connection = world.connect();
    for garbage in ["", "{", "[]", "null", "\u{0}", r#"{"ask":"refresh_token","account":"work"}"#, r#"{"ask":"token"}"#]
    {
        assert_eq!(connection.ask(garbage)["error"]["code"], "bad_request", "{garbage:?}");
    }
    connection.send(b"\xff\xfe\n");
    assert_eq!(connection.answer()["error"]["code"], "bad_request");
    let deep = "[".repeat(60_000);
    assert_eq!(connection.ask(&deep)["error"]["code"], "bad_request");
    assert!(is_served(&mut connection));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_of_64_kib_is_read_and_one_byte_more_ends_the_connection() {
    let world = World::lending().await;
    let mut connection = world.connect();
    let mut line = HELLO.to_owned();
    line.push_str(&" ".repeat(64 * 1024 - line.len()));
    assert_eq!(connection.ask(&line), json!({"hello": {"version": 1}}));

    let mut other = world.connect();
    connection.send(format!("{line} ").as_bytes());
    assert_eq!(connection.answer()["error"]["code"], "bad_request");
    assert_eq!(connection.answer(), Value::Null);
    assert!(is_served(&mut other));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_sends_half_a_line_keeps_nobody_waiting() {
    let world = World::lending().await;
    let (mut slow, mut other) = (world.connect(), world.connect());
    slow.send(&TOKEN.as_bytes()[..10]);
    assert!(is_served(&mut other));
    slow.send(&TOKEN.as_bytes()[10..]);
    slow.send(b"\n");
    assert!(slow.answer()["token"].is_object());
    // Half a line at the end is not taken for a request.
    slow.send(&TOKEN.as_bytes()[..10]);
    let before = world.server.requests();
    assert!(matches!(&slow.end()[..], [said] if said["error"]["code"] == "bad_request"));
    assert_eq!(world.server.requests(), before);
    assert!(is_served(&mut other));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_process_gets_32_connections_and_another_when_one_is_given_back() {
    let world = World::lending().await;
    let mut connections: Vec<_> = (0..32).map(|_| world.connect()).collect();
    // The first is accepted before the last: once the last is served, all are.
    assert!(is_served(&mut connections[31]));
    let mut one_more = world.connect();
    assert_eq!(one_more.answer()["error"]["code"], "busy");
    assert_eq!(one_more.answer(), Value::Null);
    assert!(connections.pop().unwrap().end().is_empty());
    assert!(is_served(&mut world.connect()));
    assert!(connections.iter_mut().all(is_served));
}
