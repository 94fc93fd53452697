//! What the commands share, and the task that pushes changes to the window.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use pilotlight::journal::JournalEntry;
use pilotlight::storage::{Strategy, VaultStatus};
use pilotlight::values::SecretString;
use pilotlight::{Account, Error, ErrorCode, Pilotlight, Registration, Scope, SignIn};
use tauri::{AppHandle, Emitter as _, Manager as _, Runtime};
use tokio::task::AbortHandle;

use crate::settings::SettingsView;
use crate::sign_in::InvitationView;
use crate::storage::{MovedView, MovingView, StorageRequest};
use crate::view::{AccountView, EventView, Problem, ServiceView, Snapshot, VaultView};

/// Carries a whole [`Snapshot`].
const SNAPSHOT: &str = "pilotlight://snapshot";
/// Carries one [`EventView`].
const EVENT: &str = "pilotlight://event";
/// Carries one [`MovingView`].
const MOVING: &str = "pilotlight://moving";
/// Carries one [`InvitationView`].
const DEVICE: &str = "pilotlight://device";
/// More entries than this are not pushed one by one; the window asks for them when it shows them.
const MOST_EVENTS: usize = 20;

/// The host-free half of the commands.
pub(crate) struct Shell {
    pilotlight: Pilotlight,
    services: Vec<ServiceView>,
    pending: Mutex<Option<AbortHandle>>,
    moving: AtomicBool,
}

impl Shell {
    pub(crate) const fn new(pilotlight: Pilotlight, services: Vec<ServiceView>) -> Self {
        Self { pilotlight, services, pending: Mutex::new(None), moving: AtomicBool::new(false) }
    }

    pub(crate) const fn pilotlight(&self) -> &Pilotlight {
        &self.pilotlight
    }

    /// Everything the window shows. Does not wait for a keystore: while the vault is being opened it says so.
    pub(crate) async fn snapshot(&self) -> Snapshot {
        let status = self.pilotlight.vault_status();
        let mut snapshot = Snapshot {
            vault: VaultView::of(&self.pilotlight, status.clone()).await,
            services: self.services.clone(),
            accounts: vec![],
            damaged: vec![],
            now_ms: self.pilotlight.now().as_millis(),
            clock_offset_ms: self.pilotlight.clock_offset(),
            settings: SettingsView::from(&*self.pilotlight.settings()),
        };
        if matches!(status, VaultStatus::Ready { .. }) {
            match self.pilotlight.accounts().await {
                Ok(all) => {
                    snapshot.accounts = all.accounts.iter().map(AccountView::from).collect();
                    snapshot.damaged = all.damaged.iter().map(ToString::to_string).collect();
                }
                Err(error) => {
                    snapshot.vault = VaultView::of(&self.pilotlight, VaultStatus::Unavailable(error)).await;
                }
            }
        }
        snapshot
    }

    /// Signs in; at most one sign-in is pending, a new one takes the place of the old.
    pub(crate) async fn sign_in(&self, registration: Registration, with: SignIn) -> Result<AccountView, Problem> {
        let pilotlight = self.pilotlight.clone();
        self.take_turn(async move { pilotlight.sign_in(registration, with).await }).await
    }

    /// The same for an account there is, asking for `more` scope beside that of before.
    pub(crate) async fn sign_in_again(
        &self,
        account: String,
        with: SignIn,
        more: Scope,
    ) -> Result<AccountView, Problem> {
        let pilotlight = self.pilotlight.clone();
        self.take_turn(async move { pilotlight.sign_in_for_more(&account, with, &more).await }).await
    }

    async fn take_turn(
        &self,
        signing_in: impl Future<Output = Result<Account, Error>> + Send + 'static,
    ) -> Result<AccountView, Problem> {
        let task = tokio::spawn(signing_in);
        if let Some(older) = self.replace_pending(Some(task.abort_handle())) {
            older.abort();
        }
        match task.await {
            Ok(outcome) => outcome.map(|account| AccountView::from(&account)).map_err(Problem::from),
            Err(_) => Err(Problem::new(ErrorCode::SignInCancelled, "The sign-in was cancelled.")),
        }
    }

    pub(crate) fn cancel_sign_in(&self) {
        if let Some(pending) = self.replace_pending(None) {
            pending.abort();
        }
    }

