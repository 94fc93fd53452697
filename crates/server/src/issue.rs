//! From grants to tokens.

use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use pilotlight_oauth::{Scope, Timestamp};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::dpop::show_thumbprint;
use crate::grant::{Grant, GrantId, KeyHash, Outcome, REMEMBERED_KEYS, Redemption, Thumbprint};
use crate::jwt;
use crate::methods::Methods;
use crate::origin::Origin;
use crate::problem::{Problem, Refused};
use crate::proven::Proven;
use crate::refresh_token::{Claims, NotGenuine, derive_refresh_token, verify_refresh_token};
use crate::resource::Audience;
use crate::store::User;
use crate::system::{NoEntropy, make_random};

/// The scopes this server knows. Others are ignored, as RFC 6749 section 3.3 allows.
pub(crate) const SCOPES: [&str; 4] = ["openid", "profile", "offline_access", DEVICES];
/// To see where the person is signed in, and to end it. Granted only where it is asked for by name.
pub(crate) const DEVICES: &str = "devices";
/// RFC 8693 section 3.
pub(crate) const ACCESS_TOKEN_TYPE: &str = "urn:ietf:params:oauth:token-type:access_token";
/// What is granted to whoever asks for nothing.
const DEFAULT_SCOPE: &str = "openid profile offline_access";

/// What is granted of what was asked; everything where nothing was asked.
pub(crate) fn granted_scope(asked: Option<&str>) -> Result<Scope, Problem> {
    let Some(asked) = asked else { return Ok(Scope::parse(DEFAULT_SCOPE)) };
    let known: Vec<&str> = asked.split_ascii_whitespace().filter(|token| SCOPES.contains(token)).collect();
    if known.is_empty() { Err(Problem::InvalidScope) } else { Ok(Scope::parse(&known.join(" "))) }
}

/// Claims of an access token, RFC 9068 section 2.2.
#[derive(Serialize, Deserialize)]
pub(crate) struct AccessClaims {
    pub(crate) iss: String,
    pub(crate) sub: String,
    pub(crate) aud: Audience,
    pub(crate) client_id: String,
    pub(crate) iat: i64,
    pub(crate) exp: i64,
    pub(crate) jti: String,
    pub(crate) scope: String,
    /// When the person signed in; absent where there is none behind it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) auth_time: Option<i64>,
    /// The grant it belongs to, so that it can end with it; a client in its own name has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) gid: Option<String>,
    /// The key that it is bound to (RFC 9449 section 6.1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) cnf: Option<Confirmation>,
}

/// `cnf`, RFC 7800 section 3.1.
#[derive(Serialize, Deserialize)]
pub(crate) struct Confirmation {
    pub(crate) jkt: String,
}

/// Claims of an ID token, OpenID Connect Core section 2.
#[derive(Serialize)]
struct IdClaims<'a> {
    iss: &'a str,
    sub: &'a str,
    aud: &'a str,
    iat: i64,
    exp: i64,
    auth_time: i64,
    /// How they did (RFC 8176).
    amr: &'static [&'static str],
    /// The grant, so that `id_token_hint` can name what is to end.
    sid: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    nonce: Option<&'a str>,
    preferred_username: &'a str,
}

/// Tokens on their way out.
pub(crate) struct Issued {
    access_token: SecretString,
    refresh_token: Option<SecretString>,
    id_token: Option<SecretString>,
    scope: String,
    expires_in: u64,
    refresh_expires_in: Option<u64>,
    refresh_uses_left: Option<u32>,
    /// For token exchange alone.
    kind: Option<&'static str>,
    bound: bool,
}

/// A token answer, RFC 6749 section 5.1. `refresh_expires_in` lets a client warn in time, and so does `refresh_uses_left`
/// where the operator limits the uses: after the last one it is 0, and the grant ends with the access token.
#[derive(Serialize)]
pub(crate) struct Answer<'a> {
    access_token: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    issued_token_type: Option<&'static str>,
    token_type: &'static str,
    expires_in: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_expires_in: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_uses_left: Option<u32>,
    scope: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    id_token: Option<&'a str>,
}

