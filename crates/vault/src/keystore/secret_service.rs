//! The Secret Service asked directly: whether it is there and unlocked, before a library asks it for entries and shows a
//! prompt by itself, and waiting until it is unlocked.
//!
//! ```text
//!   look ──▶ ReadAlias("default") ──▶ Locked?            no prompt, no session, at most ANSWER per question
//!   unlock ─▶ Unlock, Prompt ──▶ Completed, or the collection's news ──▶ Locked?
//!   await ──▶                    the collection's news, or every POLL  ──▶ Locked?
//! ```
//!
//! Source: the [Secret Service API](https://specifications.freedesktop.org/secret-service/).

use std::collections::HashMap;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use zbus::blocking::connection::Builder;
use zbus::blocking::{Connection, MessageIterator};
use zbus::message::{Body, Type};
use zbus::zvariant::{DynamicType, ObjectPath, OwnedObjectPath, OwnedValue};

use super::platform::{Fault, KIND};
use super::state::{Origin, Persistence};
use crate::KeystoreError;

const NAME: &str = "org.freedesktop.secrets";
const ROOT: &str = "/org/freedesktop/secrets";
const SERVICE: &str = "org.freedesktop.Secret.Service";
const COLLECTION: &str = "org.freedesktop.Secret.Collection";
const PROMPT: &str = "org.freedesktop.Secret.Prompt";

/// How long one question may take; shorter than the deadline of a read, so that its answer still counts.
const ANSWER: Duration = Duration::from_secs(4);

/// How often a keystore is asked that tells nothing by itself. Not all say when they are unlocked.
const POLL: Duration = Duration::from_secs(2);

/// A connection to the session's bus. No session for secrets is opened over it.
pub(super) struct Bus {
    connection: Connection,
}

/// The names under which the programs run that are known to provide a Secret Service, as the kernel cuts them.
const PROVIDERS: [(&str, &str); 7] = [
    ("gnome-keyring-d", "gnome-keyring"),
    ("kwalletd5", "kwallet"),
    ("kwalletd6", "kwallet"),
    ("ksecretd", "kwallet"),
    ("keepassxc", "keepassxc"),
    ("oo7-daemon", "oo7"),
    ("pass_secret_ser", "pass"),
];

impl Bus {
    pub(super) fn connect() -> Result<Self, KeystoreError> {
        let built = Builder::session().and_then(|builder| builder.method_timeout(ANSWER).build());
        built.map(|connection| Self { connection }).map_err(|error| match error {
            zbus::Error::InputOutput(error) if error.kind() == std::io::ErrorKind::TimedOut => KeystoreError::TimedOut,
            _ => KeystoreError::Absent("the session bus does not answer".to_owned()),
        })
    }

    /// Who keeps, if it is unlocked.
    pub(super) fn look(&self) -> Result<Origin, Fault> {
        let collection = self.default_collection()?;
        if self.is_locked(&collection)? {
            return Err(Fault::Told(KeystoreError::Locked));
        }
        let persistence = if is_session(&collection) { Persistence::Passing } else { Persistence::Lasting };
        Ok(Origin { kind: KIND.to_owned(), provider: self.provider(), persistence: Some(persistence) })
    }

    /// Whether the entries of this name can be had without a prompt.
    pub(super) fn can_read(&self, service: &str, name: &str) -> Result<(), Fault> {
        let attributes = HashMap::from([("service", service), ("username", name)]);
        let answer = self.call(ROOT, SERVICE, "SearchItems", &(attributes,))?;
        let (_, locked): (Vec<OwnedObjectPath>, Vec<OwnedObjectPath>) = read(&answer)?;
        if locked.is_empty() { Ok(()) } else { Err(Fault::Told(KeystoreError::Locked)) }
    }

    /// Whether an entry can be kept without a prompt, and longer than this session.
    pub(super) fn can_write(&self) -> Result<(), Fault> {
        let collection = self.default_collection()?;
        if is_session(&collection) {
            let why = "it forgets everything when the session ends";
            return Err(Fault::Told(KeystoreError::Unsuitable(why.to_owned())));
        }
        if self.is_locked(&collection)? { Err(Fault::Told(KeystoreError::Locked)) } else { Ok(()) }
    }

