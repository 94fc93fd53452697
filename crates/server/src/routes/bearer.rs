//! Access tokens that open doors of this server itself: bearer use after RFC 6750, and bound tokens after RFC 9449.

use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use pilotlight_oauth::Scope;

use crate::app::App;
use crate::dpop::{ALGORITHMS, DPOP_NONCE, show_thumbprint};
use crate::grant::{Grant, GrantId};
use crate::issue::AccessClaims;
use crate::jwt;
use crate::problem::Problem;
use crate::proven::Proven;
use crate::store::User;

/// Why a token does not open the door, RFC 6750 section 3.1 and RFC 9449 section 7.1.
pub(super) enum Denied {
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
pub(super) enum Scheme {
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

/// Who an access token speaks for.
pub(super) struct Bearer {
    pub(super) grant: Grant,
    pub(super) user: User,
    proven: Option<Proven>,
}

impl Bearer {
    /// An answer, with what the next proof needs.
    pub(super) fn answer(&self, app: &App, answer: impl IntoResponse) -> Response {
        let mut response = answer.into_response();
        if let Some(nonce) = app.next_nonce(self.proven.as_ref()) {
            response.headers_mut().insert(DPOP_NONCE, nonce.header());
        }
        response
    }
}

/// A request that an access token may open, if it has a certain scope.
pub(super) struct Door<'a> {
    pub(super) method: &'a Method,
    pub(super) path: &'a str,
    pub(super) headers: &'a HeaderMap,
    pub(super) scope: &'static str,
}

impl Door<'_> {
    /// The bearer of the token that came, as long as its grant lives.
    pub(super) async fn open(&self, app: &App) -> Result<Bearer, Denied> {
        let (scheme, token) = presented(self.headers).ok_or(Denied::NoToken)?;
        let invalid = || Denied::Invalid(scheme);
        let claims: AccessClaims = jwt::verify(&app.keys.now(), jwt::ACCESS_TOKEN, token).ok_or_else(invalid)?;
        let ours = claims.iss == app.config.issuer && claims.aud.contains(&app.config.issuer);
        if !ours || app.now().as_secs() >= claims.exp {
            return Err(invalid());
        }
        let proven = possession(app, self, (scheme, token), &claims).await?;
        // The signature alone would let it live on after its grant.
        let id: GrantId = claims.gid.and_then(|gid| gid.parse().ok()).ok_or_else(invalid)?;
        let subject = claims.sub.clone();
        let (grant, user) = app.ask(move |store| Ok((store.grant(id)?, store.user(&subject)?))).await?;
        let (Some(grant), Some(user)) = (grant, user) else { return Err(invalid()) };
        if grant.revoked.is_some() {
            return Err(invalid());
        }
        if !Scope::parse(&claims.scope).contains(self.scope) {
            return Err(Denied::TooNarrow(scheme));
        }
        Ok(Bearer { grant, user, proven })
    }

    /// The answer where it does not open.
    pub(super) fn refuse(&self, denied: Denied) -> Response {
        const INVALID: Option<&str> = Some(r#"error="invalid_token""#);
        let unauthorized = StatusCode::UNAUTHORIZED;
        match denied {
            Denied::Trouble(problem) => problem.into_response(),
            Denied::NoToken => challenge(unauthorized, &[Scheme::Bearer.challenge(None), Scheme::Dpop.challenge(None)]),
            Denied::Invalid(scheme) => challenge(unauthorized, &[scheme.challenge(INVALID)]),
            Denied::TooNarrow(scheme) => {
                let narrow = format!(r#"error="insufficient_scope", scope="{}""#, self.scope);
                challenge(StatusCode::FORBIDDEN, &[scheme.challenge(Some(&narrow))])
            }
            Denied::Proof(problem) => {
                let error = format!(r#"error="{}""#, problem.code());
                problem.finish(unauthorized, challenge(unauthorized, &[Scheme::Dpop.challenge(Some(&error))]))
            }
        }
    }
}

/// A bound token needs a proof of its key, and is not taken as a bearer token (RFC 9449 section 7.2).
async fn possession(
    app: &App,
    door: &Door<'_>,
    (scheme, token): (Scheme, &str),
    claims: &AccessClaims,
) -> Result<Option<Proven>, Denied> {
    let bound_to = match (scheme, &claims.cnf) {
        (Scheme::Bearer, None) => return Ok(None),
        (Scheme::Dpop, Some(confirmation)) => &confirmation.jkt,
        _ => return Err(Denied::Invalid(scheme)),
    };
    let missing = Problem::InvalidProof("The DPoP proof is missing.");
    let proven = app.proven_with(door.headers, door.method.as_str(), door.path, Some(token));
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
