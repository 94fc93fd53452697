//! The server as a whole: opened over a store, run on a listener.

use std::io;
use std::pin::pin;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::Router;
use pilotlight_oauth::{DiscoveryError, Issuer};
use secrecy::SecretString;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::app::{App, Counts, Stats};
use crate::client::Setting;
use crate::clients::RecentClients;
use crate::config::Config;
use crate::dpop::Seen;
use crate::edge::{self, Door, Limits, Metrics, RequestIds, Tls};
use crate::keys::{KeysError, LiveKeys};
use crate::limit::Limiter;
use crate::password::{self, Checker};
use crate::routes;
use crate::store::{Store, StoreError, User};
use crate::system::{Clock, NoEntropy, make_random};

/// How often what is over is forgotten.
const SWEEP: Duration = Duration::from_secs(3600);
/// How often the key file and the certificate are read.
const READ_KEYS: Duration = Duration::from_secs(10);
/// How long a spent code is remembered, so that its second use revokes the grant.
pub(crate) const REMEMBER_CODES: Duration = Duration::from_secs(24 * 3600);

/// Why a server cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// No client would accept this issuer (RFC 8414 section 2).
    #[error(transparent)]
    Issuer(#[from] DiscoveryError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There are no keys to be had.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// The keys are others than the store was used with: they would refuse the tokens that people hold.
    #[error("the keys do not belong to this store, or are a copy from before their last rotation")]
    WrongKeys,
    /// No randomness.
    #[error(transparent)]
    NoEntropy(#[from] NoEntropy),
}

/// An authorization server. Clones are the same server.
#[derive(Clone)]
pub struct Server(Arc<App>);

impl Server {
    /// Reads the keys, or makes them. Blocks for a moment.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(config: Config, store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Result<Self, OpenError> {
        Issuer::parse(&config.issuer)?;
        let keys = LiveKeys::open(config.keys.clone(), &*store, config.signing_alg)?;
        Ok(Self(Arc::new(App {
            keys: Arc::new(keys),
            passwords: Checker::new(config.limits.password_checks)?,
            limiter: Limiter::default(),
            clients: RecentClients::default(),
            counts: Counts::default(),
            metrics: Metrics::default(),
            request_ids: RequestIds::new()?,
            keys_readable: AtomicBool::new(true),
            openapi: OnceLock::new(),
            seen_proofs: Seen::default(),
            config,
            store,
            clock,
        })))
    }

    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn app(&self) -> &Arc<App> {
        &self.0
    }

    /// What became of refresh tokens since the start.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.0.counts.read()
    }

    /// Takes the keys that the key file has now, as [`Self::run`] does every few seconds.
    pub async fn read_keys_again(&self) {
        self.0.read_keys_again(None).await;
    }

    /// The routes, for tests without a socket.
    pub fn router(&self) -> Router {
        routes::router(self.0.clone())
    }

    /// Serves until `shutdown` is ready; then takes no more connections, and lets requests that have begun end, for as long
    /// as the limits say.
    ///
    /// # Errors
    /// None for now.
    pub async fn run(
        self,
        listener: TcpListener,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> io::Result<()> {
        self.run_on(Listeners { main: listener, tls: None, metrics: None }, shutdown).await
    }

    /// The same on several listeners.
    ///
    /// # Errors
    /// None for now.
    pub async fn run_on(
        self,
        listeners: Listeners,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> io::Result<()> {
        let (close, closing) = watch::channel(false);
        let app = self.0.clone();
        let mut beside = JoinSet::new();
        beside.spawn(sweep(app.clone()));
        beside.spawn(read_keys(app.clone()));
        if let Some(tls) = listeners.tls.clone() {
            beside.spawn(read_certificate(tls));
        }
        let limits = app.config.limits.clone();
        let farewell = limits.farewell;
        if let Some(listener) = listeners.metrics {
            let limits = Limits { connections: 64, ..limits.clone() };
            let door = Door { listener, router: routes::metrics_router(app.clone()), tls: None, limits };
            beside.spawn(edge::serve(app.clone(), door, closing.clone()));
        }
        let door = Door { listener: listeners.main, router: self.router(), tls: listeners.tls, limits };
        let mut serving = pin!(edge::serve(app, door, closing));
        tokio::select! {
            () = serving.as_mut() => {}
            () = shutdown => {
                close.send_replace(true);
                if tokio::time::timeout(farewell, serving).await.is_err() {
                    tracing::warn!("requests were cut off: they took longer than the farewell");
                }
            }
        }
        Ok(())
    }
}

/// Where a server listens.
pub struct Listeners {
    /// For everybody.
    pub main: TcpListener,
    /// Whether everybody comes by TLS.
    pub tls: Option<Tls>,
    /// For those within: `/metrics`, `/health`, and `/ready` with its parts. Never under TLS.
    pub metrics: Option<TcpListener>,
}

/// Forgets codes and grants that are over, now and then, so that the store does not grow for ever.
async fn sweep(app: Arc<App>) {
    loop {
        let now = app.now();
        // Twice the idle life: long enough that a late client still learns why its grant ended.
        let grants_before = now.minus(app.config.refresh_token_ttl.saturating_mul(2));
        let codes_before = now.minus(REMEMBER_CODES);
        if let Ok(grants) = app.ask_at_leisure(move |store| store.forget(codes_before, grants_before)).await {
            tracing::debug!(grants, "forgot what is over");
        }
        tokio::time::sleep(SWEEP).await;
    }
}

/// Notices a rotation of the keys long before they come into use.
async fn read_keys(app: Arc<App>) {
    loop {
        tokio::time::sleep(READ_KEYS).await;
        app.read_keys_again(None).await;
    }
}

/// Notices a new certificate long before the old one ends.
async fn read_certificate(tls: Tls) {
    loop {
        tokio::time::sleep(READ_KEYS).await;
        let again = tls.clone();
        match tokio::task::spawn_blocking(move || again.read_again()).await {
            Ok(Ok(true)) => tracing::info!("the certificate was replaced"),
            Ok(Ok(false)) => {}
            Ok(Err(error)) => tracing::error!(%error, "the certificate was not read again"),
            Err(error) => tracing::error!(%error, "reading the certificate again broke off"),
        }
    }
}

/// Why a person cannot be added.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AddUserError {
    /// The name is empty, too long, or has control characters.
    #[error("a name has 1 to 100 characters, none of them a control character")]
    BadName,
    /// The password is empty or longer than 1024 bytes.
    #[error("a password has 1 to 1024 bytes")]
    BadPassword,
    /// That is no hash of a password.
    #[error("that is no Argon2id hash of a password, as `$argon2id$v=19$…`")]
    BadHash,
    /// Somebody has it.
    #[error("there is a person of that name already")]
    Taken,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No randomness.
    #[error(transparent)]
    NoEntropy(#[from] NoEntropy),
}

/// The PHC string of a password, Argon2id, for [`put_user`]. Takes tens of milliseconds of one core.
///
/// # Errors
/// Where the password is empty or too long, or there is no randomness.
pub fn hash_password(password: &SecretString) -> Result<String, AddUserError> {
    use secrecy::ExposeSecret as _;
    if !(1..=password::LONGEST).contains(&password.expose_secret().len()) {
        return Err(AddUserError::BadPassword);
    }
    Ok(password::hash_password(password)?)
}

/// Brings a person whose password is known by its hash, as [`hash_password`] makes it. Who is there already gets that
/// password; grants stay.
///
/// # Errors
/// [`AddUserError`].
pub fn put_user(store: &dyn Store, name: &str, password_hash: &str) -> Result<(), AddUserError> {
    if !password::is_password_hash(password_hash) {
        return Err(AddUserError::BadHash);
    }
    let user = new_user(name, password_hash.to_owned())?;
    if !store.add_user(&user)? {
        store.set_password(name, password_hash)?;
    }
    Ok(())
}

fn new_user(name: &str, password_hash: String) -> Result<User, AddUserError> {
    if name.is_empty() || name.chars().count() > 100 || name.chars().any(char::is_control) {
        return Err(AddUserError::BadName);
    }
    let subject: [u8; 16] = make_random()?;
    let subject = subject.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(User::new(subject, name.to_owned(), password_hash))
}

/// Adds a person who can sign in. Hashes the password, which takes tens of milliseconds of one core.
///
/// # Errors
/// [`AddUserError`].
pub fn add_user(store: &dyn Store, name: &str, password: &SecretString) -> Result<(), AddUserError> {
    let mut user = new_user(name, String::new())?;
    user.password_hash = hash_password(password)?;
    if store.add_user(&user)? { Ok(()) } else { Err(AddUserError::Taken) }
}

/// Gives a person another password. Whether there is one of that name. Their sign-ins go on.
///
/// # Errors
/// [`AddUserError`], but for those of names.
pub fn set_password(store: &dyn Store, name: &str, password: &SecretString) -> Result<bool, AddUserError> {
    Ok(store.set_password(name, &hash_password(password)?)?)
}

/// Brings the person `demo` with the password `demo`, and the public client `pilotlight`, unless they are there.
///
/// # Errors
/// Where the store fails.
pub fn add_demo(store: &dyn Store) -> Result<(), AddUserError> {
    // First a look: a start that changes nothing should hash nothing and write nothing.
    if store.user_named("demo")?.is_none() {
        match add_user(store, "demo", &SecretString::from("demo")) {
            Ok(()) | Err(AddUserError::Taken) => {}
            Err(error) => return Err(error),
        }
    }
    let uris = vec!["http://127.0.0.1/callback".to_owned(), "http://[::1]/callback".to_owned()];
    if let Ok(mut client) = crate::client::Client::public("pilotlight", uris) {
        "Pilotlight".clone_into(&mut client.name);
        client.settings = vec![Setting::Device];
        store.add_client(&client)?;
    }
    Ok(())
}
