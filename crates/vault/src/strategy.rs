//! The strategies by name: what each needs, and what it keeps from whom.

use std::fmt;
use std::str::FromStr;

/// A way to keep grants. The default is [`Strategy::SqliteAead`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum Strategy {
    /// Nothing is written; gone with the process.
    Memory,
    /// A JSON file that anybody who can read it can read.
    PlainFile,
    /// One file, sealed under a passphrase.
    EncryptedFile,
    /// An SQLite file that anybody who can read it can read.
    PlainSqlite,
    /// An SQLite file whose records are sealed one by one, the key in the OS keystore.
    #[default]
    SqliteAead,
    /// An SQLite file whose pages are encrypted by SQLCipher, the key in the OS keystore.
    SqlCipher,
    /// Entries of the OS keystore, and no file.
    KeystoreOnly,
    /// The file format of Android's EncryptedSharedPreferences, the master key in the OS keystore.
    EncryptedPrefs,
    /// As the default, with the key sealed by a TPM 2.0.
    Hardware,
    /// Sealed records in Redis, shared by programs on several hosts.
    Redis,
}

/// What a strategy works with beside the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// The OS keystore, unlocked.
    Keystore,
    /// A passphrase that a person knows.
    Passphrase,
    /// A TPM 2.0 that this user may use.
    Tpm,
    /// A Redis server.
    Redis,
}

/// What somebody gets who has what the column says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exposure {
    /// Nothing that can be used.
    Protected,
    /// It depends, on what [`Strategy::exposures`] says in words.
    Depends,
    /// Every token.
    Exposed,
}

/// Who gets what (storage.md in docs has the words, docs/storage/ a page for each strategy).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exposures {
    /// A thief of the disk, the machine being off.
    pub disk_thief: Exposure,
    /// Another user of the machine, who is not its administrator.
    pub other_user: Exposure,
    /// Another program of the same user.
    pub same_user: Exposure,
    /// Whoever finds a leaked backup or a synchronised copy of the home folder.
    pub leaked_backup: Exposure,
    /// On what it depends, in one sentence.
    pub depends_on: &'static str,
}

impl Strategy {
    /// Every strategy, the weakest first.
    pub const ALL: [Self; 10] = [
        Self::Memory,
        Self::PlainFile,
        Self::PlainSqlite,
        Self::EncryptedFile,
        Self::KeystoreOnly,
        Self::EncryptedPrefs,
        Self::SqlCipher,
        Self::SqliteAead,
        Self::Hardware,
        Self::Redis,
    ];

