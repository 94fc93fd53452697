//! Where the keys are kept: a file of their owner's alone, made at the first start and replaced as a whole.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use pilotlight_oauth::Timestamp;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{KeyName, KeySet, MacKey, OldKeys, VersionedMac, VersionedSigner, make_mac_key};
use crate::signer::{Signer, SigningAlgorithm, make_signing_key, read_signing_key};
use crate::system::{NoEntropy, make_random};

/// The format this program writes.
const FORMAT: u32 = 1;
/// Far more than any number of keys takes.
const LARGEST: u64 = 1 << 20;
/// How long after its successor took over a key is kept: no token lives longer, unless the operator lets it.
const KEEP: Duration = Duration::from_secs(400 * 24 * 3600);

/// Where a server has its keys from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySource {
    /// New ones at each start: for a store that does not outlive the process either.
    Ephemeral,
    /// A file, made with mode 0600 where there is none. A running server notices when it is replaced.
    File(PathBuf),
    /// An open file descriptor that the process inherited: a pipe or file from whoever keeps the keys. It is read once.
    Descriptor(u32),
}

/// Why there are no keys.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeysError {
    /// The file cannot be read or written.
    #[error("the key file cannot be used: {0}")]
    Io(#[from] io::Error),
    /// It is not there, and new keys are no good: the store was used with others.
    #[error("there is no key file at {}, and the store was used with one", .0.display())]
    Missing(PathBuf),
    /// It is not what this program writes.
    #[error("the key file is damaged, or no key file")]
    Damaged,
    /// Others than its owner may read or change it.
    #[error("the key file may be read by everybody, or written by others than its owner")]
    Open,
    /// A rotation began and did not end, or is under way.
    #[error("there is {} already: another rotation is under way, or one broke off", .0.display())]
    UnderWay(PathBuf),
    /// No RSA key is made here.
    #[error("an RSA key has to be made elsewhere")]
    NoRsa,
    /// It is no signing key that can be used.
    #[error("this is no signing key: PKCS #8, unencrypted, of P-256, Ed25519, or RSA with 2048 to 4096 bits")]
    NotASigningKey,
    /// The store still has the keys of format 1, and this source takes none.
    #[error("the store's keys have to move to a key file")]
    NeedsFile,
    /// No randomness.
    #[error(transparent)]
    NoEntropy(#[from] NoEntropy),
}

/// Where the next signing key comes from.
#[derive(Clone)]
pub enum NewSigningKey {
    /// It is made, for the algorithm of the newest one.
    Alike,
    /// It is made for that algorithm. RSA keys cannot be.
    Made(SigningAlgorithm),
    /// It was made elsewhere: PKCS #8, in PEM or DER.
    Given(Zeroizing<Vec<u8>>),
}

impl KeysError {
    /// The same, with the file's name where the system only says what went wrong.
    fn at(self, path: &Path) -> Self {
        match self {
            Self::Io(error) => Self::Io(io::Error::new(error.kind(), format!("{}: {error}", path.display()))),
            other => other,
        }
    }
}

impl std::fmt::Debug for NewSigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Alike => f.write_str("Alike"),
            Self::Made(alg) => f.debug_tuple("Made").field(alg).finish(),
            Self::Given(_) => f.write_str("Given(redacted)"),
        }
    }
}

impl NewSigningKey {
    fn entry(&self, newest: SigningAlgorithm, active_from: i64) -> Result<SigningEntry, KeysError> {
        let (alg, pkcs8) = match self {
            Self::Given(bytes) => read_signing_key(bytes).ok_or(KeysError::NotASigningKey)?,
            Self::Alike => (newest, make_signing_key(newest)?.ok_or(KeysError::NoRsa)?),
            Self::Made(alg) => (*alg, make_signing_key(*alg)?.ok_or(KeysError::NoRsa)?),
        };
        Ok(SigningEntry { alg: alg.as_str().to_owned(), active_from, pkcs8: encode(&pkcs8) })
    }
}

