//! A document in entries of the keystore.
//!
//! ```text
//!   doc-<vault>              "pd1.<epoch>.<chunks>.<bytes>.<digest>"    the head: says which chunks count
//!   doc-<vault>-<epoch>-0    base64url, as much as an entry takes
//!   doc-<vault>-<epoch>-1    …
//! ```
//!
//! The chunks of the next epoch have names of their own. They are written and read back, then the head is switched, then
//! the older chunks are forgotten, the last one first: so a crash leaves the old document or the new one, and of all others
//! at most chunks from the first one on, of the epochs on either side of the head's. The next write sweeps those: a file in
//! the home is there from before the first chunk until after the last deletion. To ask the keystore for what may not be
//! there would be dear, because it has to prove that it keeps entries at all.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::keystore::name_in;
use super::{Backing, FileBacking, Mark};
use crate::envelope::Fields;
use crate::error::damaged;
use crate::place::{FolderLock, Hold};
use crate::{Keystore, KeystoreError, Payload, VaultError, base32};

/// Characters per entry where the keystore is Windows' (2560 bytes, of which a character may take two) or not known.
const NARROW: usize = 1200;
/// And where entries may be long, but are kept in locked memory of which there is little.
const WIDE: usize = 8000;

/// More chunks than this are too many: each is a call, or several.
const MOST_CHUNKS: usize = 128;

/// Entries of one vault. The lock, and what tells others of a write, are those of the file that names it: a keystore has
/// neither.
pub(super) struct Entries {
    pub(super) file: FileBacking,
    keystore: Arc<dyn Keystore>,
    app: String,
    pub(super) vault_id: [u8; 16],
}

/// What the head entry says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Head {
    epoch: u64,
    chunks: usize,
    bytes: usize,
    digest: [u8; 32],
}

impl Head {
    pub(super) fn to_text(&self) -> String {
        let digest = URL_SAFE_NO_PAD.encode(self.digest);
        format!("pd1.{}.{}.{}.{digest}", self.epoch, self.chunks, self.bytes)
    }

    /// Reads [`Self::to_text`], and no other spelling.
    pub(super) fn parse(text: &str) -> Result<Self, VaultError> {
        let read = || {
            let mut fields = text.strip_prefix("pd1.")?.split('.');
            let head = Self {
                epoch: fields.next()?.parse().ok()?,
                chunks: fields.next()?.parse().ok()?,
                bytes: fields.next()?.parse().ok()?,
                digest: URL_SAFE_NO_PAD.decode(fields.next()?).ok()?.try_into().ok()?,
            };
            let sound = head.to_text() == text && head.chunks <= MOST_CHUNKS && head.bytes <= MOST_CHUNKS * WIDE;
            sound.then_some(head)
        };
        match read() {
            Some(head) => Ok(head),
            None if text.starts_with("pd2.") => Err(VaultError::NewerFormat(2)),
            None => Err(damaged("its head entry in the keystore is not readable")),
        }
    }
}

impl Entries {
    pub(super) fn new(file: FileBacking, keystore: Arc<dyn Keystore>, app: &str, vault_id: [u8; 16]) -> Self {
        Self { file, keystore, app: app.to_owned(), vault_id }
    }

    fn head_name(&self) -> String {
        format!("doc-{}", base32::encode(&self.vault_id))
    }

    fn chunk_name(&self, epoch: u64, chunk: usize) -> String {
        format!("{}-{epoch}-{chunk}", self.head_name())
    }

    fn digest(&self, epoch: u64, bytes: &[u8]) -> [u8; 32] {
        let context = Fields::of("pilotlight/v1/keystore-only").text(&self.app).bytes(&self.vault_id).number(epoch);
        Sha256::new().chain_update(context.as_bytes()).chain_update(bytes).finalize().into()
    }

    fn head(&self) -> Result<Option<Head>, VaultError> {
        self.keystore.read(&self.head_name())?.map(|text| Head::parse(&text)).transpose()
    }

    /// The document that `head` names.
    fn assemble(&self, head: &Head) -> Result<Payload, VaultError> {
        // Room for all of it from the start: growing would leave copies behind.
        let mut text = Zeroizing::new(String::with_capacity(text_length(head.bytes)));
        for chunk in 0..head.chunks {
            let part = self.keystore.read(&self.chunk_name(head.epoch, chunk))?;
            let part = part.ok_or_else(|| damaged("a part of it is gone from the keystore"))?;
            if text.len() + part.len() > text_length(head.bytes) {
                return Err(damaged("its parts in the keystore are too long"));
            }
            text.push_str(&part);
        }
        let mut bytes = Zeroizing::new(vec![0; text.len()]);
        let length = URL_SAFE_NO_PAD.decode_slice(text.as_bytes(), &mut bytes);
        bytes.truncate(length.unwrap_or_default());
        if bytes.len() == head.bytes && self.digest(head.epoch, &bytes) == head.digest {
            Ok(bytes)
        } else {
            Err(damaged("its parts in the keystore are not those that were written"))
        }
    }

