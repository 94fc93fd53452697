//! The vault of this home: which strategy keeps it, vaults it, and moving it to another strategy.

pub(crate) mod choice;
mod info;
mod locking;
mod migration;
mod pending;
mod ways;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};

pub use pilotlight_vault::{Aead, Exposure, Exposures, Need, SlotInfo, Strategy, Vault};
use pilotlight_vault::{GrantId, VaultError, Vaults};
use secrecy::SecretString;

use self::choice::{Choice, Witness};
pub use self::info::VaultInfo;
pub use self::migration::{Moved, Moving};
use crate::journal::EventKind;
use crate::lifecycle::{Pilotlight, blocking};
use crate::{Error, ErrorCode};

/// Whose vaults these are; bound into everything that is sealed.
const APP: &str = "dev.pilotlight";

/// Whether the vault can be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VaultStatus {
    /// Nobody asked for it yet, or it is being opened.
    Closed,
    /// Open.
    Ready {
        /// The strategy's name.
        strategy: &'static str,
        /// Where its key is kept.
        keystore: &'static str,
    },
    /// It could not be opened; nothing is lost, and the next use tries again.
    Unavailable(Error),
}

/// Whether other hosts share the vault of this home.
#[cfg(feature = "redis")]
pub(crate) fn is_shared(home: &crate::Home) -> bool {
    Choice::read(home).is_ok_and(|choice| choice.strategy == Strategy::Redis)
}

/// What this process knows of its vault.
pub(crate) struct Storage {
    open: tokio::sync::Mutex<Option<Open>>,
    status: Mutex<VaultStatus>,
    /// What a person typed; kept so that a vault which was changed elsewhere can be opened again.
    passphrase: Mutex<Option<SecretString>>,
    to_rotate: Mutex<BTreeSet<GrantId>>,
    /// On the person's word (locking.rs).
    locked: AtomicBool,
}

/// A handle, and the choice of the home it was opened for; `None` for a vault of the caller's.
struct Open {
    vault: Arc<dyn Vault>,
    choice: Option<Choice>,
}

impl Storage {
    /// The caller's vault, or the home's, to be opened at its first use.
    pub(crate) fn new(vault: Option<Arc<dyn Vault>>, keystore: &'static str) -> Self {
        let status = vault
            .as_ref()
            .map_or(VaultStatus::Closed, |vault| VaultStatus::Ready { strategy: vault.strategy(), keystore });
        Self {
            open: tokio::sync::Mutex::new(vault.map(|vault| Open { vault, choice: None })),
            status: Mutex::new(status),
            passphrase: Mutex::default(),
            to_rotate: Mutex::default(),
            locked: AtomicBool::new(false),
        }
    }

    /// The strategy of the vault that is open, where it is one of the home's; none while it is being opened.
    pub(crate) fn open_strategy(&self) -> Option<Strategy> {
        self.open.try_lock().ok()?.as_ref()?.choice.map(|choice| choice.strategy)
    }
}

impl Pilotlight {
    /// Opens the vault, or says why it cannot be. Safe to repeat, after a person unlocked the keystore for instance.
    pub async fn unlock(&self) -> Result<(), Error> {
        self.take_lock_off();
        self.vault().await.map(drop)
    }

    /// Opens a vault that needs a passphrase ([`ErrorCode::PassphraseNeeded`]). A wrong one is forgotten at once.
    pub async fn unlock_with(&self, passphrase: SecretString) -> Result<(), Error> {
        self.remember_passphrase(Some(passphrase));
        let opened = self.unlock().await;
        if opened.as_ref().is_err_and(|error| error.code() == ErrorCode::WrongPassphrase) {
            self.remember_passphrase(None);
        }
        opened
    }

    /// What the person typed to open this vault, where it takes that: for another process of Pilotlight, of the same person,
    /// that is to open it too. It leaves the process by no other way.
    #[must_use]
    pub fn passphrase(&self) -> Option<SecretString> {
        lock(&self.0.storage.passphrase).clone()
    }

    /// Whether the vault can be used, as far as is known.
    #[must_use]
    pub fn vault_status(&self) -> VaultStatus {
        lock(&self.0.storage.status).clone()
    }

    /// The strategy of this home: the one chosen, whether or not its vault can be opened.
    pub fn strategy(&self) -> Result<Strategy, Error> {
        Ok(Choice::read(&self.0.config.home)?.strategy)
    }

    /// Chooses the strategy of a home that has no vault yet. [`ErrorCode::BadInput`] where it has one: then its grants are
    /// to be moved ([`Pilotlight::migrate`]).
    pub async fn choose(&self, strategy: Strategy) -> Result<(), Error> {
        let _lock = self.0.config.locks.lock("migration").await?;
        let (home, vaults) = (self.0.config.home.clone(), self.vaults());
        let text = format!("This home keeps its grants by {strategy}.");
        blocking(move || {
            let now = Choice::read(&home)?;
            for kept in Strategy::ALL {
                if vaults.exists(kept)? && kept != strategy {
                    let text = format!("There are grants kept by {kept} already; move them instead.");
                    return Err(Error::new(ErrorCode::BadInput, text));
                }
            }
            Choice { strategy, changes: now.changes + 1 }.write(&home)?;
            if let Err(error) = Witness::of(&*vaults.keystore, &vaults.app, &home).remember(strategy) {
                tracing::debug!(%error, "the keystore was not told which strategy is in use");
            }
            Ok(())
        })
        .await?;
        self.put_down_vault();
        self.note("", EventKind::Moved, &text).await;
        self.announce();
        Ok(())
    }

