//! Where Pilotlight keeps its files.

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

#[cfg(all(feature = "http", feature = "keystore"))]
use secrecy::SecretString;

use crate::{Error, ErrorCode, files};

/// What is longer was not written by us.
const LARGEST_NOTE: u64 = 1024 * 1024;

/// The folder of one person's Pilotlight: vault, journal, locks. The app and the CLI share it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home(PathBuf);

/// The address of a Redis for the strategy `redis`: `PILOTLIGHT_REDIS_URL`. Not an argument, since it may hold a password.
#[cfg(all(feature = "http", feature = "keystore"))]
#[expect(clippy::disallowed_methods, reason = "with `Home::locate`, the place that reads the environment")]
pub(crate) fn redis_address() -> Option<SecretString> {
    std::env::var("PILOTLIGHT_REDIS_URL").ok().filter(|address| !address.is_empty()).map(SecretString::from)
}

/// Another TPM than the machine's usual one: `PILOTLIGHT_TPM`, a device or the socket of an emulator.
#[cfg(all(feature = "http", feature = "keystore"))]
#[expect(clippy::disallowed_methods, reason = "with `Home::locate`, the place that reads the environment")]
pub(crate) fn tpm_device() -> Option<PathBuf> {
    std::env::var_os("PILOTLIGHT_TPM").filter(|path| !path.is_empty()).map(PathBuf::from)
}

impl Home {
    /// `PILOTLIGHT_HOME` where it is set, or else the platform's folder for local application data.
    #[expect(clippy::disallowed_methods, reason = "the place that reads the environment")]
    pub fn locate() -> Result<Self, Error> {
        if let Some(path) = std::env::var_os("PILOTLIGHT_HOME").filter(|path| !path.is_empty()) {
            return Self::at(PathBuf::from(path));
        }
        Self::usual().ok_or_else(|| Error::new(ErrorCode::UnsafePath, "There is no home folder to keep anything in."))
    }

    /// The platform's folder for local application data, whatever `PILOTLIGHT_HOME` says.
    #[must_use]
    pub fn usual() -> Option<Self> {
        directories::ProjectDirs::from("dev", "Pilotlight", "pilotlight")
            .map(|dirs| Self(dirs.data_local_dir().to_owned()))
    }

    /// The folder of an app that keeps its accounts apart: `IDENTIFIER/pilotlight` in the platform's folder for local application
    /// data. The identifier is the app's, e.g. `com.example.notes`.
    ///
    /// # Errors
    /// `bad_input` where the identifier cannot name a folder, `unsafe_path` where there is no home.
    pub fn of_app(identifier: &str) -> Result<Self, Error> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
        if identifier.starts_with('.')
            || identifier.is_empty()
            || identifier.len() > 200
            || !identifier.bytes().all(plain)
        {
            return Err(Error::new(
                ErrorCode::BadInput,
                "The app's identifier must be letters, digits, dots and hyphens.",
            ));
        }
        directories::BaseDirs::new()
            .map(|dirs| Self(dirs.data_local_dir().join(identifier).join("pilotlight")))
            .ok_or_else(|| Error::new(ErrorCode::UnsafePath, "There is no home folder to keep anything in."))
    }

    /// A folder of one's own choice; it must be an absolute path.
    pub fn at(path: PathBuf) -> Result<Self, Error> {
        if path.is_absolute() {
            Ok(Self(path))
        } else {
            Err(Error::new(ErrorCode::BadInput, "PILOTLIGHT_HOME must be an absolute path."))
        }
    }

    /// The folder itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// A small file of this home that holds no secret, such as `told.json`; none where it is missing, unreadable or larger than
    /// a megabyte.
    #[must_use]
    pub fn note(&self, name: &str) -> Option<String> {
        let mut text = String::new();
        let file = std::fs::File::open(self.0.join(name)).ok()?;
        file.take(LARGEST_NOTE).read_to_string(&mut text).ok()?;
        Some(text)
    }

    /// Replaces such a file as a whole, for its owner's eyes alone. Durable when this returns.
    ///
    /// # Errors
    /// `vault_io` where it cannot be written.
    pub fn keep_note(&self, name: &str, text: &str) -> Result<(), Error> {
        files::make_private_folder(&self.0)?;
        files::replace(&self.0.join(name), |file| file.write_all(text.as_bytes()))
    }

    /// The vault's file.
    #[must_use]
    pub fn vault(&self) -> PathBuf {
        self.0.join("vault.db")
    }

    /// Which strategy keeps the grants (storage/choice.rs).
    pub(crate) fn choice(&self) -> PathBuf {
        self.0.join("strategy")
    }

    /// The note of a move between strategies (storage/migration.rs).
    pub(crate) fn migration(&self) -> PathBuf {
        self.0.join("migration.json")
    }

    /// What is to be rotated after a move (storage/pending.rs).
    pub(crate) fn pending(&self) -> PathBuf {
        self.0.join("rotate")
    }

    /// What a person has set (settings.rs).
    pub(crate) fn settings(&self) -> PathBuf {
        self.0.join("settings.json")
    }

    pub(crate) fn journal(&self) -> PathBuf {
        self.0.join("journal.jsonl")
    }

    pub(crate) fn locks(&self) -> PathBuf {
        self.0.join("locks")
    }
}
