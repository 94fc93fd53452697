//! The token endpoint, RFC 6749 section 3.2.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use pilotlight_oauth::Scope;
use sha2::{Digest, Sha256};

use crate::app::App;
use crate::authenticate::Caller;
use crate::client::{FIRST_PARTY, Setting};
use crate::code::{Exchange, Exchanged, derive_challenge};
use crate::device::{self, DEVICE_GRANT, Poll, Polled};
use crate::grant::GrantId;
use crate::issue::{Issued, Presented, granted_scope};
use crate::params::{Form, Params, Peer, idempotency_key};
use crate::problem::{Problem, Refused};
use crate::system::make_random;

pub(crate) async fn token(
    State(app): State<Arc<App>>,
    Peer(peer): Peer,
    headers: HeaderMap,
    Form(params): Form,
) -> Result<Response, Problem> {
    let kind = params.need("grant_type", "grant_type is missing.")?;
    let caller = app.authenticate_client(&headers, &params).await?;
    let client = caller.id();
    let issued = match kind {
        "authorization_code" => exchange(&app, client, &params).await?,
        "refresh_token" => {
            let token = params.need("refresh_token", "refresh_token is missing.")?;
            let scope = params.text("scope").map(Scope::parse);
            app.refresh(Presented { token, client, key: idempotency_key(&headers)?, scope }).await?
        }
        "password" if app.config.password_sign_in => {
            // A stranger's program has no business with passwords: people type them on our own page alone.
            if matches!(&caller, Caller::Registered(client) if client.has(Setting::Registered)) {
                return Err(Problem::UnauthorizedClient);
            }
            let name = params.need("username", "username is missing.")?;
            let password = params.secret("password").ok_or(Problem::InvalidRequest("password is missing."))?;
            let scope = granted_scope(params.text("scope"))?;
            let user = app.authenticate_person(name, password, peer).await?;
            app.begin(&user, client, scope).await?
        }
        "client_credentials" => in_its_own_name(&app, caller, &params)?,
        DEVICE_GRANT => poll(&app, caller, &params).await?,
        _ => return Err(Problem::UnsupportedGrantType),
    };
    Ok(Json(issued.answer()).into_response())
}

/// RFC 6749 section 4.4.
fn in_its_own_name(app: &App, caller: Caller, params: &Params) -> Result<Issued, Problem> {
    let client = caller.registered()?;
    let allowed = client.own_scope.filter(|_| client.secret_hash.is_some()).ok_or(Problem::UnauthorizedClient)?;
    let scope = params.text("scope").map_or_else(|| allowed.clone(), Scope::parse);
    if !scope.iter().all(|token| allowed.contains(token)) {
        return Err(Problem::InvalidScope);
    }
    tracing::info!(outcome = %"issued", client = %client.id, "client_credentials");
    app.issue_own(&client.id, &scope)
}

/// RFC 8628 section 3.4.
async fn poll(app: &App, caller: Caller, params: &Params) -> Result<Issued, Problem> {
    let code = params.need("device_code", "device_code is missing.")?;
    let client = caller.registered()?.id;
    let unknown = Problem::InvalidGrant(Refused::Unknown);
    let (name, hash) = device::read_device_code(code).ok_or(unknown)?;
    let now = app.now();
    let new_grant = GrantId(make_random()?);
    let (ends_at, uses) = (app.grant_ends_at(now), app.config.grant_uses);
    let (resources, proven) = (Vec::new(), None);
    let poll = Poll { name, hash, client, resources, proven, binds: true, new_grant, ends_at, uses, now };
    let polled = app.ask(move |store| store.poll_device(&poll)).await?;
    let grant = match polled {
        Polled::Granted(grant) => grant,
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
    tracing::info!(grant_id = %grant.id, outcome = %"begun", generation = 0, client = %grant.client, "grant");
    let subject = grant.subject.clone();
    let user = app.ask(move |store| store.user(&subject)).await?;
    app.issue(&grant, None, user.as_ref().map(|user| (user, None)), now)
}

/// RFC 6749 section 4.1.3 and RFC 7636 section 4.5.
async fn exchange(app: &App, client: &str, params: &Params) -> Result<Issued, Problem> {
    if client == FIRST_PARTY {
        return Err(Problem::InvalidRequest("client_id is missing."));
    }
    let code = params.need("code", "code is missing.")?;
    let redirect_uri = params.need("redirect_uri", "redirect_uri is missing.")?;
    let verifier = params.need("code_verifier", "code_verifier is missing.")?;
    if !is_verifier(verifier) {
        return Err(Problem::InvalidRequest("code_verifier has 43 to 128 unreserved characters."));
    }
    let now = app.now();
    let presented = Exchange {
        hash: Sha256::digest(code).into(),
        client: client.to_owned(),
        redirect_uri: redirect_uri.to_owned(),
        challenge: derive_challenge(verifier),
        resources: Vec::new(),
        proven: None,
        binds: true,
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
    tracing::info!(grant_id = %grant.id, outcome = %"begun", generation = 0, %client, "grant");
    let subject = grant.subject.clone();
    let user = app.ask(move |store| store.user(&subject)).await?;
    app.issue(&grant, None, user.as_ref().map(|user| (user, nonce.as_deref())), now)
}

/// RFC 7636 section 4.1.
fn is_verifier(text: &str) -> bool {
    (43..=128).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b))
}
