//! The server as a whole: opened over a store, run on a listener.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use pilotlight_oauth::{DiscoveryError, Issuer};
use secrecy::SecretString;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::app::{App, Counts, Stats};
use crate::client::Setting;
use crate::clients::RecentClients;
use crate::config::Config;
use crate::dpop::Seen;
use crate::keys::{KeysError, LiveKeys};
use crate::limit::Limiter;
use crate::password::{self, Checker};
use crate::routes;
use crate::store::{Store, StoreError, User};
use crate::system::{Clock, NoEntropy, make_random};

/// How long requests may go on after the shutdown has begun.
const FAREWELL: Duration = Duration::from_secs(5);
/// How often what is over is forgotten.
const SWEEP: Duration = Duration::from_secs(3600);
/// How often the key file is read.
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
            passwords: Checker::new()?,
            limiter: Limiter::default(),
            clients: RecentClients::default(),
            counts: Counts::default(),
            seen_proofs: Seen::default(),
            config,
            store,
            clock,
        })))
    }

    #[cfg(feature = "testing")]
    pub(crate) fn app(&self) -> &App {
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

    /// Serves until `shutdown` is ready; then lets running requests end, for five seconds at most.
    ///
    /// # Errors
    /// Where the listener fails.
    pub async fn run(
        self,
        listener: TcpListener,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> io::Result<()> {
        let (over, mut is_over) = watch::channel(false);
        let sweeper = tokio::spawn(sweep(self.0.clone()));
        let reader = tokio::spawn(read_keys(self.0.clone()));
        let service = self.router().into_make_service_with_connect_info::<SocketAddr>();
        let serving = axum::serve(listener, service).with_graceful_shutdown(async move {
            shutdown.await;
            over.send_replace(true);
        });
        let farewell = async {
            // An error means that the sender is gone, and the server with it.
            let _ = is_over.wait_for(|over| *over).await;
            tokio::time::sleep(FAREWELL).await;
        };
        let served = tokio::select! {
            served = serving => served,
            () = farewell => Ok(()),
        };
        sweeper.abort();
        reader.abort();
        served
    }
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

/// Adds a person who can sign in. Hashes the password, which takes tens of milliseconds of one core.
///
/// # Errors
/// [`AddUserError`].
pub fn add_user(store: &dyn Store, name: &str, password: &SecretString) -> Result<(), AddUserError> {
    use secrecy::ExposeSecret as _;
    if name.is_empty() || name.chars().count() > 100 || name.chars().any(char::is_control) {
        return Err(AddUserError::BadName);
    }
    if !(1..=password::LONGEST).contains(&password.expose_secret().len()) {
        return Err(AddUserError::BadPassword);
    }
    let subject: [u8; 16] = make_random()?;
    let subject = subject.iter().map(|byte| format!("{byte:02x}")).collect();
    let user = User::new(subject, name.to_owned(), password::hash_password(password)?);
    if store.add_user(&user)? { Ok(()) } else { Err(AddUserError::Taken) }
}

/// Gives a person another password. Whether there is one of that name. Their sign-ins go on.
///
/// # Errors
/// [`AddUserError`], but for those of names.
pub fn set_password(store: &dyn Store, name: &str, password: &SecretString) -> Result<bool, AddUserError> {
    use secrecy::ExposeSecret as _;
    if !(1..=password::LONGEST).contains(&password.expose_secret().len()) {
        return Err(AddUserError::BadPassword);
    }
    let password_hash = password::hash_password(password)?;
    // The person may use a second factor at the same moment, which changes their record.
    while let Some(before) = store.user_named(name)? {
        let after = User { password_hash: password_hash.clone(), ..before.clone() };
        if store.change_user(&before, &after)? {
            return Ok(true);
        }
    }
    Ok(false)
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
