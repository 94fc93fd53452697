//! The six commands that sealing takes (TPM 2.0 Library, part 3), and what their refusals mean.

use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::bytes::{Reader, Writer};
use super::device::{TpmDevice, Wire, not_an_answer};
use super::session::{DECRYPT, ENCRYPT, Point, Salt, Session};
use crate::VaultError;

/// `TPM_ALG_SHA256`.
pub(super) const SHA256: u16 = 0x000B;
/// `TPMT_SYM_DEF` of AES, 128 bits, CFB.
pub(super) const AES_128_CFB: [u8; 6] = [0x00, 0x06, 0x00, 0x80, 0x00, 0x43];
/// `TPM_ALG_NULL`.
const NULL: u16 = 0x0010;

const NO_SESSIONS: u16 = 0x8001;
const SESSIONS: u16 = 0x8002;

const CREATE_PRIMARY: u32 = 0x131;
const CREATE: u32 = 0x153;
const LOAD: u32 = 0x157;
const UNSEAL: u32 = 0x15E;
const FLUSH_CONTEXT: u32 = 0x165;
const START_AUTH_SESSION: u32 = 0x176;

/// The storage hierarchy: its seed survives reboots and changes when the TPM is cleared.
const OWNER: u32 = 0x4000_0001;
const NO_HANDLE: u32 = 0x4000_0007;
/// The session of a plain password, which is empty here.
const PASSWORD: u32 = 0x4000_0009;

/// fixedTPM, fixedParent, sensitiveDataOrigin, userWithAuth, noDA, restricted, decrypt.
const STORAGE_KEY: u32 = 0x0003_0472;
/// fixedTPM, fixedParent, userWithAuth, noDA: nothing that can be guessed, so nothing to lock out for.
const SEALED: u32 = 0x0000_0452;

/// What a refusal with this code means for whoever sealed by the TPM.
fn refused(command: &str, code: u32) -> VaultError {
    // Codes of format one name the parameter too, part 2, section 6.6.2.
    let plain = if code & 0x80 == 0 { code } else { code & 0xBF };
    let why = match plain {
        // Memory for objects and sessions, canceled, yielded, testing, retry.
        0x902..=0x904 | 0x908..=0x90A | 0x922 => return VaultError::Busy,
        0x100 => "was not started".to_owned(),
        0x101 => "failed its own test".to_owned(),
        0x085 | 0x120 => "has its storage hierarchy switched off: switch it on in the firmware's settings".to_owned(),
        0x08E | 0x0A2 | 0x09D => "has a password on its storage hierarchy, which is not supported".to_owned(),
        _ => format!("refuses {command} with code {code:#x}"),
    };
    VaultError::Unavailable(format!("the TPM {why}"))
}

/// A TPM, and what was loaded into it.
pub(super) struct Tpm {
    wire: Wire,
    loaded: Vec<u32>,
}

/// A device cleans up by itself when it is closed; an emulator does not.
impl Drop for Tpm {
    fn drop(&mut self) {
        while let Some(handle) = self.loaded.pop() {
            let flush = command(NO_SESSIONS, FLUSH_CONTEXT, &Writer::new().long(handle), &[]);
            if self.wire.exchange(&flush).is_err() {
                return;
            }
        }
    }
}

/// The storage key of this TPM: the same whenever it is asked for, and another one after it was cleared.
pub(super) struct Primary {
    handle: u32,
    /// Its name: the digest of its public part, which nobody else's key has.
    pub(super) name: [u8; 34],
    point: Point,
}

/// The handle of what a command loaded, and its other answers.
type Loaded = (u32, Zeroizing<Vec<u8>>);

/// What a sealed object is outside of the TPM.
pub(super) struct Blob {
    pub(super) private: Vec<u8>,
    pub(super) public: Vec<u8>,
}

fn command(tag: u16, code: u32, head: &Writer, tail: &[&[u8]]) -> Writer {
    let length = 10 + head.as_bytes().len() + tail.iter().map(|part| part.len()).sum::<usize>();
    let mut whole =
        Writer::new().short(tag).long(u32::try_from(length).unwrap_or(u32::MAX)).long(code).raw(head.as_bytes());
    for part in tail {
        whole = whole.raw(part);
    }
    whole
}

/// The name of an object: which digest, and the digest of its public part.
pub(super) fn name_of(public: &[u8]) -> [u8; 34] {
    let mut name = [0; 34];
    name[..2].copy_from_slice(&SHA256.to_be_bytes());
    name[2..].copy_from_slice(&Sha256::digest(public));
    name
}

/// The TCG's template of a storage key on P-256 (TPM v2.0 Provisioning Guidance, section 7.5.1).
fn storage_key() -> Writer {
    Writer::new()
        .short(0x0023) // TPM_ALG_ECC
        .short(SHA256)
        .long(STORAGE_KEY)
        .sized(&[])
        .raw(&AES_128_CFB)
        .short(NULL)
        .short(0x0003) // TPM_ECC_NIST_P256
        .short(NULL)
        .sized(&[0; 32])
        .sized(&[0; 32])
}

/// A sealed text.
fn sealed_object() -> Writer {
    Writer::new().short(0x0008).short(SHA256).long(SEALED).sized(&[]).short(NULL).sized(&[])
}

