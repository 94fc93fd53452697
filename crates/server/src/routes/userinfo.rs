//! Who the access token speaks for: OpenID Connect Core section 5.3, with bearer use after RFC 6750.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use pilotlight_oauth::Scope;
use serde_json::json;

use crate::app::App;
use crate::grant::GrantId;
use crate::issue::AccessClaims;
use crate::jwt;
use crate::problem::Problem;

/// Why a bearer token does not open the door, RFC 6750 section 3.1.
enum Denied {
    /// None came: the challenge says no more than that one is needed.
    NoToken,
    Invalid,
    TooNarrow,
    Trouble(Problem),
}

impl From<Problem> for Denied {
    fn from(problem: Problem) -> Self {
        Self::Trouble(problem)
    }
}

pub(crate) async fn userinfo(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    match person(&app, &headers).await {
        Ok(response) => response,
        Err(Denied::Trouble(problem)) => problem.into_response(),
        Err(Denied::NoToken) => challenge(StatusCode::UNAUTHORIZED, r#"Bearer realm="pilotlight""#),
        Err(Denied::Invalid) => {
            challenge(StatusCode::UNAUTHORIZED, r#"Bearer realm="pilotlight", error="invalid_token""#)
        }
        Err(Denied::TooNarrow) => {
            challenge(StatusCode::FORBIDDEN, r#"Bearer realm="pilotlight", error="insufficient_scope", scope="openid""#)
        }
    }
}

async fn person(app: &App, headers: &HeaderMap) -> Result<Response, Denied> {
    let token = bearer(headers).ok_or(Denied::NoToken)?;
    let claims: AccessClaims = jwt::verify(&app.keys.now(), jwt::ACCESS_TOKEN, token).ok_or(Denied::Invalid)?;
    let ours = claims.iss == app.config.issuer && claims.aud == app.config.issuer;
    if !ours || app.now().as_secs() >= claims.exp {
        return Err(Denied::Invalid);
    }
    // The signature alone would let it live on after its grant.
    let id: GrantId = claims.gid.and_then(|gid| gid.parse().ok()).ok_or(Denied::Invalid)?;
    let subject = claims.sub.clone();
    let (grant, user) = app.ask(move |store| Ok((store.grant(id)?, store.user(&subject)?))).await?;
    let (Some(grant), Some(user)) = (grant, user) else { return Err(Denied::Invalid) };
    if grant.revoked.is_some() {
        return Err(Denied::Invalid);
    }
    if !Scope::parse(&claims.scope).contains("openid") {
        return Err(Denied::TooNarrow);
    }
    Ok(Json(json!({"sub": user.subject, "preferred_username": user.name, "name": user.name})).into_response())
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

fn challenge(status: StatusCode, challenge: &'static str) -> Response {
    (status, [(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge))]).into_response()
}
