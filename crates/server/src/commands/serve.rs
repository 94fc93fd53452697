//! `pilotlight-server serve`.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use pilotlight_server::{Config, Limits, Listeners, Registration, Server, Store, SystemClock, Tls, add_demo};
use serde_json::json;
use tokio::net::TcpListener;
use zeroize::Zeroizing;

use super::config_file::Declared;
use super::{Failure, keys_of, notify, open_store, say, stop_signal};
use crate::args::Serve;
use crate::edge_args::{EdgeArgs, LogFormat, Registering};

/// How often a store that is away is asked again before the start fails, and how long after.
const OPENINGS: usize = 8;
const PAUSE: Duration = Duration::from_millis(250);

pub(super) fn serve(serve: Serve) -> Result<(), Failure> {
    start_log(&serve.log, serve.edge.log_format)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(serve_async(serve))
}

fn start_log(filter: &str, format: LogFormat) -> Result<(), Failure> {
    let filter = tracing_subscriber::EnvFilter::try_new(filter).map_err(|error| Failure::Log(error.to_string()))?;
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).with_ansi(false);
    match format {
        LogFormat::Text => log.init(),
        LogFormat::Json => log.json().flatten_event(true).with_span_list(false).init(),
    }
    Ok(())
}

async fn serve_async(serve: Serve) -> Result<(), Failure> {
    let declared = serve.config.as_deref().map(Declared::read).transpose()?.unwrap_or_default();
    let address = serve.listen;
    if serve.demo && !address.ip().is_loopback() {
        return Err(Failure::DemoInPublic(address));
    }
    let listeners = listen(&serve).await?;
    let issuer = match &serve.issuer {
        Some(issuer) => issuer.clone(),
        None => {
            let scheme = if listeners.tls.is_some() { "https" } else { "http" };
            format!("{scheme}://{}", listeners.main.local_addr()?)
        }
    };
    let mut line = json!({"issuer": issuer});
    if let (Some(metrics), Some(line)) = (&listeners.metrics, line.as_object_mut()) {
        line.insert("metrics".to_owned(), format!("http://{}/metrics", metrics.local_addr()?).into());
    }
    let config = Config {
        access_token_ttl: serve.access_token_ttl,
        refresh_token_ttl: serve.refresh_token_ttl,
        grant_ttl: serve.grant_ttl,
        retry_window: serve.retry_window,
        grant_uses: serve.grant_uses,
        session_ttl: serve.session_ttl,
        keys: keys_of(serve.keys, &serve.store)?,
        signing_alg: serve.signing_alg,
        dpop_nonce: serve.dpop_nonce,
        require_par: serve.require_par,
        password_sign_in: !serve.no_password_sign_in,
        plain_json: !serve.no_plain_json,
        limits: limits(&serve.edge),
        registration: registration(&serve.edge)?,
        most_registered: serve.edge.max_registered,
        trusted_proxies: serve.edge.trusted_proxies,
        ..Config::new(issuer.clone())
    };
    let store = open_store(&serve.store, serve.refresh_token_ttl)?;
    if serve.demo {
        tracing::warn!("--demo: anybody can sign in as demo with the password demo");
    }
    let tls = listeners.tls.clone();
    let server = open(&config, &store, &declared, serve.demo).await?;
    // Before the line that invites requests and signals, so that neither finds us unprepared.
    let stop = stop_signal()?;
    read_again_when_asked(server.clone(), tls)?;
    say(&line)?;
    notify::tell("READY=1");
    tracing::info!(%issuer, "serving");
    let stop = async {
        stop.await;
        notify::tell("STOPPING=1");
    };
    server.run_on(listeners, stop).await?;
    tracing::info!("stopped");
    Ok(())
}

/// Opens the server over its store. One that is away may be a Redis that starts beside us, or a busy machine: it is asked
/// again for a moment.
async fn open(config: &Config, store: &Arc<dyn Store>, declared: &Declared, demo: bool) -> Result<Server, Failure> {
    let once = || -> Result<Server, Failure> {
        declared.keep(&**store)?;
        if demo {
            add_demo(&**store)?;
        }
        Ok(Server::open(config.clone(), store.clone(), Arc::new(SystemClock))?)
    };
    for _ in 0..OPENINGS {
        match once() {
            Err(failure) if failure.is_away() => tracing::warn!(%failure, "asking the store again"),
            opened => return opened,
        }
        tokio::time::sleep(PAUSE).await;
    }
    once()
}

async fn listen(serve: &Serve) -> Result<Listeners, Failure> {
    let bind = async |address| TcpListener::bind(address).await.map_err(|error| Failure::Listen { address, error });
    let tls = match (&serve.edge.tls_cert, &serve.edge.tls_key) {
        (Some(certificate), Some(key)) => Some(Tls::open(certificate, key)?),
        _ => None,
    };
    let metrics = match serve.edge.metrics {
        Some(address) => Some(bind(address).await?),
        None => None,
    };
    Ok(Listeners { main: bind(serve.listen).await?, tls, metrics })
}

fn limits(edge: &EdgeArgs) -> Limits {
    let mut limits = Limits::default();
    limits.requests = edge.max_requests;
    limits.connections = edge.max_connections;
    limits.password_checks = edge.max_password_checks.unwrap_or(limits.password_checks);
    limits
}

fn registration(edge: &EdgeArgs) -> Result<Registration, Failure> {
    match (edge.registration, &edge.registration_token) {
        (Registering::Open, _) => Ok(Registration::Open),
        (Registering::Token, Some(path)) => {
            let token = Zeroizing::new(std::fs::read_to_string(path)?);
            let token = token.trim();
            if token.len() < 20 { Err(Failure::ShortToken) } else { Ok(Registration::WithToken(token.into())) }
        }
        _ => Ok(Registration::Closed),
    }
}

/// On SIGHUP the keys and the certificate are read again, as they are by themselves every ten seconds.
#[cfg(unix)]
fn read_again_when_asked(server: Server, tls: Option<Tls>) -> io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut asked = signal(SignalKind::hangup())?;
    tokio::spawn(async move {
        while asked.recv().await.is_some() {
            server.read_keys_again().await;
            if let Some(tls) = tls.clone() {
                match tokio::task::spawn_blocking(move || tls.read_again()).await {
                    Ok(Ok(replaced)) => tracing::info!(replaced, "the certificate was read again"),
                    Ok(Err(error)) => tracing::error!(%error, "the certificate was not read again"),
                    Err(error) => tracing::error!(%error, "reading the certificate again broke off"),
                }
            }
        }
    });
    Ok(())
}

#[cfg(not(unix))]
fn read_again_when_asked(_: Server, _: Option<Tls>) -> io::Result<()> {
    Ok(())
}