fn point_of(public: &[u8]) -> Option<Point> {
    // Its template with the point at the end instead of zeros.
    let head = storage_key().as_bytes().len() - 68;
    let mut reader = Reader(public);
    if reader.raw(head)? != &storage_key().as_bytes()[..head] {
        return None;
    }
    let mut coordinate = || {
        let bytes = reader.sized()?;
        // A TPM may leave out zeros in front.
        let mut whole = [0; 32];
        whole.get_mut(32_usize.checked_sub(bytes.len())?..)?.copy_from_slice(bytes);
        Some(whole)
    };
    Some(Point { x: coordinate()?, y: coordinate()? })
}

impl Tpm {
    pub(super) fn connect(device: &TpmDevice) -> Result<Self, VaultError> {
        Ok(Self { wire: device.connect()?, loaded: Vec::new() })
    }

    /// Sends a command without a session of ours, and gives what stands behind its head.
    fn plain(&mut self, what: &str, command: &Writer) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        match self.wire.exchange(command)? {
            (0, answer) => Ok(answer),
            (code, _) => Err(refused(what, code)),
        }
    }

    /// Derives the storage key. It takes a real TPM some tens of milliseconds.
    pub(super) fn primary(&mut self) -> Result<Primary, VaultError> {
        let head = Writer::new().long(OWNER).long(9).long(PASSWORD).sized(&[]).byte(0).sized(&[]);
        let parameters = Writer::new().sized(&[0; 4]).sized(storage_key().as_bytes()).sized(&[]).long(0);
        let command = command(SESSIONS, CREATE_PRIMARY, &head, &[parameters.as_bytes()]);
        let answer = self.plain("its storage key", &command)?;
        let mut reader = Reader(&answer);
        let handle = reader.long().ok_or_else(not_an_answer)?;
        self.loaded.push(handle);
        let public = reader.long().and_then(|_| reader.sized()).ok_or_else(not_an_answer)?;
        let point = point_of(public).ok_or_else(not_an_answer)?;
        Ok(Primary { handle, name: name_of(public), point })
    }

    /// Begins a session that only the TPM of this key can follow.
    pub(super) fn session(&mut self, primary: &Primary) -> Result<Session, VaultError> {
        let (salt, parameters) = Salt::make(&primary.point)?;
        let head = Writer::new().long(primary.handle).long(NO_HANDLE);
        let command = command(NO_SESSIONS, START_AUTH_SESSION, &head, &[parameters.as_bytes()]);
        let answer = self.plain("a session", &command)?;
        let mut reader = Reader(&answer);
        let handle = reader.long().ok_or_else(not_an_answer)?;
        self.loaded.push(handle);
        Ok(salt.session(handle, reader.sized().ok_or_else(not_an_answer)?))
    }

    /// Sends a command on one object in a session. Gives the response code, the handle of what was loaded, and parameters.
    fn within(
        &mut self,
        session: &mut Session,
        code: u32,
        (handle, name): (u32, &[u8; 34]),
        parameters: &Writer,
        attributes: u8,
    ) -> Result<Result<Loaded, u32>, VaultError> {
        let (area, parameters) = session.authorise(code, &[name], parameters.as_bytes(), attributes)?;
        let length = u32::try_from(area.as_bytes().len()).unwrap_or(u32::MAX);
        let head = Writer::new().long(handle).long(length).raw(area.as_bytes());
        let (refusal, answer) = self.wire.exchange(&command(SESSIONS, code, &head, &[&parameters]))?;
        if refusal != 0 {
            return Ok(Err(refusal));
        }
        let (mut loaded, mut rest) = (0, Reader(&answer));
        if code == LOAD {
            loaded = rest.long().ok_or_else(not_an_answer)?;
            self.loaded.push(loaded);
        }
        Ok(Ok((loaded, session.verify(code, rest.0, attributes)?)))
    }

    /// Seals `secret`, which travels encrypted.
    pub(super) fn seal(
        &mut self,
        session: &mut Session,
        primary: &Primary,
        secret: &[u8; 32],
    ) -> Result<Blob, VaultError> {
        let sensitive = Writer::new().sized(&[]).sized(secret);
        let parameters = Writer::new().sized(sensitive.as_bytes()).sized(sealed_object().as_bytes()).sized(&[]).long(0);
        let (_, answer) = self
            .within(session, CREATE, (primary.handle, &primary.name), &parameters, DECRYPT)?
            .map_err(|code| refused("to seal", code))?;
        let mut reader = Reader(&answer);
        let (private, public) = reader.sized().zip(reader.sized()).ok_or_else(not_an_answer)?;
        Ok(Blob { private: private.to_vec(), public: public.to_vec() })
    }

    /// Gives what was sealed under `primary`, which travels encrypted; `None` where the blob is not as it was made.
    pub(super) fn unseal(
        &mut self,
        session: &mut Session,
        primary: &Primary,
        blob: &Blob,
    ) -> Result<Option<Zeroizing<Vec<u8>>>, VaultError> {
        let parameters = Writer::new().sized(&blob.private).sized(&blob.public);
        let loaded = self.within(session, LOAD, (primary.handle, &primary.name), &parameters, 0)?;
        let handle = match loaded {
            Ok((handle, _)) => handle,
            Err(code) => return unfit("to load", code),
        };
        let name = name_of(&blob.public);
        let answer = match self.within(session, UNSEAL, (handle, &name), &Writer::new(), ENCRYPT)? {
            Ok((_, answer)) => answer,
            Err(code) => return unfit("to unseal", code),
        };
        Ok(Reader(&answer).sized().map(|secret| Zeroizing::new(secret.to_vec())))
    }
}

/// A code of format one complains of what it was given: not our blob any more.
fn unfit<T>(what: &str, code: u32) -> Result<Option<T>, VaultError> {
    if code & 0x80 == 0 { Err(refused(what, code)) } else { Ok(None) }
}
