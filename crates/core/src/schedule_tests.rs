//! The background task in simulated time: sleep, clocks set wrong, many accounts, slow and troubled services.

use std::sync::Arc;
use std::time::Duration;

use pilotlight_vault::{GrantId, MemoryVault, Vault as _};

use crate::parts::Clock as _;
use crate::simulation::{FakeServer, Fault, SimulatedClock, Weather, config, record, sign_in};
use crate::values::ExposeSecret as _;
use crate::{Config, ErrorCode, Home, Pilotlight, Status};

const TTL: Duration = Duration::from_secs(900);

struct World {
    _folder: tempfile::TempDir,
    clock: Arc<SimulatedClock>,
    server: Arc<FakeServer>,
    config: Config,
    vault: Arc<MemoryVault>,
    pilotlight: Pilotlight,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(SimulatedClock::start());
        let server = Arc::new(FakeServer::new(clock.clone(), TTL));
        let config = config(Home::at(folder.path().join("home")).unwrap(), clock.clone(), server.clone());
        let vault = Arc::new(MemoryVault::default());
        let pilotlight = Pilotlight::with_vault(config.clone(), vault.clone());
        Self { _folder: folder, clock, server, config, vault, pilotlight }
    }

    async fn signed_in() -> Self {
        let world = Self::new();
        world.sign_in("work").await;
        world
    }

    async fn sign_in(&self, name: &str) {
        sign_in(&self.pilotlight, name).await.unwrap();
    }

    async fn token(&self) -> String {
        self.pilotlight.access_token("work", Duration::ZERO).await.unwrap().token.expose_secret().to_owned()
    }
}

#[tokio::test(start_paused = true)]
async fn after_a_sleep_that_went_over_the_due_time_the_tokens_are_refreshed_at_the_wake_up() {
    let world = World::signed_in().await;
    let task = tokio::spawn(world.pilotlight.clone().keep_fresh());
    tokio::time::sleep(Duration::from_secs(60)).await;
    world.clock.sleep_machine(Duration::from_secs(8 * 3600));
    tokio::time::sleep(Duration::from_secs(1)).await;
    task.abort();
    assert_eq!(world.server.refreshes(), 1);
    let before = world.server.requests();
    world.token().await;
    assert_eq!(world.server.requests(), before, "the caller had to wait for a refresh");
}

