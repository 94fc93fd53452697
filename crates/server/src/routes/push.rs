//! The pushed authorization request endpoint, RFC 9126 section 2.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use super::authorize::check_pushed;
use crate::app::App;
use crate::params::Form;
use crate::problem::Problem;
use crate::pushed::{self, Pushed, hash_request_uri, make_request_uri};

/// Checks a request as the authorization endpoint would, and keeps it for a minute.
pub(crate) async fn push(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    Form(params): Form,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let client = app.authenticate_client(&headers, &params).await?.registered()?;
    check_pushed(&client, &params)?;
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
