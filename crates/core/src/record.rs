//! What the vault seals for one grant. The only file that writes tokens out, and only into wiped memory.

use std::time::Duration;

use pilotlight_oauth::{Client, ExposeSecret, Person, Scope, SecretString, Service, Timestamp, Tokens};
use pilotlight_vault::{MAX_PAYLOAD, Payload};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::grant::EndReason;
use crate::redirect::Redirect;
use crate::{AccessToken, Error, ErrorCode};

/// One grant, opened.
#[derive(Debug, Clone)]
pub(crate) struct GrantRecord {
    pub(crate) name: String,
    pub(crate) service: Service,
    pub(crate) client: Client,
    /// What was asked for; asked for again at the next sign-in.
    pub(crate) scope: Scope,
    /// What the service granted, where it said so.
    pub(crate) granted: Option<Scope>,
    pub(crate) person: Person,
    pub(crate) signed_in_at: Timestamp,
    pub(crate) refreshed_at: Timestamp,
    pub(crate) refreshes: u64,
    pub(crate) access: Option<AccessToken>,
    pub(crate) refresh_token: Option<SecretString>,
    pub(crate) refresh_expires_at: Option<Timestamp>,
    /// How long the first refresh token was to live that the service told of: whether refreshes move the end on shows by it.
    pub(crate) first_life: Option<Duration>,
    /// How soon after receipt the server would like the next refresh.
    pub(crate) refresh_in: Option<Duration>,
    /// How far the service's clock was ahead of ours when the tokens were obtained, in milliseconds, where it told.
    pub(crate) clock_offset_ms: Option<i64>,
    /// How the browser comes back at the next sign-in.
    pub(crate) redirect: Redirect,
    pub(crate) ended: Option<Ended>,
}

/// A grant in quarantine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ended {
    pub(crate) reason: EndReason,
    pub(crate) at: Timestamp,
    /// The service's own words, cleaned.
    pub(crate) words: Option<String>,
}

impl GrantRecord {
    /// Takes over a fresh answer. What the answer leaves out stays as it was (RFC 6749 section 6: an absent refresh token keeps the old one).
    pub(crate) fn take(&mut self, tokens: Tokens, at: Timestamp) {
        let Tokens {
            access_token,
            token_type,
            access_expires_at,
            refresh_in,
            refresh_token,
            refresh_expires_at,
            scope,
            id_token: _,
        } = tokens;
        self.refresh_in = refresh_in;
        self.access = Some(AccessToken { token: access_token, token_type, expires_at: access_expires_at });
        if refresh_token.is_some() {
            self.refresh_token = refresh_token;
            self.refresh_expires_at = refresh_expires_at;
        } else if refresh_expires_at.is_some() {
            self.refresh_expires_at = refresh_expires_at;
        }
        self.first_life = self.first_life.or_else(|| refresh_expires_at.map(|end| end.since(at)));
        self.granted = scope.or(self.granted.take());
        self.refreshed_at = at;
    }

    /// The bytes to seal. What keeps a person signed in is the refresh token: an access token that is too long to be kept
    /// beside it is left out, and obtained anew when somebody asks for one.
    pub(crate) fn to_payload(&self) -> Result<Payload, Error> {
        let whole = self.written(self.access.as_ref())?;
        if whole.len() <= MAX_PAYLOAD || self.access.is_none() {
            return Ok(whole);
        }
        tracing::warn!(length = whole.len(), "the access token is too long to be kept");
        self.written(None)
    }

    fn written(&self, access: Option<&AccessToken>) -> Result<Payload, Error> {
        let wire = Wire {
            version: 1,
            name: &self.name,
            service: &self.service,
            client_id: &self.client.id,
            client_secret: self.client.secret.as_ref().map(ExposeSecret::expose_secret),
            scope: self.scope.to_string(),
            granted: self.granted.as_ref().map(ToString::to_string),
            subject: self.person.subject.as_deref(),
            label: self.person.label.as_deref(),
            signed_in_at: self.signed_in_at,
            refreshed_at: self.refreshed_at,
            refreshes: self.refreshes,
            access_token: access.map(|access| access.token.expose_secret()),
            token_type: access.map(|access| access.token_type.as_str()),
            access_expires_at: access.and_then(|access| access.expires_at),
            refresh_token: self.refresh_token.as_ref().map(ExposeSecret::expose_secret),
            refresh_expires_at: self.refresh_expires_at,
            first_life: self.first_life.map(|life| life.as_secs()),
            refresh_in: self.refresh_in.map(|wish| wish.as_secs()),
            clock_offset_ms: self.clock_offset_ms,
            redirect: Some(self.redirect).filter(|redirect| *redirect != Redirect::default()),
            ended: self.ended.as_ref(),
        };
        // Big enough, so that growing does not leave copies behind: a character takes six bytes at most (`\u0000`).
        let secrets = [wire.access_token, wire.refresh_token, wire.client_secret];
        let longest = 6 * secrets.into_iter().flatten().map(str::len).sum::<usize>();
        let mut bytes = Zeroizing::new(Vec::with_capacity(longest + 4096));
        serde_json::to_writer(&mut *bytes, &wire).map_err(|_| unreadable())?;
        Ok(bytes)
    }

