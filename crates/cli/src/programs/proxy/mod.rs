//! `pilotlight proxy`: an address on this machine that stands for a service, with the token put into every request.
//!
//! ```text
//!  program ──▶ whose connection? ──▶ guard: secret, host, no web page ──▶ forward: headers, token ──▶ service
//!                                                                           └─ 401: once more, with another token
//! ```

mod forward;
mod guard;
mod headers;
#[cfg(target_os = "linux")]
mod peer;
mod upstream;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use pilotlight::parts::{Random as _, SystemRandom};
use serde_json::json;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use zeroize::Zeroizing;

use self::forward::Forward;
use self::guard::Guard;
use self::upstream::Upstream;
use super::web;
use crate::command::{Outcome, Run};
use crate::failure::Failure;
use crate::lend::Lending;
use crate::output;

/// More connections wait until one ends.
const CONNECTIONS: usize = 256;
/// A connection that sends no whole head of a request for this long is closed.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long requests may go on when the proxy is asked to end.
const GRACE: Duration = Duration::from_secs(10);
/// The longest head of a request, in bytes.
const LONGEST_HEAD: usize = 64 * 1024;

#[derive(Debug, Args)]
pub(crate) struct ProxyArguments {
    /// The account
    name: String,
    /// The service, and the path there that requests may go to
    #[arg(long, value_name = "URL", value_parser = Upstream::parse)]
    upstream: Upstream,
    /// Where to listen: an address of this machine alone; port 0 is a free one
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:0", value_parser = loopback)]
    listen: SocketAddr,
    /// Listen on a Unix socket of this name instead, which only you can use
    #[cfg(unix)]
    #[arg(long, value_name = "PATH", conflicts_with_all = ["listen", "open"])]
    socket: Option<PathBuf>,
    /// Do without the secret in the address: whatever reaches the port gets through
    #[arg(long)]
    open: bool,
    #[command(flatten)]
    lending: Lending,
}

fn loopback(text: &str) -> Result<SocketAddr, String> {
    let address: SocketAddr = text.parse().map_err(|_| "write an address and a port, such as 127.0.0.1:8080")?;
    if address.ip().is_loopback() { Ok(address) } else { Err("the proxy serves this machine alone".to_owned()) }
}

impl Run {
    pub(crate) async fn proxy(self, arguments: ProxyArguments) -> Outcome {
        let lender = self.lender(arguments.lending);
        // What would stop every request is told before the first.
        lender.bearer(&arguments.name).await?;
        let client = web::client(&self.pilotlight, arguments.upstream.url())?;
        #[cfg(unix)]
        let at_socket = arguments.socket;
        #[cfg(not(unix))]
        let at_socket: Option<PathBuf> = None;
        let listener = match at_socket {
            #[cfg(unix)]
            Some(path) => Listener::at_socket(path)?,
            _ => Listener::at_port(arguments.listen).await?,
        };
        let address = listener.address();
        let secret = if arguments.open || address.is_none() { None } else { Some(make_secret()?) };
        let base = base(address, secret.as_deref());
        let path = listener.path();
        let said = path.clone().unwrap_or_else(|| format!("{}/", base.as_str()));
        let json = json!({ "url": format!("{}/", base.as_str()), "socket": path });
        let guard = Guard { address, secret };
        let account = arguments.name;
        output::note(&format!("Requests go to {} as {account}.", arguments.upstream.url()));
        output::note(who(address.is_some(), guard.secret.is_some()));
        self.form.print(&json, || format!("{said}\n"))?;
        let forward = Forward { guard, upstream: arguments.upstream, base, client, account, lender };
        serve(listener, Arc::new(forward)).await;
        Ok(0)
    }
}

/// 128 bits in lower-case hexadecimal, which no program rewrites.
fn make_secret() -> Result<Zeroizing<String>, Failure> {
    let mut bytes = Zeroizing::new([0; 16]);
    SystemRandom.fill(&mut *bytes)?;
    Ok(Zeroizing::new(bytes.iter().map(|byte| format!("{byte:02x}")).collect()))
}

fn base(address: Option<SocketAddr>, secret: Option<&String>) -> Zeroizing<String> {
    let host = address.map_or_else(|| "localhost".to_owned(), |address| address.to_string());
    let path = secret.map_or_else(String::new, |secret| format!("/{secret}"));
    Zeroizing::new(format!("http://{host}{path}"))
}

/// Who can use it.
const fn who(port: bool, secret: bool) -> &'static str {
    match (port, secret) {
        (false, _) => "Programs of yours that can open the socket can use it.",
        (true, true) if cfg!(target_os = "linux") => {
            "Programs of yours that know the address can use it: keep it secret."
        }
        (true, true) => "Whoever on this machine knows the address can use it: keep it secret.",
        (true, false) if cfg!(target_os = "linux") => "Every program of yours can use it.",
        (true, false) => "EVERYBODY on this machine can use it.",
    }
}

/// Where connections come in.
enum Listener {
    Port(TcpListener, SocketAddr),
    #[cfg(unix)]
    Socket(tokio::net::UnixListener, PathBuf),
}

impl Listener {
    async fn at_port(address: SocketAddr) -> Result<Self, Failure> {
        let bound = async {
            let listener = TcpListener::bind(address).await?;
            let address = listener.local_addr()?;
            Ok::<_, io::Error>(Self::Port(listener, address))
        };
        bound.await.map_err(|error| {
            Failure::usage(format!("{address} cannot be listened at: {error}."), "Leave --listen out for a free port.")
        })
    }