/// The contents of a key file.
#[derive(Serialize, Deserialize)]
pub(crate) struct Entries {
    format: u32,
    mac: Vec<MacEntry>,
    signing: Vec<SigningEntry>,
    /// Keys that leaked: no more than their names, by which a store sees that it is not the file that is wrong.
    #[serde(default)]
    dropped: Vec<DroppedEntry>,
    /// What MAC keys that are gone sealed with: it opens what they sealed, and makes nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    seals: Vec<SealEntry>,
}

#[derive(Serialize, Deserialize)]
struct SealEntry {
    version: u16,
    key: Zeroizing<String>,
}

#[derive(Serialize, Deserialize)]
struct DroppedEntry {
    version: u16,
    fingerprint: String,
}

#[derive(Serialize, Deserialize)]
struct MacEntry {
    version: u16,
    /// Seconds since the Unix epoch.
    active_from: i64,
    key: Zeroizing<String>,
}

#[derive(Serialize, Deserialize)]
struct SigningEntry {
    alg: String,
    active_from: i64,
    pkcs8: Zeroizing<String>,
}

impl Entries {
    fn make(alg: SigningAlgorithm) -> Result<Self, KeysError> {
        let mac = make_mac_key()?;
        Ok(Self::with(&mac, NewSigningKey::Made(alg).entry(alg, 0)?))
    }

    fn of(keys: &OldKeys) -> Self {
        let alg = SigningAlgorithm::Es256.as_str().to_owned();
        Self::with(&keys.mac, SigningEntry { alg, active_from: 0, pkcs8: encode(&keys.signing) })
    }

    fn with(mac: &[u8; 32], signing: SigningEntry) -> Self {
        let mac = MacEntry { version: 1, active_from: 0, key: encode(mac) };
        Self { format: FORMAT, mac: vec![mac], signing: vec![signing], dropped: Vec::new(), seals: Vec::new() }
    }

    /// Whether the keys of a store of format 1 are in it.
    pub(crate) fn hold(&self, old: &OldKeys) -> bool {
        let (mac, signing) = (encode(&*old.mac), encode(&old.signing));
        self.mac.iter().any(|entry| entry.key == mac) && self.signing.iter().any(|entry| entry.pkcs8 == signing)
    }

    pub(crate) fn keys(&self) -> Result<KeySet, KeysError> {
        let mac = |entry: &MacEntry| {
            let bytes = Zeroizing::new(URL_SAFE_NO_PAD.decode(&*entry.key).ok()?);
            let key = MacKey::new(bytes.as_slice().try_into().ok()?);
            Some(VersionedMac { version: entry.version, active_from: Timestamp::from_secs(entry.active_from), key })
        };
        let signer = |entry: &SigningEntry| {
            let pkcs8 = Zeroizing::new(URL_SAFE_NO_PAD.decode(&*entry.pkcs8).ok()?);
            let signer = Signer::new(entry.alg.parse().ok()?, &pkcs8).ok()?;
            Some(VersionedSigner { active_from: Timestamp::from_secs(entry.active_from), signer })
        };
        let dropped = |entry: &DroppedEntry| {
            let fingerprint = URL_SAFE_NO_PAD.decode(&entry.fingerprint).ok()?.try_into().ok()?;
            Some(KeyName { version: entry.version, fingerprint })
        };
        let seal = |entry: &SealEntry| {
            let bytes = Zeroizing::new(URL_SAFE_NO_PAD.decode(&*entry.key).ok()?);
            Some((entry.version, Zeroizing::new(bytes.as_slice().try_into().ok()?)))
        };
        let seals: Option<Vec<_>> = self.seals.iter().map(seal).collect();
        let dropped: Option<Vec<_>> = self.dropped.iter().map(dropped).collect();
        let macs: Option<Vec<_>> = self.mac.iter().map(mac).collect();
        let signers: Option<Vec<_>> = self.signing.iter().map(signer).collect();
        let set = macs.zip(signers).filter(|_| self.format == FORMAT);
        let set = set.zip(dropped).and_then(|((macs, signers), dropped)| KeySet::new(macs, signers, dropped));
        set.zip(seals).map(|(set, seals)| set.with_seals(seals)).ok_or(KeysError::Damaged)
    }

