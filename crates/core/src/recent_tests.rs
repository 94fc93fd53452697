//! What is lent again without reading the record, and what ends that.

use std::fs::File;
use std::time::{Duration, SystemTime};

use pilotlight_oauth::ExposeSecret as _;

use crate::storage::tests::{TTL, World};
use crate::{ErrorCode, Pilotlight, SignOut};

const NONE: Duration = Duration::ZERO;

/// Makes the files look as if nobody had written for a minute.
#[expect(clippy::disallowed_methods, reason = "files bear the system's time")]
fn settle(world: &World) {
    let before = SystemTime::now() - Duration::from_secs(60);
    for name in ["strategy", "vault.db", "vault.db-wal"] {
        if let Ok(file) = File::options().write(true).open(world.file(name)) {
            file.set_modified(before).unwrap();
        }
    }
}

/// A process that has lent the token of `work`, and may lend it again without looking.
async fn lending(world: &World) -> (Pilotlight, String) {
    let process = world.process();
    process.access_token("work", NONE).await.unwrap();
    settle(world);
    let token = process.access_token("work", NONE).await.unwrap();
    let again = process.lent_lately("work", NONE).expect("it was lent just now");
    assert_eq!(token.expires_at, again.expires_at);
    assert_eq!(token.token.expose_secret(), again.token.expose_secret());
    (process, token.token.expose_secret().to_owned())
}

#[tokio::test(start_paused = true)]
async fn a_token_is_lent_again_without_its_record_until_another_process_refreshes_or_signs_out() {
    let world = World::with_accounts(&["work"]).await;
    let (process, first) = lending(&world).await;
    let refreshed = world.process().refresh("work").await.unwrap();
    assert!(process.lent_lately("work", NONE).is_none());
    let next = process.access_token("work", NONE).await.unwrap();
    assert_eq!(next.token.expose_secret(), refreshed.token.expose_secret());
    assert_ne!(next.token.expose_secret(), first);

    let (process, _) = lending(&world).await;
    world.process().sign_out("work", SignOut::LocalOnly).await.unwrap();
    assert!(process.lent_lately("work", NONE).is_none());
    assert_eq!(process.access_token("work", NONE).await.unwrap_err().code(), ErrorCode::NoSuchAccount);
}

#[tokio::test(start_paused = true)]
async fn a_token_that_has_too_little_life_left_is_not_lent_again() {
    let world = World::with_accounts(&["work"]).await;
    let (process, _) = lending(&world).await;
    tokio::time::advance(TTL / 2).await;
    assert!(process.lent_lately("work", NONE).is_some());
    assert!(process.lent_lately("work", TTL / 2).is_none());
    tokio::time::advance(TTL / 2).await;
    assert!(process.lent_lately("work", NONE).is_none());
}