    /// The system makes the socket, and fails where something is there.
    #[cfg(unix)]
    fn at_socket(path: PathBuf) -> Result<Self, Failure> {
        use std::os::unix::fs::PermissionsExt as _;
        let bound = || {
            let listener = tokio::net::UnixListener::bind(&path)?;
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
            Ok::<_, io::Error>(listener)
        };
        let listener = bound().map_err(|error| {
            let why = format!("{} cannot be listened at: {error}.", path.display());
            Failure::usage(why, "Remove what is there, or name another path.")
        })?;
        Ok(Self::Socket(listener, path))
    }

    const fn address(&self) -> Option<SocketAddr> {
        match self {
            Self::Port(_, address) => Some(*address),
            #[cfg(unix)]
            Self::Socket(..) => None,
        }
    }

    fn path(&self) -> Option<String> {
        match self {
            Self::Port(..) => None,
            #[cfg(unix)]
            Self::Socket(_, path) => Some(path.display().to_string()),
        }
    }

    /// The next connection.
    async fn accept(&self) -> io::Result<Incoming> {
        match self {
            Self::Port(listener, here) => {
                let (stream, peer) = listener.accept().await?;
                Ok(Incoming::Port { stream, peer, here: *here })
            }
            #[cfg(unix)]
            Self::Socket(listener, _) => Ok(Incoming::Socket(listener.accept().await?.0)),
        }
    }
}

#[cfg(unix)]
impl Drop for Listener {
    fn drop(&mut self) {
        if let Self::Socket(_, path) = self {
            // What is left behind is in the way of the next start, which says so.
            let _ = std::fs::remove_file(path);
        }
    }
}

/// A connection that was not looked at yet.
enum Incoming {
    Port {
        stream: TcpStream,
        peer: SocketAddr,
        here: SocketAddr,
    },
    #[cfg(unix)]
    Socket(tokio::net::UnixStream),
}

impl Incoming {
    /// The connection, if it is this user's, where the system tells whose it is.
    async fn ours(self) -> Option<Box<dyn Stream>> {
        match self {
            Self::Port { stream, peer, here } => {
                // It only makes small answers quicker.
                let _ = stream.set_nodelay(true);
                is_ours(peer, here).await.then(|| Box::new(stream) as Box<dyn Stream>)
            }
            #[cfg(unix)]
            Self::Socket(stream) => {
                let peer = stream.peer_cred().ok()?;
                (peer.uid() == rustix::process::geteuid().as_raw()).then(|| Box::new(stream) as Box<dyn Stream>)
            }
        }
    }
}

#[cfg(target_os = "linux")]
async fn is_ours(peer: SocketAddr, here: SocketAddr) -> bool {
    tokio::task::spawn_blocking(move || peer::is_ours(peer, here)).await.unwrap_or(false)
}

/// Elsewhere the secret alone keeps others out.
#[cfg(not(target_os = "linux"))]
async fn is_ours(_: SocketAddr, _: SocketAddr) -> bool {
    true
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// Serves until the program is asked to end, and then lets the requests under way come to their end.
async fn serve(listener: Listener, forward: Arc<Forward>) {
    let (room, (end, ending)) = (Arc::new(Semaphore::new(CONNECTIONS)), watch::channel(()));
    let mut connections = JoinSet::new();
    let mut stop = std::pin::pin!(asked_to_end());
    loop {
        let next = async {
            let place = Arc::clone(&room).acquire_owned().await;
            (place, listener.accept().await)
        };
        let (place, accepted) = tokio::select! {
            () = &mut stop => break,
            Some(_) = connections.join_next() => continue,
            next = next => next,
        };
        match accepted {
            Ok(incoming) => {
                let (forward, ending) = (Arc::clone(&forward), ending.clone());
                connections.spawn(async move {
                    let _place = place;
                    match incoming.ours().await {
                        Some(stream) => converse(stream, forward, ending).await,
                        None => output::note("A connection of another user was refused."),
                    }
                });
            }
            // Out of descriptors, as a rule: some will be given back.
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
    drop(listener);
    // Nobody hears it where no connection is open.
    let _ = end.send(());
    // Those that do not end in time are ended here.
    let _ = tokio::time::timeout(GRACE, async { while connections.join_next().await.is_some() {} }).await;
    connections.shutdown().await;
}

async fn converse(stream: Box<dyn Stream>, forward: Arc<Forward>, mut ending: watch::Receiver<()>) {
    let service = service_fn(move |request| {
        let forward = Arc::clone(&forward);
        async move { forward.answer(request).await }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .max_buf_size(LONGEST_HEAD)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut connection = std::pin::pin!(connection);
    // A program that goes away, or speaks no HTTP, is nobody's trouble.
    tokio::select! {
        _ = connection.as_mut() => return,
        _ = ending.changed() => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}

#[cfg(unix)]
async fn asked_to_end() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else { return std::future::pending().await };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}

#[cfg(not(unix))]
async fn asked_to_end() {
    let _ = tokio::signal::ctrl_c().await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_listens_on_this_machine_alone() {
        for good in ["127.0.0.1:0", "127.0.0.9:80", "[::1]:8080"] {
            assert!(loopback(good).is_ok(), "{good}");
        }
        for bad in ["0.0.0.0:80", "[::]:80", "192.0.2.1:80", "localhost:80", "8080", "127.0.0.1"] {
            assert!(loopback(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_secret_is_of_128_bits_and_never_the_same() {
        let (first, second) = (make_secret().unwrap(), make_secret().unwrap());
        assert_eq!((first.len(), second.len()), (32, 32));
        assert_ne!(*first, *second);
    }
}
