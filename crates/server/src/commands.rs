//! What the commands do, and the only place that prints.

pub(crate) mod chaos;
mod config_file;
mod hash;
mod notify;
mod serve;
mod user;

use std::io::{self, BufRead, Read as _, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use pilotlight_oauth::Scope;
use pilotlight_server::client::{BadClient, Client as ClientRecord, Setting};
use pilotlight_server::grant::{Grant as GrantRecord, Reason};
use pilotlight_server::{
    AddUserError, Clock, KeySource, KeysError, MemoryStore, NewSigningKey, OpenError, SigningAlgorithm, SqliteStore,
    Store, StoreError, SystemClock, TlsError, rotate_keys,
};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use zeroize::Zeroizing;

use crate::args::{AddClient, Args, Client, Command, Grant, Keys, KeysName, StoreName};

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("cannot listen on {address}: {error}")]
    Listen { address: std::net::SocketAddr, error: io::Error },
    #[error("the log filter is not understood: {0}")]
    Log(String),
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    AddUser(#[from] AddUserError),
    #[error(transparent)]
    Keys(#[from] KeysError),
    #[error(transparent)]
    BadClient(#[from] BadClient),
    #[error("there is a client of that id already")]
    ClientTaken,
    #[error("there is no such grant")]
    NoGrant,
    #[error("there is no person of that name")]
    NoUser,
    #[error("the person was changed by somebody else again and again")]
    Busy,
    #[error("this command needs a store that outlives it")]
    NeedsFile,
    #[error("with this store the key file must be named, for all servers need the same one")]
    NeedsKeys,
    #[cfg(not(feature = "redis"))]
    #[error("this program was built without Redis")]
    NoRedis,
    #[error("there is no store at {}", .0.display())]
    NoStore(std::path::PathBuf),
    #[error("--demo serves a password that everybody knows, and {0} can be reached from other machines")]
    DemoInPublic(std::net::SocketAddr),
    #[error("there is no password on standard input")]
    NoPassword,
    #[error(transparent)]
    NoEntropy(#[from] pilotlight_server::NoEntropy),
    #[error("the initial access token for registration has at least 20 characters")]
    ShortToken,
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error(transparent)]
    ConfigFile(#[from] config_file::ConfigFileError),
    #[error(transparent)]
    Chaos(#[from] chaos::ChaosFailure),
    #[error("input or output failed: {0}")]
    Io(#[from] io::Error),
}

impl Failure {
    /// 2: asked for the wrong thing, as with clap's own errors. 3: it is not there, or there already. 1: all else.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Log(_)
            | Self::BadClient(_)
            | Self::NeedsFile
            | Self::NeedsKeys
            | Self::ShortToken
            | Self::NoPassword
            | Self::DemoInPublic(_) => 2,
            Self::Open(OpenError::Issuer(_) | OpenError::Keys(KeysError::NoRsa)) | Self::Chaos(_) => 2,
            Self::Tls(_) | Self::ConfigFile(_) => 2,
            Self::Keys(KeysError::NoRsa | KeysError::NotASigningKey) => 2,
            Self::AddUser(AddUserError::BadName | AddUserError::BadPassword) => 2,
            Self::ClientTaken
            | Self::NoStore(_)
            | Self::NoGrant
            | Self::NoUser
            | Self::AddUser(AddUserError::Taken) => 3,
            _ => 1,
        }
    }

    /// Whether it may be over in a moment.
    fn is_away(&self) -> bool {
        let store = match self {
            Self::Open(OpenError::Store(error)) | Self::Store(error) | Self::AddUser(AddUserError::Store(error)) => {
                error
            }
            _ => return false,
        };
        matches!(store, StoreError::Away(_))
    }

    /// What to do next.
    fn hint(&self) -> Option<&'static str> {
        Some(match self {
            Self::Listen { .. } => "is another server running there? --listen 127.0.0.1:0 picks a free port",
            Self::Log(_) => "use --log error, warn, info or debug",
            Self::Open(OpenError::Issuer(_)) => "pass --issuer with the address that clients use",
            Self::Open(OpenError::Store(error)) | Self::Store(error) | Self::AddUser(AddUserError::Store(error)) => {
                match error {
                    StoreError::TooNew { .. } => "install the version that wrote it, or a newer one",
                    StoreError::Damaged(_) => "restore the store from a backup",
                    StoreError::Away(_) => "check that Redis runs there, and that this program may use it",
                    StoreError::BadAddress => {
                        "as in redis://127.0.0.1:6379/0, or rediss://… under TLS for one that is far away"
                    }
                    _ => "check that the folder exists, that you may write there, and that the disk is not full",
                }
            }
            Self::Open(OpenError::WrongKeys) => {
                "pass --keys with the file this store was used with, not an older copy of it"
            }
            Self::Open(OpenError::Keys(error)) | Self::Keys(error) => match error {
                KeysError::Open => "chmod 600 it, after you have made sure that nobody read it",
                KeysError::Missing(_) => "pass --keys with that file, copied from another server or from a backup",
                KeysError::Damaged => "restore it from a backup; without it everybody has to sign in again",
                KeysError::UnderWay(_) => "where no rotation is running, remove that file",
                KeysError::NeedsFile => "pass --keys FILE",
                KeysError::NoRsa => {
                    "start with es256; then openssl genpkey -algorithm RSA -out rsa.pem, and keys rotate --import rsa.pem"
                }
                KeysError::NotASigningKey => "as openssl genpkey writes it",
                KeysError::Io(_) => {
                    "check that its folder is there, and that you may read and write in it; `serve` makes the file at its first start"
                }
                _ => "check that it is there, and that you may read it",
            },
            Self::AddUser(AddUserError::Taken) | Self::ClientTaken => "choose another one",
            Self::NoGrant => "`pilotlight-server grant list` shows what there is",
            Self::NoUser => "`pilotlight-server user list` shows who there is",
            Self::Busy => "try again",
            Self::NoStore(_) => "check the path; `user add` and `serve` make a new store",
            Self::DemoInPublic(_) => "listen on 127.0.0.1, or add people with `user add` instead of --demo",
            Self::NeedsFile => "pass --store sqlite:PATH or redis://HOST:PORT/DB",
            Self::NeedsKeys => "pass --keys FILE; the first server makes it, copy it to the others",
            Self::ShortToken => "as in: openssl rand -base64 24 > registration-token",
            Self::Tls(error) => match error {
                TlsError::Open(_) => "chmod 640 it, after you have made sure that nobody read it",
                TlsError::NoCertificate(_) | TlsError::NoKey(_) => {
                    "pass PEM files: --tls-cert with the chain, --tls-key with its key"
                }
                _ => "check that both files are there, that you may read them, and that they belong together",
            },
            Self::ConfigFile(error) => return error.hint(),
            Self::Chaos(failure) => failure.hint(),
            Self::NoPassword => "pipe it in, as in: printf %s \"$PASSWORD\" | pilotlight-server …",
            _ => return None,
        })
    }
}

#[expect(clippy::print_stderr, reason = "this is the program's voice")]
pub(crate) fn complain(failure: &Failure) {
    eprintln!("error: {failure}");
    if let Some(hint) = failure.hint() {
        eprintln!("hint: {hint}");
    }
}

pub(crate) fn read_arguments() -> Result<Args, Failure> {
    Ok(config_file::read_arguments()?)
}

pub(crate) fn run(args: Args) -> Result<(), Failure> {
    match args.command {
        Command::Serve(serve) => self::serve::serve(*serve),
        Command::Hash(hash) => self::hash::hash(&hash),
        Command::Chaos(chaos) => self::chaos::run(chaos),
        Command::User(command) => self::user::run(command),
        Command::Keys(Keys::Rotate { keys, announce, signing_alg, import, leaked }) => {
            let signing = new_signing_key(signing_alg, import.as_deref())?;
            rotate_keys(&keys, SystemClock.now(), announce, leaked, &signing)?;
            say(&json!({"keys": keys, "in_use_in": if leaked { 0 } else { announce.as_secs() }}))
        }
        Command::Client(Client::Add(wanted)) => add_client(&*open_lasting(&wanted.store)?, wanted),
        Command::Grant(Grant::List { store }) => {
            let store = open_existing(&store)?;
            store.grants()?.iter().try_for_each(|grant| say(&describe(&*store, grant)?))
        }
        Command::Grant(Grant::Revoke { id: Some(id), store, .. }) => {
            let ended =
                open_existing(&store)?.revoke(id, Reason::Operator, SystemClock.now())?.ok_or(Failure::NoGrant)?;
            say(&json!({"grant_id": id.to_string(), "ended_now": ended}))
        }
        Command::Grant(Grant::Revoke { id: None, user, store }) => {
            revoke_all(&*open_existing(&store)?, &user.unwrap_or_default())
        }
    }
}

/// No key file is larger.
const LARGEST_KEY: u64 = 64 * 1024;

fn new_signing_key(alg: Option<SigningAlgorithm>, import: Option<&Path>) -> Result<NewSigningKey, Failure> {
    let Some(path) = import else { return Ok(alg.map_or(NewSigningKey::Alike, NewSigningKey::Made)) };
    let mut bytes = Zeroizing::new(Vec::new());
    std::fs::File::open(path)?.take(LARGEST_KEY).read_to_end(&mut bytes)?;
    Ok(NewSigningKey::Given(bytes))
}

/// One line of JSON on stdout, flushed: programs wait for it.
fn say(line: &serde_json::Value) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{line}")?;
    Ok(stdout.flush()?)
}

/// The store of that name. Grants whose token nobody used for that long are remembered for as long again, so that a late
/// client still learns why its grant ended.
fn open_store(name: &StoreName, refresh_token_ttl: Duration) -> Result<Arc<dyn Store>, Failure> {
    Ok(match name {
        StoreName::Memory => Arc::new(MemoryStore::new()),
        StoreName::Sqlite(path) => Arc::new(SqliteStore::open(path)?),
        StoreName::Redis(address) => open_redis(&address.0, refresh_token_ttl.saturating_mul(2))?,
    })
}

#[cfg(feature = "redis")]
fn open_redis(address: &str, remember: Duration) -> Result<Arc<dyn Store>, Failure> {
    let store = pilotlight_server::RedisStore::open(address, remember)?;
    store.wait_until_it_answers()?;
    Ok(Arc::new(store))
}

#[cfg(not(feature = "redis"))]
fn open_redis(_: &str, _: Duration) -> Result<Arc<dyn Store>, Failure> {
    Err(Failure::NoRedis)
}

/// For commands that are of no use to a store that ends with them.
fn open_lasting(name: &StoreName) -> Result<Arc<dyn Store>, Failure> {
    match name {
        StoreName::Memory => Err(Failure::NeedsFile),
        // They add no grant, and leave the lives of those that are there alone.
        name => open_store(name, Duration::ZERO),
    }
}

/// For commands that have nothing to do in a new store: a slip in the path should not make one.
fn open_existing(name: &StoreName) -> Result<Arc<dyn Store>, Failure> {
    match name {
        StoreName::Sqlite(path) if !path.exists() => Err(Failure::NoStore(path.clone())),
        name => open_lasting(name),
    }
}

fn read_password(mut input: impl BufRead) -> Result<SecretString, Failure> {
    let mut line = Zeroizing::new(String::new());
    input.read_line(&mut line)?;
    let password = line.trim_end_matches(['\r', '\n']);
    if password.is_empty() { Err(Failure::NoPassword) } else { Ok(SecretString::from(password)) }
}

/// What an operator lets a client do, on the command line or in the file.
fn allow(
    client: &mut ClientRecord,
    own_scope: Option<&str>,
    resources: Vec<String>,
    settings: [(bool, Setting); 5],
) -> Result<(), BadClient> {
    if let Some(scope) = own_scope {
        client.allow_own_scope(Scope::parse(scope))?;
    }
    client.allow_resources(resources)?;
    settings.into_iter().filter(|(wanted, _)| *wanted).try_for_each(|(_, setting)| client.set(setting))
}

fn add_client(store: &dyn Store, wanted: AddClient) -> Result<(), Failure> {
    let mut client = ClientRecord::public(&wanted.id, wanted.redirect_uris)?;
    if let Some(name) = wanted.name {
        client.name = name;
    }
    let secret = if wanted.confidential { Some(client.make_secret()?) } else { None };
    client.allow_returns(wanted.post_logout_redirect_uris)?;
    let settings = [
        (wanted.device, Setting::Device),
        (wanted.introspect_any, Setting::IntrospectAny),
        (wanted.pushed_only, Setting::PushedOnly),
        (wanted.dpop_required, Setting::DpopRequired),
        (wanted.exchange, Setting::Exchange),
    ];
    allow(&mut client, wanted.own_scope.as_deref(), wanted.resources, settings)?;
    if !store.add_client(&client)? {
        return Err(Failure::ClientTaken);
    }
    match secret {
        Some(secret) => say(&json!({"client_id": client.id, "client_secret": secret.expose_secret()})),
        None => say(&json!({"client_id": client.id})),
    }
}

fn describe(store: &dyn Store, grant: &GrantRecord) -> Result<serde_json::Value, Failure> {
    Ok(json!({
        "grant_id": grant.id.to_string(),
        "user": store.user(&grant.subject)?.map(|user| user.name),
        "client": grant.client,
        "scope": grant.scope.to_string(),
        "generation": grant.generation,
        "created_at": grant.created_at.as_secs(),
        "rotated_at": grant.rotated_at.as_secs(),
        "revoked": grant.revoked.map(|(_, reason)| reason.as_str()),
    }))
}

fn revoke_all(store: &dyn Store, name: &str) -> Result<(), Failure> {
    let user = store.user_named(name)?.ok_or(Failure::NoUser)?;
    let now = SystemClock.now();
    for grant in store.grants_of(&user.subject)? {
        let ended = store.revoke(grant.id, Reason::Operator, now)?;
        say(&json!({"grant_id": grant.id.to_string(), "ended_now": ended == Some(true)}))?;
    }
    Ok(())
}

/// Beside an embedded store, where no place was named.
fn keys_of(named: Option<KeysName>, store: &StoreName) -> Result<KeySource, Failure> {
    match (named, store) {
        (Some(KeysName(source)), _) => Ok(source),
        (None, StoreName::Memory) => Ok(KeySource::Ephemeral),
        (None, StoreName::Sqlite(path)) => {
            let mut beside = path.clone().into_os_string();
            beside.push(".keys");
            Ok(KeySource::File(beside.into()))
        }
        (None, StoreName::Redis(_)) => Err(Failure::NeedsKeys),
    }
}

#[cfg(unix)]
fn stop_signal() -> io::Result<impl Future<Output = ()> + Send + 'static> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

#[cfg(not(unix))]
fn stop_signal() -> io::Result<impl Future<Output = ()> + Send + 'static> {
    Ok(async { drop(tokio::signal::ctrl_c().await) })
}
