//! KEKs that the OS keystore keeps, one entry for each generation.

use std::sync::Arc;

use subtle::ConstantTimeEq;

use super::{Candidates, KekRef, Protector};
use crate::envelope::Kek;
use crate::keystore::{Origin, Persistence};
use crate::{Keystore, KeystoreError, VaultError, base32};

/// See [`Means::keystore`](super::Means::keystore).
pub(crate) struct KeystoreProtector {
    keystore: Arc<dyn Keystore>,
}

/// How many generations back entries are looked for that nothing needs: a keystore cannot be asked for a list.
const REMEMBERED: u32 = 16;

/// Under which name a KEK is kept.
fn entry_of(vault_id: &[u8; 16], generation: u32) -> String {
    format!("kek-{}-{generation}", base32::encode(vault_id))
}

/// Keystore and generation of a reference, e.g. `secret-service/gnome-keyring:lasting/1`.
pub(crate) fn origin_and_generation(reference: &KekRef) -> Result<(Origin, u32), VaultError> {
    reference
        .name
        .rsplit_once('/')
        .and_then(|(origin, generation)| Some((Origin::from_record(origin), generation.parse().ok()?)))
        .ok_or_else(|| VaultError::Damaged("a key slot names no key".to_owned()))
}

impl KeystoreProtector {
    pub(crate) const KIND: &'static str = "os-keystore";

    pub(crate) fn new(keystore: Arc<dyn Keystore>) -> Self {
        Self { keystore }
    }

    fn keep(&self, name: &str, text: &str) -> Result<(), VaultError> {
        self.keystore.write(name, text)?;
        let kept = self.keystore.read(name)?;
        if kept.is_some_and(|kept| bool::from(kept.as_bytes().ct_eq(text.as_bytes()))) {
            Ok(())
        } else {
            Err(KeystoreError::Unsuitable("the new key does not read back".to_owned()).into())
        }
    }
}

impl Protector for KeystoreProtector {
    fn kind(&self) -> &'static str {
        Self::KIND
    }

    fn make(&self, vault_id: &[u8; 16], taken: &[KekRef]) -> Result<(KekRef, Kek), VaultError> {
        let origin = self.keystore.look()?;
        if origin.persistence == Some(Persistence::Passing) {
            let why = "it forgets everything when the session ends";
            return Err(KeystoreError::Unsuitable(why.to_owned()).into());
        }
        let mut last = 0;
        for reference in taken {
            last = last.max(origin_and_generation(reference)?.1);
        }
        let exhausted = || VaultError::Damaged("a key slot names no key".to_owned());
        let mut generation = last.checked_add(1).ok_or_else(exhausted)?;
        // An entry that no slot names is left from a rekey that was cut short, or is in an older copy of the file.
        while !self.keystore.read_all(&entry_of(vault_id, generation))?.is_empty() {
            generation = generation.checked_add(1).ok_or_else(exhausted)?;
        }
        let kek = Kek::make()?;
        self.keep(&entry_of(vault_id, generation), &kek.to_text(generation))?;
        Ok((KekRef { name: format!("{}/{generation}", origin.to_record()), params: Vec::new() }, kek))
    }

    /// Any program of the user may add an entry of our name: the one that opens the slot is ours, never just the first.
    fn candidates(&self, vault_id: &[u8; 16], reference: &KekRef) -> Result<Candidates, VaultError> {
        let (was, generation) = origin_and_generation(reference)?;
        let entries = self.keystore.read_all(&entry_of(vault_id, generation))?;
        let keks: Vec<_> = entries.iter().filter_map(|entry| Kek::parse(entry, generation)).collect();
        let otherwise = match (entries.len(), keks.len()) {
            // Gone, unless it is another keystore that answers now than the one that was given it.
            (0, _) => self.keystore.look()?.changed_from(&was).map_or(VaultError::KeyLost, VaultError::from),
            (1, 0) => VaultError::KeyCorrupt,
            (1, _) => VaultError::WrongKey,
            (several, _) => KeystoreError::Ambiguous(several).into(),
        };
        Ok(Candidates { keks, otherwise })
    }

    /// A keystore that has only just started may answer before it has loaded its entries.
    fn settle(&self) -> bool {
        self.keystore.settle();
        true
    }

    fn forget_unused(&self, vault_id: &[u8; 16], in_use: &[KekRef]) -> Result<(), VaultError> {
        let kept = in_use
            .iter()
            .map(|reference| Ok(origin_and_generation(reference)?.1))
            .collect::<Result<Vec<_>, VaultError>>()?;
        let last = kept.iter().copied().max().unwrap_or(0);
        for generation in (last.saturating_sub(REMEMBERED)..last).filter(|generation| !kept.contains(generation)) {
            self.keystore.delete(&entry_of(vault_id, generation))?;
        }
        Ok(())
    }

    fn forget(&self, vault_id: &[u8; 16], reference: &KekRef) -> Result<(), VaultError> {
        Ok(self.keystore.delete(&entry_of(vault_id, origin_and_generation(reference)?.1))?)
    }
}