    /// Reads what [`Self::to_payload`] wrote.
    pub(crate) fn from_payload(bytes: &[u8]) -> Result<Self, Error> {
        let wire: Stored = serde_json::from_slice(bytes).map_err(|_| unreadable())?;
        if wire.version != 1 {
            return Err(Error::new(ErrorCode::VaultNewer, "A newer version wrote this account."));
        }
        let expires_at = wire.access_expires_at;
        let token_type = wire.token_type.unwrap_or_else(|| "Bearer".into());
        Ok(Self {
            name: wire.name,
            service: wire.service,
            client: Client { id: wire.client_id, secret: secret(wire.client_secret) },
            scope: Scope::parse(&wire.scope),
            granted: wire.granted.as_deref().map(Scope::parse),
            person: Person { subject: wire.subject, label: wire.label },
            signed_in_at: wire.signed_in_at,
            refreshed_at: wire.refreshed_at,
            refreshes: wire.refreshes,
            access: secret(wire.access_token).map(|token| AccessToken { token, token_type, expires_at }),
            refresh_token: secret(wire.refresh_token),
            refresh_expires_at: wire.refresh_expires_at,
            first_life: wire.first_life.map(Duration::from_secs),
            refresh_in: wire.refresh_in.map(Duration::from_secs),
            clock_offset_ms: wire.clock_offset_ms,
            redirect: wire.redirect.unwrap_or_default(),
            ended: wire.ended,
        })
    }
}

impl Ended {
    /// The same as an error, for callers.
    pub(crate) fn problem(&self) -> Error {
        let (code, what) = match self.reason {
            EndReason::LostAnswer => (ErrorCode::LostAnswer, "The service refused the token after an answer was lost"),
            EndReason::Refused => (ErrorCode::GrantRefused, "The service ended this sign-in"),
            EndReason::NothingToRefreshWith => {
                (ErrorCode::NoRefreshToken, "The service gave no refresh token, and the access token has expired")
            }
        };
        let words = self.words.as_ref().map(|words| format!(": {}", words.trim_end_matches('.'))).unwrap_or_default();
        Error::new(code, format!("{what}{words}."))
    }
}

fn secret(text: Option<Zeroizing<String>>) -> Option<SecretString> {
    text.map(|mut text| SecretString::from(std::mem::take(&mut *text)))
}

fn unreadable() -> Error {
    Error::new(ErrorCode::RecordTampered, "The record opens and does not hold an account.")
}

#[derive(Serialize)]
struct Wire<'a> {
    version: u8,
    name: &'a str,
    service: &'a Service,
    client_id: &'a str,
    client_secret: Option<&'a str>,
    scope: String,
    granted: Option<String>,
    subject: Option<&'a str>,
    label: Option<&'a str>,
    signed_in_at: Timestamp,
    refreshed_at: Timestamp,
    refreshes: u64,
    access_token: Option<&'a str>,
    token_type: Option<&'a str>,
    access_expires_at: Option<Timestamp>,
    refresh_token: Option<&'a str>,
    refresh_expires_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_life: Option<u64>,
    refresh_in: Option<u64>,
    clock_offset_ms: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    redirect: Option<Redirect>,
    ended: Option<&'a Ended>,
}

#[derive(Deserialize)]
struct Stored {
    version: u8,
    name: String,
    service: Service,
    client_id: String,
    client_secret: Option<Zeroizing<String>>,
    scope: String,
    granted: Option<String>,
    subject: Option<String>,
    label: Option<String>,
    signed_in_at: Timestamp,
    refreshed_at: Timestamp,
    refreshes: u64,
    access_token: Option<Zeroizing<String>>,
    token_type: Option<String>,
    access_expires_at: Option<Timestamp>,
    refresh_token: Option<Zeroizing<String>>,
    refresh_expires_at: Option<Timestamp>,
    first_life: Option<u64>,
    refresh_in: Option<u64>,
    clock_offset_ms: Option<i64>,
    redirect: Option<Redirect>,
    ended: Option<Ended>,
}