    /// Sets an unusable vault aside and lets the next use make an empty one. Only ever on the person's word (P4); refused
    /// where the vault may still be opened later ([`Error::can_start_over`]).
    pub async fn start_over(&self) -> Result<PathBuf, Error> {
        let why = match self.vault().await {
            Ok(_) => {
                return Err(Error::new(ErrorCode::BadInput, "The vault is fine; there is no reason to start over."));
            }
            Err(error) if error.can_start_over() => error,
            Err(error) => return Err(error),
        };
        let (home, vaults) = (self.0.config.home.clone(), self.vaults());
        let aside = blocking(move || vaults.set_aside(Choice::read(&home)?.strategy).map_err(Error::from)).await?;
        let text = format!("The vault was set aside as {} and a new one begun: {why}", aside.display());
        self.note("", EventKind::StartedOver, &text).await;
        self.announce();
        Ok(aside)
    }

    /// Asks the vault, off the async threads.
    pub(crate) async fn with_vault_do<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&dyn Vault) -> Result<T, VaultError> + Send + 'static,
    ) -> Result<T, Error> {
        let vault = self.vault().await?;
        blocking(move || ask(&*vault).map_err(Error::from)).await
    }

    /// The vault that the home's choice names now: a handle of before a move is put down, and nothing is done while one is
    /// under way.
    pub(super) async fn vault(&self) -> Result<Arc<dyn Vault>, Error> {
        let mut slot = self.0.storage.open.lock().await;
        self.refuse_if_locked()?;
        if let Some(Open { vault, choice: None }) = &*slot {
            return Ok(Arc::clone(vault));
        }
        let choice = Choice::read(&self.0.config.home)?;
        if let Some(open) = slot.as_ref().filter(|open| open.choice == Some(choice)) {
            // Also while a move is under way: what changes anything holds a lock, and the move waits for those.
            return Ok(Arc::clone(&open.vault));
        }
        *slot = None;
        if migration::is_noted(&self.0.config.home) {
            self.after_any_move().await?;
        }
        let choice = Choice::read(&self.0.config.home)?;
        let opened = self.open_chosen(choice.strategy).await;
        self.tell_status(&opened);
        let vault = opened?;
        let home = self.0.config.home.clone();
        *lock(&self.0.storage.to_rotate) = blocking(move || Ok(pending::read(&home))).await?;
        self.0.reread.notify_one();
        *slot = Some(Open { vault: Arc::clone(&vault), choice: Some(choice) });
        Ok(vault)
    }

    async fn open_chosen(&self, strategy: Strategy) -> Result<Arc<dyn Vault>, Error> {
        let (home, vaults) = (self.0.config.home.clone(), self.vaults());
        blocking(move || {
            let witness = Witness::of(&*vaults.keystore, &vaults.app, &home);
            let needed = strategy.needs().contains(&Need::Keystore) && vaults.passphrase.is_none();
            witness.confirm(strategy, needed)?;
            let new = !vaults.exists(strategy)?;
            let vault = vaults.open(strategy)?;
            tracing::debug!(%strategy, "the vault is open");
            if new && let Err(error) = witness.remember(strategy) {
                tracing::debug!(%error, "the keystore was not told which strategy is in use");
            }
            Ok(vault)
        })
        .await
    }

    fn tell_status(&self, opened: &Result<Arc<dyn Vault>, Error>) {
        let status = match opened {
            Ok(vault) => VaultStatus::Ready { strategy: vault.strategy(), keystore: self.0.config.keystore.kind() },
            Err(error) => VaultStatus::Unavailable(error.clone()),
        };
        let news = std::mem::replace(&mut *lock(&self.0.storage.status), status.clone()) != status;
        if news {
            self.announce();
        }
    }

    /// What vaults of this home are opened with.
    fn vaults(&self) -> Vaults {
        Vaults {
            home: self.0.config.home.path().to_owned(),
            app: APP.to_owned(),
            keystore: Arc::clone(&self.0.config.keystore),
            passphrase: lock(&self.0.storage.passphrase).clone(),
            redis: self.0.config.redis.clone(),
            tpm: self.0.config.tpm.clone(),
            now_ms: self.now().as_millis(),
        }
    }

    /// Lets go of the files of a vault that is no longer the chosen one; whoever is using it finds out by the choice.
    fn put_down_vault(&self) {
        if let Ok(mut slot) = self.0.storage.open.try_lock() {
            *slot = None;
        }
    }

    fn remember_passphrase(&self, passphrase: Option<SecretString>) {
        *lock(&self.0.storage.passphrase) = passphrase;
    }

    fn to_rotate<T>(&self, look: impl FnOnce(&mut BTreeSet<GrantId>) -> T) -> T {
        look(&mut lock(&self.0.storage.to_rotate))
    }
}

/// No invariant spans a panic while one of these is held.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
pub(crate) mod tests;