    /// What the oldest MAC keys sealed with is kept, for they are about to go.
    fn keep_seals(&mut self, count: usize) -> Result<(), KeysError> {
        let keys = self.keys()?;
        for entry in &self.mac[..count] {
            if let Some(key) = keys.seal_of(entry.version) {
                self.seals.push(SealEntry { version: entry.version, key: encode(&*key) });
            }
        }
        Ok(())
    }

    /// One more key of each kind, in use from `active_from` on.
    fn rotate(&mut self, active_from: Timestamp, signing: &NewSigningKey) -> Result<(), KeysError> {
        let newest = self.mac.last().ok_or(KeysError::Damaged)?;
        let version = newest.version.checked_add(1).ok_or(KeysError::Damaged)?;
        let active_from = active_from.as_secs().max(newest.active_from);
        self.mac.push(MacEntry { version, active_from, key: encode(&*make_mac_key()?) });
        let newest = self.signing.last().ok_or(KeysError::Damaged)?;
        let alg = newest.alg.parse().map_err(|_| KeysError::Damaged)?;
        let entry = signing.entry(alg, active_from.max(newest.active_from))?;
        self.signing.push(entry);
        Ok(())
    }

    /// One new key of each kind, and no other.
    fn replace(&mut self, now: Timestamp, signing: &NewSigningKey) -> Result<(), KeysError> {
        let leaked = self.keys()?.names();
        self.rotate(now, signing)?;
        self.keep_seals(self.mac.len() - 1)?;
        self.mac.drain(..self.mac.len() - 1);
        self.signing.drain(..self.signing.len() - 1);
        let entry = |name: KeyName| DroppedEntry {
            version: name.version,
            fingerprint: URL_SAFE_NO_PAD.encode(name.fingerprint),
        };
        self.dropped = leaked.into_iter().map(entry).collect();
        Ok(())
    }

    /// Forgets the keys whose successors have been active since before `then`.
    fn forget(&mut self, then: Timestamp) -> Result<(), KeysError> {
        let over = |active_from: i64| active_from < then.as_secs();
        let macs = self.mac.iter().skip(1).take_while(|next| over(next.active_from)).count();
        self.keep_seals(macs)?;
        self.mac.drain(..macs);
        let signers = self.signing.iter().skip(1).take_while(|next| over(next.active_from)).count();
        self.signing.drain(..signers);
        Ok(())
    }
}

fn encode(bytes: &[u8]) -> Zeroizing<String> {
    Zeroizing::new(URL_SAFE_NO_PAD.encode(bytes))
}

impl KeySource {
    /// The keys as they are now; for a store that was not `used` with any, new ones where there are none. Those of a store
    /// of format 1 become the first.
    pub(crate) fn read_or_make(
        &self,
        old: Option<&OldKeys>,
        used: bool,
        alg: SigningAlgorithm,
    ) -> Result<Entries, KeysError> {
        match self {
            Self::Ephemeral => match old {
                None => Entries::make(alg),
                Some(_) => Err(KeysError::NeedsFile),
            },
            Self::Descriptor(number) => read(File::open(format!("/dev/fd/{number}"))?),
            Self::File(path) => {
                if !path.exists() {
                    if used && old.is_none() {
                        return Err(KeysError::Missing(path.clone()));
                    }
                    let first = old.map_or_else(|| Entries::make(alg), |old| Ok(Entries::of(old)))?;
                    create(path, &first).map_err(|error| error.at(path))?;
                }
                // Also where it was made just now: by another process, perhaps, and then its keys count.
                open_private(path).and_then(read).map_err(|error| error.at(path))
            }
        }
    }

