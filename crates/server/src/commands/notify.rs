//! Tells the program that started this one how it goes, as sd_notify(3) describes: one datagram to the socket that the
//! environment names.

/// Says it, where somebody listens. That nobody hears it is no reason to fail.
#[cfg(target_os = "linux")]
#[expect(clippy::disallowed_methods, reason = "the one place of this program that reads the environment")]
pub(super) fn tell(state: &str) {
    use std::os::linux::net::SocketAddrExt as _;
    use std::os::unix::ffi::OsStrExt as _;
    use std::os::unix::net::{SocketAddr, UnixDatagram};

    let Some(name) = std::env::var_os("NOTIFY_SOCKET") else { return };
    let address = match name.as_bytes() {
        // An address that is no file.
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name),
        _ => SocketAddr::from_pathname(&name),
    };
    let sent = address.and_then(|address| UnixDatagram::unbound()?.send_to_addr(state.as_bytes(), &address));
    if let Err(error) = sent {
        tracing::warn!(%error, "nobody could be told that we are ready");
    }
}

#[cfg(not(target_os = "linux"))]
pub(super) fn tell(_: &str) {}
