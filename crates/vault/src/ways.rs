//! The ways to open a vault of one home: listed, added, taken away, and their keys made anew.

use std::sync::Arc;

use secrecy::SecretString;

use crate::{Aead, Means, RecoveryCode, SlotInfo, SqliteVault, Strategy, VaultError, Vaults};

impl Vaults {
    /// The ways to open the vault of this strategy, as its file says and nobody has verified. Empty for strategies that
    /// know one way only.
    pub fn ways(&self, strategy: Strategy) -> Result<Vec<SlotInfo>, VaultError> {
        match strategy {
            Strategy::SqliteAead | Strategy::Hardware => SqliteVault::protectors_at(&self.file(strategy)),
            _ => Ok(vec![]),
        }
    }

    /// Lets this passphrase open the vault too, in place of an earlier one. Takes a good part of a second.
    pub fn set_passphrase(&self, strategy: Strategy, passphrase: &SecretString) -> Result<SlotInfo, VaultError> {
        self.of_several_ways(strategy)?.replace_protector(&Means::passphrase(passphrase.clone()))
    }

    /// Makes a code that opens the vault too, in place of an earlier one; to be shown once.
    pub fn set_recovery_code(&self, strategy: Strategy) -> Result<SecretString, VaultError> {
        let code = RecoveryCode::make()?;
        let text = code.to_text();
        self.of_several_ways(strategy)?.replace_protector(&Means::recovery_code(code))?;
        Ok(text)
    }

    /// Takes away every way of this kind (`passphrase`, `recovery-code`, …), and says how many there were. The last way is
    /// never taken away: [`VaultError::Unavailable`].
    pub fn remove_ways(&self, strategy: Strategy, kind: &str) -> Result<usize, VaultError> {
        let vault = self.of_several_ways(strategy)?;
        let of_kind: Vec<_> = vault.protectors()?.into_iter().filter(|way| way.kind == kind).collect();
        of_kind.iter().try_for_each(|way| vault.remove_protector(&way.id))?;
        Ok(of_kind.len())
    }

    /// Makes the vault's keys anew: the one in the keystore or the TPM, and the one that seals the records. Whatever knew
    /// the old ones opens nothing but older copies of the file. Every way must be at hand, the passphrase where one opens
    /// the vault; a recovery code is taken away first, and made anew afterwards.
    ///
    /// `aead` is the cipher from now on; `None` keeps the one there is.
    pub fn rekey(&self, strategy: Strategy, aead: Option<Aead>) -> Result<(), VaultError> {
        let vault = self.of_several_ways(strategy)?;
        let opening = self.means(strategy);
        if let Some(machine) = opening.first() {
            vault.replace_protector(machine)?;
        }
        vault.rekey_data(aead.unwrap_or_else(|| vault.aead()), &opening, self.now_ms)
    }

    fn of_several_ways(&self, strategy: Strategy) -> Result<SqliteVault, VaultError> {
        match strategy {
            Strategy::SqliteAead => SqliteVault::open_with(&self.file(strategy), &self.opening()),
            #[cfg(all(feature = "tpm", unix))]
            Strategy::Hardware => SqliteVault::open_with(&self.file(strategy), &self.by_tpm()),
            other => Err(VaultError::Unavailable(format!("the strategy {other} knows one way to be opened only"))),
        }
    }

    /// The machine's own way first, then the person's.
    fn means(&self, strategy: Strategy) -> Vec<Means> {
        let machine = match strategy {
            #[cfg(all(feature = "tpm", unix))]
            Strategy::Hardware => Means::tpm(self.device()),
            _ => Means::keystore(Arc::clone(&self.keystore)),
        };
        std::iter::once(machine).chain(self.typed()).collect()
    }

    /// What a person typed may be a passphrase or a recovery code; which of the two, the vault tells.
    pub(crate) fn typed(&self) -> Vec<Means> {
        let Some(typed) = &self.passphrase else { return vec![] };
        let code = RecoveryCode::parse(typed).map(Means::recovery_code);
        std::iter::once(Means::passphrase(typed.clone())).chain(code).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::keystore::MemoryKeystore;
    use crate::{Aead, GrantId, Strategy, VaultError, Vaults};

    const ID: GrantId = GrantId::from_bytes([1; 16]);

    struct Home {
        _folder: tempfile::TempDir,
        vaults: Vaults,
    }

    fn home() -> Home {
        let folder = tempfile::tempdir().unwrap();
        let vaults = Vaults {
            home: folder.path().join("home"),
            app: "test".to_owned(),
            keystore: Arc::new(MemoryKeystore::default()),
            passphrase: None,
            redis: None,
            tpm: None,
            now_ms: 1,
        };
        vaults.open(Strategy::SqliteAead).unwrap().create(&ID, b"record").unwrap();
        Home { _folder: folder, vaults }
    }

    fn opens(vaults: &Vaults) -> Result<(), VaultError> {
        let record = vaults.open(Strategy::SqliteAead)?.load(&ID)?.unwrap();
        assert_eq!(record.payload.as_slice(), b"record");
        Ok(())
    }

    #[test]
    fn a_recovery_code_and_a_passphrase_open_the_vault_whose_keystore_was_reset() {
        let Home { vaults, _folder } = home();
        let code = vaults.set_recovery_code(Strategy::SqliteAead).unwrap();
        vaults.set_passphrase(Strategy::SqliteAead, &"correct horse".into()).unwrap();
        let reset = Vaults { keystore: Arc::new(MemoryKeystore::default()), ..vaults.clone() };
        assert!(opens(&reset).is_err());
        assert!(opens(&Vaults { passphrase: Some("wrong".into()), ..reset.clone() }).is_err());
        for typed in [code, "correct horse".into()] {
            opens(&Vaults { passphrase: Some(typed), ..reset.clone() }).unwrap();
        }
    }

    #[test]
    fn keys_are_made_anew_and_what_was_taken_away_opens_nothing() {
        let Home { vaults, _folder } = home();
        vaults.set_passphrase(Strategy::SqliteAead, &"first".into()).unwrap();
        vaults.set_passphrase(Strategy::SqliteAead, &"second".into()).unwrap();
        assert_eq!(vaults.ways(Strategy::SqliteAead).unwrap().len(), 2);
        assert!(matches!(vaults.rekey(Strategy::SqliteAead, None), Err(VaultError::PassphraseNeeded)));
        let typed = Vaults { passphrase: Some("second".into()), ..vaults.clone() };
        for aead in [None, Some(Aead::XChaCha20Poly1305), Some(Aead::Aes256GcmSiv), None] {
            typed.rekey(Strategy::SqliteAead, aead).unwrap();
            opens(&vaults).unwrap();
        }
        assert_eq!(typed.of_several_ways(Strategy::SqliteAead).unwrap().aead(), Aead::Aes256GcmSiv);
        assert_eq!(vaults.remove_ways(Strategy::SqliteAead, "passphrase").unwrap(), 1);
        assert!(matches!(vaults.remove_ways(Strategy::SqliteAead, "os-keystore"), Err(VaultError::Unavailable(_))));
        let reset = Vaults { keystore: Arc::new(MemoryKeystore::default()), ..typed };
        assert!(opens(&reset).is_err());
        opens(&vaults).unwrap();
    }

    #[test]
    fn a_strategy_of_one_way_says_so() {
        let Home { vaults, _folder } = home();
        assert!(matches!(vaults.rekey(Strategy::PlainFile, None), Err(VaultError::Unavailable(_))));
        assert!(vaults.ways(Strategy::PlainFile).unwrap().is_empty());
    }
}
