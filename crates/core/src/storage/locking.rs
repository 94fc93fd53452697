//! Locking Pilotlight up on the person's word, until they unlock it.

use std::sync::atomic::Ordering;

use crate::grant::State;
use crate::lifecycle::Pilotlight;
use crate::{Error, ErrorCode};

impl Pilotlight {
    /// Forgets the vault's keys, its passphrase and the tokens that were lent lately, when the refreshes under way have landed.
    /// Until [`Self::unlock`] or [`Self::unlock_with`] whatever needs the vault is refused ([`ErrorCode::Locked`]), and
    /// nothing is refreshed; other processes of the same person are not concerned.
    ///
    /// # Errors
    /// [`ErrorCode::VaultIo`] while new tokens could not be saved yet: they are in memory alone, and need the keys.
    pub async fn lock(&self) -> Result<(), Error> {
        self.0.flights.landed().await;
        let unsaved = self.pages(|_, page| matches!(page.state, State::Saving { .. }).then_some(()));
        if !unsaved.is_empty() {
            return Err(Error::new(ErrorCode::VaultIo, "There are new tokens that could not be saved yet."));
        }
        let mut slot = self.0.storage.open.lock().await;
        self.0.storage.locked.store(true, Ordering::SeqCst);
        // A vault of the caller's cannot be opened again from here; its keys are the caller's affair.
        if slot.as_ref().is_some_and(|open| open.choice.is_some()) {
            *slot = None;
        }
        drop(slot);
        self.remember_passphrase(None);
        self.0.recent.clear();
        self.0.exchanged.clear();
        self.tell_status(&Err(locked()));
        // The background task finds out, and waits.
        self.0.reread.notify_one();
        Ok(())
    }

    /// Ends what [`Self::lock`] began.
    pub(super) fn take_lock_off(&self) {
        self.0.storage.locked.store(false, Ordering::SeqCst);
        self.0.reread.notify_one();
    }

    pub(super) fn refuse_if_locked(&self) -> Result<(), Error> {
        if self.0.storage.locked.load(Ordering::SeqCst) { Err(locked()) } else { Ok(()) }
    }
}

fn locked() -> Error {
    Error::new(ErrorCode::Locked, "Pilotlight is locked.")
}