    /// What the file has now; `None` for a source that cannot change.
    pub(crate) fn read_again(&self) -> Result<Option<Entries>, KeysError> {
        match self {
            Self::File(path) => read(open_private(path)?).map(Some),
            Self::Ephemeral | Self::Descriptor(_) => Ok(None),
        }
    }
}

/// Adds a new key of each kind to the key file, in use `announced` from `now` on: give every process time to read the file,
/// and everybody else the JWKS. After a leak, `all_at_once` puts the new keys in the old ones' place, and everybody has to
/// sign in again.
///
/// # Errors
/// [`KeysError`]; the file is as it was then.
pub fn rotate_keys(
    path: &Path,
    now: Timestamp,
    announced: Duration,
    all_at_once: bool,
    signing: &NewSigningKey,
) -> Result<(), KeysError> {
    let mut next = path.as_os_str().to_owned();
    next.push(".new");
    let next = PathBuf::from(next);
    // Made before the old file is read, and by one process only: it is the lock of the rotation too.
    let mut file = match make_private(&next) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(KeysError::UnderWay(next)),
        file => file.map_err(|error| KeysError::from(error).at(path))?,
    };
    let written = (|| {
        let mut entries = open_private(path).and_then(read).map_err(|error| error.at(path))?;
        entries.keys()?;
        if all_at_once {
            entries.replace(now, signing)?;
        } else {
            entries.rotate(now.plus(announced), signing)?;
            entries.forget(now.minus(KEEP))?;
        }
        write(&mut file, &entries)?;
        Ok(fs::rename(&next, path)?)
    })();
    if written.is_err() {
        fs::remove_file(&next)?;
    }
    written.and_then(|()| Ok(sync_folder(path)?))
}

fn read(file: File) -> Result<Entries, KeysError> {
    let mut bytes = Zeroizing::new(Vec::new());
    file.take(LARGEST).read_to_end(&mut bytes)?;
    serde_json::from_slice(&bytes).map_err(|_| KeysError::Damaged)
}

fn write(file: &mut File, entries: &Entries) -> Result<(), KeysError> {
    let mut bytes = Zeroizing::new(serde_json::to_vec_pretty(entries).map_err(|_| KeysError::Damaged)?);
    bytes.push(b'\n');
    file.write_all(&bytes)?;
    Ok(file.sync_all()?)
}

/// Makes the file with these keys unless there is one; whole and durable, or not at all.
fn create(path: &Path, entries: &Entries) -> Result<(), KeysError> {
    let mut draft = path.as_os_str().to_owned();
    draft.push(format!(".{:016x}", u64::from_be_bytes(make_random()?)));
    let draft = PathBuf::from(draft);
    let made = (|| {
        write(&mut make_private(&draft)?, entries)?;
        match fs::hard_link(&draft, path) {
            // Another process was first.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            linked => Ok(linked?),
        }
    })();
    fs::remove_file(&draft)?;
    made.and_then(|()| Ok(sync_folder(path)?))
}

#[cfg(unix)]
fn make_private(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt as _;
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

#[cfg(not(unix))]
fn make_private(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).open(path)
}

#[cfg(unix)]
fn open_private(path: &Path) -> Result<File, KeysError> {
    use std::os::unix::fs::PermissionsExt as _;
    let file = File::open(path)?;
    // A group may read it: so systemd hands credentials to a service.
    if file.metadata()?.permissions().mode() & 0o027 == 0 { Ok(file) } else { Err(KeysError::Open) }
}

#[cfg(not(unix))]
fn open_private(path: &Path) -> Result<File, KeysError> {
    Ok(File::open(path)?)
}

/// A new name in a folder is durable once the folder is.
#[cfg(unix)]
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    File::open(folder)?.sync_all()
}

#[cfg(not(unix))]
fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}
