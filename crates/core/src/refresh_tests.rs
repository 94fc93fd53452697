//! The refresh under everything that logs people out, in simulated time.

use pilotlight_vault::MemoryVault;

use super::*;
use crate::parts::Clock;
use crate::simulation::{FakeServer, Fault, SimulatedClock, config, registration};
use crate::values::{ExposeSecret as _, SignedOut};
use crate::{Config, Home, Registration, SignIn, SignOut, Status};

#[path = "refresh_disk_tests.rs"]
mod disk;

const TTL: Duration = Duration::from_secs(900);
const HTML: Fault = Fault::Answer(200, "text/html", "<html>Welcome to the hotel</html>");

struct World {
    _folder: tempfile::TempDir,
    clock: Arc<SimulatedClock>,
    server: Arc<FakeServer>,
    config: Config,
    pilotlight: Pilotlight,
}

impl World {
    async fn signed_in(make: impl FnOnce(FakeServer) -> FakeServer) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(SimulatedClock::start());
        let server = Arc::new(make(FakeServer::new(clock.clone(), TTL)));
        let config = config(Home::at(folder.path().join("home")).unwrap(), clock.clone(), server.clone());
        let pilotlight = Pilotlight::with_vault(config.clone(), Arc::new(MemoryVault::default()));
        let world = Self { _folder: folder, clock, server, config, pilotlight };
        world.sign_in("demo").await.unwrap();
        world
    }

    async fn sign_in(&self, password: &str) -> Result<crate::Account, Error> {
        let with = SignIn::Password { username: "ada".into(), password: password.into() };
        self.pilotlight.sign_in(registration("work"), with).await
    }

    async fn token(&self) -> Result<String, Error> {
        self.pilotlight.access_token("work", Duration::ZERO).await.map(|token| token.token.expose_secret().to_owned())
    }

    async fn status(&self) -> Status {
        self.pilotlight.account("work").await.unwrap().status
    }

    async fn kinds(&self) -> Vec<EventKind> {
        self.pilotlight.events(None, 100).await.unwrap().into_iter().rev().map(|entry| entry.kind).collect()
    }
}

