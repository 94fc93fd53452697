//! A disk that is full or cannot be written, around a refresh.

use super::*;

#[tokio::test(start_paused = true)]
async fn p2_tokens_that_cannot_be_saved_are_kept_in_memory_and_saved_when_it_works() {
    let world = World::signed_in(|server| server).await;
    let vault = Arc::new(FullVault::default());
    copy(&world.pilotlight, &vault.inner).await;
    let core = Pilotlight::with_vault(world.config.clone(), vault.clone());
    tokio::time::advance(TTL).await;
    vault.full.store(true, std::sync::atomic::Ordering::SeqCst);
    let told = core.access_token("work", Duration::ZERO).await.unwrap_err();
    assert_eq!(told.code(), ErrorCode::VaultIo, "a caller saw a token that was not durable");
    assert!(matches!(core.account("work").await.unwrap().status, Status::Waiting { .. }));
    vault.full.store(false, std::sync::atomic::Ordering::SeqCst);
    tokio::time::sleep(Duration::from_secs(600)).await;
    core.access_token("work", Duration::from_secs(60)).await.unwrap();
    assert_eq!((world.server.refreshes(), world.server.reuses()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_full_disk_is_noticed_before_the_token_is_spent() {
    let world = World::signed_in(FakeServer::strict).await;
    let vault = Arc::new(FullVault::default());
    copy(&world.pilotlight, &vault.inner).await;
    let core = Pilotlight::with_vault(world.config.clone(), vault.clone());
    tokio::time::advance(TTL).await;
    vault.read_only.store(true, std::sync::atomic::Ordering::SeqCst);
    assert_eq!(core.refresh("work").await.unwrap_err().code(), ErrorCode::VaultIo);
    assert_eq!(world.server.refreshes(), 0);
    vault.read_only.store(false, std::sync::atomic::Ordering::SeqCst);
    core.refresh("work").await.unwrap();
    assert_eq!((world.server.refreshes(), world.server.reuses()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_grant_is_marked_as_soon_as_the_disk_has_room_and_nothing_is_sent_meanwhile() {
    let world = World::signed_in(|server| server).await;
    let vault = Arc::new(FullVault::default());
    copy(&world.pilotlight, &vault.inner).await;
    let core = Pilotlight::with_vault(world.config.clone(), vault.clone());
    world.server.revoke(1);
    vault.full.store(true, std::sync::atomic::Ordering::SeqCst);
    assert_eq!(core.refresh("work").await.unwrap_err().code(), ErrorCode::GrantRefused);
    let (sent, next) = (world.server.requests(), Pilotlight::with_vault(world.config.clone(), vault.clone()));
    assert_eq!(next.refresh("work").await.unwrap_err().code(), ErrorCode::GrantBusy);
    assert!(matches!(core.account("work").await.unwrap().status, Status::Ended { .. }));
    vault.full.store(false, std::sync::atomic::Ordering::SeqCst);
    core.land().await;
    assert_eq!(next.refresh("work").await.unwrap_err().code(), ErrorCode::GrantRefused);
    assert_eq!(world.server.requests(), sent, "the refused token was sent again");
}

/// A vault on a disk that fills up.
#[derive(Default)]
struct FullVault {
    inner: Arc<MemoryVault>,
    /// Commits fail.
    full: std::sync::atomic::AtomicBool,
    /// Attempts cannot be noted.
    read_only: std::sync::atomic::AtomicBool,
}

impl FullVault {
    fn refuse(flag: &std::sync::atomic::AtomicBool) -> Result<(), pilotlight_vault::VaultError> {
        let full = flag.load(std::sync::atomic::Ordering::SeqCst);
        if full { Err(pilotlight_vault::VaultError::Io("the disk is full".into())) } else { Ok(()) }
    }
}

impl pilotlight_vault::Vault for FullVault {
    fn strategy(&self) -> &'static str {
        "full"
    }
    fn load(
        &self,
        id: &pilotlight_vault::GrantId,
    ) -> Result<Option<pilotlight_vault::Record>, pilotlight_vault::VaultError> {
        self.inner.load(id)
    }
    fn list(&self) -> Result<Vec<pilotlight_vault::Listed>, pilotlight_vault::VaultError> {
        self.inner.list()
    }
    fn create(&self, id: &pilotlight_vault::GrantId, payload: &[u8]) -> Result<u64, pilotlight_vault::VaultError> {
        self.inner.create(id, payload)
    }
    fn begin_attempt(
        &self,
        id: &pilotlight_vault::GrantId,
        generation: u64,
        saw: Option<&pilotlight_vault::Attempt>,
        attempt: &Attempt,
    ) -> Result<(), pilotlight_vault::VaultError> {
        Self::refuse(&self.read_only)?;
        self.inner.begin_attempt(id, generation, saw, attempt)
    }
    fn end_attempt(
        &self,
        id: &pilotlight_vault::GrantId,
        generation: u64,
        attempt: &pilotlight_vault::Attempt,
    ) -> Result<(), pilotlight_vault::VaultError> {
        self.inner.end_attempt(id, generation, attempt)
    }
    fn commit(
        &self,
        id: &pilotlight_vault::GrantId,
        expected: u64,
        payload: &[u8],
    ) -> Result<u64, pilotlight_vault::VaultError> {
        Self::refuse(&self.full)?;
        self.inner.commit(id, expected, payload)
    }
    fn remove(&self, id: &pilotlight_vault::GrantId) -> Result<(), pilotlight_vault::VaultError> {
        self.inner.remove(id)
    }
}
