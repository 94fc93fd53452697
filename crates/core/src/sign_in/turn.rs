//! One sign-in at a time for one name, over all processes of a home: two tabs for one account would only puzzle a person.

use std::time::Duration;

use crate::lifecycle::Pilotlight;
use crate::parts::{FileLocks, Lock, Locks as _};
use crate::{Error, ErrorCode, files};

/// Long enough for a sign-in that was just cancelled to be gone, and no person waits for it.
const PATIENCE: Duration = Duration::from_millis(500);

impl Pilotlight {
    /// The right to sign in under that name, given back when it is dropped or its process ends.
    ///
    /// An OS lock of the home also where hosts share a vault: the person sits at one machine, and a lease would have to be
    /// kept up while nothing happens.
    pub(super) async fn take_turn(&self, name: &str) -> Result<Lock, Error> {
        let locks = FileLocks::new(&self.0.config.home).patient_for(PATIENCE);
        let taken = locks.lock(&lock_name(name)).await;
        taken.map_err(|error| match error.code() {
            ErrorCode::GrantBusy => {
                Error::new(ErrorCode::SignInPending, format!("A sign-in to {name:?} is under way already."))
            }
            _ => error,
        })
    }
}

/// A file's name for any account's.
fn lock_name(name: &str) -> String {
    format!("sign-in.{}", files::derive_name(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_has_a_short_name_of_plain_characters_whatever_the_account_is_called() {
        for name in ["work", "a/b\\c", &"长".repeat(64), "..", ""] {
            let lock = lock_name(name);
            assert!(lock.len() <= 64 && lock.chars().all(|c| c.is_ascii_alphanumeric() || ".-".contains(c)), "{lock}");
        }
        assert_ne!(lock_name("work"), lock_name("Work"));
    }
}
