//! A bus and a keystore that share nothing with the session around the tests.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use zbus::blocking::connection::Builder;
use zbus::blocking::{Connection, MessageIterator};
use zbus::zvariant::{OwnedObjectPath, OwnedValue, Value};

const PASSWORD: &str = "a private keystore";
const NAME: &str = "org.freedesktop.secrets";
const SERVICE: &str = "org.freedesktop.Secret.Service";
const ROOT: &str = "/org/freedesktop/secrets";
const COLLECTION: &str = "/org/freedesktop/secrets/collection/login";

/// A session with a bus. Its processes end with it.
pub(crate) struct Desktop {
    folder: TempDir,
    bus: Option<Child>,
    keyring: Option<Child>,
}

fn end(child: &mut Option<Child>) {
    if let Some(mut child) = child.take() {
        // It may have ended by itself.
        let _ = child.kill();
        let _ = child.wait();
    }
}

impl Drop for Desktop {
    fn drop(&mut self) {
        end(&mut self.keyring);
        end(&mut self.bus);
    }
}

impl Desktop {
    /// Neither bus nor keystore, as over ssh.
    pub(crate) fn without_bus() -> Self {
        let folder = tempfile::Builder::new().prefix("plk-").tempdir().unwrap();
        std::fs::create_dir(folder.path().join("run")).unwrap();
        std::fs::set_permissions(folder.path().join("run"), std::fs::Permissions::from_mode(0o700)).unwrap();
        Self { folder, bus: None, keyring: None }
    }

