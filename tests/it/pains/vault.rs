//! 19, 21 and 30: the file that holds the tokens.

use std::sync::Arc;

use pilotlight::parts::Clock as _;
use pilotlight::storage::Vault as _;
use pilotlight::values::GrantId;
use pilotlight::{ErrorCode, SignOut};
use pilotlight_vault::SqliteVault;

use super::world::{HOUR, TTL, World, sign_in, token};

#[tokio::test(start_paused = true)]
async fn pain_19_a_torn_vault_is_never_taken_for_an_empty_one_nor_overwritten() {
    let world = World::signed_in().await;
    let whole = world.vault();
    let torn = [
        Vec::new(),
        b"{\"not\": \"a database\"}".to_vec(),
        whole[..whole.len() / 2].to_vec(),
        [&whole[..4096], &vec![0; whole.len() - 4096][..]].concat(),
        [&[0; 16], &whole[16..]].concat(),
    ];
    for bytes in torn {
        world.put_vault(&bytes);
        let process = world.process();
        let task = tokio::spawn(process.clone().keep_fresh());
        assert_eq!(token(&process).await.unwrap_err().code(), ErrorCode::VaultDamaged);
        assert_eq!(sign_in(&process).await.unwrap_err().code(), ErrorCode::VaultDamaged);
        let left = process.sign_out("work", SignOut::LocalOnly).await;
        assert_eq!(left.unwrap_err().code(), ErrorCode::VaultDamaged);
        tokio::time::sleep(HOUR).await;
        task.abort();
        assert_eq!(world.vault(), bytes, "it was written to");
    }
    world.put_vault(&whole);
    token(&world.process()).await.unwrap();
    assert_eq!(world.server.reuses(), 0);
}

#[tokio::test(start_paused = true)]
async fn pain_19_a_record_that_does_not_open_is_not_told_as_no_account() {
    let world = World::signed_in().await;
    let other = rusqlite::Connection::open(world.config.home.vault()).unwrap();
    other.execute_batch("UPDATE token SET ct = zeroblob(length(ct))").unwrap();
    drop(other);
    let process = world.process();
    assert_eq!(process.accounts().await.unwrap().damaged.len(), 1);
    assert_eq!(token(&process).await.unwrap_err().code(), ErrorCode::RecordTampered);
    assert_eq!(process.account("work").await.unwrap_err().code(), ErrorCode::RecordTampered);
}

#[tokio::test(start_paused = true)]
async fn pain_21_two_writers_at_once_wait_for_each_other_and_neither_is_told_locked() {
    const COMMITS: u64 = 60;
    let world = World::new(|server| server);
    let open = || {
        let now = world.clock.now().as_millis();
        SqliteVault::open(&world.config.home.vault(), world.config.keystore.clone(), now).unwrap()
    };
    let line = Arc::new(std::sync::Barrier::new(2));
    let writers = [1, 2].map(|number| {
        let (vault, line, id) = (open(), Arc::clone(&line), GrantId::from_bytes([number; 16]));
        std::thread::spawn(move || {
            line.wait();
            vault.create(&id, b"first")?;
            // A commit reads before it writes, which is where an upgrade of the lock would fail at once.
            (1..COMMITS).try_for_each(|generation| vault.commit(&id, generation, b"next").map(drop))
        })
    });
    for writer in writers {
        writer.join().unwrap().unwrap();
    }
    let vault = open();
    for number in [1, 2] {
        assert_eq!(vault.load(&GrantId::from_bytes([number; 16])).unwrap().unwrap().generation, COMMITS);
    }
}

#[tokio::test(start_paused = true)]
async fn pain_30_an_older_copy_of_the_vault_is_noticed_and_its_token_is_not_sent() {
    let world = World::signed_in_at_a_strict_server().await;
    let yesterday = world.vault();
    world.process().refresh("work").await.unwrap();
    let today = world.vault();
    tokio::time::advance(TTL).await;

    world.put_vault(&yesterday);
    let (process, sent) = (world.process(), world.server.requests());
    let task = tokio::spawn(process.clone().keep_fresh());
    tokio::time::sleep(HOUR).await;
    let error = token(&process).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::VaultRolledBack);
    assert!(error.hint().contains("not used"), "{}", error.hint());
    task.abort();
    assert_eq!((world.server.requests(), world.vault()), (sent, yesterday));

    world.put_vault(&today);
    token(&world.process()).await.unwrap();
    assert_eq!((world.server.refreshes(), world.server.reuses()), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn pain_30_an_older_copy_put_under_a_running_process_costs_nobody_the_grant() {
    let world = World::signed_in_at_a_strict_server().await;
    let yesterday = world.vault();
    let process = world.process();
    process.refresh("work").await.unwrap();
    tokio::time::advance(TTL).await;
    world.put_vault(&yesterday);
    // It goes by its log and what it has read, which are newer than the copy; and it writes them over it.
    token(&process).await.unwrap();
    assert_eq!((world.server.refreshes(), world.server.reuses()), (2, 0));
    drop(process);
    tokio::time::advance(TTL).await;
    token(&world.process()).await.unwrap();
    assert_eq!((world.server.refreshes(), world.server.reuses()), (3, 0));
}
