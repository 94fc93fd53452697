//! The anchor: a note in the keystore of the last epoch written, which shows that a whole older file was put back.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use subtle::ConstantTimeEq;

use super::schema::FORMAT;
use super::state::State;
use crate::envelope::{Aead, Fields, Identity, Keys, MacKey};
use crate::keystore::KeystoreSecret;
use crate::{Keystore, KeystoreError, VaultError, base32};

/// By how much the anchor may lag before it is remarked on: every commit that the keystore slept through adds one.
const USUAL_LAG: u64 = 64;

/// How often an anchor is written that another process writes over.
const WRITES: usize = 3;

/// What is known of the vault outside of its file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Anchor {
    pub(crate) epoch: u64,
    digest: [u8; 16],
    /// The format that it takes to read the vault.
    format: u32,
    strategy: String,
    /// `None` in the anchors of format 1, which knew one cipher.
    aead: Option<Aead>,
}

/// Under which name the anchor of a vault is kept.
pub(crate) fn name_of(vault_id: &[u8; 16]) -> String {
    format!("anchor-{}", base32::encode(vault_id))
}

fn first_half(mac: [u8; 32]) -> [u8; 16] {
    let mut half = [0; 16];
    half.copy_from_slice(&mac[..16]);
    half
}

impl Anchor {
    pub(super) fn of(state: &State, keys: &Keys) -> Self {
        // Not the sum itself: nobody without the key learns what rows contribute to it.
        let digest = state.anchor_key.mac(&Fields::of("pilotlight/v2/anchor-digest").bytes(&state.sum.to_bytes()));
        Self {
            epoch: state.epoch,
            digest: first_half(digest),
            format: FORMAT,
            strategy: state.strategy.clone(),
            aead: Some(keys.aead),
        }
    }

    /// The anchor of a vault of format 1.
    pub(super) fn of_format_1(epoch: u64, manifest: [u8; 32], strategy: &str) -> Self {
        Self { epoch, digest: first_half(manifest), format: 1, strategy: strategy.to_owned(), aead: None }
    }

    /// The anchor of a vault whose records are not sealed one by one, which names no cipher either.
    pub(crate) fn of_rows(epoch: u64, digest: [u8; 32], strategy: &str) -> Self {
        Self::of_format_1(epoch, digest, strategy)
    }

    fn mac(&self, identity: &Identity, key: &MacKey) -> [u8; 16] {
        let purpose = if self.aead.is_some() { "pilotlight/v2/anchor" } else { "pilotlight/v1/anchor" };
        let fields = Fields::of(purpose)
            .text(&identity.app)
            .bytes(&identity.vault_id)
            .number(self.epoch)
            .bytes(&self.digest)
            .number(self.format.into())
            .text(&self.strategy);
        first_half(key.mac(&match self.aead {
            Some(aead) => fields.number(aead.number().into()),
            None => fields,
        }))
    }

    /// `pa2.<epoch>.<digest>.<format>.<strategy>.<cipher>.<MAC>`; format 1 wrote `pa1` and no cipher.
    pub(crate) fn to_text(&self, identity: &Identity, key: &MacKey) -> String {
        let (digest, mac) = (URL_SAFE_NO_PAD.encode(self.digest), URL_SAFE_NO_PAD.encode(self.mac(identity, key)));
        let Self { epoch, format, strategy, .. } = self;
        match self.aead {
            Some(aead) => format!("pa2.{epoch}.{digest}.{format}.{strategy}.{}.{mac}", aead.number()),
            None => format!("pa1.{epoch}.{digest}.{format}.{strategy}.{mac}"),
        }
    }

    /// Reads [`Self::to_text`]; `None` where its MAC is not of this vault.
    pub(crate) fn parse(text: &str, identity: &Identity, key: &MacKey) -> Option<Self> {
        let parts: Vec<&str> = text.split('.').take(8).collect();
        let (epoch, digest, format, strategy, aead, mac) = match parts[..] {
            ["pa1", epoch, digest, format, strategy, mac] => (epoch, digest, format, strategy, None, mac),
            ["pa2", epoch, digest, format, strategy, aead, mac] => {
                (epoch, digest, format, strategy, Some(Aead::of(aead.parse().ok()?)?), mac)
            }
            _ => return None,
        };
        let anchor = Self {
            epoch: epoch.parse().ok()?,
            digest: URL_SAFE_NO_PAD.decode(digest).ok()?.try_into().ok()?,
            format: format.parse().ok()?,
            strategy: strategy.to_owned(),
            aead,
        };
        let mac = URL_SAFE_NO_PAD.decode(mac).ok()?;
        bool::from(anchor.mac(identity, key)[..].ct_eq(&mac[..])).then_some(anchor)
    }

    /// The furthest of these anchors that is of this vault. Entries with another MAC are nobody's.
    pub(crate) fn furthest(texts: &[KeystoreSecret], identity: &Identity, key: &MacKey) -> Option<Self> {
        texts.iter().filter_map(|text| Self::parse(text, identity, key)).max_by_key(|anchor| anchor.epoch)
    }

