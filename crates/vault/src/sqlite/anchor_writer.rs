//! Writes anchors behind the commits: a commit does not wait for the keystore.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use super::anchor::Anchor;
use crate::envelope::{Identity, MacKey};
use crate::{Keystore, VaultError};

/// One thread and the latest anchor; what was not written yet when a later one comes is left out.
pub(crate) struct AnchorWriter {
    desk: Arc<Desk>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Desk {
    tray: Mutex<Tray>,
    moved: Condvar,
}

#[derive(Default)]
struct Tray {
    latest: Option<Anchor>,
    writing: bool,
    closed: bool,
}

impl Desk {
    fn tray(&self) -> MutexGuard<'_, Tray> {
        self.tray.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'tray>(&self, tray: MutexGuard<'tray, Tray>) -> MutexGuard<'tray, Tray> {
        self.moved.wait(tray).unwrap_or_else(PoisonError::into_inner)
    }

    /// The next anchor to write; `None` once the vault is closed and everything is written.
    fn next(&self) -> Option<Anchor> {
        let mut tray = self.tray();
        tray.writing = false;
        self.moved.notify_all();
        loop {
            if let Some(anchor) = tray.latest.take() {
                tray.writing = true;
                return Some(anchor);
            }
            if tray.closed {
                return None;
            }
            tray = self.wait(tray);
        }
    }
}

/// Leaves no one waiting for a thread that panicked inside a keystore.
struct Leaving<'desk>(&'desk Desk);

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        let mut tray = self.0.tray();
        tray.closed = true;
        tray.writing = false;
        tray.latest = None;
        self.0.moved.notify_all();
    }
}

impl AnchorWriter {
    pub(crate) fn start(keystore: Arc<dyn Keystore>, identity: Identity, key: Arc<MacKey>) -> Result<Self, VaultError> {
        let desk = Arc::new(Desk::default());
        let shared = Arc::clone(&desk);
        let thread = std::thread::Builder::new()
            .name("vault-anchor".to_owned())
            .spawn(move || {
                let _leaving = Leaving(&shared);
                while let Some(anchor) = shared.next() {
                    if let Err(error) = anchor.write_forward(&*keystore, &identity, &key) {
                        // Harmless until the next commit or opening writes it: an anchor may lag.
                        tracing::warn!(%error, "the vault's anchor could not be written");
                    }
                }
            })
            .map_err(|_| VaultError::Io("no thread could be started".to_owned()))?;
        Ok(Self { desk, thread: Some(thread) })
    }

    /// Hands over an anchor and returns at once.
    pub(crate) fn submit(&self, anchor: Anchor) {
        let mut tray = self.desk.tray();
        if !tray.closed && tray.latest.as_ref().is_none_or(|waiting| waiting.epoch < anchor.epoch) {
            tray.latest = Some(anchor);
            self.desk.moved.notify_all();
        }
    }

    /// Waits until everything handed over was tried.
    pub(crate) fn flush(&self) {
        let mut tray = self.desk.tray();
        while tray.writing || tray.latest.is_some() {
            tray = self.desk.wait(tray);
        }
    }
}

impl Drop for AnchorWriter {
    fn drop(&mut self) {
        self.desk.tray().closed = true;
        self.desk.moved.notify_all();
        if let Some(thread) = self.thread.take() {
            // It ends by itself; a panic inside a keystore was reported by the panic hook.
            let _ = thread.join();
        }
    }
}
