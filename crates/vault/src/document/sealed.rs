//! `encrypted-file`: one file under a key that is stretched from a passphrase.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;

use super::sealed_header::{Header, parts};
use super::steps::Step;
use super::{Backing, Document, DocumentVault, FileBacking, Format, body, document_in_home, vault_by_document};
use crate::envelope::{Fields, SecretKey, derive, open, pad, seal, unpad};
use crate::error::damaged;
use crate::passphrase::Stretching;
use crate::place::Hold;
use crate::{Payload, VaultError, random};

const STRATEGY: &str = "encrypted-file";

/// `encrypted-file`: all records in `vault.pl1`, sealed as one with AES-256-GCM under a key that Argon2id makes of a
/// passphrase. Needs no keystore.
///
/// The passphrase is asked for once: the key stays in memory while the vault is open. Whoever has the file may try as many
/// passphrases as he likes, and Argon2id makes each of them dear.
#[derive(Debug)]
pub struct EncryptedFileVault {
    document: DocumentVault<Sealed, FileBacking>,
}

vault_by_document!(EncryptedFileVault);
document_in_home!(EncryptedFileVault, "vault.pl1");

/// How the settings of a new passphrase are made.
type Costs = fn() -> Result<Stretching, VaultError>;

impl EncryptedFileVault {
    /// Opens the vault in the folder `home`, or makes one where there is none. `home` is absolute; it is made if it is
    /// missing, and closed to others. The vault opens for the app of this id only.
    ///
    /// [`VaultError::WrongPassphrase`] and [`VaultError::Damaged`] are different things;
    /// [`VaultError::PassphraseNeeded`] where the passphrase is empty. Takes a good part of a second.
    pub fn open(home: &Path, app: &str, passphrase: &SecretString) -> Result<Self, VaultError> {
        Self::open_at_cost(home, app, passphrase, Stretching::make)
    }

    /// The same with the least settings that a vault may have, for tests that make many.
    #[cfg(any(test, feature = "testing"))]
    pub fn open_cheaply(home: &Path, app: &str, passphrase: &SecretString) -> Result<Self, VaultError> {
        Self::open_at_cost(home, app, passphrase, Stretching::make_cheap)
    }

    fn open_at_cost(home: &Path, app: &str, passphrase: &SecretString, costs: Costs) -> Result<Self, VaultError> {
        let attempt = || {
            let backing = FileBacking::new(&home.join(Self::FILE))?;
            let opened = match kept(&backing)? {
                Some(bytes) => Opened::unlock(parts(&bytes)?.header, app, passphrase)?,
                None => Opened::make(costs()?, random::make()?, app, passphrase)?,
            };
            let format = Sealed { opened: Mutex::new(Arc::new(opened)), costs };
            Ok(Self { document: DocumentVault::open(format, backing)? })
        };
        match attempt() {
            // Another process made it, or changed its passphrase, while the key was on its way.
            Err(VaultError::PassphraseNeeded) => attempt(),
            answer => answer,
        }
    }

    /// Seals everything anew under another passphrase. Other processes that have the vault open need the new one from then
    /// on: they answer [`VaultError::PassphraseNeeded`]. [`VaultError::WrongPassphrase`] where `current` is not the one in
    /// use. A crash leaves the one or the other. Copies of the older file still open with the older passphrase.
    pub fn change_passphrase(&self, current: &SecretString, new: &SecretString) -> Result<(), VaultError> {
        let format = &self.document.format;
        let opened = format.opened();
        Opened::unlock(opened.header.clone(), &opened.app, current)?;
        let next = Arc::new(Opened::make((format.costs)()?, opened.header.vault_id, &opened.app, new)?);
        let adopt = || format.adopt(&next);
        let outcome = self.document.write_with(|_| Ok(Step::Changed(())), |document| next.seal(document), adopt);
        if outcome.is_err() && self.is_under(&next) {
            // It stands there, and only whether it is durable is uncertain.
            adopt();
        }
        outcome
    }

    fn is_under(&self, opened: &Opened) -> bool {
        let bytes = kept(&self.document.backing).ok().flatten();
        bytes.is_some_and(|bytes| parts(&bytes).is_ok_and(|parts| parts.header.same_key(&opened.header)))
    }

