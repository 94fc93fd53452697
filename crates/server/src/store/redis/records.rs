//! Records as Redis keeps them: JSON, but for grants, which are packed.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use pilotlight_oauth::{Scope, Timestamp};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::packed::{self, form};
use crate::client::{Client, Setting};
use crate::code::Code;
use crate::device::{Device, DeviceState};
use crate::grant::{Grant, GrantId, Reason, RecentKeys, Thumbprint};
use crate::keys::KeyName;
use crate::origin::Origin;
use crate::pushed::Pushed;
use crate::store::{StoreError, User};

/// A grant and the mark of its last change: no two changes leave the same bytes behind, so that one can be told from another
/// that decided alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Marked {
    pub(super) grant: Grant,
    pub(super) mark: u32,
}

/// A grant as servers wrote it before they packed it.
#[derive(Deserialize)]
struct GrantRecord {
    m: u64,
    s: String,
    c: String,
    o: String,
    b: i64,
    #[serde(default)]
    e: Option<i64>,
    #[serde(default)]
    u: Option<u32>,
    g: u32,
    r: i64,
    #[serde(default)]
    k: String,
    #[serde(default)]
    l: bool,
    #[serde(default)]
    x: Option<(i64, String)>,
    #[serde(default)]
    j: Option<String>,
    #[serde(default)]
    t: Vec<String>,
    #[serde(default)]
    d: Option<OriginRecord>,
    /// Where it is another instant than `b`.
    #[serde(default)]
    a: Option<i64>,
}

/// User agent and address.
type OriginRecord = (Option<String>, Option<String>);

#[derive(Serialize, Deserialize)]
struct CodeRecord {
    mark: u64,
    client: String,
    redirect_uri: String,
    challenge: String,
    nonce: Option<String>,
    subject: String,
    scope: String,
    signed_in_at: i64,
    expires_at: i64,
    spent: bool,
    grant: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    bound_to: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    resources: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    device: Option<OriginRecord>,
}

#[derive(Serialize, Deserialize)]
struct UserRecord {
    subject: String,
    name: String,
    password_hash: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    totp: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    totp_last_step: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    locale: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct ClientRecord {
    name: String,
    redirect_uris: Vec<String>,
    secret_hash: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    own_scope: Option<String>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    settings: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    resources: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    post_logout_redirect_uris: Vec<String>,
}

#[derive(Serialize, Deserialize)]
struct DeviceRecord {
    mark: u64,
    hash: String,
    client: String,
    scope: String,
    expires_at: i64,
    interval: u32,
    polled_at: Option<i64>,
    denied: bool,
    allowed: Option<(String, i64)>,
    grant: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    resources: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    device: Option<OriginRecord>,
}

#[derive(Serialize, Deserialize)]
struct PushedRecord {
    client: String,
    request: String,
    expires_at: i64,
}

#[derive(Serialize, Deserialize)]
struct NewestKey {
    version: u16,
    fingerprint: String,
}

fn write(record: &impl Serialize) -> Result<Vec<u8>, StoreError> {
    serde_json::to_vec(record).map_err(|_| StoreError::Damaged("a record cannot be written"))
}

fn read<T: DeserializeOwned>(text: &[u8], what: &'static str) -> Result<T, StoreError> {
    serde_json::from_slice(text).map_err(|_| StoreError::Damaged(what))
}

fn bytes(text: &str, what: &'static str) -> Result<Vec<u8>, StoreError> {
    STANDARD_NO_PAD.decode(text).map_err(|_| StoreError::Damaged(what))
}

fn array<const N: usize>(text: &str, what: &'static str) -> Result<[u8; N], StoreError> {
    bytes(text, what)?.try_into().map_err(|_| StoreError::Damaged(what))
}

fn write_origin(origin: &Origin) -> Option<OriginRecord> {
    (*origin != Origin::default()).then(|| (origin.user_agent.clone(), origin.address.clone()))
}

fn read_origin(record: Option<OriginRecord>) -> Origin {
    let (user_agent, address) = record.unwrap_or_default();
    Origin { user_agent, address }
}

fn read_thumbprint(text: Option<String>, what: &'static str) -> Result<Option<Thumbprint>, StoreError> {
    text.map(|text| array(&text, what)).transpose()
}

impl Marked {
    pub(super) fn write(&self) -> Vec<u8> {
        packed::write(self)
    }

