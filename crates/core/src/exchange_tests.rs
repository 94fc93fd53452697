//! Exchanges in simulated time.

use std::sync::Arc;

use pilotlight_vault::MemoryVault;

use super::*;
use crate::parts::Clock as _;
use crate::simulation::{FakeServer, Fault, SimulatedClock, Weather, config};
use crate::values::ExposeSecret as _;
use crate::{Client, Home, Registration, ServiceLocation, SignIn, SignOut, Status};

const TTL: Duration = Duration::from_secs(900);
const API: Option<&str> = Some("https://api.test");

struct World {
    _folder: tempfile::TempDir,
    clock: Arc<SimulatedClock>,
    server: Arc<FakeServer>,
    pilotlight: Pilotlight,
}

impl World {
    async fn signed_in() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(SimulatedClock::start());
        let server = Arc::new(FakeServer::new(clock.clone(), TTL));
        let config = config(Home::at(folder.path().join("home")).unwrap(), clock.clone(), server.clone());
        let pilotlight = Pilotlight::with_vault(config, Arc::new(MemoryVault::default()));
        let world = Self { _folder: folder, clock, server, pilotlight };
        world.sign_in().await;
        world
    }

    async fn sign_in(&self) {
        let registration = Registration {
            name: "work".into(),
            service: ServiceLocation::Issuer("https://as.test".into()),
            client: Client { id: "pilotlight".into(), secret: None },
            scope: Scope::parse("offline_access read write"),
        };
        let with = SignIn::Password { username: "ada".into(), password: "demo".into() };
        self.pilotlight.sign_in(registration, with).await.unwrap();
    }

    async fn exchanged(&self, audience: Option<&str>, scope: &str, min_ttl: Duration) -> Result<AccessToken, Error> {
        self.pilotlight.exchanged_token("work", audience, &Scope::parse(scope), min_ttl).await
    }

    async fn text(&self, audience: Option<&str>, scope: &str) -> String {
        let token = self.exchanged(audience, scope, Duration::ZERO).await.unwrap();
        token.token.expose_secret().to_owned()
    }
}

#[tokio::test(start_paused = true)]
async fn rfc8693_section_2_1_a_token_for_one_audience_and_less_scope_is_asked_for_once_while_it_lives() {
    let world = World::signed_in().await;
    let first = world.text(API, "read").await;
    assert!(first.starts_with("xt.1.https://api.test.read."), "{first}");
    assert_eq!((world.text(API, "read").await, world.server.requests()), (first.clone(), 2));
    // Each wish has a token of its own.
    assert_ne!(world.text(API, "write").await, first);
    assert_ne!(world.text(None, "read").await, first);
    assert_eq!(world.text(API, "read").await, first);
    assert_eq!(world.server.requests(), 4);
    assert_eq!(world.server.refreshes(), 0, "nothing is spent");
}

#[tokio::test(start_paused = true)]
async fn whoever_asks_for_nothing_less_gets_the_accounts_own_token() {
    let world = World::signed_in().await;
    let own = world.pilotlight.access_token("work", Duration::ZERO).await.unwrap();
    assert_eq!(world.text(None, "").await, own.token.expose_secret());
    assert_eq!(world.server.requests(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_exchanged_token_lives_as_long_as_was_asked_for_also_after_a_sleep_and_a_clock_that_jumps() {
    let world = World::signed_in().await;
    let first = world.text(API, "read").await;
    world.clock.set_wrong_by(3_600_000);
    assert_eq!(world.text(API, "read").await, first, "the wall clock says nothing of its age");
    world.clock.set_wrong_by(0);
    tokio::time::advance(TTL / 2).await;
    assert_eq!(world.text(API, "read").await, first);
    let longer = world.exchanged(API, "read", TTL * 3 / 4).await.unwrap();
    assert_ne!(longer.token.expose_secret(), first);
    assert_eq!(world.server.refreshes(), 1, "the account's own token was too old for it");
    assert!(longer.expires_at.unwrap().since(world.clock.now()) >= TTL * 3 / 4);
    world.clock.sleep_machine(TTL);
    assert_ne!(world.text(API, "read").await, longer.token.expose_secret(), "it died while the machine slept");
}

#[tokio::test(start_paused = true)]
async fn rfc8693_section_2_2_2_a_refused_exchange_ends_nothing_and_is_told_in_the_services_words() {
    let world = World::signed_in().await;
    let grant_refused = Fault::Answer(400, "application/json", r#"{"error":"invalid_grant"}"#);
    let html = Fault::Answer(200, "text/html", "<html>Welcome to the hotel</html>");
    for (fault, code) in [
        (grant_refused, ErrorCode::ClientRefused),
        (html, ErrorCode::ServerMisbehaved),
        (Fault::TryLater(503, 1), ErrorCode::ServerUnavailable),
        (Fault::LoseAnswer, ErrorCode::NoAnswer),
        (Fault::Refuse, ErrorCode::Offline),
    ] {
        world.server.fail_next([fault]);
        assert_eq!(world.exchanged(API, "read", Duration::ZERO).await.unwrap_err().code(), code);
    }
    let refused = world.exchanged(Some("https://nobody.test"), "", Duration::ZERO).await.unwrap_err();
    assert_eq!(refused.code(), ErrorCode::ClientRefused);
    assert!(refused.message().contains("invalid_target"), "{refused}");
    assert_eq!(world.pilotlight.account("work").await.unwrap().status, Status::SignedIn);
    assert!(world.text(API, "read").await.starts_with("xt."));
}

#[tokio::test(start_paused = true)]
async fn offline_a_token_that_lives_is_lent_and_nothing_else_is() {
    let world = World::signed_in().await;
    let first = world.text(API, "read").await;
    world.server.set_weather(Weather::Offline);
    assert_eq!(world.text(API, "read").await, first);
    let other = world.exchanged(API, "write", Duration::ZERO).await.unwrap_err();
    assert_eq!(other.code(), ErrorCode::Offline);
}

#[tokio::test(start_paused = true)]
async fn after_a_sign_out_no_exchanged_token_is_lent_and_the_next_grant_has_its_own() {
    let world = World::signed_in().await;
    let first = world.text(API, "read").await;
    world.pilotlight.sign_out("work", SignOut::Everywhere).await.unwrap();
    let gone = world.exchanged(API, "read", Duration::ZERO).await.unwrap_err();
    assert_eq!(gone.code(), ErrorCode::NoSuchAccount);
    world.sign_in().await;
    assert!(world.text(API, "read").await.starts_with("xt.2."), "and not {first}");
}

#[test]
fn the_oldest_token_goes_where_too_many_are_asked_for_and_dead_ones_go_first() {
    let exchanged = Exchanged::default();
    let wish = |n: usize| Wish {
        grant: GrantId::from_bytes([1; 16]),
        audience: Some(format!("https://{n}.test")),
        scope: Scope::default(),
    };
    let token = AccessToken { token: "t".into(), token_type: "Bearer".into(), expires_at: None };
    let at = Duration::from_secs;
    for n in 0..=MOST {
        exchanged.keep(at(0), wish(n), token.clone(), at(100));
    }
    assert!(exchanged.beyond(at(50), &wish(0)).is_none());
    assert!(exchanged.beyond(at(50), &wish(1)).is_some());
    assert!(exchanged.beyond(at(100), &wish(1)).is_none());
    exchanged.keep(at(100), wish(0), token, at(200));
    assert_eq!(exchanged.all().len(), 1);
}
