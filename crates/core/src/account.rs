//! What may be told of a grant: no token, no key.

use pilotlight_oauth::{Client, PlainJson, Scope, SecretString, Service, Timestamp};
use pilotlight_vault::GrantId;
use url::Url;

use crate::Error;
use crate::grant::EndReason;
use crate::parts::DeviceWatcher;
use crate::presets::Flow;
use crate::redirect::Redirect;

/// Where a service is, before anything was asked of it.
#[derive(Debug, Clone)]
pub enum ServiceLocation {
    /// An issuer whose metadata are discovered (RFC 8414, OpenID Connect Discovery).
    Issuer(String),
    /// A token endpoint without metadata.
    TokenEndpoint(Url),
    /// A home-made service.
    PlainJson(PlainJson),
    /// A service whose endpoints are known already: nothing is discovered.
    Declared(Box<Service>),
}

/// What a person wants to sign in to.
#[derive(Debug, Clone)]
pub struct Registration {
    /// The account's name, unique on this machine: 1 to 64 characters, none of them invisible or a control character, and no space at either end.
    pub name: String,
    /// Where.
    pub service: ServiceLocation,
    /// As whom we are registered there.
    pub client: Client,
    /// What to ask for.
    pub scope: Scope,
}

/// How to sign in.
#[derive(Debug)]
pub enum SignIn {
    /// Authorization code and PKCE through the system's browser (RFC 8252), which comes back to a loopback address, or as it did
    /// when the account was signed in to before.
    Browser,
    /// The same, and how the browser comes back; the account remembers it.
    BrowserBy(Redirect),
    /// A code shown here and typed into a browser anywhere (RFC 8628), for machines without one.
    Device(DeviceWatcher),
    /// User name and password (RFC 6749 section 4.3, or the dialect's login).
    Password {
        /// User name.
        username: String,
        /// Password.
        password: SecretString,
    },
    /// A refresh token that was issued elsewhere; it is rotated at once, so that the copy dies.
    RefreshToken(SecretString),
}

/// One account, for showing.
#[derive(Debug, Clone)]
pub struct Account {
    /// The grant behind it.
    pub id: GrantId,
    /// Its name.
    pub name: String,
    /// The service.
    pub service: Service,
    /// Our client id there.
    pub client_id: String,
    /// What was asked for.
    pub scope: Scope,
    /// What the service granted, where it said so.
    pub granted: Option<Scope>,
    /// `sub`, where known.
    pub subject: Option<String>,
    /// Who, for showing.
    pub person: Option<String>,
    /// What state the grant is in.
    pub status: Status,
    /// When the person signed in.
    pub signed_in_at: Timestamp,
    /// When tokens were last obtained.
    pub refreshed_at: Timestamp,
    /// How often the tokens were refreshed since the sign-in.
    pub refreshes: u64,
    /// When the access token expires, where known.
    pub access_expires_at: Option<Timestamp>,
    /// When the next silent refresh is due.
    pub refresh_due_at: Option<Timestamp>,
    /// Since when the outcome of a refresh is unknown: it was begun, and no answer came (P9). It is repeated with the same key.
    pub unknown_since: Option<Timestamp>,
    /// When the refresh token expires, where the service tells.
    pub refresh_expires_at: Option<Timestamp>,
}

impl Account {
    /// The ways that the service offers for signing in to it again, the best first.
    #[must_use]
    pub fn ways(&self) -> Vec<Flow> {
        let Service::OAuth(metadata) = &self.service else { return vec![Flow::Password] };
        let browser = metadata.authorization_endpoint.as_ref().map(|_| Flow::Browser);
        let device = metadata.device_authorization_endpoint.as_ref().map(|_| Flow::Device);
        browser.into_iter().chain(device).chain([Flow::Password]).collect()
    }
}

/// The state of a grant, as people see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status {
    /// Signed in.
    SignedIn,
    /// Signed in; a refresh is in flight.
    Refreshing,
    /// Signed in; a refresh did not succeed yet.
    Waiting {
        /// Why.
        problem: Error,
        /// When it is tried again.
        retry_at: Timestamp,
    },
    /// Ended, on proof.
    Ended {
        /// Why.
        reason: EndReason,
        /// The same as an error, with its hint.
        problem: Error,
        /// When it was noticed.
        at: Timestamp,
    },
}

/// All that the vault holds.
#[derive(Debug, Clone, Default)]
pub struct Accounts {
    /// The accounts, ordered by name.
    pub accounts: Vec<Account>,
    /// Records that do not open; they stay in the vault for inspection.
    pub damaged: Vec<GrantId>,
}

/// A lent access token.
#[derive(Debug, Clone)]
pub struct AccessToken {
    /// The token.
    pub token: SecretString,
    /// `Bearer`, as a rule.
    pub token_type: String,
    /// When it expires, where known.
    pub expires_at: Option<Timestamp>,
}

/// How to sign out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignOut {
    /// Revoke at the service (RFC 7009), then remove here.
    Everywhere,
    /// Remove here and tell nobody.
    LocalOnly,
}

/// What a sign-out did at the service. Here, everything was removed in any case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignedOut {
    /// The grant was revoked.
    Revoked,
    /// The service has no revocation endpoint: its tokens live until they expire.
    NotSupported,
    /// The service could not be told.
    NotTold(Error),
    /// It was not asked for.
    LocalOnly,
}
