//! Everything there is, in one small value.

use std::cmp::Ordering;
use std::hash::{Hash, Hasher};

use pilotlight::grant;

/// How many rotations a refresh token is behind the server's current one, which is 0 behind. Counted so, and not from the
/// first, a grant that is refreshed for ever has finitely many states.
pub(super) type Behind = i8;

/// Further behind than any rule looks.
const OLDEST: Behind = 4;

/// A random `Idempotency-Key`. Only whether two are the same ever matters, so they are named by small numbers.
pub(super) type Key = u8;

/// One more than there are places for keys in a [`State`], and one for the name 0, which none has.
const KEYS: usize = 9;

/// How many requests whose sender gave them up may be under way at once.
const LATE: usize = 2;

/// The whole world at one instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct State {
    pub(super) vault: Kept,
    pub(super) server: Server,
    pub(super) clients: [Client; 2],
    /// Requests that nobody waits for any more and that may still arrive.
    pub(super) late: [Option<Late>; LATE],
    /// The token that came with the newest access token anybody was given.
    pub(super) published: Behind,
    /// Whether an attempt at the vault's present generation had no outcome that the next process could know of.
    pub(super) doubt: bool,
}

/// The vault's record: durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Kept {
    pub(super) token: Behind,
    pub(super) attempt: Option<Key>,
    pub(super) ended: bool,
}

/// What the server keeps of the grant. The shipped rule remembers the keys of eight rotations
/// (`pilotlight_server::grant::REMEMBERED_KEYS`). The number is handed to it, and here it is two, so that the states stay
/// few: the last key, which may be repeated, and one that is merely late.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Server {
    pub(super) keys: [Option<Key>; 2],
    pub(super) revoked: Option<Revoked>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Revoked {
    Reuse,
    Operator,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Late {
    pub(super) token: Behind,
    pub(super) key: Option<Key>,
}

/// One process. All of it is lost in a crash; what is left is [`Client::default`], which may be dead or freshly started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub(super) struct Client {
    pub(super) at: At,
    /// Holds the file lock.
    pub(super) lock: bool,
    /// The generation it last read is still the vault's. Generations only grow and are only compared, so this is all.
    pub(super) newest: bool,
    /// The attempt in the vault, or that there is none, is as it last read or wrote it.
    pub(super) abreast: bool,
    pub(super) state: Memory,
    /// The refresh token it read, or the one it committed.
    pub(super) token: Behind,
    pub(super) key: Option<Key>,
    /// A new token, in memory only.
    pub(super) gained: Option<Behind>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub(super) enum At {
    #[default]
    Idle,
    /// It read the record, found that a refresh is due, and waits for the lock.
    Waiting,
    /// It has the lock, and reads again.
    Reading,
    /// It is about to carry out an effect of the state machine, and then perhaps another.
    Todo(Todo, Option<Todo>),
    /// Its request is out.
    Sent(Wire),
}

/// [`grant::Effect`] without its times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Todo {
    NoteAttempt,
    ForgetAttempt,
    Send,
    ReadAgain,
    Save,
    Publish,
    Adopt,
    RetryAfter,
    Quarantine,
}

/// The connection of a client that waits for an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Wire {
    Request,
    Granted(Behind),
    InvalidGrant,
}

/// The client's own state machine, hashable. How often something failed is forgotten: it only sets the length of pauses.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Memory(grant::State);

impl Memory {
    pub(super) fn of(state: grant::State) -> Self {
        let once = |attempts| grant::Attempts { failures: 0, ..attempts };
        Self(match state {
            grant::State::Noting(attempts) => grant::State::Noting(once(attempts)),
            grant::State::Sending(attempts) => grant::State::Sending(once(attempts)),
            grant::State::Confirming(attempts) => grant::State::Confirming(once(attempts)),
            grant::State::Waiting(attempts) => grant::State::Waiting(once(attempts)),
            grant::State::Saving { .. } => grant::State::Saving { failures: 0 },
            other => other,
        })
    }

    pub(super) fn state(self) -> grant::State {
        self.0
    }

