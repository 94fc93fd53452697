//! A desktop's panel as programs in the background see it: a host for icons of the tray, and a place for notices. It shows
//! nothing; a test reads what it was given, and clicks.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use zbus::blocking::{Connection, connection::Builder};
use zbus::message::Header;
use zbus::zvariant::{OwnedValue, Structure, Value};

use crate::desktop::PrivateDesktop;
use crate::wait;

const WATCHER: &str = "org.kde.StatusNotifierWatcher";
const ITEM: &str = "org.kde.StatusNotifierItem";
const MENU: &str = "com.canonical.dbusmenu";
const NOTICES: &str = "org.freedesktop.Notifications";
const NOTICES_PATH: &str = "/org/freedesktop/Notifications";

/// The panel, until it is dropped.
#[derive(Debug)]
pub struct Panel {
    connection: Connection,
    items: Arc<Mutex<Vec<String>>>,
    notices: Arc<Mutex<Vec<Notice>>>,
}

/// A notice, as a program gave it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// Its number.
    pub id: u32,
    /// Its first line.
    pub heading: String,
    /// What it says.
    pub text: String,
    /// Names of actions, and what their buttons say, in turns.
    pub actions: Vec<String>,
    /// Whether the program took it back.
    pub withdrawn: bool,
}

struct Watcher(Arc<Mutex<Vec<String>>>);

#[zbus::interface(name = "org.kde.StatusNotifierWatcher")]
impl Watcher {
    fn register_status_notifier_item(&self, service: &str, #[zbus(header)] header: Header<'_>) {
        let sender = header.sender().map(ToString::to_string).unwrap_or_default();
        // Some name themselves by the path of their object.
        let name = if service.starts_with('/') { sender } else { service.to_owned() };
        lock(&self.0).push(name);
    }

    #[zbus(property)]
    fn is_status_notifier_host_registered(&self) -> bool {
        true
    }
}

struct Notices(Arc<Mutex<Vec<Notice>>>);

#[zbus::interface(name = "org.freedesktop.Notifications")]
impl Notices {
    #[expect(clippy::too_many_arguments, reason = "so many has the method of the specification")]
    fn notify(
        &self,
        _program: &str,
        _replaces: u32,
        _icon: &str,
        heading: &str,
        text: &str,
        actions: Vec<String>,
        _hints: HashMap<String, OwnedValue>,
        _timeout: i32,
    ) -> u32 {
        let mut notices = lock(&self.0);
        let id = u32::try_from(notices.len()).expect("few notices") + 1;
        notices.push(Notice { id, heading: heading.into(), text: text.into(), actions, withdrawn: false });
        id
    }

    async fn close_notification(&self, id: u32, #[zbus(connection)] bus: &zbus::Connection) -> zbus::fdo::Result<()> {
        lock(&self.0).iter_mut().filter(|notice| notice.id == id).for_each(|notice| notice.withdrawn = true);
        Ok(bus.emit_signal(None::<&str>, NOTICES_PATH, NOTICES, "NotificationClosed", &(id, 3_u32)).await?)
    }
}

impl Panel {
    /// Starts one on the desktop's bus.
    ///
    /// # Panics
    /// When there is no bus, or it has a panel already.
    pub fn start(desktop: &PrivateDesktop) -> Self {
        let (items, notices) = (Arc::default(), Arc::default());
        let (_, address) = desktop.as_system_bus();
        let started = Builder::address(address.as_str())
            .and_then(|bus| bus.serve_at("/StatusNotifierWatcher", Watcher(Arc::clone(&items))))
            .and_then(|bus| bus.serve_at(NOTICES_PATH, Notices(Arc::clone(&notices))))
            .and_then(|bus| bus.name(WATCHER)?.name(NOTICES)?.build());
        Self { connection: started.expect("a panel on the private bus"), items, notices }
    }

    /// How often an item was registered here.
    pub fn registered(&self) -> usize {
        lock(&self.items).len()
    }

    /// Waits until the newest item's title, which tells everything at a glance, is this one.
    ///
    /// # Panics
    /// When it does not become so.
    pub fn wait_for_title(&self, title: &str) {
        let mut last = String::new();
        wait::until(&format!("the title {title:?} in the tray"), || {
            last = self.property("Title").and_then(|value| String::try_from(value).ok()).unwrap_or_default();
            (last == title).then_some(())
        });
    }