    /// Asks the person to unlock it, and waits. A prompt that nobody answers is taken away again.
    pub(super) fn unlock(&self, patience: Duration) -> Result<(), KeystoreError> {
        let collection = self.default_collection().map_err(Fault::into_error)?;
        let waiting = self.news(patience)?;
        let asked = self.call(ROOT, SERVICE, "Unlock", &(vec![collection.as_ref()],));
        let (_, prompt): (Vec<OwnedObjectPath>, OwnedObjectPath) =
            asked.and_then(|answer| read(&answer)).map_err(Fault::into_error)?;
        if prompt.as_str() == "/" {
            return self.unlocked_or_refused(&collection);
        }
        self.call(prompt.as_str(), PROMPT, "Prompt", &("",)).map_err(Fault::into_error)?;
        loop {
            match waiting.events.recv() {
                Ok(Event::Completed { path }) if path == prompt => return self.unlocked_or_refused(&collection),
                Ok(Event::Gone) => return Err(KeystoreError::Failed("it ended while it asked".to_owned())),
                Ok(Event::TooLate) | Err(_) => break,
                Ok(Event::Completed { .. } | Event::News | Event::Tick) => {
                    if matches!(self.is_locked(&collection), Ok(false)) {
                        break;
                    }
                }
            }
        }
        // Unlocked from elsewhere, or nobody answered. The prompt goes with this connection: asked to dismiss one that is
        // being shown, gnome-keyring 42 aborts, and takes everybody's keystore with it.
        self.unlocked_or_refused(&collection)
    }

    /// Waits until somebody unlocks it. Nobody is asked.
    pub(super) fn await_unlocked(&self, patience: Duration) -> Result<(), KeystoreError> {
        let waiting = self.news(patience)?;
        loop {
            match self.look() {
                Ok(_) => return Ok(()),
                Err(fault) => match fault.into_error() {
                    KeystoreError::Locked | KeystoreError::TimedOut => {}
                    // A keystore that was restarted is away for a moment.
                    error => self.back_or(error, &waiting.events)?,
                },
            }
            match waiting.events.recv() {
                Ok(Event::TooLate) | Err(_) => return self.look().map(drop).map_err(Fault::into_error),
                Ok(_) => {}
            }
        }
    }

