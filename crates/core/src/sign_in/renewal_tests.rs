//! Signing in again to an account that lives.

use std::sync::Arc;
use std::time::Duration;

use pilotlight_oauth::ExposeSecret as _;
use pilotlight_vault::MemoryVault;

use crate::journal::EventKind;
use crate::simulation::{FakeServer, SimulatedClock, config, password, sign_in};
use crate::{ErrorCode, Home, Pilotlight, Scope, SignIn, Status};

struct World {
    _folder: tempfile::TempDir,
    server: Arc<FakeServer>,
    pilotlight: Pilotlight,
}

impl World {
    async fn signed_in() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(SimulatedClock::start());
        let server = Arc::new(FakeServer::new(clock.clone(), Duration::from_secs(900)));
        let config = config(Home::at(folder.path().join("home")).unwrap(), clock, server.clone());
        let pilotlight = Pilotlight::with_vault(config, Arc::new(MemoryVault::default()));
        sign_in(&pilotlight, "work").await.unwrap();
        Self { _folder: folder, server, pilotlight }
    }

    async fn token(&self) -> String {
        let token = self.pilotlight.access_token("work", Duration::ZERO).await.unwrap();
        token.token.expose_secret().to_owned()
    }
}

#[tokio::test(start_paused = true)]
async fn a_living_account_takes_over_the_tokens_of_a_new_sign_in_and_stays_the_same_account() {
    let world = World::signed_in().await;
    world.pilotlight.refresh("work").await.unwrap();
    let before = world.pilotlight.account("work").await.unwrap();
    assert!(world.token().await.starts_with("at.1."));

    let more = Scope::parse("devices offline_access");
    let after = world.pilotlight.sign_in_for_more("work", password(), &more).await.unwrap();
    assert_eq!((after.id, after.status, after.refreshes), (before.id, Status::SignedIn, 0));
    assert_eq!(after.scope.to_string(), "offline_access devices");
    assert!(world.token().await.starts_with("at.2."), "whoever asks gets the new ones at once");
    world.pilotlight.refresh("work").await.unwrap();
    assert_eq!((world.pilotlight.accounts().await.unwrap().accounts.len(), world.server.reuses()), (1, 0));
    let kinds: Vec<_> =
        world.pilotlight.events(Some("work"), 9).await.unwrap().iter().map(|event| event.kind).collect();
    use EventKind::{Refreshed, SignedIn};
    assert_eq!(kinds, [Refreshed, SignedIn, Refreshed, SignedIn]);
    assert!(world.server.is_alive(1), "a service that may revoke both at once is not told to revoke the old one");
}

#[tokio::test(start_paused = true)]
async fn a_sign_in_that_comes_to_nothing_leaves_a_living_account_as_it_was() {
    let world = World::signed_in().await;
    let wrong = SignIn::Password { username: "ada".into(), password: "wrong".into() };
    let refused = world.pilotlight.sign_in_again("work", wrong).await.unwrap_err();
    assert_eq!(refused.code(), ErrorCode::WrongCredentials);
    let foreign = world.pilotlight.sign_in_again("work", SignIn::RefreshToken("rt".into())).await.unwrap_err();
    assert_eq!(foreign.code(), ErrorCode::NameTaken);
    world.pilotlight.refresh("work").await.unwrap();
    assert!(world.token().await.starts_with("at.1."));
}

#[tokio::test(start_paused = true)]
async fn somebody_else_cannot_take_over_an_account_and_keeps_nothing() {
    let world = World::signed_in().await;
    let grace = SignIn::Password { username: "grace".into(), password: "demo".into() };
    let refused = world.pilotlight.sign_in_again("work", grace).await.unwrap_err();
    assert_eq!(refused.code(), ErrorCode::NameTaken);
    assert!(refused.message().contains("grace") && refused.message().contains("ada"), "{refused}");
    assert!(!world.server.is_alive(2) && world.server.is_alive(1), "the new tokens were given back");
    assert!(world.token().await.starts_with("at.1."));
}

#[tokio::test(start_paused = true)]
async fn a_refresh_that_was_under_way_and_a_new_sign_in_do_not_harm_one_another() {
    let world = World::signed_in().await;
    world.server.hold(true);
    let refresher = world.pilotlight.clone();
    let refresh = tokio::spawn(async move { refresher.refresh("work").await });
    tokio::task::yield_now().await;
    let again = world.pilotlight.clone();
    let renewed = tokio::spawn(async move { again.sign_in_again("work", password()).await });
    tokio::task::yield_now().await;
    world.server.hold(false);
    refresh.await.unwrap().unwrap();
    renewed.await.unwrap().unwrap();
    world.pilotlight.refresh("work").await.unwrap();
    assert!(world.token().await.starts_with("at.2.") && world.server.reuses() == 0);
}