    /// Its name, on command lines and in files.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::PlainFile => "plain-file",
            Self::EncryptedFile => "encrypted-file",
            Self::PlainSqlite => "plain-sqlite",
            Self::SqliteAead => "sqlite-aead",
            Self::SqlCipher => "sqlcipher",
            Self::KeystoreOnly => "keystore-only",
            Self::EncryptedPrefs => "encrypted-prefs",
            Self::Hardware => "hardware",
            Self::Redis => "redis",
        }
    }

    /// What it is, in one sentence.
    #[must_use]
    pub const fn summary(self) -> &'static str {
        match self {
            Self::Memory => "Nothing is written; everybody is signed out when the program ends.",
            Self::PlainFile => "A readable JSON file, kept from other users by its permissions alone.",
            Self::EncryptedFile => "One file, sealed with AES-256-GCM under a passphrase (Argon2id).",
            Self::PlainSqlite => "A readable SQLite file, kept from other users by its permissions alone.",
            Self::SqliteAead => "SQLite, each record sealed on its own, the key in the OS keystore.",
            Self::SqlCipher => "SQLite, every page encrypted by SQLCipher 4, the key in the OS keystore.",
            Self::KeystoreOnly => "Everything in entries of the OS keystore; there is no file.",
            Self::EncryptedPrefs => {
                "The file of Android's EncryptedSharedPreferences (Google Tink), the master key in the OS keystore."
            }
            Self::Hardware => "SQLite, each record sealed on its own, the key sealed by the machine's TPM 2.0.",
            Self::Redis => "Sealed records in Redis, for programs on several hosts that share a grant.",
        }
    }

    /// Whether this program has it in: some are features that a build may leave out.
    #[must_use]
    pub const fn is_built_in(self) -> bool {
        match self {
            Self::SqlCipher => cfg!(feature = "sqlcipher"),
            Self::Hardware => cfg!(all(feature = "tpm", unix)),
            Self::Redis => cfg!(feature = "redis"),
            _ => true,
        }
    }

    /// What must be there for it to work.
    #[must_use]
    pub const fn needs(self) -> &'static [Need] {
        match self {
            Self::Memory | Self::PlainFile | Self::PlainSqlite => &[],
            Self::EncryptedFile => &[Need::Passphrase],
            Self::SqliteAead | Self::SqlCipher | Self::KeystoreOnly | Self::EncryptedPrefs => &[Need::Keystore],
            Self::Hardware => &[Need::Tpm],
            Self::Redis => &[Need::Redis, Need::Passphrase],
        }
    }

    /// The file it keeps in the home folder, where it keeps one of this name always.
    #[must_use]
    pub const fn file_name(self) -> Option<&'static str> {
        match self {
            Self::Memory | Self::KeystoreOnly | Self::EncryptedPrefs | Self::Redis => None,
            Self::PlainFile => Some("vault.json"),
            Self::EncryptedFile => Some("vault.pl1"),
            Self::PlainSqlite => Some("vault-plain.db"),
            Self::SqliteAead => Some("vault.db"),
            Self::SqlCipher => Some("vault-cipher.db"),
            Self::Hardware => Some("vault-tpm.db"),
        }
    }

    /// Whether it keeps tokens readable on the disk: never chosen by itself, and said so wherever it is shown.
    #[must_use]
    pub const fn is_plain(self) -> bool {
        matches!(self, Self::PlainFile | Self::PlainSqlite)
    }

    /// Who gets what.
    #[must_use]
    pub fn exposures(self) -> Exposures {
        use Exposure::{Depends, Exposed, Protected};
        let of = |disk_thief, other_user, same_user, leaked_backup, depends_on| Exposures {
            disk_thief,
            other_user,
            same_user,
            leaked_backup,
            depends_on,
        };
        match self {
            Self::Memory => of(
                Protected,
                Protected,
                Depends,
                Protected,
                "A program of the same user may read the memory of one that is not hardened.",
            ),
            Self::PlainFile | Self::PlainSqlite => of(Exposed, Protected, Exposed, Exposed, ""),
            Self::EncryptedFile => of(
                Depends,
                Protected,
                Depends,
                Depends,
                "As strong as the passphrase: whoever has the file may guess without limit, and a program of the same user may wait until it is typed.",
            ),
            Self::SqliteAead | Self::SqlCipher | Self::KeystoreOnly | Self::EncryptedPrefs => of(
                Protected,
                Protected,
                Exposed,
                Depends,
                "A program of the same user may ask the keystore too. A backup that holds the keystore's file as well is as strong as the login password.",
            ),
            Self::Hardware => of(
                Protected,
                Protected,
                Depends,
                Protected,
                "A program of the same user may use the TPM too, but on this machine only.",
            ),
            Self::Redis => of(
                Depends,
                Protected,
                Depends,
                Depends,
                "Redis holds sealed records; it is as strong as the passphrase, and as where that is kept on each host.",
            ),
        }
    }
}

impl fmt::Display for Strategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// No strategy has this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no strategy called {0:?}; there are {names}", names = names())]
pub struct NoSuchStrategy(pub String);

fn names() -> String {
    Strategy::ALL.map(Strategy::as_str).join(", ")
}

impl FromStr for Strategy {
    type Err = NoSuchStrategy;

    fn from_str(text: &str) -> Result<Self, NoSuchStrategy> {
        Self::ALL.into_iter().find(|strategy| strategy.as_str() == text).ok_or_else(|| NoSuchStrategy(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::{Exposure, NoSuchStrategy, Strategy};
    use std::collections::HashSet;

    #[test]
    fn every_strategy_is_found_by_its_name_and_no_other_is() {
        for strategy in Strategy::ALL {
            assert_eq!(strategy.to_string().parse(), Ok(strategy));
        }
        assert_eq!("SQLite".parse::<Strategy>(), Err(NoSuchStrategy("SQLite".to_owned())));
        assert!(NoSuchStrategy("x".to_owned()).to_string().contains("sqlite-aead"));
    }

    #[test]
    fn no_two_strategies_share_a_name_or_a_file() {
        let names: HashSet<_> = Strategy::ALL.map(Strategy::as_str).into_iter().collect();
        let files: Vec<_> = Strategy::ALL.into_iter().filter_map(Strategy::file_name).collect();
        assert_eq!(names.len(), Strategy::ALL.len());
        assert_eq!(files.iter().collect::<HashSet<_>>().len(), files.len());
    }

    #[test]
    fn what_depends_says_on_what() {
        for strategy in Strategy::ALL {
            let told = strategy.exposures();
            let all = [told.disk_thief, told.other_user, told.same_user, told.leaked_backup];
            assert_eq!(all.contains(&Exposure::Depends), !told.depends_on.is_empty(), "{strategy}");
            assert_eq!(strategy.is_plain(), told.disk_thief == Exposure::Exposed, "{strategy}");
        }
    }
}
