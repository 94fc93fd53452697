//! A desktop session of one's own: home folder, D-Bus, keystore, and on demand a display.

use std::{
    ffi::{OsStr, OsString},
    fs::{self, Permissions},
    io::Write as _,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use tempfile::TempDir;

use crate::{
    binaries, keystore,
    process::{self, Process},
    screen::{self, LockedScreen},
    wait,
};

/// What the session offers an app that asks for the Secret Service.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Keystore {
    /// gnome-keyring, unlocked, as after signing in to a desktop.
    Unlocked,
    /// gnome-keyring with a locked collection and nobody to ask for its password.
    Locked,
    /// A bus on which no keystore answers, as on a bare window manager.
    Absent,
    /// No session bus at all, as over ssh.
    NoBus,
}

/// A session that shares nothing with the person who runs the tests. Its processes end, and its folder goes, when it is dropped.
#[derive(Debug)]
pub struct PrivateDesktop {
    // Fields are dropped in this order: programs first, the folder they use last.
    keyring: Option<Process>,
    bus: Option<Process>,
    display: Option<(Process, String)>,
    folder: TempDir,
}

impl PrivateDesktop {
    /// Starts a session with that keystore and no display.
    ///
    /// # Panics
    /// When one of its programs is not installed or does not become ready.
    pub fn start(keystore: Keystore) -> Self {
        // A short path: a socket's may have 107 bytes.
        let folder = tempfile::Builder::new().prefix("pld-").tempdir().expect("a temporary folder");
        for name in ["home", "run", "data", "config", "cache", "state"] {
            fs::create_dir(folder.path().join(name)).expect("a folder in it");
        }
        // The XDG Base Directory Specification wants this mode, and gnome-keyring refuses another.
        fs::set_permissions(folder.path().join("run"), Permissions::from_mode(0o700)).expect("its mode");
        let mut desktop = Self { keyring: None, bus: None, display: None, folder };
        if keystore != Keystore::NoBus {
            desktop.start_bus();
        }
        if matches!(keystore, Keystore::Unlocked | Keystore::Locked) {
            desktop.start_keystore();
        }
        if keystore == Keystore::Locked {
            desktop.lock_keystore();
        }
        desktop
    }

    /// Adds a virtual display on a number that is free.
    ///
    /// # Panics
    /// When Xvfb is not installed or does not become ready.
    #[must_use]
    pub fn with_display(mut self) -> Self {
        let mut command = process::piped(Command::new(binaries::tool("Xvfb")));
        command.args(["-displayfd", "1", "-screen", "0", "1280x900x24", "-nolisten", "tcp", "-noreset"]);
        let mut xvfb = Process::start(&mut command);
        let (number, _) = xvfb.collect();
        let number = wait::until("the display's number", || number.lines().first().cloned());
        self.display = Some((xvfb, format!(":{}", number.trim())));
        self
    }

    /// The session's own folder; everything below it goes with the session.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// `PILOTLIGHT_HOME` of every program started here.
    pub fn pilotlight_home(&self) -> PathBuf {
        self.folder().join("pilotlight")
    }

    /// Where this session's own programs are; first in its `PATH`.
    fn programs(&self) -> PathBuf {
        self.folder().join("bin")
    }

    /// Puts the app where its desktop entry finds it, and the entry where a desktop looks for it.
    ///
    /// # Panics
    /// When it is not built, or was installed before.
    pub fn install_app(&self) {
        let applications = self.folder().join("data/applications");
        fs::create_dir_all(&applications).expect("the folder of entries");
        fs::create_dir_all(self.programs()).expect("the folder of programs");
        let entry = Path::new(env!("CARGO_MANIFEST_DIR")).join("../src-tauri/linux/dev.pilotlight.desktop");
        fs::copy(entry, applications.join("dev.pilotlight.desktop")).expect("the app's entry");
        let (app, link) = (binaries::built("pilotlight-desktop"), self.programs().join("pilotlight-desktop"));
        std::os::unix::fs::symlink(app, link).expect("a link to the app");
    }

