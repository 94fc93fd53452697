//! What there is to tell of the vault in use.

use std::path::PathBuf;

use pilotlight_vault::{Listed, SlotInfo, Strategy};

use super::VaultStatus;
use super::choice::Choice;
use crate::Error;
use crate::lifecycle::{Pilotlight, blocking};

/// The vault of a home, for showing.
#[derive(Debug, Clone)]
pub struct VaultInfo {
    /// How the grants are kept.
    pub strategy: Strategy,
    /// The file, where there is one.
    pub file: Option<PathBuf>,
    /// How large the file is, in bytes.
    pub bytes: Option<u64>,
    /// Whether there is a vault yet.
    pub exists: bool,
    /// Whether it can be used.
    pub status: VaultStatus,
    /// How many records it holds, and how many of them cannot be opened; where the vault is open.
    pub records: Option<(usize, usize)>,
    /// The ways to open it, where the strategy knows several.
    pub ways: Vec<SlotInfo>,
    /// How many tokens are still to be rotated after a move.
    pub to_rotate: usize,
}

impl Pilotlight {
    /// Whether the chosen strategy has a vault here already, usable or not. Opens none.
    pub async fn has_vault(&self) -> Result<bool, Error> {
        let (home, vaults) = (self.0.config.home.clone(), self.vaults());
        blocking(move || Ok(vaults.exists(Choice::read(&home)?.strategy)?)).await
    }

    /// Whether a passphrase or a recovery code may open the vault: what to know before a person is asked for one.
    pub async fn takes_passphrase(&self) -> Result<bool, Error> {
        let (home, vaults) = (self.0.config.home.clone(), self.vaults());
        blocking(move || {
            let strategy = Choice::read(&home)?.strategy;
            let typed = |kind: &str| matches!(kind, "passphrase" | "recovery-code");
            let one_way = vaults.ways(strategy).unwrap_or_default().iter().any(|way| typed(&way.kind));
            Ok(one_way || strategy.needs().contains(&pilotlight_vault::Need::Passphrase))
        })
        .await
    }

    /// Tells of the vault. It is opened for that where it exists; where that fails, the status says why.
    pub async fn vault_info(&self) -> Result<VaultInfo, Error> {
        let (home, vaults) = (self.0.config.home.clone(), self.vaults());
        let (strategy, exists, ways) = blocking(move || {
            let strategy = Choice::read(&home)?.strategy;
            let exists = vaults.exists(strategy)?;
            // A damaged file tells of no ways to open it; the status says what is wrong with it.
            let ways = if exists { vaults.ways(strategy).unwrap_or_default() } else { vec![] };
            Ok((strategy, exists, ways))
        })
        .await?;
        let records = if exists { self.with_vault_do(|vault| vault.list()).await.ok() } else { None };
        let damaged = |listed: &[Listed]| listed.iter().filter(|entry| matches!(entry, Listed::Damaged { .. })).count();
        let file = strategy.file_name().map(|name| self.0.config.home.path().join(name));
        let bytes = file.as_ref().and_then(|file| file.metadata().ok()).map(|found| found.len());
        Ok(VaultInfo {
            strategy,
            file,
            bytes,
            exists,
            status: self.vault_status(),
            records: records.map(|listed| (listed.len(), damaged(&listed))),
            ways,
            to_rotate: self.to_rotate(|ids| ids.len()),
        })
    }
}
