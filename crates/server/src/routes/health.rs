//! Whether the process lives, and whether it can do its work; and the page of figures, for those within.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::Json;
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::json;

use crate::app::App;

/// A store that takes longer is not ready.
const PATIENCE: Duration = Duration::from_secs(1);

/// `GET /health`: it answers, so it lives.
pub(crate) async fn health() -> Response {
    Json(json!({"alive": true})).into_response()
}

/// `GET /ready`, without saying to strangers what is wrong.
pub(crate) async fn ready(State(app): State<Arc<App>>) -> Response {
    let [store, keys] = parts(&app).await;
    answer(store && keys, json!({"ready": store && keys}))
}

/// For the listener of those within: `/metrics`, `/health`, and `/ready` with its parts.
pub(crate) fn metrics_router(app: Arc<App>) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .route("/health", get(health))
        .route("/ready", get(ready_in_parts))
        .with_state(app)
}

async fn ready_in_parts(State(app): State<Arc<App>>) -> Response {
    let [store, keys] = parts(&app).await;
    answer(store && keys, json!({"ready": store && keys, "store": store, "keys": keys}))
}

async fn metrics(State(app): State<Arc<App>>) -> Response {
    let page = app.metrics.page(&app.counts);
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], page).into_response()
}

/// Whether the store answers, and whether the keys could be read when they were read last.
async fn parts(app: &App) -> [bool; 2] {
    let asked = tokio::time::timeout(PATIENCE, app.ask(|store| store.newest_key())).await;
    [matches!(asked, Ok(Ok(_))), app.keys_readable.load(Ordering::Relaxed)]
}

fn answer(ready: bool, body: serde_json::Value) -> Response {
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let mut response = (status, Json(body)).into_response();
    if !ready {
        response.headers_mut().insert(header::RETRY_AFTER, 1.into());
    }
    response
}