    /// So that no script that is still under way rotates it.
    pub(super) fn write_guarded(&self) -> Vec<u8> {
        packed::write_guarded(self)
    }

    pub(super) fn read(id: GrantId, text: &[u8]) -> Result<Self, StoreError> {
        const DAMAGED: &str = "a grant";
        if let Some(form::FIRST | form::PLAIN | form::GUARDED) = text.first().copied() {
            return packed::read(id, text).ok_or(StoreError::Damaged(DAMAGED));
        }
        let record: GrantRecord = read(text, DAMAGED)?;
        let revoked = match record.x {
            None => None,
            Some((at, word)) => {
                let reason = Reason::from_word(&word).ok_or(StoreError::Damaged(DAMAGED))?;
                Some((Timestamp::from_millis(at), reason))
            }
        };
        let keys = RecentKeys::from_bytes(&bytes(&record.k, DAMAGED)?).ok_or(StoreError::Damaged(DAMAGED))?;
        let grant = Grant {
            id,
            subject: record.s,
            client: record.c,
            scope: Scope::parse(&record.o),
            created_at: Timestamp::from_millis(record.b),
            ends_at: record.e.map(Timestamp::from_millis),
            uses: record.u,
            generation: record.g,
            rotated_at: Timestamp::from_millis(record.r),
            keys,
            answer_lost: record.l,
            revoked,
            bound_to: read_thumbprint(record.j, DAMAGED)?,
            resources: record.t,
            device: read_origin(record.d),
            authenticated_at: Timestamp::from_millis(record.a.unwrap_or(record.b)),
        };
        // Half of it is as good a mark: what is compared is the whole record.
        Ok(Self { grant, mark: record.m as u32 })
    }
}

/// With the mark of its last change, as a grant.
pub(super) fn write_code(code: &Code, mark: u64) -> Result<Vec<u8>, StoreError> {
    write(&CodeRecord {
        mark,
        client: code.client.clone(),
        redirect_uri: code.redirect_uri.clone(),
        challenge: code.challenge.clone(),
        nonce: code.nonce.clone(),
        subject: code.subject.clone(),
        scope: code.scope.to_string(),
        signed_in_at: code.signed_in_at.as_millis(),
        expires_at: code.expires_at.as_millis(),
        spent: code.spent,
        grant: code.grant.map(|id| id.to_string()),
        bound_to: code.bound_to.map(|key| STANDARD_NO_PAD.encode(key)),
        resources: code.resources.clone(),
        device: write_origin(&code.device),
    })
}

pub(super) fn read_code(hash: [u8; 32], text: &[u8]) -> Result<Code, StoreError> {
    let record: CodeRecord = read(text, "a code")?;
    let grant = record.grant.map(|id| id.parse().map_err(|_| StoreError::Damaged("a code"))).transpose()?;
    Ok(Code {
        hash,
        client: record.client,
        redirect_uri: record.redirect_uri,
        challenge: record.challenge,
        nonce: record.nonce,
        subject: record.subject,
        scope: Scope::parse(&record.scope),
        signed_in_at: Timestamp::from_millis(record.signed_in_at),
        expires_at: Timestamp::from_millis(record.expires_at),
        spent: record.spent,
        grant,
        bound_to: read_thumbprint(record.bound_to, "a code")?,
        resources: record.resources,
        device: read_origin(record.device),
    })
}

pub(super) fn write_user(user: &User) -> Result<Vec<u8>, StoreError> {
    let User { subject, name, password_hash, totp, totp_last_step, locale } = user.clone();
    let totp = totp.map(|sealed| STANDARD_NO_PAD.encode(sealed));
    write(&UserRecord { subject, name, password_hash, totp, totp_last_step, locale })
}

pub(super) fn read_user(text: &[u8]) -> Result<User, StoreError> {
    let UserRecord { subject, name, password_hash, totp, totp_last_step, locale } = read(text, "a person")?;
    let totp = totp.map(|sealed| bytes(&sealed, "a person")).transpose()?;
    Ok(User { subject, name, password_hash, totp, totp_last_step, locale })
}

pub(super) fn write_client(client: &Client) -> Result<Vec<u8>, StoreError> {
    write(&ClientRecord {
        name: client.name.clone(),
        redirect_uris: client.redirect_uris.clone(),
        secret_hash: client.secret_hash.map(|hash| STANDARD_NO_PAD.encode(hash)),
        own_scope: client.own_scope.as_ref().map(Scope::to_string),
        settings: Setting::join(&client.settings),
        resources: client.resources.clone(),
        post_logout_redirect_uris: client.post_logout_redirect_uris.clone(),
    })
}

pub(super) fn read_client(id: &str, text: &[u8]) -> Result<Client, StoreError> {
    let record: ClientRecord = read(text, "a client")?;
    Ok(Client {
        id: id.to_owned(),
        name: record.name,
        redirect_uris: record.redirect_uris,
        secret_hash: record.secret_hash.map(|hash| array(&hash, "a client")).transpose()?,
        own_scope: record.own_scope.as_deref().map(Scope::parse),
        resources: record.resources,
        post_logout_redirect_uris: record.post_logout_redirect_uris,
        settings: Setting::split(&record.settings).ok_or(StoreError::Damaged("a client"))?,
    })
}

/// With the mark of its last change, as a grant.
pub(super) fn write_device(device: &Device, mark: u64) -> Result<Vec<u8>, StoreError> {
    write(&DeviceRecord {
        mark,
        hash: STANDARD_NO_PAD.encode(device.hash),
        client: device.client.clone(),
        scope: device.scope.to_string(),
        expires_at: device.expires_at.as_millis(),
        interval: device.interval,
        polled_at: device.polled_at.map(Timestamp::as_millis),
        denied: device.state == DeviceState::Denied,
        allowed: device.state.allowed().map(|(subject, at)| (subject, at.as_millis())),
        grant: device.state.spent().map(|id| id.to_string()),
        resources: device.resources.clone(),
        device: write_origin(&device.device),
    })
}

pub(super) fn read_device(name: [u8; 32], text: &[u8]) -> Result<Device, StoreError> {
    const DAMAGED: &str = "a device";
    let record: DeviceRecord = read(text, DAMAGED)?;
    let allowed = record.allowed.map(|(subject, at)| (subject, Timestamp::from_millis(at)));
    let spent = record.grant.map(|id| id.parse().map_err(|_| StoreError::Damaged(DAMAGED))).transpose()?;
    Ok(Device {
        name,
        hash: array(&record.hash, DAMAGED)?,
        client: record.client,
        scope: Scope::parse(&record.scope),
        expires_at: Timestamp::from_millis(record.expires_at),
        interval: record.interval,
        polled_at: record.polled_at.map(Timestamp::from_millis),
        state: DeviceState::from_parts(record.denied, allowed, spent),
        resources: record.resources,
        device: read_origin(record.device),
    })
}

pub(super) fn write_pushed(pushed: &Pushed) -> Result<Vec<u8>, StoreError> {
    let Pushed { client, request, expires_at, .. } = pushed.clone();
    write(&PushedRecord { client, request, expires_at: expires_at.as_millis() })
}

pub(super) fn read_pushed(hash: [u8; 32], text: &[u8]) -> Result<Pushed, StoreError> {
    let PushedRecord { client, request, expires_at } = read(text, "a pushed request")?;
    Ok(Pushed { hash, client, request, expires_at: Timestamp::from_millis(expires_at) })
}

pub(super) fn write_key_name(name: KeyName) -> Result<Vec<u8>, StoreError> {
    write(&NewestKey { version: name.version, fingerprint: STANDARD_NO_PAD.encode(name.fingerprint) })
}

pub(super) fn read_key_name(text: &[u8]) -> Result<KeyName, StoreError> {
    let NewestKey { version, fingerprint } = read(text, "the name of the newest key")?;
    Ok(KeyName { version, fingerprint: array(&fingerprint, "the name of the newest key")? })
}
