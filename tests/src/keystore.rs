//! The private keystore from its own side: locking it, unlocking it, and reading what stands in it.
//!
//! Spoken is the [Secret Service API](https://specifications.freedesktop.org/secret-service/), plus the one call of
//! gnome-keyring by which its own programs unlock a collection without a dialog.

use std::collections::HashMap;

use zbus::{
    blocking::{Connection, connection::Builder},
    message::Body,
    zvariant::{ObjectPath, OwnedObjectPath, OwnedValue, Value},
};

/// The attributes by which an item of the keystore is found.
pub type Attributes = HashMap<String, String>;

/// The password of the private keystore. It guards nothing but the secrets of a test.
pub(crate) const PASSWORD: &str = "a private keystore";

const NAME: &str = "org.freedesktop.secrets";
const SERVICE: &str = "org.freedesktop.Secret.Service";
const ROOT: &str = "/org/freedesktop/secrets";
const COLLECTION: &str = "/org/freedesktop/secrets/collection/login";

/// Whether the keystore answers and its collection is open.
pub(crate) fn is_unlocked(bus: &str) -> bool {
    connect(bus)
        .and_then(|connection| property(&connection, COLLECTION, "org.freedesktop.Secret.Collection", "Locked"))
        .is_ok_and(|locked| locked.try_into().is_ok_and(|locked: bool| !locked))
}

/// Locks the collection.
pub(crate) fn lock(bus: &str) {
    let connection = connect(bus).expect("the private bus");
    call(&connection, ROOT, SERVICE, "Lock", &(vec![collection()],)).expect("the keystore locks");
    assert!(!is_unlocked(bus), "the keystore still says that it is unlocked");
}

/// Unlocks the collection with its password.
pub(crate) fn unlock(bus: &str) {
    let connection = connect(bus).expect("the private bus");
    let secret = (open_session(&connection), Vec::<u8>::new(), PASSWORD.as_bytes().to_vec(), "text/plain");
    let interface = "org.gnome.keyring.InternalUnsupportedGuiltRiddenInterface";
    call(&connection, ROOT, interface, "UnlockWithMasterPassword", &(collection(), secret))
        .expect("the keystore unlocks");
    assert!(is_unlocked(bus), "the keystore still says that it is locked");
}

/// The attributes of every item, locked or not.
pub(crate) fn items(bus: &str) -> Vec<Attributes> {
    let connection = connect(bus).expect("the private bus");
    let answer = call(&connection, ROOT, SERVICE, "SearchItems", &(Attributes::new(),)).expect("a search");
    let (unlocked, locked): (Vec<OwnedObjectPath>, Vec<OwnedObjectPath>) = answer.deserialize().expect("two lists");
    let attributes = |item: &OwnedObjectPath| {
        let value =
            property(&connection, item.as_str(), "org.freedesktop.Secret.Item", "Attributes").expect("attributes");
        value.try_into().expect("text by text")
    };
    unlocked.iter().chain(&locked).map(attributes).collect()
}

/// The secrets of every item that is not locked.
pub(crate) fn secrets(bus: &str) -> Vec<String> {
    type Secret = (OwnedObjectPath, Vec<u8>, Vec<u8>, String);
    let connection = connect(bus).expect("the private bus");
    let answer = call(&connection, ROOT, SERVICE, "SearchItems", &(Attributes::new(),)).expect("a search");
    let (unlocked, _): (Vec<OwnedObjectPath>, Vec<OwnedObjectPath>) = answer.deserialize().expect("two lists");
    let session = open_session(&connection);
    let answer = call(&connection, ROOT, SERVICE, "GetSecrets", &(unlocked, session)).expect("their secrets");
    let secrets: HashMap<OwnedObjectPath, Secret> = answer.deserialize().expect("a secret for each");
    secrets.into_values().filter_map(|(_, _, value, _)| String::from_utf8(value).ok()).collect()
}

/// Sends a signal to whoever listens on the bus.
pub(crate) fn emit<B>(bus: &str, path: &str, interface: &str, member: &str, body: &B)
where
    B: serde::Serialize + zbus::zvariant::DynamicType,
{
    let connection = connect(bus).expect("the private bus");
    connection.emit_signal(None::<&str>, path, interface, member, body).expect("a signal");
}

/// A session in which secrets are handed over as they are: the bus is the test's own.
fn open_session(connection: &Connection) -> OwnedObjectPath {
    let answer = call(connection, ROOT, SERVICE, "OpenSession", &("plain", Value::from(""))).expect("a session");
    let (_, session): (OwnedValue, OwnedObjectPath) = answer.deserialize().expect("its path");
    session
}

fn connect(bus: &str) -> zbus::Result<Connection> {
    Builder::address(bus)?.build()
}

fn collection() -> ObjectPath<'static> {
    ObjectPath::from_static_str_unchecked(COLLECTION)
}

fn property(connection: &Connection, path: &str, interface: &str, name: &str) -> zbus::Result<OwnedValue> {
    call(connection, path, "org.freedesktop.DBus.Properties", "Get", &(interface, name))?.deserialize()
}

fn call<B>(connection: &Connection, path: &str, interface: &str, method: &str, body: &B) -> zbus::Result<Body>
where
    B: serde::Serialize + zbus::zvariant::DynamicType,
{
    Ok(connection.call_method(Some(NAME), path, Some(interface), method, body)?.body())
}
