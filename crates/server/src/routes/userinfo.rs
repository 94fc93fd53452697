//! Who the access token speaks for: OpenID Connect Core section 5.3, with bearer use after RFC 6750 and bound tokens after
//! RFC 9449.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use pilotlight_oauth::Scope;
use serde_json::json;

use crate::app::App;
use crate::dpop::{ALGORITHMS, DPOP_NONCE, show_thumbprint};
use crate::grant::GrantId;
use crate::issue::AccessClaims;
use crate::jwt;
use crate::problem::Problem;
use crate::proven::Proven;

/// Why a token does not open the door, RFC 6750 section 3.1 and RFC 9449 section 7.1.
enum Denied {
    /// None came: the challenge says no more than that one is needed.
    NoToken,
    Invalid(Scheme),
    TooNarrow(Scheme),
    /// The proof, and not the token.
    Proof(Problem),
    Trouble(Problem),
}

/// How a token is presented.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Scheme {
    Bearer,
    Dpop,
}

impl Scheme {
    fn challenge(self, error: Option<&str>) -> String {
        let (name, algorithms) = match self {
            Self::Bearer => ("Bearer", String::new()),
            Self::Dpop => ("DPoP", format!(r#", algs="{}""#, ALGORITHMS.join(" "))),
        };
        let error = error.map(|error| format!(", {error}")).unwrap_or_default();
        format!(r#"{name} realm="pilotlight"{error}{algorithms}"#)
    }
}

impl From<Problem> for Denied {
    fn from(problem: Problem) -> Self {
        Self::Trouble(problem)
    }
}

pub(crate) async fn userinfo(State(app): State<Arc<App>>, method: Method, headers: HeaderMap) -> Response {
    const INVALID: Option<&str> = Some(r#"error="invalid_token""#);
    const NARROW: Option<&str> = Some(r#"error="insufficient_scope", scope="openid""#);
    let unauthorized = StatusCode::UNAUTHORIZED;
    match person(&app, &method, &headers).await {
        Ok(response) => response,
        Err(Denied::Trouble(problem)) => problem.into_response(),
        Err(Denied::NoToken) => {
            challenge(unauthorized, &[Scheme::Bearer.challenge(None), Scheme::Dpop.challenge(None)])
        }
        Err(Denied::Invalid(scheme)) => challenge(unauthorized, &[scheme.challenge(INVALID)]),
        Err(Denied::TooNarrow(scheme)) => challenge(StatusCode::FORBIDDEN, &[scheme.challenge(NARROW)]),
        Err(Denied::Proof(problem)) => {
            let error = format!(r#"error="{}""#, problem.code());
            problem.finish(unauthorized, challenge(unauthorized, &[Scheme::Dpop.challenge(Some(&error))]))
        }
    }
}

async fn person(app: &App, method: &Method, headers: &HeaderMap) -> Result<Response, Denied> {
    let (scheme, token) = presented(headers).ok_or(Denied::NoToken)?;
    let invalid = || Denied::Invalid(scheme);
    let claims: AccessClaims = jwt::verify(&app.keys.now(), jwt::ACCESS_TOKEN, token).ok_or_else(invalid)?;
    let ours = claims.iss == app.config.issuer && claims.aud.contains(&app.config.issuer);
    if !ours || app.now().as_secs() >= claims.exp {
        return Err(invalid());
    }
    let proven = possession(app, method, headers, (scheme, token), &claims).await?;
    // The signature alone would let it live on after its grant.
    let id: GrantId = claims.gid.and_then(|gid| gid.parse().ok()).ok_or_else(invalid)?;
    let subject = claims.sub.clone();
    let (grant, user) = app.ask(move |store| Ok((store.grant(id)?, store.user(&subject)?))).await?;
    let (Some(grant), Some(user)) = (grant, user) else { return Err(invalid()) };
    if grant.revoked.is_some() {
        return Err(invalid());
    }
    if !Scope::parse(&claims.scope).contains("openid") {
        return Err(Denied::TooNarrow(scheme));
    }
    let told = Json(json!({"sub": user.subject, "preferred_username": user.name, "name": user.name}));
    let mut response = told.into_response();
    if let Some(nonce) = app.next_nonce(proven.as_ref()) {
        response.headers_mut().insert(DPOP_NONCE, nonce.header());
    }
    Ok(response)
}

/// A bound token needs a proof of its key, and is not taken as a bearer token (RFC 9449 section 7.2).
async fn possession(
    app: &App,
    method: &Method,
    headers: &HeaderMap,
    (scheme, token): (Scheme, &str),
    claims: &AccessClaims,
) -> Result<Option<Proven>, Denied> {
    let bound_to = match (scheme, &claims.cnf) {
        (Scheme::Bearer, None) => return Ok(None),
        (Scheme::Dpop, Some(confirmation)) => &confirmation.jkt,
        _ => return Err(Denied::Invalid(scheme)),
    };
    let missing = Problem::InvalidProof("The DPoP proof is missing.");
    let proven = app.proven_with(headers, method.as_str(), "/userinfo", Some(token));
    let proven = proven.and_then(|proven| proven.ok_or(missing)).map_err(Denied::Proof)?;
    if show_thumbprint(&proven.key()) != *bound_to {
        return Err(Denied::Invalid(scheme));
    }
    match app.spend(Some(&proven)).await {
        Ok(()) => Ok(Some(proven)),
        Err(Problem::Unavailable) => Err(Denied::Trouble(Problem::Unavailable)),
        Err(again) => Err(Denied::Proof(again)),
    }
}

fn presented(headers: &HeaderMap) -> Option<(Scheme, &str)> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    let known = [("bearer", Scheme::Bearer), ("dpop", Scheme::Dpop)];
    let (_, scheme) = known.into_iter().find(|(name, _)| scheme.eq_ignore_ascii_case(name))?;
    Some((scheme, token.trim()))
}

fn challenge(status: StatusCode, challenges: &[String]) -> Response {
    let mut response = status.into_response();
    for value in challenges.iter().filter_map(|challenge| HeaderValue::from_str(challenge).ok()) {
        response.headers_mut().append(header::WWW_AUTHENTICATE, value);
    }
    response
}
