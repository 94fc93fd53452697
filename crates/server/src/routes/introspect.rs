//! Introspection, RFC 7662: whether a token is alive, told to clients that can prove who they are.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use pilotlight_oauth::Scope;
use serde_json::{Value, json};

use crate::app::App;
use crate::client::{Client, Setting};
use crate::dpop::show_thumbprint;
use crate::grant::{Grant, GrantId};
use crate::issue::AccessClaims;
use crate::jwt;
use crate::params::Form;
use crate::problem::Problem;

/// What is not alive, or none of the caller's business, looks the same (section 2.2).
pub(crate) async fn introspect(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    Form(params): Form,
) -> Result<Json<Value>, Problem> {
    let token = params.need("token", "token is missing.")?;
    let caller = app.authenticate_client(&headers, &params).await?.confidential()?;
    // `token_type_hint` only saves time (section 2.1), and telling the two apart costs none.
    let described = match access_token(&app, token, &caller).await? {
        Some(described) => Some(described),
        None => refresh_token(&app, token, &caller).await?,
    };
    Ok(Json(described.unwrap_or_else(|| json!({"active": false}))))
}

async fn access_token(app: &App, token: &str, caller: &Client) -> Result<Option<Value>, Problem> {
    let claims: Option<AccessClaims> = jwt::verify(&app.keys.now(), jwt::ACCESS_TOKEN, token);
    let Some(claims) = claims else { return Ok(None) };
    let for_caller = claims.client_id == caller.id || caller.has(Setting::IntrospectAny);
    if !for_caller || claims.iss != app.config.issuer || app.now().as_secs() >= claims.exp {
        return Ok(None);
    }
    let username = match &claims.gid {
        // In the client's own name: alive as long as the client may still do so.
        None => {
            let id = claims.client_id.clone();
            let client = app.ask(move |store| store.client(&id)).await?;
            if client.is_none_or(|client| client.own_scope.is_none()) {
                return Ok(None);
            }
            None
        }
        Some(gid) => {
            let Ok(id) = gid.parse::<GrantId>() else { return Ok(None) };
            let Some(grant) = living_grant(app, id).await? else { return Ok(None) };
            username(app, &grant, &Scope::parse(&claims.scope)).await?
        }
    };
    let mut described = serde_json::to_value(&claims).unwrap_or_default();
    if let Some(members) = described.as_object_mut() {
        // How it hangs together inside is nobody's business.
        members.remove("gid");
        let token_type = if claims.cnf.is_some() { "DPoP" } else { "Bearer" };
        members.extend([("active".to_owned(), true.into()), ("token_type".to_owned(), token_type.into())]);
        members.extend(username.map(|name| ("username".to_owned(), name.into())));
    }
    Ok(Some(described))
}

/// Only ever the caller's own: the MAC is bound to the client.
async fn refresh_token(app: &App, token: &str, caller: &Client) -> Result<Option<Value>, Problem> {
    let Some(claims) = app.genuine(token, &caller.id).await? else { return Ok(None) };
    let Some(grant) = living_grant(app, claims.grant).await? else { return Ok(None) };
    let expires_at = grant.refresh_expires_at(app.config.refresh_token_ttl);
    // A newer one than the store knows would heal it: it is alive.
    let current = grant.client == caller.id && claims.generation >= grant.generation;
    if !current || app.now() >= expires_at || grant.uses.is_some_and(|uses| claims.generation >= uses) {
        return Ok(None);
    }
    let mut described = json!({
        "active": true,
        "iss": app.config.issuer,
        "sub": grant.subject,
        "client_id": grant.client,
        "scope": grant.scope.to_string(),
        "iat": grant.rotated_at.as_secs(),
        "exp": expires_at.as_secs(),
        "auth_time": grant.authenticated_at.as_secs(),
    });
    if let Some(members) = described.as_object_mut() {
        let name = username(app, &grant, &grant.scope).await?;
        members.extend(name.map(|name| ("username".to_owned(), name.into())));
        let bound = grant.bound_to.map(|key| json!({"jkt": show_thumbprint(&key)}));
        members.extend(bound.map(|cnf| ("cnf".to_owned(), cnf)));
    }
    Ok(Some(described))
}

pub(super) async fn living_grant(app: &App, id: GrantId) -> Result<Option<Grant>, Problem> {
    let grant = app.ask(move |store| store.grant(id)).await?;
    Ok(grant.filter(|grant| grant.revoked.is_none() && grant.ends_at.is_none_or(|end| app.now() < end)))
}

/// For tokens that may see the name.
async fn username(app: &App, grant: &Grant, scope: &Scope) -> Result<Option<String>, Problem> {
    if !scope.contains("profile") {
        return Ok(None);
    }
    let subject = grant.subject.clone();
    Ok(app.ask(move |store| store.user(&subject)).await?.map(|user| user.name))
}
