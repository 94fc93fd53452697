//! What a person has set: `settings.json` in the home, which app, command line and agent share.
//!
//! Every value has one text, the same in the window and on the command line. The file may be edited by hand: what this version does
//! not know is kept, what it does not understand is told and counts as not set; only a proxy or a certificate file that cannot be
//! used stops requests, since they would go another way than the person wanted. A file that is no JSON is set aside.

use std::fmt;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Map, Value};
use url::Url;

use crate::lifecycle::blocking;
use crate::stamp::Stamp;
use crate::{Error, ErrorCode, Home, files};

/// A token is refreshed at least this long before its end, where a person sets how long.
const LEAST_LEEWAY: u64 = 10;
const MOST_LEEWAY: u64 = 3600;
/// Bytes; a file of settings is far smaller.
const LONGEST_FILE: u64 = 64 * 1024;
/// Bytes; every public authority there is fits.
const LONGEST_CERTIFICATES: u64 = 1024 * 1024;
/// What takes a setting back.
const DEFAULT: &str = "default";

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name { $($(#[$variant_doc])* $variant,)* }

        impl $name {
            /// Every one there is.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The word for it.
            #[must_use]
            pub const fn as_str(self) -> &'static str { match self { $(Self::$variant => $text,)* } }
        }

        impl FromStr for $name {
            type Err = ();

            fn from_str(text: &str) -> Result<Self, ()> {
                Self::ALL.iter().copied().find(|one| one.as_str() == text).ok_or(())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { f.write_str(self.as_str()) }
        }
    };
}

words! {
    /// One thing that can be set.
    Setting {
        /// Seconds before its end at which a token is refreshed.
        Leeway = "leeway",
        /// How requests leave.
        Proxy = "proxy",
        /// Certificates to trust besides the system's.
        CaFile = "ca-file",
        /// The window's language.
        Language = "language",
        /// The window's colours.
        Theme = "theme",
        /// Whether the agent starts with the desktop.
        Autostart = "autostart",
        /// Whether the agent shows itself in the tray.
        Tray = "tray",
        /// Whether the window shows what developers want.
        Developer = "developer",
        /// Whether the window has introduced itself.
        Welcomed = "welcomed",
    }
}

words! {
    /// The window's language.
    Language {
        /// As the desktop has it.
        System = "system",
        /// English.
        English = "en",
        /// Simplified Chinese.
        Chinese = "zh",
    }
}

words! {
    /// The window's colours.
    Theme {
        /// As the desktop has it.
        System = "system",
        /// Dark on light.
        Light = "light",
        /// Light on dark.
        Dark = "dark",
    }
}

/// How requests leave; those to this machine always leave directly.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Proxy {
    /// As the system says.
    #[default]
    System,
    /// Directly.
    None,
    /// By this one: `http://` or `https://`, without a user name or password.
    At(Url),
}

/// A value in the file that is not understood, or a file that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Whose value, where it is one.
    pub setting: Option<Setting>,
    /// In a sentence.
    pub why: String,
}

/// What a person has set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// How long before its end a token is refreshed; where it is not set, a quarter of the token's life, at most five minutes.
    pub leeway: Option<Duration>,
    /// How requests leave.
    pub proxy: Proxy,
    /// A file of certificates in PEM to trust besides the system's.
    pub ca_file: Option<PathBuf>,
    /// The window's language.
    pub language: Language,
    /// The window's colours.
    pub theme: Theme,
    /// Whether the agent starts with the desktop.
    pub autostart: bool,
    /// Whether the agent shows itself in the tray.
    pub tray: bool,
    /// Whether the window shows what developers want.
    pub developer: bool,
    /// Whether the window has introduced itself.
    pub welcomed: bool,
    /// What in the file is not understood.
    pub faults: Vec<Fault>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            leeway: None,
            proxy: Proxy::System,
            ca_file: None,
            language: Language::System,
            theme: Theme::System,
            autostart: false,
            tray: true,
            developer: false,
            welcomed: false,
            faults: vec![],
        }
    }
}

impl Setting {
    /// What it is, in one sentence.
    #[must_use]
    pub const fn summary(self) -> &'static str {
        match self {
            Self::Leeway => "Seconds before its end at which a token is refreshed",
            Self::Proxy => "How requests to services leave",
            Self::CaFile => "A file of certificates in PEM to trust besides the system's",
            Self::Language => "The window's language",
            Self::Theme => "The window's colours",
            Self::Autostart => "Whether the agent starts with the desktop",
            Self::Tray => "Whether the agent shows itself in the tray",
            Self::Developer => "Whether the window shows what developers want",
            Self::Welcomed => "Whether the window has introduced itself",
        }
    }

    /// What it may be set to.
    #[must_use]
    pub const fn accepts(self) -> &'static str {
        match self {
            Self::Leeway => "10 to 3600, or default",
            Self::Proxy => "system, none, or an address such as http://proxy.example:3128",
            Self::CaFile => "an absolute path, or default",
            Self::Language => "system, en or zh",
            Self::Theme => "system, light or dark",
            Self::Autostart | Self::Tray | Self::Developer | Self::Welcomed => "on or off",
        }
    }
}

