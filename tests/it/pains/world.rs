//! What the tests of this folder share: one person's machine, a service, and a way between the two.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use pilotlight::journal::EventKind;
use pilotlight::parts::{Answer, Transport, TransportError};
use pilotlight::simulation::{FakeServer, RecordingBrowser, SimulatedClock, config};
use pilotlight::storage::Vault;
use pilotlight::values::{ExposeSecret as _, GrantId};
use pilotlight::{Account, Config, Error, Home, Pilotlight, Status};
use pilotlight_oauth::{HttpRequest, HttpResponse};
use pilotlight_vault::keystore::FaultyKeystore;
use pilotlight_vault::{Attempt, Generation, Listed, Record, VaultError};

pub(super) const TTL: Duration = Duration::from_secs(900);
pub(super) const HOUR: Duration = Duration::from_secs(3600);

/// One person's machine and the service at the other end. What survives a process is here; a process is [`Self::process`].
pub(super) struct World {
    _folder: tempfile::TempDir,
    pub(super) clock: Arc<SimulatedClock>,
    pub(super) server: Arc<FakeServer>,
    pub(super) keystore: FaultyKeystore,
    pub(super) browser: Arc<RecordingBrowser>,
    pub(super) config: Config,
}

impl World {
    pub(super) fn new(make: impl FnOnce(FakeServer) -> FakeServer) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(SimulatedClock::start());
        let server = Arc::new(make(FakeServer::new(clock.clone(), TTL)));
        let (keystore, browser) = (FaultyKeystore::default(), Arc::new(RecordingBrowser::default()));
        let mut config = config(Home::at(folder.path().join("home")).unwrap(), clock.clone(), server.clone());
        config.keystore = Arc::new(keystore.clone());
        config.browser = browser.clone();
        Self { _folder: folder, clock, server, keystore, browser, config }
    }

    /// A world with a person signed in as `work`, by a process that is over.
    pub(super) async fn signed_in() -> Self {
        let world = Self::new(|server| server);
        sign_in(&world.process()).await.unwrap();
        world
    }

    /// The same at a foreign server, which takes every second use of a token for theft.
    pub(super) async fn signed_in_at_a_strict_server() -> Self {
        let world = Self::new(FakeServer::strict);
        sign_in(&world.process()).await.unwrap();
        world
    }

    /// A process of its own, with its own connection to the vault.
    pub(super) fn process(&self) -> Pilotlight {
        Pilotlight::new(self.config.clone())
    }

    /// A process for which the way to the service is `change`d.
    pub(super) fn process_behind(&self, change: impl Change) -> Pilotlight {
        let between = Between { server: self.server.clone(), change: Box::new(change) };
        Pilotlight::new(Config { transport: Arc::new(between), ..self.config.clone() })
    }

    /// The bytes of the vault's file.
    pub(super) fn vault(&self) -> Vec<u8> {
        fs::read(self.config.home.vault()).unwrap()
    }

    pub(super) fn put_vault(&self, bytes: &[u8]) {
        fs::write(self.config.home.vault(), bytes).unwrap();
    }
}

pub(super) async fn sign_in(pilotlight: &Pilotlight) -> Result<Account, Error> {
    pilotlight::simulation::sign_in(pilotlight, "work").await
}

pub(super) async fn token(pilotlight: &Pilotlight) -> Result<String, Error> {
    pilotlight.access_token("work", Duration::ZERO).await.map(|token| token.token.expose_secret().to_owned())
}

pub(super) async fn status(pilotlight: &Pilotlight) -> Status {
    pilotlight.account("work").await.unwrap().status
}

/// What the journal tells, oldest first.
pub(super) async fn told(pilotlight: &Pilotlight) -> Vec<EventKind> {
    pilotlight.events(None, 500).await.unwrap().into_iter().rev().map(|entry| entry.kind).collect()
}

/// What may happen to an answer on its way.
pub(super) trait Change:
    Fn(HttpResponse) -> Result<HttpResponse, TransportError> + Send + Sync + 'static
{
}
impl<F: Fn(HttpResponse) -> Result<HttpResponse, TransportError> + Send + Sync + 'static> Change for F {}

/// The server does its work, and its answer is changed on the way.
struct Between {
    server: Arc<FakeServer>,
    change: Box<dyn Change>,
}

impl Transport for Between {
    fn send(&self, request: HttpRequest) -> Answer<'_> {
        Box::pin(async move { (self.change)(self.server.send(request).await?) })
    }
}

/// The same answer with another body.
pub(super) fn with_body(answer: HttpResponse, body: Vec<u8>) -> HttpResponse {
    HttpResponse { body: body.into(), ..answer }
}

/// An answer that no authorization server gave.
pub(super) fn page(status: u16, kind: &str, body: &str) -> HttpResponse {
    let body = body.as_bytes().to_vec().into();
    HttpResponse { status, content_type: Some(kind.into()), retry_after: None, date: None, body }
}

/// A vault on a disk that is full while somebody says so.
pub(super) struct OnFullDisk {
    pub(super) vault: pilotlight_vault::SqliteVault,
    pub(super) full: AtomicBool,
}

impl Vault for OnFullDisk {
    fn strategy(&self) -> &'static str {
        self.vault.strategy()
    }
    fn load(&self, id: &GrantId) -> Result<Option<Record>, VaultError> {
        self.vault.load(id)
    }
    fn list(&self) -> Result<Vec<Listed>, VaultError> {
        self.vault.list()
    }
    fn create(&self, id: &GrantId, payload: &[u8]) -> Result<Generation, VaultError> {
        self.vault.create(id, payload)
    }
    fn begin_attempt(
        &self,
        id: &GrantId,
        generation: Generation,
        saw: Option<&Attempt>,
        attempt: &Attempt,
    ) -> Result<(), VaultError> {
        self.vault.begin_attempt(id, generation, saw, attempt)
    }
    fn end_attempt(&self, id: &GrantId, generation: Generation, attempt: &Attempt) -> Result<(), VaultError> {
        self.vault.end_attempt(id, generation, attempt)
    }
    fn commit(&self, id: &GrantId, expected: Generation, payload: &[u8]) -> Result<Generation, VaultError> {
        if self.full.load(Ordering::SeqCst) {
            return Err(VaultError::Io("the disk is full".into()));
        }
        self.vault.commit(id, expected, payload)
    }
    fn remove(&self, id: &GrantId) -> Result<(), VaultError> {
        self.vault.remove(id)
    }
}
