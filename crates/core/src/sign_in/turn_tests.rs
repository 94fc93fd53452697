//! Sign-ins that are pending: one for a name, in nobody's way, and gone when they are given up.

use std::sync::Arc;
use std::time::Duration;

use pilotlight_vault::MemoryVault;

use crate::parts::Browser;
use crate::simulation::{FakeServer, RecordingBrowser, SimulatedClock, config, password, registration, sign_in};
use crate::{Config, Error, ErrorCode, Home, Pilotlight, SignIn, Status};

const LIFE: Duration = Duration::from_secs(600);

struct World {
    _folder: tempfile::TempDir,
    server: Arc<FakeServer>,
    browser: Arc<RecordingBrowser>,
    config: Config,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(SimulatedClock::start());
        let server = Arc::new(FakeServer::new(clock.clone(), LIFE));
        let browser = Arc::new(RecordingBrowser::default());
        let parts = config(Home::at(folder.path().join("home")).unwrap(), clock, server.clone());
        let config = Config { browser: browser.clone(), ..parts };
        Self { _folder: folder, server, browser, config }
    }

    /// A process of this home.
    fn process(&self) -> Pilotlight {
        Pilotlight::with_vault(self.config.clone(), Arc::new(MemoryVault::default()))
    }

    /// Begins a sign-in in the browser that nobody finishes, and waits until its page is open.
    async fn pending(&self, process: &Pilotlight, name: &str) -> tokio::task::JoinHandle<Result<(), Error>> {
        let (opened, process, name) = (self.browser.opened().len(), process.clone(), name.to_owned());
        let task = tokio::spawn(async move { process.sign_in(registration(&name), SignIn::Browser).await.map(drop) });
        while self.browser.opened().len() == opened {
            tokio::task::yield_now().await;
        }
        task
    }
}

#[tokio::test]
async fn at_most_one_sign_in_is_pending_for_a_name_over_all_processes() {
    let world = World::new();
    let (one, other) = (world.process(), world.process());
    let pending = world.pending(&one, "work").await;
    for process in [&one, &other] {
        let second = process.sign_in(registration("work"), SignIn::Browser).await.unwrap_err();
        assert_eq!(second.code(), ErrorCode::SignInPending);
    }
    assert_eq!(world.browser.opened().len(), 1, "no second tab");
    let third = world.pending(&other, "home").await;
    pending.abort();
    third.abort();
}

#[tokio::test]
async fn a_pending_sign_in_blocks_nothing_else_and_leaves_nothing_when_it_is_cancelled() {
    let world = World::new();
    let process = world.process();
    sign_in(&process, "home").await.unwrap();
    let pending = world.pending(&process, "work").await;
    process.access_token("home", Duration::ZERO).await.unwrap();
    process.refresh("home").await.unwrap();
    assert_eq!(process.accounts().await.unwrap().accounts.len(), 1);
    sign_in(&process, "third").await.unwrap();

    pending.abort();
    assert!(pending.await.unwrap_err().is_cancelled());
    let account = process.sign_in(registration("work"), password()).await.unwrap();
    assert_eq!(account.status, Status::SignedIn);
}

#[tokio::test(start_paused = true)]
async fn nobody_who_asks_for_a_token_opens_a_browser() {
    let world = World::new();
    let process = world.process();
    sign_in(&process, "work").await.unwrap();
    world.server.revoke(1);
    let background = tokio::spawn(process.clone().keep_fresh());
    tokio::time::sleep(LIFE * 3).await;
    for outcome in [process.access_token("work", Duration::ZERO).await, process.refresh("work").await] {
        assert_eq!(outcome.unwrap_err().code(), ErrorCode::GrantRefused);
    }
    assert!(matches!(process.account("work").await.unwrap().status, Status::Ended { .. }));
    background.abort();
    assert_eq!(world.browser.opened(), []);
}

/// A browser that cannot be shown to anybody now.
struct Locked;

impl Browser for Locked {
    fn open(&self, _: &url::Url) -> Result<(), Error> {
        Err(Error::new(ErrorCode::ScreenLocked, "The screen is locked."))
    }
}

#[tokio::test]
async fn a_page_that_nobody_can_be_shown_ends_the_sign_in_at_once() {
    let world = World::new();
    let config = Config { browser: Arc::new(Locked), ..world.config.clone() };
    let process = Pilotlight::with_vault(config, Arc::new(MemoryVault::default()));
    let refused = process.sign_in(registration("work"), SignIn::Browser).await.unwrap_err();
    assert_eq!(refused.code(), ErrorCode::ScreenLocked);
    process.sign_in(registration("work"), password()).await.unwrap();
}