#[tokio::test(start_paused = true)]
async fn a_living_token_is_lent_without_a_refresh_and_a_dead_one_with_one() {
    let world = World::signed_in(|server| server).await;
    let first = world.token().await.unwrap();
    assert_eq!(world.token().await.unwrap(), first);
    tokio::time::advance(TTL).await;
    assert_ne!(world.token().await.unwrap(), first);
    assert_eq!(world.server.refreshes(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_thousand_callers_at_the_moment_of_expiry_share_one_refresh() {
    let world = World::signed_in(|server| server.slow(Duration::from_millis(300))).await;
    tokio::time::advance(TTL).await;
    let callers: Vec<_> = (0..1000)
        .map(|_| {
            let pilotlight = world.pilotlight.clone();
            tokio::spawn(async move { pilotlight.access_token("work", Duration::from_secs(5000)).await })
        })
        .collect();
    let mut tokens = std::collections::HashSet::new();
    for caller in callers {
        tokens.insert(caller.await.unwrap().unwrap().token.expose_secret().to_owned());
    }
    assert_eq!((world.server.requests(), tokens.len()), (2, 1), "one sign-in and one refresh");
}

#[tokio::test(start_paused = true)]
async fn who_asks_for_more_than_a_whole_life_gets_a_token_of_at_most_half_a_minute() {
    let world = World::signed_in(|server| server).await;
    let too_much = || world.pilotlight.access_token("work", TTL * 2);
    too_much().await.unwrap();
    assert_eq!(world.server.refreshes(), 0, "it has just been issued");
    tokio::time::advance(Duration::from_secs(31)).await;
    let first = too_much().await.unwrap();
    tokio::time::advance(Duration::from_secs(29)).await;
    let late = too_much().await.unwrap();
    assert_eq!(late.token.expose_secret(), first.token.expose_secret());
    assert_eq!(world.server.refreshes(), 1);
    tokio::time::advance(Duration::from_secs(2)).await;
    too_much().await.unwrap();
    assert_eq!(world.server.refreshes(), 2);
    // What can be had is had: less than a whole life is no matter of taste.
    tokio::time::advance(Duration::from_secs(2)).await;
    world.pilotlight.access_token("work", TTL.checked_sub(Duration::from_secs(1)).unwrap()).await.unwrap();
    assert_eq!(world.server.refreshes(), 3);
}

#[tokio::test(start_paused = true)]
async fn two_cores_on_one_vault_refresh_once() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(SimulatedClock::start());
    let server = Arc::new(FakeServer::new(clock.clone(), TTL).strict());
    let config = config(Home::at(folder.path().join("home")).unwrap(), clock, server.clone());
    let vault = Arc::new(MemoryVault::default());
    let cores: Vec<_> = (0..4).map(|_| Pilotlight::with_vault(config.clone(), vault.clone())).collect();
    let with = SignIn::Password { username: "ada".into(), password: "demo".into() };
    cores[0].sign_in(registration("work"), with).await.unwrap();
    tokio::time::advance(TTL).await;
    let callers: Vec<_> = (0..200)
        .map(|n| {
            let core = cores[n % 4].clone();
            tokio::spawn(async move { core.access_token("work", Duration::ZERO).await })
        })
        .collect();
    for caller in callers {
        caller.await.unwrap().unwrap();
    }
    assert_eq!((server.refreshes(), server.reuses()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn p1_nothing_but_a_proven_invalid_grant_ends_a_grant() {
    let world = World::signed_in(|server| server).await;
    tokio::time::advance(TTL * 2).await;
    let faults = [
        Fault::Refuse,
        HTML,
        Fault::Answer(500, "application/json", r#"{"error":"invalid_grant"}"#),
        Fault::Answer(503, "text/html", "<h1>down</h1>"),
        Fault::Answer(429, "application/json", "{}"),
        Fault::Answer(403, "text/html", "forbidden"),
        Fault::Answer(400, "application/json", "{not json"),
        Fault::Answer(400, "text/html", r#"{"error":"invalid_grant"}"#),
        Fault::Answer(401, "application/json", r#"{"error":"invalid_client"}"#),
        Fault::Answer(302, "text/html", ""),
        Fault::Answer(200, "application/json", "{}"),
    ];
    for fault in faults {
        world.server.fail_next([fault]);
        let error = world.pilotlight.refresh("work").await.unwrap_err();
        assert_ne!(error.kind(), crate::ErrorKind::NeedsSignIn, "{fault:?}");
        assert!(matches!(world.status().await, Status::Waiting { .. }), "{fault:?}");
    }
    world.pilotlight.refresh("work").await.unwrap();
    assert_eq!(world.status().await, Status::SignedIn);
}

#[tokio::test(start_paused = true)]
async fn p1_a_revoked_grant_is_quarantined_with_its_reason_and_never_spent_again() {
    let world = World::signed_in(|server| server).await;
    world.server.revoke(1);
    tokio::time::advance(TTL).await;
    let error = world.token().await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::GrantRefused);
    assert!(error.message().contains("the grant was revoked"), "{error}");
    let sent = world.server.requests();
    assert_eq!(world.token().await.unwrap_err().code(), ErrorCode::GrantRefused);
    assert_eq!(world.pilotlight.refresh("work").await.unwrap_err().code(), ErrorCode::GrantRefused);
    assert_eq!(world.server.requests(), sent, "a quarantined token was sent");
    assert_eq!(world.kinds().await.last(), Some(&EventKind::Ended));
    assert!(matches!(world.status().await, Status::Ended { reason: EndReason::Refused, .. }));
    // Signing in again takes the name over.
    world.sign_in("demo").await.unwrap();
    assert_eq!(world.pilotlight.accounts().await.unwrap().accounts.len(), 1);
    assert_eq!(world.status().await, Status::SignedIn);
}

#[tokio::test(start_paused = true)]
async fn p9_a_lost_answer_is_asked_for_again_with_the_same_key_and_costs_nothing() {
    let world = World::signed_in(|server| server).await;
    tokio::time::advance(TTL).await;
    world.server.fail_next([Fault::LoseAnswer, Fault::LoseAnswer]);
    for _ in 0..2 {
        assert_eq!(world.pilotlight.refresh("work").await.unwrap_err().code(), ErrorCode::NoAnswer);
    }
    world.pilotlight.refresh("work").await.unwrap();
    assert_eq!((world.server.refreshes(), world.server.reuses()), (1, 0));
    assert!(world.server.is_alive(1));
}

#[tokio::test(start_paused = true)]
async fn p9_an_attempt_of_a_crashed_process_is_repeated_with_its_key() {
    let world = World::signed_in(|server| server).await;
    tokio::time::advance(TTL).await;
    world.server.fail_next([Fault::LoseAnswer]);
    world.pilotlight.refresh("work").await.unwrap_err();
    let vault = Arc::new(MemoryVault::default());
    copy(&world.pilotlight, &vault).await;
    let next = Pilotlight::with_vault(world.config.clone(), vault);
    next.access_token("work", Duration::ZERO).await.unwrap();
    assert_eq!((world.server.refreshes(), world.server.reuses()), (1, 0));
    assert!(world.kinds().await.contains(&EventKind::Resumed));
}

/// What a new process would find on disk.
async fn copy(from: &Pilotlight, to: &Arc<MemoryVault>) {
    use pilotlight_vault::{Listed, Vault as _};
    for entry in from.with_vault_do(|vault| vault.list()).await.unwrap() {
        let Listed::Record(record) = entry else { panic!("a damaged record") };
        to.create(&record.id, &record.payload).unwrap();
        if let Some(attempt) = &record.attempt {
            to.begin_attempt(&record.id, 1, None, attempt).unwrap();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn with_a_strict_foreign_server_a_lost_answer_is_told_as_such_and_not_as_theft() {
    let world = World::signed_in(FakeServer::strict).await;
    tokio::time::advance(TTL).await;
    world.server.fail_next([Fault::LoseAnswer]);
    world.pilotlight.refresh("work").await.unwrap_err();
    assert_eq!(world.pilotlight.refresh("work").await.unwrap_err().code(), ErrorCode::LostAnswer);
}

#[tokio::test(start_paused = true)]
async fn p8_a_revocation_after_an_offline_spell_is_not_told_as_a_lost_answer() {
    let world = World::signed_in(|server| server).await;
    tokio::time::advance(TTL).await;
    world.server.fail_next([Fault::Refuse, Fault::Refuse]);
    for _ in 0..2 {
        assert_eq!(world.pilotlight.refresh("work").await.unwrap_err().code(), ErrorCode::Offline);
    }
    world.server.revoke(1);
    assert_eq!(world.pilotlight.refresh("work").await.unwrap_err().code(), ErrorCode::GrantRefused);
    assert!(!world.kinds().await.contains(&EventKind::Resumed), "nothing was resumed");
}

#[tokio::test(start_paused = true)]
async fn an_answer_without_a_refresh_token_keeps_the_old_one() {
    let world = World::signed_in(|server| server).await;
    world.server.stop_rotating(1);
    for _ in 0..3 {
        tokio::time::advance(TTL).await;
        world.token().await.unwrap();
    }
    assert_eq!(world.server.refreshes(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_failing_server_is_not_stormed_and_a_living_token_is_still_lent() {
    let world = World::signed_in(|server| server).await;
    tokio::time::advance(TTL.mul_f64(0.95)).await;
    world.server.fail_next([Fault::Answer(503, "text/plain", ""); 50]);
    for _ in 0..50 {
        world.token().await.unwrap();
    }
    world.pilotlight.access_token("work", Duration::from_secs(300)).await.unwrap_err();
    let sent = world.server.requests();
    for _ in 0..50 {
        world.pilotlight.access_token("work", Duration::from_secs(300)).await.unwrap_err();
    }
    assert_eq!((sent, world.server.requests()), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn a_caller_who_goes_away_cannot_tear_a_refresh_in_half() {
    let world = World::signed_in(|server| server.slow(Duration::from_secs(3))).await;
    tokio::time::advance(TTL).await;
    let pilotlight = world.pilotlight.clone();
    let caller = tokio::spawn(async move { pilotlight.access_token("work", Duration::ZERO).await });
    while world.server.requests() < 2 {
        tokio::task::yield_now().await;
    }
    caller.abort();
    world.token().await.unwrap();
    assert_eq!((world.server.refreshes(), world.server.reuses()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn p7_the_background_task_refreshes_ahead_of_expiry_and_not_more_often() {
    let world = World::signed_in(|server| server).await;
    let task = tokio::spawn(world.pilotlight.clone().keep_fresh());
    let day = Duration::from_secs(24 * 3600);
    let steps = 24 * 60;
    for _ in 0..steps {
        tokio::time::sleep(day / steps).await;
        let stored = world.pilotlight.account("work").await.unwrap();
        assert!(stored.access_expires_at.unwrap() > world.clock.now(), "the token had expired");
    }
    task.abort();
    // A token is used for 69 to 75 % of its life.
    let refreshes = world.server.refreshes();
    assert!((128..=140).contains(&refreshes), "{refreshes}");
    assert_eq!(world.server.reuses(), 0);
}

#[tokio::test(start_paused = true)]
async fn the_background_task_goes_on_after_an_outage() {
    let world = World::signed_in(|server| server).await;
    let task = tokio::spawn(world.pilotlight.clone().keep_fresh());
    world.server.fail_next([Fault::Refuse; 12]);
    tokio::time::sleep(Duration::from_secs(3 * 3600)).await;
    task.abort();
    assert!(world.server.refreshes() >= 5, "{}", world.server.refreshes());
    assert_eq!(world.status().await, Status::SignedIn);
}

#[tokio::test(start_paused = true)]
async fn signing_out_revokes_and_leaves_nothing_behind() {
    let world = World::signed_in(|server| server).await;
    assert_eq!(world.pilotlight.sign_out("work", SignOut::Everywhere).await.unwrap(), SignedOut::Revoked);
    assert!(!world.server.is_alive(1));
    assert_eq!(world.token().await.unwrap_err().code(), ErrorCode::NoSuchAccount);
    assert!(world.pilotlight.accounts().await.unwrap().accounts.is_empty());
    assert_eq!(world.kinds().await, [EventKind::SignedIn, EventKind::SignedOut]);
}

#[tokio::test(start_paused = true)]
async fn signing_out_during_a_refresh_revokes_the_newest_token() {
    let world = World::signed_in(|server| server.slow(Duration::from_secs(2))).await;
    tokio::time::advance(TTL).await;
    let pilotlight = world.pilotlight.clone();
    let caller = tokio::spawn(async move { pilotlight.access_token("work", Duration::ZERO).await });
    while world.server.requests() < 2 {
        tokio::task::yield_now().await;
    }
    assert_eq!(world.pilotlight.sign_out("work", SignOut::Everywhere).await.unwrap(), SignedOut::Revoked);
    caller.await.unwrap().unwrap();
    assert!(!world.server.is_alive(1));
    assert_eq!(world.server.reuses(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_wrong_password_and_a_taken_name_are_told_apart() {
    let world = World::signed_in(|server| server).await;
    assert_eq!(world.sign_in("demo").await.unwrap_err().code(), ErrorCode::NameTaken);
    world.pilotlight.sign_out("work", SignOut::LocalOnly).await.unwrap();
    assert!(world.server.is_alive(1));
    assert_eq!(world.sign_in("wrong").await.unwrap_err().code(), ErrorCode::WrongCredentials);
    assert!(world.pilotlight.accounts().await.unwrap().accounts.is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_imported_refresh_token_is_rotated_at_once() {
    let world = World::signed_in(|server| server).await;
    let other = registration("copy");
    world.pilotlight.sign_in(other.clone(), SignIn::RefreshToken("rt.1.0".into())).await.unwrap();
    assert_eq!(world.server.refreshes(), 1);
    let nonsense = Registration { name: "third".into(), ..other };
    let error = world.pilotlight.sign_in(nonsense, SignIn::RefreshToken("junk".into())).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::WrongCredentials);
    assert_eq!(world.pilotlight.accounts().await.unwrap().accounts.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_clock_two_hours_off_signs_nobody_out() {
    for off in [-7_200_000, 7_200_000] {
        let world = World::signed_in(|server| server).await;
        world.clock.set_wrong_by(off);
        let before = world.server.requests();
        for _ in 0..10 {
            world.token().await.unwrap();
        }
        assert!(world.server.requests() - before <= 1, "it spins with the clock off by {off} ms");
        assert!(world.server.is_alive(1));
    }
}

#[tokio::test(start_paused = true)]
async fn a_lock_that_cannot_be_made_does_not_make_the_planner_spin() {
    let world = World::signed_in(|server| server).await;
    let locks = world.config.home.locks();
    std::fs::remove_dir_all(&locks).unwrap();
    std::fs::write(&locks, "in the way").unwrap();
    let mut changes = world.pilotlight.subscribe();
    let task = tokio::spawn(world.pilotlight.clone().keep_fresh());
    tokio::time::sleep(TTL + Duration::from_secs(600)).await;
    task.abort();
    let announced = *changes.borrow_and_update();
    assert!(announced < 60, "it tried again {announced} times in ten minutes");
    assert!(matches!(world.status().await, Status::Waiting { .. }));
    std::fs::remove_file(&locks).unwrap();
    world.pilotlight.refresh("work").await.unwrap();
    assert_eq!(world.status().await, Status::SignedIn);
}

#[tokio::test(start_paused = true)]
async fn p8_every_state_is_explained_in_a_sentence_with_its_timeline() {
    let world = World::signed_in(|server| server).await;
    let explain = async || world.pilotlight.explain("work").await.unwrap();
    assert!(explain().await.sentence.contains("those of the sign-in"));
    world.pilotlight.refresh("work").await.unwrap();
    assert!(explain().await.sentence.contains("refreshed on time"));

    world.server.fail_next([Fault::Refuse, Fault::Refuse, Fault::LoseAnswer]);
    for _ in 0..3 {
        world.pilotlight.refresh("work").await.unwrap_err();
    }
    let waiting = explain().await;
    assert!(
        waiting.sentence.contains("tried 3 times") && waiting.sentence.contains("same key"),
        "{}",
        waiting.sentence
    );
    assert!(waiting.until.unwrap() > world.clock.now() && waiting.since.unwrap() <= world.clock.now());

    world.pilotlight.refresh("work").await.unwrap();
    world.server.revoke(1);
    tokio::time::advance(Duration::from_secs(7200)).await;
    world.pilotlight.refresh("work").await.unwrap_err();
    let ended = explain().await;
    assert!(
        ended.sentence.contains("the grant was revoked") && ended.sentence.contains("2 hours before"),
        "{}",
        ended.sentence
    );
    let kinds: Vec<_> = ended.timeline.iter().map(|entry| entry.kind).collect();
    assert_eq!((kinds.first(), kinds.last()), (Some(&EventKind::SignedIn), Some(&EventKind::Ended)));

    world.pilotlight.sign_out("work", SignOut::LocalOnly).await.unwrap();
    assert!(explain().await.sentence.contains("Signed out here only"));
    assert_eq!(world.pilotlight.explain("never").await.unwrap_err().code(), ErrorCode::NoSuchAccount);
    assert_eq!(world.pilotlight.verify_journal().await.unwrap(), crate::journal::Chain::Whole);
}
