//! Where the socket may be.

use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::net::UnixListener;

use pilotlight_agent::{Agent, AskError, Client, PlaceError, Unknown};

use crate::world::World;

fn mode(path: &std::path::Path) -> u32 {
    path.symlink_metadata().unwrap().permissions().mode() & 0o777
}

#[tokio::test(flavor = "multi_thread")]
async fn the_socket_is_of_its_user_alone_and_one_agent_serves_it() {
    let world = World::signed_in().await;
    assert!(matches!(Client::connect(&world.place()), Err(AskError::NoAgent)));
    let agent = world.agent(Unknown::Deny).unwrap();
    let socket = world.place().socket();
    assert_eq!((mode(socket.parent().unwrap()), mode(&socket)), (0o700, 0o600));
    assert!(matches!(world.agent(Unknown::Deny), Err(PlaceError::Taken)));
    // What a dead agent leaves behind is no hindrance.
    drop(agent);
    assert!(socket.exists());
    assert!(matches!(Client::connect(&world.place()), Err(AskError::NoAgent)));
    world.agent(Unknown::Deny).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_that_is_a_link_is_used_by_neither_side() {
    let world = World::signed_in().await;
    drop(world.agent(Unknown::Deny).unwrap());
    let socket = world.place().socket();
    std::fs::remove_file(&socket).unwrap();
    let elsewhere = world.folder().join("elsewhere.sock");
    let _listener = UnixListener::bind(&elsewhere).unwrap();
    symlink(&elsewhere, &socket).unwrap();
    assert!(matches!(world.agent(Unknown::Deny), Err(PlaceError::Unsafe(path)) if path == socket));
    assert!(matches!(Client::connect(&world.place()), Err(AskError::NoAgent)));
    assert!(elsewhere.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_is_a_link_or_open_to_others_is_used_by_neither_side() {
    let world = World::signed_in().await;
    let folder = world.place().socket().parent().unwrap().to_owned();
    let elsewhere = world.folder().join("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    let _listener = UnixListener::bind(elsewhere.join("agent.sock")).unwrap();
    symlink(&elsewhere, &folder).unwrap();
    assert!(matches!(world.agent(Unknown::Deny), Err(PlaceError::Unsafe(path)) if path == folder));
    assert!(matches!(Client::connect(&world.place()), Err(AskError::NoAgent)));

    std::fs::remove_file(&folder).unwrap();
    std::fs::rename(&elsewhere, &folder).unwrap();
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o750)).unwrap();
    assert!(matches!(world.agent(Unknown::Deny), Err(PlaceError::Unsafe(path)) if path == folder));
    assert!(matches!(Client::connect(&world.place()), Err(AskError::NoAgent)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_that_was_passed_on_is_served_only_where_ours_would_be_and_for_us_alone() {
    let world = World::signed_in().await;
    let socket = world.place().socket();
    let folder = socket.parent().unwrap();
    std::fs::create_dir(folder).unwrap();
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700)).unwrap();
    let activated =
        |listener| Agent::activated(world.pilotlight.clone(), &world.home(), &world.place(), Unknown::Allow, listener);
    let elsewhere = UnixListener::bind(world.folder().join("elsewhere.sock")).unwrap();
    assert!(matches!(activated(elsewhere), Err(PlaceError::Unsafe(path)) if path == socket));

    let agent = activated(UnixListener::bind(&socket).unwrap()).unwrap();
    tokio::spawn(agent.serve());
    assert!(world.connect().ask(r#"{"ask":"token","account":"work"}"#)["token"].is_object());
    assert!(matches!(world.agent(Unknown::Deny), Err(PlaceError::Taken)));
}
