//! The listening socket: connections as they come, which the runtime does not watch yet ([`Link`](crate::link::Link)).

use std::io::Result;
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};

use rustix::net::{SocketFlags, accept_with};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

pub(crate) struct Door(AsyncFd<UnixListener>);

impl Door {
    /// To be called within a runtime.
    #[expect(unsafe_code, reason = "the runtime's own listener has it watch every connection it accepts")]
    pub(crate) fn new(listener: UnixListener) -> Result<Self> {
        listener.set_nonblocking(true)?;
        // SAFETY: a listener owns one descriptor, always the same, and keeps it open until it is dropped.
        let watched = unsafe { AsyncFd::register_with_interest(listener, Interest::READABLE) };
        Ok(Self(watched.map_err(std::io::Error::from)?))
    }

    /// The next connection. It does not block.
    pub(crate) async fn accept(&self) -> Result<UnixStream> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let stream = self.0.async_io(Interest::READABLE, |listener| Ok(accept_with(listener, flags)?)).await?;
        Ok(stream.into())
    }

    /// The socket for a process that inherits it, which starts out with one that blocks, as every other.
    pub(crate) fn into_inner(self) -> Result<OwnedFd> {
        let listener = self.0.into_inner();
        listener.set_nonblocking(false)?;
        Ok(listener.into())
    }
}