    /// Writes this anchor unless a later one is there: two processes may write in any order, and a lag is harmless
    /// where a step back would not be noticed.
    pub(crate) fn write_forward(
        &self,
        keystore: &dyn Keystore,
        identity: &Identity,
        key: &MacKey,
    ) -> Result<(), KeystoreError> {
        let mut written = Ok(());
        for _ in 0..WRITES {
            let kept = Self::furthest(&texts(keystore, identity)?, identity, key);
            if kept.is_some_and(|kept| kept.epoch >= self.epoch) {
                return Ok(());
            }
            written = keystore.write(&name_of(&identity.vault_id), &self.to_text(identity, key));
            // It reads back otherwise where another process wrote its own in between: a later one, or one that is behind.
            if !matches!(written, Err(KeystoreError::Unsuitable(_))) {
                break;
            }
        }
        written
    }
}

/// Whatever the keystore has under the name of this vault's anchor.
pub(crate) fn texts(keystore: &dyn Keystore, identity: &Identity) -> Result<Vec<KeystoreSecret>, KeystoreError> {
    keystore.read_all(&name_of(&identity.vault_id))
}

/// Compares what a vault's anchor would be with the one that is kept, which must have been read *before* the vault's
/// state: another process may write both in between, and the vault goes first.
///
/// Says whether the anchor is to be written anew.
pub(crate) fn check(found: &Anchor, kept: Option<&Anchor>) -> Result<bool, VaultError> {
    let Some(kept) = kept else {
        tracing::warn!("the vault's anchor is missing from the keystore; an older copy would not have been noticed");
        return Ok(true);
    };
    if kept.format > FORMAT {
        return Err(VaultError::NewerFormat(kept.format));
    }
    if kept.strategy != found.strategy {
        return Err(VaultError::Moved(kept.strategy.clone()));
    }
    // A vault that was brought forward has no business in its old format again.
    let behind = found.epoch < kept.epoch || found.format < kept.format;
    let other = found.epoch == kept.epoch && (found.digest != kept.digest || found.aead != kept.aead);
    if behind || other {
        return Err(VaultError::RolledBack { found: found.epoch, expected: kept.epoch });
    }
    let lag = found.epoch - kept.epoch;
    if lag > USUAL_LAG {
        tracing::warn!(lag, "the keystore has long not taken the vault's anchor");
    }
    Ok(lag > 0)
}

#[cfg(test)]
mod tests {
    use super::{Anchor, check, name_of, texts};
    use crate::envelope::{Aead, Identity, Keys, MacKey};
    use crate::keystore::{Keystore, KeystoreSecret, MemoryKeystore};
    use crate::sqlite::set::Sum;
    use crate::sqlite::state::State;
    use crate::{KeystoreError, VaultError};
    use proptest::prelude::*;
    use std::sync::Arc;

    fn identity() -> Identity {
        Identity { app: "test".to_owned(), vault_id: [1; 16] }
    }

    fn key() -> MacKey {
        MacKey::of(&[4; 32])
    }

    fn anchor_of(epoch: u64, sum: u8) -> Anchor {
        let state = State {
            epoch,
            strategy: "sqlite-aead".to_owned(),
            sum: Sum::of_bytes(&[sum; 32]),
            anchor_key: Arc::new(key()),
        };
        Anchor::of(&state, &Keys::make(identity(), 1, Aead::default()).unwrap())
    }

    fn anchor(epoch: u64) -> Anchor {
        anchor_of(epoch, 9)
    }

    fn kept(keystore: &MemoryKeystore) -> Option<Anchor> {
        Anchor::furthest(&texts(keystore, &identity()).unwrap(), &identity(), &key())
    }

    #[test]
    fn only_a_vaults_own_anchor_is_read() {
        let text = anchor(5).to_text(&identity(), &key());
        assert_eq!(Anchor::parse(&text, &identity(), &key()), Some(anchor(5)));
        assert_eq!(Anchor::parse(&text, &identity(), &MacKey::of(&[5; 32])), None);
        let other = Identity { vault_id: [2; 16], ..identity() };
        assert_eq!(Anchor::parse(&text, &other, &key()), None);
        for (from, to) in [
            ("pa2.5.", "pa2.6."),
            ("pa2", "pa3"),
            ("sqlite-aead", "plain"),
            (".2.", ".1."),
            ("aead.1.", "aead.2."),
            ("aead.1.", "aead."),
        ] {
            assert_ne!(text.replace(from, to), text);
            assert_eq!(Anchor::parse(&text.replace(from, to), &identity(), &key()), None, "{to}");
        }
    }

    #[test]
    fn an_anchor_of_format_1_is_read_and_is_no_other() {
        let old = Anchor::of_format_1(5, [9; 32], "sqlite-aead");
        let text = old.to_text(&identity(), &key());
        assert!(text.starts_with("pa1.5."));
        assert_eq!(Anchor::parse(&text, &identity(), &key()), Some(old.clone()));
        assert_eq!(Anchor::parse(&text.replace("pa1", "pa2"), &identity(), &key()), None);
        assert!(check(&anchor(6), Some(&old)).unwrap(), "brought forward since");
        assert!(matches!(check(&old, Some(&anchor(4))), Err(VaultError::RolledBack { .. })), "and put back");
    }