    /// The process that the newest item belongs to.
    ///
    /// # Panics
    /// When there is none.
    pub fn owner(&self) -> u32 {
        let item = lock(&self.items).last().cloned().expect("an item");
        let bus = Some("org.freedesktop.DBus");
        let answer =
            self.connection.call_method(bus, "/org/freedesktop/DBus", bus, "GetConnectionUnixProcessID", &(item,));
        answer.and_then(|answer| answer.body().deserialize()).expect("its process")
    }

    /// `Active`, or `NeedsAttention`.
    ///
    /// # Panics
    /// When there is no item.
    pub fn status(&self) -> String {
        self.property("Status").expect("an item").try_into().expect("a word")
    }

    /// Sides and bytes of the item's pictures.
    ///
    /// # Panics
    /// When there is no item, or they are no pictures.
    pub fn pictures(&self) -> Vec<(i32, i32, Vec<u8>)> {
        self.property("IconPixmap").expect("an item").try_into().expect("pictures")
    }

    /// The menu's lines that have a text, with their numbers.
    ///
    /// # Panics
    /// When there is no item.
    pub fn menu(&self) -> Vec<(i32, String)> {
        let body = (0_i32, -1_i32, Vec::<&str>::new());
        let answer = self.call("/MenuBar", MENU, "GetLayout", &body).expect("a menu").body();
        type Layout = (u32, (i32, HashMap<String, OwnedValue>, Vec<OwnedValue>));
        let (_, (_, _, lines)): Layout = answer.deserialize().expect("a layout");
        lines.into_iter().filter_map(line).collect()
    }

    /// Clicks the line of the menu with this text.
    ///
    /// # Panics
    /// When it does not come.
    pub fn click(&self, label: &str) {
        let id = wait::until(&format!("{label:?} in the menu"), || {
            self.menu().into_iter().find(|(_, text)| text == label).map(|(id, _)| id)
        });
        self.call("/MenuBar", MENU, "Event", &(id, "clicked", Value::from(0_i32), 0_u32)).expect("a click");
    }

    /// Clicks the item itself.
    ///
    /// # Panics
    /// When there is none.
    pub fn activate(&self) {
        self.call("/StatusNotifierItem", ITEM, "Activate", &(0_i32, 0_i32)).expect("a click");
    }

    /// Every notice so far.
    pub fn notices(&self) -> Vec<Notice> {
        lock(&self.notices).clone()
    }

    /// Presses the one button of a notice that is not its default, and has the notice go as desktops do.
    ///
    /// # Panics
    /// When the bus has gone.
    pub fn press(&self, notice: &Notice) {
        let action = notice.actions.iter().step_by(2).find(|name| *name != "default").expect("a button");
        let say = |member: &str, body: &(u32, &str)| {
            self.connection.emit_signal(None::<&str>, NOTICES_PATH, NOTICES, member, body).expect("a signal");
        };
        say("ActionInvoked", &(notice.id, action.as_str()));
        let closed = (notice.id, 2_u32);
        self.connection
            .emit_signal(None::<&str>, NOTICES_PATH, NOTICES, "NotificationClosed", &closed)
            .expect("a signal");
    }

    fn property(&self, name: &str) -> Option<OwnedValue> {
        let answer = self.call("/StatusNotifierItem", "org.freedesktop.DBus.Properties", "Get", &(ITEM, name)).ok()?;
        answer.body().deserialize().ok()
    }

    fn call<B>(&self, path: &str, interface: &str, method: &str, body: &B) -> zbus::Result<zbus::Message>
    where
        B: serde::Serialize + zbus::zvariant::DynamicType,
    {
        let item = lock(&self.items).last().cloned();
        let item = item.ok_or_else(|| zbus::Error::Failure("no item is registered".to_owned()))?;
        self.connection.call_method(Some(item.as_str()), path, Some(interface), method, body)
    }
}

/// The number and the text of one line.
fn line(value: OwnedValue) -> Option<(i32, String)> {
    let line = Structure::try_from(value).ok()?;
    let [Value::I32(id), Value::Dict(properties), ..] = line.fields() else { return None };
    let label: Option<String> = properties.get(&"label").ok()?;
    label.filter(|label| !label.is_empty()).map(|label| (*id, label))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