impl Settings {
    /// What is set. A file that is no JSON object is set aside, and everything is as by default.
    #[must_use]
    pub fn load(home: &Home) -> Self {
        let mut settings = Self::default();
        let map = match read(&home.settings()) {
            Ok(map) => map,
            Err(why) => {
                settings.faults.push(Fault { setting: None, why });
                return settings;
            }
        };
        for setting in Setting::ALL.iter().copied() {
            if let Some(value) = map.get(setting.as_str())
                && let Err(why) = settings.put(setting, &text_of(value))
            {
                settings.faults.push(Fault { setting: Some(setting), why });
            }
        }
        settings
    }

    /// Sets one, durably; the word `default` takes it back.
    ///
    /// # Errors
    /// `bad_input` where it cannot be set to that: nothing is written. `vault_io` where the file cannot be written.
    pub fn store(home: &Home, setting: Setting, text: &str) -> Result<Self, Error> {
        let refused = |why: String| Error::new(ErrorCode::BadInput, why);
        let mut wanted = Self::default();
        wanted.put(setting, text).map_err(refused)?;
        if let Some(file) = wanted.ca_file.as_deref().filter(|_| setting == Setting::CaFile) {
            certificates(file).map_err(|why| refused(format!("The certificates {why}.")))?;
        }
        files::make_private_folder(home.path())?;
        let _turn = turn(home)?;
        let mut map = read(&home.settings()).map_err(|why| Error::new(ErrorCode::VaultIo, why))?;
        if text == DEFAULT {
            map.remove(setting.as_str());
        } else {
            map.insert(setting.as_str().to_owned(), wanted.json(setting));
        }
        let bytes = serde_json::to_vec_pretty(&map)
            .map_err(|error| Error::new(ErrorCode::Internal, format!("The settings cannot be written: {error}.")))?;
        files::replace(&home.settings(), |file| file.write_all(&bytes))?;
        Ok(Self::load(home))
    }

    /// A setting as its text.
    #[must_use]
    pub fn text(&self, setting: Setting) -> String {
        match self.json(setting) {
            Value::Null => DEFAULT.to_owned(),
            Value::Bool(on) => if on { "on" } else { "off" }.to_owned(),
            value => text_of(&value),
        }
    }

    /// Why requests must not leave: the way that a person chose for them is not understood.
    #[must_use]
    pub fn blocked(&self) -> Option<&str> {
        let way = |fault: &&Fault| matches!(fault.setting, Some(Setting::Proxy | Setting::CaFile));
        self.faults.iter().find(way).map(|fault| fault.why.as_str())
    }

    /// A setting as JSON; null where it is as by default and has no word for that.
    #[must_use]
    pub fn json(&self, setting: Setting) -> Value {
        match setting {
            Setting::Leeway => self.leeway.map_or(Value::Null, |leeway| leeway.as_secs().into()),
            Setting::Proxy => match &self.proxy {
                Proxy::System => "system".into(),
                Proxy::None => "none".into(),
                Proxy::At(url) => url.as_str().into(),
            },
            Setting::CaFile => self.ca_file.as_ref().map_or(Value::Null, |file| file.display().to_string().into()),
            Setting::Language => self.language.as_str().into(),
            Setting::Theme => self.theme.as_str().into(),
            Setting::Autostart => self.autostart.into(),
            Setting::Tray => self.tray.into(),
            Setting::Developer => self.developer.into(),
            Setting::Welcomed => self.welcomed.into(),
        }
    }

    fn put(&mut self, setting: Setting, text: &str) -> Result<(), String> {
        if text == DEFAULT {
            return Ok(());
        }
        let refused = || format!("{setting} cannot be set to that: it is {}.", setting.accepts());
        let on = || match text {
            "on" | "true" => Ok(true),
            "off" | "false" => Ok(false),
            _ => Err(refused()),
        };
        match setting {
            Setting::Leeway => self.leeway = Some(seconds(text).ok_or_else(refused)?),
            Setting::Proxy => self.proxy = proxy(text).ok_or_else(refused)?,
            Setting::CaFile => {
                self.ca_file = Some(PathBuf::from(text)).filter(|path| path.is_absolute());
                self.ca_file.as_ref().ok_or_else(refused)?;
            }
            Setting::Language => self.language = text.parse().map_err(|()| refused())?,
            Setting::Theme => self.theme = text.parse().map_err(|()| refused())?,
            Setting::Autostart => self.autostart = on()?,
            Setting::Tray => self.tray = on()?,
            Setting::Developer => self.developer = on()?,
            Setting::Welcomed => self.welcomed = on()?,
        }
        Ok(())
    }
}

