//! A screen that is locked, as desktops tell programs of it.

use zbus::blocking::{Connection, connection::Builder};

const NAME: &str = "org.freedesktop.ScreenSaver";
const PATH: &str = "/org/freedesktop/ScreenSaver";

/// The screen is locked until this is dropped.
#[derive(Debug)]
pub struct LockedScreen {
    _bus: Connection,
}

struct Saver;

#[zbus::interface(name = "org.freedesktop.ScreenSaver")]
impl Saver {
    #[expect(clippy::unused_self, reason = "a method of the bus has the object it is called on")]
    fn get_active(&self) -> bool {
        true
    }
}

/// A session of logind that was told of its lock (org.freedesktop.login1(5)).
struct Session;

#[zbus::interface(name = "org.freedesktop.login1.Session")]
impl Session {
    #[zbus(property)]
    #[expect(clippy::unused_self, reason = "a property of the bus has the object it is read from")]
    fn locked_hint(&self) -> bool {
        true
    }
}

pub(crate) fn hint(bus: &str) -> zbus::Result<LockedScreen> {
    let path = "/org/freedesktop/login1/session/auto";
    Ok(LockedScreen { _bus: Builder::address(bus)?.serve_at(path, Session)?.name("org.freedesktop.login1")?.build()? })
}

pub(crate) fn lock(bus: &str) -> zbus::Result<LockedScreen> {
    Ok(LockedScreen { _bus: Builder::address(bus)?.serve_at(PATH, Saver)?.name(NAME)?.build()? })
}