    /// Begins with a strategy where there is no vault yet. Where it does not open, the home is left as it was.
    pub(crate) async fn choose(&self, request: StorageRequest) -> Result<(), Problem> {
        let (strategy, passphrase) = request.checked()?;
        let before = self.pilotlight.strategy()?;
        self.pilotlight.choose(strategy).await?;
        let opened = self.open(passphrase).await;
        if opened.is_err() {
            self.take_back(before).await;
        }
        self.pilotlight.announce();
        opened.map_err(Problem::from)
    }

    async fn open(&self, passphrase: Option<SecretString>) -> Result<(), Error> {
        match passphrase {
            Some(passphrase) => self.pilotlight.unlock_with(passphrase).await,
            None => self.pilotlight.unlock().await,
        }
    }

    async fn take_back(&self, before: Strategy) {
        if let Err(error) = self.pilotlight.choose(before).await {
            tracing::warn!(%error, "the choice of storage could not be taken back");
        }
        // Its outcome is the state that the window shows.
        let _ = self.pilotlight.unlock().await;
    }

    /// Opens a vault by its passphrase.
    pub(crate) async fn unlock(&self, passphrase: SecretString) -> Result<(), Problem> {
        let opened = self.pilotlight.unlock_with(passphrase).await;
        self.pilotlight.announce();
        opened.map_err(Problem::from)
    }

    /// Moves every grant; one move at a time.
    pub(crate) async fn migrate(
        &self,
        request: StorageRequest,
        tell: impl Fn(MovingView) + Send + Sync,
    ) -> Result<MovedView, Problem> {
        let (to, passphrase) = request.checked()?;
        let _alone = Alone::among(&self.moving)?;
        let last = Mutex::new(None);
        let moved = self.pilotlight.migrate(to, passphrase, |moving| {
            let view = MovingView::from(moving);
            let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
            if view.is_news_after(*last) {
                *last = Some(view);
                tell(view);
            }
        });
        let moved = moved.await;
        self.pilotlight.announce();
        moved.map(MovedView::from).map_err(Problem::from)
    }

    fn replace_pending(&self, next: Option<AbortHandle>) -> Option<AbortHandle> {
        std::mem::replace(&mut *self.pending.lock().unwrap_or_else(PoisonError::into_inner), next)
    }
}

/// The right to move grants, given back when it is dropped.
struct Alone<'a>(&'a AtomicBool);

impl<'a> Alone<'a> {
    fn among(moving: &'a AtomicBool) -> Result<Self, Problem> {
        if moving.swap(true, Ordering::AcqRel) {
            return Err(Problem::new(ErrorCode::VaultBusy, "A move is under way already."));
        }
        Ok(Self(moving))
    }
}

impl Drop for Alone<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

/// Sends the window a snapshot, and the journal's new entries, after every change.
pub(crate) async fn push_changes<R: Runtime>(app: AppHandle<R>, pilotlight: Pilotlight) {
    let mut changes = pilotlight.subscribe();
    let mut seen = newest(&pilotlight, 1).await.first().map_or(0, |entry| entry.seq);
    while changes.changed().await.is_ok() {
        let snapshot = app.state::<Shell>().snapshot().await;
        let entries = newest(&pilotlight, MOST_EVENTS).await;
        let fresh: Vec<_> = entries.into_iter().rev().filter(|entry| entry.seq > seen).collect();
        seen = fresh.last().map_or(seen, |entry| entry.seq);
        // There may be no window at the moment.
        let _ = app.emit(SNAPSHOT, snapshot);
        for entry in fresh {
            let _ = app.emit(EVENT, EventView::from(entry));
        }
    }
}

async fn newest(pilotlight: &Pilotlight, limit: usize) -> Vec<JournalEntry> {
    pilotlight.events(None, limit).await.unwrap_or_default()
}

/// Sends the window how far a move is.
pub(crate) fn push_moving<R: Runtime>(app: &AppHandle<R>, moving: MovingView) {
    // There may be no window at the moment.
    let _ = app.emit(MOVING, moving);
}

/// Tells the window what a person has to type elsewhere.
pub(crate) fn push_device<R: Runtime>(app: &AppHandle<R>, device: InvitationView) {
    // There may be no window at the moment.
    let _ = app.emit(DEVICE, device);
}