    /// Goes on after another process changed the passphrase.
    pub fn unlock(&self, passphrase: &SecretString) -> Result<(), VaultError> {
        let format = &self.document.format;
        let bytes = kept(&self.document.backing)?.ok_or_else(|| damaged("it is gone"))?;
        let header = parts(&bytes)?.header;
        let opened = format.opened();
        if header.vault_id != opened.header.vault_id {
            return Err(damaged("another vault has taken its place"));
        }
        format.adopt(&Arc::new(Opened::unlock(header, &opened.app, passphrase)?));
        Ok(())
    }
}

fn kept(backing: &FileBacking) -> Result<Option<Payload>, VaultError> {
    let _lock = backing.lock(Hold::Shared)?;
    Ok(backing.read()?.map(|(bytes, _)| bytes))
}

/// The form of `vault.pl1`.
struct Sealed {
    opened: Mutex<Arc<Opened>>,
    costs: Costs,
}

impl Sealed {
    fn opened(&self) -> Arc<Opened> {
        // Replaced whole, so a poisoned lock guards something whole.
        Arc::clone(&self.opened.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn adopt(&self, next: &Arc<Opened>) {
        *self.opened.lock().unwrap_or_else(PoisonError::into_inner) = Arc::clone(next);
    }
}

/// What one passphrase opens.
struct Opened {
    app: String,
    /// Its epoch is of no meaning here.
    header: Header,
    key: SecretKey,
}

impl Opened {
    fn make(
        stretching: Stretching,
        vault_id: [u8; 16],
        app: &str,
        passphrase: &SecretString,
    ) -> Result<Self, VaultError> {
        let (key, check) = stretch(stretching, &vault_id, passphrase)?;
        Ok(Self { app: app.to_owned(), header: Header { stretching, vault_id, check, epoch: 1 }, key })
    }

    fn unlock(header: Header, app: &str, passphrase: &SecretString) -> Result<Self, VaultError> {
        let (key, check) = stretch(header.stretching, &header.vault_id, passphrase)?;
        if bool::from(check.ct_eq(&header.check)) {
            Ok(Self { app: app.to_owned(), header, key })
        } else {
            Err(VaultError::WrongPassphrase)
        }
    }

    fn aad(&self, header: &[u8]) -> Fields {
        Fields::of("pilotlight/v1/encrypted-file").text(&self.app).bytes(header)
    }

    fn seal(&self, document: &Document) -> Result<Payload, VaultError> {
        let mut bytes = Header { epoch: document.epoch, ..self.header.clone() }.to_bytes();
        let sealed = seal(&self.key, self.aad(&bytes).as_bytes(), &pad(&body::encode(document)?)?)?;
        bytes.extend_from_slice(&sealed.nonce);
        bytes.extend_from_slice(&sealed.ct);
        Ok(bytes.into())
    }
}

/// The key that seals, and the value that shows it is the right one. Both are derived, so that neither tells of the other.
fn stretch(
    stretching: Stretching,
    vault_id: &[u8; 16],
    passphrase: &SecretString,
) -> Result<(SecretKey, [u8; 16]), VaultError> {
    if passphrase.expose_secret().is_empty() {
        return Err(VaultError::PassphraseNeeded);
    }
    let stretched = stretching.key(passphrase)?;
    let derived = |purpose| derive(&stretched, vault_id, &Fields::of(purpose));
    let mut check = [0; 16];
    check.copy_from_slice(&derived("pilotlight/v1/encrypted-file-check").expose_secret()[..16]);
    Ok((derived("pilotlight/v1/encrypted-file-key"), check))
}

impl Format for Sealed {
    fn strategy(&self) -> &'static str {
        STRATEGY
    }

    fn encode(&self, document: &Document) -> Result<Payload, VaultError> {
        self.opened().seal(document)
    }

    fn decode(&self, bytes: &[u8]) -> Result<Document, VaultError> {
        let (parts, opened) = (parts(bytes)?, self.opened());
        if !parts.header.same_key(&opened.header) {
            return Err(VaultError::PassphraseNeeded);
        }
        let text = open(&opened.key, opened.aad(parts.header_bytes).as_bytes(), parts.nonce, parts.ct)
            .ok_or_else(|| damaged("its seal does not hold"))?;
        let document = body::decode(unpad(&text).ok_or_else(|| damaged("its padding is not ours"))?)?;
        if document.epoch == parts.header.epoch { Ok(document) } else { Err(damaged("its epochs differ")) }
    }
}