impl Issued {
    pub(crate) fn answer(&self) -> Answer<'_> {
        Answer {
            access_token: self.access_token.expose_secret(),
            issued_token_type: self.kind,
            token_type: if self.bound { "DPoP" } else { "Bearer" },
            expires_in: self.expires_in,
            refresh_token: self.refresh_token.as_ref().map(ExposeSecret::expose_secret),
            refresh_expires_in: self.refresh_expires_in,
            refresh_uses_left: self.refresh_uses_left,
            scope: &self.scope,
            id_token: self.id_token.as_ref().map(ExposeSecret::expose_secret),
        }
    }
}

/// In whose name an access token speaks.
enum Bearer<'a> {
    Person(&'a Grant),
    /// The client's own (RFC 9068 section 2.2: then `sub` is the client).
    Client(&'a str),
}

/// A refresh token as it came in.
pub(crate) struct Presented<'a> {
    pub(crate) token: &'a str,
    pub(crate) client: &'a str,
    pub(crate) key: Option<KeyHash>,
    pub(crate) scope: Option<Scope>,
    pub(crate) resources: Vec<String>,
    pub(crate) proven: Option<&'a Proven>,
    /// Whether the grant is bound to the key that is proven.
    pub(crate) binds: bool,
}

/// Who signed in, and what for.
pub(crate) struct Begun<'a> {
    pub(crate) user: &'a User,
    pub(crate) client: &'a str,
    pub(crate) scope: Scope,
    pub(crate) resources: Vec<String>,
    pub(crate) proven: Option<&'a Proven>,
    pub(crate) binds: bool,
    pub(crate) device: Origin,
}

/// What of its grant an access token is for: by default all of it.
#[derive(Default)]
pub(crate) struct Narrowed<'a> {
    pub(crate) scope: Option<&'a Scope>,
    pub(crate) resources: &'a [String],
    /// The key that it is bound to.
    pub(crate) key: Option<Thumbprint>,
}

/// Whom an ID token is about, and what it tells beside the grant.
pub(crate) struct About<'a> {
    pub(crate) user: &'a User,
    pub(crate) nonce: Option<&'a str>,
    pub(crate) methods: Methods,
}

impl App {
    /// A new grant for somebody who just signed in, and its first tokens.
    pub(crate) async fn begin(&self, begun: Begun<'_>) -> Result<Issued, Problem> {
        let Begun { user, client, scope, resources, proven, binds, device } = begun;
        self.spend(proven).await?;
        let now = self.now();
        let mut grant = Grant::new(GrantId(make_random()?), user.subject.clone(), client.to_owned(), scope, now);
        let key = proven.map(Proven::key);
        (grant.resources, grant.device, grant.bound_to) = (resources, device, key.filter(|_| binds));
        grant.ends_at = self.grant_ends_at(now);
        grant.uses = self.config.grant_uses;
        let kept = grant.clone();
        self.ask(move |store| store.add_grant(&kept)).await?;
        tracing::info!(grant_id = %grant.id, outcome = %"begun", generation = 0, %client, "grant");
        let about = About { user, nonce: None, methods: Methods::all_of(user) };
        self.issue(&grant, &Narrowed { key, ..Narrowed::default() }, Some(about), now)
    }

