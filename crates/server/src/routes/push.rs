//! The pushed authorization request endpoint, RFC 9126 section 2.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use super::authorize::check_pushed;
use crate::app::App;
use crate::dpop::show_thumbprint;
use crate::params::Form;
use crate::problem::Problem;
use crate::pushed::{self, Pushed, hash_request_uri, make_request_uri};

/// Checks a request as the authorization endpoint would, and keeps it for a minute.
pub(crate) async fn push(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    Form(mut params): Form,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let client = app.authenticate_client(&headers, &params).await?.registered()?;
    // RFC 9449 section 10.1: the key may be named, or proven, or both.
    let proven = app.proven(&headers, "POST", "/par")?;
    if let Some(proven) = &proven {
        let jkt = show_thumbprint(&proven.key());
        if params.text("dpop_jkt").is_some_and(|named| named != jkt) {
            return Err(Problem::InvalidProof("dpop_jkt names another key than the DPoP proof."));
        }
        params.set("dpop_jkt", jkt);
    }
    check_pushed(&client, &params, &app.config.issuer)?;
    app.spend(proven.as_ref()).await?;
    let request_uri = make_request_uri()?;
    let pushed = Pushed {
        hash: hash_request_uri(&request_uri),
        request: params.encode_for(&client.id),
        client: client.id,
        expires_at: app.now().plus(pushed::LIFE),
    };
    app.ask(move |store| store.add_pushed(&pushed)).await?;
    Ok((StatusCode::CREATED, Json(json!({"request_uri": request_uri, "expires_in": pushed::LIFE.as_secs()}))))
}
