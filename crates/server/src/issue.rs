//! From grants to tokens.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use pilotlight_oauth::{Scope, Timestamp};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::grant::{Grant, GrantId, KeyHash, Outcome, Redemption};
use crate::jwt;
use crate::problem::{Problem, Refused};
use crate::refresh_token::{Claims, derive_refresh_token, verify_refresh_token};
use crate::store::User;
use crate::system::{NoEntropy, make_random};

/// The scopes this server knows. Others are ignored, as RFC 6749 section 3.3 allows.
pub(crate) const SCOPES: [&str; 3] = ["openid", "profile", "offline_access"];

/// What is granted of what was asked; everything where nothing was asked.
pub(crate) fn granted_scope(asked: Option<&str>) -> Result<Scope, Problem> {
    let Some(asked) = asked else { return Ok(Scope::parse(&SCOPES.join(" "))) };
    let known: Vec<&str> = asked.split_ascii_whitespace().filter(|token| SCOPES.contains(token)).collect();
    if known.is_empty() { Err(Problem::InvalidScope) } else { Ok(Scope::parse(&known.join(" "))) }
}

/// Claims of an access token, RFC 9068 section 2.2.
#[derive(Serialize, Deserialize)]
pub(crate) struct AccessClaims {
    pub(crate) iss: String,
    pub(crate) sub: String,
    pub(crate) aud: String,
    pub(crate) client_id: String,
    pub(crate) iat: i64,
    pub(crate) exp: i64,
    pub(crate) jti: String,
    pub(crate) scope: String,
    pub(crate) auth_time: i64,
    /// The grant it belongs to, so that it can end with it.
    pub(crate) gid: String,
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
    #[serde(skip_serializing_if = "Option::is_none")]
    nonce: Option<&'a str>,
    preferred_username: &'a str,
}

/// Tokens on their way out.
pub(crate) struct Issued {
    access_token: SecretString,
    refresh_token: SecretString,
    id_token: Option<SecretString>,
    scope: String,
    expires_in: u64,
    refresh_expires_in: u64,
}

/// A token answer, RFC 6749 section 5.1. `refresh_expires_in` lets a client warn in time.
#[derive(Serialize)]
pub(crate) struct Answer<'a> {
    access_token: &'a str,
    token_type: &'static str,
    expires_in: u64,
    refresh_token: &'a str,
    refresh_expires_in: u64,
    scope: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    id_token: Option<&'a str>,
}

impl Issued {
    pub(crate) fn answer(&self) -> Answer<'_> {
        Answer {
            access_token: self.access_token.expose_secret(),
            token_type: "Bearer",
            expires_in: self.expires_in,
            refresh_token: self.refresh_token.expose_secret(),
            refresh_expires_in: self.refresh_expires_in,
            scope: &self.scope,
            id_token: self.id_token.as_ref().map(ExposeSecret::expose_secret),
        }
    }
}

/// A refresh token as it came in.
pub(crate) struct Presented<'a> {
    pub(crate) token: &'a str,
    pub(crate) client: &'a str,
    pub(crate) key: Option<KeyHash>,
    pub(crate) scope: Option<Scope>,
}

impl App {
    /// A new grant for somebody who just signed in, and its first tokens.
    pub(crate) async fn begin(&self, user: &User, client: &str, scope: Scope) -> Result<Issued, Problem> {
        let now = self.now();
        let grant = Grant {
            id: GrantId(make_random()?),
            subject: user.subject.clone(),
            client: client.to_owned(),
            scope,
            created_at: now,
            ends_at: self.grant_ends_at(now),
            generation: 0,
            rotated_at: now,
            keys: [None, None],
            revoked: None,
        };
        let kept = grant.clone();
        self.ask(move |store| store.add_grant(&kept)).await?;
        tracing::info!(grant_id = %grant.id, outcome = %"begun", generation = 0, %client, "grant");
        self.issue(&grant, None, Some((user, None)), now)
    }

