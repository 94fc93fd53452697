//! The ways to open the vault: a passphrase, a recovery code, and new keys.

use pilotlight_vault::{Aead, Strategy, VaultError, Vaults};
use secrecy::SecretString;

use super::choice::Choice;
use crate::Error;
use crate::journal::EventKind;
use crate::lifecycle::{Pilotlight, blocking};

impl Pilotlight {
    /// Lets this passphrase open the vault too, in place of an earlier one.
    pub async fn set_passphrase(&self, passphrase: SecretString) -> Result<(), Error> {
        let known = passphrase.clone();
        self.change_ways("A passphrase opens the vault from now on.", move |vaults, strategy| {
            vaults.set_passphrase(strategy, &passphrase).map(drop)
        })
        .await?;
        self.remember_passphrase(Some(known));
        Ok(())
    }

    /// Makes a code that opens the vault too, in place of an earlier one. It is given once and kept nowhere.
    pub async fn set_recovery_code(&self) -> Result<SecretString, Error> {
        self.change_ways("A recovery code opens the vault from now on.", |vaults, strategy| {
            vaults.set_recovery_code(strategy)
        })
        .await
    }

    /// Takes away every way of this kind, and says how many there were; the last one is never taken away.
    pub async fn remove_ways(&self, kind: &str) -> Result<usize, Error> {
        let kind = kind.to_owned();
        let text = format!("No {kind} opens the vault from now on.");
        self.change_ways(&text, move |vaults, strategy| vaults.remove_ways(strategy, &kind)).await
    }

    /// Makes the vault's keys anew. A passphrase that opens it must be known ([`Pilotlight::unlock_with`]); a recovery code
    /// is taken away first, and made anew afterwards.
    /// `aead` is the cipher from now on; `None` keeps the one there is.
    pub async fn rekey(&self, aead: Option<Aead>) -> Result<(), Error> {
        let text = "The vault's keys were made anew.";
        self.change_ways(text, move |vaults, strategy| vaults.rekey(strategy, aead)).await
    }

    async fn change_ways<T: Send + 'static>(
        &self,
        text: &str,
        change: impl FnOnce(&Vaults, Strategy) -> Result<T, VaultError> + Send + 'static,
    ) -> Result<T, Error> {
        // No move may begin meanwhile.
        let _lock = self.0.config.locks.lock("migration").await?;
        let (home, vaults) = (self.0.config.home.clone(), self.vaults());
        let changed = blocking(move || Ok(change(&vaults, Choice::read(&home)?.strategy)?)).await?;
        self.note("", EventKind::KeysChanged, text).await;
        self.announce();
        Ok(changed)
    }
}
