//! Keystores for tests: one in memory, and one that fails on command.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use zeroize::Zeroizing;

use super::{Keystore, KeystoreSecret, Origin};
use crate::KeystoreError;

/// A keystore that lives as long as its last clone.
#[derive(Clone, Default)]
pub struct MemoryKeystore {
    entries: Arc<Mutex<BTreeMap<String, Vec<KeystoreSecret>>>>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl MemoryKeystore {
    /// The names of all entries, in order.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        locked(&self.entries).keys().cloned().collect()
    }

    /// The only name that begins with `prefix`, e.g. `kek-`.
    ///
    /// # Panics
    /// Where there is none, or more than one.
    #[must_use]
    pub fn name_of(&self, prefix: &str) -> String {
        let names: Vec<_> = self.names().into_iter().filter(|name| name.starts_with(prefix)).collect();
        assert_eq!(names.len(), 1, "{names:?}");
        names.into_iter().next().unwrap_or_default()
    }

    /// Adds another entry of this name beside what is there, as any program of the user can in a Secret Service.
    pub fn plant(&self, name: &str, secret: &str) {
        locked(&self.entries).entry(name.to_owned()).or_default().push(Zeroizing::new(secret.to_owned()));
    }
}

impl Keystore for MemoryKeystore {
    fn kind(&self) -> &'static str {
        "memory"
    }

    fn read(&self, name: &str) -> Result<Option<KeystoreSecret>, KeystoreError> {
        let mut secrets = self.read_all(name)?;
        match secrets.len() {
            0 | 1 => Ok(secrets.pop()),
            several => Err(KeystoreError::Ambiguous(several)),
        }
    }

    fn write(&self, name: &str, secret: &str) -> Result<(), KeystoreError> {
        let mut entries = locked(&self.entries);
        let secrets = entries.entry(name.to_owned()).or_default();
        if secrets.len() > 1 {
            return Err(KeystoreError::Ambiguous(secrets.len()));
        }
        *secrets = vec![Zeroizing::new(secret.to_owned())];
        Ok(())
    }

    fn delete(&self, name: &str) -> Result<(), KeystoreError> {
        locked(&self.entries).remove(name);
        Ok(())
    }

    fn read_all(&self, name: &str) -> Result<Vec<KeystoreSecret>, KeystoreError> {
        Ok(locked(&self.entries).get(name).cloned().unwrap_or_default())
    }
}

/// A [`MemoryKeystore`] that fails when it is told to. Clones share everything.
#[derive(Clone, Default)]
pub struct FaultyKeystore {
    /// What it keeps; reachable while it fails.
    pub inner: MemoryKeystore,
    plan: Arc<Mutex<Plan>>,
    healed: Arc<Condvar>,
    gate: Arc<(Mutex<Doors>, Condvar)>,
}

#[derive(Default)]
struct Plan {
    always: Option<KeystoreError>,
    nth: Option<(usize, KeystoreError)>,
    writes: Option<KeystoreError>,
    calls: usize,
    settled: usize,
    unlocks: usize,
    at_settle: Vec<(String, String)>,
}

#[derive(Default)]
struct Doors {
    closed: bool,
    waiting: usize,
}

impl FaultyKeystore {
    /// Every call fails with `error`, until [`Self::heal`].
    pub fn fail(&self, error: KeystoreError) {
        locked(&self.plan).always = Some(error);
    }

    /// Every write and deletion fails with `error`, until [`Self::heal`].
    pub fn fail_writes(&self, error: KeystoreError) {
        locked(&self.plan).writes = Some(error);
    }

    /// The `nth` call from now fails with `error`, counted from 1; the others work.
    pub fn fail_nth_call(&self, nth: usize, error: KeystoreError) {
        let mut plan = locked(&self.plan);
        plan.nth = Some((plan.calls + nth, error));
    }

    /// Everything works again.
    pub fn heal(&self) {
        let mut plan = locked(&self.plan);
        plan.always = None;
        plan.nth = None;
        plan.writes = None;
        drop(plan);
        self.healed.notify_all();
    }

