//! An agent that ends, and the next one that takes over.

use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};

use pilotlight_agent::{Agent, AskError, Client, Ended, PlaceError, Unknown};
use serde_json::json;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::world::{TTL, World};

const TOKEN: &str = r#"{"ask":"token","account":"work"}"#;

/// An agent that lends to every program until it is told to end.
fn serving(world: &World) -> (oneshot::Sender<()>, JoinHandle<Ended>) {
    let (end, ended) = oneshot::channel();
    let agent = world.agent(Unknown::Allow).unwrap();
    (end, tokio::spawn(agent.serve_until(async { drop(ended.await) })))
}

fn take_over(world: &World, socket: OwnedFd) -> Result<Agent, PlaceError> {
    let (home, place) = (world.home(), world.place());
    Agent::activated(world.pilotlight.clone(), &home, &place, Unknown::Allow, UnixListener::from(socket))
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_between_two_agents_is_answered_by_the_second() {
    let world = World::signed_in().await;
    let (end, serving) = serving(&world);
    assert!(world.connect().ask(TOKEN)["token"].is_object());
    end.send(()).unwrap();
    let ended = serving.await.unwrap();
    assert!(matches!(world.agent(Unknown::Deny), Err(PlaceError::Taken)), "the place was free before it was passed on");

    let mut waiting = world.connect();
    waiting.send(format!("{TOKEN}\n").as_bytes());
    let socket = ended.pass_on().unwrap();
    assert!(matches!(world.agent(Unknown::Deny), Err(PlaceError::Taken)), "another agent made a socket of its own");
    assert!(!waiting.has_answer());
    tokio::spawn(take_over(&world, socket).unwrap().serve());
    assert!(waiting.answer()["token"].is_object());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_asked_before_the_end_is_answered_and_who_asks_nothing_is_told_the_end() {
    let world = World::signed_in().await;
    let (end, serving) = serving(&world);
    let (mut asking, mut idle) = (world.connect(), world.connect());
    assert_eq!(idle.ask(r#"{"ask":"hello"}"#), json!({"hello": {"version": 1}}));
    world.server.hold(true);
    world.clock.by(TTL);
    asking.send(format!("{TOKEN}\n").as_bytes());
    let started = || idle.ask(r#"{"ask":"status","account":"work"}"#) == json!({"status": "refreshing"});
    assert!(std::iter::repeat_with(started).take(100_000).any(|started| started));

    end.send(()).unwrap();
    assert!(idle.answer().is_null());
    assert!(!asking.has_answer());
    world.server.hold(false);
    assert!(asking.answer()["token"].is_object());
    assert!(asking.answer().is_null());
    serving.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_that_is_cleared_has_no_socket_and_is_free() {
    let world = World::signed_in().await;
    let (end, serving) = serving(&world);
    end.send(()).unwrap();
    serving.await.unwrap().clear();
    assert!(!world.place().socket().exists());
    assert!(matches!(Client::connect(&world.place()), Err(AskError::NoAgent)));
    world.place().wait_until_free().unwrap();
    tokio::spawn(world.agent(Unknown::Allow).unwrap().serve());
    assert!(world.connect().ask(TOKEN)["token"].is_object());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_that_a_service_manager_listens_at_is_left_to_it() {
    let world = World::signed_in().await;
    drop(world.agent(Unknown::Deny).unwrap());
    let socket = world.place().socket();
    std::fs::remove_file(&socket).unwrap();
    let managed = UnixListener::bind(&socket).unwrap();
    assert!(matches!(world.agent(Unknown::Allow), Err(PlaceError::Taken)));
    assert!(UnixStream::connect(&socket).is_ok());
    tokio::spawn(take_over(&world, managed.into()).unwrap().serve());
    assert!(world.connect().ask(TOKEN)["token"].is_object());
}
