//! The token endpoint, RFC 6749 section 3.2.

use std::net::IpAddr;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use pilotlight_oauth::Scope;
use sha2::{Digest, Sha256};

use crate::app::App;
use crate::authenticate::Caller;
use crate::code::{Exchange, Exchanged, derive_challenge};
use crate::device::{self, DEVICE_GRANT, Poll, Polled};
use crate::dpop::DPOP_NONCE;
use crate::grant::{Grant, GrantId, Thumbprint};
use crate::issue::{About, Begun, Issued, Narrowed, Presented, granted_scope};
use crate::methods::Methods;
use crate::origin::origin_of;
use crate::params::{Form, Params, Peer, idempotency_key};
use crate::problem::{Problem, Refused};
use crate::proven::Proven;
use crate::resource::asked_resources;
use crate::routes::token_exchange::{TOKEN_EXCHANGE, narrower};
use crate::system::make_random;

/// Who asks for tokens, what for, and with which key.
pub(super) struct Asking<'a> {
    pub(super) caller: Caller,
    pub(super) params: &'a Params,
    pub(super) resources: Vec<String>,
    pub(super) proven: Option<Proven>,
}

impl<'a> Asking<'a> {
    async fn read(app: &App, headers: &HeaderMap, params: &'a Params) -> Result<Self, Problem> {
        let caller = app.authenticate_client(headers, params).await?;
        let proven = app.proven(headers, "POST", "/token")?;
        if proven.is_none() && caller.needs_proof() {
            return Err(Problem::InvalidProof("This client must send a DPoP proof."));
        }
        let resources = asked_resources(params, caller.resources(), &app.config.issuer)?;
        Ok(Self { caller, params, resources, proven })
    }

    pub(super) fn key(&self) -> Option<Thumbprint> {
        self.proven.as_ref().map(Proven::key)
    }
}

pub(crate) async fn token(
    State(app): State<Arc<App>>,
    Peer(peer): Peer,
    headers: HeaderMap,
    Form(params): Form,
) -> Result<Response, Problem> {
    let kind = params.need("grant_type", "grant_type is missing.")?;
    let asking = Asking::read(&app, &headers, &params).await?;
    // Refreshes are nearly all there is. The others are boxed, or each refresh would take memory for the largest of them.
    let issued = match kind {
        "refresh_token" => refresh(&app, &asking, &headers).await?,
        "authorization_code" => Box::pin(exchange(&app, &asking)).await?,
        "password" if app.config.password_sign_in => Box::pin(sign_in(&app, &asking, &headers, peer)).await?,
        "client_credentials" => Box::pin(in_its_own_name(&app, &asking)).await?,
        DEVICE_GRANT => Box::pin(poll(&app, &asking)).await?,
        TOKEN_EXCHANGE => Box::pin(narrower(&app, &asking)).await?,
        _ => return Err(Problem::UnsupportedGrantType),
    };
    let mut response = Json(issued.answer()).into_response();
    if let Some(nonce) = app.next_nonce(asking.proven.as_ref()) {
        response.headers_mut().insert(DPOP_NONCE, nonce.header());
    }
    Ok(response)
}

/// RFC 6749 section 6.
async fn refresh(app: &App, asking: &Asking<'_>, headers: &HeaderMap) -> Result<Issued, Problem> {
    let presented = Presented {
        token: asking.params.need("refresh_token", "refresh_token is missing.")?,
        client: asking.caller.id(),
        key: idempotency_key(headers)?,
        scope: asking.params.text("scope").map(Scope::parse),
        resources: asking.resources.clone(),
        proven: asking.proven.as_ref(),
        binds: asking.caller.is_public(),
    };
    app.refresh(presented).await
}

/// RFC 6749 section 4.3.
async fn sign_in(app: &App, asking: &Asking<'_>, headers: &HeaderMap, peer: Option<IpAddr>) -> Result<Issued, Problem> {
    // A stranger's program has no business with passwords: people type them on our own page alone.
    if asking.caller.is_stranger() {
        return Err(Problem::UnauthorizedClient);
    }
    let name = asking.params.need("username", "username is missing.")?;
    let password = asking.params.secret("password").ok_or(Problem::InvalidRequest("password is missing."))?;
    let scope = granted_scope(asking.params.text("scope"))?;
    let user = app.authenticate_wholly(name, password, asking.params.text("totp"), peer).await?;
    let begun = Begun {
        user: &user,
        client: asking.caller.id(),
        scope,
        resources: asking.resources.clone(),
        proven: asking.proven.as_ref(),
        binds: asking.caller.is_public(),
        device: origin_of(headers, peer),
    };
    app.begin(begun).await
}