    /// Gives a keystore that is away one tick to come back.
    fn back_or(&self, error: KeystoreError, events: &Receiver<Event>) -> Result<(), KeystoreError> {
        loop {
            match events.recv() {
                Ok(Event::Gone) => {}
                Ok(Event::TooLate) | Err(_) => return Err(error),
                Ok(_) => break,
            }
        }
        match self.look().map_err(Fault::into_error) {
            Ok(_) | Err(KeystoreError::Locked | KeystoreError::TimedOut) => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn unlocked_or_refused(&self, collection: &ObjectPath<'_>) -> Result<(), KeystoreError> {
        match self.is_locked(collection) {
            Ok(false) => Ok(()),
            Ok(true) => Err(KeystoreError::Locked),
            Err(fault) => Err(fault.into_error()),
        }
    }

    fn default_collection(&self) -> Result<OwnedObjectPath, Fault> {
        let collection: OwnedObjectPath = read(&self.call(ROOT, SERVICE, "ReadAlias", &("default",))?)?;
        if collection.as_str() == "/" {
            return Err(Fault::Told(KeystoreError::Absent("it has nowhere to keep anything".to_owned())));
        }
        Ok(collection)
    }

    fn is_locked(&self, collection: &ObjectPath<'_>) -> Result<bool, Fault> {
        let properties = "org.freedesktop.DBus.Properties";
        let answer = self.call(collection.as_str(), properties, "Get", &(COLLECTION, "Locked"))?;
        bool::try_from(read::<OwnedValue>(&answer)?).map_err(|_| malformed())
    }

    /// The program behind the name, which two desktops of one person may not share.
    fn provider(&self) -> Option<String> {
        let bus = "org.freedesktop.DBus";
        let answer = self.connection.call_method(
            Some(bus),
            "/org/freedesktop/DBus",
            Some(bus),
            "GetConnectionUnixProcessID",
            &(NAME,),
        );
        let process: u32 = answer.ok()?.body().deserialize().ok()?;
        let name = std::fs::read_to_string(format!("/proc/{process}/comm")).ok()?;
        PROVIDERS.iter().find(|(comm, _)| *comm == name.trim_end()).map(|(_, provider)| (*provider).to_owned())
    }

    fn call<B: serde::Serialize + DynamicType>(
        &self,
        path: &str,
        interface: &str,
        method: &str,
        body: &B,
    ) -> Result<Body, Fault> {
        let answer = self.connection.call_method(Some(NAME), path, Some(interface), method, body);
        answer.map(|message| message.body()).map_err(|error| fault_of(&error))
    }

    /// News of the keystore, for as long as the caller has patience. They come over this connection, which ends with them:
    /// that a prompt was answered is told to nobody but who asked for it.
    fn news(&self, patience: Duration) -> Result<Waiting, KeystoreError> {
        let listening = self.connection.clone();
        let bus = "org.freedesktop.DBus";
        for rule in [
            format!("type='signal',sender='{NAME}',path_namespace='{ROOT}'"),
            format!("type='signal',sender='{bus}',member='NameOwnerChanged',arg0='{NAME}'"),
        ] {
            listening
                .call_method(Some(bus), "/org/freedesktop/DBus", Some(bus), "AddMatch", &(rule,))
                .map_err(|error| fault_of(&error).into_error())?;
        }
        let (news, events) = channel();
        let (ticks, alive) = (news.clone(), channel::<()>());
        let messages = MessageIterator::from(&listening);
        start(move || forward(messages, &news))?;
        start(move || tick(patience, &alive.1, &ticks))?;
        Ok(Waiting { events, _alive: alive.0, listening: Some(listening) })
    }
}

fn start(run: impl FnOnce() + Send + 'static) -> Result<(), KeystoreError> {
    let started = std::thread::Builder::new().name("keystore-news".to_owned()).spawn(run);
    started.map(drop).map_err(|_| KeystoreError::Failed("no thread could be started".to_owned()))
}

enum Event {
    /// A prompt was answered or dismissed.
    Completed { path: OwnedObjectPath },
    /// The program that provides the keystore went away.
    Gone,
    /// Something changed.
    News,
    /// Time to ask again.
    Tick,
    /// The caller's patience is over.
    TooLate,
}

/// Ends its two threads and the connection when it is dropped.
struct Waiting {
    events: Receiver<Event>,
    _alive: Sender<()>,
    listening: Option<Connection>,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if let Some(listening) = self.listening.take() {
            // An error means that it is closed already.
            let _ = listening.close();
        }
    }
}

fn forward(messages: MessageIterator, news: &Sender<Event>) {
    for message in messages.map_while(Result::ok) {
        let header = message.header();
        if header.message_type() != Type::Signal {
            continue;
        }
        let event = match header.member().map(zbus::names::MemberName::as_str) {
            Some("Completed") => header.path().map(|path| Event::Completed { path: path.to_owned().into() }),
            Some("NameOwnerChanged") => {
                let gone = message.body().deserialize::<(&str, &str, &str)>().is_ok_and(|(_, _, now)| now.is_empty());
                Some(if gone { Event::Gone } else { Event::News })
            }
            _ => Some(Event::News),
        };
        if event.is_some_and(|event| news.send(event).is_err()) {
            return;
        }
    }
}

fn tick(patience: Duration, alive: &Receiver<()>, ticks: &Sender<Event>) {
    let mut left = patience;
    while !left.is_zero() {
        let pause = left.min(POLL);
        if alive.recv_timeout(pause) == Err(RecvTimeoutError::Disconnected) {
            return;
        }
        left -= pause;
        if ticks.send(Event::Tick).is_err() {
            return;
        }
    }
    // Nobody is left to hear it where this fails.
    let _ = ticks.send(Event::TooLate);
}

fn is_session(collection: &ObjectPath<'_>) -> bool {
    collection.as_str().ends_with("/session")
}

fn malformed() -> Fault {
    Fault::Told(KeystoreError::Failed("its answer is malformed".to_owned()))
}

fn read<T>(body: &Body) -> Result<T, Fault>
where
    T: serde::de::DeserializeOwned + zbus::zvariant::Type,
{
    body.deserialize().map_err(|_| malformed())
}

/// What an error of the bus or the service means. Of its text nothing is passed on.
fn fault_of(error: &zbus::Error) -> Fault {
    match error {
        zbus::Error::MethodError(name, _, _) => match name.as_str() {
            "org.freedesktop.Secret.Error.IsLocked" => Fault::Told(KeystoreError::Locked),
            "org.freedesktop.DBus.Error.ServiceUnknown" | "org.freedesktop.DBus.Error.NameHasNoOwner" => {
                Fault::Broken(KeystoreError::Absent("no program provides one".to_owned()))
            }
            name if name.starts_with("org.freedesktop.DBus.Error.Spawn.") => {
                Fault::Broken(KeystoreError::Absent("the program that provides it does not start".to_owned()))
            }
            "org.freedesktop.DBus.Error.Timeout" | "org.freedesktop.DBus.Error.TimedOut" => {
                Fault::Told(KeystoreError::TimedOut)
            }
            _ => Fault::Broken(KeystoreError::Failed("the service reports a failure".to_owned())),
        },
        zbus::Error::InputOutput(error) if error.kind() == std::io::ErrorKind::TimedOut => {
            Fault::Told(KeystoreError::TimedOut)
        }
        _ => Fault::Broken(KeystoreError::Failed("the connection to it failed".to_owned())),
    }
}
