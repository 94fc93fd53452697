//! Which programs may have tokens: a small file in the home, by the path of the executable.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use pilotlight::Home;
use pilotlight::values::Stamp;
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
    /// A person is asked; where nobody answers they get none.
    Ask,
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

/// The decisions, and the state of their file when they were read.
type Read = (Stamp, BTreeMap<String, Decision>);

/// The decisions of one home.
#[derive(Debug, Clone)]
pub struct Programs {
    file: PathBuf,
    /// What was last read, and the state of the file then.
    read: Arc<Mutex<Option<Read>>>,
}

impl Programs {
    /// Those of this home.
    #[must_use]
    pub fn of(home: &Home) -> Self {
        Self { file: home.path().join("programs.json"), read: Arc::default() }
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

    /// What was decided about this program. The file is read again when it was written.
    pub(crate) fn of_program(&self, program: &Path) -> Result<Option<Decision>, ConsentError> {
        let files = std::slice::from_ref(&self.file);
        let find = |all: &BTreeMap<String, Decision>| program.to_str().and_then(|path| all.get(path).copied());
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((stamp, all)) = &*read
            && Stamp::of(files).as_ref() == Some(stamp)
        {
            return Ok(find(all));
        }
        *read = None;
        let stamp = Stamp::trusted(files);
        let all = self.all()?;
        let decision = find(&all);
        *read = stamp.filter(|stamp| Stamp::of(files).as_ref() == Some(stamp)).map(|stamp| (stamp, all));
        Ok(decision)
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
        assert_eq!(programs.of_program(curl).unwrap(), None);
        programs.decide(curl, Some(Decision::Always)).unwrap();
        programs.decide(evil, Some(Decision::Never)).unwrap();
        assert_eq!(programs.of_program(curl).unwrap(), Some(Decision::Always));
        assert_eq!(programs.of_program(evil).unwrap(), Some(Decision::Never));
        programs.decide(curl, None).unwrap();
        assert_eq!(programs.of_program(curl).unwrap(), None);
        std::fs::write(folder.path().join("programs.json"), "{").unwrap();
        assert!(programs.of_program(curl).is_err());
    }

    #[test]
    fn what_was_read_is_used_until_the_file_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let programs = Programs::of(&Home::at(folder.path().to_owned()).unwrap());
        let curl = Path::new("/usr/bin/curl");
        programs.decide(curl, Some(Decision::Always)).unwrap();
        let file = File::options().write(true).open(folder.path().join("programs.json")).unwrap();
        file.set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_nanos(1)).unwrap();
        assert_eq!(programs.of_program(curl).unwrap(), Some(Decision::Always));
        assert!(programs.read.lock().unwrap().is_some());
        assert_eq!(programs.of_program(curl).unwrap(), Some(Decision::Always));
        programs.decide(curl, Some(Decision::Never)).unwrap();
        assert_eq!(programs.of_program(curl).unwrap(), Some(Decision::Never));
    }
}