/// RFC 6749 section 4.4.
async fn in_its_own_name(app: &App, asking: &Asking<'_>) -> Result<Issued, Problem> {
    let client = asking.caller.client()?;
    let allowed = client.own_scope.as_ref().filter(|_| client.secret_hash.is_some());
    let allowed = allowed.ok_or(Problem::UnauthorizedClient)?;
    let scope = asking.params.text("scope").map_or_else(|| allowed.clone(), Scope::parse);
    if !scope.iter().all(|token| allowed.contains(token)) {
        return Err(Problem::InvalidScope);
    }
    app.spend(asking.proven.as_ref()).await?;
    tracing::info!(outcome = %"issued", client = %client.id, "client_credentials");
    app.issue_own(&client.id, &scope, &asking.resources, asking.key())
}

/// RFC 8628 section 3.4.
async fn poll(app: &App, asking: &Asking<'_>) -> Result<Issued, Problem> {
    let code = asking.params.need("device_code", "device_code is missing.")?;
    let client = asking.caller.client()?.id.clone();
    let unknown = Problem::InvalidGrant(Refused::Unknown);
    let (name, hash) = device::read_device_code(code).ok_or(unknown)?;
    app.spend(asking.proven.as_ref()).await?;
    let now = app.now();
    let poll = Poll {
        name,
        hash,
        client,
        resources: asking.resources.clone(),
        proven: asking.key(),
        binds: asking.caller.is_public(),
        new_grant: GrantId(make_random()?),
        ends_at: app.grant_ends_at(now),
        uses: app.config.grant_uses,
        now,
    };
    let polled = app.ask(move |store| store.poll_device(&poll)).await?;
    let (grant, methods) = match polled {
        Polled::Granted(grant, methods) => (grant, methods),
        Polled::Pending => return Err(Problem::AuthorizationPending),
        Polled::TooSoon => return Err(Problem::SlowDown),
        Polled::Denied => return Err(Problem::AccessDenied),
        Polled::Expired => return Err(Problem::ExpiredToken),
        Polled::Unknown => return Err(unknown),
        Polled::WrongTarget => return Err(Problem::InvalidTarget),
        Polled::Again(grant_id) => {
            tracing::warn!(%grant_id, outcome = %"code_reused", note = "the grant is revoked", "device");
            return Err(Problem::InvalidGrant(Refused::Reused));
        }
    };
    first_tokens(app, asking, &grant, None, methods).await
}

/// RFC 6749 section 4.1.3 and RFC 7636 section 4.5.
async fn exchange(app: &App, asking: &Asking<'_>) -> Result<Issued, Problem> {
    let client = asking.caller.client()?;
    let code = asking.params.need("code", "code is missing.")?;
    let redirect_uri = asking.params.need("redirect_uri", "redirect_uri is missing.")?;
    let verifier = asking.params.need("code_verifier", "code_verifier is missing.")?;
    if !is_verifier(verifier) {
        return Err(Problem::InvalidRequest("code_verifier has 43 to 128 unreserved characters."));
    }
    app.spend(asking.proven.as_ref()).await?;
    let now = app.now();
    let presented = Exchange {
        hash: Sha256::digest(code).into(),
        client: client.id.clone(),
        redirect_uri: redirect_uri.to_owned(),
        challenge: derive_challenge(verifier),
        resources: asking.resources.clone(),
        proven: asking.key(),
        binds: asking.caller.is_public(),
        new_grant: GrantId(make_random()?),
        ends_at: app.grant_ends_at(now),
        uses: app.config.grant_uses,
        now,
    };
    let exchanged = app.ask(move |store| store.exchange(&presented)).await?;
    let (grant, nonce) = match exchanged {
        Exchanged::Granted(grant, nonce) => (grant, nonce),
        Exchanged::Again(revoked) => {
            let grant_id = revoked.map(|id| id.to_string()).unwrap_or_default();
            tracing::warn!(%grant_id, outcome = %"code_reused", note = "the grant is revoked", "code");
            return Err(Problem::InvalidGrant(Refused::Reused));
        }
        Exchanged::WrongKey => return Err(Problem::InvalidProof("This code is bound to another key.")),
        Exchanged::WrongTarget => return Err(Problem::InvalidTarget),
        Exchanged::Mismatch | Exchanged::Unknown => return Err(Problem::InvalidGrant(Refused::Unknown)),
    };
    first_tokens(app, asking, &grant, nonce.as_deref(), Methods::unmark(code).0).await
}

/// Of a grant that has just begun.
async fn first_tokens(
    app: &App,
    asking: &Asking<'_>,
    grant: &Grant,
    nonce: Option<&str>,
    methods: Methods,
) -> Result<Issued, Problem> {
    tracing::info!(grant_id = %grant.id, outcome = %"begun", generation = 0, client = %grant.client, "grant");
    let subject = grant.subject.clone();
    let user = app.ask(move |store| store.user(&subject)).await?;
    let narrowed = Narrowed { scope: None, resources: &asking.resources, key: asking.key() };
    let about = user.as_ref().map(|user| About { user, nonce, methods });
    app.issue(grant, &narrowed, about, grant.rotated_at)
}

/// RFC 7636 section 4.1.
fn is_verifier(text: &str) -> bool {
    (43..=128).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b))
}
