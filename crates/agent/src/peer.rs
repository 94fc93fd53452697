//! Who is at the other end of a connection, as the kernel noted it when the connection was made.

use std::io::{Error, Result};
use std::os::fd::{AsFd, AsRawFd as _};

/// The process and the user that connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Peer {
    /// None where the process is in another namespace, so that it has no number here.
    pub(crate) pid: Option<i32>,
    pub(crate) uid: u32,
}

#[expect(
    unsafe_code,
    reason = "no safe function tells this of a socket that the runtime does not watch (unix(7), SO_PEERCRED)"
)]
pub(crate) fn peer(socket: impl AsFd) -> Result<Peer> {
    let mut told = libc::ucred { pid: 0, uid: u32::MAX, gid: u32::MAX };
    let size = size_of::<libc::ucred>();
    let mut length = libc::socklen_t::try_from(size).map_err(Error::other)?;
    let fd = socket.as_fd().as_raw_fd();
    // SAFETY: `told` has room for `length` bytes, any of which are a `ucred`, and the descriptor is open while it is borrowed.
    let outcome =
        unsafe { libc::getsockopt(fd, libc::SOL_SOCKET, libc::SO_PEERCRED, (&raw mut told).cast(), &raw mut length) };
    if outcome != 0 {
        return Err(Error::last_os_error());
    }
    if usize::try_from(length).ok() != Some(size) {
        return Err(Error::other("the system told something else"));
    }
    Ok(Peer { pid: Some(told.pid).filter(|pid| *pid > 0), uid: told.uid })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_other_end_is_told_and_what_is_no_such_socket_is_not() {
        let (one, _other) = std::os::unix::net::UnixStream::pair().unwrap();
        let pid = i32::try_from(std::process::id()).ok();
        assert_eq!(peer(&one).unwrap(), Peer { pid, uid: crate::place::own_uid() });
        assert!(peer(std::fs::File::open("/dev/null").unwrap()).is_err());
    }
}
