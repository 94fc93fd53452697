//! Whether the screen is locked: nobody would see a browser's tab then. Where nobody tells, it counts as unlocked.

/// Whether the session's screen is locked, as far as the desktop tells. Blocks for a moment at most.
#[cfg(all(feature = "watch", target_os = "linux"))]
pub(crate) fn is_locked() -> bool {
    let (sender, receiver) = std::sync::mpsc::channel();
    // A thread of its own, because a bus that does not answer holds whoever asks it.
    let asking = std::thread::Builder::new().name("pilotlight-screen".into()).spawn(move || {
        // Whoever asked may have gone on without the answer.
        let _ = sender.send(desktop::is_locked());
    });
    asking.is_ok() && receiver.recv_timeout(desktop::PATIENCE).unwrap_or(false)
}

/// Only Linux is asked so far.
#[cfg(not(all(feature = "watch", target_os = "linux")))]
pub(crate) const fn is_locked() -> bool {
    false
}

#[cfg(all(feature = "watch", target_os = "linux"))]
mod desktop {
    use std::time::Duration;

    use zbus::blocking::Connection;
    use zbus::blocking::fdo::DBusProxy;
    use zbus::zvariant::OwnedValue;

    /// A desktop that takes longer than this is not waited for.
    pub(super) const PATIENCE: Duration = Duration::from_millis(700);
    /// Name, path and interface of what covers the screen: the common one, and those of desktops that have another.
    const SAVERS: [(&str, &str); 5] = [
        ("org.freedesktop.ScreenSaver", "/org/freedesktop/ScreenSaver"),
        ("org.gnome.ScreenSaver", "/org/gnome/ScreenSaver"),
        ("org.cinnamon.ScreenSaver", "/org/cinnamon/ScreenSaver"),
        ("org.mate.ScreenSaver", "/org/mate/ScreenSaver"),
        ("org.xfce.ScreenSaver", "/org/xfce/ScreenSaver"),
    ];

    pub(super) fn is_locked() -> bool {
        let covered = || Connection::session().is_ok_and(|bus| SAVERS.iter().any(|saver| is_active(&bus, saver)));
        Connection::system().ok().and_then(|bus| has_hint(&bus)).unwrap_or(false) || covered()
    }

    /// What logind was told by the desktop of this session (org.freedesktop.login1(5), `LockedHint`).
    fn has_hint(bus: &Connection) -> Option<bool> {
        let path = "/org/freedesktop/login1/session/auto";
        let (properties, asked) = ("org.freedesktop.DBus.Properties", ("org.freedesktop.login1.Session", "LockedHint"));
        let answer = bus.call_method(Some("org.freedesktop.login1"), path, Some(properties), "Get", &asked).ok()?;
        bool::try_from(answer.body().deserialize::<OwnedValue>().ok()?).ok()
    }

    /// Asks only one that runs: nothing is started for a question.
    fn is_active(bus: &Connection, (name, path): &(&str, &str)) -> bool {
        let runs = || DBusProxy::new(bus).ok()?.name_has_owner((*name).try_into().ok()?).ok();
        let active = || -> Option<bool> {
            let answer = bus.call_method(Some(*name), *path, Some(*name), "GetActive", &()).ok()?;
            answer.body().deserialize().ok()
        };
        runs().unwrap_or(false) && active().unwrap_or(false)
    }
}