    /// Spends a refresh token.
    pub(crate) async fn refresh(&self, presented: Presented<'_>) -> Result<Issued, Problem> {
        let Some(claims) = verify_refresh_token(&self.mac, presented.token, presented.client) else {
            self.counts.count(&Outcome::Unknown);
            tracing::info!(outcome = %"unknown", "refresh");
            return Err(Problem::InvalidGrant(Refused::Unknown));
        };
        let now = self.now();
        let redemption = Redemption {
            grant: claims.grant,
            generation: claims.generation,
            client: presented.client.to_owned(),
            key: presented.key,
            scope: presented.scope.clone(),
            now,
            idle: self.config.refresh_token_ttl,
            retry_window: self.config.retry_window,
        };
        let outcome = self.ask(move |store| store.redeem(&redemption)).await?;
        self.counts.count(&outcome);
        report(claims, &outcome);
        let grant = match outcome {
            Outcome::Rotated(grant) | Outcome::Healed(grant) | Outcome::Repeated(grant) => grant,
            Outcome::Late => return Err(Problem::InvalidGrant(Refused::Late)),
            Outcome::Reused => return Err(Problem::InvalidGrant(Refused::Reused)),
            Outcome::Expired => return Err(Problem::InvalidGrant(Refused::Expired)),
            Outcome::Revoked(_) => return Err(Problem::InvalidGrant(Refused::Revoked)),
            Outcome::TooWide => return Err(Problem::InvalidScope),
            Outcome::Unknown => return Err(Problem::InvalidGrant(Refused::Unknown)),
        };
        self.issue(&grant, presented.scope.as_ref(), None, now)
    }

    /// Makes the tokens of a grant that is durable already. `who` asks for an ID token too.
    pub(crate) fn issue(
        &self,
        grant: &Grant,
        narrowed: Option<&Scope>,
        who: Option<(&User, Option<&str>)>,
        now: Timestamp,
    ) -> Result<Issued, Problem> {
        let until = now.plus(self.config.access_token_ttl);
        let until = grant.ends_at.map_or(until, |end| end.min(until));
        let scope = narrowed.unwrap_or(&grant.scope).to_string();
        let id_token = match who {
            Some((user, nonce)) if grant.scope.contains("openid") => Some(self.id_token(grant, user, nonce, now)?),
            _ => None,
        };
        let claims = Claims { grant: grant.id, generation: grant.generation };
        Ok(Issued {
            access_token: self.access_token(grant, &scope, now, until)?,
            refresh_token: derive_refresh_token(&self.mac, claims, &grant.client),
            id_token,
            scope,
            expires_in: until.since(now).as_secs(),
            refresh_expires_in: grant.refresh_expires_at(self.config.refresh_token_ttl).since(now).as_secs(),
        })
    }

    fn access_token(
        &self,
        grant: &Grant,
        scope: &str,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<SecretString, NoEntropy> {
        let claims = AccessClaims {
            iss: self.config.issuer.clone(),
            sub: grant.subject.clone(),
            aud: self.config.issuer.clone(),
            client_id: grant.client.clone(),
            iat: now.as_secs(),
            exp: until.as_secs(),
            jti: URL_SAFE_NO_PAD.encode(make_random::<16>()?),
            scope: scope.to_owned(),
            auth_time: grant.created_at.as_secs(),
            gid: grant.id.to_string(),
        };
        self.signer.sign(jwt::ACCESS_TOKEN, &claims).map(SecretString::from)
    }

    fn id_token(
        &self,
        grant: &Grant,
        user: &User,
        nonce: Option<&str>,
        now: Timestamp,
    ) -> Result<SecretString, NoEntropy> {
        let claims = IdClaims {
            iss: &self.config.issuer,
            sub: &grant.subject,
            aud: &grant.client,
            iat: now.as_secs(),
            exp: now.plus(self.config.access_token_ttl).as_secs(),
            auth_time: grant.created_at.as_secs(),
            nonce,
            preferred_username: &user.name,
        };
        self.signer.sign(jwt::ID_TOKEN, &claims).map(SecretString::from)
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

/// The grant a refresh token names, where `client` presents a genuine one of its own.
pub(crate) fn grant_of_refresh_token(app: &App, token: &str, client: &str) -> Option<GrantId> {
    verify_refresh_token(&app.mac, token, client).map(|claims| claims.grant)
}
