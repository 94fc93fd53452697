//! How the agent and the service manager that started it speak with one another.

use std::fs::File;
use std::io;
use std::os::fd::AsFd as _;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener};

use tokio::signal::unix::{SignalKind, signal};

/// The socket that systemd opened for us (`sd_listen_fds(3)`), if it did.
#[must_use]
pub fn passed_socket() -> Option<UnixListener> {
    listenfd::ListenFd::from_env().take_unix_listener(0).ok().flatten()
}

/// The socket that the app left on our standard input, for us to serve from now on. Standard input is empty afterwards.
///
/// # Errors
/// There is nothing, or the system refuses.
pub fn socket_on_stdin() -> io::Result<UnixListener> {
    let stdin = io::stdin();
    let socket = stdin.as_fd().try_clone_to_owned()?;
    // What we start later must not inherit it.
    rustix::stdio::dup2_stdin(File::open("/dev/null")?)?;
    Ok(socket.into())
}

/// Tells systemd that requests are answered (`sd_notify(3)`). Without systemd nobody is told.
///
/// # Errors
/// systemd cannot be told.
#[expect(clippy::disallowed_methods, reason = "with the socket's place, what the agent reads of the environment")]
pub fn tell_ready() -> io::Result<()> {
    let Some(name) = std::env::var_os("NOTIFY_SOCKET") else { return Ok(()) };
    let address = match name.as_bytes().strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(&name)?,
    };
    UnixDatagram::unbound()?.send_to_addr(b"READY=1", &address).map(drop)
}

/// Ends when somebody wants the program to end: SIGTERM or SIGINT.
///
/// # Errors
/// The system gives no signals.
pub async fn until_ended() -> io::Result<()> {
    let (mut terminated, mut interrupted) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::select! {
        _ = terminated.recv() => {}
        _ = interrupted.recv() => {}
    }
    Ok(())
}