    /// Writes the document of `epoch` in the place of that of `old`.
    pub(super) fn switch(&self, old: Option<&Head>, bytes: &[u8], epoch: u64) -> Result<Head, VaultError> {
        let room = self.room();
        let chunks = text_length(bytes.len()).div_ceil(room);
        if chunks > MOST_CHUNKS {
            return Err(VaultError::TooLarge(bytes.len()));
        }
        if let Some(old) = old
            && self.file.is_unfinished()
        {
            self.sweep(old.epoch.wrapping_sub(1))?;
            self.sweep(epoch)?;
        }
        self.file.begin()?;
        let mut text = Zeroizing::new(String::with_capacity(text_length(bytes.len())));
        URL_SAFE_NO_PAD.encode_string(bytes, &mut text);
        for (chunk, part) in text.as_bytes().chunks(room).enumerate() {
            // Base64 is ASCII, which may be cut anywhere.
            self.keystore.write(&self.chunk_name(epoch, chunk), &String::from_utf8_lossy(part))?;
        }
        let head = Head { epoch, chunks, bytes: bytes.len(), digest: self.digest(epoch, bytes) };
        if self.assemble(&head).is_err_and(|error| matches!(error, VaultError::Damaged(_))) {
            return Err(KeystoreError::Unsuitable("what was written reads back otherwise".to_owned()).into());
        }
        self.keystore.write(&self.head_name(), &head.to_text())?;
        // From here on it is written, whatever becomes of the rest.
        if let Err(error) =
            old.map_or(Ok(()), |old| self.forget(old.epoch, old.chunks)).and_then(|()| self.file.finish())
        {
            tracing::warn!(%error, "an older copy stays in the keystore until the next write");
        }
        Ok(head)
    }

    fn room(&self) -> usize {
        if ["secret-service", "keychain"].contains(&self.keystore.kind()) { WIDE } else { NARROW }
    }

    /// Forgets the chunks of an epoch, the last one first, so that what is left of them begins with the first.
    fn forget(&self, epoch: u64, chunks: usize) -> Result<(), VaultError> {
        (0..chunks).rev().try_for_each(|chunk| Ok(self.keystore.delete(&self.chunk_name(epoch, chunk))?))
    }

    /// Forgets what a crash left of an epoch.
    fn sweep(&self, epoch: u64) -> Result<(), VaultError> {
        let mut chunks = 0;
        while chunks < MOST_CHUNKS && !self.keystore.read_all(&self.chunk_name(epoch, chunks))?.is_empty() {
            chunks += 1;
        }
        self.forget(epoch, chunks)
    }

    /// Forgets everything, the head last, so that it can be done again where it failed half-way.
    pub(super) fn remove(&self) -> Result<(), VaultError> {
        match self.head() {
            Ok(Some(head)) => {
                self.sweep(head.epoch.wrapping_sub(1))?;
                self.sweep(head.epoch + 1)?;
                self.forget(head.epoch, head.chunks)?;
            }
            // Nothing says where its chunks are.
            Ok(None) | Err(VaultError::Damaged(_) | VaultError::NewerFormat(_)) => {}
            Err(error) => return Err(error),
        }
        Ok(self.keystore.delete(&self.head_name())?)
    }
}

/// How many characters of base64url `bytes` bytes make.
fn text_length(bytes: usize) -> usize {
    (bytes * 4).div_ceil(3)
}

fn mark_of(head: &str) -> Mark {
    Mark::of(head.as_bytes().to_vec(), None)
}

impl Backing for Entries {
    fn lock(&self, hold: Hold) -> Result<FolderLock, VaultError> {
        self.file.lock(hold)
    }

    fn read(&self) -> Result<Option<(Payload, Mark)>, VaultError> {
        match name_in(&self.file)? {
            Some(named) if named == self.vault_id => {}
            Some(_) => return Err(damaged("another vault has taken its place")),
            None => return Ok(None),
        }
        let mut head = self.head()?;
        if head.is_none() {
            // A keystore that has only just started may not have loaded its entries.
            self.keystore.settle();
            head = self.head()?;
        }
        let head = head.ok_or(VaultError::KeyLost)?;
        Ok(Some((self.assemble(&head)?, mark_of(&head.to_text()))))
    }

    fn replace(&self, bytes: &[u8], epoch: u64) -> Result<Mark, VaultError> {
        let old = self.head()?.ok_or(VaultError::KeyLost)?;
        let head = self.switch(Some(&old), bytes, epoch)?;
        // Others watch the file of the vault; nothing is lost where they are not told.
        if let Err(error) = self.file.touch() {
            tracing::warn!(%error, "other programs were not told of a write");
        }
        Ok(mark_of(&head.to_text()))
    }

    fn mark(&self) -> Result<Mark, VaultError> {
        Ok(self.keystore.read(&self.head_name())?.map(|head| mark_of(&head)).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::Head;
    use crate::VaultError;

    #[test]
    fn a_head_has_one_spelling() {
        let head = Head { epoch: 7, chunks: 2, bytes: 1000, digest: [9; 32] };
        let text = "pd1.7.2.1000.CQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQk";
        assert_eq!(head.to_text(), text);
        assert_eq!(Head::parse(text).unwrap(), head);
        for other in [
            "",
            "pd1.",
            "pd1.7.2.1000.CQkJ",
            "pd1.+7.2.1000.CQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQk",
            "pd1.7.02.1000.CQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQk",
            "pd1.7.129.1000.CQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQk",
            "pd1.7.2.99999999999.CQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQk",
            "pd1.7.2.1000.CQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQk.",
        ] {
            assert!(matches!(Head::parse(other), Err(VaultError::Damaged(_))), "{other}");
        }
        assert!(matches!(Head::parse("pd2.anything"), Err(VaultError::NewerFormat(2))));
    }
}
