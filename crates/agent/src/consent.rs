//! Which programs may have tokens: a small file in the home, by the path of the executable.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use pilotlight::Home;
use serde::{Deserialize, Serialize};

/// More than this is not a list that a person made.
const LARGEST_FILE: u64 = 1024 * 1024;

/// What a person decided of one program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// It gets tokens.
    Always,
    /// It gets none.
    Never,
}

/// What becomes of programs that nobody decided about.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Unknown {
    /// They get tokens.
    Allow,
    /// They get none.
    #[default]
    Deny,
}

/// Why the decisions cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConsentError {
    /// The system refuses.
    #[error("{0}: {1}")]
    Io(PathBuf, std::io::Error),
    /// It is not what was written.
    #[error("{0} is not a list of programs")]
    Unreadable(PathBuf),
    /// A path that JSON cannot hold.
    #[error("{0} is not a path in Unicode")]
    Path(PathBuf),
}

/// The decisions of one home.
#[derive(Debug, Clone)]
pub struct Programs {
    file: PathBuf,
}

impl Programs {
    /// Those of this home.
    #[must_use]
    pub fn of(home: &Home) -> Self {
        Self { file: home.path().join("programs.json") }
    }

    /// Every decision, by path.
    pub fn all(&self) -> Result<BTreeMap<String, Decision>, ConsentError> {
        let mut text = String::new();
        match File::open(&self.file) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(BTreeMap::new()),
            Err(error) => return Err(self.io(error)),
            Ok(file) => file.take(LARGEST_FILE).read_to_string(&mut text).map_err(|error| self.io(error))?,
        };
        serde_json::from_str(&text).map_err(|_| ConsentError::Unreadable(self.file.clone()))
    }

    /// Whether this program gets tokens. What cannot be read allows nothing.
    pub(crate) fn allows(&self, program: &Path, unknown: Unknown) -> Result<bool, ConsentError> {
        let decisions = self.all()?;
        Ok(match program.to_str().and_then(|path| decisions.get(path)) {
            Some(decision) => *decision == Decision::Always,
            None => unknown == Unknown::Allow,
        })
    }

    /// Decides about a program, or forgets what was decided. Durable when this returns.
    pub fn decide(&self, program: &Path, decision: Option<Decision>) -> Result<(), ConsentError> {
        let path = program.to_str().ok_or_else(|| ConsentError::Path(program.to_owned()))?;
        let folder = self.file.parent().unwrap_or(&self.file);
        let open = |name: &str| {
            let mut options = OpenOptions::new();
            options.write(true).create(true).truncate(true).mode(0o600).open(folder.join(name))
        };
        // One writer at a time: each reads what the one before it wrote.
        let lock = open("programs.lock").map_err(|error| self.io(error))?;
        lock.lock().map_err(|error| self.io(error))?;
        let mut decisions = self.all()?;
        match decision {
            Some(decision) => decisions.insert(path.to_owned(), decision),
            None => decisions.remove(path),
        };
        let write = || {
            let mut file = open("programs.json.new")?;
            file.write_all(serde_json::to_string_pretty(&decisions)?.as_bytes())?;
            file.sync_all()?;
            std::fs::rename(folder.join("programs.json.new"), &self.file)?;
            File::open(folder)?.sync_all()
        };
        write().map_err(|error| self.io(error))
    }

    fn io(&self, error: std::io::Error) -> ConsentError {
        ConsentError::Io(self.file.clone(), error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_decided_holds_and_what_cannot_be_read_allows_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let programs = Programs::of(&Home::at(folder.path().to_owned()).unwrap());
        let (curl, evil) = (Path::new("/usr/bin/curl"), Path::new("/tmp/evil"));
        assert!(!programs.allows(curl, Unknown::Deny).unwrap());
        programs.decide(curl, Some(Decision::Always)).unwrap();
        programs.decide(evil, Some(Decision::Never)).unwrap();
        assert!(programs.allows(curl, Unknown::Deny).unwrap());
        assert!(!programs.allows(evil, Unknown::Allow).unwrap());
        programs.decide(curl, None).unwrap();
        assert!(!programs.allows(curl, Unknown::Deny).unwrap());
        std::fs::write(folder.path().join("programs.json"), "{").unwrap();
        assert!(programs.allows(curl, Unknown::Allow).is_err());
    }
}
