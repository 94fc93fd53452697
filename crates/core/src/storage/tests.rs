//! Choosing a strategy and moving between two, over real files and a keystore in memory.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use pilotlight_vault::Strategy;

use super::{Moving, VaultStatus};
use crate::journal::EventKind;
use crate::simulation::{FakeServer, SimulatedClock, Weather, config, sign_in};
use crate::values::ExposeSecret as _;
use crate::{Config, ErrorCode, Home, Pilotlight};

pub(crate) const TTL: Duration = Duration::from_secs(900);

pub(crate) struct World {
    folder: tempfile::TempDir,
    server: Arc<FakeServer>,
    config: Config,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(SimulatedClock::start());
        let server = Arc::new(FakeServer::new(clock.clone(), TTL).strict());
        let config = config(Home::at(folder.path().join("home")).unwrap(), clock, server.clone());
        Self { folder, server, config }
    }

    pub(crate) async fn with_accounts(names: &[&str]) -> Self {
        let world = Self::new();
        for name in names {
            world.sign_in(name).await;
        }
        world
    }

    pub(crate) fn process(&self) -> Pilotlight {
        Pilotlight::new(self.config.clone())
    }

    async fn sign_in(&self, name: &str) {
        sign_in(&self.process(), name).await.unwrap();
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join("home").join(name)
    }

    /// Every account answers, was never told of as reused, and no trace of a move is left.
    async fn assert_whole(&self, names: &[&str], context: &str) {
        let process = self.process();
        let accounts = process.accounts().await.unwrap_or_else(|error| panic!("{context}: {error}"));
        let found: Vec<_> = accounts.accounts.iter().map(|account| account.name.as_str()).collect();
        assert_eq!((found.as_slice(), accounts.damaged.len()), (names, 0), "{context}");
        for name in names {
            process.refresh(name).await.unwrap_or_else(|error| panic!("{context}: {name}: {error}"));
        }
        assert_eq!(self.server.reuses(), 0, "{context}");
        assert!(!self.file("migration.json").exists(), "{context}");
        let kept = [("vault.db", Strategy::SqliteAead), ("vault.json", Strategy::PlainFile)];
        for (file, strategy) in kept {
            assert_eq!(self.file(file).exists(), process.strategy().unwrap() == strategy, "{context}: {file}");
        }
    }
}

fn quiet(_: Moving) {}

#[tokio::test(start_paused = true)]
async fn every_grant_moves_its_token_is_rotated_and_nothing_of_the_old_storage_stays() {
    let world = World::with_accounts(&["home", "work"]).await;
    let other = world.process();
    let before = other.access_token("work", Duration::ZERO).await.unwrap();
    let moved = world.process().migrate(Strategy::PlainFile, None, quiet).await.unwrap();
    assert_eq!((moved.from, moved.to, moved.grants), (Strategy::SqliteAead, Strategy::PlainFile, 2));
    assert_eq!((moved.not_rotated.len(), world.server.refreshes()), (0, 2));
    assert!(!world.file("rotate").exists());
    // A process that had the old vault open goes on with the new one.
    let after = other.access_token("work", Duration::ZERO).await.unwrap();
    assert_ne!(before.token.expose_secret(), after.token.expose_secret());
    assert!(matches!(other.vault_status(), VaultStatus::Ready { strategy: "plain-file", .. }));
    world.assert_whole(&["home", "work"], "moved").await;
    let events = other.events(None, 100).await.unwrap();
    assert!(events.iter().any(|entry| entry.kind == EventKind::Moved));
    world.process().migrate(Strategy::SqliteAead, None, quiet).await.unwrap();
    world.assert_whole(&["home", "work"], "moved back").await;
}

#[tokio::test(start_paused = true)]
async fn a_move_that_is_killed_at_any_step_loses_nothing_and_leaves_nothing() {
    let names = ["a", "b", "c"];
    for kill_at in 0.. {
        let world = World::with_accounts(&names).await;
        let told = AtomicUsize::new(0);
        let tell = move |_| assert_ne!(told.fetch_add(1, Ordering::SeqCst), kill_at, "killed");
        let process = world.process();
        let moved = tokio::spawn(async move { process.migrate(Strategy::PlainFile, None, tell).await }).await;
        world.assert_whole(&names, &format!("killed at step {kill_at}")).await;
        if moved.is_ok() {
            assert!(kill_at > 12, "{kill_at}");
            break;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_could_not_be_rotated_is_rotated_once_the_network_is_back() {
    let world = World::with_accounts(&["work"]).await;
    world.server.set_weather(Weather::Offline);
    let moved = world.process().migrate(Strategy::PlainFile, None, quiet).await.unwrap();
    assert_eq!(moved.not_rotated, ["work"]);
    assert!(world.file("rotate").exists());
    world.server.set_weather(Weather::Fine);
    let task = tokio::spawn(world.process().keep_fresh());
    tokio::time::sleep(Duration::from_secs(60)).await;
    task.abort();
    assert_eq!((world.server.refreshes(), world.file("rotate").exists()), (1, false));
}

#[tokio::test(start_paused = true)]
async fn a_choice_that_somebody_edited_is_refused_and_the_grants_are_safe() {
    let world = World::with_accounts(&["work"]).await;
    std::fs::write(world.file("strategy"), "plain-file 1\n").unwrap();
    let refused = world.process().accounts().await.unwrap_err();
    assert_eq!(refused.code(), ErrorCode::VaultMoved);
    assert!(!world.file("vault.json").exists(), "a weaker vault was begun");
    std::fs::remove_file(world.file("strategy")).unwrap();
    world.assert_whole(&["work"], "undone").await;
}

#[tokio::test(start_paused = true)]
async fn a_strategy_is_chosen_before_there_are_grants_and_moved_to_afterwards() {
    let world = World::new();
    world.process().choose(Strategy::PlainFile).await.unwrap();
    world.sign_in("work").await;
    world.assert_whole(&["work"], "chosen").await;
    let refused = world.process().choose(Strategy::SqliteAead).await.unwrap_err();
    assert_eq!(refused.code(), ErrorCode::BadInput);
    let same = world.process().migrate(Strategy::PlainFile, None, quiet).await.unwrap_err();
    assert_eq!(same.code(), ErrorCode::BadInput);
}

/// In real time: simulated time would run out while one waits for the other's threads.
#[tokio::test]
async fn two_processes_that_move_at_once_do_so_one_after_the_other_and_lose_nothing() {
    let world = World::with_accounts(&["home", "work"]).await;
    let (one, other) = (world.process(), world.process());
    // Both have the vault open that one of them is about to remove.
    one.unlock().await.unwrap();
    other.unlock().await.unwrap();
    let there = async || one.migrate(Strategy::PlainFile, None, quiet).await;
    let back = async || other.migrate(Strategy::KeystoreOnly, None, quiet).await;
    let (there, back) = tokio::join!(there(), back());
    assert!(there.is_ok() && back.is_ok(), "{there:?} {back:?}");
    world.assert_whole(&["home", "work"], "moved twice").await;
    // A rotation that one of them had noted may already have been done by the other, so that only bounds hold.
    assert!((4..=6).contains(&world.server.refreshes()), "{}", world.server.refreshes());
}
