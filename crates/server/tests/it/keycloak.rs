//! Mistakes that were found in another server's rotation, each as a test of ours.

use std::sync::Arc;
use std::time::Duration;

use pilotlight_server::{Config, KeySource, SqliteStore};

use crate::kit::{ISSUER, World};

/// CVE-2026-9802: after a restart, tokens of long ago were taken again.
#[tokio::test]
async fn a_token_that_was_rotated_before_a_restart_is_reuse_after_it() {
    let folder = tempfile::tempdir().unwrap();
    let store = || Arc::new(SqliteStore::open(&folder.path().join("server.db")).unwrap());
    let config = || Config {
        keys: KeySource::File(folder.path().join("keys")),
        retry_window: Duration::ZERO,
        ..Config::new(ISSUER)
    };
    let world = World::with(config(), store());
    let first = world.refresh_token().await;
    let second = world.refresh(&first).await.text("refresh_token");
    let third = world.refresh(&second).await.text("refresh_token");
    drop(world);
    let world = World::over(config(), store());
    world.pass(Duration::from_secs(60));
    let fourth = world.refresh(&third).await.text("refresh_token");
    assert_eq!(world.refresh(&first).await.text("reason"), "reused");
    assert_eq!(world.refresh(&fourth).await.text("reason"), "revoked");
}

/// Keycloak #50999: which token is the newest was told by whole seconds.
#[tokio::test]
async fn of_many_rotations_within_one_millisecond_only_the_newest_token_is_good() {
    for old in 0..5 {
        let world = World::strict();
        let mut tokens = vec![world.refresh_token().await];
        for n in 0..5 {
            tokens.push(world.refresh(&tokens[n]).await.text("refresh_token"));
        }
        assert_eq!(world.refresh(&tokens[old]).await.text("reason"), "reused", "{old}");
        assert_eq!(world.refresh(&tokens[5]).await.text("reason"), "revoked");
    }
}

/// CVE-2026-1035: the check and the change were two steps, so that many who came at once each got a successor.
#[tokio::test(flavor = "multi_thread")]
async fn of_fifty_uses_at_once_without_key_and_window_one_is_answered() {
    let world = Arc::new(World::strict());
    let token = world.refresh_token().await;
    let uses = (0..50).map(|_| {
        let (world, token) = (world.clone(), token.clone());
        tokio::spawn(async move { world.refresh(&token).await })
    });
    let mut answered = 0;
    for one in uses.collect::<Vec<_>>() {
        answered += usize::from(one.await.unwrap().status == 200);
    }
    assert_eq!(answered, 1);
}

/// A refresh that passes its revocation on the way must not bring the grant back.
#[tokio::test(flavor = "multi_thread")]
async fn rfc7009_section_2_1_a_revocation_in_the_midst_of_refreshes_is_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(SqliteStore::open(&folder.path().join("server.db")).unwrap());
    let world = Arc::new(World::with(Config::new(ISSUER), store));
    for _ in 0..20 {
        let token = world.refresh_token().await;
        let refreshing = {
            let (world, mut token) = (world.clone(), token.clone());
            tokio::spawn(async move {
                loop {
                    let answer = world.refresh_keyed(&token, &token).await;
                    if answer.status != 200 {
                        return (token, answer.text("reason"));
                    }
                    token = answer.text("refresh_token");
                }
            })
        };
        // Any token of the grant ends it, also one that was spent meanwhile.
        let pairs = [("token", &*token), ("client_id", "pilotlight")];
        assert_eq!(world.form("/revoke", &pairs).await.status, 200);
        let (last, reason) = refreshing.await.unwrap();
        assert_eq!(reason, "revoked");
        assert_eq!(world.refresh(&last).await.text("reason"), "revoked");
    }
}