    fn rank(self) -> (u8, bool) {
        match self.0 {
            grant::State::Resting => (0, false),
            grant::State::Noting(attempts) => (1, attempts.maybe_spent),
            grant::State::Sending(attempts) => (2, attempts.maybe_spent),
            grant::State::Saving { .. } => (3, false),
            grant::State::Confirming(attempts) => (4, attempts.maybe_spent),
            grant::State::Waiting(attempts) => (5, attempts.maybe_spent),
            grant::State::Ended(reason) => (6, reason == grant::EndReason::LostAnswer),
            grant::State::SignedOut => (7, false),
        }
    }
}

impl std::fmt::Debug for Memory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl Hash for Memory {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.rank().hash(hasher);
    }
}

impl Ord for Memory {
    fn cmp(&self, other: &Self) -> Ordering {
        self.rank().cmp(&other.rank())
    }
}

impl PartialOrd for Memory {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl State {
    /// Signed in: the vault holds the server's current token, and nobody does anything.
    pub(super) fn first() -> Self {
        Self {
            vault: Kept { token: 0, attempt: None, ended: false },
            server: Server { keys: [None; 2], revoked: None },
            clients: [Client::default(); 2],
            late: [None; LATE],
            published: 0,
            doubt: false,
        }
    }

    /// The server's generation went up by this much (down, where it lost its last writes). Late copies that are more than
    /// `outrun` behind are dead by now.
    pub(super) fn rotated(&mut self, by: Behind, outrun: Behind) {
        let age = |token: &mut Behind| *token = (*token + by).min(OLDEST);
        age(&mut self.vault.token);
        age(&mut self.published);
        for client in &mut self.clients {
            if !matches!(client.at, At::Idle | At::Waiting | At::Reading) {
                age(&mut client.token);
            }
            client.gained.as_mut().map(age);
            if let At::Sent(Wire::Granted(token)) = &mut client.at {
                age(token);
            }
        }
        for late in &mut self.late {
            if let Some(copy) = late {
                age(&mut copy.token);
                if copy.token > outrun {
                    *late = None;
                }
            }
        }
    }

    /// `who` wrote the attempt, or removed it: whoever knew another one knows it no longer.
    pub(super) fn write_attempt(&mut self, who: usize, attempt: Option<Key>) {
        self.vault.attempt = attempt;
        for (other, client) in self.clients.iter_mut().enumerate() {
            client.abreast = other == who;
        }
    }

    /// `who` committed the record at a new generation, without an attempt.
    pub(super) fn commit(&mut self, who: usize, newest: bool) {
        self.write_attempt(who, None);
        for (other, client) in self.clients.iter_mut().enumerate() {
            client.newest = newest && other == who;
        }
    }

    /// A key that is nowhere: random ones never meet.
    pub(super) fn fresh_key(mut self) -> Key {
        let mut used = [false; KEYS];
        self.each_key(|key| used[usize::from(key.unwrap_or(0))] = true);
        (1..).find(|key| !used[usize::from(*key)]).unwrap()
    }

    /// One state for all that differ only in the names of keys, in the order of late copies, or in which client is which.
    pub(super) fn canonical(self) -> Self {
        let mut mirrored = self;
        mirrored.clients.swap(0, 1);
        self.renamed().min(mirrored.renamed())
    }

    fn renamed(mut self) -> Self {
        self.late.sort_by_key(|late| late.map(|late| late.token));
        let (mut names, mut count) = ([None; KEYS], 0);
        self.each_key(|key| {
            if let Some(key) = key {
                *key = *names[usize::from(*key)].get_or_insert_with(|| {
                    count += 1;
                    count
                });
            }
        });
        self.late.sort();
        self
    }

    fn each_key(&mut self, mut visit: impl FnMut(&mut Option<Key>)) {
        visit(&mut self.vault.attempt);
        self.server.keys.iter_mut().for_each(&mut visit);
        self.clients.iter_mut().for_each(|client| visit(&mut client.key));
        self.late.iter_mut().flatten().for_each(|late| visit(&mut late.key));
    }
}