    /// A bus that starts nothing by itself.
    pub(crate) fn with_bus() -> Self {
        let mut desktop = Self::without_bus();
        let file = desktop.folder.path().join("bus.conf");
        let policy = "<policy context='default'><allow send_destination='*'/><allow receive_sender='*'/><allow own='*'/></policy>";
        let listen = format!("<type>session</type><listen>{}</listen><auth>EXTERNAL</auth>", desktop.address());
        std::fs::write(&file, format!("<busconfig>{listen}{policy}</busconfig>")).unwrap();
        let mut bus = desktop.command("dbus-daemon");
        bus.arg("--nofork").arg("--print-address").arg(format!("--config-file={}", file.display()));
        let mut bus = bus.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(bus.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        desktop.bus = Some(bus);
        desktop
    }

    /// gnome-keyring, unlocked.
    pub(crate) fn unlocked() -> Self {
        let mut desktop = Self::with_bus();
        desktop.start_keystore();
        desktop
    }

    /// gnome-keyring, locked, with nobody who shows its prompts.
    pub(crate) fn locked() -> Self {
        let desktop = Self::unlocked();
        desktop.lock();
        desktop
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn address(&self) -> String {
        format!("unix:path={}", self.folder.path().join("run/bus").display())
    }

    pub(crate) fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        let folder = self.folder.path();
        command.env_clear().env("PATH", "/usr/bin:/bin").env("HOME", folder).env("XDG_RUNTIME_DIR", folder.join("run"));
        command.env("XDG_DATA_HOME", folder.join("data")).env("DBUS_SESSION_BUS_ADDRESS", self.address());
        command
    }

    /// Starts the keystore that was there before, unlocked.
    pub(crate) fn start_keystore(&mut self) {
        self.start_as("/usr/bin/gnome-keyring-daemon".into(), "data");
    }

    /// Starts a keystore that knows nothing, under another program's name.
    pub(crate) fn start_another(&mut self, name: &str) {
        let program = self.folder.path().join(name);
        std::os::unix::fs::symlink("/usr/bin/gnome-keyring-daemon", &program).unwrap();
        self.start_as(program, "other-data");
    }

    fn start_as(&mut self, program: PathBuf, data: &str) {
        let mut command = self.command(program);
        command.env("XDG_DATA_HOME", self.folder.path().join(data));
        command.args(["--foreground", "--unlock", "--components=secrets"]);
        let mut keyring = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        keyring.stdin.take().unwrap().write_all(PASSWORD.as_bytes()).unwrap();
        self.keyring = Some(keyring);
        while self.is_locked() != Some(false) {
            // The bus tells when the name is taken, not when the collection is loaded.
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Ends the keystore as a crash would.
    pub(crate) fn kill_keystore(&mut self) {
        end(&mut self.keyring);
    }

    /// Stops the keystore, so that it answers nobody, or lets it go on.
    pub(crate) fn hold_keystore(&self, hold: bool) {
        let id = self.keyring.as_ref().unwrap().id();
        let signal = if hold { Signal::STOP } else { Signal::CONT };
        kill_process(Pid::from_raw(id.try_into().unwrap()).unwrap(), signal).unwrap();
    }

    pub(crate) fn connect(&self) -> Connection {
        Builder::address(self.address().as_str()).unwrap().build().unwrap()
    }

    fn is_locked(&self) -> Option<bool> {
        let arguments = ("org.freedesktop.Secret.Collection", "Locked");
        let properties = Some("org.freedesktop.DBus.Properties");
        let answer = self.connect().call_method(Some(NAME), COLLECTION, properties, "Get", &arguments).ok()?;
        answer.body().deserialize::<OwnedValue>().ok()?.try_into().ok()
    }

    pub(crate) fn lock(&self) {
        let arguments = (vec![OwnedObjectPath::try_from(COLLECTION).unwrap()],);
        self.connect().call_method(Some(NAME), ROOT, Some(SERVICE), "Lock", &arguments).unwrap();
        assert_eq!(self.is_locked(), Some(true));
    }

    fn session(connection: &Connection) -> OwnedObjectPath {
        let arguments = ("plain", Value::from(""));
        let answer = connection.call_method(Some(NAME), ROOT, Some(SERVICE), "OpenSession", &arguments).unwrap();
        answer.body().deserialize::<(OwnedValue, OwnedObjectPath)>().unwrap().1
    }

    pub(crate) fn unlock(&self) {
        let connection = self.connect();
        let secret = (Self::session(&connection), Vec::<u8>::new(), PASSWORD.as_bytes().to_vec(), "text/plain");
        let interface = "org.gnome.keyring.InternalUnsupportedGuiltRiddenInterface";
        let arguments = (OwnedObjectPath::try_from(COLLECTION).unwrap(), secret);
        connection.call_method(Some(NAME), ROOT, Some(interface), "UnlockWithMasterPassword", &arguments).unwrap();
        assert_eq!(self.is_locked(), Some(false));
    }

    /// Adds an item with these attributes, as any program of the user may. It replaces nothing.
    pub(crate) fn plant(&self, service: &str, name: &str, secret: &[u8]) {
        let connection = self.connect();
        let attributes = HashMap::from([("service", service), ("username", name)]);
        let properties = HashMap::from([
            ("org.freedesktop.Secret.Item.Label", Value::from("planted")),
            ("org.freedesktop.Secret.Item.Attributes", Value::from(attributes)),
        ]);
        let secret = (Self::session(&connection), Vec::<u8>::new(), secret.to_vec(), "text/plain");
        let interface = Some("org.freedesktop.Secret.Collection");
        connection.call_method(Some(NAME), COLLECTION, interface, "CreateItem", &(properties, secret, false)).unwrap();
    }

    /// The names of all entries of `service` that begin with `prefix`.
    pub(crate) fn names(&self, service: &str, prefix: &str) -> Vec<String> {
        let connection = self.connect();
        let attributes = (HashMap::from([("service", service)]),);
        let answer = connection.call_method(Some(NAME), ROOT, Some(SERVICE), "SearchItems", &attributes).unwrap();
        let body = answer.body();
        let (unlocked, locked): (Vec<OwnedObjectPath>, Vec<OwnedObjectPath>) = body.deserialize().unwrap();
        let name = |item: &OwnedObjectPath| {
            let arguments = ("org.freedesktop.Secret.Item", "Attributes");
            let properties = Some("org.freedesktop.DBus.Properties");
            let answer = connection.call_method(Some(NAME), item.as_str(), properties, "Get", &arguments).unwrap();
            let value: OwnedValue = answer.body().deserialize().unwrap();
            HashMap::<String, String>::try_from(value).unwrap().remove("username").unwrap()
        };
        unlocked.iter().chain(&locked).map(name).filter(|name| name.starts_with(prefix)).collect()
    }

    /// A keystore that takes every call and answers none.
    pub(crate) fn start_silent_keystore(&self) -> Connection {
        let connection = self.connect();
        connection.request_name(NAME).unwrap();
        connection
    }

    /// The program that shows the keystore's prompts. Tells of each prompt; dismisses it, or leaves it standing.
    pub(crate) fn start_prompter(&self, dismiss: bool) -> (Connection, Receiver<()>) {
        let connection = self.connect();
        let messages = MessageIterator::from(&connection);
        connection.request_name("org.gnome.keyring.SystemPrompter").unwrap();
        let (asked, prompts) = channel();
        let answering = connection.clone();
        std::thread::spawn(move || {
            for message in messages.map_while(Result::ok) {
                let header = message.header();
                let (member, reply) = match header.member().map(zbus::names::MemberName::as_str) {
                    Some("BeginPrompting") if asked.send(()).is_ok() => ("PromptReady", ""),
                    Some("PerformPrompt") => ("PromptReady", "no"),
                    Some("StopPrompting") => ("PromptDone", ""),
                    _ => continue,
                };
                answering.reply(&header, &()).unwrap();
                if dismiss {
                    call_back(&answering, &message, member, reply);
                }
            }
        });
        (connection, prompts)
    }
}

/// Goes on with a prompt: it is to be shown where `reply` is empty, and was dismissed where it is "no".
fn call_back(connection: &Connection, asked: &zbus::Message, member: &str, reply: &str) {
    let body = asked.body();
    let fields: zbus::zvariant::Structure<'_> = body.deserialize().unwrap();
    let callback = OwnedObjectPath::try_from(fields.fields()[0].try_clone().unwrap()).unwrap();
    let header = asked.header();
    let interface = Some("org.gnome.keyring.internal.Prompter.Callback");
    let (to, nothing) = (header.sender().cloned(), HashMap::<&str, Value<'_>>::new());
    if member == "PromptDone" {
        // Whoever asked may be gone by now.
        let _ = connection.call_method(to, callback, interface, member, &());
    } else {
        connection.call_method(to, callback, interface, member, &(reply, nothing, "")).unwrap();
    }
}