    /// Spends a refresh token.
    pub(crate) async fn refresh(&self, presented: Presented<'_>) -> Result<Issued, Problem> {
        let Some(claims) = self.genuine(presented.token, presented.client).await? else {
            self.counts.count(&Outcome::Unknown);
            tracing::info!(outcome = %"unknown", "refresh");
            return Err(Problem::InvalidGrant(Refused::Unknown));
        };
        self.spend(presented.proven).await?;
        let now = self.now();
        let key = presented.proven.map(Proven::key);
        let redemption = Redemption {
            grant: claims.grant,
            generation: claims.generation,
            client: presented.client.to_owned(),
            key: presented.key,
            scope: presented.scope.clone(),
            resources: presented.resources.clone(),
            proven: key,
            binds: presented.binds,
            now,
            idle: self.config.refresh_token_ttl,
            retry_window: self.config.retry_window,
            remembered_keys: REMEMBERED_KEYS,
        };
        let outcome = self.redeem(redemption).await?;
        self.counts.count(&outcome);
        report(claims, &outcome);
        let grant = match outcome {
            Outcome::Rotated(grant) | Outcome::Healed(grant) | Outcome::Repeated(grant) => grant,
            Outcome::Late => return Err(Problem::InvalidGrant(Refused::Late)),
            Outcome::Reused => return Err(Problem::InvalidGrant(Refused::Reused)),
            Outcome::Expired => return Err(Problem::InvalidGrant(Refused::Expired)),
            Outcome::Revoked(_) => return Err(Problem::InvalidGrant(Refused::Revoked)),
            Outcome::TooWide => return Err(Problem::InvalidScope),
            Outcome::WrongTarget => return Err(Problem::InvalidTarget),
            Outcome::WrongKey => return Err(Problem::InvalidProof("This token is bound to another key.")),
            Outcome::Unknown => return Err(Problem::InvalidGrant(Refused::Unknown)),
        };
        let narrowed = Narrowed { scope: presented.scope.as_ref(), resources: &presented.resources, key };
        self.issue(&grant, &narrowed, None, now)
    }

    /// What a refresh token says, where it is genuine and this client's. One that was made with a newer key than this process
    /// has read is nobody's fault but ours.
    pub(crate) async fn genuine(&self, token: &str, client: &str) -> Result<Option<Claims>, Problem> {
        let mut verified = verify_refresh_token(&self.keys.now(), token, client);
        if verified == Err(NotGenuine::NewerKey) {
            self.read_keys_again(Some(self.now())).await;
            verified = verify_refresh_token(&self.keys.now(), token, client);
        }
        match verified {
            Ok(claims) => Ok(Some(claims)),
            Err(NotGenuine::Unknown) => Ok(None),
            Err(NotGenuine::NewerKey) => {
                tracing::error!("a refresh token names a newer key than the key file has; answering 503");
                Err(Problem::Unavailable)
            }
        }
    }

    /// Makes the tokens of a grant that is durable already. `about` asks for an ID token too.
    pub(crate) fn issue(
        &self,
        grant: &Grant,
        narrowed: &Narrowed<'_>,
        about: Option<About<'_>>,
        now: Timestamp,
    ) -> Result<Issued, Problem> {
        let until = now.plus(self.config.access_token_ttl);
        let until = grant.ends_at.map_or(until, |end| end.min(until));
        let scope = narrowed.scope.unwrap_or(&grant.scope).to_string();
        let resources = if narrowed.resources.is_empty() { &grant.resources } else { narrowed.resources };
        let id_token = match about {
            Some(about) if grant.scope.contains("openid") => Some(self.id_token(grant, &about, now)?),
            _ => None,
        };
        let claims = Claims { grant: grant.id, generation: grant.generation };
        let keys = self.keys.now();
        let refresh_uses_left = grant.uses_left();
        // After the last use the person stays signed in as long as this access token. A plain 0 means "unknown" to clients
        // that were made for Keycloak.
        let refresh_until = match refresh_uses_left {
            Some(0) => until,
            _ => grant.refresh_expires_at(self.config.refresh_token_ttl),
        };
        Ok(Issued {
            access_token: self.access_token(Bearer::Person(grant), &scope, resources, narrowed.key, now..until)?,
            refresh_token: Some(derive_refresh_token(&keys, claims, &grant.client, grant.rotated_at)),
            id_token,
            scope,
            expires_in: until.since(now).as_secs(),
            refresh_expires_in: Some(refresh_until.since(now).as_secs()),
            refresh_uses_left,
            kind: None,
            bound: narrowed.key.is_some(),
        })
    }

    /// The access token of a client in its own name, RFC 6749 section 4.4.3: no refresh token, for it can ask again.
    pub(crate) fn issue_own(
        &self,
        client: &str,
        scope: &Scope,
        resources: &[String],
        key: Option<Thumbprint>,
    ) -> Result<Issued, Problem> {
        let now = self.now();
        let until = now.plus(self.config.access_token_ttl);
        self.access_token_alone(Bearer::Client(client), scope, resources, key, now..until)
    }