    /// A command that sees this session and nothing of the one around it.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command.env_clear().envs(self.environment());
        command
    }

    /// The whole environment of a program in this session.
    pub fn environment(&self) -> Vec<(OsString, OsString)> {
        let mut all: Vec<(OsString, OsString)> = Vec::new();
        let mut set = |name: &str, value: &OsStr| all.push((name.into(), value.into()));
        let folders = [
            ("HOME", "home"),
            ("XDG_RUNTIME_DIR", "run"),
            ("XDG_DATA_HOME", "data"),
            ("XDG_CONFIG_HOME", "config"),
            ("XDG_CACHE_HOME", "cache"),
            ("XDG_STATE_HOME", "state"),
            ("PILOTLIGHT_HOME", "pilotlight"),
        ];
        for (name, folder) in folders {
            set(name, self.folder().join(folder).as_os_str());
        }
        let mut path = self.programs().into_os_string();
        if let Some(more) = std::env::var_os("PATH") {
            path.push(":");
            path.push(more);
        }
        set("PATH", &path);
        set("LANG", "C.UTF-8".as_ref());
        // The accessibility bus is another service that this session does not have.
        set("NO_AT_BRIDGE", "1".as_ref());
        set("GTK_A11Y", "none".as_ref());
        set("DBUS_SESSION_BUS_ADDRESS", self.bus_address().as_ref());
        if let Some((_, display)) = &self.display {
            set("DISPLAY", display.as_ref());
        }
        all
    }

    /// The variable by which a program takes this session's bus for the system's.
    pub fn as_system_bus(&self) -> (&'static str, String) {
        ("DBUS_SYSTEM_BUS_ADDRESS", self.bus_address())
    }

    /// Says what logind says after a sleep of the machine.
    ///
    /// # Panics
    /// When there is no bus.
    pub fn say_woke(&self) {
        let path = "/org/freedesktop/login1";
        keystore::emit(&self.bus_address(), path, "org.freedesktop.login1.Manager", "PrepareForSleep", &(false,));
    }

    /// Says what NetworkManager says when the network is back.
    ///
    /// # Panics
    /// When there is no bus.
    pub fn say_online(&self) {
        let path = "/org/freedesktop/NetworkManager";
        keystore::emit(&self.bus_address(), path, "org.freedesktop.NetworkManager", "StateChanged", &(70_u32,));
    }

    /// Locks the screen, as far as programs can ask for it.
    ///
    /// # Panics
    /// When there is no bus.
    pub fn lock_screen(&self) -> LockedScreen {
        screen::lock(&self.bus_address()).expect("a screen saver on the private bus")
    }

    /// Locks the session, as logind tells of it: to programs that take this session's bus for the system's.
    ///
    /// # Panics
    /// When there is no bus.
    pub fn lock_session(&self) -> LockedScreen {
        screen::hint(&self.bus_address()).expect("logind on the private bus")
    }

    /// Where the bus listens. Without a bus this is an address at which nobody answers: an unset variable would let a
    /// program look for the bus of the session around it.
    pub(crate) fn bus_address(&self) -> String {
        format!("unix:path={}", self.folder().join("run/bus").display())
    }

    /// A bus without service files, so that it starts nothing by itself: what a test did not start is not there.
    fn start_bus(&mut self) {
        let file = self.folder().join("bus.conf");
        fs::write(&file, bus_configuration(&self.bus_address())).expect("the bus's configuration");
        let mut command = process::piped(self.command(binaries::tool("dbus-daemon")));
        command.arg("--nofork").arg("--print-address").arg(format!("--config-file={}", file.display()));
        let mut bus = Process::start(&mut command);
        let (address, _) = bus.collect();
        wait::until("the session bus", || address.lines().first().cloned());
        self.bus = Some(bus);
    }

    /// Starts the keystore, unlocked. After [`Self::stop_keystore`] it is another process with the same content.
    ///
    /// # Panics
    /// When gnome-keyring is not installed or does not become ready.
    pub fn start_keystore(&mut self) {
        // gnome-keyring 42 itself hangs while it starts, seen once in some seven hundred starts, before any of our programs ran.
        let started = (0..3).any(|_| self.try_keystore());
        assert!(started, "the keystore does not become ready");
    }

    /// Whether it became ready within fifteen seconds; it takes a fraction of one.
    fn try_keystore(&mut self) -> bool {
        self.keyring = None;
        let mut command = process::piped(self.command(binaries::tool("gnome-keyring-daemon")));
        command.args(["--foreground", "--unlock", "--components=secrets"]).stdin(Stdio::piped());
        let mut keyring = Process::start(&mut command);
        keyring.stdin().write_all(keystore::PASSWORD.as_bytes()).expect("the keystore reads its password");
        keyring.collect();
        self.keyring = Some(keyring);
        let deadline = Instant::now() + Duration::from_secs(15);
        while Instant::now() < deadline {
            if keystore::is_unlocked(&self.bus_address()) {
                return true;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        false
    }

    /// Ends the keystore's process, as a crash would.
    pub fn stop_keystore(&mut self) {
        self.keyring = None;
    }

    /// Locks the keystore, as a screen lock or a person may.
    ///
    /// # Panics
    /// When there is no keystore.
    pub fn lock_keystore(&self) {
        keystore::lock(&self.bus_address());
    }

    /// Unlocks the keystore, as a person does with the password.
    ///
    /// # Panics
    /// When there is no keystore.
    pub fn unlock_keystore(&self) {
        keystore::unlock(&self.bus_address());
    }

    /// The vaults' keys that the keystore holds, in base64url.
    ///
    /// # Panics
    /// When there is no keystore.
    pub fn keystore_keys(&self) -> Vec<String> {
        // `pk1.<generation>.<key>`; a choice of strategy and an anchor stand there too, and are no secrets.
        let key = |secret: String| Some(secret.strip_prefix("pk1.")?.rsplit_once('.')?.1.to_owned());
        keystore::secrets(&self.bus_address()).into_iter().filter_map(key).collect()
    }

    /// What the keystore holds, without the secrets: the attributes by which each item is found.
    ///
    /// # Panics
    /// When there is no keystore.
    pub fn keystore_items(&self) -> Vec<keystore::Attributes> {
        keystore::items(&self.bus_address())
    }
}

fn bus_configuration(address: &str) -> String {
    format!(
        r#"<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>{address}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow send_destination="*"/>
    <allow receive_sender="*"/>
    <allow own="*"/>
  </policy>
</busconfig>
"#
    )
}
