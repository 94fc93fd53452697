//! Which strategy a home uses: a file of one line, and beside it a word in the keystore that a changed file is held against.
//!
//! The file alone could be edited by whoever can write to a stolen disk or a synchronised folder, to have the next sign-in
//! stored in the clear. So whenever the keystore answers, it has the last word (P6).

use std::io::Write as _;
use std::path::Path;

use pilotlight_vault::{Keystore, KeystoreError, Strategy};
use sha2::{Digest as _, Sha256};

use crate::{Error, ErrorCode, Home, files};

/// A strategy, and how often the home changed its own: a handle that was opened for another number is out of date.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Choice {
    pub(crate) strategy: Strategy,
    pub(crate) changes: u64,
}

impl Choice {
    /// What the home's file says; the default where there is none.
    pub(crate) fn read(home: &Home) -> Result<Self, Error> {
        match std::fs::read_to_string(home.choice()) {
            Ok(text) => Self::parse(&text).ok_or_else(|| unreadable(&home.choice())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) if error.kind() == std::io::ErrorKind::InvalidData => Err(unreadable(&home.choice())),
            Err(error) => {
                Err(Error::new(ErrorCode::VaultIo, format!("The choice of storage cannot be read: {error}.")))
            }
        }
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (strategy, changes) = text.strip_suffix('\n')?.split_once(' ')?;
        Some(Self { strategy: strategy.parse().ok()?, changes: changes.parse().ok()? })
    }

    /// Makes this the home's choice, durably.
    pub(crate) fn write(self, home: &Home) -> Result<(), Error> {
        files::make_private_folder(home.path())?;
        files::replace(&home.choice(), |file| file.write_all(self.to_text().as_bytes()))
    }

    pub(crate) fn to_text(self) -> String {
        format!("{} {}\n", self.strategy, self.changes)
    }
}

/// The keystore's word on it.
pub(crate) struct Witness<'a> {
    keystore: &'a dyn Keystore,
    name: String,
}

impl<'a> Witness<'a> {
    /// For one home of one app. The name tells the path to nobody.
    pub(crate) fn of(keystore: &'a dyn Keystore, app: &str, home: &Home) -> Self {
        let path = std::fs::canonicalize(home.path()).unwrap_or_else(|_| home.path().to_owned());
        let mut hash = Sha256::new();
        hash.update(app.as_bytes());
        hash.update([0]);
        hash.update(path.as_os_str().as_encoded_bytes());
        let digest = hash.finalize();
        let name = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect::<String>();
        Self { keystore, name: format!("strategy-{name}") }
    }

    /// Refuses a choice that the keystore contradicts. A keystore that cannot be asked contradicts nothing, unless the vault
    /// cannot be opened without it (`needed`): then nobody has to wait for the same answer twice.
    pub(crate) fn confirm(&self, choice: Strategy, needed: bool) -> Result<(), Error> {
        let told = match self.keystore.read(&self.name) {
            Ok(Some(text)) => text,
            Ok(None) => return Ok(()),
            Err(error) if needed => return Err(error.into()),
            Err(error) => {
                tracing::debug!(%error, "the keystore was not asked whether the storage strategy is the one last chosen");
                return Ok(());
            }
        };
        match told.strip_prefix("ps1.").and_then(|name| name.parse::<Strategy>().ok()) {
            Some(known) if known == choice => Ok(()),
            Some(known) => Err(Error::new(
                ErrorCode::VaultMoved,
                format!("This home is set to the strategy {choice}, but its grants were last kept by {known}."),
            )),
            // Written by a later version, or by somebody else: the file stands.
            None => Ok(()),
        }
    }

    /// Has the keystore remember it.
    pub(crate) fn remember(&self, choice: Strategy) -> Result<(), KeystoreError> {
        let text = format!("ps1.{choice}");
        match self.keystore.read(&self.name) {
            Ok(Some(kept)) if *kept == text => Ok(()),
            _ => self.keystore.write(&self.name, &text),
        }
    }
}

fn unreadable(path: &Path) -> Error {
    Error::new(ErrorCode::VaultDamaged, format!("{} does not name a storage strategy.", path.display()))
}

#[cfg(test)]
mod tests {
    use super::{Choice, Witness};
    use crate::{ErrorCode, Home};
    use pilotlight_vault::Strategy;
    use pilotlight_vault::keystore::MemoryKeystore;

    #[test]
    fn a_choice_reads_back_and_anything_else_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::at(folder.path().join("home")).unwrap();
        assert_eq!(Choice::read(&home).unwrap(), Choice::default());
        let choice = Choice { strategy: Strategy::EncryptedFile, changes: 3 };
        choice.write(&home).unwrap();
        assert_eq!(Choice::read(&home).unwrap(), choice);
        for text in ["", "sqlite-aead", "sqlite-aead 1", "plain 1\n", "memory x\n", "memory 1\n\n"] {
            std::fs::write(home.choice(), text).unwrap();
            assert_eq!(Choice::read(&home).unwrap_err().code(), ErrorCode::VaultDamaged, "{text:?}");
        }
        std::fs::write(home.choice(), [0xff, 0xfe]).unwrap();
        assert_eq!(Choice::read(&home).unwrap_err().code(), ErrorCode::VaultDamaged);
    }

    #[test]
    fn the_keystore_contradicts_a_choice_that_was_changed_behind_its_back() {
        let (keystore, folder) = (MemoryKeystore::default(), tempfile::tempdir().unwrap());
        let home = Home::at(folder.path().to_owned()).unwrap();
        let witness = Witness::of(&keystore, "app", &home);
        witness.confirm(Strategy::PlainFile, false).unwrap();
        witness.remember(Strategy::SqliteAead).unwrap();
        witness.confirm(Strategy::SqliteAead, true).unwrap();
        assert_eq!(witness.confirm(Strategy::PlainFile, false).unwrap_err().code(), ErrorCode::VaultMoved);
        Witness::of(&keystore, "another", &home).confirm(Strategy::PlainFile, false).unwrap();
    }
}
