//! Promise P3 over several hosts that share a vault: leases in a real Redis.

use std::sync::Arc;
use std::time::Duration;

use pilotlight::parts::{Clock, Locks as _, RedisLocks, Sleep, SystemClock, SystemRandom};
use pilotlight::simulation::{FakeServer, config, sign_in};
use pilotlight::storage::Vault;
use pilotlight::values::Timestamp;
use pilotlight::{Config, ErrorCode, Home, Pilotlight};
use pilotlight_tests::Redis;
use pilotlight_vault::MemoryVault;

fn leases(redis: &Redis) -> RedisLocks {
    RedisLocks::new(&redis.url(), "pilotlight:", Arc::new(SystemClock), Arc::new(SystemRandom)).unwrap()
}

/// One host: files of its own, the vault and the leases shared.
fn host(folder: &tempfile::TempDir, clock: Arc<dyn Clock>, server: &Arc<FakeServer>, locks: RedisLocks) -> Config {
    let mut config = config(Home::at(folder.path().join("home")).unwrap(), clock, server.clone());
    config.locks = Arc::new(locks);
    config.random = Arc::new(SystemRandom);
    config
}

/// A host whose clocks are ahead, so that the stored token seems to have expired there.
struct Ahead;

impl Clock for Ahead {
    fn now(&self) -> Timestamp {
        SystemClock.now().plus(Duration::from_secs(901))
    }

    fn elapsed(&self) -> Duration {
        SystemClock.elapsed()
    }

    fn sleep_until(&self, elapsed: Duration) -> Sleep<'_> {
        SystemClock.sleep_until(elapsed)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hosts_that_share_a_vault_refresh_once() {
    let redis = Redis::start();
    let server = Arc::new(FakeServer::new(Arc::new(SystemClock), Duration::from_secs(900)).strict());
    let vault: Arc<dyn Vault> = Arc::new(MemoryVault::default());
    let folders: Vec<_> = (0..5).map(|_| tempfile::tempdir().unwrap()).collect();
    let first = host(&folders[0], Arc::new(SystemClock), &server, leases(&redis));
    sign_in(&Pilotlight::with_vault(first, vault.clone()), "work").await.unwrap();
    let hosts: Vec<_> = folders[1..]
        .iter()
        .map(|folder| Pilotlight::with_vault(host(folder, Arc::new(Ahead), &server, leases(&redis)), vault.clone()))
        .collect();
    let callers: Vec<_> = (0..100)
        .map(|n| {
            let host = hosts[n % hosts.len()].clone();
            tokio::spawn(async move { host.access_token("work", Duration::ZERO).await })
        })
        .collect();
    for caller in callers {
        caller.await.unwrap().unwrap();
    }
    assert_eq!((server.refreshes(), server.reuses()), (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_too_short_to_finish_spends_nothing() {
    let redis = Redis::start();
    let server = Arc::new(FakeServer::new(Arc::new(SystemClock), Duration::from_secs(900)));
    let folder = tempfile::tempdir().unwrap();
    let short = leases(&redis).leases_of(Duration::from_secs(5));
    let pilotlight =
        Pilotlight::with_vault(host(&folder, Arc::new(SystemClock), &server, short), Arc::new(MemoryVault::default()));
    sign_in(&pilotlight, "work").await.unwrap();
    assert_eq!(pilotlight.refresh("work").await.unwrap_err().code(), ErrorCode::GrantBusy);
    assert_eq!(server.refreshes(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lease_of_a_host_that_died_ends_by_itself_and_a_returned_one_at_once() {
    let redis = Redis::start();
    let dying = leases(&redis).leases_of(Duration::from_millis(200));
    std::mem::forget(dying.lock("grant").await.unwrap());
    let next = leases(&redis);
    let held = next.lock("grant").await.unwrap();
    drop(held);
    assert!(next.lock("grant").await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_redis_nothing_is_spent_and_the_grant_is_kept() {
    let mut redis = Redis::start();
    let server = Arc::new(FakeServer::new(Arc::new(SystemClock), Duration::from_secs(900)));
    let folder = tempfile::tempdir().unwrap();
    let config = host(&folder, Arc::new(SystemClock), &server, leases(&redis));
    let pilotlight = Pilotlight::with_vault(config, Arc::new(MemoryVault::default()));
    sign_in(&pilotlight, "work").await.unwrap();
    redis.kill();
    let told = pilotlight.refresh("work").await.unwrap_err();
    assert_eq!((told.code(), server.refreshes()), (ErrorCode::VaultIo, 0));
}
