//! Revocation, RFC 7009. Whichever token of a grant comes, the grant ends, and all its tokens with it.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};

use crate::app::App;
use crate::grant::{GrantId, Reason};
use crate::issue::AccessClaims;
use crate::jwt;
use crate::params::Form;
use crate::problem::Problem;

/// Answers 200 for unknown and foreign tokens too (section 2.2): it tells nobody which tokens there are.
pub(crate) async fn revoke(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    Form(params): Form,
) -> Result<StatusCode, Problem> {
    let token = params.need("token", "token is missing.")?;
    let caller = app.authenticate_client(&headers, &params).await?;
    let client = caller.id();
    // `token_type_hint` only saves time (section 2.1), and telling the two apart costs none.
    let refresh_token = app.genuine(token, client).await?.map(|claims| claims.grant);
    let grant = refresh_token.or_else(|| grant_of_access_token(&app, token, client));
    if let Some(grant_id) = grant {
        let now = app.now();
        let ended = app.ask(move |store| store.revoke(grant_id, Reason::SignedOut, now)).await?;
        if ended == Some(true) {
            tracing::info!(%grant_id, outcome = %"signed_out", "revoke");
        }
    }
    Ok(StatusCode::OK)
}

/// Even an expired one: who sends it wants the grant to end.
fn grant_of_access_token(app: &App, token: &str, client: &str) -> Option<GrantId> {
    let claims: AccessClaims = jwt::verify(&app.keys.now(), jwt::ACCESS_TOKEN, token)?;
    if claims.iss != app.config.issuer || claims.client_id != client {
        return None;
    }
    claims.gid?.parse().ok()
}