#[tokio::test(start_paused = true)]
async fn a_wall_clock_that_jumps_neither_serves_a_dead_token_nor_refreshes_a_living_one() {
    for jump in [-7_200_000, 7_200_000] {
        let world = World::signed_in().await;
        let first = world.token().await;
        world.clock.set_wrong_by(jump);
        tokio::time::sleep(TTL / 2).await;
        assert_eq!(world.token().await, first, "a needless refresh with the clock off by {jump} ms");
        tokio::time::sleep(TTL / 2).await;
        assert_ne!(world.token().await, first, "a dead token was served with the clock off by {jump} ms");
        assert_eq!(world.server.refreshes(), 1);
        let told = world.pilotlight.access_token("work", Duration::ZERO).await.unwrap().expires_at.unwrap();
        let left = told.as_millis() - world.clock.now().as_millis();
        assert!((800_000..=900_000).contains(&left), "{left}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_new_process_under_a_wrong_clock_refreshes_at_most_once_and_does_not_spin() {
    for jump in [-7_200_000, 7_200_000] {
        let world = World::signed_in().await;
        world.clock.set_wrong_by(jump);
        let next = Pilotlight::with_vault(world.config.clone(), world.vault.clone());
        let task = tokio::spawn(next.clone().keep_fresh());
        tokio::time::sleep(Duration::from_secs(60)).await;
        for _ in 0..20 {
            next.access_token("work", Duration::ZERO).await.unwrap();
        }
        task.abort();
        assert_eq!(world.server.refreshes(), 1, "with the clock off by {jump} ms");
        assert!(next.wake_ups() < 10, "{} wake-ups", next.wake_ups());
    }
}

#[tokio::test(start_paused = true)]
async fn after_a_wake_up_one_service_is_asked_by_four_at_a_time() {
    let world = World::new();
    for n in 0..40 {
        world.sign_in(&format!("account {n}")).await;
    }
    let task = tokio::spawn(world.pilotlight.clone().keep_fresh());
    tokio::time::sleep(Duration::from_secs(1)).await;
    world.clock.sleep_machine(TTL * 4);
    tokio::time::sleep(Duration::from_secs(10)).await;
    task.abort();
    assert_eq!(world.server.refreshes(), 40);
    assert!(world.server.most_at_once() <= 4, "{} at once", world.server.most_at_once());
}

#[tokio::test(start_paused = true)]
async fn a_service_that_asks_for_patience_is_left_alone_by_all_its_accounts() {
    let world = World::new();
    for n in 0..20 {
        world.sign_in(&format!("account {n}")).await;
    }
    let signed_in = world.server.requests();
    world.server.fail_next([Fault::TryLater(429, 600); 4]);
    let task = tokio::spawn(world.pilotlight.clone().keep_fresh());
    world.clock.sleep_machine(TTL * 4);
    tokio::time::sleep(Duration::from_secs(590)).await;
    let asked = world.server.requests() - signed_in;
    assert!((1..=4).contains(&asked), "{asked} requests while it wanted none");
    tokio::time::sleep(Duration::from_secs(330)).await;
    task.abort();
    assert!(world.server.refreshes() >= 20, "{}", world.server.refreshes());
}

#[tokio::test(start_paused = true)]
async fn when_the_network_is_back_those_who_waited_for_it_come_at_once_and_not_all_together() {
    let world = World::signed_in().await;
    world.server.set_weather(Weather::Offline);
    let task = tokio::spawn(world.pilotlight.clone().keep_fresh());
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert!(matches!(world.pilotlight.account("work").await.unwrap().status, Status::Waiting { .. }));
    let tried = world.server.requests();
    assert!(tried < 60, "{tried} requests in an hour without a network");
    world.server.set_weather(Weather::Fine);
    world.pilotlight.try_waiting_again();
    tokio::time::sleep(Duration::from_secs(6)).await;
    task.abort();
    assert_eq!(world.pilotlight.account("work").await.unwrap().status, Status::SignedIn);
}

#[tokio::test(start_paused = true)]
async fn an_attempt_of_an_earlier_run_is_taken_up_at_once_and_can_be_seen_until_then() {
    let world = World::signed_in().await;
    world.server.fail_next([Fault::LoseAnswer]);
    let error = world.pilotlight.refresh("work").await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::NoAnswer);
    assert!(world.pilotlight.account("work").await.unwrap().unknown_since.is_some());
    let next = Pilotlight::with_vault(world.config.clone(), world.vault.clone());
    let task = tokio::spawn(next.clone().keep_fresh());
    tokio::time::sleep(Duration::from_secs(1)).await;
    task.abort();
    let account = next.account("work").await.unwrap();
    assert_eq!((account.status, account.unknown_since), (Status::SignedIn, None));
    assert_eq!((world.server.refreshes(), world.server.reuses()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_refresh_lands_before_the_program_ends() {
    let world = World::signed_in().await;
    let pilotlight = world.pilotlight.clone();
    let caller = tokio::spawn(async move { pilotlight.refresh("work").await });
    while world.server.requests() < 2 {
        tokio::task::yield_now().await;
    }
    caller.abort();
    world.pilotlight.land().await;
    assert_eq!(world.pilotlight.account("work").await.unwrap().refreshes, 1);
}

/// A transport with a fault of its own, once.
struct PanicsOnce {
    server: Arc<FakeServer>,
    done: std::sync::atomic::AtomicBool,
}

impl crate::parts::Transport for PanicsOnce {
    fn send(&self, request: pilotlight_oauth::HttpRequest) -> crate::parts::Answer<'_> {
        let first = !self.done.swap(true, std::sync::atomic::Ordering::SeqCst);
        assert!(!first, "a fault of a library");
        self.server.send(request)
    }
}

#[tokio::test(start_paused = true)]
async fn a_refresh_that_breaks_off_by_a_fault_of_ours_does_not_take_the_grant_off_the_plan() {
    let world = World::signed_in().await;
    let transport = Arc::new(PanicsOnce { server: world.server.clone(), done: false.into() });
    let config = Config { transport, ..world.config.clone() };
    let pilotlight = Pilotlight::with_vault(config, world.vault.clone());
    let task = tokio::spawn(pilotlight.keep_fresh());
    tokio::time::sleep(TTL * 2).await;
    task.abort();
    assert!(world.server.refreshes() >= 1, "it was never tried again");
}

#[tokio::test(start_paused = true)]
async fn an_account_without_a_refresh_token_is_over_when_its_access_token_is() {
    let world = World::new();
    let mut one = record(world.clock.now(), TTL);
    one.refresh_token = None;
    world.vault.create(&GrantId::from_bytes([1; 16]), &one.to_payload().unwrap()).unwrap();
    assert_eq!(world.pilotlight.account("work").await.unwrap().status, Status::SignedIn);
    tokio::time::advance(TTL).await;
    let account = world.pilotlight.account("work").await.unwrap();
    assert!(matches!(account.status, Status::Ended { .. }), "{:?}", account.status);
    let told = world.pilotlight.access_token("work", Duration::ZERO).await.unwrap_err();
    assert_eq!(told.code(), ErrorCode::NoRefreshToken);
    world.sign_in("work").await;
    assert_eq!(world.pilotlight.accounts().await.unwrap().accounts.len(), 1);
}