    /// An access token in place of one that says as much or more (RFC 8693 section 2.2.1), until `until` at the latest. No
    /// refresh token: the grant has one already.
    pub(crate) fn issue_narrower(
        &self,
        grant: &Grant,
        scope: &Scope,
        resources: &[String],
        key: Option<Thumbprint>,
        until: Timestamp,
    ) -> Result<Issued, Problem> {
        let now = self.now();
        let until = now.plus(self.config.access_token_ttl).min(until);
        let until = grant.ends_at.map_or(until, |end| end.min(until));
        let alone = self.access_token_alone(Bearer::Person(grant), scope, resources, key, now..until)?;
        Ok(Issued { kind: Some(ACCESS_TOKEN_TYPE), ..alone })
    }

    /// An access token without a refresh token or an ID token beside it.
    fn access_token_alone(
        &self,
        bearer: Bearer<'_>,
        scope: &Scope,
        resources: &[String],
        key: Option<Thumbprint>,
        life: Range<Timestamp>,
    ) -> Result<Issued, Problem> {
        let scope = scope.to_string();
        let expires_in = life.end.since(life.start).as_secs();
        Ok(Issued {
            access_token: self.access_token(bearer, &scope, resources, key, life)?,
            refresh_token: None,
            id_token: None,
            scope,
            expires_in,
            refresh_expires_in: None,
            refresh_uses_left: None,
            kind: None,
            bound: key.is_some(),
        })
    }

    fn access_token(
        &self,
        bearer: Bearer<'_>,
        scope: &str,
        resources: &[String],
        key: Option<Thumbprint>,
        life: Range<Timestamp>,
    ) -> Result<SecretString, NoEntropy> {
        let (sub, client, grant) = match bearer {
            Bearer::Person(grant) => (&*grant.subject, &*grant.client, Some(grant)),
            Bearer::Client(client) => (client, client, None),
        };
        let claims = AccessClaims {
            iss: self.config.issuer.clone(),
            sub: sub.to_owned(),
            aud: Audience::of(resources, &self.config.issuer),
            client_id: client.to_owned(),
            iat: life.start.as_secs(),
            exp: life.end.as_secs(),
            jti: URL_SAFE_NO_PAD.encode(make_random::<16>()?),
            scope: scope.to_owned(),
            auth_time: grant.map(|grant| grant.authenticated_at.as_secs()),
            gid: grant.map(|grant| grant.id.to_string()),
            cnf: key.map(|key| Confirmation { jkt: show_thumbprint(&key) }),
        };
        jwt::sign(self.keys.now().signer_at(life.start), jwt::ACCESS_TOKEN, &claims).map(SecretString::from)
    }

    fn id_token(&self, grant: &Grant, about: &About<'_>, now: Timestamp) -> Result<SecretString, NoEntropy> {
        let claims = IdClaims {
            iss: &self.config.issuer,
            sub: &grant.subject,
            aud: &grant.client,
            iat: now.as_secs(),
            exp: now.plus(self.config.access_token_ttl).as_secs(),
            auth_time: grant.authenticated_at.as_secs(),
            amr: about.methods.amr(),
            sid: grant.id.to_string(),
            nonce: about.nonce,
            preferred_username: &about.user.name,
        };
        jwt::sign(self.keys.now().signer_at(now), jwt::ID_TOKEN, &claims).map(SecretString::from)
    }
}

/// One line for each refresh token presented. `generation` is that of the answer, or the presented one where it was refused.
fn report(presented: Claims, outcome: &Outcome) {
    let generation = match outcome {
        Outcome::Rotated(grant) | Outcome::Healed(grant) | Outcome::Repeated(grant) => grant.generation,
        _ => presented.generation,
    };
    let (grant_id, word) = (presented.grant, outcome.as_str());
    match outcome {
        Outcome::Healed(_) => {
            tracing::warn!(%grant_id, outcome = %word, generation, note = "the store had lost its last writes", "refresh");
        }
        Outcome::Reused => {
            tracing::warn!(%grant_id, outcome = %word, generation, note = "the grant is revoked", "refresh");
        }
        _ => tracing::info!(%grant_id, outcome = %word, generation, "refresh"),
    }
}