    #[test]
    fn an_anchor_never_moves_back() {
        let keystore = MemoryKeystore::default();
        for (written, now) in [(5, 5), (7, 7), (6, 7), (7, 7), (8, 8)] {
            anchor(written).write_forward(&keystore, &identity(), &key()).unwrap();
            assert_eq!(kept(&keystore).unwrap().epoch, now);
        }
    }

    /// A keystore in which another process writes `theirs` after each of our writes, and before it is read back.
    struct Overtaken {
        inner: MemoryKeystore,
        theirs: std::sync::Mutex<Vec<String>>,
    }

    impl Keystore for Overtaken {
        fn kind(&self) -> &'static str {
            "memory"
        }

        fn read(&self, name: &str) -> Result<Option<KeystoreSecret>, KeystoreError> {
            self.inner.read(name)
        }

        fn write(&self, name: &str, secret: &str) -> Result<(), KeystoreError> {
            let Some(theirs) = self.theirs.lock().unwrap().pop() else { return self.inner.write(name, secret) };
            self.inner.write(name, &theirs)?;
            Err(KeystoreError::Unsuitable("what was written reads back otherwise".to_owned()))
        }

        fn delete(&self, name: &str) -> Result<(), KeystoreError> {
            self.inner.delete(name)
        }
    }

    #[test]
    fn an_anchor_that_another_process_writes_over_is_no_trouble() {
        let overtaken = |theirs: &[u64]| Overtaken {
            inner: MemoryKeystore::default(),
            theirs: std::sync::Mutex::new(theirs.iter().map(|at| anchor(*at).to_text(&identity(), &key())).collect()),
        };
        for (theirs, last) in [(&[6][..], 6), (&[4], 5), (&[4, 3], 5)] {
            let keystore = overtaken(theirs);
            anchor(5).write_forward(&keystore, &identity(), &key()).unwrap();
            assert_eq!(kept(&keystore.inner).unwrap().epoch, last, "{theirs:?}");
        }
        let keystore = overtaken(&[4, 4, 4]);
        assert!(anchor(5).write_forward(&keystore, &identity(), &key()).is_err(), "it is not tried for ever");
    }

    #[test]
    fn the_furthest_of_several_anchors_counts_and_garbage_does_not() {
        let keystore = MemoryKeystore::default();
        let name = name_of(&[1; 16]);
        keystore.plant(&name, "garbage");
        assert_eq!(kept(&keystore), None);
        keystore.plant(&name, &anchor(4).to_text(&identity(), &key()));
        keystore.plant(&name, &anchor(3).to_text(&identity(), &key()));
        assert_eq!(kept(&keystore).unwrap().epoch, 4);
    }

    #[test]
    fn a_vault_ahead_of_its_anchor_opens_and_one_behind_does_not() {
        let kept = anchor(10);
        assert!(!check(&anchor(10), Some(&kept)).unwrap());
        assert!(check(&anchor(11), Some(&kept)).unwrap());
        assert!(check(&anchor(10_000), Some(&kept)).unwrap(), "a lagging anchor locks nobody out");
        assert!(check(&anchor(1), None).unwrap());
        assert!(matches!(check(&anchor(9), Some(&kept)), Err(VaultError::RolledBack { found: 9, expected: 10 })));
        let rolled_back = |found: &Anchor| {
            matches!(check(found, Some(&kept)), Err(VaultError::RolledBack { found: 10, expected: 10 }))
        };
        assert!(rolled_back(&anchor_of(10, 8)), "other rows");
        assert!(rolled_back(&Anchor { aead: Some(Aead::Aes256GcmSiv), ..anchor(10) }), "another cipher");
    }

    #[test]
    fn another_strategy_or_a_later_format_is_refused() {
        let moved = Anchor { strategy: "passphrase".to_owned(), ..anchor(1) };
        assert!(matches!(check(&anchor(1), Some(&moved)), Err(VaultError::Moved(to)) if to == "passphrase"));
        let newer = Anchor { format: 3, ..anchor(1) };
        assert!(matches!(check(&anchor(1), Some(&newer)), Err(VaultError::NewerFormat(3))));
    }

    #[test]
    fn the_anchors_name_has_no_character_that_a_keystore_divides_names_by() {
        let keystore = MemoryKeystore::default();
        anchor(1).write_forward(&keystore, &identity(), &key()).unwrap();
        assert!(keystore.names().iter().all(|name| !name.contains(['.', '@', '/'])));
        assert!(keystore.read(&name_of(&[1; 16])).unwrap().is_some());
    }

    proptest! {
        #[test]
        fn any_text_can_be_read(text in "(pa[12]\\.)?.{0,200}") {
            prop_assert_eq!(Anchor::parse(&text, &identity(), &key()), None);
        }
    }
}
