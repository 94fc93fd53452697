//! What a screen reader is told: the tree of names and roles that a program shows on the accessibility bus.
//!
//! Spoken is AT-SPI's D-Bus protocol, as a screen reader speaks it.

use std::path::Path;

use zbus::{
    blocking::{Connection, connection::Builder},
    zvariant::{OwnedObjectPath, OwnedValue},
};

use crate::{
    desktop::PrivateDesktop,
    process::{self, Process},
    wait,
};

/// Where distributions put it; it is on no search path.
const LAUNCHERS: [&str; 3] =
    ["/usr/libexec/at-spi-bus-launcher", "/usr/lib/at-spi-bus-launcher", "/usr/lib/at-spi2/at-spi-bus-launcher"];
const ACCESSIBLE: &str = "org.a11y.atspi.Accessible";
/// Deeper than any page of ours: a tree that goes on has a loop.
const DEEPEST: usize = 40;

/// The accessibility bus of a private desktop, and a listener on it. Both end when this is dropped.
#[derive(Debug)]
pub struct ScreenReader {
    _bus: Process,
    connection: Connection,
}

/// What a thing on a page is: AT-SPI's numbers of what a person acts on, and of what tells where one is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Role {
    /// A button, box, field or link.
    ActedOn,
    /// A heading.
    Heading,
    /// The page itself.
    Page,
    /// Anything else, by its number.
    Other(u32),
}

impl Role {
    /// `AtspiRole` of at-spi2-core's atspi-constants.h.
    const fn of(number: u32) -> Self {
        match number {
            // Check box, combo box, password, button, radio button, slider, spin button, toggle, entry, link.
            7 | 11 | 40 | 43 | 44 | 51 | 52 | 62 | 79 | 88 => Self::ActedOn,
            83 => Self::Heading,
            95 => Self::Page,
            other => Self::Other(other),
        }
    }
}

/// One thing that a screen reader can tell of.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Spoken {
    /// What it is.
    pub role: Role,
    /// What it is called.
    pub name: String,
}

impl ScreenReader {
    /// Starts the bus. Programs that are started afterwards, with [`Self::variables`], show themselves on it.
    ///
    /// # Panics
    /// When it is not installed, or does not become ready.
    pub fn start(desktop: &PrivateDesktop) -> Self {
        let program = LAUNCHERS.into_iter().find(|path| Path::new(path).is_file());
        let program = program.expect("the accessibility bus is not installed: run `cargo xtask setup`");
        let mut command = process::piped(desktop.command(program));
        let mut bus = Process::start(command.arg("--launch-immediately"));
        bus.collect();
        let address: String = wait::until("the accessibility bus", || {
            let session = connect(&desktop.bus_address()).ok()?;
            let answer =
                session.call_method(Some("org.a11y.Bus"), "/org/a11y/bus", Some("org.a11y.Bus"), "GetAddress", &());
            answer.ok()?.body().deserialize().ok()
        });
        Self { _bus: bus, connection: connect(&address).expect("the accessibility bus") }
    }

    /// With these a program of [`PrivateDesktop`] looks for the bus, which it otherwise does without.
    pub const fn variables() -> [(&'static str, &'static str); 2] {
        [("NO_AT_BRIDGE", "0"), ("GTK_A11Y", "atspi")]
    }

    /// Everything below the program of that name, from top to bottom, once `whole` says that it is all there.
    ///
    /// # Panics
    /// When it is not; the message has what is there.
    pub fn hears(&self, program: &str, whole: impl Fn(&[Spoken]) -> bool) -> Vec<Spoken> {
        let deadline = std::time::Instant::now() + wait::PATIENCE;
        loop {
            // A page that is changing loses nodes while they are asked.
            let heard = self.program(program).unwrap_or_default();
            if whole(&heard) {
                return heard;
            }
            assert!(std::time::Instant::now() < deadline, "not to be heard in {program}: {heard:#?}");
            std::thread::sleep(wait::PAUSE);
        }
    }

    fn program(&self, wanted: &str) -> zbus::Result<Vec<Spoken>> {
        let mut heard = Vec::new();
        let root = OwnedObjectPath::try_from("/org/a11y/atspi/accessible/root")?;
        for (owner, path) in self.children("org.a11y.atspi.Registry", &root)? {
            if self.name(&owner, &path).is_ok_and(|name| name == wanted) {
                self.walk(&owner, &path, 0, &mut heard)?;
            }
        }
        Ok(heard)
    }

    fn walk(&self, owner: &str, path: &OwnedObjectPath, depth: usize, heard: &mut Vec<Spoken>) -> zbus::Result<()> {
        // Not by its name: WebKit leaves that to who asks.
        let role = self.connection.call_method(Some(owner), path, Some(ACCESSIBLE), "GetRole", &())?;
        heard.push(Spoken { role: Role::of(role.body().deserialize()?), name: self.name(owner, path)? });
        assert!(depth < DEEPEST, "a tree without an end: {heard:#?}");
        for (owner, path) in self.children(owner, path)? {
            self.walk(&owner, &path, depth + 1, heard)?;
        }
        Ok(())
    }

    /// One by one: where a page of another process hangs in a window, the whole list is empty (at-spi2-atk 2.46).
    fn children(&self, owner: &str, path: &OwnedObjectPath) -> zbus::Result<Vec<(String, OwnedObjectPath)>> {
        let count = i32::try_from(self.property(owner, path, "ChildCount")?)?;
        let child = |index: i32| {
            self.connection
                .call_method(Some(owner), path, Some(ACCESSIBLE), "GetChildAtIndex", &(index,))?
                .body()
                .deserialize()
        };
        (0..count).map(child).collect()
    }

    fn name(&self, owner: &str, path: &OwnedObjectPath) -> zbus::Result<String> {
        Ok(String::try_from(self.property(owner, path, "Name")?)?)
    }

    fn property(&self, owner: &str, path: &OwnedObjectPath, name: &str) -> zbus::Result<OwnedValue> {
        let properties = Some("org.freedesktop.DBus.Properties");
        self.connection.call_method(Some(owner), path, properties, "Get", &(ACCESSIBLE, name))?.body().deserialize()
    }
}

fn connect(address: &str) -> zbus::Result<Connection> {
    Builder::address(address)?.build()
}
