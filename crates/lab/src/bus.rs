//! A session's bus with a real Secret Service on it, gnome-keyring: private to one cell, and ended with it.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use zbus::blocking::Connection;
use zbus::blocking::connection::Builder;
use zbus::zvariant::{OwnedObjectPath, OwnedValue, Value};

use crate::companions::{end, needed};
use crate::system::{self, Stopwatch};
use crate::verdict::Halt;

/// How long bus and keystore may take to start.
const STARTING: Duration = Duration::from_secs(10);
/// What the keystore's own file is sealed with.
const PASSWORD: &[u8] = b"a private keystore";
const NAME: &str = "org.freedesktop.secrets";
const SERVICE: &str = "org.freedesktop.Secret.Service";
const ROOT: &str = "/org/freedesktop/secrets";
const COLLECTION: &str = "/org/freedesktop/secrets/collection/login";

/// The bus and the keystore.
pub(crate) struct Bus {
    folder: PathBuf,
    daemon: Child,
    keyring: Child,
}

/// A secret as it goes over the bus: session, parameters, value, type.
type Secret = (OwnedObjectPath, Vec<u8>, Vec<u8>, String);

impl Bus {
    /// Both, with the keystore unlocked.
    pub(crate) fn start(cell: &Path) -> Result<Self, Halt> {
        let (bus, keyring) = (needed("dbus-daemon")?, needed("gnome-keyring-daemon")?);
        let folder = cell.join("bus");
        std::fs::create_dir_all(&folder)?;
        std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o700))?;
        let daemon = start_daemon(&bus, &folder)?;
        let keyring = start_keyring(&keyring, &folder)?;
        let bus = Self { folder, daemon, keyring };
        bus.ready()?;
        Ok(bus)
    }

    /// What a program of this session has in its environment.
    pub(crate) fn surroundings(&self) -> Vec<(&'static str, PathBuf)> {
        surroundings(&self.folder)
    }

    /// Ends both, as where nobody is signed in to a desktop.
    pub(crate) fn go_away(&mut self) {
        end(&mut self.keyring);
        end(&mut self.daemon);
    }

    /// Starts what is not there; the keystore unlocked, with what it kept.
    pub(crate) fn come_back(&mut self) -> Result<(), Halt> {
        if !matches!(self.daemon.try_wait(), Ok(None)) {
            self.daemon = start_daemon(&needed("dbus-daemon")?, &self.folder)?;
        }
        self.kill_keystore();
        self.keyring = start_keyring(&needed("gnome-keyring-daemon")?, &self.folder)?;
        self.ready()
    }

    /// Ends the keystore as a crash would.
    pub(crate) fn kill_keystore(&mut self) {
        end(&mut self.keyring);
    }

    /// Stops the keystore, so that it answers nobody, or lets it go on.
    pub(crate) fn hold(&self, hold: bool) -> Result<(), Halt> {
        let signal = if hold { Signal::STOP } else { Signal::CONT };
        let id = i32::try_from(self.keyring.id()).ok().and_then(Pid::from_raw);
        let sent = id.map_or(Ok(()), |id| kill_process(id, signal));
        Ok(sent.map_err(std::io::Error::from)?)
    }

    /// Locks the keystore, with nobody there to answer its prompts.
    pub(crate) fn lock(&self) -> Result<(), Halt> {
        let which = OwnedObjectPath::try_from(COLLECTION).map_err(|error| failed(&error.into()))?;
        let connection = self.connect().map_err(|error| failed(&error))?;
        connection
            .call_method(Some(NAME), ROOT, Some(SERVICE), "Lock", &(vec![which],))
            .map_err(|error| failed(&error))?;
        if self.is_locked() == Some(true) {
            Ok(())
        } else {
            Halt::inconclusive("the keystore does not let itself be locked")
        }
    }

    /// What any other program of the session gets for the entries of `service`: their names and what they hold.
    pub(crate) fn entries_of(&self, service: &str) -> Result<Vec<(String, Vec<u8>)>, Halt> {
        self.asked(service).map_err(|error| failed(&error))
    }

    fn asked(&self, service: &str) -> zbus::Result<Vec<(String, Vec<u8>)>> {
        let connection = self.connect()?;
        let answer =
            connection.call_method(Some(NAME), ROOT, Some(SERVICE), "OpenSession", &("plain", Value::from("")))?;
        let (_, session): (OwnedValue, OwnedObjectPath) = answer.body().deserialize()?;
        let wanted = (HashMap::from([("service", service)]),);
        let answer = connection.call_method(Some(NAME), ROOT, Some(SERVICE), "SearchItems", &wanted)?;
        let (unlocked, _): (Vec<OwnedObjectPath>, Vec<OwnedObjectPath>) = answer.body().deserialize()?;
        let mut entries = vec![];
        for item in unlocked {
            let interface = Some("org.freedesktop.Secret.Item");
            let answer = connection.call_method(Some(NAME), item.as_str(), interface, "GetSecret", &(&session,))?;
            let (_, _, value, _): Secret = answer.body().deserialize()?;
            let properties = Some("org.freedesktop.DBus.Properties");
            let which = ("org.freedesktop.Secret.Item", "Attributes");
            let answer = connection.call_method(Some(NAME), item.as_str(), properties, "Get", &which)?;
            let attributes: OwnedValue = answer.body().deserialize()?;
            let mut attributes = HashMap::<String, String>::try_from(attributes)?;
            entries.push((attributes.remove("username").unwrap_or_default(), value));
        }
        Ok(entries)
    }

    fn connect(&self) -> zbus::Result<Connection> {
        Builder::address(address(&self.folder).as_str())?.build()
    }

    /// Waits until the keystore has loaded its entries: the bus tells only that it has come.
    fn ready(&self) -> Result<(), Halt> {
        let watch = Stopwatch::start();
        while self.is_locked() != Some(false) {
            if watch.elapsed() > STARTING {
                return Halt::inconclusive("gnome-keyring does not start");
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    fn is_locked(&self) -> Option<bool> {
        let which = ("org.freedesktop.Secret.Collection", "Locked");
        let properties = Some("org.freedesktop.DBus.Properties");
        let answer = self.connect().ok()?.call_method(Some(NAME), COLLECTION, properties, "Get", &which).ok()?;
        answer.body().deserialize::<OwnedValue>().ok()?.try_into().ok()
    }
}

impl Drop for Bus {
    fn drop(&mut self) {
        self.go_away();
    }
}

fn failed(error: &zbus::Error) -> Halt {
    Halt::Inconclusive(format!("the keystore on the bus cannot be used: {error}"))
}

fn address(folder: &Path) -> String {
    format!("unix:path={}", folder.join("socket").display())
}

fn surroundings(folder: &Path) -> Vec<(&'static str, PathBuf)> {
    vec![
        ("DBUS_SESSION_BUS_ADDRESS", address(folder).into()),
        ("XDG_RUNTIME_DIR", folder.to_owned()),
        ("XDG_DATA_HOME", folder.join("data")),
    ]
}

fn command(program: &Path, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("PATH", system::search_path()).env("HOME", folder).envs(surroundings(folder));
    command.current_dir(folder).stderr(Stdio::null());
    command
}

/// A bus that starts nothing by itself.
fn start_daemon(program: &Path, folder: &Path) -> Result<Child, Halt> {
    let file = folder.join("bus.conf");
    // An earlier one may have left it.
    let _ = std::fs::remove_file(folder.join("socket"));
    let policy =
        "<policy context='default'><allow send_destination='*'/><allow receive_sender='*'/><allow own='*'/></policy>";
    let listen = format!("<type>session</type><listen>{}</listen><auth>EXTERNAL</auth>", address(folder));
    std::fs::write(&file, format!("<busconfig>{listen}{policy}</busconfig>"))?;
    let mut command = command(program, folder);
    command.arg("--nofork").arg("--print-address").arg(format!("--config-file={}", file.display()));
    let mut daemon = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
    let mut line = String::new();
    if let Some(output) = daemon.stdout.take() {
        BufReader::new(output).read_line(&mut line)?;
    }
    if line.is_empty() {
        end(&mut daemon);
        return Halt::inconclusive("dbus-daemon does not start");
    }
    Ok(daemon)
}

fn start_keyring(program: &Path, folder: &Path) -> Result<Child, Halt> {
    let mut command = command(program, folder);
    command.args(["--foreground", "--unlock", "--components=secrets"]).stdin(Stdio::piped()).stdout(Stdio::null());
    let mut keyring = command.spawn()?;
    if let Some(mut input) = keyring.stdin.take() {
        input.write_all(PASSWORD)?;
    }
    Ok(keyring)
}
