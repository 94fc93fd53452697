//! Who keeps, and whether it can be used now: what a person is shown of the keystore, and how it is found out.

use std::fmt;

use super::Keystore;
use crate::{KeystoreError, base32, random};

/// How long a keystore keeps what it is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Persistence {
    /// Until somebody deletes it.
    Lasting,
    /// Until the session or the machine ends. No vault is made on such a keystore.
    Passing,
}

impl Persistence {
    fn word(self) -> &'static str {
        match self {
            Self::Lasting => "lasting",
            Self::Passing => "passing",
        }
    }
}

/// Who keeps the secrets: recorded beside a vault's wrapped key, so that a vault whose key does not turn up can name
/// the keystore that has it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Origin {
    /// The facility: [`Keystore::kind`].
    pub kind: String,
    /// The program that provides it, where several can and it can be told: `gnome-keyring`, `kwallet`.
    pub provider: Option<String>,
    /// How long it keeps; `None` in records that do not say.
    pub persistence: Option<Persistence>,
}

impl Origin {
    /// A keystore of this kind about which nothing else is known.
    #[must_use]
    pub fn of(kind: &str) -> Self {
        Self { kind: kind.to_owned(), provider: None, persistence: None }
    }

    /// One line of text: `kind`, `kind/provider`, either with `:lasting` or `:passing` behind it.
    #[must_use]
    pub fn to_record(&self) -> String {
        let mut text = self.kind.clone();
        if let Some(provider) = &self.provider {
            text.push('/');
            text.push_str(provider);
        }
        if let Some(persistence) = self.persistence {
            text.push(':');
            text.push_str(persistence.word());
        }
        text
    }

    /// Reads [`Self::to_record`]. Every text is the record of something: what is unknown in it becomes part of the kind.
    #[must_use]
    pub fn from_record(text: &str) -> Self {
        let (text, persistence) = match text.rsplit_once(':') {
            Some((rest, "lasting")) => (rest, Some(Persistence::Lasting)),
            Some((rest, "passing")) => (rest, Some(Persistence::Passing)),
            _ => (text, None),
        };
        match text.split_once('/') {
            Some((kind, provider)) => Self { kind: kind.to_owned(), provider: Some(provider.to_owned()), persistence },
            None => Self { kind: text.to_owned(), provider: None, persistence },
        }
    }

    /// Whether the two are certainly not the same keystore. A provider that is not known may be any.
    #[must_use]
    pub fn differs_from(&self, other: &Self) -> bool {
        let providers = self.provider.as_ref().zip(other.provider.as_ref());
        self.kind != other.kind || providers.is_some_and(|(one, another)| one != another)
    }

    /// The error of a key that `was` kept by another keystore than this one; `None` where it may be the same.
    #[must_use]
    pub fn changed_from(&self, was: &Self) -> Option<KeystoreError> {
        let changed = || KeystoreError::Changed { was: was.to_string(), is: self.to_string() };
        self.differs_from(was).then(changed)
    }
}

/// For people: `secret-service (gnome-keyring)`.
impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.provider {
            Some(provider) => write!(f, "{} ({provider})", self.kind),
            None => f.write_str(&self.kind),
        }
    }
}

/// In what state a keystore is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum State {
    /// It answers and is unlocked; after [`Check::SelfTest`] it also keeps, gives back and forgets.
    Ready(Origin),
    /// It waits for the person, who dismissed the prompt or was not asked: [`Keystore::unlock`] asks.
    Locked,
    /// There is none, and why.
    Absent(String),
    /// It did not answer in time.
    Silent,
    /// It answers, and the vault's key was kept by another one.
    Changed {
        /// The one that keeps the vault's key.
        was: String,
        /// The one that answers.
        is: String,
    },
    /// It holds so many entries under one name of ours, and none could be told to be the right one.
    Ambiguous(usize),
    /// It cannot keep what is ours, and why.
    Unsuitable(String),
    /// Anything else, in words free of secrets.
    Failed(String),
}

impl State {
    /// What this state is to a vault whose record says that its key is kept by `was`.
    #[must_use]
    pub fn for_vault_of(self, was: &Origin) -> Self {
        match &self {
            Self::Ready(now) => now.changed_from(was).map_or(self, Self::from),
            _ => self,
        }
    }
}

impl From<KeystoreError> for State {
    fn from(error: KeystoreError) -> Self {
        match error {
            KeystoreError::Absent(why) => Self::Absent(why),
            KeystoreError::Locked => Self::Locked,
            KeystoreError::TimedOut => Self::Silent,
            KeystoreError::Ambiguous(entries) => Self::Ambiguous(entries),
            KeystoreError::Unsuitable(why) => Self::Unsuitable(why),
            KeystoreError::Changed { was, is } => Self::Changed { was, is },
            error @ (KeystoreError::TooLong(_) | KeystoreError::Failed(_)) => Self::Failed(error.to_string()),
        }
    }
}

/// How closely to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Check {
    /// Asks whether it is there and unlocked; touches no entry and shows no prompt.
    Look,
    /// Also writes an entry with a name of its own, reads it back, deletes it and sees that it is gone.
    SelfTest,
}

/// In what state `keystore` is. Takes no longer than its deadlines: five seconds to look, thirty for a whole self-test.
#[must_use]
pub fn probe(keystore: &dyn Keystore, check: Check) -> State {
    let looked = keystore.look().and_then(|origin| {
        if origin.persistence == Some(Persistence::Passing) {
            return Err(KeystoreError::Unsuitable("it forgets everything when the session ends".to_owned()));
        }
        if check == Check::SelfTest {
            test(keystore)?;
        }
        Ok(origin)
    });
    looked.map_or_else(State::from, State::Ready)
}

fn test(keystore: &dyn Keystore) -> Result<(), KeystoreError> {
    let random = random::make().map_err(|_| KeystoreError::Failed("no random bytes".to_owned()))?;
    let text = base32::encode(&random);
    let name = format!("self-test-{text}");
    let kept = keystore.write(&name, &text).and_then(|()| keystore.read(&name));
    let deleted = keystore.delete(&name).and_then(|()| keystore.read_all(&name));
    let unsuitable = |why: &str| Err(KeystoreError::Unsuitable(why.to_owned()));
    match kept? {
        Some(kept) if *kept == text => {}
        Some(_) => return unsuitable("what was written reads back otherwise"),
        None => return unsuitable("what was written is not there"),
    }
    if deleted?.is_empty() { Ok(()) } else { unsuitable("what was deleted is still there") }
}

#[cfg(test)]
#[path = "state_tests.rs"]
mod tests;