#[cfg(test)]
mod tests {
    use super::{KekRef, KeystoreProtector, Protector, entry_of};
    use crate::keystore::{FaultyKeystore, Keystore};
    use crate::{KeystoreError, VaultError};
    use std::sync::Arc;

    const VAULT: [u8; 16] = [3; 16];

    fn bench() -> (FaultyKeystore, KeystoreProtector) {
        let keystore = FaultyKeystore::default();
        (keystore.clone(), KeystoreProtector::new(Arc::new(keystore)))
    }

    #[test]
    fn a_new_key_never_takes_the_entry_of_another() {
        let (keystore, protector) = bench();
        let (first, _) = protector.make(&VAULT, &[]).unwrap();
        assert_eq!(first.name, "memory/1");
        let (second, _) = protector.make(&VAULT, std::slice::from_ref(&first)).unwrap();
        assert_eq!(second.name, "memory/2");
        // What no slot names any more is still not written over.
        assert_eq!(protector.make(&VAULT, &[]).unwrap().0.name, "memory/3");
        assert_eq!(keystore.inner.names().len(), 3);
        protector.forget(&VAULT, &first).unwrap();
        protector.forget(&VAULT, &first).unwrap();
        assert_eq!(keystore.inner.names().len(), 2);
    }

    #[test]
    fn a_key_that_does_not_read_back_is_not_used() {
        let (keystore, protector) = bench();
        // Look, write, read back.
        for nth in 1..4 {
            keystore.fail_nth_call(nth, KeystoreError::TimedOut);
            assert!(matches!(protector.make(&VAULT, &[]), Err(VaultError::Keystore(KeystoreError::TimedOut))), "{nth}");
            keystore.heal();
        }
        assert!(protector.make(&VAULT, &[]).is_ok());
    }

    #[test]
    fn a_reference_that_names_no_key_is_damage() {
        let (_, protector) = bench();
        for name in ["memory", "memory/", "memory/x", "/", "memory/-1", "memory/99999999999"] {
            let reference = KekRef { name: name.to_owned(), params: Vec::new() };
            assert!(matches!(protector.candidates(&VAULT, &reference), Err(VaultError::Damaged(_))), "{name}");
            assert!(matches!(protector.make(&VAULT, &[reference]), Err(VaultError::Damaged(_))), "{name}");
        }
    }

    #[test]
    fn a_name_has_no_character_that_a_keystore_divides_names_by() {
        assert!(!entry_of(&VAULT, 1).contains(['.', '@', '/']));
        let (keystore, protector) = bench();
        protector.make(&VAULT, &[]).unwrap();
        assert!(keystore.read(&entry_of(&VAULT, 1)).unwrap().is_some());
    }
}