    /// How often the person was asked to unlock it. Nobody answers: it stays as it is until [`Self::heal`].
    #[must_use]
    pub fn unlocks(&self) -> usize {
        locked(&self.plan).unlocks
    }

    /// `secret` appears under `name` when somebody waits for the keystore to settle.
    pub fn appear_at_settle(&self, name: &str, secret: &str) {
        locked(&self.plan).at_settle.push((name.to_owned(), secret.to_owned()));
    }

    /// How often somebody waited for the keystore to settle.
    #[must_use]
    pub fn settled(&self) -> usize {
        locked(&self.plan).settled
    }

    /// How many calls there were.
    #[must_use]
    pub fn calls(&self) -> usize {
        locked(&self.plan).calls
    }

    /// Writes wait until the gate that is returned is dropped.
    #[must_use]
    pub fn hold_writes(&self) -> Gate {
        locked(&self.gate.0).closed = true;
        Gate { gate: Arc::clone(&self.gate) }
    }

    fn step(&self, writes: bool) -> Result<(), KeystoreError> {
        let mut plan = locked(&self.plan);
        plan.calls += 1;
        let calls = plan.calls;
        let now = plan.nth.as_ref().filter(|(nth, _)| *nth == calls).map(|(_, error)| error);
        let write = plan.writes.as_ref().filter(|_| writes);
        plan.always.as_ref().or(now).or(write).cloned().map_or(Ok(()), Err)
    }

    fn pass_gate(&self) {
        let (doors, moved) = &*self.gate;
        let mut doors = locked(doors);
        doors.waiting += 1;
        moved.notify_all();
        while doors.closed {
            doors = moved.wait(doors).unwrap_or_else(PoisonError::into_inner);
        }
        doors.waiting -= 1;
    }
}

impl Keystore for FaultyKeystore {
    fn kind(&self) -> &'static str {
        "memory"
    }

    fn read(&self, name: &str) -> Result<Option<KeystoreSecret>, KeystoreError> {
        self.step(false)?;
        self.inner.read(name)
    }

    fn write(&self, name: &str, secret: &str) -> Result<(), KeystoreError> {
        self.pass_gate();
        self.step(true)?;
        self.inner.write(name, secret)
    }

    fn delete(&self, name: &str) -> Result<(), KeystoreError> {
        self.step(true)?;
        self.inner.delete(name)
    }

    fn read_all(&self, name: &str) -> Result<Vec<KeystoreSecret>, KeystoreError> {
        self.step(false)?;
        self.inner.read_all(name)
    }

    fn look(&self) -> Result<Origin, KeystoreError> {
        self.step(false)?;
        self.inner.look()
    }

    fn unlock(&self, _patience: Duration) -> Result<(), KeystoreError> {
        locked(&self.plan).unlocks += 1;
        self.look().map(drop)
    }

    fn await_unlocked(&self, patience: Duration) -> Result<(), KeystoreError> {
        let locked_up = |plan: &mut Plan| plan.always == Some(KeystoreError::Locked);
        let waited = self.healed.wait_timeout_while(locked(&self.plan), patience, locked_up);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
        self.look().map(drop)
    }

    fn settle(&self) {
        let appearing = {
            let mut plan = locked(&self.plan);
            plan.settled += 1;
            std::mem::take(&mut plan.at_settle)
        };
        for (name, secret) in appearing {
            self.inner.plant(&name, &secret);
        }
    }
}

/// Holds the writes of a [`FaultyKeystore`] until it is dropped.
pub struct Gate {
    gate: Arc<(Mutex<Doors>, Condvar)>,
}

impl Gate {
    /// Returns once a write waits here.
    pub fn await_writer(&self) {
        let (doors, moved) = &*self.gate;
        let mut doors = locked(doors);
        while doors.waiting == 0 {
            doors = moved.wait(doors).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        let (doors, moved) = &*self.gate;
        locked(doors).closed = false;
        moved.notify_all();
    }
}
