//! What subscribers are told, and locking.

use pilotlight::SignOut;
use serde_json::json;

use crate::world::World;

const SUBSCRIBE: &str = r#"{"ask":"subscribe"}"#;
const TOKEN: &str = r#"{"ask":"token","account":"work"}"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_subscriber_hears_how_things_stand_and_then_what_changes() {
    let world = World::lending().await;
    let mut connection = world.connect();
    assert_eq!(connection.ask(SUBSCRIBE), json!({"done": true}));
    assert_eq!(connection.answer(), json!({"vault": "ready"}));
    assert_eq!(connection.answer(), json!({"account": {"name": "work", "status": "signed_in"}}));

    world.server.hold(true);
    let pilotlight = world.pilotlight.clone();
    let refresh = tokio::spawn(async move { pilotlight.refresh("work").await.map(drop) });
    assert_eq!(connection.answer(), json!({"account": {"name": "work", "status": "refreshing"}}));
    world.server.hold(false);
    refresh.await.unwrap().unwrap();
    assert_eq!(connection.answer(), json!({"account": {"name": "work", "status": "signed_in"}}));
    // Requests go on beside the news.
    assert!(connection.ask(TOKEN)["token"].is_object());
    world.sign_in("home").await;
    assert_eq!(connection.answer_with("account"), json!({"name": "home", "status": "signed_in"}));
    world.pilotlight.sign_out("home", SignOut::LocalOnly).await.unwrap();
    world.pilotlight.announce();
    assert_eq!(connection.answer_with("account"), json!({"name": "home", "status": "gone"}));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscriber_who_takes_nothing_is_dropped_and_nobody_waits_for_it() {
    let world = World::lending().await;
    let mut lazy = world.connect();
    lazy.send(format!("{SUBSCRIBE}\n").as_bytes());
    // Whoever begins to listen has everything told again, to all.
    for _ in 0..600 {
        let mut eager = world.connect();
        assert_eq!(eager.ask(SUBSCRIBE), json!({"done": true}));
        eager.answer_with("account");
        assert!(eager.end().iter().all(|line| line.get("error").is_none()));
    }
    let rest = lazy.end();
    assert_eq!(rest.last().unwrap()["error"]["code"], "slow");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_locked_agent_lends_nothing_until_it_is_unlocked() {
    let world = World::lending().await;
    let (mut connection, mut subscriber) = (world.connect(), world.connect());
    assert!(connection.ask(TOKEN)["token"].is_object());
    assert_eq!(subscriber.ask(SUBSCRIBE), json!({"done": true}));
    assert_eq!(subscriber.answer_with("vault"), "ready");
    assert_eq!(connection.ask(r#"{"ask":"lock"}"#), json!({"done": true}));
    assert_eq!(subscriber.answer_with("vault"), "locked");
    for request in [TOKEN, r#"{"ask":"list"}"#, r#"{"ask":"status","account":"work"}"#] {
        assert_eq!(connection.ask(request)["error"]["code"], "locked", "{request}");
    }
    assert_eq!(connection.ask(r#"{"ask":"unlock","passphrase":"any"}"#), json!({"done": true}));
    assert!(connection.ask(TOKEN)["token"].is_object());
}