fn seconds(text: &str) -> Option<Duration> {
    let seconds: u64 = text.parse().ok()?;
    (LEAST_LEEWAY..=MOST_LEEWAY).contains(&seconds).then(|| Duration::from_secs(seconds))
}

fn proxy(text: &str) -> Option<Proxy> {
    match text {
        "system" => return Some(Proxy::System),
        "none" => return Some(Proxy::None),
        _ => {}
    }
    let url = Url::parse(text).ok()?;
    let plain = url.username().is_empty() && url.password().is_none() && url.query().is_none();
    let whole = matches!(url.scheme(), "http" | "https") && url.has_host() && url.path() == "/";
    (plain && whole && url.fragment().is_none()).then_some(Proxy::At(url))
}

/// The bytes of a file of certificates, where it holds one; else what is the matter with it, to follow "the certificates".
pub(crate) fn certificates(file: &Path) -> Result<Vec<u8>, String> {
    let told = |why: &dyn fmt::Display| format!("in {} cannot be used: {why}", file.display());
    let found = std::fs::metadata(file).map_err(|error| told(&error))?;
    if !found.is_file() || found.len() > LONGEST_CERTIFICATES {
        return Err(told(&"it is no file of certificates"));
    }
    let bytes = std::fs::read(file).map_err(|error| told(&error))?;
    #[cfg(feature = "http")]
    let some = crate::http_transport::trusts(&bytes);
    #[cfg(not(feature = "http"))]
    let some = bytes.windows(27).any(|window| window == b"-----BEGIN CERTIFICATE-----");
    if some { Ok(bytes) } else { Err(told(&"it holds no certificate in PEM")) }
}

/// The file's object; an empty one where there is no file, or where it was no JSON and had to be set aside.
fn read(path: &Path) -> Result<Map<String, Value>, String> {
    let unreadable = |error: std::io::Error| format!("{} cannot be read: {error}.", path.display());
    let bytes = match path.metadata() {
        Ok(found) if found.len() > LONGEST_FILE => vec![],
        Ok(_) => std::fs::read(path).map_err(unreadable)?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Map::new()),
        Err(error) => return Err(unreadable(error)),
    };
    if let Ok(map) = serde_json::from_slice(&bytes) {
        return Ok(map);
    }
    std::fs::rename(path, aside(path)).map_err(unreadable)?;
    tracing::warn!("the settings are no JSON and were set aside; everything is as by default");
    Ok(Map::new())
}

/// Where settings that are no JSON are put.
pub(crate) fn aside(path: &Path) -> PathBuf {
    path.with_extension("json.broken")
}

/// One process at a time reads, changes and writes.
fn turn(home: &Home) -> Result<File, Error> {
    let path = home.path().join("settings.lock");
    let failed =
        |error| Error::new(ErrorCode::VaultIo, format!("The file {} cannot be locked: {error}.", path.display()));
    let mut options = File::options();
    options.create(true).truncate(false).write(true);
    files::private(&mut options);
    let file = options.open(&path).map_err(failed)?;
    file.lock().map_err(failed)?;
    Ok(file)
}

/// The value as its text, whatever its kind.
fn text_of(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// What is set now, read again whenever the file was written.
pub(crate) struct Current {
    home: Home,
    seen: Mutex<Option<(Stamp, Arc<Settings>)>>,
}

impl Current {
    pub(crate) const fn of(home: Home) -> Self {
        Self { home, seen: Mutex::new(None) }
    }

    pub(crate) fn now(&self) -> Arc<Settings> {
        let files = [self.home.settings()];
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((stamp, settings)) = &*seen
            && Stamp::of(&files).as_ref() == Some(stamp)
        {
            return Arc::clone(settings);
        }
        let stamp = Stamp::trusted(&files);
        let settings = Arc::new(Settings::load(&self.home));
        *seen = stamp.map(|stamp| (stamp, Arc::clone(&settings)));
        settings
    }
}

impl crate::Pilotlight {
    /// What is set now.
    #[must_use]
    pub fn settings(&self) -> Arc<Settings> {
        self.0.settings.now()
    }

    /// Sets one thing as [`Settings::store`] does, and has it taken up at once.
    ///
    /// # Errors
    /// As [`Settings::store`].
    pub async fn set(&self, setting: Setting, text: String) -> Result<(), Error> {
        let home = self.0.config.home.clone();
        blocking(move || Settings::store(&home, setting, &text)).await?;
        self.0.reread.notify_one();
        self.announce();
        Ok(())
    }
}

#[cfg(test)]
#[path = "settings_tests.rs"]
mod tests;
